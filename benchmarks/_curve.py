"""The picture of `rate_distortion.py`: mean IoU against tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from _distortion import BEST, CANVAS, DEFAULT, KEEP, OUTLINES, PAPER, TOKENS
from _rivals import RLE
from _scores import ALL, OTHERS, REFCOCO

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from _scores import Result

MOST_TOKENS = 175
LOWEST = {ALL: 0.36, REFCOCO: 0.78, OTHERS: 0.78}
TITLES = {
    ALL: "COCO, all objects",
    REFCOCO: "COCO, large objects as RefCOCO has them",
    OTHERS: "GSEval, whose masks were not drawn as polygons",
}


@dataclass(frozen=True)
class Look:
    """How a family is drawn; told apart by the colour-blind as well.

    Attributes
    ----------
    places
        Where a setting's number is written, in points from its mark; by the setting.
    wide
        Whether the line is drawn to be seen first.
    """

    name: str
    colour: str
    marker: str
    places: dict[str, tuple[float, float]]
    wide: bool = False
    dashed: bool = False


_RIGHT, _BELOW, _ABOVE = (11.0, -4.0), (7.0, -13.0), (-8.0, 7.0)
# The last ones are drawn on top.
LOOKS = {
    "I-RLE": Look("I-RLE (cells a side)", "#8a8a8a", "v", {"16": _RIGHT, "32": _RIGHT}),
    RLE: Look("COCO RLE as text (cells a side)", "#8B5E3C", "D", {"64": _BELOW, "128": _BELOW}),
    OUTLINES: Look("polygons, digits (vertices)", "#222222", "^", {"8": _BELOW, "16": _BELOW}),
    TOKENS.format(OUTLINES): Look(
        "polygons, location tokens (vertices)",
        "#56B4E9",
        "^",
        {"8": _BELOW, "64": _ABOVE},
        dashed=True,
    ),
    CANVAS: Look(
        "B-SD, the paper's canvas (cells a side)",
        "#007A5A",
        "o",
        {"16": _RIGHT, "32": _RIGHT, "64": _RIGHT, "128": _RIGHT},
        wide=True,
    ),
    KEEP: Look("scanlines, digits (rows)", "#D55E00", "o", {"48": _BELOW}, wide=True),
    BEST: Look("scanlines, digits, best (rows)", "#0047AB", "o", {}, wide=True),
    TOKENS.format(BEST): Look(
        "scanlines, location tokens, best (rows)",
        "#AA3377",
        "o",
        {"5": (-9.0, -3.0)},
        wide=True,
        dashed=True,
    ),
}


def plot(result: Result, path: Path, *, vocabulary: str) -> None:
    """Draw the mean IoU against the tokens, for every set that has masks."""
    from matplotlib.figure import Figure

    sets = [chosen for chosen in TITLES if result.sets[chosen].any()]
    figure = Figure(figsize=(5.6 * len(sets) + 0.8, 6.2), layout="constrained")
    for axes, chosen in zip(np.atleast_1d(figure.subplots(1, len(sets))), sets, strict=True):
        _draw(axes, result, chosen)
    lines = figure.axes[0].get_lines()[::-1]
    figure.legend(handles=lines, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    title = (
        f"What a mask costs as text, and what is left of it. Tokens of the {vocabulary} vocabulary,"
        " whole answers. The arrow leads from the paper's setting to our default."
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, parse_math=False)
    figure.savefig(path, dpi=150)


def _draw(axes: Axes, result: Result, chosen: str) -> None:
    from matplotlib.ticker import MultipleLocator, StrMethodFormatter

    tokens, ious = result.means("tokens", chosen), result.means("ious", chosen)
    for family, look in LOOKS.items():
        mine = [k for k, s in enumerate(result.scores) if s.contender.family == family]
        width, size = (2.2, 5.0) if look.wide else (1.2, 4.5)
        axes.plot(
            tokens[mine],
            ious[mine],
            color=look.colour,
            marker=look.marker,
            linewidth=width,
            linestyle="--" if look.dashed else "-",
            markersize=size,
            label=look.name,
        )
        for k in mine:
            setting = result.scores[k].contender.setting
            if setting in look.places and tokens[k] <= MOST_TOKENS - 6:
                _write(axes, setting, (tokens[k], ious[k]), look)
    _compare(axes, result, chosen)
    axes.set_xlim(0, MOST_TOKENS)
    axes.set_ylim(LOWEST[chosen], 1.005)
    axes.xaxis.set_major_locator(MultipleLocator(25))
    axes.yaxis.set_major_locator(MultipleLocator(0.1 if chosen == ALL else 0.05))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.2f}"))
    axes.set_ylabel("mean IoU")
    axes.set_xlabel("tokens a mask, mean")
    count = np.count_nonzero(result.sets[chosen])
    axes.set_title(f"{TITLES[chosen]}, {count:,}", loc="left", fontsize=10)
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
    """An arrow from the canvas that the paper has to what scanlines have by default."""
    here, there = (result.number(*one) for one in (PAPER, DEFAULT))
    tokens, ious = result.means("tokens", chosen), result.means("ious", chosen)
    axes.annotate(
        "",
        (tokens[there], ious[there]),
        xytext=(tokens[here], ious[here]),
        arrowprops={"arrowstyle": "-|>", "color": "#666666", "linestyle": ":", "shrinkB": 5},
    )
    axes.annotate(
        f"{PAPER[1]} x {PAPER[1]} cells to {DEFAULT[1]} rows:\n"
        f"{tokens[there] / tokens[here]:.0%} of the tokens,\n"
        f"IoU {ious[here]:.3f} to {ious[there]:.3f}",
        (0.97, 0.05),
        xycoords="axes fraction",
        ha="right",
        va="bottom",
        fontsize=8.5,
        color="#444444",
    )
