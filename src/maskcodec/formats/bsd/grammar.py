"""A grammar of token ids for serving engines: the rows of a box that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.formats.instances.spelling import SEG, SEG_END
from maskcodec.kernels.writing import MAX_RUN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.formats.bsd.codec import BSD
    from maskcodec.formats.instances.vocab import BrickVocab


def box_grammar(codec: BSD, vocab: BrickVocab, box: Sequence[int]) -> str:
    """The grammar; parameters and errors are those of `TokenCodec.grammar`."""
    x1, y1, x2, y2 = codec.words().boxes.checked(box)
    rules = _Rules(codec, vocab)
    width, height = x2 - x1 + 1, y2 - y1 + 1
    lines = [f"root ::= {rules.seg} cells{width} below{height - 1}"]
    lines += rules.cells(width)
    lines += [rules.below(n, f"cells{width}") for n in range(height - 1, 0, -1)]
    lines.append(f"below0 ::= {rules.end}")
    return "\n".join(lines) + "\n"


class _Rules:
    """The rules of a codec's rows, and the tokens in them."""

    def __init__(self, codec: BSD, vocab: BrickVocab) -> None:
        words, ids = codec.words(), vocab.words
        lengths = range(1, MAX_RUN + 1)
        self.seg, self.end = (_token(ids[words.tags[tag]]) for tag in (SEG, SEG_END))
        self.bricks = {n: _token(ids[words.brick(n)], ids[words.brick(-n)]) for n in lengths}
        self._separator = "".join(f" {_token(number)}" for number in vocab.separator)

    def cells(self, width: int) -> list[str]:
        """Rows of up to so many cells: a row of n is a brick of k and a row of n - k."""
        lines = []
        for n in range(width, 0, -1):
            ways = [f"{self.bricks[k]} cells{n - k}" for k in range(1, min(n - 1, MAX_RUN) + 1)]
            ways += [self.bricks[n]] if n <= MAX_RUN else []
            lines.append(f"cells{n} ::= {' | '.join(ways)}")
        return lines

    def below(self, n: int, row: str) -> str:
        """Exactly n rows."""
        return f"below{n} ::={self._separator} {row} below{n - 1}"


def _token(*ids: int) -> str:
    return f"Token({', '.join(map(str, ids))})"
