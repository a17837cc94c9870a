"""What the runs of `learn_formats.py` found: tables, a plot, and the same scenes in all formats."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from _common import Table
from _formattasks import Task
from _objects import scene
from maskcodec.pictures.figure import panels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

_SHOWN = 6  # scenes in the picture
_SCALE = 2
_INK = 40, 40, 60  # of masks, which no object has
_FAMILIES = {  # told apart by the colour-blind as well
    "r-rle": ("#8a8a8a", "v"),
    "i-rle": ("#56B4E9", "v"),
    "b-sd": ("#007A5A", "o"),
    "scanlines": ("#D55E00", "s"),
    "polygons": ("#222222", "^"),
}


@dataclass(frozen=True)
class Format:
    """The runs of one format, one for each seed."""

    name: str
    runs: Sequence[dict[str, Any]]

    def figure(self, key: str, way: str | None = None) -> np.ndarray[Any, Any]:
        """A figure of each run; of a way of asking, nan where it was not asked that way."""
        some = [run if way is None else run["ways"].get(way, {}) for run in self.runs]
        return np.array([one.get(key, np.nan) for one in some], np.float64)

    def at(self, axis: str, value: float, key: str = "giou") -> np.ndarray[Any, Any]:
        """A figure of the looks on the way, where a run had seen or taken so much of `axis`."""
        found = []
        for run in self.runs:
            looks = sorted(run["curve"], key=lambda look: look[axis])
            xs, ys = [0, *(look[axis] for look in looks)], [0, *(look[key] for look in looks)]
            found.append(np.interp(value, xs, ys))
        return np.array(found)


def formats(work: Path, names: Iterable[str]) -> list[Format]:
    """The runs that are done, by format."""
    found = []
    for name in names:
        paths = sorted(work.glob(f"{name}-[0-9].json"))
        runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        if runs:
            found.append(Format(name, runs))
    return found


def spread(values: np.ndarray[Any, Any], digits: int = 3) -> str:
    """A mean, and behind it the standard deviation over the seeds."""
    if np.isnan(values).all():
        return ""
    mean = f"{values.mean():.{digits}f}"
    return f"{mean} ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else mean


def tables(found: Sequence[Format]) -> dict[str, str]:
    """The tables, as Markdown, by the name of their place on the page."""
    price = {
        "tokens": ("tokens", min(one.runs[0]["curve"][-1]["tokens"] for one in found)),
        "seconds": ("seconds", min(one.runs[0]["curve"][-1]["seconds"] for one in found)),
    }
    return {
        "same-steps": _table(found, _STEPS),
        "valid": _table(found, _VALID),
        "cost": _table(found, _COST),
        "same-price": _table(
            found,
            {
                "gIoU, same steps": lambda one: spread(one.at("step", np.inf)),
                f"same tokens ({price['tokens'][1] / 1e6:.2f} M)": lambda one: spread(
                    one.at(*price["tokens"])
                ),
                f"same seconds ({price['seconds'][1]:.0f})": lambda one: spread(
                    one.at(*price["seconds"])
                ),
            },
        ),
    }


def _table(found: Sequence[Format], columns: dict[str, Callable[[Format], str]]) -> str:
    table = Table(["format", "runs", *columns])
    lines = [
        [one.name, str(len(one.runs)), *(write(one) for write in columns.values())] for one in found
    ]
    table.add("", lines)
    return table.markdown()


_STEPS: dict[str, Callable[[Format], str]] = {
    "tokens": lambda one: spread(one.figure("tokens")[:1], 1),
    "at most": lambda one: spread(one.figure("ceiling")[:1]),
    "gIoU": lambda one: spread(one.figure("giou", "free")),
    "cIoU": lambda one: spread(one.figure("ciou", "free")),
    "Acc@0.5": lambda one: spread(one.figure("acc", "free")),
    "boundary F": lambda one: spread(one.figure("boundary", "free")),
    "gIoU, given the box": lambda one: spread(one.figure("giou", "given box")),
}
_VALID: dict[str, Callable[[Format], str]] = {
    "valid": lambda one: spread(one.figure("valid", "free")),
    "gIoU, strict": lambda one: spread(one.figure("giou_strict", "free")),
    "gained by recover": lambda one: spread(
        one.figure("giou", "free") - one.figure("giou_strict", "free")
    ),
    "valid, guided": lambda one: spread(one.figure("valid", "guided")),
    "gained by the guide": lambda one: spread(
        one.figure("giou", "guided") - one.figure("giou", "free")
    ),
}
_COST: dict[str, Callable[[Format], str]] = {
    "loss a token": lambda one: spread(one.figure("loss_token")),
    "loss a mask": lambda one: spread(one.figure("loss_mask"), 1),
    "ms a mask": lambda one: spread(1e3 * one.figure("seconds", "free"), 0),
    "s a step": lambda one: spread(one.figure("seconds") / one.figure("step")),
}


def plot(found: Sequence[Format], path: Path) -> None:
    """Draw what each format can reach, and what was reached, against its tokens."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 5.2), layout="constrained")
    axes = figure.subplots()
    for one in found:
        colour, marker = next(
            look for family, look in _FAMILIES.items() if one.name.startswith(family)
        )
        tokens, reached = one.figure("tokens")[0], one.figure("giou", "free")
        best = one.figure("ceiling")[0]
        axes.plot([tokens, tokens], [reached.mean(), best], color=colour, linewidth=0.8, alpha=0.5)
        axes.plot(tokens, best, marker, color=colour, markerfacecolor="white", markersize=6)
        axes.errorbar(
            tokens, reached.mean(), reached.std(ddof=min(1, len(reached) - 1)), fmt=marker,
            color=colour, markersize=6, capsize=3,
        )  # fmt: skip
        axes.annotate(
            one.name, (tokens, reached.mean()), (5, -11), textcoords="offset points", fontsize=8
        )
    axes.set_xlabel("tokens of a right answer")
    axes.set_ylabel("gIoU on unseen scenes")
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.25)
    axes.set_title(
        "Filled: what the model reached. Hollow: the right answers themselves.", fontsize=10
    )
    figure.savefig(path, dpi=150)


def picture(found: Sequence[Format], path: Path) -> None:
    """Draw the first unseen scenes: as they are, what is meant, and what each format drew."""
    scenes = [scene(0, k) for k in range(_SHOWN)]
    drawn = [(one.label, "", _enlarged(one.photo)) for one in scenes]
    drawn += [
        ("" if k else "target", "", _shown(one.photo, one.mask)) for k, one in enumerate(scenes)
    ]
    for each in found:
        task, answers = Task(each.name), each.runs[0]["answers"]["free"]
        for k, one in enumerate(scenes):
            mask = task.read(answers[k]).mask
            drawn.append(("" if k else each.name, "", _shown(one.photo, mask)))
    panels(drawn, columns=_SHOWN).quantize(128).save(path)  # the noise makes large files


def _shown(photo: Any, mask: Any) -> Any:
    pale = 255 - (255 - photo) // 3
    pale[mask != 0] = _INK
    return _enlarged(pale)


def _enlarged(pixels: Any) -> Any:
    from PIL import Image

    size = _SCALE * pixels.shape[1], _SCALE * pixels.shape[0]
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)
