"""Count the tokens of masks."""

from __future__ import annotations

import copy
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import LostMaskError
from maskcodec.masks.inputs import as_mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenizers import Tokenizer

    from maskcodec.formats.instances.codec import InstanceCodec
    from maskcodec.formats.labels.base import LabelCodec
    from maskcodec.masks.arrays import Index

_BATCH = 64  # masks whose texts are tokenised at once, by the tokenizer's threads


def token_counts(
    masks: Iterable[tuple[Any, str]],
    codecs: Sequence[InstanceCodec | LabelCodec],
    tokenizer: Tokenizer,
) -> Index:
    """Encode every mask with every codec, and count the tokens.

    Parameters
    ----------
    masks
        Pairs of a mask and its label: (height, width), bool or integer, or run lengths as
        `maskcodec.coco.read` returns them. Only one is in memory at a time.
    codecs
        The codecs.
    tokenizer
        The tokenizer. It does not change: copies of it get the tokens of the codecs.

    Returns
    -------
    Index
        int64 (codecs, masks), without the special tokens that a tokenizer puts around a text. A
        count is 0 if the mask has no pixels, or no cell on the codec's grid.

    Raises
    ------
    MaskError, LabelError, TypeError
        As in the codecs' `encode`.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> codecs = [mc.RRLE(grid=2), mc.BSD(grid=2)]
    >>> token_counts([([[0, 1], [1, 1]], "dog")], codecs, tokenizer).tolist()
    [[12], [16]]
    """
    counters = _extended(codecs, tokenizer)
    texts: list[list[str]] = [[] for _ in codecs]
    counts = [array("i") for _ in codecs]

    def count() -> None:
        for counter, own, found in zip(counters, texts, counts, strict=True):
            # The fast version does not compute the offsets of tokens.
            ids = counter.encode_batch_fast(own, add_special_tokens=False)
            found.extend(len(each) if text else 0 for text, each in zip(own, ids, strict=True))
            own.clear()

    for number, (mask, label) in enumerate(masks, 1):
        pixels = as_mask(mask)
        for codec, own in zip(codecs, texts, strict=True):
            try:
                own.append(codec.encode(pixels, label) if pixels.any() else "")
            except LostMaskError:
                own.append("")
        if number % _BATCH == 0:
            count()
    count()
    return np.array(counts, np.int64)


def _extended(
    codecs: Sequence[InstanceCodec | LabelCodec], tokenizer: Tokenizer
) -> list[Tokenizer]:
    """For each codec, a copy of the tokenizer with its tokens.

    Codecs with equal tokens share a copy, since a copy takes a second.
    """
    from maskcodec.tokenizers.extension import extend_tokenizer

    copies: dict[tuple[str, ...], Tokenizer] = {}
    for codec in codecs:
        key = tuple(codec.vocabulary())
        if key not in copies:
            copies[key] = copy.deepcopy(tokenizer)
            copies[key].no_truncation()
            copies[key].no_padding()
            extend_tokenizer(codec, copies[key])
    return [copies[tuple(codec.vocabulary())] for codec in codecs]
