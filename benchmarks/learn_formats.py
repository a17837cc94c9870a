"""Which format a small model learns best, from the same start and for the same price.

One model of 0.6 million weights is taught to find objects: to write their boxes. From that
checkpoint each format gets the same number of steps with the same scenes, and is asked about
scenes that no run has seen. All of it runs on one core; a run that is stopped goes on where it was
when the same command is given again, and `--budget` bounds a call in minutes. Runs of several
calls at a time do not disturb each other: give each its own `--seeds`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from _finder import Finder
from _formatsreport import formats, picture, plot, tables
from _formattasks import BOXES, CODECS, Task, shared_words
from _objects import scene
from maskcodec.coco import RunMask
from maskcodec.metrics import CIoU, GIoU, Precision, measure
from maskcodec.rewards.drawn import edge_of, edge_score, measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from _formattasks import Reading
    from _objects import Scene

UNSEEN, FINDING, DRAWING = 0, 1, 2  # which seeds scenes are drawn by
_WARM = 100  # steps in which the rate rises
_KEPT = 0.995  # of the averaged weights, which are what is asked, at each step


class Size(NamedTuple):
    """How much is learned, and asked.

    Attributes
    ----------
    finding, drawing
        Steps: of boxes, and of each format.
    batch
        Scenes a step.
    rates
        The learning rates of the two.
    looks
        After how many steps of drawing some of the unseen scenes are asked about.
    unseen, glance
        How many unseen scenes are asked about at the end, and at each look.
    """

    finding: int
    drawing: int
    batch: int
    rates: tuple[float, float]
    looks: tuple[int, ...]
    unseen: int
    glance: int


SIZES = {
    "full": Size(10000, 1000, 64, (1e-3, 5e-4), (100, 200, 300, 450, 600, 800), 512, 128),
    "ci": Size(80, 60, 12, (2e-3, 2e-3), (20,), 24, 8),
}


@dataclass
class Run:
    """A model, what it learns, and how far it has come.

    Attributes
    ----------
    averaged
        The mean of its weights over the last steps; this is what is asked.
    step, seconds, tokens
        Steps so far, processor seconds of them, and ids in them that were learned.
    curve
        What was found at each look.
    """

    task: Task
    model: Finder
    averaged: Finder
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    tokens: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def new(cls, task: Task, seed: int, rate: float, found: Path | None = None) -> Run:
        """A run that has learned nothing, or what a checkpoint of `BOXES` has learned."""
        torch.manual_seed(seed)
        model, averaged = Finder(shared_words()), Finder(shared_words())
        if found is not None:
            model.load_state_dict(_loaded(found)["averaged"])
        model.grow(task.words)
        averaged.grow(task.words)
        averaged.load_state_dict(model.state_dict())
        optimizer = torch.optim.AdamW(model.parameters(), rate, (0.9, 0.98), weight_decay=0.01)
        return cls(task, model, averaged, optimizer)

    def learn(self, scenes: Sequence[Scene], rate: float) -> float:
        """One step; returns the loss of an id, in nats."""
        began = time.process_time()
        photos, ids, targets = _batch(self.task, scenes)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * min(1.0, (self.step + 1) / _WARM)
        scores = self.model(photos, ids)
        loss = cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=-1)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        kept = min(_KEPT, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, now in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 1 - kept)
        self.step += 1
        self.tokens += int((targets >= 0).sum())
        self.seconds += time.process_time() - began
        return loss.item()

    def save(self, path: Path) -> None:
        """Write all of it, and put it in place at once."""
        state = {name: getattr(self, name) for name in ("step", "seconds", "tokens", "curve")}
        for name in ("model", "averaged", "optimizer"):
            state[name] = getattr(self, name).state_dict()
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        """Go on where a saved one was."""
        state = _loaded(path)
        for name in ("model", "averaged", "optimizer"):
            getattr(self, name).load_state_dict(state.pop(name))
        for name, value in state.items():
            setattr(self, name, value)


def _loaded(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, weights_only=True))


def _batch(task: Task, scenes: Sequence[Scene]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Photos, ids, and for each id the one that should follow it; -1 where nothing is learned."""
    rows = [(task.question(one.label), [*task.answer(one), task.end]) for one in scenes]
    length = max(len(asked) + len(answer) for asked, answer in rows) - 1
    ids = np.full((len(rows), length), task.end, np.int64)
    targets = np.full((len(rows), length), -1, np.int64)
    for row, (asked, answer) in enumerate(rows):
        both = asked + answer
        ids[row, : len(both) - 1] = both[:-1]
        targets[row, len(asked) - 1 : len(both) - 1] = answer
    photos = np.stack([one.photo for one in scenes])
    return torch.from_numpy(photos), torch.from_numpy(ids), torch.from_numpy(targets)


class Asked(NamedTuple):
    """Answers about some scenes, and what they say.

    Attributes
    ----------
    ids
        Of each answer.
    readings
        What each of them says.
    seconds
        Processor seconds an answer.
    """

    ids: list[list[int]]
    readings: list[Reading]
    seconds: float


def ask(
    run: Run, scenes: Sequence[Scene], *, guided: bool = False, given_box: bool = False
) -> Asked:
    """What the averaged model answers, greedily; `given_box` puts the right label and box first."""
    task = run.task
    right = [task.answer(one) for one in scenes]
    given = [ids[: task.with_box(ids)] if given_box else [] for ids in right]
    asked = [task.question(one.label) + ids for one, ids in zip(scenes, given, strict=True)]
    photos = torch.from_numpy(np.stack([one.photo for one in scenes]))
    room = (4 if guided else 2) * max(map(len, right))  # a guided answer ends by itself
    run.averaged.eval()
    began = time.process_time()
    options = _Options(task.guide) if guided else None
    answers = run.averaged.generate(photos, asked, task.end, room, options)
    seconds = (time.process_time() - began) / len(scenes)
    whole = [[*first, *rest] for first, rest in zip(given, answers, strict=True)]
    return Asked(whole, [task.read(ids) for ids in whole], seconds)


class _Options:
    """What a guide allows in each answer, from the state that it was in an id before."""

    def __init__(self, guide: Any) -> None:
        self._guide, self._states, self._seen = guide, {}, {}

    def __call__(self, answers: list[list[int]]) -> list[Any]:
        found = []
        for row, answer in enumerate(answers):
            state = self._states.get(row, self._guide.start())
            for id_ in answer[self._seen.get(row, 0) :]:
                state = self._guide.step(state, id_)
            self._states[row], self._seen[row] = state, len(answer)
            found.append(self._guide.options(state))
        return found


def ious(readings: Sequence[Reading], scenes: Sequence[Scene]) -> list[float]:
    """The IoU of each answer's mask."""
    return [
        measure(reading.mask, one.mask).iou for reading, one in zip(readings, scenes, strict=True)
    ]


def box_ious(boxes: Sequence[Any], scenes: Sequence[Scene]) -> list[float]:
    """The IoU of boxes (x1, y1, x2, y2, all inside) with those of the masks; None counts 0."""
    found = []
    for box, one in zip(boxes, scenes, strict=True):
        shares = np.zeros(one.mask.shape, np.uint8)
        ys, xs = np.nonzero(one.mask)
        target = np.zeros(one.mask.shape, np.uint8)
        target[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] = 1
        if box is not None:
            shares[box[1] : box[3] + 1, box[0] : box[2] + 1] = 1
        found.append(measure(shares, target).iou)
    return found


def boundary(target: Any, mask: Any) -> float:
    """The boundary F of a mask, as `maskcodec.rewards` has it; 0 of an empty one."""
    if not mask.any():
        return 0.0
    edges = [edge_of(measured(RunMask.from_mask(one))) for one in (mask, target)]
    return float(edge_score(*edges))


def mask_box(mask: Any) -> tuple[int, int, int, int] | None:
    """The tight box of a mask, or None where nothing is set."""
    ys, xs = np.nonzero(mask)
    return (xs.min(), ys.min(), xs.max(), ys.max()) if len(ys) else None


def finding(work: Path, size: Size, until: float) -> Path | None:
    """Teach boxes until the time is over; returns the checkpoint once all steps are done."""
    path = work / f"{BOXES}.pt"
    run = Run.new(Task(BOXES), 0, size.rates[0])
    if path.exists():
        run.load(path)
    unseen = [scene(UNSEEN, k) for k in range(size.glance)]
    losses = []
    while run.step < size.finding and time.monotonic() < until:
        losses.append(run.learn(_scenes(FINDING, run.step, size.batch), size.rates[0]))
        if run.step % max(40, size.finding // 40) == 0 or run.step == size.finding:
            boxes = [run.task.box(ids) for ids in ask(run, unseen).ids]
            run.curve.append(
                {
                    "step": run.step,
                    "loss": float(np.mean(losses)),
                    "box_iou": float(np.mean(box_ious(boxes, unseen))),
                    "seconds": run.seconds,
                }
            )
            losses = []
            say(BOXES, run)
            run.save(path)
    run.save(path)
    return path if run.step == size.finding else None


def drawing(
    work: Path, size: Size, name: str, seed: int, found: Path, until: float, rate: float
) -> None:
    """Teach one format until the time is over; ask for answers once all steps are done."""
    path = work / f"{name}-{seed}.pt"
    result = path.with_suffix(".json")
    if result.exists():
        return
    run = Run.new(Task(name), seed, rate, found)
    if path.exists():
        run.load(path)
    unseen = [scene(UNSEEN, k) for k in range(size.unseen)]
    losses: list[float] = []
    while run.step < size.drawing and time.monotonic() < until:
        losses.append(run.learn(_scenes(DRAWING + seed, run.step, size.batch), rate))
        if run.step in size.looks or run.step == size.drawing:
            run.curve.append(_glance(run, unseen[: size.glance], losses))
            losses = []
            say(name, run)
            run.save(path)
    run.save(path)
    if run.step == size.drawing:
        result.write_text(json.dumps(_result(run, seed, rate, size, unseen)), encoding="utf-8")
        path.unlink()


def _glance(run: Run, scenes: Sequence[Scene], losses: Sequence[float]) -> dict[str, float]:
    found = ask(run, scenes)
    return {
        "step": run.step,
        "tokens": run.tokens,
        "seconds": run.seconds,
        "loss": float(np.mean(losses)),
        "giou": float(np.mean(ious(found.readings, scenes))),
        "box_iou": float(
            np.mean(box_ious([mask_box(reading.mask) for reading in found.readings], scenes))
        ),
        "valid": float(np.mean([reading.valid for reading in found.readings])),
    }


def _result(
    run: Run, seed: int, rate: float, size: Size, unseen: Sequence[Scene]
) -> dict[str, Any]:
    """All figures of a run."""
    task = run.task
    answers = [task.answer(one) for one in unseen]
    best = [task.read(ids) for ids in answers]
    loss, each = _loss(run, unseen)
    ways = {"free": ask(run, unseen)}
    if task.guide is not None:
        ways["guided"] = ask(run, unseen, guided=True)
    if task.has_box:
        ways["given box"] = ask(run, unseen, given_box=True)
    return {
        "format": run.task.name,
        "config": task.tokens.codec.get_config(),
        "seed": seed,
        "rate": rate,
        "size": size._asdict(),
        "step": run.step,
        "seconds": run.seconds,
        "learned_tokens": run.tokens,
        "curve": run.curve,
        "tokens": float(np.mean([len(ids) for ids in answers])),
        "ceiling": float(np.mean(ious(best, unseen))),
        "loss_token": loss,
        "loss_mask": each,
        "ways": {name: _figures(asked, unseen) for name, asked in ways.items()},
        "answers": {name: asked.ids for name, asked in ways.items()},
    }


@torch.no_grad()
def _loss(run: Run, scenes: Sequence[Scene]) -> tuple[float, float]:
    """The loss of an id and of an answer, in nats, on unseen scenes."""
    total, count = 0.0, 0
    for start in range(0, len(scenes), 64):
        photos, ids, targets = _batch(run.task, scenes[start : start + 64])
        scores = run.averaged(photos, ids).flatten(0, 1)
        total += cross_entropy(scores, targets.flatten(), ignore_index=-1, reduction="sum").item()
        count += int((targets >= 0).sum())
    return total / count, total / len(scenes)


def _figures(asked: Asked, scenes: Sequence[Scene]) -> dict[str, Any]:
    readings = asked.readings
    metrics = {"giou": GIoU(), "ciou": CIoU(), "acc": Precision(0.5)}
    strict = GIoU()
    for reading, one in zip(readings, scenes, strict=True):
        for metric in metrics.values():
            metric.update(reading.mask, one.mask)
        strict.update(reading.mask * reading.valid, one.mask)
    boxes = [mask_box(reading.mask) for reading in readings]
    edges = [
        boundary(one.mask, reading.mask) for reading, one in zip(readings, scenes, strict=True)
    ]
    reasons = Counter(reason for reading in readings for reason in set(reading.reasons))
    return {
        **{name: metric.compute() for name, metric in metrics.items()},
        "giou_strict": strict.compute(),
        "boundary": float(np.mean(edges)),
        "box_iou": float(np.mean(box_ious(boxes, scenes))),
        "valid": float(np.mean([reading.valid for reading in readings])),
        "seconds": asked.seconds,
        "ids": float(np.mean([len(ids) for ids in asked.ids])),
        "reasons": dict(reasons),
    }


def _scenes(kind: int, step: int, count: int) -> list[Scene]:
    return [scene(kind, step, k) for k in range(count)]


def say(name: str, run: Run) -> None:
    """A line about a run."""
    last = run.curve[-1]
    shown = " ".join(f"{key} {value:.3f}" for key, value in last.items() if key != "step")
    print(f"{time.strftime('%H:%M:%S')} {name}: step {run.step} {shown}", flush=True)


def arguments() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--work", type=Path, required=True, help="where checkpoints and results go")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--budget", type=float, default=1e9, help="minutes of this call")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--formats", nargs="+", choices=CODECS, default=list(CODECS))
    parser.add_argument("--rate", type=float, help="of drawing, to try others")
    parser.add_argument("--report", type=Path, help="a folder for tables, pictures and figures")
    return parser.parse_args()


def runs(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """What is to be learned: all formats of a seed, then the next one."""
    for seed in options.seeds:
        for name in options.formats:
            yield name, seed


def report(work: Path, names: Sequence[str], folder: Path) -> None:
    """Write what the runs that are done have found."""
    found = formats(work, names)
    if not found:
        sys.exit(f"no run in {work} is done")
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(f"### {name}\n\n{table}" for name, table in tables(found).items())
    (folder / "tables.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    kept = [
        {key: value for key, value in run.items() if key != "answers"}
        for one in found
        for run in one.runs
    ]
    boxes = _loaded(work / f"{BOXES}.pt")["curve"]
    written = json.dumps({"boxes": boxes, "formats": kept}, indent=1)
    (folder / "results.json").write_text(written, encoding="utf-8")
    plot(found, folder / "formats.png")
    picture(found, folder / "scenes.png")


def main() -> None:
    """Go on with what is not done."""
    options = arguments()
    until = time.monotonic() + 60 * options.budget
    size = SIZES[options.size]
    if options.report:
        report(options.work, options.formats, options.report)
        return
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    found = finding(options.work, size, until)
    if found is None:
        sys.exit("boxes are not learned yet; give the same command to go on")
    for name, seed in runs(options):
        if time.monotonic() >= until:
            sys.exit("not all formats are learned; give the same command to go on")
        drawing(options.work, size, name, seed, found, until, options.rate or size.rates[1])


if __name__ == "__main__":
    main()
