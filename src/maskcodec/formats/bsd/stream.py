"""B-SD's rows as ids come: runs, and what ends a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.formats.instances.stream import MaskStream
from maskcodec.kernels import reading as k
from maskcodec.text.regions import drawn_region

if TYPE_CHECKING:
    from maskcodec.formats.instances.boxes import Box
    from maskcodec.masks.arrays import Mask
    from maskcodec.text.regions import Region


class RowStream(MaskStream):
    """The regions of B-SD's ids that come one by one."""

    _cells: Mask

    def _open(self, box: Box) -> None:
        self._cells = np.zeros((box[3] - box[1] + 1, box[2] - box[0] + 1), np.uint8)
        self._row, self._x = 0, 0
        self._joined: list[int] | None = []  # all bricks, as long as no newline came

    def _run(self, run: int) -> None:
        separated = self._codec.row_separator != ""
        rows, width = self._cells.shape
        if run == k.SEPARATOR:
            self._joined = None
            self._row += self._x > 0 or self._row >= rows
            self._x = 0
            self.row_ended = True
        elif self._row < rows:
            if self._joined is not None:
                self._joined.append(run)
            stop = min(self._x + abs(run), width)
            if run > 0:
                self._cells[self._row, self._x : stop] = 1
            self._x = stop
            if not separated and stop == width:
                self._row += 1
                self._x = 0
                self.row_ended = True

    def _drawn(self, box: Box, *, closed: bool) -> list[Region]:  # noqa: ARG002
        cells = self._cells[: self._row + (self._x > 0)].copy()
        rows, width = self._cells.shape
        if self._codec.row_separator and self._joined and rows > 1:
            cells = _by_width(self._joined, rows, width, cells)
        return [drawn_region(self._label, box, self._canvas, "canvas", cells)]


def _by_width(runs: list[int], rows: int, width: int, cells: Mask) -> Mask:
    """Rows without a newline between them, drawn by their width; `cells` if they are one row."""
    if sum(map(abs, runs)) <= width:
        return cells
    drawn = np.zeros((rows, width), np.uint8)
    row, x = 0, 0
    for run in runs:
        if row == rows:
            break
        stop = min(x + abs(run), width)
        drawn[row, x:stop] = run > 0
        row, x = (row + 1, 0) if stop == width else (row, stop)
    return drawn[: row + (x > 0)]
