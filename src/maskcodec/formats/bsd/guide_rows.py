"""The rows of B-SD: an automaton over bricks and separators."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from maskcodec.formats.instances.spelling import SEG_END
from maskcodec.kernels.writing import MAX_RUN
from maskcodec.tokenizers.token_bytes import frozen

if TYPE_CHECKING:
    from maskcodec.formats.bsd.codec import BSD
    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.vocab import BrickVocab
    from maskcodec.masks.arrays import Index

_NONE = 0  # the brick before the first of a row

# Plain tuples, since a guide makes one for every id of an answer.
RowState: TypeAlias = tuple[int, int, int, int, int]


class SumGuide:
    """Which bricks may come next, so that every row adds up to the box's width.

    States are (width, below, left, before, written): the columns of every row; how many rows come
    below the present one; columns left in the row; the brick before in the row, 0 for none; ids of
    the separator written.

    Parameters
    ----------
    codec, vocab
        The codec and its ids.
    alternate
        Whether the same colour may come again only behind a brick of 63.
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
        """The state after an id other than that of ``</seg>``, or None where it may not come."""
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
        """Whether an id is that of ``</seg>`` and may come."""
        _, below, left, _, written = state
        return number == self._end and not written and left == 0 and below == 0

    def _listed(self, colour: int, longest: int, more: bool, ends: bool) -> Index:
        """The bricks of a colour, or both for 0, that are not longer, and what ends a row."""
        runs = self._runs.items()
        ids = [number for number, run in runs if abs(run) <= longest and run * colour >= 0]
        ids += self._separator[:1] if more else ()
        ids += [self._end] if ends else ()
        return frozen(np.array(sorted(ids), np.int64))
