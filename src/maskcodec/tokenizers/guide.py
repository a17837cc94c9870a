"""Guides for constrained decoding: automata over ids that say which id may come next."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import dataclass, fields
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from maskcodec.errors import ConfigError, DecodeError, VocabError
from maskcodec.messages import check_choice
from maskcodec.tokenizers.token_bytes import NoText, PlainText, frozen, spelled_tokens
from maskcodec.tokenizers.vocab import as_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
    from maskcodec.tokenizers.vocab import Vocab

Colours: TypeAlias = Literal["any", "alternate"]
State: TypeAlias = tuple[Any, ...]

FREE, END = "free", "end"
_REMEMBERED = 1 << 18  # ids, in all answers whose states are cached


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideOptions:
    """The options of a guide; `TokenCodec.guide` describes them."""

    colours: Colours = "any"
    instances: int | None = None
    labels: tuple[str, ...] | None = None
    start: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    free_text: bool = True

    def __post_init__(self) -> None:
        check_choice(self.colours, Colours, "colours")
        if self.instances is not None and operator.index(self.instances) < 0:
            raise ConfigError(f"instances must be 0 or more, or None, got {self.instances}")
        if min(self.ends, default=0) < 0:
            raise VocabError(f"ends must be ids, 0 or more, got {min(self.ends)}")


class GuideWords(NamedTuple):
    """The tokens of a vocabulary, by their use in a guide.

    Attributes
    ----------
    pieces
        The ids of text tokens, and their bytes.
    continuing
        The pieces that only continue a word.
    text, within
        The tokens allowed in free text, and in a label.
    ends, always
        The ids that end an answer, and the ids that readers skip.
    """

    pieces: dict[int, bytes]
    continuing: frozenset[int]
    text: PlainText | NoText
    within: PlainText
    ends: frozenset[int]
    always: frozenset[int]


def guide_words(options: GuideOptions, tokenizer: AnyTokenizer, vocab: Vocab) -> GuideWords:
    """Sort the tokens of a vocabulary for a guide; errors are those of `TokenCodec.guide`."""
    everything, added, continuing = spelled_tokens(tokenizer)
    words, end = vocab.words, tokenizer.end()
    wrong = [word for word, number in words.items() if number in options.ends]
    if wrong:
        raise ConfigError(f"ends holds the id of {wrong[0]!r}, which is a part of answers")
    stops = {*options.ends, *(() if end is None else (end,))}
    if not options.free_text and options.instances == 0:
        raise ConfigError("without free text an answer is its instances; instances must not be 0")
    # Tokens that readers skip are allowed between instances, not inside them.
    others = {n: spelled for n, spelled in added.items() if n not in vocab.word_ids}
    free = {n: spelled for n, spelled in {**everything, **others}.items() if n not in stops}
    never = vocab.ignored | stops
    pieces = {n: spelled for n, spelled in everything.items() if n not in never}
    return GuideWords(
        pieces=pieces,
        continuing=continuing,
        text=PlainText(free, list(words)) if options.free_text else NoText(everything),
        within=PlainText(pieces, list(words)),
        ends=frozenset(stops),
        always=vocab.ignored,
    )


class Guide(ABC):
    """Says which ids may come next, so that any chosen answer decodes strictly.

    `TokenCodec.guide` makes it. It holds no state of an answer: several threads may call
    `allowed` with any ids at any time. `start`, `step` and `options` work on a state; their cost
    does not depend on the length of the answer. `allowed` reads all ids, but caches the states
    of recent answers.
    """

    made_by: tuple[Any, ...] = ()  # the `TokenCodec` and the `GuideOptions`

    def __init__(self, words: GuideWords, options: GuideOptions) -> None:
        if not options.free_text and not words.ends:
            raise ConfigError(
                "the tokenizer has no token that ends an answer, so that without free text nothing "
                "could come behind its masks; give ends=, such as a model's eos_token_id"
            )
        self._text = words.text
        self._ends, self._always = words.ends, words.always
        self._after = frozen(np.array(sorted(self._ends | self._always), np.int64))
        self._states: OrderedDict[tuple[int, ...], State] = OrderedDict()
        self._held = 0  # ids in `_states`
        self._lock = Lock()
        self._begin = self._outset()
        self._begin = self._walk(options.start)

    def __reduce__(self) -> tuple[Callable[..., Guide], tuple[Any, ...]]:
        return _made_again, self.made_by

    @property
    def after(self) -> Index:
        """The ids that may follow the end of an answer: int64, sorted, read-only."""
        return self._after

    def start(self) -> State:
        """The state before the first id."""
        return self._begin

    def step(self, state: State, id_: int) -> State:
        """The state after one more id.

        Raises
        ------
        DecodeError
            The id is not among `options` (reason ``"not-allowed"``). The error's position is 0,
            since a state does not count ids.
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
            (n,), integer: a list, an array, a tensor; without the ids of the option ``start``.

        Returns
        -------
        int64 (m,), sorted, read-only.

        Raises
        ------
        DecodeError
            The guide does not allow the answer so far; ``position`` is the index of the first id
            that it refuses.
        VocabError, TypeError
            The ids are not one-dimensional, or not integers.
        """
        if type(ids) is list and ids and type(ids[-1]) is int:  # fast path of a decoding loop
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
        """The state after an id, or None if the id is not allowed."""

    def _state(self, ids: tuple[int, ...]) -> State:
        known = self._states.get(ids)
        if known is not None or not ids:
            return known or self._begin
        before = self._states.get(ids[:-1])
        return self._remembered(ids, self._walk(ids[:-1]) if before is None else before)

    def _remembered(self, ids: tuple[int, ...], before: State) -> State:
        """The state of an answer, from the state before its last id; caches it."""
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
        """A step in free text. A state is (FREE, number of instances, end of the text)."""
        if number in self._ends:
            return (END,) if state[1] or not self._text.silent else None
        if number in self._always and not self._text.silent:
            return state  # a decoder skips it and joins the text around it
        end = self._text.step(state[2], number)
        return None if end is None else (FREE, state[1], end)


def _made_again(tokens: Any, options: GuideOptions) -> Guide:
    guide: Guide = tokens.guide(**{f.name: getattr(options, f.name) for f in fields(options)})
    return guide
