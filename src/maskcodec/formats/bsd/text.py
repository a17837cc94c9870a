"""B-SD as text: write its rows, and read any rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.formats.instances.read_text import InstanceReader
from maskcodec.kernels import reading as k
from maskcodec.kernels import writing
from maskcodec.masks.grid import every_cell
from maskcodec.messages import plural, shown
from maskcodec.text.problems import NO_FAULTS
from maskcodec.text.regions import Region, drawn_region

if TYPE_CHECKING:
    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.spelling import Spelling
    from maskcodec.masks.arrays import Index, Mask
    from maskcodec.text.problems import Reading, Symbols

_QUOTED = k.STRAY_TEXT, k.BAD_NUMBER, k.BREAK_SPELLED  # their reports quote the wrong text


def tight_text(
    words: Spelling, label: str, separated: bool, pixels: Mask, ys: Index, xs: Index
) -> str:
    """An instance of the set cells of ``pixels[ys, xs]`` on a canvas; "" if no cell is set."""
    box, rows = _rows(words, pixels, ys, xs, True, separated)
    return words.instance(label, box, rows) if rows else ""


def boxed_text(words: Spelling, label: str, separated: bool, cells: Mask, box: Box) -> str:
    """An instance of all cells of a box, set or not."""
    _, rows = _rows(words, cells, *every_cell(cells.shape), False, separated)
    return words.instance(label, box, rows)


def _rows(
    words: Spelling, pixels: Mask, ys: Index, xs: Index, tight: bool, separated: bool
) -> tuple[Box, str]:
    """The box of all cells, or with `tight` of the set cells, and the text of its rows."""
    runs = np.empty(len(ys) * (len(xs) + 1), np.int64)
    edges = np.empty(len(ys) * (len(xs) + 2), np.int64)
    y1, x1, y2, x2, count = writing.mask_runs(pixels, ys, xs, tight, separated, edges, runs)
    return (x1, y1, x2, y2), words.spelled(runs, count)


class RowReader(InstanceReader):
    """Reads the instances of one text of B-SD.

    Parameters
    ----------
    reading, symbols, words
        As in `InstanceReader`.
    separated
        Whether a newline separates rows; otherwise a row ends at the box's width.
    """

    def __init__(
        self, reading: Reading, symbols: Symbols, words: Spelling, *, separated: bool
    ) -> None:
        super().__init__(reading, symbols, words)
        self.separated = separated

    def _rows(self, label: str, box: Box, first: int, last: int, *, closed: bool) -> Region:
        rows, width = box[3] - box[1] + 1, box[2] - box[0] + 1
        cells = np.zeros((min(rows, last - first + 1), width), np.uint8)
        limits = first, last, self.next.start, rows, self.separated, closed
        drawn, count = k.draw(self.tokens, *limits, cells, NO_FAULTS)
        if count:
            faults = self.reading.faults(
                count, lambda room: k.draw(self.tokens, *limits, cells, room)
            )
            for kind, at, row, found in faults:
                text = self.reading.excerpt(at, found) if kind in _QUOTED else ""
                self.reading.report(at, *_report(kind, row, found, shown(label), box, text))
            rows_set = np.flatnonzero(cells[:drawn].any(axis=1))
            drawn = int(rows_set[-1]) + 1 if len(rows_set) else 0  # the rest is background
            cells = cells[:drawn].copy()
        canvas = self.words.boxes.rows, self.words.boxes.columns
        return drawn_region(label, box, canvas, "canvas", cells[:drawn])


def _report(
    kind: int, row: int, found: int, name: str, box: Box, text: str
) -> tuple[str, str, str]:
    """The report of a fault of `reading.draw`: the reason, the message, and the repair."""
    rows, width = box[3] - box[1] + 1, box[2] - box[0] + 1
    where = f"row {row + 1} of {rows} of {name}"
    if kind in (k.ROW_LONG, k.ROW_SHORT):
        message = f"{where} adds up to {plural(found, 'cell')}, expected {width}"
        if kind == k.ROW_LONG:
            return "row-long", message, "cut it"
        return "row-short", message, "filled it with background"
    if kind == k.ROW_MISSING:
        message = f"{name} has {found} of the {plural(rows, 'row')} of its box"
        return "rows-missing", message, "left the rest background"
    if kind == k.ROW_EXTRA:
        message = f"{name} has more than the {plural(rows, 'row')} of its box"
        return "rows-extra", message, "left them out"
    if kind == k.STRAY_TEXT:
        return "extra-text", f"{text!r} in {where} is no brick", "passed over it"
    if kind == k.ROW_BLANK:
        return "row-blank", f"{where} has nothing before its newline", "skipped it"
    if kind == k.ROWS_JOINED:
        message = f"no newline stands between the rows of {name}"
        return "separator", message, "read them by the box's width"
    if kind == k.BREAK_SPELLED:
        return "separator", f"{text!r} in {where} is no newline", "read it as one"
    if kind == k.STRAY_SEPARATOR:
        message = f"a newline in {where}, but rows have no separator here"
        return "separator", message, "ended the row there"
    message = f"{text!r} in {where} must say 1 .. 63, without leading zeros"
    return "brick-number", message, "took it as the number it says"
