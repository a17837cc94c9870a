"""A grammar of token ids for serving engines: a whole answer, its boxes included."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maskcodec.tokenizers.automaton import Automaton
from maskcodec.tokenizers.grammar import Grammar, add_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.grammar import Dialect
    from maskcodec.tokenizers.guide import GuideOptions, GuideWords


class ScanlineIds(NamedTuple):
    """What a grammar needs to know of a codec's ids.

    Attributes
    ----------
    tags
        The six tags, in their order.
    bricks
        Background and foreground up to each column, from 1 on.
    ends
        The ends of a row at each column, from 0 on.
    rows
        The most rows that there may be.
    place
        What may stand between the tags of a box.
    """

    tags: Sequence[int]
    bricks: Sequence[tuple[int, int]]
    ends: Sequence[int]
    rows: int
    place: Automaton


def scanline_grammar(
    ids: ScanlineIds,
    words: GuideWords,
    options: GuideOptions,
    labels: Sequence[Sequence[int]] | None,
    *,
    dialect: Dialect,
    known: Iterable[int],
    behind_box: bool = False,
) -> str:
    """The grammar of an answer, or with `behind_box` of what comes behind the box of an instance.

    ``labels`` are the ids of each label to choose from, None for any; ``known`` are all ids that
    the vocabulary has. Errors are those of `TokenCodec.grammar`.
    """
    grammar = Grammar(dialect, known)
    box, box_end, seg, seg_end = map(grammar.ids, ids.tags[2:])
    grammar.automaton("row", _row(ids))
    for n in range(ids.rows, 0, -1):
        grammar.rule(f"rows{n}", [f"row {seg_end}", *([f"row rows{n - 1}"] if n > 1 else [])])
    rows = f"{seg} rows{ids.rows}"
    if behind_box:
        grammar.root([rows])
    else:
        grammar.automaton("place", ids.place)
        rest = f"{box} place {box_end} {rows}"
        add_answer(grammar, words, options, labels, ids.tags[:2], rest)
    return str(grammar)


def location_place(locations: Iterable[int]) -> Automaton:
    """A box of four tokens, each one of these."""
    number = np.array(sorted(locations), np.int64)
    return Automaton([*({n: number} for n in range(1, 5)), {}], frozenset([4]))


def _row(ids: ScanlineIds) -> Automaton:
    """A row: its states are the columns that it has come to, and one behind its end."""
    columns = len(ids.bricks)
    over = columns + 1
    edges: list[dict[int, Index]] = []
    for at in range(over):
        further: dict[int, Index] = {
            column: np.array(sorted(ids.bricks[column - 1]), np.int64)
            for column in range(at + 1, over)
        }
        edges.append(further | {over: np.array(sorted(ids.ends[at:]), np.int64)})
    return Automaton([*edges, {}], frozenset([over]))
