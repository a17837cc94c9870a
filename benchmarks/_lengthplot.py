"""A picture of token lengths by resolution, like Figure 7 of Text4Seg++."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, StrMethodFormatter

from _lengths import GRIDS, PAPER, PLAIN, ROWS, SCANLINES, means

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from _lengths import Lengths, Means

_COLOURS = {  # told apart by the colour-blind as well (Okabe and Ito)
    "I-SD": "#666666",
    "I-RLE": "#E69F00",
    "R-RLE": "#0072B2",
    PLAIN: "#CC79A7",
    "B-SD": "#007A5A",
}
_SCANLINES_COLOUR = "#D55E00"
_TICKS = [2**power for power in range(3, 15)]


def plot_lengths(lengths: Lengths, path: Path, *, title: str) -> None:
    """Draw mean tokens per mask against the cells a side, and what the paper has.

    Scanlines have one line for all of them. The path's ending says what kind of picture.
    """
    measured = means(lengths)
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for name, colour in _COLOURS.items():
        _draw(axes, measured, name, colour)
    if SCANLINES in measured:
        _draw_level(axes, measured[SCANLINES])
    axes.set_yscale("log", base=2)
    axes.margins(y=0.12)
    axes.set_ylabel("tokens per mask, mean")
    axes.set_xlabel("cells a side")
    axes.set_title(title, loc="left", fontsize=10, parse_math=False)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    low, high = axes.get_ylim()
    axes.set_yticks([tick for tick in _TICKS if low <= tick <= high])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xticks(GRIDS)
    axes.set_xlim(GRIDS[0] - 4, GRIDS[-1] + 20)  # room for the names of the lines
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    grey: dict[str, Any] = {"color": "#444444", "linestyle": ""}
    ours = Line2D([], [], marker="o", markersize=5, label="measured", **grey)
    paper = Line2D([], [], marker="D", markersize=8, fillstyle="none", label="the paper", **grey)
    above: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0}
    axes.legend(handles=[ours, paper], ncols=2, frameon=False, fontsize=9, **above)
    figure.savefig(path, dpi=150)


def _draw(axes: Axes, measured: Means, name: str, colour: str) -> None:
    points = [(cells, mean) for (own, cells), mean in measured.items() if own == name]
    if not points:
        return
    axes.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=5, linewidth=1.8)
    right: dict[str, Any] = {"xytext": (9, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(name, points[-1], color=colour, fontsize=9, **right)
    for cells, mean in points:
        if (name, cells) in PAPER:
            quoted = PAPER[name, cells]
            axes.plot(cells, quoted, color=colour, marker="D", markersize=8, fillstyle="none")
            _write(axes, f"{mean:.0f}", (cells, mean), colour, above=mean > quoted)
            _write(axes, f"{quoted:g}", (cells, quoted), colour, above=mean <= quoted)


def _draw_level(axes: Axes, mean: float) -> None:
    """A line across the picture: cells of a box are not those of the image."""
    axes.axhline(mean, color=_SCANLINES_COLOUR, linestyle="--", linewidth=1.4)
    right: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
    right |= {"xytext": (0, 4), "textcoords": "offset points"}
    name = f"{SCANLINES[0]}, up to {ROWS} rows a box"
    axes.annotate(name, (1, mean), color=_SCANLINES_COLOUR, fontsize=9, **right)


def _write(axes: Axes, text: str, point: tuple[float, float], colour: str, *, above: bool) -> None:
    where: dict[str, Any] = {"xytext": (0, 12 if above else -12), "textcoords": "offset points"}
    where["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # above the grid
    axes.annotate(text, point, color=colour, fontsize=8, ha="center", va="center", **where)
