"""The rows of an instance: an automaton over its bricks, its repeats and its separators."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from maskcodec.formats.bsd.spelling import SEG_END
from maskcodec.kernels.writing import MAX_RUN
from maskcodec.tokenizers.spelling import frozen

if TYPE_CHECKING:
    from maskcodec.formats.bsd.codec import BSD
    from maskcodec.formats.bsd.spelling import Box
    from maskcodec.formats.bsd.vocab import BrickVocab
    from maskcodec.masks.arrays import Index

_NONE = 0  # the brick before the first of a row

# Plain tuples, since a guide makes one for every id of an answer.
RowState: TypeAlias = tuple[int, int, int, int, int, bool]


class RowGuide:
    """Which ids may come next between ``<seg>`` and ``</seg>``, and when the latter may.

    States are (width, below, left, before, written, first): the columns of every row, 0 in a first
    row that may still have any; how many rows come below the present one, or in the box frame may;
    columns left in the row; the brick before in the row, 0 for none; ids of the separator written;
    whether it is the first row, which has none above to repeat.

    Parameters
    ----------
    codec, vocab
        The codec and its ids.
    alternate
        Whether the same colour may come again only behind a brick of 63.
    """

    def __init__(self, codec: BSD, vocab: BrickVocab, *, alternate: bool) -> None:
        words = codec.words()
        self._framed = codec.box_frame is not None
        self._most = codec.most_cells
        self._runs = {vocab.words[words.brick(run)]: run for run in words.runs()}
        self._repeats = words.repeats
        self._separator = vocab.separator
        self._separator_ids = [frozen(np.array([token], np.int64)) for token in vocab.separator]
        self._end = vocab.words[words.tags[SEG_END]]
        self._alternate = alternate
        self._known: dict[tuple[int, int, int, bool, bool], Index] = {}  # some thousands at most

    def start(self, box: Box) -> RowState:
        """The state behind ``<seg>`` in a box (x1, y1, x2, y2)."""
        if self._framed:
            rows, columns = self._most
            return 0, rows - 1, columns, _NONE, 0, True
        x1, y1, x2, y2 = box
        width = x2 - x1 + 1
        return width, y2 - y1, width, _NONE, 0, True

    def options(self, state: RowState) -> Index:
        """The ids that may come next: int64, sorted, read-only, never empty."""
        width, below, left, before, written, first = state
        if written:
            return self._separator_ids[written]
        whole = _is_whole(width, left, before)
        colour = 0
        if self._alternate and left and abs(before) != MAX_RUN:
            colour = (before < 0) - (before > 0)
        copies = 0 if first or left != width else self._copies(below)
        ends = whole and (self._framed or below == 0)
        key = colour, min(left, MAX_RUN), copies, whole and below > 0, ends
        ids = self._known.get(key)
        if ids is None:
            ids = self._known[key] = self._listed(*key)
        return ids

    def step(self, state: RowState, number: int) -> RowState | None:
        """The state after an id other than that of ``</seg>``, or None where it may not come."""
        width, below, left, before, written, first = state
        if written or (below and _is_whole(width, left, before)):
            if number == self._separator[written]:
                width = width or self._most[1] - left
                if written + 1 < len(self._separator):
                    return width, below, 0, before, written + 1, first
                return width, below - 1, width, _NONE, 0, False
            if written:
                return None
        run = self._runs.get(number, 0)
        if run > MAX_RUN:
            copies = run - MAX_RUN
            if first or left != width or copies > self._copies(below):
                return None
            below, left = below - copies + 1, 0
        else:
            if not 0 < abs(run) <= left:
                return None
            if self._alternate and abs(before) != MAX_RUN and run * before > 0:
                return None
            left -= abs(run)
        if left == 0 and below and not self._separator:
            return width, below - 1, width, _NONE, 0, False
        return width, below, left, run, 0, first

    def ends(self, state: RowState, number: int) -> bool:
        """Whether an id is that of ``</seg>`` and may come."""
        width, below, left, before, written, _ = state
        if number != self._end or written or not _is_whole(width, left, before):
            return False
        return self._framed or below == 0

    def _copies(self, below: int) -> int:
        """The most rows that a repeat may stand for where a row begins; 0 for no repeats."""
        return min(below + 1, MAX_RUN) if self._repeats else 0

    def _listed(self, colour: int, longest: int, copies: int, more: bool, ends: bool) -> Index:
        """The bricks of a colour, or both for 0, that are not longer; repeats; what ends a row."""
        runs = self._runs.items()
        ids = [number for number, run in runs if abs(run) <= longest and run * colour >= 0]
        ids += [number for number, run in runs if MAX_RUN < run <= MAX_RUN + copies]
        ids += self._separator[:1] if more else ()
        ids += [self._end] if ends else ()
        return frozen(np.array(sorted(ids), np.int64))


def _is_whole(width: int, left: int, before: int) -> bool:
    """Whether a row may end here."""
    return left == 0 or (width == 0 and before != _NONE)
