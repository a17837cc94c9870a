"""Ids: what the user hands over, without padding, and the text that a tokenizer has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import VocabError

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
    from maskcodec.tokenizers.vocab import Vocab

IGNORE_INDEX = -100  # a trainer's mark for "no loss"
_LARGEST = 2**63 - 1
_UNKNOWN = "\ufffd"  # what is read in place of an id that no token has


def as_ids(value: Any) -> Index:
    """Ids as the kernels take them: int64, C-contiguous and writable.

    Takes arrays, lists, and tensors of any device.

    Raises
    ------
    TypeError
        They are not integers.
    VocabError
        They are not one-dimensional.
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
        # Some do not fit int64: no token has them.
        return np.array([min(max(n, -_LARGEST), _LARGEST) for n in numbers], np.int64)
    if ids.dtype == np.uint64:
        ids = np.minimum(ids, _LARGEST)
    return np.array(ids, np.int64)


def padding(ids: Index, vocab: Vocab) -> Any:
    """Which ids stand around an answer, or are a trainer's -100, which has no loss."""
    return np.isin(ids, [*vocab.ignored, IGNORE_INDEX])


def text_of(ids: Index, tokenizer: AnyTokenizer, vocab: Vocab) -> str:
    """The text of ids; an id that no token has becomes U+FFFD."""
    known = (ids >= 0) & (ids < vocab.size)
    known[known] = vocab.known[ids[known]]
    if known.all():
        return tokenizer.decode(ids.tolist())
    edges = np.flatnonzero(~known).tolist()
    starts, stops = [0, *(edge + 1 for edge in edges)], [*edges, len(ids)]
    parts = [ids[start:stop].tolist() for start, stop in zip(starts, stops, strict=True)]
    return _UNKNOWN.join(tokenizer.decode(part) if part else "" for part in parts)
