"""The writer of B-SD as text: from cells to an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.kernels import writing
from maskcodec.masks.grid import every_cell

if TYPE_CHECKING:
    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.spelling import Spelling
    from maskcodec.masks.arrays import Index, Mask


def tight_text(
    words: Spelling, label: str, separated: bool, pixels: Mask, ys: Index, xs: Index
) -> str:
    """An instance of the cells ``pixels[ys, xs]`` of a canvas that are set; "" where none is."""
    box, rows = _rows(words, pixels, ys, xs, True, separated)
    return words.instance(label, box, rows) if rows else ""


def boxed_text(words: Spelling, label: str, separated: bool, cells: Mask, box: Box) -> str:
    """An instance of all cells of a box, whether they are set or not."""
    _, rows = _rows(words, cells, *every_cell(cells.shape), False, separated)
    return words.instance(label, box, rows)


def _rows(
    words: Spelling, pixels: Mask, ys: Index, xs: Index, tight: bool, separated: bool
) -> tuple[Box, str]:
    """The tight box of cells that are set, or all of them, and its rows."""
    runs = np.empty(len(ys) * (len(xs) + 1), np.int64)
    edges = np.empty(len(ys) * (len(xs) + 2), np.int64)
    y1, x1, y2, x2, count = writing.mask_runs(pixels, ys, xs, tight, separated, edges, runs)
    return (x1, y1, x2, y2), words.spelled(runs, count)
