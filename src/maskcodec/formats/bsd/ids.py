"""B-SD as ids: the stream, the guide and the grammar of its rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from maskcodec.formats.bsd.grammar import answer_grammar, box_grammar, check_holds_boxes
from maskcodec.formats.instances.ids import BrickBinding, InstanceBinding
from maskcodec.formats.instances.spelling import SEG_END
from maskcodec.formats.instances.stream import BrickStream
from maskcodec.kernels import reading as k
from maskcodec.kernels.writing import MAX_RUN
from maskcodec.text.regions import drawn_region
from maskcodec.tokenizers.guide import guide_words
from maskcodec.tokenizers.token_bytes import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.formats.bsd.codec import BSD
    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.vocab import BrickVocab
    from maskcodec.masks.arrays import Index, Mask
    from maskcodec.text.regions import Region
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
    from maskcodec.tokenizers.grammar import Dialect
    from maskcodec.tokenizers.guide import GuideOptions

_NONE = 0  # the brick before the first of a row

# Plain tuples for speed: a guide makes one for every id of an answer.
RowState: TypeAlias = tuple[int, int, int, int, int]


class PlainBinding(InstanceBinding):
    """The ids of B-SD's text without bricks as tokens."""

    def __init__(
        self, codec: BSD, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()
    ) -> None:
        super().__init__(codec, tokenizer, ignore)
        self.reading = codec if self._keeps_newlines() else replace(codec, row_separator="")


class BSDBinding(BrickBinding):
    """The ids of B-SD with bricks."""

    codec: BSD

    def stream(self) -> RowStream:
        """A decoder for ids that come one by one."""
        return RowStream(self._reader, self.bricks)

    def grammar(self, options: GuideOptions, *, dialect: Dialect, box: Sequence[int] | None) -> str:
        """The guide as a grammar: of a whole answer, or of the rows behind a known box."""
        if box is not None:
            return box_grammar(self.codec, self.bricks, box, dialect)
        check_holds_boxes(dialect)
        return answer_grammar(
            self.codec,
            self.bricks,
            guide_words(options, self.tokenizer, self.vocab),
            options,
            self._labels(options),
            dialect=dialect,
        )

    def _read_as(self) -> BSD:
        return self.codec if self.bricks.separated else replace(self.codec, row_separator="")

    def _rows(self, options: GuideOptions) -> SumGuide:
        return SumGuide(self.codec, self.bricks, alternate=options.colours == "alternate")


class RowStream(BrickStream):
    """The regions of B-SD's ids that come one by one."""

    _cells: Mask

    def _open(self, box: Box) -> None:
        self._cells = np.zeros((box[3] - box[1] + 1, box[2] - box[0] + 1), np.uint8)
        self._row, self._x = 0, 0
        self._joined: list[int] | None = []  # all bricks, until a newline comes

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
    """Draw rows without newlines by the box's width; return `cells` if they are one row."""
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


class SumGuide:
    """The bricks that may come next, so that every row adds up to the box's width.

    States are (width, below, left, before, written): the columns of a row; the rows below the
    current one; the columns left in the row; the brick before in the row, 0 for none; the ids of
    the separator written so far.

    Parameters
    ----------
    codec, vocab
        The codec and its ids.
    alternate
        Whether colours must alternate; only behind a brick of 63 may a colour repeat.
    """

    def __init__(self, codec: BSD, vocab: BrickVocab, *, alternate: bool) -> None:
        words = codec.words()
        self._runs = {vocab.words[words.brick(run)]: run for run in words.runs()}
        self._separator = vocab.separator
        self._separator_ids = [frozen(np.array([token], np.int64)) for token in vocab.separator]
        self._end = vocab.words[words.tags[SEG_END]]
        self._alternate = alternate
        self._known: dict[tuple[int, int, bool, bool], Index] = {}  # some hundreds at most

    def start(self, box: Box) -> RowState:
        """The state behind ``<seg>`` in a box (x1, y1, x2, y2)."""
        x1, y1, x2, y2 = box
        width = x2 - x1 + 1
        return width, y2 - y1, width, _NONE, 0

    def options(self, state: RowState) -> Index:
        """The ids that may come next: int64, sorted, read-only, never empty."""
        _, below, left, before, written = state
        if written:
            return self._separator_ids[written]
        colour = 0
        if self._alternate and left and abs(before) != MAX_RUN:
            colour = (before < 0) - (before > 0)
        key = colour, min(left, MAX_RUN), left == 0 and below > 0, left == 0 and below == 0
        ids = self._known.get(key)
        if ids is None:
            ids = self._known[key] = self._listed(*key)
        return ids

    def step(self, state: RowState, number: int) -> RowState | None:
        """The state after an id other than ``</seg>``, or None if the id may not come."""
        width, below, left, before, written = state
        if written or (below and left == 0):
            if number == self._separator[written]:
                if written + 1 < len(self._separator):
                    return width, below, 0, before, written + 1
                return width, below - 1, width, _NONE, 0
            return None
        run = self._runs.get(number, 0)
        if not 0 < abs(run) <= left:
            return None
        if self._alternate and abs(before) != MAX_RUN and run * before > 0:
            return None
        left -= abs(run)
        if left == 0 and below and not self._separator:
            return width, below - 1, width, _NONE, 0
        return width, below, left, run, 0

    def ends(self, state: RowState, number: int) -> bool:
        """Whether the id is ``</seg>`` and may come."""
        _, below, left, _, written = state
        return number == self._end and not written and left == 0 and below == 0

    def _listed(self, colour: int, longest: int, more: bool, ends: bool) -> Index:
        """The bricks of a colour (0: of both) of at most a length, and the ids that end a row."""
        runs = self._runs.items()
        ids = [number for number, run in runs if abs(run) <= longest and run * colour >= 0]
        ids += self._separator[:1] if more else ()
        ids += [self._end] if ends else ()
        return frozen(np.array(sorted(ids), np.int64))
