"""The reader of B-SD: from a text to regions, whatever stands in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from maskcodec.errors import LabelError
from maskcodec.formats.bsd.faults import RowFault
from maskcodec.formats.bsd.spelling import BOX, BOX_END, REF, REF_END, SEG, SEG_END
from maskcodec.kernels import reading as k
from maskcodec.text.problems import NO_FAULTS, check_label, shown
from maskcodec.text.regions import Region, drawn_region

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskcodec.formats.bsd.spelling import Spelling
    from maskcodec.masks.arrays import Index, Mask
    from maskcodec.masks.frame import BoxFrame
    from maskcodec.text.problems import Reading, TextReading

Box: TypeAlias = tuple[int, int, int, int]
Symbols: TypeAlias = "tuple[Index, list[list[int]]]"

_END = 6  # the kind of the tag that stands for the end of the text
_EXACT_BOX = re.compile(r" *\[ *\[ *" + " +".join(["(0|[1-9][0-9]{0,3})"] * 4) + r" *\] *\] *")
_COORDINATES = re.compile(r" *\[ *\[ *([0-9]+) +([0-9]+) +([0-9]+) +([0-9]+) *\] *\] *")
_ANY_NUMBER = re.compile(r"-?[0-9]+")
_SAMPLE_BOX = "[[0 0 0 0]]"
_HUGE = 10**9  # stands for any longer number, since `int` takes quadratic time


class _Tag(NamedTuple):
    """A tag of the text: its index among the tokens, its kind, and its bytes."""

    token: int
    kind: int
    start: int
    stop: int


class InstanceReader:
    """Reads the instances of one text.

    An instance is its six tags in order. A tag that is missing is reported and done without; a
    tag that comes too early for the present instance begins the next one.

    Parameters
    ----------
    reading
        What is read, and where to report.
    symbols
        Its tokens, int64 (n, 3), and the tags among them, as `reading.scan` has them.
    words
        The spelling in force.
    canvas
        (rows, columns): boxes lie on it.
    separated
        Whether rows end with a newline; otherwise the box's width tells where they end.
    frame
        Where cells belong to the box, how many it may have; None where it is as large as its
        cells.
    """

    def __init__(
        self,
        reading: Reading,
        symbols: Symbols,
        words: Spelling,
        canvas: tuple[int, int],
        separated: bool,
        frame: BoxFrame | None,
    ) -> None:
        self.reading = reading
        self.words = words
        self.canvas = canvas
        self.separated = separated
        self.frame = frame
        self.tokens, tags = symbols
        end = reading.size
        self.tags = [*map(_Tag._make, tags), _Tag(len(self.tokens), _END, end, end)]
        self.at = 0
        self.next = self.tags[0]
        self.reported = -1  # the tag that was found in place of another, once reported

    def read(self) -> list[Region]:
        """All instances that can be drawn, in the order of the text."""
        regions = []
        while self.next.kind != _END:
            label = self._label()
            box = self._box(label)
            region = self._draw(label, box)
            if region is not None:
                regions.append(region)
        return regions

    def _label(self) -> str:
        opened = self._expect(REF)
        end = self.next
        closed = self._expect(REF_END)
        if opened is None:
            return ""
        label = self.reading.slice(opened.stop, end.start).strip()
        if closed is not None or label:
            self._check_label(label, opened.stop)
        return label

    def _check_label(self, label: str, start: int) -> None:
        clash = self.words.forbidden.search(label)
        try:
            check_label(label)
        except LabelError as error:
            action = "kept it as it is" if label else "kept it empty"
            self.reading.report(start, "bad-label", str(error), action)
        else:
            if clash:
                message = f"the label {shown(label)} holds {clash.group()!r}"
                self.reading.report(start, "bad-label", message, "kept it as it is")

    def _box(self, label: str) -> Box | None:
        opened = self._expect(BOX)
        end = self.next
        self._expect(BOX_END)
        if opened is None:
            if end.kind != _END:
                message = f"nothing says where {shown(label)} lies"
                self.reading.report(end.start, "bad-box", message, "left this instance out")
            return None
        if end.kind == _END:  # whether the last number is whole cannot be known
            return None
        return self._coordinates(self.reading.slice(opened.stop, end.start), opened.stop)

    def _draw(self, label: str, box: Box | None) -> Region | None:
        first = self.next.token if self.at == 0 else self.tags[self.at - 1].token + 1
        opened = self._expect(SEG)
        closed = self.next.kind == SEG_END
        region = None
        if box is not None:
            if opened is not None:
                first = opened.token + 1
            last = self.next.token
            if opened is None and not closed and not self._is_run(first):
                last = first  # a box on its own: the text behind it is not meant as bricks
            elif self.next.kind == _END and self._ends_in_beginning(first):
                last -= 1
            region = self._rows(label, box, first, last, closed)
        self._expect(SEG_END)
        return region

    def _rows(self, label: str, box: Box, first: int, last: int, closed: bool) -> Region:
        frame = self.frame
        rows, width = (box[3] - box[1] + 1, box[2] - box[0] + 1)
        if frame is not None:
            rows, width = frame.most[0], k.first_row(self.tokens, first, last, *frame.most)
        copies = k.count_copies(self.tokens, first, last, rows)
        cells = np.zeros((min(rows, last - first + 1 + copies), width), np.uint8)
        limits = first, last, self.next.start, rows, self.separated, closed, frame is None
        drawn, count = k.draw(self.tokens, *limits, cells, NO_FAULTS)
        if count:
            faults = self.reading.faults(
                count, lambda room: k.draw(self.tokens, *limits, cells, room)
            )
            for kind, at, row, found in faults:
                self._report_row(kind, at, row, found, label, rows, width)
        if frame is not None:
            return self._framed(frame, label, box, cells, drawn)
        if count:
            rows_set = np.flatnonzero(cells[:drawn].any(axis=1))
            drawn = int(rows_set[-1]) + 1 if len(rows_set) else 0  # the rest is background anyway
            cells = cells[:drawn].copy()
        return drawn_region(label, box, self.canvas, "canvas", cells[:drawn])

    def _framed(self, frame: BoxFrame, label: str, box: Box, cells: Mask, drawn: int) -> Region:
        """A region whose cells belong to its box: how many there are says the text alone."""
        if self.next.kind == _END:  # more may have been to come
            rows = max(drawn, frame.likely_rows(box, cells.shape[1]))
        else:
            rows = max(drawn, 1)
            if drawn == 0:
                message = f"{shown(label)} has no cells"
                self.reading.report(self.next.start, "rows-missing", message, "left it background")
        whole = np.zeros((rows, cells.shape[1]), np.uint8)
        whole[:drawn] = cells[:drawn]
        return drawn_region(label, box, self.canvas, "box", whole)

    def _coordinates(self, content: str, start: int) -> Box | None:
        box, faults = repaired_box(content, self.canvas)
        for fault in faults:
            self.reading.report(start, *fault)
        return box

    def _expect(self, kind: int) -> _Tag | None:
        """The tag that must come now, or None where it does not."""
        tag = self.next
        if tag.kind != kind:
            if self.reported != self.at:
                self.reported = self.at
                self._report_missing(kind)
            return None
        if kind in (BOX, SEG) and self.at:
            before = self.tags[self.at - 1]
            if before.kind == kind - 1 and tag.token > before.token + 1:
                message = f"only spaces may stand before {self.words.tags[kind]}"
                start = int(self.tokens[before.token + 1, 1])
                self.reading.report(start, "extra-text", message, "passed over it")
        self.at += 1
        self.next = self.tags[self.at]
        return tag

    def _report_missing(self, kind: int) -> None:
        tag = self.words.tags[kind]
        if self.next.kind != _END:
            message = f"expected {tag}, found {self.words.tags[self.next.kind]}"
            self.reading.report(self.next.start, "missing-tag", message, "read on without it")
            return
        start, end = self.tags[-2].stop, self.next.start
        tail = self.reading.slice(start, end)
        action = "left this instance out" if kind <= BOX_END else "drew what was there"
        if self._may_go_on(kind, tail):
            self.reading.report(end, "truncated", f"the text stops before {tag}", action)
        else:
            message = f"expected {tag}, found {tail[:40]!r}"
            self.reading.report(start, "missing-tag", message, action)

    def _may_go_on(self, kind: int, tail: str) -> bool:
        """Whether a text that ends like this was cut off before a tag, rather than wrong."""
        tag = self.words.tags[kind]
        if kind in (BOX, SEG):
            return tag.startswith(tail.strip(" "))
        if kind == BOX_END:
            ends = [_SAMPLE_BOX[i:] + tag for i in range(len(_SAMPLE_BOX))]
            wholes = [tail + end for end in [*ends, *(tag[i:] for i in range(len(tag)))]]
            return any(_COORDINATES.fullmatch(w.removesuffix(tag)) for w in wholes)
        return True

    def _report_row(
        self, kind: int, at: int, index: int, found: int, label: str, rows: int, width: int
    ) -> None:
        fault = RowFault(kind, index, found, shown(label), rows, width, self.frame is not None)
        text = self.reading.excerpt(at, found) if fault.quotes else ""
        self.reading.report(at, *fault.report(text))

    def _is_run(self, token: int) -> bool:
        return token < len(self.tokens) and 0 != self.tokens[token, 0] < k.TEXT

    def _ends_in_beginning(self, first: int) -> bool:
        """Whether the text stops in the middle of a brick or of the closing tag."""
        if len(self.tokens) <= first:
            return False
        value, start, stop = self.tokens[-1].tolist()
        if value != k.TEXT or stop != self.reading.size:
            return False
        return self.words.is_beginning(self.reading.slice(start, stop))


def plain_box(content: str, canvas: tuple[int, int]) -> Box | None:
    """The box between its tags where nothing is wrong with it; spaces do not matter."""
    match = _EXACT_BOX.fullmatch(content)
    if not match:
        return None
    x1, y1, x2, y2 = map(int, match.groups())
    return (x1, y1, x2, y2) if x1 <= x2 < canvas[1] and y1 <= y2 < canvas[0] else None


def repaired_box(
    content: str, canvas: tuple[int, int]
) -> tuple[Box | None, list[tuple[str, str, str]]]:
    """The box that any text between its tags says, if it says one, and what is wrong with it.

    Faults are (reason, message, what was done about it).
    """
    box = plain_box(content, canvas)
    if box is not None:
        return box, []
    rows, columns = canvas
    faults = []
    ranges = f"x 0 .. {columns - 1} and y 0 .. {rows - 1} without leading zeros"
    message = f"a box is [[x1 y1 x2 y2]], {ranges}, got {content[:80]!r}"
    match = _COORDINATES.fullmatch(content)
    numbers = match.groups() if match else _ANY_NUMBER.findall(content)
    if len(numbers) != 4:
        return None, [("bad-box", message, "left this instance out")]
    if not match or any(len(n) > 1 and n[0] == "0" for n in numbers):
        faults.append(("bad-box", message, "took its four numbers"))
    x1, y1, x2, y2 = map(_number, numbers)
    if x1 > x2 or y1 > y2:
        order = f"a box has x1 <= x2 and y1 <= y2, got {content[:80]!r}"
        faults.append(("box-order", order, "swapped its corners"))
        x1, x2, y1, y2 = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    if x1 < 0 or y1 < 0 or x2 >= columns or y2 >= rows:
        outside = x2 < 0 or y2 < 0 or x1 >= columns or y1 >= rows
        action = "left this instance out" if outside else "cut it to the canvas"
        faults.append(("box-range", message, action))
        if outside:
            return None, faults
        x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, columns - 1), min(y2, rows - 1)
    return (x1, y1, x2, y2), faults


def _number(digits: str) -> int:
    """A coordinate, however long; anything negative is as far outside as -1."""
    if digits.startswith("-"):
        return -1
    return int(digits) if len(digits) < 10 else _HUGE


def read_text(
    reading: TextReading,
    words: Spelling,
    canvas: tuple[int, int],
    separated: bool,
    frame: BoxFrame | None,
) -> list[Region]:
    """The regions of a text; what is wrong with it is reported to the reading."""
    tables = words.pieces, words.bounds, words.starts
    symbols = cut(len(reading.data) // 4, lambda *room: k.scan(reading.data, *tables, *room))
    return InstanceReader(reading, symbols, words, canvas, separated, frame).read()


def cut(likely: int, scan: Callable[[Index, Index], tuple[int, int]]) -> Symbols:
    """What a kernel cuts something into: run again where the room for it did not suffice."""
    tokens = np.empty((64 + likely, 3), np.int64)
    tags = np.empty((60, 4), np.int64)
    while True:
        count, tag_count = scan(tokens, tags)
        if count <= len(tokens) and tag_count <= len(tags):
            return tokens[:count], tags[:tag_count].tolist()
        tokens = np.empty((count, 3), np.int64)
        tags = np.empty((tag_count, 4), np.int64)
