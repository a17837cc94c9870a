"""Scanlines as text: write and read rows of edges, from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.formats.instances.read_text import InstanceReader
from maskcodec.kernels import reading as k
from maskcodec.kernels import writing
from maskcodec.messages import plural, shown
from maskcodec.text.problems import NO_FAULTS
from maskcodec.text.regions import Region, drawn_region

if TYPE_CHECKING:
    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.spelling import Spelling
    from maskcodec.masks.arrays import Mask
    from maskcodec.text.problems import Reading, Symbols

_QUOTED = k.STRAY_TEXT, k.BAD_NUMBER, k.EDGE_BACK  # their reports quote the wrong text


def boxed_text(words: Spelling, label: str, box: Box, cells: Mask) -> str:
    """Write a box and its cells as an instance."""
    runs = np.empty(cells.size + len(cells), np.int64)
    return words.instance(label, box, words.spelled(runs, writing.scanlines(cells, runs)))


class ScanlineReader(InstanceReader):
    """Reads the instances of one text of scanlines.

    Parameters
    ----------
    reading, symbols, words
        As in `InstanceReader`.
    cells
        The most rows of a box, and the columns.
    """

    def __init__(
        self, reading: Reading, symbols: Symbols, words: Spelling, cells: tuple[int, int]
    ) -> None:
        super().__init__(reading, symbols, words)
        self.most, self.columns = cells

    def _rows(self, label: str, box: Box, first: int, last: int, *, closed: bool) -> Region:
        name = shown(label)
        cells = np.zeros((min(self.most, max(last - first, 1)), self.columns), np.uint8)
        limits = self.tokens, first, last, self.next.start, closed, cells
        drawn, count = k.draw_scanlines(*limits, NO_FAULTS)
        if count:
            for kind, at, row, found in self.reading.faults(
                count, lambda room: k.draw_scanlines(*limits, room)
            ):
                text = self.reading.excerpt(at, found) if kind in _QUOTED else ""
                self.reading.report(at, *self._report(kind, row, found, name, text))
        rows = drawn
        if self.ended:  # the text may be cut off
            rows = self.most
        elif drawn == 0:
            self.reading.report(
                self.next.start, "rows-missing", f"{name} has no rows", "left it background"
            )
            rows = 1
        whole = np.zeros((rows, self.columns), np.uint8)
        whole[:drawn] = cells[:drawn]
        canvas = self.words.boxes.rows, self.words.boxes.columns
        return drawn_region(label, box, canvas, "box", whole)

    def _report(
        self, kind: int, row: int, found: int, name: str, text: str
    ) -> tuple[str, str, str]:
        """The report of a fault of the kernel: the reason, the message, and the repair."""
        where = f"row {row + 1} of {name}"
        if kind == k.STRAY_TEXT:
            return "extra-text", f"{text!r} in {where} is no brick", "passed over it"
        if kind == k.ROW_EXTRA:
            return "rows-extra", f"{name} has more than {plural(self.most, 'row')}", "left them out"
        if kind == k.ROW_OPEN:
            return "row-open", f"{where} has no end", "drew it as far as it goes"
        if kind == k.EDGE_BEYOND:
            message = f"{where} goes to column {found}, a box has {self.columns}"
            return "edge-beyond", message, "cut it"
        if kind == k.EDGE_BACK:
            message = f"{text!r} in {where} does not lie behind the edge before it"
            return "edge-back", message, "left it where that edge is"
        message = f"{text!r} in {where} must say 1 .. 63, or 0 at an end, without leading zeros"
        return "brick-number", message, "took it as the number it says"
