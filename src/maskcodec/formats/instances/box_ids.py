"""How a tokenizer writes boxes: whether their ids, and the text of these, are sums of parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from maskcodec.errors import VocabError

if TYPE_CHECKING:
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

BLANKS = "Ġ▁ "  # how byte-level and SentencePiece vocabularies write a space, and a space

_CROSSING = re.compile(rf"[0-9][{BLANKS}]")
_PIECE = re.compile(rf"[{BLANKS}0-9\[\]]+")
_LONGEST_PIECE = 7  # bytes that fit a number with a sign
_SAMPLES = 64


def sample_boxes(side: int) -> list[list[int]]:
    """Every number at each of the four places, place by place, then some boxes of several."""
    zero = [0, 0, 0, 0]
    boxes = [[*zero[:place], n, *zero[place + 1 :]] for place in range(4) for n in range(side)]
    starts = range(0, side, max(side // _SAMPLES, 1))
    boxes += [[(n + shift) % side for shift in (0, 7, 1, 12)] for n in starts]
    boxes += [[(n * factor) % side for factor in (5, 1, 3, 2)] for n in starts]
    return boxes


def box_numbers(
    boxes: list[list[int]], ids: list[list[int]], side: int, vocabulary: dict[str, int]
) -> list[list[int]] | None:
    """The ids of every number at each place of a box; None where a box is not their sum.

    It is where no token reaches from a digit into the space behind it: then every tokenizer cuts
    there, whatever stands on the other side. A sample of boxes is compared all the same.
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
    """The ids that a box may have and their text; none where its text is more than theirs."""
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
    """A box as it stands between its tags."""
    return f"[[{' '.join(map(str, box))}]]"


def check_readable(tokenizer: AnyTokenizer, boxes: list[list[int]], ids: list[list[int]]) -> None:
    """Refuse a tokenizer whose ids of a box are not read as that box."""
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
