"""Bricks and coordinates as the ids of one tokenizer: plain data, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskcodec.errors import VocabError
from maskcodec.formats.bsd.box_ids import (
    box_numbers,
    box_pieces,
    box_text,
    check_readable,
    sample_boxes,
)
from maskcodec.formats.bsd.brick_ids import blanks, write_tables
from maskcodec.formats.bsd.spelling import BOX, BOX_END, REF, REF_END, REPEATS, SEG, SEG_END
from maskcodec.kernels import reading as k
from maskcodec.kernels.writing import MAX_RUN
from maskcodec.tokenizers.vocab import ANY_LABEL, Vocab, inside, label_ids

if TYPE_CHECKING:
    from maskcodec.formats.bsd.codec import BSD
    from maskcodec.masks.arrays import Cells, Index
    from maskcodec.tokenizers.any import AnyTokenizer


@dataclass(frozen=True, eq=False)
class BrickVocab(Vocab):
    """What B-SD with bricks needs besides, to write and to read ids without text.

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


def check_rows_end(codec: BSD, separated: bool) -> None:
    """Refuse a tokenizer that drops newlines where nothing else tells where a row ends."""
    if codec.frame == "box" and not separated:
        raise VocabError(
            'the tokenizer does not keep the newlines between rows, which frame="box" needs to '
            "know where a row ends; use a tokenizer that does, or the canvas"
        )


def read_brick_vocab(
    tokenizer: AnyTokenizer, vocabulary: dict[str, int], codec: BSD, vocab: Vocab
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
        kinds[number] = k.REPEAT + run - MAX_RUN if run in REPEATS else run
    for kind, tag in enumerate(spelling.tags):
        kinds[words[tag]] = k.TAG + kind
    tags, side = spelling.tags, max(codec.canvas)
    boxes = sample_boxes(side)
    written = [tags[BOX] + box_text(box) + tags[BOX_END] for box in boxes]
    ids = [tokenizer.encode(text)[1:-1] for text in written]
    check_readable(tokenizer, boxes, ids)
    numbers = box_numbers(boxes, ids, side, vocabulary)
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
    check_rows_end(codec, made.separated)
    _check_bricks(tokenizer, codec, made)
    return made


def _check_bricks(tokenizer: AnyTokenizer, codec: BSD, vocab: BrickVocab) -> None:
    """Compare the ids of one text that has everything with those of the tokenizer."""
    spelling = codec.words()
    tags = spelling.tags
    runs = [run for n in range(1, MAX_RUN + 1) for run in (n, -n)]
    runs.append(1)  # so that every brick stands before and behind a separator
    pairs = [(spelling.brick(run), spelling.brick(-run)) for run in runs]
    if spelling.repeats:
        pairs += [(spelling.brick(run), spelling.brick(1)) for run in (*REPEATS, REPEATS[0])]
    rows = codec.row_separator.join(first + second for first, second in pairs)
    head = f"{tags[REF]}{ANY_LABEL}{tags[REF_END]}{tags[BOX]}[[0 0 0 0]]{tags[BOX_END]}{tags[SEG]}"
    text = (head + rows + tags[SEG_END]) * 2
    label = label_ids(tokenizer, vocab, ANY_LABEL, tags[REF], tags[REF_END])
    box = inside(tokenizer, tags[BOX], box_text([0, 0, 0, 0]), tags[BOX_END]) or []
    words = vocab.words
    expected = [words[tags[REF]], *label, words[tags[REF_END]], words[tags[BOX]], *box]
    expected += [words[tags[BOX_END]], words[tags[SEG]]]
    for index, pair in enumerate(pairs):
        expected += vocab.separator if index else ()
        expected += map(words.__getitem__, pair)
    expected.append(words[tags[SEG_END]])
    got = tokenizer.encode(text)
    if got != expected * 2:
        at = next((i for i, (a, b) in enumerate(zip(got, expected * 2, strict=False)) if a != b), 0)
        where = tokenizer.decode(got[max(at - 2, 0) : at + 3])
        raise VocabError(
            f"the tokenizer does not keep tags and bricks whole next to each other, around "
            f"{where!r}: they were added as special, normalized, single_word, lstrip or rstrip; "
            "start from the original tokenizer and call maskcodec.extend_tokenizer"
        )
