"""Scanlines as ids come: edges, and the ends of rows."""

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

_END = int(k.ROW_END)


class ScanlineStream(MaskStream):
    """The regions of scanlines' ids that come one by one."""

    _cells: Mask

    def _open(self, box: Box) -> None:  # noqa: ARG002
        self._cells = np.zeros(self._codec.most_cells, np.uint8)
        self._row, self._edge = 0, 0
        self._begun = False

    def _run(self, run: int) -> None:
        rows, columns = self._cells.shape
        if run == k.SEPARATOR or self._row >= rows:
            return
        ends = run >= _END
        column = max(min(run - _END if ends else abs(run), columns), self._edge)
        if run > 0:
            self._cells[self._row, self._edge : column] = 1
        self._row, self._edge = (self._row + 1, 0) if ends else (self._row, column)
        self._begun, self.row_ended = not ends, ends

    def _drawn(self, box: Box, *, closed: bool) -> list[Region]:
        rows = max(self._row + self._begun, 1) if closed else len(self._cells)
        return [drawn_region(self._label, box, self._canvas, "box", self._cells[:rows].copy())]
