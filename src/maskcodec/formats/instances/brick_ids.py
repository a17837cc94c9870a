"""Bricks as ids, for the kernels: what `write_ids` writes, and what may stand between bricks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.formats.instances.box_ids import BLANKS
from maskcodec.kernels import reading as k
from maskcodec.kernels.writing import END, MAX_RUN
from maskcodec.masks.arrays import bounds

if TYPE_CHECKING:
    from maskcodec.formats.instances.codec import InstanceCodec
    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

_NEWLINE = "Ċ", "\n", "<0x0A>"  # how vocabularies write it


def write_tables(
    codec: InstanceCodec, words: dict[str, int], separator: list[int], numbers: list[list[int]]
) -> Index:
    """What `writing.write_ids` writes, in the order that it is described there."""
    rows, columns = codec.most_cells
    spelling = codec.words()
    # Every cell another colour, and whatever numbers.
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
    """The ids that are spaces between bricks, and those with newlines, as the kernels have them."""
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
