"""Extend a tokenizer by the tags and bricks of a codec, and report what changed."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from maskcodec.errors import VocabError
from maskcodec.messages import check_codec, plural
from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maskcodec.text.codec import Codec

# Flags of a token that was there before, and the consequence of each.
_CONSEQUENCES = {
    "special": "decode(skip_special_tokens=True) erases it: decode from ids, or pass False",
    "normalized": "it is looked for in normalised text, where some tokenizers do not find it",
    "single_word": "it is not found beside a letter or another word's token",
    "lstrip": "it swallows the white space before it",
    "rstrip": "it swallows the white space behind it, and so a separator of rows",
}


class Conflict(NamedTuple):
    """A token that was there before, with another flag than `extend_tokenizer` would give it.

    Attributes
    ----------
    token, id
        The token and its id.
    reason
        The flag: ``"special"``, ``"normalized"``, ``"single_word"``, ``"lstrip"`` or
        ``"rstrip"``.
    consequence
        What the flag leads to, in words.
    """

    token: str
    id: int
    reason: str
    consequence: str


@dataclass(frozen=True)
class Extension:
    """The result of `extend_tokenizer`.

    Attributes
    ----------
    added
        The new tokens and their ids, in the order of their ids.
    reused
        The tokens that were there before, and their ids, which do not change.
    rows
        The rows that the model's embeddings must have: one for every id, and at least
        ``embedding_rows``.
    conflicts
        Tokens that were there before with a flag that has a consequence.
    """

    added: Mapping[str, int]
    reused: Mapping[str, int]
    rows: int
    conflicts: tuple[Conflict, ...]

    def __str__(self) -> str:
        lines = [
            f"{plural(len(self.added), 'token')} added, {len(self.reused)} reused; the model's "
            f"embeddings must have at least {plural(self.rows, 'row')}"
        ]
        lines += [f"{c.token!r} (id {c.id}) is {c.reason}: {c.consequence}" for c in self.conflicts]
        return "\n".join(lines)


def extend_tokenizer(
    codec: Codec, tokenizer: Any, *, embedding_rows: int | None = None
) -> Extension:
    """Make every tag and brick of a codec one token; changes the tokenizer in place.

    New tokens are not special, so that no decoder skips them, and not normalised, so that they
    match in any tokenizer. Existing tokens keep their ids. A second call changes nothing. The
    model must still learn the new rows: see ``docs/tokenizers.md``.

    Parameters
    ----------
    codec
        The codec; `Codec.vocabulary` lists its tags and bricks.
    tokenizer
        Of transformers (``PreTrainedTokenizerBase``) or tokenizers (``Tokenizer``).
    embedding_rows
        The number of rows of the model's embedding matrix now, for example
        ``model.get_input_embeddings().weight.shape[0]``. Many models have more rows than their
        tokenizer has ids, and must keep them.

    Returns
    -------
    The tokens added and reused, the rows that the model needs, and the conflicts.

    Raises
    ------
    TypeError
        The codec is not a codec, or the tokenizer is of neither library.
    VocabError
        The tokenizer takes no added tokens, or its ids have gaps, so that a new token would get
        an id that another token has.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from tokenizers import Tokenizer, models
    >>> tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "dog": 1}, unk_token="[UNK]"))
    >>> added = mc.extend_tokenizer(mc.BSD(), tokenizer, embedding_rows=256)
    >>> len(added.added), added.added["<fg12>"], added.rows
    (132, 19, 256)
    >>> len(mc.extend_tokenizer(mc.BSD(), tokenizer).added)
    0
    """
    check_codec(codec)
    rows = 0 if embedding_rows is None else operator.index(embedding_rows)
    any_tokenizer = AnyTokenizer(tokenizer)
    words = codec.vocabulary()
    cut_out = {token.content for token in any_tokenizer.added().values()}
    before = any_tokenizer.vocabulary()
    _check_gaps(any_tokenizer, before, sum(word not in before for word in words))
    any_tokenizer.add([word for word in words if word not in cut_out])
    after = any_tokenizer.vocabulary()
    missing = [word for word in words if word not in after]
    if missing:
        raise VocabError(
            f"{type(tokenizer).__name__} did not take {missing[0]!r} as a token; "
            "extend the model's tokenizer.json with tokenizers.Tokenizer.from_file instead"
        )
    added = {word: after[word] for word in words if word not in before}
    return Extension(
        added=dict(sorted(added.items(), key=lambda item: item[1])),
        reused={word: before[word] for word in words if word in before},
        rows=max(max(after.values()) + 1, rows),
        conflicts=_conflicts(any_tokenizer, {after[word] for word in words}),
    )


def _check_gaps(tokenizer: AnyTokenizer, vocabulary: dict[str, int], count: int) -> None:
    """Refuse a vocabulary with gaps if `tokenizers` would give new tokens ids already in use."""
    new = tokenizer.new_ids(count)
    taken = {} if new is None else {i: token for token, i in vocabulary.items() if i in new}
    if taken:
        number = min(taken)
        raise VocabError(
            f"new tokens would get the ids {new}, of which {number} is {taken[number]!r} already: "
            f"the vocabulary has {plural(len(vocabulary), 'token')}, but ids up to "
            f"{max(vocabulary.values())}; fill its gaps first"
        )


def _conflicts(tokenizer: AnyTokenizer, ids: set[int]) -> tuple[Conflict, ...]:
    return tuple(
        Conflict(token.content, number, reason, consequence)
        for number, token in sorted(tokenizer.added().items())
        if number in ids
        for reason, consequence in _CONSEQUENCES.items()
        if getattr(token, reason)
    )
