"""The ids of bricks and boxes in a tokenizer, as checked plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskcodec.errors import VocabError
from maskcodec.formats.instances.spelling import BOX, BOX_END, REF, REF_END, SEG, SEG_END
from maskcodec.kernels import reading as k
from maskcodec.kernels.writing import END, MAX_RUN
from maskcodec.masks.arrays import bounds
from maskcodec.tokenizers.vocab import ANY_LABEL, Vocab, inside, label_ids

if TYPE_CHECKING:
    from maskcodec.formats.instances.codec import InstanceCodec
    from maskcodec.formats.instances.spelling import Spelling
    from maskcodec.masks.arrays import Cells, Index
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

BLANKS = "Ġ▁ "  # the space of byte-level vocabularies, of SentencePiece, and the space itself

_CROSSING = re.compile(rf"[0-9][{BLANKS}]")
_PIECE = re.compile(rf"[{BLANKS}0-9\[\]]+")
_LONGEST_PIECE = 7  # bytes that fit a signed int64
_SAMPLES = 64
_NEWLINE = "Ċ", "\n", "<0x0A>"  # the newline in vocabularies


def sample_boxes(side: int) -> list[list[int]]:
    """Boxes with every number at each of the four places, then some with four numbers."""
    zero = [0, 0, 0, 0]
    boxes = [[*zero[:place], n, *zero[place + 1 :]] for place in range(4) for n in range(side)]
    starts = range(0, side, max(side // _SAMPLES, 1))
    boxes += [[(n + shift) % side for shift in (0, 7, 1, 12)] for n in starts]
    boxes += [[(n * factor) % side for factor in (5, 1, 3, 2)] for n in starts]
    return boxes


def box_numbers(
    boxes: list[list[int]], ids: list[list[int]], side: int, vocabulary: dict[str, int]
) -> list[list[int]] | None:
    """The ids of every number at each place of a box; None if a box is not their concatenation.

    A box is their concatenation if no token joins a digit and the space behind it: then every
    tokenizer cuts there. A sample of boxes is also compared.
    """
    if _CROSSING.search("\n".join(vocabulary)):
        return None
    base = ids[0]
    others = [ids[place * side + min(7, side - 1)] for place in range(3)]
    ends = [len(base) - _common_end(base, other) * (side > 1) for other in others]
    cuts = [0, *ends, len(base)]
    parts = []
    for place in range(4):
        head, tail = base[: cuts[place]], base[cuts[place + 1] :]
        for row in ids[place * side : (place + 1) * side]:
            if row[: len(head)] != head or row[len(row) - len(tail) :] != tail:
                return None
            parts.append(row[len(head) : len(row) - len(tail)])
    for box, row in zip(boxes, ids, strict=True):
        if [i for place, n in enumerate(box) for i in parts[place * side + n]] != row:
            return None
    return parts


def box_pieces(
    boxes: list[list[int]], ids: list[list[int]], vocabulary: dict[str, int]
) -> dict[int, str]:
    """The ids that a box may have, and their texts; empty if these do not make its text."""
    blanks = str.maketrans(dict.fromkeys(BLANKS, " "))
    texts = {
        number: token.translate(blanks)
        for token, number in vocabulary.items()
        if len(token) <= _LONGEST_PIECE and _PIECE.fullmatch(token)
    }
    for box, row in zip(boxes, ids, strict=True):
        if "".join(texts.get(number, "?") for number in row).strip() != box_text(box):
            return {}
    return {number: text for number, text in texts.items() if text.strip()}


def box_text(box: list[int]) -> str:
    """The text of a box in digits, without its tags."""
    return f"[[{' '.join(map(str, box))}]]"


def check_readable(tokenizer: AnyTokenizer, boxes: list[list[int]], ids: list[list[int]]) -> None:
    """Refuse a tokenizer that does not decode the ids of a box to that box."""
    for box, row in zip(boxes, ids, strict=True):
        text = tokenizer.decode(row)
        if re.findall("[0-9]+", text) != list(map(str, box)):
            raise VocabError(
                f"the tokenizer cannot write the box {box}: it reads its own ids as {text!r}; its "
                "vocabulary lacks digits or brackets"
            )


def _common_end(first: list[int], second: list[int]) -> int:
    length = 0
    while length < min(len(first), len(second)) and first[-1 - length] == second[-1 - length]:
        length += 1
    return length


def write_tables(
    codec: InstanceCodec, words: dict[str, int], separator: list[int], numbers: list[list[int]]
) -> Index:
    """The tables of `writing.write_ids`, in the order that it describes."""
    rows, columns = codec.most_cells
    spelling = codec.words()
    # The longest instance: a brick for every cell, and the longest numbers.
    longest = rows * (columns + len(separator)) + 4 * max(map(len, numbers)) + 6
    tags = [words[tag] for tag in spelling.tags]
    known = set(spelling.runs())
    runs = range(-MAX_RUN, END + MAX_RUN + 1)
    bricks = [words[spelling.brick(run)] if run in known else 0 for run in runs]
    begin = 1 + len(tags) + 3 + len(bricks) + 1 + len(numbers) + 1
    edges = bounds(numbers) + begin
    end = int(edges[-1])
    table = [longest, *tags, end, end + len(separator), spelling.boxes.axes == "yx", *bricks]
    table += [len(numbers) // 4, *edges.tolist()]
    return np.array(table + [n for row in numbers for n in row] + separator, np.int64)


def blanks(
    tokenizer: AnyTokenizer, brick: str, vocabulary: dict[str, int]
) -> list[tuple[int, int]]:
    """The ids of spaces and of newlines between bricks, with their values in the kernels."""
    around = tokenizer.encode(brick)
    found = []
    for token, number in vocabulary.items():
        if token.strip(BLANKS) in ("", *_NEWLINE):
            text = tokenizer.decode([*around, number, *around]).strip(" ")
            if text.startswith(brick) and text.endswith(brick):
                text = text[len(brick) : -len(brick)].strip(" ")
                if text in ("", "\n"):
                    found.append((number, k.SEPARATOR if text else k.SPACE))
        elif any(newline in token for newline in _NEWLINE):
            text = tokenizer.decode([number])
            if newlines := text.count("\n"):
                found.append((number, k.IGNORED + 2 * newlines + (text.strip(" \n") != "")))
    return found


@dataclass(frozen=True, eq=False)
class BrickVocab(Vocab):
    """The vocabulary of a codec with bricks: writes and reads ids without text.

    Attributes
    ----------
    separator
        The ids of a newline between bricks; empty if the tokenizer drops it.
    separated
        Whether an id ends a row; otherwise the box's width does.
    kinds
        int32 (size,): the meaning of each id, as the value of a token in the kernels.
    pieces
        int64: the texts that a box may have, packed into numbers; `kinds` refers to them. Empty if
        the texts of the ids do not make the text of a box.
    tables
        int64: the tables of `writing.write_ids`. None if a box is not the concatenation of its
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
    """Read the ids of a codec with bricks, and check them with the tokenizer.

    Raises
    ------
    VocabError
        A coordinate cannot be written, or the tokenizer splits bricks beside each other.
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
    """Sample boxes in digits, as numbers and as ids of the tokenizer."""
    tags, canvas = spelling.tags, spelling.boxes
    boxes = sample_boxes(max(canvas.rows, canvas.columns))
    written = [tags[BOX] + box_text(box) + tags[BOX_END] for box in boxes]
    ids = [tokenizer.encode(text)[1:-1] for text in written]
    check_readable(tokenizer, boxes, ids)
    return boxes, ids


def _check_bricks(codec: InstanceCodec, tokenizer: AnyTokenizer, vocab: BrickVocab) -> None:
    """Compare the expected ids of a sample text with the tokenizer's ids.

    In this text, every brick comes before and behind other bricks, itself and the separator. Every
    location token comes before and behind itself and another one.
    """
    spelling = codec.words()
    tags = spelling.tags
    runs, most = spelling.runs(), spelling.most
    pairs = [(spelling.brick(n), spelling.brick(-n)) for n in range(1, most + 1)]
    pairs += [(spelling.brick(end), spelling.brick(1)) for end in runs[2 * most :]]
    pairs += [(spelling.brick(run), spelling.brick(run)) for run in runs]
    pairs.append(pairs[0])  # the first brick must come behind a separator, too
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
