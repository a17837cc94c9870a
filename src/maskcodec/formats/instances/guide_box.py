"""The guide of a box: digits, in any tokens that the tokenizer has, or location tokens."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maskcodec.errors import VocabError
from maskcodec.tokenizers.automaton import Automaton
from maskcodec.tokenizers.token_bytes import frozen

if TYPE_CHECKING:
    from maskcodec.formats.instances.boxes import Box, Boxes
    from maskcodec.masks.arrays import Index

_PIECE = re.compile(rb" ?(?:[0-9\[\]]+ ?)*")
_MIXED = re.compile(rb"[0-9] | [0-9]")
_OPENING, _CLOSING, _SPACE, _ZERO = b"[] 0"
_CLOSE, _CLOSING_NEXT, _DONE = 4, 5, 6  # places after the four numbers
_REMEMBERED = 20_000  # states whose tokens are kept


class BoxState(NamedTuple):
    """The state of a box that is partly written.

    Attributes
    ----------
    place
        -2 and -1 before the brackets, 0 .. 3 in a number, 4 .. 6 behind the last number.
    number
        The digits of the current number as a number, -1 without digits.
    spaced
        Whether the last byte was a space.
    before
        The numbers before the current one.
    """

    place: int = -2
    number: int = -1
    spaced: bool = False
    before: tuple[int, ...] = ()

    @property
    def done(self) -> bool:
        """Whether only ``</box>`` may come."""
        return self.place == _DONE


_NOTHING = BoxState()


class BoxGuide:
    """The tokens that may come next between ``<box>`` and ``</box>``.

    Parameters
    ----------
    pieces
        The tokens of the vocabulary and their bytes.
    continuing
        The tokens that only continue a word; behind a tag they are decoded differently.
    boxes
        The ranges of the box, and the order of its corners.

    Raises
    ------
    VocabError
        A digit, a bracket or the space between numbers has no token, so that a box might never end.
    """

    def __init__(self, pieces: dict[int, bytes], continuing: frozenset[int], boxes: Boxes) -> None:
        self._boxes = boxes
        sides = boxes.columns, boxes.rows
        self._limits = (*sides, *sides) if boxes.axes == "xy" else (*sides[::-1], *sides[::-1])
        tokens = {n: p for n, p in pieces.items() if p and len(p) < 20 and _PIECE.fullmatch(p)}
        have = set(tokens.values())
        digits = {str(digit).encode() for digit in range(10)}
        brackets = [b"[" in have or b" [" in have, b"]" in have or b" ]" in have]
        begun = b" " in have or all(b" " + digit in have for digit in digits)
        if not (digits <= have and all(brackets) and begun):
            raise VocabError(
                "a guide needs a token for every digit, for [ and ] and for the space between "
                "numbers, which this tokenizer does not have"
            )
        self._tokens = tokens
        self._continuing = continuing
        self._digits: list[list[int]] = [[] for _ in range(10)]
        self._numbers: dict[int, bytes] = {}  # begin with a digit and are longer
        self._others: dict[int, bytes] = {}
        for number, piece in tokens.items():
            if piece in digits:
                self._digits[int(piece)].append(number)
            else:
                (self._numbers if piece[:1] in digits else self._others)[number] = piece
        self._ends: dict[tuple[int, bool, bool, bool], list[int]] = {}
        # If no token joins a digit and a space, the next number's limits do not matter yet.
        self._mixed = any(_MIXED.search(piece) for piece in tokens.values())
        self._known: dict[tuple[int, ...], Index] = {}
        if not boxes.ordered:
            self.automaton()  # looks up every state now, so that no answer waits

    def start(self) -> BoxState:
        """The state behind ``<box>``."""
        return _NOTHING

    def box(self, state: BoxState) -> Box:
        """The box of a state that is done."""
        return self._boxes.sorted(self._boxes.turned(state.before))

    def step(self, state: BoxState, number: int) -> BoxState | None:
        """The state after a token, or None if the token may not come."""
        piece = self._tokens.get(number)
        if piece is None or (state == _NOTHING and number in self._continuing):
            return None
        return self._spell(state, piece)

    def options(self, state: BoxState) -> Index:
        """The tokens that may come, sorted; empty if the box is done."""
        key = self._key(state)
        ids = self._known.get(key)
        if ids is None:
            found = [*self._behind(state), *self._allowed(state, self._numbers)]
            if 0 <= state.place < _CLOSE and state.number != 0:
                begun = max(10 * state.number, 0)
                for digit, numbers in enumerate(self._digits):
                    if self._may_become(state.place, begun + digit, state.before):
                        found += numbers
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            ids = self._known[key] = frozen(np.array(sorted(found), np.int64))
        return ids

    def automaton(self) -> Automaton:
        """The guide as an automaton, for corners in any order."""
        states, alike = [_NOTHING], {self._key(_NOTHING): 0}
        edges: list[dict[int, Index]] = []
        while len(edges) < len(states):
            state = states[len(edges)]
            ways = defaultdict(list)
            for token in self.options(state).tolist():
                after = self._spell(state, self._tokens[token])
                assert after is not None
                number = alike.setdefault(self._key(after), len(states))
                if number == len(states):
                    states.append(after)
                ways[number].append(token)
            edges.append({after: np.array(ids, np.int64) for after, ids in ways.items()})
        return Automaton(edges, frozenset(n for n, state in enumerate(states) if state.done))

    def _behind(self, state: BoxState) -> list[int]:
        """The tokens that begin with a space or a bracket and may come."""
        begun = state.number >= 0
        if (
            begun
            and state.place < _CLOSE
            and not self._fits(state.place, state.number, state.before)
        ):
            return []
        if self._mixed:
            return self._allowed(state, self._others)
        key = state.place, begun, state.spaced, state == _NOTHING
        if key not in self._ends:  # the numbers do not matter
            self._ends[key] = self._allowed(state, self._others)
        return self._ends[key]

    def _allowed(self, state: BoxState, tokens: dict[int, bytes]) -> list[int]:
        return [
            number
            for number, piece in tokens.items()
            if self._spell(state, piece) is not None
            and not (state == _NOTHING and number in self._continuing)
        ]

    def _spell(self, state: BoxState, piece: bytes) -> BoxState | None:
        if piece == b" " and not (0 <= state.place < 3 and state.number >= 0):
            return None  # else spaces would never end
        place, number, spaced, done = state
        for byte in piece:
            if byte == _SPACE:
                if spaced:
                    return None
                if number >= 0:
                    if not self._fits(place, number, done):
                        return None
                    place, number, done = place + 1, -1, (*done, number)
                spaced = True
                continue
            if byte == _OPENING:
                if place >= 0:
                    return None
                place += 1
            elif byte == _CLOSING:
                if number >= 0 and place == 3 and self._fits(place, number, done):
                    place, number, done = _CLOSING_NEXT, -1, (*done, number)
                elif place in (_CLOSE, _CLOSING_NEXT):
                    place += 1
                else:
                    return None
            else:
                if not 0 <= place < _CLOSE or number == 0:
                    return None
                number = max(10 * number, 0) + byte - _ZERO
                if not self._may_become(place, number, done):
                    return None
            spaced = False
        return BoxState(place, number, spaced, done)

    def _key(self, state: BoxState) -> tuple[int, ...]:
        """The part of a state that decides which tokens may follow.

        This is how far the number may still grow, not its digits. But if corners are in order and a
        token joins a digit and a space, all numbers matter: they are the least values of later
        numbers.
        """
        place, number, spaced, before = state
        if self._boxes.ordered and self._mixed:
            return place, spaced, number, *before
        if not 0 <= place < _CLOSE or number < 0:
            begun: tuple[int, ...] = (number,)
        else:
            low, high = self._lowest(place, before), self._limits[place]
            powers = [10**digits for digits in range(len(str(high)))]
            begun = number == 0, *(min(max(high - number * p, 0), p) for p in powers)
            begun = *begun, *(min(max(low - number * p, 0), p) for p in powers)
        return place, spaced, *begun, self._lowest(place, before)

    def _lowest(self, place: int, done: tuple[int, ...]) -> int:
        return done[place - 2] if place in (2, 3) and self._boxes.ordered else 0

    def _fits(self, place: int, number: int, done: tuple[int, ...]) -> bool:
        return self._lowest(place, done) <= number < self._limits[place]

    def _may_become(self, place: int, number: int, done: tuple[int, ...]) -> bool:
        """Whether a number with this beginning fits: 1 may become 12."""
        low, high = self._lowest(place, done), self._limits[place]
        last = number
        while number < high:
            if last >= low:
                return True
            if number == 0:
                return False
            number, last = 10 * number, 10 * last + 9
        return False


class LocationState(NamedTuple):
    """The location tokens of a box so far."""

    before: tuple[int, ...] = ()

    @property
    def done(self) -> bool:
        """Whether only ``</box>`` may come."""
        return len(self.before) == _CLOSE


class LocationGuide:
    """The location tokens that may come next between ``<box>`` and ``</box>``: any four.

    Parameters
    ----------
    ids
        The ids of the location tokens, by their numbers.
    boxes
        The boxes of the format.
    """

    def __init__(self, ids: list[int], boxes: Boxes) -> None:
        self._numbers = {number: place for place, number in enumerate(ids)}
        self._all = frozen(np.array(sorted(ids), np.int64))
        self._boxes = boxes

    def start(self) -> LocationState:
        """The state behind ``<box>``."""
        return LocationState()

    def step(self, state: LocationState, number: int) -> LocationState | None:
        """The state after an id, or None if the id may not come."""
        place = self._numbers.get(number)
        return None if place is None else LocationState((*state.before, place))

    def options(self, _: LocationState) -> Index:
        """The ids that may come, sorted."""
        return self._all

    def box(self, state: LocationState) -> Box:
        """The box of a state that is done."""
        return self._boxes.sorted(self._boxes.turned(state.before))
