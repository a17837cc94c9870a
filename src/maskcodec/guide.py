"""Guides: what may come next in an answer, so that it decodes strictly, whatever is chosen."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from maskcodec._brickguide import BrickGuide
from maskcodec._gridguide import GridGuide
from maskcodec._guide import Colours, Guide
from maskcodec._labelcodec import LabelCodec
from maskcodec._spelled import NoText, PlainText, spelled_tokens
from maskcodec.bricks import BSD
from maskcodec.errors import ConfigError
from maskcodec.grid import check_choice
from maskcodec.labelgrid import cell_label
from maskcodec.spelling import REF, REF_END, instance_label
from maskcodec.vocab import BrickVocab, label_ids

if TYPE_CHECKING:
    from maskcodec._anytokenizer import AnyTokenizer
    from maskcodec.codec import Codec
    from maskcodec.vocab import Vocab

__all__ = ["Guide", "make_guide"]


def make_guide(
    codec: Codec,
    tokenizer: AnyTokenizer,
    vocab: Vocab,
    *,
    colours: Colours,
    instances: int | None,
    labels: list[str] | None,
    start: Any,
    ends: list[int],
    free_text: bool,
) -> Guide:
    """The guide of a codec; parameters and errors are those of `TokenCodec.guide`."""
    check_choice(colours, Colours, "colours")
    if instances is not None and operator.index(instances) < 0:
        raise ConfigError(f"instances must be 0 or more, or None, got {instances}")
    grid = isinstance(codec, LabelCodec) and codec.counted
    if not grid and not isinstance(vocab, BrickVocab):
        raise ConfigError(
            f"there are guides for B-SD with bricks, for R-RLE and I-RLE, got {codec!r}"
        )
    if grid and labels is None:
        raise ConfigError(f"a guide for {codec.codec_id} needs the labels to choose from: labels=")
    if grid and instances is not None:
        raise ConfigError(f"{codec.codec_id} has no instances to count; leave instances out")
    everything, added, continuing = spelled_tokens(tokenizer)
    words, end = vocab.words, tokenizer.end()
    wrong = [word for word, number in words.items() if number in ends]
    if wrong:
        raise ConfigError(f"ends holds the id of {wrong[0]!r}, which is a part of answers")
    stops = {*ends, *(() if end is None else (end,))}
    if not free_text and instances == 0:
        raise ConfigError("without free text an answer is its instances; instances must not be 0")
    if not free_text and not stops:
        raise ConfigError(
            "the tokenizer has no token that ends an answer, so that without free text nothing "
            "could come behind its masks; give ends=, such as a model's eos_token_id"
        )
    # What readers pass over may stand between instances, and is nothing inside them.
    around = {"ends": stops, "always": vocab.ignored, "start": start}
    others = {n: spelled for n, spelled in added.items() if n not in vocab.word_ids}
    free = {n: spelled for n, spelled in {**everything, **others}.items() if n not in stops}
    text = PlainText(free, list(words)) if free_text else NoText(everything)
    never = vocab.ignored | stops
    pieces = {n: spelled for n, spelled in everything.items() if n not in never}
    if isinstance(codec, LabelCodec):
        names = [codec.background, *(cell_label(label, codec.seg) for label in labels or ())]
        unique = list(dict.fromkeys(names))
        return GridGuide(codec, vocab, pieces, text, labels=unique, colours=colours, **around)
    assert isinstance(codec, BSD)
    assert isinstance(vocab, BrickVocab)
    return BrickGuide(
        codec,
        vocab,
        pieces,
        continuing,
        (text, PlainText(pieces, list(words))),
        labels=None if labels is None else _label_ids(codec, tokenizer, vocab, labels),
        colours=colours,
        instances=instances,
        **around,
    )


def _label_ids(
    codec: BSD, tokenizer: AnyTokenizer, vocab: Vocab, labels: list[str]
) -> list[list[int]]:
    words = codec.words()
    before, after = words.tags[REF], words.tags[REF_END]
    return [
        label_ids(tokenizer, vocab, instance_label(label, words), before, after) for label in labels
    ]
