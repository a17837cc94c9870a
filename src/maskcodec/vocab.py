"""A codec's tags, bricks and coordinates as the ids of one tokenizer: plain data, checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from maskcodec._boxids import box_numbers, box_pieces, box_text, check_readable, sample_boxes
from maskcodec._brickids import blanks, write_tables
from maskcodec._lazy import kernels as k
from maskcodec._reading import shown
from maskcodec.bricks import BSD
from maskcodec.errors import LabelError, VocabError
from maskcodec.spelling import BOX, BOX_END, MAX_RUN, REF, REF_END, REPEATS, SEG, SEG_END

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from maskcodec._anytokenizer import AnyTokenizer
    from maskcodec._arrays import Cells, Index
    from maskcodec.codec import Codec

_ANY_LABEL = "roi0"


@dataclass(frozen=True, eq=False)
class Vocab:
    """What the ids of one tokenizer mean to one codec.

    Attributes
    ----------
    words
        The tags and bricks, and their ids.
    size
        One more than the largest id.
    known
        bool (size,): whether a token has this id.
    ignored
        Ids that stand around an answer: padding, beginning and end of a text.
    """

    words: dict[str, int]
    size: int
    known: npt.NDArray[np.bool_]
    ignored: frozenset[int]

    @cached_property
    def word_ids(self) -> frozenset[int]:
        """The ids of the tags and bricks."""
        return frozenset(self.words.values())


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
        int64: what `_kernels.write_ids` writes, or None where a box is more than the sum of its
        numbers.
    """

    separator: tuple[int, ...]
    separated: bool
    kinds: Cells
    pieces: Index
    tables: Index | None


def read_vocab(tokenizer: AnyTokenizer, codec: Codec, ignore: Iterable[int | str]) -> Vocab:
    """The ids of a codec's tags and bricks, checked against the tokenizer itself.

    Raises
    ------
    VocabError
        A tag or brick is not one id, or does not stay one in the middle of a text; a coordinate
        cannot be written.
    """
    tokenizer.check_plain()
    vocabulary = tokenizer.vocabulary()
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
        if inside(tokenizer, before, _ANY_LABEL, after) is None:
            raise VocabError(
                f"the tokenizer does not keep {before!r} and {after!r} whole around "
                f"{_ANY_LABEL!r}, so it cuts texts in other places than at its added tokens; "
                "start from the original tokenizer and call maskcodec.extend_tokenizer"
            )
    ignored = frozenset(_ignored(tokenizer, vocabulary, ignore) - set(whole.values()))
    size = max(vocabulary.values()) + 1
    known = np.zeros(size, np.bool_)
    known[list(vocabulary.values())] = True
    vocab = Vocab(words=whole, size=size, known=known, ignored=ignored)
    if isinstance(codec, BSD) and codec.bricks:
        return _read_bricks(tokenizer, codec, vocab, vocabulary)
    return vocab


def check_rows_end(codec: BSD, separated: bool) -> None:
    """Refuse a tokenizer that drops newlines where nothing else tells where a row ends."""
    if codec.frame == "box" and not separated:
        raise VocabError(
            'the tokenizer does not keep the newlines between rows, which frame="box" needs to '
            "know where a row ends; use a tokenizer that does, or the canvas"
        )


def label_ids(
    tokenizer: AnyTokenizer, vocab: Vocab, label: str, before: str, after: str
) -> list[int]:
    """The ids of a label between its two tags.

    Raises
    ------
    LabelError
        The tokenizer does not cut the text at the tags, or makes nothing of the label, or tokens
        that readers pass over.
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
    """The ids of a text between two words that are tokens, or None where they are not there."""
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
        "maskcodec.extend_tokenizer(tokenizer, codec) first, or give the codec the spelling that "
        "the tokenizer was extended with"
    )


def _ignored(
    tokenizer: AnyTokenizer, vocabulary: dict[str, int], more: Iterable[int | str]
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


def _read_bricks(
    tokenizer: AnyTokenizer, codec: BSD, vocab: Vocab, vocabulary: dict[str, int]
) -> BrickVocab:
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
    head = f"{tags[REF]}{_ANY_LABEL}{tags[REF_END]}{tags[BOX]}[[0 0 0 0]]{tags[BOX_END]}{tags[SEG]}"
    text = (head + rows + tags[SEG_END]) * 2
    label = label_ids(tokenizer, vocab, _ANY_LABEL, tags[REF], tags[REF_END])
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
