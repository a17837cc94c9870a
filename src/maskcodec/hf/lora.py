"""Train as Text4Seg does: LoRA on the language model, and the rows of the new tokens."""

from __future__ import annotations

import operator
import re
from typing import Any, Literal

from peft import LoraConfig
from torch import nn

from maskcodec.errors import ConfigError
from maskcodec.messages import check_choice
from maskcodec.tokens import TokenCodec

NewRows = Literal["trainable_tokens", "modules_to_save"]


def lora_config(
    model: Any,
    tokens: TokenCodec,
    *,
    rank: int = 128,
    alpha: float | None = None,
    dropout: float = 0.05,
    new_rows: NewRows = "trainable_tokens",
) -> LoraConfig:
    """Make a peft configuration: LoRA on the language model's linear layers, and the codec's rows.

    The vision tower, the projector and the head get no LoRA. The rows are needed: without them, no
    model ever writes a brick.

    TRL 1.16 reads the head's bias, which peft's wrapper of single rows lacks. Add the adapter
    yourself, set ``adapted.get_output_embeddings().bias = None``, and pass that model to the
    trainer without ``peft_config``.

    Parameters
    ----------
    model
        A model that `prepare_model` has prepared.
    tokens
        The `TokenCodec` that `prepare_model` returned. All tags, bricks and location tokens are
        trained.
    rank
        LoRA's rank, at least 1.
    alpha
        LoRA's alpha: the product of both matrices is multiplied by alpha / rank. By default twice
        the rank, as in Text4Seg's scripts.
    dropout
        LoRA's dropout, 0 .. 1, 1 exclusive.
    new_rows
        ``"trainable_tokens"``: train and save only the codec's rows of both matrices.
        ``"modules_to_save"``: train and save both matrices as a whole, over a billion numbers in a
        7B model; for programs that cannot read single rows.

    Raises
    ------
    TypeError
        `tokens` is not a `TokenCodec`.
    ConfigError
        The model lacks rows, has no linear layers beside its embedding, or has an adapter already;
        or peft would train its head wrongly. The message says which.

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
    scale: Any = 2 * rank if alpha is None else alpha  # peft takes fractions, but says int
    return LoraConfig(
        r=rank,
        lora_alpha=scale,
        lora_dropout=dropout,
        target_modules=_linear_layers(model),
        task_type="CAUSAL_LM",
        **rows,
    )


def _matrix_names(model: Any, last: int) -> tuple[list[str], bool]:
    """The names of both matrices, or of one if they are tied; and whether they are tied."""
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
    """A regular expression for the linear layers in the stack of layers beside the embedding."""
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
