"""What the codecs are compared with: polygons and COCO's run lengths, written as text.

All name the class once, as ours do, with the tags and tokens of `BSD(bricks=False)`:

Douglas-Peucker
    ``<ref>dog</ref>[[x1 y1 x2 y2 ...] [x1 y1 ...]]``, a pair of brackets for each ring. Coordinates
    are 0 .. 999, of 999 steps from one edge of the image to the other. A pixel is inside when it is
    inside an odd number of rings, so that a hole is a ring like any other.
Douglas-Peucker, location tokens
    ``<ref>dog</ref>[[<loc12><loc34>...] [...]]``, the same with 1,000 added tokens.
COCO RLE
    ``<ref>dog</ref><seg>counts</seg>``, the compressed counts of pycocotools.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import cv2
import numpy as np
from pycocotools import mask as pycoco

import maskcodec as mc
from _distortion import LOST, Contender, Counter, Trip, check, drawn
from maskcodec.coco import RunMask
from maskcodec.masks.grid import paint_cells

if TYPE_CHECKING:
    from _distortion import Count, Mask, Rings, Sample

BINS = 999
VERTICES = 8, 16, 32, 64
POLYGON, LOCATED = "Douglas-Peucker", "Douglas-Peucker, location tokens"
RLE = "COCO RLE"
_HALVINGS = 20  # of the simplification's tolerance: to a thousandth of a pixel


def of_rivals(counter: Counter) -> list[Contender]:
    """The others, family by family."""
    bare = mc.BSD(bricks=False)
    plain = counter.of(bare)
    located = counter.of(bare, [f"<loc{k}>" for k in range(BINS + 1)])
    check(located(f"<loc0><loc{BINS}>") == 2, "a number is one token")
    return [
        *_polygons(POLYGON, "{} {}", " ", plain),
        *_polygons(LOCATED, "<loc{}><loc{}>", "", located),
        *(
            Contender(RLE, str(grid), partial(_small_rle, plain, (grid, grid)))
            for grid in (64, 128)
        ),
        Contender(RLE, "lossless", partial(_rle, plain)),
    ]


def _polygons(family: str, pair: str, between: str, count: Count) -> list[Contender]:
    trip = partial(_polygon, pair, between, count)
    return [Contender(family, str(most), partial(trip, most)) for most in VERTICES]


def _polygon(pair: str, between: str, count: Count, most: int, sample: Sample) -> Trip:
    """There and back by a polygon of so many vertices, written with `pair` for each."""
    rings = simplified(sample.outline, most, max(sample.shape))
    if not rings:
        return LOST
    height, width = sample.shape
    step = np.array([width, height]) / BINS
    bins = [np.rint(ring / step).astype(int).tolist() for ring in rings]
    written = " ".join(f"[{between.join(pair.format(*xy) for xy in ring)}]" for ring in bins)
    text = f"<ref>{sample.label}</ref>[{written}]"
    parts = re.findall(r"\[([^\[\]]+)\]", text.partition("</ref>")[2])
    numbers = [[int(k) for k in re.findall(r"\d+", part)] for part in parts]
    check(numbers == [list(chain(*ring)) for ring in bins], "a polygon's text says its numbers")
    check(set(chain(*numbers)) <= set(range(BINS + 1)), "bins are 0 .. 999")
    check(sum(map(len, numbers)) <= 2 * most, "a polygon keeps to its vertices")
    again = [np.array(ring).reshape(-1, 2) * step for ring in numbers]
    return Trip(count(text), drawn(again, sample.shape))


def simplified(rings: Rings, most: int, tolerance: float) -> Rings:
    """Rings of so many vertices at most, by Douglas and Peucker, all with the same tolerance.

    The tolerance is the smallest that halving one finds, from one that leaves nothing. A ring that
    has no area left is left out.
    """
    low, high, best = 0.0, float(tolerance), []
    lines = [ring.astype(np.float32) for ring in rings]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        fewer = [cv2.approxPolyDP(line, middle, True).reshape(-1, 2) for line in lines]
        kept = [ring.astype(np.float64) for ring in fewer if len(ring) >= 3]
        if sum(map(len, kept)) > most:
            low = middle
        else:
            high, best = middle, kept or best
    return best


def _rle(count: Count, sample: Sample) -> Trip:
    """There and back by the run lengths of every pixel."""
    text = _rle_text(sample.runs, sample.label)
    mask = _rle_mask(text, sample.shape)
    check(np.array_equal(mask, sample.pixels), "an RLE of every pixel loses none")
    return Trip(count(text), mask)


def _small_rle(count: Count, grid: tuple[int, int], sample: Sample) -> Trip:
    """There and back by the run lengths of cells, sampled and painted by the nearest."""
    cells = sample.runs.cells(grid)
    if not cells.any():
        return LOST
    text = _rle_text(RunMask.from_mask(cells), sample.label)
    again = _rle_mask(text, grid)
    check(np.array_equal(again, cells), "an RLE of cells loses none")
    return Trip(count(text), paint_cells(again, (0, 0), grid, sample.shape))


def _rle_text(runs: RunMask, label: str) -> str:
    return f"<ref>{label}</ref><seg>{runs.coco_rle()['counts'].decode()}</seg>"


def _rle_mask(text: str, shape: tuple[int, int]) -> Mask:
    counts = text.partition("<seg>")[2].removesuffix("</seg>")
    return np.ascontiguousarray(pycoco.decode({"size": shape, "counts": counts.encode()}))
