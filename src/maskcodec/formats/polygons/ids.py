"""Polygons as token ids: streams, guides and grammars."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maskcodec.errors import ConfigError, VocabError
from maskcodec.formats.instances.guide import BrickGuide
from maskcodec.formats.instances.ids import InstanceBinding
from maskcodec.formats.instances.spelling import REF, SEG, SEG_END
from maskcodec.formats.instances.stream import MaskStream
from maskcodec.messages import check_choice
from maskcodec.tokenizers.automaton import Automaton
from maskcodec.tokenizers.grammar import Dialect, Grammar, add_answer
from maskcodec.tokenizers.guide import guide_words
from maskcodec.tokenizers.token_bytes import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from maskcodec.errors import Problem
    from maskcodec.formats.polygons.codec import Polygons
    from maskcodec.formats.polygons.rings import Point
    from maskcodec.masks.arrays import Index
    from maskcodec.text.regions import Region
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
    from maskcodec.tokenizers.guide import Guide, GuideOptions, GuideWords

_PIECE = re.compile(rb" ?[0-9]+| ")  # tokens that join two numbers are not needed
_FEWEST = 3  # vertices of a ring
_REMEMBERED = 20_000  # states whose tokens are cached
_SPACE, _ZERO = b" 0"


class PolygonBinding(InstanceBinding):
    """The ids of polygons; they are decoded to text and read from it."""

    codec: Polygons  # type: ignore[assignment]

    def __init__(
        self, codec: Polygons, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()
    ) -> None:
        super().__init__(codec, tokenizer, ignore)
        self.reading = codec  # type: ignore[assignment]

    def stream(self) -> PolygonStream:
        """A decoder for ids that come one by one."""
        return PolygonStream(self)

    def guide(self, options: GuideOptions) -> Guide:
        """The guide, which lists the ids that may come next."""
        words = guide_words(options, self.tokenizer, self.vocab)
        rings = RingGuide(self, words)
        return BrickGuide(
            self.codec, self.vocab, rings, words, options, labels=self._labels(options)
        )

    def grammar(self, options: GuideOptions, *, dialect: Dialect, box: Sequence[int] | None) -> str:
        """The guide as a grammar, which also allows rings without an area."""
        check_choice(dialect, Dialect, "dialect")
        if box is not None:
            raise ConfigError(f"{self.codec.codec_id} has no boxes: leave box out")
        words = guide_words(options, self.tokenizer, self.vocab)
        grammar = Grammar(dialect, np.flatnonzero(self.vocab.known))
        tags = {kind: self.vocab.words[tag] for kind, tag in self.codec.words().tags.items()}
        close, more = map(grammar.ids, (tags[SEG_END], self.vocab.words[self.codec.ring_tag]))
        _add_numbers(grammar, self, words)
        most = self.codec.points
        for left in range(most + 1):
            for count in range(_FEWEST + 1):
                ways = []
                if left >= max(_FEWEST - count, 1):
                    vertex = "number next" if count == 0 else "next next"
                    ways.append(f"{vertex} at{left - 1}_{min(count + 1, _FEWEST)}")
                if count == _FEWEST:
                    ways += [close, *([f"{more} at{left}_0"] if left >= _FEWEST else [])]
                if ways:
                    grammar.rule(f"at{left}_{count}", ways)
        rest = f"{grammar.ids(tags[SEG])} at{most}_0"
        add_answer(grammar, words, options, self._labels(options), [*tags.values()][:2], rest)
        return str(grammar)

    def _longest_mask(self) -> int:
        number = len(f" {self.codec.bins - 1}") if self.codec.coordinates == "digits" else 1
        return self.codec.points * 2 * number + self.codec.points // _FEWEST

    def locations(self) -> list[int]:
        """The ids of the location tokens in the order of their numbers; empty for digits."""
        return [self.vocab.words[word] for word in self.codec.words().locations()]


class PolygonStream(MaskStream):
    """Reads ids one by one into regions; an unfinished ring is closed at its last vertex."""

    def __init__(self, binding: PolygonBinding) -> None:
        super().__init__(binding.codec)
        self._binding = binding
        tags = binding.codec.words().tags
        self._closing = tags[SEG_END]
        self._ref, self._seg_end = (binding.vocab.words[tags[kind]] for kind in (REF, SEG_END))
        self._start = 0  # index of the first id of the present instance

    def push(self, id_: int) -> PolygonStream:
        """Take the next id; returns the stream itself."""
        number = self._next(id_)
        self.row_ended = number == self._seg_end
        if number in (self._ref, self._seg_end):
            self._finished += self._present()
            self._start = len(self._ids) - (number == self._ref)
        return self

    @property
    def problems(self) -> list[Problem]:
        """The problems so far; reads all ids again."""
        problems: list[Problem] = self._binding.recover(self._since(0)).problems
        return problems

    def _present(self) -> list[Region]:
        text = self._binding.text(self._since(self._start))
        # A closing tag in front adds no region; with it, HTML-escaped tags are read as text.
        return self._binding.codec.recover(self._closing * (self._start > 0) + text).regions


class RingState(NamedTuple):
    """The written part of an instance's rings.

    Attributes
    ----------
    left
        How many vertices may still come, the present one included.
    first, second
        The ring's first vertex, and the first vertex that differs from it.
    encloses
        Whether the ring's vertices are not all on one line.
    x
        The x of the present vertex, -1 if it is not written yet.
    digits
        The digits of the present number as an integer, -1 if there are none yet.
    spaced
        Whether the last byte was a space.
    """

    left: int
    first: Point | None = None
    second: Point | None = None
    encloses: bool = False
    x: int = -1
    digits: int = -1
    spaced: bool = False

    @property
    def missing(self) -> int:
        """How many more vertices the ring needs at least to enclose an area."""
        return 0 if self.encloses else 3 - (self.first is not None) - (self.second is not None)

    @property
    def excluded(self) -> int:
        """The number that must not come next, or the ring encloses no area; -1 for none."""
        if self.left > self.missing or self.first is None:
            return -1
        (x, y), across, down = self.first, 0, 0
        if self.second is not None:
            across, down = self.second[0] - x, self.second[1] - y
            if across == 0:
                return x if self.x < 0 else -1
        elif self.x != x:
            return -1
        if self.x < 0:
            return -1
        steps, rest = divmod((self.x - x) * down, across or 1)
        return -1 if rest else y + steps

    def behind(self, number: int) -> RingState:
        """The state after a number."""
        if self.x < 0:
            return self._replace(x=number, digits=-1, spaced=False)
        first, second, (x, y) = self.first, self.second, (self.x, number)
        encloses = self.encloses
        if first is None:
            first = x, y
        elif second is None:
            second = None if (x, y) == first else (x, y)
        else:
            (a, b), (c, d) = first, second
            encloses |= (c - a) * (y - b) != (d - b) * (x - a)
        return RingState(self.left - 1, first, second, encloses)


class RingGuide:
    """The ids that may come next between the tags of the rings, so that the rings decode.

    Parameters
    ----------
    binding
        The codec with its tokenizer.
    words
        The tokens to choose from.
    """

    def __init__(self, binding: PolygonBinding, words: GuideWords) -> None:
        codec = binding.codec
        self._most, self._bins = codec.points, codec.bins
        self._end = binding.vocab.words[codec.seg_tags[1]]
        self._ring = binding.vocab.words[codec.ring_tag]
        self._locations = binding.locations()
        self._numbers = {number: n for n, number in enumerate(self._locations)}
        self._digits = {} if self._locations else number_tokens(words)
        self._continuing = words.continuing
        self._known: dict[tuple[Any, ...], Index] = {}

    def start(self, _: Any) -> RingState:
        """The state after ``<seg>``."""
        return RingState(self._most)

    def options(self, state: RingState) -> Index:
        """The ids that may come next: int64, sorted, read-only, never empty."""
        behind = self._behind(state)
        closes = behind is not None and behind.x < 0 and behind.encloses
        more = closes and behind is not None and behind.left >= _FEWEST
        present = state.digits, state.spaced, state.x < 0, state.left > 0, state.excluded
        begins = state.first is None and state.x < 0
        after = None if behind is None else (behind.x < 0, behind.left > 0, behind.excluded)
        key = *present, begins, after, closes, more
        ids = self._known.get(key)
        if ids is None:
            if self._locations:
                skipped = state.excluded if state.left > 0 else None
                every = () if skipped is None else self._locations
                found = [i for n, i in enumerate(every) if n != skipped]
            else:
                found = [i for i in self._digits if self._spelled(state, i) is not None]
            found += [self._end] * closes + [self._ring] * more
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            ids = self._known[key] = frozen(np.array(sorted(found), np.int64))
        return ids

    def step(self, state: RingState, number: int) -> RingState | None:
        """The state after an id, or None if it must not come; the id is not ``</seg>``'s."""
        if number == self._ring:
            behind = self._behind(state)
            closes = behind is not None and behind.x < 0 and behind.encloses
            again = closes and behind is not None and behind.left >= _FEWEST
            return RingState(behind.left) if again and behind is not None else None
        if not self._locations:
            return self._spelled(state, number)
        place = self._numbers.get(number)
        fits = place is not None and state.left > 0 and place != state.excluded
        return state.behind(place) if fits and place is not None else None

    def ends(self, state: RingState, number: int) -> bool:
        """Whether an id is ``</seg>``'s and may come now."""
        behind = self._behind(state)
        return number == self._end and behind is not None and behind.x < 0 and behind.encloses

    def _behind(self, state: RingState) -> RingState | None:
        """The state after the present number, or None if it cannot end here.

        With location tokens, a number is always complete.
        """
        if state.digits < 0:
            return None if state.spaced else state
        return state.behind(state.digits) if state.digits != state.excluded else None

    def _spelled(self, state: RingState, number: int) -> RingState | None:
        piece = self._digits.get(number)
        begins = state.first is None and state.x < 0 and state.digits < 0 and not state.spaced
        if piece is None or (begins and number in self._continuing):
            return None
        after: RingState | None = state
        for byte in piece:
            if byte == _SPACE:
                if not begins:  # some tokenizers put a space at the beginning
                    after = None if state.digits < 0 else self._behind(state)
                if after is None or after.left == 0:
                    return None
                after = after._replace(spaced=True)
            else:
                assert after is not None
                if after.digits == 0 or not (begins or after.spaced or after.digits > 0):
                    return None
                digits = max(10 * after.digits, 0) + byte - _ZERO
                begins = False
                if not self._may_become(digits, after.excluded):
                    return None
                after = after._replace(digits=digits, spaced=False)
        return after

    def _may_become(self, digits: int, excluded: int) -> bool:
        longer = 0 < 10 * digits < self._bins
        return digits < self._bins and (digits != excluded or longer)


def number_tokens(words: GuideWords) -> dict[int, bytes]:
    """The ids and bytes of the tokens that spell numbers and the spaces between them.

    Raises
    ------
    VocabError
        A digit has no token of its own, or the space has none.
    """
    tokens = {n: piece for n, piece in words.pieces.items() if _PIECE.fullmatch(piece)}
    have, digits = set(tokens.values()), [str(digit).encode() for digit in range(10)]
    if not have.issuperset(digits) or not (
        b" " in have or have.issuperset(b" " + d for d in digits)
    ):
        raise VocabError(
            "a guide of polygons needs a token for every digit and for the space between numbers, "
            'which this tokenizer does not have; use coordinates="tokens"'
        )
    return tokens


def _add_numbers(grammar: Grammar, binding: PolygonBinding, words: GuideWords) -> None:
    """Add the rules of a ring's first number, and of the numbers after it."""
    locations = binding.locations()
    if locations:
        for name in ("number", "next"):
            grammar.rule(name, [grammar.ids(*locations)])
        return
    tokens, bins = number_tokens(words), binding.codec.bins
    for name, first in (("number", True), ("next", False)):
        grammar.automaton(name, _number(tokens, words.continuing, bins, first=first))


def _number(
    tokens: dict[int, bytes], continuing: frozenset[int], bins: int, *, first: bool
) -> Automaton:
    """A number from 0 to bins - 1 with a space in front, optional for the first number."""
    powers = [10**n for n in range(len(str(bins)))]

    def key(digits: int, spaced: bool) -> tuple[Any, ...]:  # equal for states that go on alike
        room = (min(max(bins - digits * power, 0), power) for power in powers)
        return spaced, digits < 0, digits == 0, *(room if digits >= 0 else ())

    states, alike = [(-1, False)], {key(-1, False): 0}
    edges: list[dict[int, Index]] = []
    while len(edges) < len(states):
        digits, spaced = states[len(edges)]
        ways: defaultdict[int, list[int]] = defaultdict(list)
        begins = digits < 0 and not spaced
        for number, piece in tokens.items():
            if begins and first and number in continuing:
                continue
            if piece[0] == _SPACE and not begins:
                continue
            if begins and not first and piece[0] != _SPACE:
                continue
            bare = piece.lstrip(b" ")
            if bare and (digits == 0 or (bare[:1] == b"0" and len(bare) > 1 and digits < 0)):
                continue
            longer = int(bytes(str(max(digits, 0)), "ascii") + bare) if bare else -1
            if longer >= bins:
                continue
            after = longer, not bare
            place = alike.setdefault(key(*after), len(states))
            if place == len(states):
                states.append(after)
            ways[place].append(number)
        edges.append({place: np.array(ids, np.int64) for place, ids in ways.items()})
    return Automaton(edges, frozenset(n for n, (digits, _) in enumerate(states) if digits >= 0))
