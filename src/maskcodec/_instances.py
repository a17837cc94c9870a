"""The reader of B-SD: from a text to regions, whatever stands in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from maskcodec import _kernels as k
from maskcodec._reading import fill_faults
from maskcodec.region import Region, drawn_region
from maskcodec.spelling import BOX, BOX_END, REF, REF_END, SEG, SEG_END

if TYPE_CHECKING:
    from maskcodec._arrays import Index
    from maskcodec._reading import Reading
    from maskcodec.spelling import Spelling

Box = tuple[int, int, int, int]

_COORDINATES = re.compile(r" *\[ *\[ *([0-9]+) +([0-9]+) +([0-9]+) +([0-9]+) *\] *\] *")
_ANY_NUMBER = re.compile(r"-?[0-9]+")
_SAMPLE_BOX = "[[0 0 0 0]]"
_HUGE = 10**9  # stands for any longer number: `int` takes quadratic time


class InstanceReader:
    """Reads the instances of one text.

    An instance is its six tags in order. A tag that is missing is reported and done without; a
    tag that comes too early for the present instance begins the next one.

    Parameters
    ----------
    reading
        The text, and where to report.
    words
        The spelling in force.
    canvas
        (rows, columns): boxes lie on it.
    separated
        Whether rows end with a newline; otherwise the box's width tells where they end.
    """

    def __init__(
        self, reading: Reading, words: Spelling, canvas: tuple[int, int], separated: bool
    ) -> None:
        self.reading = reading
        self.words = words
        self.canvas = canvas
        self.separated = separated
        self.tokens = _scan(reading, words)
        self.tags: list[int] = np.flatnonzero(self.tokens[:, 0] >= k.TAG).tolist()
        self.kinds: list[int] = (self.tokens[self.tags, 0] - k.TAG).tolist()
        self.at = 0  # the next tag
        self.reported = -1  # the tag that was found in place of another, once reported

    def read(self) -> list[Region]:
        """All instances that can be drawn, in the order of the text."""
        regions = []
        while self.at < len(self.tags):
            label = self._label()
            box = self._box(label)
            region = self._draw(label, box)
            if region is not None:
                regions.append(region)
        return regions

    # ------------------------------------------------------------------ the three parts

    def _label(self) -> str:
        opened = self._expect(REF)
        label_stop = self._next()
        closed = self._expect(REF_END)
        if opened is None:
            return ""
        start = self._stop(opened)
        label = self.reading.slice(start, self._start(closed)).strip()
        inside = self.tokens[opened + 1 : label_stop, 0]
        if not label and closed is not None:
            self.reading.report(start, "bad-label", "the label is empty", "kept it empty")
        elif ((inside != k.SEPARATOR) & (inside < k.TEXT)).any():
            message = f"the label {label[:80]!r} holds a brick"
            self.reading.report(start, "bad-label", message, "kept it as it is")
        return label

    def _box(self, label: str) -> Box | None:
        opened = self._expect(BOX)
        closed = self._expect(BOX_END)
        at = self._start(closed)
        if opened is None:
            if at < len(self.reading.raw):
                message = f"nothing says where {label[:80]!r} lies"
                self.reading.report(at, "bad-box", message, "left this instance out")
            return None
        if at == len(self.reading.raw):  # cut off: whether the last number is whole is not known
            return None
        start = self._stop(opened)
        return self._coordinates(self.reading.slice(start, at), start)

    def _draw(self, label: str, box: Box | None) -> Region | None:
        opened = self._expect(SEG)
        closes = self.kinds[self.at : self.at + 1] == [SEG_END]
        region = None
        if box is not None:
            first = self.tags[self.at - 1] + 1
            if opened is None and not closes and not self._is_run(first):
                last = first  # a box on its own: the text behind it is not meant as bricks
            else:
                last = self._next()
            if last == len(self.tokens) and last > first and self._ends_in_beginning():
                last -= 1
            region = self._rows(label, box, first, last, closes)
        self._expect(SEG_END)
        return region

    def _rows(self, label: str, box: Box, first: int, last: int, closed: bool) -> Region:
        x1, y1, x2, y2 = box
        rows, width = y2 - y1 + 1, x2 - x1 + 1
        cells = np.zeros((min(rows, last - first + 1), width), np.uint8)
        end = self._start(None)
        drawn = 0

        def run(faults: Index) -> int:
            nonlocal drawn
            drawn, count = k.draw(
                self.tokens, first, last, end, rows, self.separated, closed, cells, faults
            )
            return count

        for kind, at, row, found in fill_faults(run):
            self._report_row(kind, at, f"row {row + 1} of {rows} of {label[:80]!r}", found, box)
        return drawn_region(label, box, self.canvas, cells[:drawn])

    # ------------------------------------------------------------------ what is wrong

    def _expect(self, kind: int) -> int | None:
        """The token of the tag that must come now, or None where it does not."""
        if self.kinds[self.at : self.at + 1] != [kind]:
            if self.reported != self.at:
                self.reported = self.at
                self._report_missing(kind)
            return None
        token = self.tags[self.at]
        if kind in (BOX, SEG) and self.at and self.kinds[self.at - 1] == kind - 1:
            before = self.tags[self.at - 1]
            if token > before + 1:
                message = f"only spaces may stand before {self.words.tags[kind]}"
                at = int(self.tokens[before + 1, 1])
                self.reading.report(at, "extra-text", message, "passed over it")
        self.at += 1
        return token

    def _report_missing(self, kind: int) -> None:
        if self.at == len(self.tags):
            self._report_end(kind)
            return
        expected, found = self.words.tags[kind], self.words.tags[self.kinds[self.at]]
        message = f"expected {expected}, found {found}"
        self.reading.report(self._start(None), "missing-tag", message, "read on without it")

    def _report_end(self, kind: int) -> None:
        """The text ends where a tag should stand: cut off, unless no tag could follow."""
        start, end = self._stop(self.tags[-1]), len(self.reading.raw)
        tail = self.reading.slice(start, end)
        tag = self.words.tags[kind]
        if kind == BOX_END:
            whole = _SAMPLE_BOX + tag
            pattern = re.compile(_COORDINATES.pattern + re.escape(tag))
            good = any(pattern.fullmatch(tail + whole[i:]) for i in range(len(whole) + 1))
        elif kind in (BOX, SEG):
            good = tag.startswith(tail.strip(" "))
        else:
            good = True
        action = "left this instance out" if kind <= BOX_END else "drew what was there"
        if good:
            self.reading.report(end, "truncated", f"the text stops before {tag}", action)
        else:
            message = f"expected {tag}, found {tail[:40]!r}"
            self.reading.report(start, "missing-tag", message, action)

    def _report_row(self, kind: int, at: int, row: str, found: int, box: Box) -> None:
        rows, width = box[3] - box[1] + 1, box[2] - box[0] + 1
        reason, message, action = {
            k.ROW_LONG: ("row-long", f"{row} adds up to {found} cells, expected {width}", "cut it"),
            k.ROW_SHORT: (
                "row-short",
                f"{row} adds up to {found} cells, expected {width}",
                "filled it with background",
            ),
            k.ROW_MISSING: (
                "rows-missing",
                f"{found} rows, expected {rows}",
                "left the others background",
            ),
            k.ROW_EXTRA: ("rows-extra", f"more rows than the box's {rows}", "left them out"),
            k.STRAY_TEXT: (
                "extra-text",
                f"{self.reading.slice(at, min(found, at + 80))!r} in {row} is no brick",
                "passed over it",
            ),
            k.BAD_NUMBER: (
                "brick-number",
                f"a brick of {row} says {found}, expected 1 .. 63 without leading zeros",
                f"read it as {found} cells",
            ),
            k.STRAY_SEPARATOR: (
                "separator",
                f"a newline in {row}, but rows have no separator here",
                "ended the row there",
            ),
        }[kind]
        self.reading.report(at, reason, message, action)

    def _coordinates(self, content: str, start: int) -> Box | None:
        rows, columns = self.canvas
        expected = f"[[x1 y1 x2 y2]] with x 0 .. {columns - 1} and y 0 .. {rows - 1}"
        message = f"a box is {expected}, got {content[:80]!r}"
        match = _COORDINATES.fullmatch(content)
        numbers = list(match.groups()) if match else _ANY_NUMBER.findall(content)
        if len(numbers) != 4:
            self.reading.report(start, "bad-box", message, "left the box out")
            return None
        if not match or any(len(n) > 1 and n[0] == "0" for n in numbers):
            self.reading.report(start, "bad-box", message, "took its four numbers")
        x1, y1, x2, y2 = (int(n) if len(n) < 10 else _HUGE for n in numbers)
        if x1 > x2 or y1 > y2:
            self.reading.report(
                start, "box-order", f"{message}: x1 <= x2 and y1 <= y2", "swapped its corners"
            )
            x1, x2, y1, y2 = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
        if x1 < 0 or y1 < 0 or x2 >= columns or y2 >= rows:
            self.reading.report(start, "box-range", message, "cut it to the canvas")
            if x2 < 0 or y2 < 0 or x1 >= columns or y1 >= rows:
                return None
            x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, columns - 1), min(y2, rows - 1)
        return x1, y1, x2, y2

    # ------------------------------------------------------------------ where things are

    def _start(self, token: int | None) -> int:
        """Where a token starts in bytes; for None the next tag, or the end of the text."""
        if token is None:
            if self.at == len(self.tags):
                return len(self.reading.raw)
            token = self.tags[self.at]
        return int(self.tokens[token, 1])

    def _stop(self, token: int) -> int:
        return int(self.tokens[token, 2])

    def _next(self) -> int:
        """The index of the next tag's token, or the number of tokens."""
        return self.tags[self.at] if self.at < len(self.tags) else len(self.tokens)

    def _is_run(self, token: int) -> bool:
        return token < len(self.tokens) and 0 != self.tokens[token, 0] < k.TEXT

    def _ends_in_beginning(self) -> bool:
        """Whether the text stops in the middle of a brick or of the closing tag."""
        value, start, stop = self.tokens[-1].tolist()
        if value != k.TEXT or stop != len(self.reading.raw):
            return False
        return self.words.is_beginning(self.reading.slice(start, stop))


def _scan(reading: Reading, words: Spelling) -> Index:
    """The tokens of a text: int64 (n, 3) of value, first byte, byte after the last."""
    tokens = np.empty((64 + len(reading.data) // 4, 3), np.int64)
    count = k.scan(reading.data, words.pieces, words.bounds, words.starts, tokens)
    if count > len(tokens):
        tokens = np.empty((count, 3), np.int64)
        k.scan(reading.data, words.pieces, words.bounds, words.starts, tokens)
    return tokens[:count]
