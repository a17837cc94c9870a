"""The bytes of each token, and the tokens that may continue a text."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskcodec.errors import VocabError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

_BYTE_TOKEN = re.compile("<0x([0-9A-F]{2})>")
_LIVE_ENDS = 32  # unfinished tags whose lists of allowed tokens are cached
_FOREIGN = "é犬"  # some vocabularies cannot write it
_PROBE = "a black dog, [[0 12 63 41]]"


class Spelled(NamedTuple):
    """The bytes of every token of a vocabulary.

    Attributes
    ----------
    pieces
        The bytes of text tokens, by id.
    added
        The bytes of added tokens, by id.
    continuing
        The ids of WordPiece's tokens that only continue a word.
    """

    pieces: dict[int, bytes]
    added: dict[int, bytes]
    continuing: frozenset[int]


def spelled_tokens(tokenizer: AnyTokenizer) -> Spelled:
    """The bytes of every token of a tokenizer.

    Raises
    ------
    VocabError
        The vocabulary cannot spell a plain English text, or its tokens are not written as in
        byte-level BPE, SentencePiece or WordPiece.
    """
    added = {number: token.content.encode() for number, token in tokenizer.added().items()}
    kinds = set(_decoders(tokenizer))
    spell = _byte_level if "ByteLevel" in kinds else _word if "WordPiece" in kinds else _piece
    pieces = {
        number: spelled
        for token, number in tokenizer.vocabulary().items()
        if number not in added and (spelled := spell(token)) is not None
    }
    for probe in (_PROBE, _FOREIGN):
        ids = tokenizer.encode(probe)
        written = b"".join(pieces.get(number, b"?") for number in ids)
        wrong = written.replace(b" ", b"") != probe.replace(" ", "").encode()
        if wrong and (probe is _PROBE or tokenizer.decode(ids).strip() == probe):
            raise _unknown_spelling(probe, written)
    words = spell is _word
    tokens = tokenizer.vocabulary().items() if words else ()
    continuing = frozenset(number for token, number in tokens if token.startswith("##"))
    return Spelled(pieces, added, continuing)


def _unknown_spelling(probe: str, written: bytes) -> VocabError:
    return VocabError(
        f"a guide needs to know what tokens spell: {probe!r} seems to be written as "
        f"{written.decode(errors='replace')!r}; the vocabulary lacks letters, or is written in "
        "another way than those of byte-level BPE, SentencePiece and WordPiece"
    )


def _decoders(tokenizer: AnyTokenizer) -> Iterable[str]:
    """The types of a tokenizer's decoders."""
    tokens = tokenizer.tokenizer
    backend = tokens if tokenizer.bare else getattr(tokens, "backend_tokenizer", None)
    decoder = getattr(backend, "decoder", None)
    if decoder is not None:
        stack: list[dict[str, Any]] = [json.loads(decoder.__getstate__())]
        while stack:
            entry = stack.pop()
            yield entry["type"]
            stack += entry.get("decoders", [])


@lru_cache(maxsize=1)
def _bytes_of_characters() -> dict[str, int]:
    """The byte of each character in byte-level vocabularies; the table is GPT-2's."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(256 + k): byte for k, byte in enumerate(others)})
    return table


def _byte_level(token: str) -> bytes | None:
    table = _bytes_of_characters()
    try:
        return bytes([table[character] for character in token])
    except KeyError:
        return None


def _piece(token: str) -> bytes:
    match = _BYTE_TOKEN.fullmatch(token)
    return bytes([int(match[1], 16)]) if match else token.replace("▁", " ").encode()


def _word(token: str) -> bytes:
    return token[2:].encode() if token.startswith("##") else b" " + token.encode()


class PlainText:
    """Text whose pieces spell no tag or brick: allows every token that does not complete one.

    The state is the longest end of the text that begins a word, usually ``b""``.

    Parameters
    ----------
    pieces
        The ids of tokens, and their bytes.
    words
        The tags and bricks, which the text must not spell.

    Attributes
    ----------
    pieces, words
        As given.
    """

    silent = False
    behind = b""  # the end of the text behind a mask

    def __init__(self, pieces: dict[int, bytes], words: list[str]) -> None:
        spelled = [word.encode() for word in words]
        self.pieces, self.words = pieces, words
        self._words = re.compile(b"|".join(map(re.escape, sorted(spelled, key=len, reverse=True))))
        self._beginnings = {word[:n] for word in spelled for n in range(1, len(word))}
        self._longest = max(map(len, spelled)) - 1
        last = {word[-1] for word in spelled}
        self._first = re.compile(b"[" + re.escape(bytes({word[0] for word in spelled})) + b"]")
        self._risky = {n: p for n, p in pieces.items() if not last.isdisjoint(p)}
        self._spelled = spelled
        self._sorted = sorted((piece, number) for number, piece in self._risky.items())
        self._whole = {n for n, piece in self._risky.items() if self._words.search(piece)}
        self._all = np.array(sorted(pieces.keys() - self._whole), np.int64)
        self.options = lru_cache(_LIVE_ENDS)(self._options)

    def step(self, end: bytes, number: int) -> bytes | None:
        """The end of the text after a token; None if the token spells a word or is not a piece."""
        piece = self.pieces.get(number)
        if piece is None:
            return None
        text = end + piece
        if number in self._risky and self._words.search(text):
            return None
        if not self._first.search(text, max(len(text) - self._longest, 0)):
            return b""
        for n in range(min(self._longest, len(text)), 0, -1):
            if text[-n:] in self._beginnings:
                return text[-n:]
        return b""

    def _options(self, end: bytes, also: tuple[int, ...]) -> Index:
        """The ids allowed after an end of the text, and those of `also`; sorted, read-only."""
        ids = self._all
        if end:
            ids = np.delete(ids, np.searchsorted(ids, sorted(self._completing(end))))
        others = sorted(number for number in also if number not in self.pieces)
        more = np.array(others, np.int64)
        return frozen(np.insert(ids, np.searchsorted(ids, more), more))

    def _completing(self, end: bytes) -> set[int]:
        """The tokens that complete a word after an end: they begin with the rest of the word."""
        lacking = {
            word[n:]
            for n in range(1, len(end) + 1)
            for word in self._spelled
            if len(word) > n and word.startswith(end[-n:])
        }
        found = set()
        for rest in lacking:
            at = bisect_left(self._sorted, (rest, -1))
            while at < len(self._sorted) and self._sorted[at][0].startswith(rest):
                found.add(self._sorted[at][1])
                at += 1
        return found - self._whole


class NoText:
    """No text, for a guide with masks alone. Allows one space first: some tokenizers write it.

    Parameters
    ----------
    pieces
        The ids of tokens, and their bytes.

    Attributes
    ----------
    spaces
        The ids of tokens that are one space.
    """

    silent = True
    behind = b" "

    def __init__(self, pieces: dict[int, bytes]) -> None:
        self.spaces = frozenset(n for n, piece in pieces.items() if piece == b" ")
        self.options = lru_cache(_LIVE_ENDS)(self._options)

    def step(self, end: bytes, number: int) -> bytes | None:
        """The end of the text after a token; None if the token is not allowed."""
        return self.behind if number in self.spaces and not end else None

    def _options(self, end: bytes, also: tuple[int, ...]) -> Index:
        """The ids allowed after an end of the text, and those of `also`; sorted, read-only."""
        spaces = () if end else self.spaces
        return frozen(np.array(sorted({*spaces, *also}), np.int64))


def frozen(ids: Index) -> Index:
    """The same array, now read-only: several callers share it."""
    ids.flags.writeable = False
    return ids
