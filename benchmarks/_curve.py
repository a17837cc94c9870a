"""The picture of `rate_distortion.py`: mean IoU against tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from _distortion import BEST, CANVAS, COLUMNS, DEFAULT, KEEP, PAPER, SQUARES
from _rivals import LOCATED, POLYGON, RLE
from _scores import ALL, REFCOCO

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from _scores import Result

MOST_TOKENS = 200
LOWEST = {ALL: 0.36, REFCOCO: 0.78}


@dataclass(frozen=True)
class Look:
    """How a family is drawn; told apart by the colour-blind as well.

    Attributes
    ----------
    places
        Where a setting's number is written, in points from its mark; by the setting's first number.
    wide
        Whether the line is drawn to be seen first.
    """

    name: str
    colour: str
    marker: str
    places: dict[str, tuple[float, float]]
    wide: bool = False


_ABOVE, _BELOW, _LEFT, _RIGHT = (-6.0, 7.0), (9.0, -12.0), (-12.0, -3.0), (11.0, -5.0)
_UNDER = -4.0, -15.0
# The last ones are drawn on top.
LOOKS = {
    "R-RLE, nearest": Look("R-RLE", "#8a8a8a", "s", {"16": _RIGHT}),
    "I-RLE, nearest": Look("I-RLE", "#8a8a8a", "v", {"16": _RIGHT, "32": _RIGHT}),
    RLE: Look("COCO RLE as text", "#8B5E3C", "D", {"64": _RIGHT, "128": _UNDER}),
    POLYGON: Look("polygon, digits", "#222222", "^", {"8": _RIGHT, "16": _RIGHT}),
    LOCATED: Look(LOCATED, "#56B4E9", "^", {"8": _RIGHT, "16": _LEFT, "32": _ABOVE, "64": _RIGHT}),
    SQUARES: Look("B-SD box, square, keep, repeats", "#E69F00", "s", {"32": _BELOW}),
    CANVAS: Look(
        "B-SD on the canvas, nearest",
        "#007A5A",
        "o",
        {"16": _RIGHT, "32": _RIGHT, "64": _RIGHT, "128": _RIGHT},
        wide=True,
    ),
    KEEP: Look(
        "B-SD box, keep", "#D55E00", "o", {"5": _BELOW, "11": _UNDER, "24": _BELOW}, wide=True
    ),
    BEST: Look("B-SD box, best", "#0047AB", "o", {"5": _LEFT, "11": _ABOVE}, wide=True),
}


def plot(result: Result, path: Path, *, vocabulary: str) -> None:
    """Draw the mean IoU against the tokens, over all and over what is like RefCOCO's."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.4), layout="constrained")
    for axes, chosen in zip(figure.subplots(1, 2), (ALL, REFCOCO), strict=True):
        _draw(axes, result, chosen)
    lines = figure.axes[0].get_lines()[::-1]
    figure.legend(handles=lines, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    title = (
        f"{vocabulary} vocabulary, whole answers. Numbers: in the box, rows of up to {COLUMNS} "
        "columns, or square cells; on the canvas, cells a side; of polygons, vertices"
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, parse_math=False)
    figure.savefig(path, dpi=150)


def _draw(axes: Axes, result: Result, chosen: str) -> None:
    from matplotlib.ticker import MultipleLocator, StrMethodFormatter

    tokens, ious = result.means("tokens", chosen), result.means("ious", chosen)
    for family, look in LOOKS.items():
        mine = [k for k, s in enumerate(result.scores) if s.contender.family == family]
        width, size = (2.4, 5.5) if look.wide else (1.2, 4.5)
        axes.plot(
            tokens[mine],
            ious[mine],
            color=look.colour,
            marker=look.marker,
            linewidth=width,
            markersize=size,
            label=look.name,
        )
        for k in mine:
            setting = result.scores[k].contender.setting.partition(" ")[0]
            if setting in look.places and tokens[k] <= MOST_TOKENS:
                _write(axes, setting, (tokens[k], ious[k]), look)
    _compare(axes, result, chosen)
    axes.set_xlim(0, MOST_TOKENS)
    axes.set_ylim(LOWEST[chosen], 1.005)
    axes.xaxis.set_major_locator(MultipleLocator(25))
    axes.yaxis.set_major_locator(MultipleLocator(0.1 if chosen == ALL else 0.05))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.2f}"))
    axes.set_ylabel("mean IoU")
    axes.set_xlabel("tokens per mask, mean")
    axes.set_title(f"{chosen}, {np.count_nonzero(result.sets[chosen]):,}", loc="left", fontsize=10)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _write(axes: Axes, setting: str, point: tuple[float, float], look: Look) -> None:
    """Write a setting's number beside its mark, above all lines."""
    from matplotlib.patheffects import withStroke

    axes.annotate(
        setting,
        point,
        xytext=look.places[setting],
        textcoords="offset points",
        ha="center",
        color=look.colour,
        fontsize=9 if look.wide else 8,
        fontweight="bold" if look.wide else "normal",
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        zorder=5,
    )


def _compare(axes: Axes, result: Result, chosen: str) -> None:
    """An arrow from the canvas that the papers have to what the box frame has by default."""
    here, there = (result.number(*one) for one in (PAPER, DEFAULT))
    tokens, ious = result.means("tokens", chosen), result.means("ious", chosen)
    if np.isnan(ious[there]):
        return
    axes.annotate(
        "",
        (tokens[there], ious[there]),
        xytext=(tokens[here], ious[here]),
        arrowprops={"arrowstyle": "-|>", "color": "#666666", "linestyle": ":", "shrinkB": 5},
    )
    axes.annotate(
        f"{tokens[there] / tokens[here]:.0%} of the tokens,\n"
        f"IoU {ious[here]:.3f} to {ious[there]:.3f}",
        (tokens[here], ious[here]),
        xytext=(8, -16),
        textcoords="offset points",
        va="top",
        fontsize=8.5,
        color="#444444",
        annotation_clip=False,
    )
