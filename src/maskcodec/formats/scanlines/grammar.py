"""A grammar of token ids for serving engines: a whole answer, its boxes included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.formats.instances.guide_box import BoxGuide
from maskcodec.kernels.writing import END
from maskcodec.masks.grid import check_choice
from maskcodec.tokenizers.automaton import Automaton
from maskcodec.tokenizers.grammar import Dialect, Grammar, add_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.formats.instances.vocab import BrickVocab
    from maskcodec.formats.scanlines.codec import Scanlines
    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.guide import GuideOptions, GuideWords


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
    """The grammar of an answer, or with `behind_box` of what comes behind the box of an instance.

    ``labels`` are the ids of each label to choose from, None for any; ``known`` are all ids that
    the vocabulary has, sorted. Errors are those of `TokenCodec.grammar`.
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
    """What may stand between the tags of a box."""
    spelling = codec.words()
    locations = np.array(sorted(vocab.words[word] for word in spelling.locations()), np.int64)
    if len(locations):
        return Automaton([*({n: locations} for n in range(1, 5)), {}], frozenset([4]))
    return BoxGuide(words.pieces, words.continuing, spelling.boxes).automaton()


def _row(codec: Scanlines, vocab: BrickVocab) -> Automaton:
    """A row: its states are the columns that it has come to, and one behind its end."""
    spelling, over = codec.words(), codec.columns + 1

    def ids(*runs: int) -> Index:
        return np.array(sorted(vocab.words[spelling.brick(run)] for run in runs), np.int64)

    edges: list[dict[int, Index]] = []
    for at in range(over):
        further = {column: ids(column, -column) for column in range(at + 1, over)}
        edges.append({**further, over: ids(*range(END + at, END + over))})
    return Automaton([*edges, {}], frozenset([over]))
