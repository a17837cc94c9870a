"""Scanlines as ids: the stream, the guide and the grammar of their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from maskcodec.formats.instances.guide_box import BoxGuide
from maskcodec.formats.instances.ids import BrickBinding
from maskcodec.formats.instances.spelling import SEG_END
from maskcodec.formats.instances.stream import BrickStream
from maskcodec.kernels import reading as k
from maskcodec.kernels.writing import END
from maskcodec.messages import check_choice
from maskcodec.text.regions import drawn_region
from maskcodec.tokenizers.automaton import Automaton
from maskcodec.tokenizers.grammar import Dialect, Grammar, add_answer
from maskcodec.tokenizers.guide import guide_words
from maskcodec.tokenizers.token_bytes import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.vocab import BrickVocab
    from maskcodec.formats.scanlines.codec import Scanlines
    from maskcodec.masks.arrays import Index, Mask
    from maskcodec.text.regions import Region
    from maskcodec.tokenizers.guide import GuideOptions, GuideWords

_END = int(k.ROW_END)
EdgeState: TypeAlias = tuple[int, int, int]


class ScanlineBinding(BrickBinding):
    """The ids of scanlines."""

    codec: Scanlines

    def stream(self) -> ScanlineStream:
        """A decoder for ids that come one by one."""
        return ScanlineStream(self._reader, self.bricks)

    def grammar(self, options: GuideOptions, *, dialect: Dialect, box: Sequence[int] | None) -> str:
        """The guide as a grammar: of a whole answer, or of the rows behind a known box."""
        if box is not None:
            self.codec.words().boxes.checked(box)  # the rows do not depend on it
        return answer_grammar(
            self.codec,
            self.bricks,
            guide_words(options, self.tokenizer, self.vocab),
            options,
            self._labels(options),
            dialect=dialect,
            behind_box=box is not None,
        )

    def _rows(self, options: GuideOptions) -> EdgeGuide:
        return EdgeGuide(self.codec, self.bricks, alternate=options.colours == "alternate")


class ScanlineStream(BrickStream):
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


class EdgeGuide:
    """The bricks that may come next, so that the edges of a row grow.

    States are (row, edge, colour): the number of finished rows; the last edge of the current row;
    the colour before it, 1 for foreground, -1 for background, 0 for none.

    Parameters
    ----------
    codec, vocab
        The codec and its ids.
    alternate
        Whether colours must alternate; the end of the row then writes the last foreground.
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
        """The state after an id other than ``</seg>``, or None if the id may not come."""
        row, edge, colour = state
        run = self._runs.get(number, 0)
        if run == 0 or row == self._rows or not self._may_come(run, edge, colour):
            return None
        if run >= END:
            return row + 1, 0, 0
        return row, abs(run), (1 if run > 0 else -1) if self._alternate else 0

    def ends(self, state: EdgeState, number: int) -> bool:
        """Whether the id is ``</seg>`` and may come."""
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
        if run >= END:  # its foreground comes behind background or is the first run
            return colour < 0 < column - edge or edge == 0
        behind = 2 if run > 0 else 1  # columns for the runs that must follow
        return edge < column <= self._columns - behind and run * colour <= 0


def answer_grammar(
    codec: Scanlines,
    vocab: BrickVocab,
    words: GuideWords,
    options: GuideOptions,
    labels: Sequence[Sequence[int]] | None,
    *,
    dialect: Dialect,
    behind_box: bool = False,
) -> str:
    """The grammar of an answer, or with `behind_box` of the rows behind the box of an instance.

    ``labels`` are the ids of each label to choose from; None for any label. Errors are those of
    `TokenCodec.grammar`.
    """
    check_choice(dialect, Dialect, "dialect")
    grammar = Grammar(dialect, np.flatnonzero(vocab.known))
    tags = [vocab.words[tag] for tag in codec.tags()]
    box, box_end, seg, seg_end = map(grammar.ids, tags[2:])
    grammar.automaton("row", _row(codec, vocab))
    for n in range(codec.rows, 0, -1):
        grammar.rule(f"rows{n}", [f"row {seg_end}", *([f"row rows{n - 1}"] if n > 1 else [])])
    rows = f"{seg} rows{codec.rows}"
    if behind_box:
        grammar.root([rows])
    else:
        grammar.automaton("place", _place(codec, vocab, words))
        add_answer(grammar, words, options, labels, tags[:2], f"{box} place {box_end} {rows}")
    return str(grammar)


def _place(codec: Scanlines, vocab: BrickVocab, words: GuideWords) -> Automaton:
    """The automaton of a box, between its tags."""
    spelling = codec.words()
    locations = np.array(sorted(vocab.words[word] for word in spelling.locations()), np.int64)
    if len(locations):
        return Automaton([*({n: locations} for n in range(1, 5)), {}], frozenset([4]))
    return BoxGuide(words.pieces, words.continuing, spelling.boxes).automaton()


def _row(codec: Scanlines, vocab: BrickVocab) -> Automaton:
    """The automaton of a row: its states are the columns reached, and one behind the end."""
    spelling, over = codec.words(), codec.columns + 1

    def ids(*runs: int) -> Index:
        return np.array(sorted(vocab.words[spelling.brick(run)] for run in runs), np.int64)

    edges: list[dict[int, Index]] = []
    for at in range(over):
        further = {column: ids(column, -column) for column in range(at + 1, over)}
        edges.append({**further, over: ids(*range(END + at, END + over))})
    return Automaton([*edges, {}], frozenset([over]))
