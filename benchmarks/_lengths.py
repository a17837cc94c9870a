"""Tokens per mask as Figure 7 of Text4Seg++ (arXiv 2509.06321) has them, and as measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec import BSD, IRLE, ISD, RRLE, Scanlines
from maskcodec.lengths import token_counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt
    from tokenizers import Tokenizer

    Line = tuple[str, int]  # a spelling, and its cells a side; 0 for scanlines
    Lengths = dict[Line, npt.NDArray[np.int64]]  # tokens of each mask, 0 if no cell is left of it
    Means = Mapping[Line, float]

GRIDS = 16, 32, 48, 64, 80
PLAIN = "B-SD, no bricks"
SCANLINES = "scanlines", 0
ROWS = Scanlines().rows
# Tokens per mask as the paper has them; it names no others.
PAPER = {
    ("I-SD", 16): 583.0,
    ("R-RLE", 16): 154.0,
    ("R-RLE", 64): 767.6,
    (PLAIN, 64): 283.0,
    ("B-SD", 64): 150.4,
}
RATIOS = ("R-RLE", "I-SD", 16), (PLAIN, "R-RLE", 64), ("B-SD", "R-RLE", 64)  # what it argues with
COLUMNS = (
    "spelling",
    "mean",
    "median",
    "of I-SD",
    "of R-RLE",
    "paper: mean",
    "paper: of I-SD",
    "paper: of R-RLE",
)
# Text4Seg's scripts label RefCOCO's cells with whole referring expressions, 3.5 words on average:
# this stands for one.
EXPRESSION = "{} on left"

_NONE = float("nan")


def figure_codecs() -> dict[Line, Any]:
    """The codecs of the figure, which sample as the paper did, and scanlines by default."""
    codecs: dict[Line, Any] = {("I-SD", 16): ISD(grid=16), ("I-RLE", 16): IRLE(grid=16)}
    for cells in GRIDS:
        codecs["R-RLE", cells] = RRLE(grid=cells)
        codecs[PLAIN, cells] = BSD(grid=cells, bricks=False)
        codecs["B-SD", cells] = BSD(grid=cells)
    return {**codecs, SCANLINES: Scanlines()}


def measure(masks: Iterable[tuple[Any, str]], tokenizer: Tokenizer) -> Lengths:
    """The tokens of every mask in every way of the figure."""
    codecs = figure_codecs()
    counts = token_counts(masks, list(codecs.values()), tokenizer)
    return dict(zip(codecs, counts, strict=True))


def means(lengths: Lengths) -> dict[Line, float]:
    """Tokens per mask; masks without a cell are not counted."""
    return {line: float(np.mean(own[own > 0])) for line, own in lengths.items() if own.any()}


def ratio(means: Means, name: str, base: str, cells: int) -> float:
    """A spelling's mean over another's on the same grid; not a number without either."""
    return means.get((name, cells), _NONE) / means.get((base, cells), _NONE)


def rows(lengths: Lengths) -> list[tuple[str, list[tuple[str, ...]]]]:
    """A table by `COLUMNS`, what the paper has beside it: a section for each grid."""
    measured = means(lengths)
    sections: dict[str, list[tuple[str, ...]]] = {}
    for (name, cells), own in lengths.items():
        median = float(np.median(own[own > 0])) if own.any() else _NONE
        row = [name, decimals(measured.get((name, cells), _NONE), 1), decimals(median, 0)]
        row += _ratios(measured, name, cells)
        row += [decimals(PAPER.get((name, cells), _NONE), 1), *_ratios(PAPER, name, cells)]
        sections.setdefault(_grid(cells), []).append(tuple(row))
    return list(sections.items())


def losses(lengths: Lengths) -> str:
    """How many masks have no cell left on which grid, in words; empty where all have one."""
    # A grid loses the same masks in every spelling.
    lost = {_grid(cells): int(np.sum(own == 0)) for (_, cells), own in lengths.items()}
    parts = [f"{count:,} at {grid}" for grid, count in lost.items() if count]
    if not parts:
        return ""
    total = len(lengths[SCANLINES])
    return f"Of {total:,} masks no cell is left of {', '.join(parts)}: not in those means."


def decimals(value: float, digits: int) -> str:
    """A number for a table, nothing for none."""
    return "" if np.isnan(value) else f"{value:,.{digits}f}"


def _ratios(means: Means, name: str, cells: int) -> list[str]:
    return [decimals(ratio(means, name, base, cells), 3) for base in ("I-SD", "R-RLE")]


def _grid(cells: int) -> str:
    return f"{cells} x {cells} cells" if cells else f"up to {ROWS} rows a box"
