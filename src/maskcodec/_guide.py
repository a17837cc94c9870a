"""What may come next in an answer: an automaton over ids, for constrained decoding."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from maskcodec._idreading import as_ids
from maskcodec._spelled import NoText, PlainText, frozen
from maskcodec.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from maskcodec._arrays import Index

Colours: TypeAlias = Literal["any", "alternate"]
State: TypeAlias = tuple[Any, ...]

FREE, END = "free", "end"
_REMEMBERED = 1 << 18  # ids of answers whose state is known without reading them again


class Guide(ABC):
    """Which ids may come next, so that whatever is chosen decodes strictly.

    `TokenCodec.guide` makes it. It holds no state of an answer: `allowed` can be asked for any
    ids at any time, and by several threads. A state is what `start`, `step` and `options` work
    on; they cost the same at any length, while `allowed` looks at all ids, though it remembers
    the last answers it was asked for.
    """

    made_by: tuple[Any, ...] = ()  # the `TokenCodec` and its options

    def __init__(
        self, text: PlainText | NoText, ends: Iterable[int], always: Iterable[int], start: Any
    ) -> None:
        self._text = text
        self._ends = frozenset(ends)
        self._always = frozenset(always)
        self._after = frozen(np.array(sorted(self._ends | self._always), np.int64))
        self._states: OrderedDict[tuple[int, ...], State] = OrderedDict()
        self._held = 0  # ids in `_states`
        self._lock = Lock()
        self._begin = self._outset()
        self._begin = self._walk(as_ids(start).tolist())

    def __reduce__(self) -> tuple[Callable[..., Guide], tuple[Any, ...]]:
        return _made_again, self.made_by

    @property
    def after(self) -> Index:
        """The ids that may come behind an answer that has ended: int64, sorted, read-only."""
        return self._after

    def start(self) -> State:
        """The state before the first id."""
        return self._begin

    def step(self, state: State, id_: int) -> State:
        """The state after one more id.

        Raises
        ------
        DecodeError
            The id is not among `options` (reason ``"not-allowed"``). Its position is 0, since a
            state does not know how many ids came before it.
        """
        return self._checked(state, operator.index(id_), 0)

    @abstractmethod
    def options(self, state: State) -> Index:
        """The ids that may come next in a state: int64, sorted, read-only, never empty."""

    def allowed(self, ids: Any) -> Index:
        """The ids that may come next, after the ids of an answer so far.

        Parameters
        ----------
        ids
            (n,), integer: a list, an array, a tensor; without the ids of `start`.

        Returns
        -------
        int64 (m,), sorted, read-only.

        Raises
        ------
        DecodeError
            The answer so far is not what the guide allows; ``position`` says where it leaves it.
        VocabError, TypeError
            What is given is not ids.
        """
        if type(ids) is list and ids and type(ids[-1]) is int:  # what a loop asks for, id by id
            key = tuple(ids)
            before = self._states.get(key[:-1])
            if before is not None:
                return self.options(self._remembered(key, before))
        return self.options(self._state(tuple(as_ids(ids).tolist())))

    @abstractmethod
    def _outset(self) -> State:
        """The state at the beginning of an answer."""

    @abstractmethod
    def _step(self, state: State, number: int) -> State | None:
        """The state after an id, or None where it is not allowed."""

    def _state(self, ids: tuple[int, ...]) -> State:
        known = self._states.get(ids)
        if known is not None or not ids:
            return known or self._begin
        before = self._states.get(ids[:-1])
        return self._remembered(ids, self._walk(ids[:-1]) if before is None else before)

    def _remembered(self, ids: tuple[int, ...], before: State) -> State:
        """The state of an answer, from that of all but its last id."""
        state = self._checked(before, ids[-1], len(ids) - 1)
        with self._lock:
            if self._states.setdefault(ids, state) is state:
                self._held += len(ids)
            while len(self._states) > 1 and self._held > _REMEMBERED:
                oldest, _ = self._states.popitem(last=False)
                self._held -= len(oldest)
        return state

    def _walk(self, ids: Sequence[int]) -> State:
        state = self._begin
        for position, number in enumerate(ids):
            state = self._checked(state, number, position)
        return state

    def _checked(self, state: State, number: int, position: int) -> State:
        after = self._step(state, number)
        if after is None:
            options = self.options(state)
            some = ", ".join(map(str, options[:8].tolist())) + ", ..." * (len(options) > 8)
            raise DecodeError(
                f"id {number} may not come here, where {len(options)} others may: {some}",
                position,
                "not-allowed",
                "id",
            )
        return after

    def _step_text(self, state: State, number: int) -> State | None:
        """A step in free text: (FREE, how many instances, the end of the text)."""
        if number in self._ends:
            return (END,) if state[1] or not self._text.silent else None
        if number in self._always and not self._text.silent:
            return state  # a decoder passes over it, so it does not part what stands around it
        end = self._text.step(state[2], number)
        return None if end is None else (FREE, state[1], end)


def _made_again(tokens: Any, options: dict[str, Any]) -> Guide:
    guide: Guide = tokens.guide(**options)
    return guide
