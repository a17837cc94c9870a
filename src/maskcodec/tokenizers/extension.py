"""Extending a tokenizer by the tags and bricks of a codec, and what came of it."""

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

# What is wrong with a token that was there before, and what follows from it.
_CONSEQUENCES = {
    "special": "decode(skip_special_tokens=True) erases it: decode from ids, or pass False",
    "normalized": "it is looked for in normalised text, where some tokenizers do not find it",
    "single_word": "it is not found beside a letter or another word's token",
    "lstrip": "it swallows the white space before it",
    "rstrip": "it swallows the white space behind it, and so a separator of rows",
}


class Conflict(NamedTuple):
    """A token that was there before, in another way than `extend_tokenizer` would add it.

    Attributes
    ----------
    token, id
        The token.
    reason
        ``"special"``, ``"normalized"``, ``"single_word"``, ``"lstrip"`` or ``"rstrip"``.
    consequence
        What follows from it, for a person to read.
    """

    token: str
    id: int
    reason: str
    consequence: str


@dataclass(frozen=True)
class Extension:
    """What `extend_tokenizer` did.

    Attributes
    ----------
    added
        The new tokens and their ids, in the order of their ids.
    reused
        The tokens that were there before, and their ids, which are kept.
    rows
        How many rows the model's embeddings must have: one for every id, and never fewer than
        ``embedding_rows`` says that they have already.
    conflicts
        Tokens that were there before and differ in a way that has a consequence.
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
    """Make every tag and brick of a codec one token, changing the tokenizer in place.

    New tokens are neither special, so that no decoder skips them, nor normalised, so that they
    match in any tokenizer. Tokens that are there already keep their ids. Doing it twice changes
    nothing. The model still has to learn the new rows: see ``docs/tokenizers.md``.

    Parameters
    ----------
    codec
        Whose tags and bricks; `Codec.vocabulary` lists them.
    tokenizer
        Of transformers (``PreTrainedTokenizerBase``) or tokenizers (``Tokenizer``).
    embedding_rows
        How many rows the model's embedding matrix has now, for example
        ``model.get_input_embeddings().weight.shape[0]``: many models have more rows than their
        tokenizer has ids, and must not be shrunk.

    Returns
    -------
    What was added, what was there, how many rows the model needs, and what conflicts.

    Raises
    ------
    TypeError
        The codec or the tokenizer is none.
    VocabError
        The tokenizer takes no tokens, or its ids have gaps, so that new ids would be taken twice.

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
    """Refuse a vocabulary with gaps: `tokenizers` numbers new tokens by its length."""
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
