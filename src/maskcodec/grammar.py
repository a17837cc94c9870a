"""A grammar of token ids for serving engines: the rows of a box that is known."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from maskcodec.errors import MaskError
from maskcodec.spelling import MAX_RUN, SEG, SEG_END

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.bricks import BSD
    from maskcodec.vocab import BrickVocab


def box_grammar(codec: BSD, vocab: BrickVocab, box: Sequence[int]) -> str:
    """The grammar; parameters and errors are those of `TokenCodec.grammar`."""
    rows, columns = codec.canvas
    try:
        x1, y1, x2, y2 = (operator.index(number) for number in box)
    except (TypeError, ValueError):
        raise TypeError(f"box must be four integers x1, y1, x2, y2, got {box!r}") from None
    if not (0 <= x1 <= x2 < columns and 0 <= y1 <= y2 < rows):
        raise MaskError(
            f"box {(x1, y1, x2, y2)} does not lie on a canvas of {rows} rows and {columns} "
            "columns: 0 <= x1 <= x2 < columns and 0 <= y1 <= y2 < rows, corners inside"
        )
    words, ids = codec.words(), vocab.words
    width, height = x2 - x1 + 1, y2 - y1 + 1
    bricks = {n: _token(ids[words.brick(n)], ids[words.brick(-n)]) for n in range(1, MAX_RUN + 1)}
    separator = "".join(f" {_token(number)}" for number in vocab.separator)
    row = f"cells{width}"
    lines = [f"root ::= {_token(ids[words.tags[SEG]])} {row} below{height - 1}"]
    # A row of n cells is a brick of k and a row of n - k.
    for n in range(width, 0, -1):
        ways = [f"{bricks[k]} cells{n - k}" for k in range(1, min(n - 1, MAX_RUN) + 1)]
        ways += [bricks[n]] if n <= MAX_RUN else []
        lines.append(f"cells{n} ::= {' | '.join(ways)}")
    lines += [f"below{n} ::={separator} {row} below{n - 1}" for n in range(height - 1, 0, -1)]
    lines.append(f"below0 ::= {_token(ids[words.tags[SEG_END]])}")
    return "\n".join(lines) + "\n"


def _token(*ids: int) -> str:
    return f"Token({', '.join(map(str, ids))})"
