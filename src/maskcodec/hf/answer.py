"""What a model answered: its regions, how sure it was of each, and what was wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from maskcodec.bricks import BSD
from maskcodec.region import Region
from maskcodec.spelling import REF, SEG_END

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.errors import Problem
    from maskcodec.labelgrid import LabelGrid
    from maskcodec.tokens import TokenCodec


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered to one question.

    Attributes
    ----------
    text
        All of it, words around masks included, without what ends it.
    ids
        Its ids, without those that end it or fill it up.
    regions
        The masks, in the order of the text. Of an image-wise codec those of `grid`, one for each
        label but the background, in the order in which they come.
    scores
        For each region, 0 .. 1: the geometric mean of the probabilities of its ids, from the first
        tag to the last, or to where it stops. They are the model's own, before the constraint: with
        it, an id that is the only one to be allowed would count as certain, and a mask that the
        model never meant as a good one. All regions of a `grid` have that of the whole text
        between the tags.
    problems
        What `TokenCodec.recover` repaired; none where `TokenCodec.decode` returns the same regions.
        With the constraint, that the text was cut off is the only one there can be.
    finished
        Whether the model ended the answer itself, before it was cut off.
    grid
        The label grid, where the codec is image-wise.
    """

    text: str
    ids: tuple[int, ...]
    regions: list[Region]
    scores: list[float]
    problems: list[Problem]
    finished: bool
    grid: LabelGrid | None = None


def read_answer(
    tokens: TokenCodec, ids: Sequence[int], logs: Sequence[float], finished: bool
) -> Answer:
    """An answer's ids, and the logarithms of their probabilities, as an `Answer`."""
    text, found = tokens.text(ids), tokens.recover(ids)
    if isinstance(tokens.codec, BSD):
        regions, grid = found.regions, None
        spans = region_spans(tokens, ids)
    else:
        regions, grid = grid_regions(found.grid), found.grid
        spans = [_descriptor(tokens, ids)] * len(regions)
    scores = [math.exp(sum(logs[a:b]) / (b - a)) for a, b in spans]
    return Answer(text, tuple(ids), regions, scores, found.problems, finished, grid)


def region_spans(tokens: TokenCodec, ids: Sequence[int]) -> list[tuple[int, int]]:
    """Where in ids the regions stand that B-SD's `recover` finds: (start, stop) of each.

    A reader lets an instance end at ``</seg>`` or where the next label begins, so the parts between
    can be read by themselves, with the tag behind them: an instance that it ends may still be
    drawn, where one at the end of the text would not be whole.
    """
    tags = [tokens.words[tag] for tag in tokens.codec.tags()]
    ends = {0, len(ids)}
    for at, number in enumerate(ids):
        if number == tags[REF]:
            ends.add(at)
        elif number == tags[SEG_END]:
            ends.add(at + 1)
    spans = []
    for start, stop in pairwise(sorted(ends)):
        first = next((at for at in range(start, stop) if ids[at] in tags), start)
        spans += [(first, stop)] * len(tokens.recover(ids[start : stop + 1]).regions)
    return spans


def grid_regions(grid: LabelGrid) -> list[Region]:
    """The labels of a grid as regions of its canvas, but the background, each in a tight box."""
    regions = []
    for number in range(1, len(grid.names)):
        cells = grid.cells == number
        ys, xs = np.flatnonzero(cells.any(1)).tolist(), np.flatnonzero(cells.any(0)).tolist()
        if ys:
            box = xs[0], ys[0], xs[-1], ys[-1]
            within = cells[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
            regions.append(Region(grid.names[number], box, within, cells.shape))
    return regions


def _descriptor(tokens: TokenCodec, ids: Sequence[int]) -> tuple[int, int]:
    """Where the text of a grid stands, its tags included; all of the ids where it has none."""
    opening, closing = (tokens.words[tag] for tag in tokens.codec.tags())
    start = next((at for at, number in enumerate(ids) if number == opening), 0)
    stop = next((at for at in range(start, len(ids)) if ids[at] == closing), len(ids) - 1)
    return start, stop + 1
