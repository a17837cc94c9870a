"""Training a small model on scenes of shapes, in parts if need be."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from transformers import Qwen2VLModel

from _asking import row_maker
from _shapemodel import MERGE, make_config, make_model, make_processor, make_tokenizer
from _shapes import scene
from maskcodec.data import open_source
from maskcodec.data.build import build
from maskcodec.data.formats import trainer_rows
from maskcodec.hf import Collator, prepare_model

try:
    from transformers.vision_utils import get_vision_position_ids
except ImportError:  # an older one, which counts them each time
    get_vision_position_ids = None

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from maskcodec import TokenCodec
    from maskcodec.text.codec import Codec

FORMAT = "ms-swift"
_RATE, _WARM, _FALL = 1e-3, 0.03, 0.3  # learning rate; shares of the steps that it rises and falls


def built_rows(folder: Path, codec: Codec, out: Path) -> list[dict[str, Any]]:
    """The rows that `maskcodec.data` builds of a folder's training split, or has built before."""
    if not out.exists():
        source = open_source("refer", folder, images=folder / "images")
        build(source, out, rows=row_maker(codec), format=FORMAT)
    lines = [file.read_text(encoding="utf-8") for file in sorted((out / "train").iterdir())]
    return [json.loads(line) for line in "".join(lines).splitlines()]


@dataclass
class Learner:
    """A model, what it is to learn, and how far it has come.

    Attributes
    ----------
    step, seconds
        How many steps it has taken, and how long they took.
    losses
        (step, mean loss since the last one).
    curve
        (step, seconds, gIoU of held-out questions).
    """

    tokens: TokenCodec
    processor: Any
    model: Any
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    curve: list[tuple[int, float, float]] = field(default_factory=list)

    @classmethod
    def new(cls, codec: Codec, seed: int, device: str) -> Learner:
        """One that has learned nothing."""
        tokenizer = make_tokenizer()
        model = make_model(tokenizer, seed)
        tokens = prepare_model(model, codec, tokenizer)
        model.to(device)
        optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=_RATE,
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=device.startswith("cuda"),
        )
        return cls(tokens, make_processor(tokenizer), model, optimizer)

    def save(self, path: Path) -> None:
        """Write all of it, and put it in place at once."""
        state = {name: getattr(self, name) for name in ("step", "seconds", "losses", "curve")}
        state["model"] = self.model.state_dict()
        state["optimizer"] = self.optimizer.state_dict()
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        """Go on where a saved one was."""
        state = torch.load(path, map_location=self.model.device, weights_only=True)
        self.model.load_state_dict(state.pop("model"))
        self.optimizer.load_state_dict(state.pop("optimizer"))
        for name, value in state.items():
            setattr(self, name, value)


class Batches(Dataset[Any]):
    """Batches by the number of their step, so that a run that is cut in two sees the same ones.

    They are arrays, which go from process to process through a pipe: the shared memory that
    tensors go through is small in many containers.

    Parameters
    ----------
    learner
        Its tokenizer and codec.
    rows
        Rows to learn again and again; None for scenes that nobody has seen before.
    size
        Rows a batch.
    seed
        Draws the order, or the scenes.
    """

    def __init__(
        self, learner: Learner, rows: Sequence[dict[str, Any]] | None, size: int, seed: int
    ) -> None:
        self._collate = Collator(learner.processor)
        self._maker = row_maker(learner.tokens.codec)
        self._rows, self._size, self._seed = rows, size, seed
        with torch.device("meta"):  # without weights: it only counts positions
            self._places = Qwen2VLModel(make_config(learner.processor.tokenizer))

    def __getitem__(self, step: int) -> dict[str, Any]:
        """The batch of a step."""
        batch = self._collate(self._known(step) if self._rows else self._fresh(step))
        # On a GPU the model would count both in hundreds of tiny calls.
        batch["position_ids"], _ = self._places.get_rope_index(
            batch["input_ids"],
            batch["mm_token_type_ids"],
            batch["image_grid_thw"],
            attention_mask=batch["attention_mask"],
        )
        if get_vision_position_ids is not None:
            batch["image_position_ids"] = get_vision_position_ids(batch["image_grid_thw"], MERGE)
        batch["pixel_values"] = batch["pixel_values"].half()
        return {name: value.numpy() for name, value in batch.items()}

    def _known(self, step: int) -> list[dict[str, Any]]:
        assert self._rows is not None
        each = len(self._rows) // self._size
        order = np.random.default_rng((self._seed, step // each)).permutation(len(self._rows))
        start = step % each * self._size
        return [self._rows[k] for k in order[start : start + self._size]]

    def _fresh(self, step: int) -> list[dict[str, Any]]:
        rows = []
        for k in range(self._size):
            drawn = scene(self._seed, step, k)
            (made,) = self._maker(drawn.sample(f"{step}:{k}")).rows
            (row,) = trainer_rows(made._replace(image="drawn"), FORMAT)
            rows.append({**row, "images": [drawn.image]})
        return rows


def rate(step: int, steps: int) -> float:
    """The learning rate: up, level, and down to nothing at the end."""
    rising = (step + 1) / max(1.0, _WARM * steps)
    falling = (steps - step) / max(1.0, _FALL * steps)
    return _RATE * min(1.0, rising, falling)


def train(
    learner: Learner,
    batches: Batches,
    steps: int,
    *,
    until: float,
    workers: int = 0,
    note: int = 20,
    watch: Callable[[Learner], None] | None = None,
) -> None:
    """Take steps until there were so many, or until a time of `time.perf_counter`.

    Parameters
    ----------
    learner
        Goes on where it is.
    batches
        What it learns.
    steps
        How many in all, those of earlier calls included.
    until
        When to stop even so.
    workers
        Processes that make batches; 0 for this one.
    note
        After how many steps the loss is noted, and `watch` called.
    watch
        Gets the learner; its time does not count.
    """
    model, device = learner.model, learner.model.device
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(learner.step, steps),
        collate_fn=_unchanged,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
        prefetch_factor=4 if workers else None,
    )
    model.train()
    total, count = torch.zeros((), device=device), 0
    began = time.perf_counter()
    for batch in loader:
        if time.perf_counter() > until:
            break
        for group in learner.optimizer.param_groups:
            group["lr"] = rate(learner.step, steps)
        inputs = {name: _on(value, device) for name, value in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = model(**inputs).loss
        learner.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        learner.optimizer.step()
        learner.step += 1
        total += loss.detach()
        count += 1
        if learner.step % note == 0 or learner.step == steps:
            learner.losses.append((learner.step, total.item() / count))
            total.zero_()
            count = 0
            learner.seconds += time.perf_counter() - began
            if watch is not None:
                watch(learner)
                model.train()
            began = time.perf_counter()
    learner.seconds += time.perf_counter() - began
    model.eval()


def _unchanged(batch: Any) -> Any:
    """Arrays stay arrays: `torch` would have the workers make tensors of them."""
    return batch


def _on(value: Any, device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(value).to(device, non_blocking=True)
    return tensor.float() if tensor.is_floating_point() else tensor
