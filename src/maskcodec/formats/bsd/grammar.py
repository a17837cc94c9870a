"""A grammar of token ids for serving engines: the rows of a box that is known."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from maskcodec.errors import MaskError
from maskcodec.formats.bsd.spelling import SEG, SEG_END
from maskcodec.kernels.writing import MAX_RUN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.formats.bsd.codec import BSD
    from maskcodec.formats.bsd.spelling import Box
    from maskcodec.formats.bsd.vocab import BrickVocab


def box_grammar(codec: BSD, vocab: BrickVocab, box: Sequence[int]) -> str:
    """The grammar; parameters and errors are those of `TokenCodec.grammar`."""
    x1, y1, x2, y2 = _checked(codec, box)
    rules = _Rules(codec, vocab)
    if codec.box_frame is None:
        width, height = x2 - x1 + 1, y2 - y1 + 1
        lines = [f"root ::= {rules.seg} cells{width} below{height - 1}"]
        lines += rules.cells(width)
        lines += [rules.below(n, f"cells{width}", "below") for n in range(height - 1, 0, -1)]
        lines.append(f"below0 ::= {rules.end}")
        return "\n".join(lines) + "\n"
    # What the box is says nothing about its cells: the first row does, by where it ends.
    rows, columns = codec.most_cells
    lines = [f"root ::= {rules.seg} first0"]
    for n in range(columns + 1):
        ways = [f"{rules.bricks[k]} first{n + k}" for k in range(1, columns - n + 1)]
        ways += [f"wide{n}below{rows - 1}"] if n else []
        lines.append(f"first{n} ::= {' | '.join(ways)}")
    lines += rules.cells(columns) if rows > 1 else ()
    for width in range(1, columns + 1):
        name = f"wide{width}below"
        lines += [f"{rules.below(n, f'cells{width}', name)} | {rules.end}" for n in range(1, rows)]
        lines.append(f"{name}0 ::= {rules.end}")
    return "\n".join(lines) + "\n"


class _Rules:
    """The rules of a codec's rows, and the tokens in them."""

    def __init__(self, codec: BSD, vocab: BrickVocab) -> None:
        words, ids = codec.words(), vocab.words
        lengths = range(1, MAX_RUN + 1)
        self.seg, self.end = (_token(ids[words.tags[tag]]) for tag in (SEG, SEG_END))
        self.bricks = {n: _token(ids[words.brick(n)], ids[words.brick(-n)]) for n in lengths}
        self._repeats = {n: _token(ids[words.brick(MAX_RUN + n)]) for n in lengths if words.repeats}
        self._separator = "".join(f" {_token(number)}" for number in vocab.separator)

    def cells(self, width: int) -> list[str]:
        """Rows of up to so many cells: a row of n is a brick of k and a row of n - k."""
        lines = []
        for n in range(width, 0, -1):
            ways = [f"{self.bricks[k]} cells{n - k}" for k in range(1, min(n - 1, MAX_RUN) + 1)]
            ways += [self.bricks[n]] if n <= MAX_RUN else []
            lines.append(f"cells{n} ::= {' | '.join(ways)}")
        return lines

    def below(self, n: int, row: str, name: str) -> str:
        """At most n rows, of which one or a repeat of several comes next."""
        ways = [f"{row} {name}{n - 1}"]
        ways += [f"{token} {name}{n - k}" for k, token in self._repeats.items() if k <= n]
        behind = " | ".join(ways)
        return f"{name}{n} ::={self._separator} " + (f"({behind})" if len(ways) > 1 else behind)


def _checked(codec: BSD, box: Sequence[int]) -> Box:
    rows, columns = codec.canvas
    try:
        x1, y1, x2, y2 = (operator.index(number) for number in box)
    except (TypeError, ValueError):
        raise TypeError(f"box must be four integers x1, y1, x2, y2, got {box!r}") from None
    if 0 <= x1 <= x2 < columns and 0 <= y1 <= y2 < rows:
        return x1, y1, x2, y2
    canvas, right, below = f"a canvas of {rows} rows and {columns} columns", "columns", "rows"
    if codec.box_frame is not None:
        canvas, right, below = f"an image of {rows} x {columns} bins", str(columns), str(rows)
    raise MaskError(
        f"box {(x1, y1, x2, y2)} does not lie on {canvas}: 0 <= x1 <= x2 < {right} and "
        f"0 <= y1 <= y2 < {below}, corners inside"
    )


def _token(*ids: int) -> str:
    return f"Token({', '.join(map(str, ids))})"
