"""What may come next in an answer: an automaton over ids, for constrained decoding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from maskcodec._spelled import PlainText, frozen
from maskcodec.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec._arrays import Index

Colours: TypeAlias = Literal["any", "alternate"]
State: TypeAlias = tuple[Any, ...]

FREE, END = "free", "end"
_REMEMBERED = 1024  # answers whose state is known without reading them again


class Guide(ABC):
    """Which ids may come next, so that whatever is chosen decodes strictly.

    `TokenCodec.guide` makes it. It holds no state of an answer: `allowed` can be asked for any
    ids at any time, and by several threads. A state is what `start`, `step` and `options` work
    on; they cost the same at any length, while `allowed` looks at all ids, though it remembers
    the last %d answers it was asked for.
    """

    def __init__(
        self, text: PlainText, ends: Iterable[int], always: Iterable[int], start: Iterable[int]
    ) -> None:
        self._text = text
        self._ends = frozenset(ends)
        self._after = frozen(np.array(sorted({*ends, *always}), np.int64))
        self._states: dict[tuple[int, ...], State] = {}
        state: State = self._outset()
        for position, number in enumerate(start):
            state = self._checked(state, int(number), position)
        self._begin = state

    def start(self) -> State:
        """The state before the first id."""
        return self._begin

    def step(self, state: State, id_: int) -> State:
        """The state after one more id.

        Raises
        ------
        DecodeError
            The id is not among `options` (reason ``"not-allowed"``).
        """
        return self._checked(state, id_, 0)

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
        """
        return self.options(self._state(tuple(ids.tolist() if hasattr(ids, "tolist") else ids)))

    @abstractmethod
    def _outset(self) -> State:
        """The state at the beginning of an answer."""

    @abstractmethod
    def _step(self, state: State, number: int) -> State | None:
        """The state after an id, or None where it is not allowed."""

    def _state(self, ids: tuple[int, ...]) -> State:
        state = self._states.get(ids)
        if state is not None:
            return state
        before = self._states.get(ids[:-1]) if ids else None
        if before is not None:
            state = self._checked(before, ids[-1], len(ids) - 1)
        else:
            state = self._begin
            for position, number in enumerate(ids):
                state = self._checked(state, number, position)
        while len(self._states) >= _REMEMBERED:
            self._states.pop(next(iter(self._states)), None)
        self._states[ids] = state
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
            return (END,)
        end = self._text.step(state[2], number)
        return None if end is None else (FREE, state[1], end)


Guide.__doc__ = (Guide.__doc__ or "") % _REMEMBERED
