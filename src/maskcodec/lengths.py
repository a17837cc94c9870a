"""How many tokens a mask takes: what Figure 7 of Text4Seg++ (arXiv 2509.06321) measures."""

from __future__ import annotations

import copy
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from maskcodec._inputs import as_mask
from maskcodec.bricks import BSD
from maskcodec.errors import LostMaskError
from maskcodec.labels import IRLE, ISD, RRLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenizers import Tokenizer

    from maskcodec._arrays import Index
    from maskcodec._labelcodec import LabelCodec
    from maskcodec.frame import Frame

    AnyCodec: TypeAlias = BSD | LabelCodec

GRIDS = 16, 32, 48, 64, 80
PLAIN = "B-SD, no bricks"
# Tokens per mask as the paper has them, by spelling and cells a side; it names no others.
PAPER = {
    ("I-SD", 16): 583.0,
    ("R-RLE", 16): 154.0,
    ("R-RLE", 64): 767.6,
    (PLAIN, 64): 283.0,
    ("B-SD", 64): 150.4,
}
RATIOS = ("R-RLE", "I-SD", 16), (PLAIN, "R-RLE", 64), ("B-SD", "R-RLE", 64)  # what it argues with
COLUMNS = (
    "spelling",
    "mean",
    "median",
    "of I-SD",
    "of R-RLE",
    "paper: mean",
    "paper: of I-SD",
    "paper: of R-RLE",
)
# Text4Seg's scripts label RefCOCO's cells with whole referring expressions, 3.5 words on average:
# this stands for one.
EXPRESSION = "{} on left"

_BASES = "I-SD", "R-RLE"
_BATCH = 64  # masks whose texts are held and tokenised at once
_NONE = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """Tokens per mask as one codec spells it.

    Attributes
    ----------
    name
        The spelling: ``"I-SD"``, ``"I-RLE"``, ``"R-RLE"``, ``"B-SD"``, ``"B-SD, no bricks"``,
        ``"B-SD, repeats"``, ``"B-SD-BOX"``.
    grid
        (rows, columns) of cells; in the box frame the most of a box.
    tokens
        int64 (masks,), in their order: of those of which a cell is left.
    lost
        How many masks have no cell left, and so no text.
    frame
        What the cells belong to, as `maskcodec.BSD` has it.
    """

    name: str
    grid: tuple[int, int]
    tokens: Index
    lost: int
    frame: Frame = "canvas"

    @property
    def mean(self) -> float:
        """Tokens per mask; not a number where all masks are lost."""
        return float(np.mean(self.tokens)) if len(self.tokens) else _NONE

    @property
    def median(self) -> float:
        """Tokens of the mask in the middle; not a number where all masks are lost."""
        return float(np.median(self.tokens)) if len(self.tokens) else _NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """What was measured.

    Attributes
    ----------
    masks
        How many masks were encoded, the lost ones among them.
    empty
        How many further masks had no pixel set, and were left out.
    counts
        In the order of the codecs.
    """

    masks: int
    empty: int
    counts: tuple[TokenCounts, ...]

    def find(self, name: str, cells: int) -> TokenCounts | None:
        """A spelling's counts on a square grid, if they were measured."""
        same = (c for c in self.counts if (c.name, c.grid) == (name, (cells, cells)))
        return next(same, None)

    def ratio(self, name: str, base: str, cells: int) -> float:
        """A spelling's mean over another's on the same grid; not a number without either."""
        counts, others = self.find(name, cells), self.find(base, cells)
        return counts.mean / others.mean if counts and others else _NONE


def figure_codecs() -> list[AnyCodec]:
    """The codecs of the figure, and B-SD in the box frame.

    All sample as the paper did, by the nearest pixel.
    """
    codecs: list[AnyCodec] = [ISD(grid=GRIDS[0]), IRLE(grid=GRIDS[0])]
    for cells in GRIDS:
        codecs += [RRLE(grid=cells), BSD(grid=cells, bricks=False), BSD(grid=cells)]
    return [*codecs, BSD(frame="box", sampling="nearest")]


def measure(
    masks: Iterable[tuple[Any, str]], tokenizer: Tokenizer, codecs: Sequence[AnyCodec] | None = None
) -> Lengths:
    """Encode every mask in every way, and count the tokens.

    Parameters
    ----------
    masks
        Pairs of a mask and its label: (height, width), bool or integer, or run lengths as
        `maskcodec.coco.read` returns them. One is held at a time.
    tokenizer
        What to count with. It is copied, and the copies get the tokens that the codecs need.
    codecs
        How to spell the masks; `figure_codecs` without it.

    Returns
    -------
    Lengths
        Without the tokens that a tokenizer puts around any text.

    Raises
    ------
    MaskError, LabelError, TypeError
        As the codecs raise them, except for masks of which no cell is left: they are counted.

    Examples
    --------
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> found = measure([([[0, 1], [1, 1]], "dog")], tokenizer, [RRLE(grid=2), BSD(grid=2)])
    >>> [(counts.name, counts.mean) for counts in found.counts]
    [('R-RLE', 12.0), ('B-SD', 16.0)]
    """
    chosen = figure_codecs() if codecs is None else list(codecs)
    extended = _extended(tokenizer, chosen)
    tallies = [_Tally(tokenizer) for tokenizer in extended]
    seen = empty = 0
    for mask, label in masks:
        pixels = as_mask(mask)
        if not pixels.any():
            empty += 1
            continue
        seen += 1
        for codec, tally in zip(chosen, tallies, strict=True):
            try:
                tally.add(codec.encode(pixels, label, lost="raise"))
            except LostMaskError:
                tally.lost += 1
    counts = [_counts(codec, tally) for codec, tally in zip(chosen, tallies, strict=True)]
    return Lengths(masks=seen, empty=empty, counts=tuple(counts))


class _Tally:
    """The tokens of texts, which are counted some at a time: a tokenizer's threads share them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.lost = 0
        self._tokenizer = tokenizer
        self._texts: list[str] = []
        self._counts = array("i")

    def add(self, text: str) -> None:
        self._texts.append(text)
        if len(self._texts) == _BATCH:
            self._count()

    def counts(self) -> Index:
        """Of all texts so far: int64 (n,)."""
        self._count()
        return np.array(self._counts, np.int64)

    def _count(self) -> None:
        # Fast means that it does not look for the places of the tokens in the text.
        found = self._tokenizer.encode_batch_fast(self._texts, add_special_tokens=False)
        self._counts.extend(map(len, found))
        self._texts.clear()


def refcoco_sized(area: int, shape: tuple[int, int], alike: int, *, crowd: bool) -> bool:
    """Whether an instance is such as RefCOCO refers to, whose masks the paper measured.

    Parameters
    ----------
    area
        The instance's pixels.
    shape
        The image's (height, width).
    alike
        How many of its class the image has, itself among them.
    crowd
        Whether it stands for a group.
    """
    return not crowd and alike >= 2 and 20 * area >= shape[0] * shape[1]


def _counts(codec: AnyCodec, tally: _Tally) -> TokenCounts:
    name, tokens, lost = codec.codec_id.partition("/")[0].upper(), tally.counts(), tally.lost
    if not isinstance(codec, BSD):
        return TokenCounts(name=name, grid=codec.canvas, tokens=tokens, lost=lost)
    name += ", repeats" * codec.repeats + ", no bricks" * (not codec.bricks)
    grid, frame = codec.most_cells, codec.frame
    return TokenCounts(name=name, grid=grid, tokens=tokens, lost=lost, frame=frame)


def _extended(tokenizer: Tokenizer, codecs: Sequence[AnyCodec]) -> list[Tokenizer]:
    """For each codec, a copy of the tokenizer that knows its tokens; copying one takes a second."""
    from maskcodec.tokenizer import extend_tokenizer

    copies: dict[tuple[str, ...], Tokenizer] = {}
    found = []
    for codec in codecs:
        key = tuple(codec.vocabulary())
        if key not in copies:
            copies[key] = copy.deepcopy(tokenizer)
            copies[key].no_truncation()
            copies[key].no_padding()
            extend_tokenizer(copies[key], codec)
        found.append(copies[key])
    return found


def rows(lengths: Lengths) -> list[tuple[str, list[tuple[str, ...]]]]:
    """A table by `COLUMNS`, with what the paper has beside it.

    A section for each square grid of an image's cells, and for what a box has at most.
    """
    sections: dict[str, list[tuple[str, ...]]] = {}
    for counts in lengths.counts:
        rows, columns = counts.grid
        if counts.frame == "box":
            title = f"{rows} x {columns} a box"
            sections.setdefault(title, []).append(_row(lengths, counts, 0))
        elif rows == columns:
            title = f"{rows} x {columns} cells"
            sections.setdefault(title, []).append(_row(lengths, counts, rows))
    return list(sections.items())


def losses(lengths: Lengths) -> str:
    """How many masks have no cell left on which grid, in words; empty where all have one."""
    # A grid loses the same masks in every spelling.
    lost = {(c.grid, " a box" * (c.frame == "box")): c.lost for c in lengths.counts if c.lost}
    if not lost:
        return ""
    parts = [f"{count:,} at {rows} x {cols}{of}" for ((rows, cols), of), count in lost.items()]
    return f"of {lengths.masks:,} masks no cell is left of {', '.join(parts)}: not in those means"


def paper_ratio(name: str, base: str, cells: int) -> float:
    """A ratio as `Lengths.ratio`, of the paper's means; not a number where it has none."""
    return PAPER.get((name, cells), _NONE) / PAPER.get((base, cells), _NONE)


def decimals(value: float, digits: int) -> str:
    """A number for a table, nothing for none."""
    return "" if np.isnan(value) else f"{value:,.{digits}f}"


def _row(lengths: Lengths, counts: TokenCounts, cells: int) -> tuple[str, ...]:
    """A line of the table; `cells` are those of a side that others have as well, 0 for none."""
    name, paper = counts.name, PAPER.get((counts.name, cells), _NONE)
    return (
        name,
        decimals(counts.mean, 1),
        decimals(counts.median, 0),
        *(decimals(lengths.ratio(name, base, cells), 3) for base in _BASES),
        decimals(paper, 1),
        *(decimals(paper_ratio(name, base, cells), 3) for base in _BASES),
    )
