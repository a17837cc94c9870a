"""Bricks and boxes as the ids of one tokenizer: plain data, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskcodec.errors import VocabError
from maskcodec.formats.instances.box_ids import (
    box_numbers,
    box_pieces,
    box_text,
    check_readable,
    sample_boxes,
)
from maskcodec.formats.instances.brick_ids import blanks, write_tables
from maskcodec.formats.instances.spelling import BOX, BOX_END, REF, REF_END, SEG, SEG_END
from maskcodec.kernels import reading as k
from maskcodec.kernels.writing import END
from maskcodec.tokenizers.vocab import ANY_LABEL, Vocab, inside, label_ids

if TYPE_CHECKING:
    from maskcodec.formats.instances.codec import InstanceCodec
    from maskcodec.formats.instances.spelling import Spelling
    from maskcodec.masks.arrays import Cells, Index
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer


@dataclass(frozen=True, eq=False)
class BrickVocab(Vocab):
    """What codecs with bricks need besides, to write and to read ids without text.

    Attributes
    ----------
    separator
        The ids of a newline between bricks: one, or several, or none where the tokenizer drops
        it.
    separated
        Whether the ids tell where a row ends; otherwise the box's width does.
    kinds
        int32 (size,): what each id stands for, as the value of a token in the kernels.
    pieces
        int64: what `kinds` refers to, text that a box may have, packed into numbers; empty where
        the text of a box is more than that of its ids.
    tables
        int64: what `writing.write_ids` writes, or None where a box is more than the sum of its
        numbers.
    """

    separator: tuple[int, ...]
    separated: bool
    kinds: Cells
    pieces: Index
    tables: Index | None


def read_brick_vocab(
    codec: InstanceCodec, tokenizer: AnyTokenizer, vocabulary: dict[str, int], vocab: Vocab
) -> BrickVocab:
    """What the ids of a codec with bricks mean, checked against the tokenizer itself.

    Raises
    ------
    VocabError
        A coordinate cannot be written, or bricks do not stay whole beside each other.
    """
    spelling, words = codec.words(), vocab.words
    brick = {run: words[spelling.brick(run)] for run in spelling.runs()}
    separator: list[int] = []
    if codec.row_separator:
        found = inside(tokenizer, spelling.brick(1), codec.row_separator, spelling.brick(-1))
        separator = found or []
    kinds = np.full(vocab.size, k.TEXT, np.int32)
    for token in separator:
        kinds[token] = k.SPACE
    if separator:
        kinds[separator[-1]] = k.SEPARATOR
    for number, kind in blanks(tokenizer, spelling.brick(1), vocabulary):
        kinds[number] = kind
    kinds[sorted(vocab.ignored)] = k.IGNORED
    for run, number in brick.items():
        kinds[number] = k.ROW_END + run - END if run >= END else run
    for place, word in enumerate(spelling.locations()):
        kinds[words[word]] = k.PLACE + place
    for kind, tag in enumerate(spelling.tags):
        kinds[words[tag]] = k.TAG + kind
    pieces: dict[int, str] = {}
    numbers: list[list[int]] | None = [[words[word]] for word in spelling.locations()] * 4
    if not numbers:
        boxes, ids = _written_boxes(tokenizer, spelling)
        numbers = box_numbers(boxes, ids, max(codec.canvas), vocabulary)
        pieces = box_pieces(boxes, ids, vocabulary)
    for number, kind in zip(pieces, range(k.PIECE, k.PIECE + len(pieces)), strict=True):
        kinds[number] = kind if kinds[number] == k.TEXT else kinds[number]
    packed = [int.from_bytes(text.encode(), "little") for text in pieces.values()]
    made = BrickVocab(
        words=words,
        size=vocab.size,
        known=vocab.known,
        ignored=vocab.ignored,
        separator=tuple(separator),
        separated=bool(separator) and int(kinds[separator[-1]]) == k.SEPARATOR,
        kinds=kinds,
        pieces=np.array(packed, np.int64),
        tables=None if numbers is None else write_tables(codec, words, separator, numbers),
    )
    _check_bricks(codec, tokenizer, made)
    return made


def _written_boxes(
    tokenizer: AnyTokenizer, spelling: Spelling
) -> tuple[list[list[int]], list[list[int]]]:
    """Boxes in digits, as numbers and as the ids that a tokenizer makes of them."""
    tags, canvas = spelling.tags, spelling.boxes
    boxes = sample_boxes(max(canvas.rows, canvas.columns))
    written = [tags[BOX] + box_text(box) + tags[BOX_END] for box in boxes]
    ids = [tokenizer.encode(text)[1:-1] for text in written]
    check_readable(tokenizer, boxes, ids)
    return boxes, ids


def _check_bricks(codec: InstanceCodec, tokenizer: AnyTokenizer, vocab: BrickVocab) -> None:
    """Compare the ids of one text that has everything with those of the tokenizer.

    Every brick stands before and behind others, itself and the separator, and so do locations.
    """
    spelling = codec.words()
    tags = spelling.tags
    runs, most = spelling.runs(), spelling.most
    pairs = [(spelling.brick(n), spelling.brick(-n)) for n in range(1, most + 1)]
    pairs += [(spelling.brick(end), spelling.brick(1)) for end in runs[2 * most :]]
    pairs += [(spelling.brick(run), spelling.brick(run)) for run in runs]
    pairs.append(pairs[0])  # so that the first one stands behind a separator, too
    rows = codec.row_separator.join(first + second for first, second in pairs)
    places = [word for word in spelling.locations() for _ in range(2)]
    text = spelling.instance(ANY_LABEL, (0, 0, 0, 0), rows) * 2 + "".join(places)
    label = label_ids(tokenizer, vocab, ANY_LABEL, tags[REF], tags[REF_END])
    box = inside(tokenizer, tags[BOX], spelling.boxes.sample, tags[BOX_END]) or []
    words = vocab.words
    expected = [words[tags[REF]], *label, words[tags[REF_END]], words[tags[BOX]], *box]
    expected += [words[tags[BOX_END]], words[tags[SEG]]]
    for index, pair in enumerate(pairs):
        expected += vocab.separator if index else ()
        expected += map(words.__getitem__, pair)
    expected.append(words[tags[SEG_END]])
    expected = expected * 2 + [words[place] for place in places]
    got = tokenizer.encode(text)
    if got != expected:
        at = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), 0)
        where = tokenizer.decode(got[max(at - 2, 0) : at + 3])
        raise VocabError(
            f"the tokenizer does not keep tags and bricks whole next to each other, around "
            f"{where!r}: they were added as special, normalized, single_word, lstrip or rstrip; "
            "start from the original tokenizer and call maskcodec.extend_tokenizer"
        )
