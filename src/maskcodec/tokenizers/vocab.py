"""The ids of one tokenizer: a codec's words, checks of a user's ids, and the text of ids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import LabelError, VocabError
from maskcodec.messages import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from maskcodec.masks.arrays import Index
    from maskcodec.text.codec import Codec
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

ANY_LABEL = "roi0"
IGNORE_INDEX = -100  # a trainer's mark for "no loss"
_LARGEST = 2**63 - 1
_UNKNOWN = "\ufffd"  # the text of an id without a token


@dataclass(frozen=True, eq=False)
class Vocab:
    """The ids of one tokenizer, as one codec uses them.

    Attributes
    ----------
    words
        The tags and bricks, and their ids.
    size
        The largest id, plus 1.
    known
        bool (size,): whether a token has this id.
    ignored
        The ids around an answer, which readers skip: padding, beginning and end of a text.
    """

    words: dict[str, int]
    size: int
    known: npt.NDArray[np.bool_]
    ignored: frozenset[int]

    @cached_property
    def word_ids(self) -> frozenset[int]:
        """The ids of the tags and bricks."""
        return frozenset(self.words.values())

    @cached_property
    def around(self) -> npt.NDArray[np.bool_]:
        """Bool (size,): whether an id is one of those ignored."""
        table = np.zeros(self.size, np.bool_)
        table[list(self.ignored)] = True
        return table


def read_vocab(
    codec: Codec,
    tokenizer: AnyTokenizer,
    vocabulary: Mapping[str, int],
    ignore: Iterable[int | str],
) -> Vocab:
    """Look up the ids of a codec's tags and bricks, and check them with the tokenizer.

    ``vocabulary`` holds all tokens of the tokenizer.

    Raises
    ------
    VocabError
        A tag or brick is not one id, another added token contains it, or a tag is not one id
        beside a label. A setting of the tokenizer changes texts, or `ignore` has an unknown token.
    TypeError
        `ignore` is a str.
    """
    tokenizer.check_plain()
    words = {word: _id(tokenizer, word) for word in codec.vocabulary()}
    missing = [word for word, number in words.items() if number is None]
    if missing:
        raise VocabError(_missing(tokenizer, missing, len(words)))
    whole = {word: number for word, number in words.items() if number is not None}
    for token in tokenizer.added().values():
        clash = [w for w in whole if w in token.content and token.content not in whole]
        if clash:
            raise VocabError(
                f"the tokenizer cuts {token.content!r} out of a text as one token, {clash[0]!r} "
                "with it; choose another spelling for the codec's tags or bricks"
            )
    tags = codec.tags()
    for before, after in zip(tags[::2], tags[1::2], strict=True):
        if inside(tokenizer, before, ANY_LABEL, after) is None:
            raise VocabError(
                f"the tokenizer does not keep {before!r} and {after!r} whole around "
                f"{ANY_LABEL!r}, so it cuts texts in other places than at its added tokens; "
                "start from the original tokenizer and call maskcodec.extend_tokenizer"
            )
    ignored = frozenset(_ignored(tokenizer, vocabulary, ignore) - set(whole.values()))
    size = max(vocabulary.values()) + 1
    known = np.zeros(size, np.bool_)
    known[list(vocabulary.values())] = True
    return Vocab(words=whole, size=size, known=known, ignored=ignored)


def label_ids(
    tokenizer: AnyTokenizer, vocab: Vocab, label: str, before: str, after: str
) -> list[int]:
    """The ids of a label between its two tags.

    Raises
    ------
    LabelError
        The tags do not stay whole beside the label, the label's ids spell nothing, or readers
        would skip one of them.
    """
    first, *ids, last = tokenizer.encode(before + label + after)
    whole = (first, last) == (vocab.words[before], vocab.words[after])
    if not whole or not vocab.word_ids.isdisjoint(ids):
        raise LabelError(
            f"label {shown(label)} does not leave {before!r} and {after!r} whole: one of the "
            "tokenizer's added tokens swallows a part of them; remove or replace it"
        )
    passed_over = vocab.ignored.intersection(ids)
    if passed_over:
        token = tokenizer.decode([min(passed_over)])
        raise LabelError(
            f"label {shown(label)} holds {token!r}, which stands around answers and is passed over "
            "when they are read; remove or replace it"
        )
    if not tokenizer.decode(ids).strip():
        raise LabelError(
            f"the tokenizer makes nothing of label {shown(label)}; remove or replace it"
        )
    return ids


def inside(tokenizer: AnyTokenizer, before: str, text: str, after: str) -> list[int] | None:
    """The ids of a text between two words, or None if these do not stay whole beside it."""
    first, last = tokenizer.encode(before), tokenizer.encode(after)
    ids = tokenizer.encode(before + text + after)
    ends = [ids[: len(first)], ids[len(ids) - len(last) :]]
    return ids[len(first) : len(ids) - len(last)] if ends == [first, last] else None


def _id(tokenizer: AnyTokenizer, word: str) -> int | None:
    ids = tokenizer.encode(word)
    return ids[0] if len(ids) == 1 and tokenizer.decode(ids).strip() == word else None


def _missing(tokenizer: AnyTokenizer, missing: list[str], count: int) -> str:
    word = missing[0]
    ids = tokenizer.encode(word)
    text = tokenizer.decode(ids)
    others = f", and so are {len(missing) - 1} more of {count}" * (len(missing) > 1)
    return (
        f"{word!r} is no token of its own but the ids {ids}, {text!r}{others}; call "
        "maskcodec.extend_tokenizer(codec, tokenizer) first, or give the codec the spelling that "
        "the tokenizer was extended with"
    )


def _ignored(
    tokenizer: AnyTokenizer, vocabulary: Mapping[str, int], more: Iterable[int | str]
) -> set[int]:
    if isinstance(more, (str, bytes)):
        raise TypeError(f"ignore must be several tokens or ids, got {more!r}")
    found, known = tokenizer.ignored(), set(vocabulary.values())
    for token in more:
        number = vocabulary.get(token) if isinstance(token, str) else token
        if not isinstance(number, (int, np.integer)) or int(number) not in known:
            raise VocabError(f"ignore has {token!r}, which is no token of this tokenizer")
        found.add(int(number))
    return found & known


def as_ids(value: Any) -> Index:
    """Ids as the kernels take them: int64, C-contiguous and writable.

    Takes arrays, lists, and tensors of any device.

    Raises
    ------
    TypeError
        The ids are not integers.
    VocabError
        The ids are not one-dimensional.
    """
    if isinstance(value, np.ndarray) and value.dtype == np.int64 and value.ndim == 1:
        return value if value.flags.carray else value.copy()
    if isinstance(value, (str, bytes)):
        raise TypeError("ids must be integers, got text; the codec itself decodes that")
    value = getattr(value, "ids", value)  # what a bare tokenizer's encode returns
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        ids = np.asarray(value)
    except ValueError as error:
        raise VocabError(f"ids must be one-dimensional: {error}") from error
    if ids.ndim != 1:
        raise VocabError(f"ids must be one-dimensional, got shape {ids.shape}; read row by row")
    if ids.dtype.kind not in "iu" and ids.size:
        numbers = value if isinstance(value, (list, tuple)) else []
        if not numbers or set(map(type, numbers)) != {int}:
            raise TypeError(f"ids must be integers, got {ids.dtype}")
        # Ids beyond int64 are clipped: no token has them.
        return np.array([min(max(n, -_LARGEST), _LARGEST) for n in numbers], np.int64)
    if ids.dtype == np.uint64:
        ids = np.minimum(ids, _LARGEST)
    return np.array(ids, np.int64)


def padding(ids: Index, vocab: Vocab) -> Any:
    """For each id, whether it lies around an answer or is -100, a trainer's mark: bool (n,)."""
    found = ids == IGNORE_INDEX
    inside = (ids >= 0) & (ids < vocab.size)
    found[inside] = vocab.around[ids[inside]]
    return found


def text_of(ids: Index, tokenizer: AnyTokenizer, vocab: Vocab) -> str:
    """The text of ids; an id without a token becomes U+FFFD."""
    known = (ids >= 0) & (ids < vocab.size)
    known[known] = vocab.known[ids[known]]
    if known.all():
        return tokenizer.decode(ids.tolist())
    edges = np.flatnonzero(~known).tolist()
    starts, stops = [0, *(edge + 1 for edge in edges)], [*edges, len(ids)]
    parts = [ids[start:stop].tolist() for start, stop in zip(starts, stops, strict=True)]
    return _UNKNOWN.join(tokenizer.decode(part) if part else "" for part in parts)
