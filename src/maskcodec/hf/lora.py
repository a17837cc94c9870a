"""How Text4Seg trains: LoRA on the language model, the new rows, the optimiser, the batch."""

from __future__ import annotations

import dataclasses
import operator
import os
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import nn

from maskcodec.errors import ConfigError
from maskcodec.masks.grid import check_choice
from maskcodec.tokens import TokenCodec

if TYPE_CHECKING:
    from peft import LoraConfig

NewRows = Literal["trainable_tokens", "modules_to_save"]

# Text4Seg++'s; the released scripts of Text4Seg have a cosine for the line.
_RECIPE = {
    "learning_rate": 2e-4,
    "lr_scheduler_type": "linear",
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "optim": "adamw_torch",
    "per_device_train_batch_size": 4,
    "remove_unused_columns": False,  # the collator needs what the model's forward does not name
    "report_to": "none",
}
_WARMUP = 0.03


def lora_config(
    model: Any,
    tokens: TokenCodec,
    *,
    rank: int = 128,
    alpha: float | None = None,
    dropout: float = 0.05,
    new_rows: NewRows = "trainable_tokens",
) -> LoraConfig:
    """A configuration for peft: LoRA on the language model's linear layers, and the codec's rows.

    The vision tower, the projector and the head get no LoRA. Without the rows, no model ever
    writes a brick.

    TRL 1.16 asks the head for a bias, which peft's wrapper of single rows does not answer. Add the
    adapter yourself, say ``adapted.get_output_embeddings().bias = None``, and hand that model to
    the trainer without ``peft_config``.

    Parameters
    ----------
    model
        Prepared by `prepare_model`.
    tokens
        What that returned: every tag and brick of it is trained.
    rank
        From 1 on.
    alpha
        What the product of both matrices is multiplied with, divided by the rank; by default twice
        the rank, as in Text4Seg's scripts.
    dropout
        0 .. 1, without 1.
    new_rows
        ``"trainable_tokens"``: the codec's rows of both matrices and no others are trained and
        saved. ``"modules_to_save"``: both matrices as a whole, over a billion numbers in a 7B
        model; for programs that know nothing else.

    Raises
    ------
    TypeError
        `tokens` is no `TokenCodec`.
    ConfigError
        The model lacks rows, has no linear layers where they are looked for, has an adapter
        already, or peft would train its head wrongly; the message says which.
    ImportError
        There is no peft.

    Examples
    --------
    ::

        adapted = peft.get_peft_model(model, lora_config(model, tokens))
        adapted.save_pretrained("adapter")
        adapted.merge_and_unload().save_pretrained("merged")
    """
    check_choice(new_rows, NewRows, "new_rows")
    if not isinstance(tokens, TokenCodec):
        raise TypeError(f"tokens must be what prepare_model returned, got {type(tokens).__name__}")
    if operator.index(rank) < 1:
        raise ConfigError(f"rank must be at least 1, got {rank}")
    ids = sorted(tokens.words.values())
    names, tied = _matrix_names(model, ids[-1])
    rows: dict[str, Any]
    if new_rows == "trainable_tokens":
        head = model.get_output_embeddings()
        if getattr(head, "bias", None) is not None:
            raise ConfigError(
                f"{names[-1]} has a bias, which peft leaves out where single rows are trained; "
                'pass new_rows="modules_to_save"'
            )
        rows = {"trainable_token_indices": {name: list(ids) for name in names}}
    else:
        rows = {"modules_to_save": names, "ensure_weight_tying": tied}
    config: LoraConfig = _needed("peft").LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        lora_dropout=dropout,
        target_modules=_linear_layers(model),
        task_type="CAUSAL_LM",
        **rows,
    )
    return config


def _matrix_names(model: Any, last: int) -> tuple[list[str], bool]:
    """The names of both matrices, of one where they are tied, and whether they are."""
    if hasattr(model, "peft_config"):
        raise ConfigError("the model has an adapter already; pass the model without it")
    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    rows = min(layer.weight.shape[0] for layer in layers)
    if last >= rows:
        raise ConfigError(
            f"the model has {rows} rows, too few for the codec's id {last}; call "
            "maskcodec.hf.prepare_model first"
        )
    tied = layers[0].weight is layers[1].weight
    said = bool(getattr(model.config, "tie_word_embeddings", False))
    if tied is not said:
        raise ConfigError(
            f"the model's matrices are {'' if tied else 'not '}tied, but its config says "
            f"tie_word_embeddings={said}, which peft goes by; set it to {tied}"
        )
    found = {id(module): name for name, module in model.named_modules()}
    return [found[id(layer)] for layer in (layers[:1] if tied else layers)], tied


def _linear_layers(model: Any) -> str:
    """A regular expression for the linear layers in the stack that stands beside the embedding."""
    embedding = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embedding)
    parent = name.rpartition(".")[0]
    patterns = []
    for child, layers in model.get_submodule(parent).named_children():
        linear = [n for n, m in layers.named_modules() if isinstance(m, nn.Linear) and "." in n]
        if isinstance(layers, nn.ModuleList) and linear:
            parts = [n.partition(".")[2].split(".") for n in linear]
            inner = {"\\.".join("\\d+" if p.isdigit() else re.escape(p) for p in n) for n in parts}
            stack = re.escape(f"{parent}.{child}".lstrip("."))
            patterns.append(rf"{stack}\.\d+\.(?:{'|'.join(sorted(inner))})")
    if not patterns:
        raise ConfigError(
            f"{type(model).__name__} has no linear layers in a list beside its embedding {name!r}; "
            "write peft's LoraConfig yourself"
        )
    return "|".join(patterns)


def training_arguments(
    out: str | os.PathLike[str],
    *,
    kind: type | None = None,
    global_batch: int = 128,
    world_size: int | None = None,
    **overrides: Any,
) -> Any:
    """The paper's optimiser, schedule and batch as a trainer's arguments.

    AdamW with 2e-4, falling linearly after 3 % of the steps, no weight decay, gradients clipped at
    1.0, 128 conversations a step.

    Parameters
    ----------
    out
        The trainer's folder.
    kind
        ``transformers.TrainingArguments`` by default, or a class of its kind, such as TRL's
        ``SFTConfig``, whose ``max_length`` is then None: no answer is cut off.
    global_batch
        Conversations a step, over all devices. The steps to accumulate gradients over follow from
        it and from ``per_device_train_batch_size``, 4 unless given.
    world_size
        The number of devices; by default what ``torchrun`` and its like say, or else the number of
        GPUs here, or one without any.
    overrides
        Any of the trainer's arguments.

    Raises
    ------
    ConfigError
        The global batch cannot be divided so; the message has the numbers.

    Examples
    --------
    >>> from maskcodec.hf import training_arguments
    >>> arguments = training_arguments("out", world_size=8, per_device_train_batch_size=2)
    >>> arguments.gradient_accumulation_steps, arguments.learning_rate
    (8, 0.0002)
    """
    if kind is None:
        kind = cast("type", _needed("transformers").TrainingArguments)
    settings = {**_RECIPE, **overrides}
    known = {field.name for field in dataclasses.fields(kind)}
    if "max_length" in known:
        settings.setdefault("max_length", None)  # TRL's 1024 would cut answers off
    if not {"warmup_steps", "warmup_ratio"} & set(overrides):
        # transformers 5 takes a share of the steps for their number
        settings["warmup_ratio" if "warmup_ratio" in known else "warmup_steps"] = _WARMUP
    if not {"bf16", "fp16"} & set(overrides):
        settings["bf16"] = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    each = settings["per_device_train_batch_size"]
    devices = _devices(settings) if world_size is None else world_size
    steps = settings.get("gradient_accumulation_steps")
    if steps is None and min(each, devices) > 0:
        steps = global_batch // (each * devices)
    if not steps or each * devices * steps != global_batch:
        raise ConfigError(
            f"a global batch of {global_batch} is not {each} a device x {devices} devices x "
            f"{'a whole number of' if not settings.get('gradient_accumulation_steps') else steps} "
            "accumulated steps; change per_device_train_batch_size or global_batch"
        )
    settings["gradient_accumulation_steps"] = steps
    return kind(output_dir=str(out), **settings)


def _devices(settings: dict[str, Any]) -> int:
    launched = os.environ.get("WORLD_SIZE")
    if launched is not None:
        return int(launched)
    return 1 if settings.get("use_cpu") else max(1, torch.cuda.device_count())


def _needed(package: str) -> Any:
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"maskcodec.hf needs {error.name}, which is missing: pip install 'maskcodec[hf]'"
        ) from error


def deepspeed_config() -> dict[str, Any]:
    """DeepSpeed's ZeRO-1 as a dictionary: optimiser states are shared out, nothing else.

    Give it to a trainer's ``deepspeed``, or write it as JSON. What says ``"auto"`` is taken from
    the trainer's arguments.

    Examples
    --------
    >>> deepspeed_config()["zero_optimization"]["stage"]
    1
    """
    return {
        "zero_optimization": {"stage": 1},
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
        "gradient_clipping": "auto",
        "gradient_accumulation_steps": "auto",
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
    }
