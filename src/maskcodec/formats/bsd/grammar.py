"""Grammars of token ids for serving engines: whole answers, or the rows of a known box."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from maskcodec.errors import ConfigError
from maskcodec.formats.instances.guide_box import BoxGuide, BoxState
from maskcodec.formats.instances.spelling import BOX, BOX_END, REF, REF_END, SEG, SEG_END
from maskcodec.kernels.writing import MAX_RUN
from maskcodec.messages import check_choice
from maskcodec.tokenizers.grammar import Dialect, Grammar, add_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maskcodec.formats.bsd.codec import BSD
    from maskcodec.formats.instances.vocab import BrickVocab
    from maskcodec.tokenizers.guide import GuideOptions, GuideWords


_MOST_WAYS = 64_000  # llguidance 1.9 has 16 bits for their parts


def box_grammar(codec: BSD, vocab: BrickVocab, box: Sequence[int], dialect: Dialect) -> str:
    """The grammar of a box's rows, ``<seg>`` to ``</seg>``; errors as in `TokenCodec.grammar`."""
    x1, y1, x2, y2 = codec.words().boxes.checked(box)
    width, below = x2 - x1 + 1, y2 - y1
    rules = _Rules(codec, vocab, dialect)
    grammar = rules.grammar
    grammar.root([f"{rules.tags[SEG]} cells{width} below{below}"])
    for n in range(width, 0, -1):  # a row of n cells is a brick of k and a row of n - k
        ways = [f"{rules.bricks[k]} cells{n - k}" for k in range(1, min(n - 1, MAX_RUN) + 1)]
        grammar.rule(f"cells{n}", ways + ([rules.bricks[n]] if n <= MAX_RUN else []))
    for n in range(below, 0, -1):
        grammar.rule(f"below{n}", [f"{rules.separator}cells{width} below{n - 1}"])
    grammar.rule("below0", [rules.tags[SEG_END]])
    return str(grammar)


def answer_grammar(
    codec: BSD,
    vocab: BrickVocab,
    words: GuideWords,
    options: GuideOptions,
    labels: Sequence[Sequence[int]] | None,
    *,
    dialect: Dialect,
) -> str:
    """The grammar of a whole answer, for a dialect that `check_holds_boxes` accepts.

    ``labels`` are the ids of each label to choose from; None for any label.
    """
    rules = _Rules(codec, vocab, dialect)
    place = BoxGuide(words.pieces, words.continuing, replace(codec.words().boxes, ordered=False))
    rules.boxed(codec.canvas, place)
    rest = f"{rules.tags[BOX]} box0::0"
    tags = [vocab.words[tag] for tag in codec.words().tags]
    add_answer(rules.grammar, words, options, labels, (tags[REF], tags[REF_END]), rest)
    text = str(rules.grammar)
    ways = text.count(" | ") + text.count("\n")
    if ways > _MOST_WAYS:
        rows, columns = codec.canvas
        raise ConfigError(
            f"llguidance cannot hold a box and its rows on a canvas of {rows} rows and {columns} "
            f"columns: the grammar has {ways} ways, and {_MOST_WAYS} may be; give the box if it is "
            "known: box=(x1, y1, x2, y2), or use a guide"
        )
    return text


def check_holds_boxes(dialect: Dialect) -> None:
    """Refuse a dialect that cannot express rows that fit a box of the same answer."""
    check_choice(dialect, Dialect, "dialect")
    if dialect != "llguidance":
        raise ConfigError(
            "xgrammar cannot hold the rows of a box that is written in the same answer, since its "
            'numbers decide how long they are; use dialect="llguidance", or give the box if it is '
            "known: box=(x1, y1, x2, y2)"
        )


class _Rules:
    """The rules of a codec's rows, and the ids in them.

    A rule of llguidance may have a parameter of 64 bits, which rules pass on. Here it holds the
    four numbers of the box, and counts the rows up from y1. A rule only passes on a changed
    parameter behind a token or a row: the engine's optimiser fails on other rules.
    """

    def __init__(self, codec: BSD, vocab: BrickVocab, dialect: Dialect) -> None:
        words, ids = codec.words(), vocab.words
        self.grammar = grammar = Grammar(dialect, np.flatnonzero(vocab.known))
        self.tags = [grammar.ids(ids[tag]) for tag in words.tags]
        self.bricks = [""]
        self.bricks += [
            grammar.ids(ids[words.brick(n)], ids[words.brick(-n)]) for n in range(1, MAX_RUN + 1)
        ]
        self.separator = "".join(f"{grammar.ids(number)} " for number in vocab.separator)

    def boxed(self, canvas: tuple[int, int], place: BoxGuide) -> None:
        """Add the rules of a box, from its first bracket, and of its rows."""
        rows, columns = canvas
        bits = [max((size - 1).bit_length(), 1) for size in (columns, rows, columns, rows)]
        shifts = [sum(bits[:n]) for n in range(4)]
        x1, y1, x2, y2 = (f"[{a}:{a + n}]" for a, n in zip(shifts, bits, strict=True))
        closing = f"{self.tags[BOX_END]} {self.tags[SEG]} rows::_"
        for name, after in _numbers(place, canvas, shifts, (x1, y1)):
            found = [f"{self.grammar.ids(*ids)} {way}" for way, ids in after.items()]
            self.grammar.rule(f"{name}::_", found or [closing])
        more = [
            f"row::_ {self.separator}rows::incr({y1}) %if and(eq({y1}, {y}), gt({y2}, {y}))"
            for y in range(rows - 1)
        ]
        last = [
            f"row::_ {self.tags[SEG_END]} %if and(eq({y1}, {y}), eq({y2}, {y}))"
            for y in range(rows)
        ]
        self.grammar.rule("rows::_", more + last)
        self.grammar.rule("row::_", [f"from{x}::_ %if eq({x1}, {x})" for x in range(columns)])
        for x in range(columns):
            lengths = range(1, min(columns - x, MAX_RUN) + 1)
            ways = [f"{self.bricks[n]} %if eq({x2}, {x + n - 1})" for n in lengths]
            ways += [
                f"{self.bricks[n]} from{x + n}::_ %if ge({x2}, {x + n})"
                for n in lengths
                if x + n < columns
            ]
            self.grammar.rule(f"from{x}::_", ways)


def _numbers(
    place: BoxGuide, canvas: tuple[int, int], shifts: Sequence[int], lowest: tuple[str, str]
) -> Iterator[tuple[str, dict[str, list[int]]]]:
    """The rules of the digits: for each rule, the ids by the rule that follows them.

    The rule of a finished box has no ids.
    """
    rows, columns = canvas
    limits = columns, rows, columns, rows
    states = {BoxState(): "box0"}
    known = 0
    while known < len(states):
        state, name = list(states.items())[known]
        known += 1
        ways = defaultdict(list)
        for number in place.options(state).tolist():
            after = place.step(state, number)
            assert after is not None
            behind = after._replace(before=(0,) * len(after.before))
            way = _way(len(state.before), after, limits, shifts, lowest)
            if way is not None:
                target = states.setdefault(behind, f"box{len(states)}")
                ways[target + way].append(number)
        yield name, ways


def _way(
    begun: int,
    after: BoxState,
    limits: Sequence[int],
    shifts: Sequence[int],
    lowest: tuple[str, str],
) -> str | None:
    """The change of a rule's parameter by a token, and its condition; None if it may never come.

    `begun` numbers were done before the token; their values are unknown here.
    """
    value = sum(after.before[at] << shifts[at] for at in range(begun, len(after.before)))
    numbers = [*after.before]
    if after.number >= 0:
        numbers.append(_largest(after.number, limits[after.place]))
    conditions = []
    for at in range(max(begun, 2), len(numbers)):
        if at - 2 < begun:
            conditions.append(f"le({lowest[at - 2]}, {numbers[at]})")
        elif numbers[at - 2] > numbers[at]:
            return None
    change = f"bit_or({value})" if value else "_"
    when = f"and({', '.join(conditions)})" if len(conditions) > 1 else "".join(conditions)
    return f"::{change}" + (f" %if {when}" if when else "")


def _largest(number: int, limit: int) -> int:
    """The largest number below a limit that begins with these digits."""
    most = last = number
    while number and (number := 10 * number) < limit:
        last = 10 * last + 9
        most = min(last, limit - 1)
    return most
