"""The reader of I-SD, I-RLE and R-RLE: from any text to a grid of labels."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from maskcodec.errors import LabelError
from maskcodec.formats.labels.label_grid import LabelGrid, cell_label, drawn_grid
from maskcodec.kernels import labels as k
from maskcodec.messages import plural
from maskcodec.text.problems import NO_FAULTS, TextReading, escaped_tag, unescaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskcodec.masks.arrays import Cells, Index

_WHITE = b" \t\r\n\v\f"
_LOST_BREAK = re.compile(
    rb"(\*[ \t]*[0-9]+)[ \t]*(?=[^|*0-9\s\\<][^|*]*\*)"
)  # a label behind a count


class DescriptorReader:
    """Reads the label grid of a text.

    Parameters
    ----------
    reading
        The text; takes the reports.
    canvas
        (rows, columns) of the grid.
    background
        The label of cells that the text does not mention.
    seg
        The opening and the closing tag.
    counted, by_row
        Whether labels have counts, and whether runs end with their row.
    """

    def __init__(
        self,
        reading: TextReading,
        canvas: tuple[int, int],
        background: str,
        seg: tuple[str, str],
        *,
        counted: bool,
        by_row: bool,
    ) -> None:
        self.reading = reading
        self.canvas = canvas
        self.background = background
        self.seg = seg
        self.counted = counted
        self.by_row = by_row

    def read(self) -> LabelGrid:
        """The whole grid."""
        reading = self.reading
        plain = any(tag.encode() in reading.raw for tag in self.seg)
        if not plain and (tag := escaped_tag(reading.raw, self.seg)):
            self.reading, at = unescaped(reading, tag)
            grid = self.read()
            reading.take_over(self.reading, at)
            return grid
        first, last, opened, closed = self._body()
        rows, columns = self.canvas
        body = reading.raw[first:last]
        if self.by_row and rows > 1 and b"\n" not in body:
            parted = _LOST_BREAK.sub(rb"\1|", body)
            if parted != body:
                self._report_joined(first)
                whole = reading.raw[:first] + parted + reading.raw[last:]
                self.reading = TextReading(whole.decode("utf-8", "surrogatepass"), strict=False)
                grid = self.read()
                reading.take_over(self.reading, first)
                return grid
        spans = np.empty((min(rows * columns, len(reading.data)), 2), np.int64)
        while True:
            cells = np.full((rows, columns) if self.by_row else (1, rows * columns), -1, np.int32)
            arguments = reading.data, first, last, self.counted, self.by_row, closed, cells, spans
            run = partial(k.read_labels, *arguments)
            found, count, missing = run(NO_FAULTS)
            if not count or not self._are_joined(first, last, run, count):
                break
            self._report_joined(first)
        if count:
            faults = reading.faults(count, run)
            for kind, at, row, value in faults:
                self._report(kind, at, row, value)
        names, numbers = self._names(spans[:found].tolist())
        if not closed and (opened or missing):
            stop = f"before {self.seg[1]}" if opened else "before the grid is full"
            message = f"the text stops {stop}"
            reading.report(len(reading.raw), "truncated", message, "left the rest background")
        return drawn_grid(numbers[cells].reshape(self.canvas), names)

    def _are_joined(
        self, first: int, last: int, run: Callable[[Index], object], count: int
    ) -> bool:
        """Whether rows lack their newlines: there is no newline, but too many cells for a row."""
        if not self.by_row or self.canvas[0] == 1 or b"\n" in self.reading.raw[first:last]:
            return False
        faults = np.empty((count, 4), np.int64)
        run(faults)
        kinds = faults[:, 0]
        return bool((kinds == k.ROW_LONG).any() and not (kinds == k.BREAK_SPELLED).any())

    def _report_joined(self, at: int) -> None:
        message = "no newline stands between the rows"
        self.reading.report(at, "separator", message, "read them by the grid's width")
        self.by_row = False

    def _body(self) -> tuple[int, int, bool, bool]:
        """The start and stop of the descriptor in bytes; whether it is opened, and closed."""
        reading = self.reading
        start, end = self.seg[0].encode(), self.seg[1].encode()
        tags = list(re.finditer(re.escape(start) + b"|" + re.escape(end), reading.raw))
        opened = bool(tags) and tags[0].group() == start
        first = tags[0].end() if opened else 0
        stops = tags[opened:]
        closed = bool(stops) and stops[0].group() == end
        last = stops[0].start() if stops else len(reading.raw)
        if tags and not opened:
            message = f"{self.seg[1]} without {self.seg[0]}"
            reading.report(last, "missing-tag", message, "read what stands before it")
        elif stops and not closed:
            message = f"expected {self.seg[1]}, found {self.seg[0]}"
            reading.report(last, "missing-tag", message, "read what stands before it")
        elif len(tags) > 2:
            message = (
                f"a text has one {self.seg[0]}...{self.seg[1]}, found {tags[2].group().decode()}"
            )
            reading.report(tags[2].start(), "second-seg", message, "read the first")
        body = reading.raw[first:last]
        if opened and not stops:  # the text may be cut inside the closing tag
            cut = next((n for n in range(len(end) - 1, 0, -1) if body.endswith(end[:n])), 0)
            body = body[: len(body) - cut]
        last = first + len(body.rstrip(_WHITE))
        first += len(body) - len(body.lstrip(_WHITE))
        return min(first, last), last, opened, closed or bool(stops)

    def _names(self, spans: list[list[int]]) -> tuple[tuple[str, ...], Cells]:
        """The labels by number, the background first, and the number of each span."""
        names = {self.background: 0}
        numbers = []
        for start, stop in spans:
            label = self.reading.slice(start, stop).strip()
            try:
                label = cell_label(label, self.seg)
            except LabelError as error:
                action = "kept it as it is" if label else "read it as background"
                self.reading.report(start, "bad-label", str(error), action)
            numbers.append(names.setdefault(label, len(names)) if label else 0)
        return tuple(names), np.array([*numbers, 0], np.int32)

    def _report(self, kind: int, at: int, row: int, found: int) -> None:
        rows, columns = self.canvas
        expected, where = columns, f"row {row + 1} of {rows}"
        long, short, missing = "row-long", "row-short", "rows-missing"
        if not self.by_row:
            expected, where = rows * columns, "the text"
            long, short, missing = "cells-extra", "cells-missing", "cells-missing"
        if kind == k.ROW_LONG:
            message = f"{where} adds up to {plural(found, 'cell')}, expected {expected}"
            report = long, message, "cut it"
        elif kind == k.ROW_SHORT:
            message = f"{where} adds up to {plural(found, 'cell')}, expected {expected}"
            report = short, message, "filled it with background"
        elif kind == k.ROW_MISSING:
            message = "there are no cells"
            if self.by_row:
                message = f"{plural(found, 'row')}, expected {rows}"
            report = missing, message, "left the rest background"
        elif kind == k.ROW_EXTRA:
            report = "rows-extra", f"more rows than {rows}", "left them out"
        elif kind == k.ROW_BLANK:
            report = "row-blank", f"{where} has nothing before its newline", "skipped it"
        elif kind == k.BREAK_SPELLED:
            text = self.reading.excerpt(at, found)
            report = "separator", f"{text!r} in {where} is no newline", "read it as one"
        elif kind == k.STRAY_SEPARATOR:
            report = "separator", "a newline, but there are no rows", "read it as |"
        elif kind == k.EMPTY_ITEM:
            report = "empty-item", f"nothing stands between two separators in {where}", "skipped it"
        elif kind == k.COUNT_MISSING:
            report = "bad-count", f"a label in {where} has no * and count", "read it as 1"
        elif kind == k.BAD_COUNT:
            message = f"a count in {where} is not a number of at least 1 without leading zeros"
            report = "bad-count", message, f"read it as {found}"
        elif kind == k.STRAY_STAR:
            message = f"one * too many stands behind a label in {where}"
            report = "bad-label", message, "read what stands before it"
        else:
            report = "bad-label", f"a label in {where} is empty", "read it as background"
        self.reading.report(at, *report)
