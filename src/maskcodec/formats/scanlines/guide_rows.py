"""The rows of scanlines: an automaton over edges that grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from maskcodec.formats.instances.spelling import SEG_END
from maskcodec.kernels.writing import END
from maskcodec.tokenizers.token_bytes import frozen

if TYPE_CHECKING:
    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.vocab import BrickVocab
    from maskcodec.formats.scanlines.codec import Scanlines
    from maskcodec.masks.arrays import Index

EdgeState: TypeAlias = tuple[int, int, int]


class EdgeGuide:
    """Which bricks may come next, so that the edges of a row grow.

    States are (row, edge, colour): the rows that have ended; the last edge of the present one; the
    colour before it, 1 for foreground, -1 for background, 0 where none is.

    Parameters
    ----------
    codec, vocab
        The codec and its ids.
    alternate
        Whether the same colour may not come again, and the last foreground is the end's.
    """

    def __init__(self, codec: Scanlines, vocab: BrickVocab, *, alternate: bool) -> None:
        words = codec.words()
        self._rows, self._columns = codec.rows, codec.columns
        self._runs = {vocab.words[words.brick(run)]: run for run in words.runs()}
        self._end = vocab.words[words.tags[SEG_END]]
        self._alternate = alternate
        colours = (0, 1, -1) if alternate else (0,)
        self._bricks = {
            (edge, colour): self._listed(edge, colour)
            for edge in range(codec.columns + 1)
            for colour in colours
        }
        self._close = frozen(np.array([self._end], np.int64))
        self._either = frozen(np.sort(np.append(self._bricks[0, 0], self._end)))

    def start(self, _: Box) -> EdgeState:
        """The state behind ``<seg>``."""
        return 0, 0, 0

    def options(self, state: EdgeState) -> Index:
        """The ids that may come next: int64, sorted, read-only, never empty."""
        row, edge, colour = state
        if edge or not row:
            return self._bricks[edge, colour]
        return self._either if row < self._rows else self._close

    def step(self, state: EdgeState, number: int) -> EdgeState | None:
        """The state after an id other than that of ``</seg>``, or None where it may not come."""
        row, edge, colour = state
        run = self._runs.get(number, 0)
        if run == 0 or row == self._rows or not self._may_come(run, edge, colour):
            return None
        if run >= END:
            return row + 1, 0, 0
        return row, abs(run), (1 if run > 0 else -1) if self._alternate else 0

    def ends(self, state: EdgeState, number: int) -> bool:
        """Whether an id is that of ``</seg>`` and may come."""
        row, edge, _ = state
        return number == self._end and row > 0 and edge == 0

    def _listed(self, edge: int, colour: int) -> Index:
        runs = self._runs.items()
        ids = [number for number, run in runs if self._may_come(run, edge, colour)]
        return frozen(np.array(sorted(ids), np.int64))

    def _may_come(self, run: int, edge: int, colour: int) -> bool:
        column = run - END if run >= END else abs(run)
        if not self._alternate:
            return column > edge or (run >= END and column == edge)
        if run >= END:  # its foreground comes behind background, or first
            return colour < 0 < column - edge or edge == 0
        behind = 2 if run > 0 else 1  # there must be room for what has to follow
        return edge < column <= self._columns - behind and run * colour <= 0
