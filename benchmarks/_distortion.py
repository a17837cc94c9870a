"""What `rate_distortion.py` compares: ways to write a mask, and how near a mask comes to another.

A contender writes a mask as text, counts the tokens, and draws the mask that the text says. All
texts name the class once as B-SD does, or in every run as R-RLE does. Those that are no codec of
ours are, with the tags and tokens of `BSD(bricks=False)`:

polygon
    ``<ref>dog</ref>[[x1 y1 x2 y2 ...] [x1 y1 ...]]``, a pair of brackets for each ring. Coordinates
    are 0 .. 999, of 999 steps from one edge of the image to the other. A pixel is inside when it is
    inside an odd number of rings, so that a hole is a ring like any other.
polygon, location tokens
    ``<ref>dog</ref>[[<loc12><loc34>...] [...]]``, the same with 1,000 added tokens.
COCO RLE
    ``<ref>dog</ref><seg>counts</seg>``, the compressed counts of pycocotools.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from contourpy import contour_generator
from pycocotools import mask as pycoco
from tokenizers import AddedToken

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.grid import paint_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from tokenizers import Tokenizer

    Mask = npt.NDArray[np.uint8]
    Rings = list[npt.NDArray[np.float64]]
    Count = Callable[[str], int]

TOLERANCE = 0.008  # of the image's diagonal, as DAVIS has it
BINS = 999
GRIDS = 16, 24, 32, 48, 64, 80, 128
VERTICES = 8, 16, 32, 64
_HALVINGS = 20  # of the simplification's tolerance: to a thousandth of a pixel
_PLAIN = mc.BSD(bricks=False)


@dataclass(eq=False)
class Sample:
    """An instance: its mask as runs, and its label."""

    runs: RunMask
    label: str

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.runs.shape

    @cached_property
    def pixels(self) -> Mask:
        """The mask, painted."""
        return self.runs.mask()

    @cached_property
    def outline(self) -> Rings:
        """Its rings, outer ones and holes: float64 (n, 2) each, x and y, pixels' edges whole."""
        x, y, width, height = self.runs.bbox
        around = np.pad(self.pixels[y : y + height, x : x + width], 1).astype(np.float64)
        lines = contour_generator(z=around).lines(0.5)
        corner = np.array([x - 0.5, y - 0.5])
        rings = [line[:-1] + corner for line in lines]
        _check(np.array_equal(drawn(rings, self.shape), self.pixels), "an outline draws its mask")
        return rings


class Trip(NamedTuple):
    """The tokens of a mask's text and what this draws, or none of both where nothing is left."""

    tokens: int
    mask: Mask | None


@dataclass(frozen=True)
class Contender:
    """A way to write masks: one setting of a family."""

    family: str
    setting: str
    trip: Callable[[Sample], Trip]


LOST = Trip(0, None)


def all_contenders(tokenizer: Tokenizer) -> list[Contender]:
    """Every contender, family by family; tokens are those of copies of a tokenizer."""
    bricks, plain = _counting(tokenizer, mc.BSD()), _counting(tokenizer, _PLAIN)
    located = _counting(tokenizer, _PLAIN, [f"<loc{k}>" for k in range(BINS + 1)])
    _check(located(f"<loc0><loc{BINS}>") == 2, "a number is one token")
    kept = partial(mc.BSD, sampling="keep")
    return [
        *_of_cells("B-SD, nearest", GRIDS, bricks, mc.BSD),
        *_of_cells("B-SD, keep and smooth", GRIDS, bricks, kept, "smooth"),
        *_of_cells("B-SD, no bricks, nearest", [64], plain, partial(mc.BSD, bricks=False)),
        *_of_cells("R-RLE, nearest", [16, 32, 64], _counting(tokenizer, mc.RRLE()), mc.RRLE),
        *_of_cells("I-RLE, nearest", [16, 32], _counting(tokenizer, mc.IRLE()), mc.IRLE),
        *_of_cells("I-SD, nearest", [16], _counting(tokenizer, mc.ISD()), mc.ISD),
        *_polygons("polygon", "{} {}", " ", plain),
        *_polygons("polygon, location tokens", "<loc{}><loc{}>", "", located),
        *(
            Contender("COCO RLE", str(grid), partial(_small_rle, plain, (grid, grid)))
            for grid in (64, 128)
        ),
        Contender("COCO RLE", "lossless", partial(_rle, plain)),
    ]


def _counting(tokenizer: Tokenizer, codec: mc.Codec, more: Sequence[str] = ()) -> Count:
    """Counts tokens by a tokenizer to which a codec's are added, and some more."""
    extended = copy.deepcopy(tokenizer)
    mc.extend_tokenizer(extended, codec)
    extended.add_tokens([AddedToken(word, normalized=False) for word in more])

    def count(text: str) -> int:
        return len(extended.encode_batch_fast([text], add_special_tokens=False)[0])

    return count


def _of_cells(
    family: str,
    grids: Sequence[int],
    count: Count,
    make: Callable[..., mc.Codec],
    method: str = "nearest",
) -> list[Contender]:
    trip = partial(_by_codec, count, method)
    return [Contender(family, str(grid), partial(trip, make(grid=grid))) for grid in grids]


def _by_codec(count: Count, method: str, codec: mc.Codec, sample: Sample) -> Trip:
    """There and back by one of our codecs, whose text must say the cells that were sampled."""
    lost: list[int | str] = []
    cells = sample.runs.cells(codec.canvas, codec.sampling)
    if isinstance(codec, mc.BSD):
        text = codec.encode_many([sample.runs], [sample.label], lost="drop", dropped=lost)
        if lost:
            return LOST
        (found,) = codec.decode(text)
        again = found.mask(codec.canvas)  # a pixel a cell
        mask = found.mask(sample.shape, method=method)
    else:
        text = codec.encode(sample.runs, sample.label, dropped=lost)
        if lost:
            return LOST
        grid = codec.decode(text)
        again = grid.mask(sample.label, codec.canvas)
        mask = grid.mask(sample.label, sample.shape, method=method)
    _check(np.array_equal(again, cells), f"{codec} decodes to the cells that it wrote")
    return Trip(count(text), mask)


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
    _check(numbers == [list(chain(*ring)) for ring in bins], "a polygon's text says its numbers")
    _check(set(chain(*numbers)) <= set(range(BINS + 1)), "bins are 0 .. 999")
    _check(sum(map(len, numbers)) <= 2 * most, "a polygon keeps to its vertices")
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


def drawn(rings: Rings, shape: tuple[int, int]) -> Mask:
    """The pixels inside an odd number of rings, each drawn by pycocotools."""
    found = pycoco.frPyObjects([ring.ravel().tolist() for ring in rings], *shape)
    inside = np.zeros(shape, np.uint8)
    for one in found:
        inside ^= pycoco.decode(one)
    return inside


def _rle(count: Count, sample: Sample) -> Trip:
    """There and back by the run lengths of every pixel."""
    text = _rle_text(sample.runs, sample.label)
    mask = _rle_mask(text, sample.shape)
    _check(np.array_equal(mask, sample.pixels), "an RLE of every pixel loses none")
    return Trip(count(text), mask)


def _small_rle(count: Count, grid: tuple[int, int], sample: Sample) -> Trip:
    """There and back by the run lengths of cells, sampled and painted by the nearest."""
    cells = sample.runs.cells(grid)
    if not cells.any():
        return LOST
    text = _rle_text(RunMask.from_mask(cells), sample.label)
    again = _rle_mask(text, grid)
    _check(np.array_equal(again, cells), "an RLE of cells loses none")
    return Trip(count(text), paint_cells(again, (0, 0), grid, sample.shape))


def _rle_text(runs: RunMask, label: str) -> str:
    return f"<ref>{label}</ref><seg>{runs.rle()['counts'].decode()}</seg>"


def _rle_mask(text: str, shape: tuple[int, int]) -> Mask:
    counts = text.partition("<seg>")[2].removesuffix("</seg>")
    return np.ascontiguousarray(pycoco.decode({"size": shape, "counts": counts.encode()}))


class Judge:
    """Compares masks to the one that they should be."""

    def __init__(self, truth: Mask) -> None:
        self.truth = truth
        self.area = np.count_nonzero(truth)
        self.reach = int(np.ceil(TOLERANCE * np.hypot(*truth.shape)))
        self.edge = boundary(truth)
        self.close = near(self.edge, self.reach)
        self.box = cv2.boundingRect(truth)

    def iou(self, mask: Mask) -> float:
        """Pixels set in both over those set in any."""
        both = np.count_nonzero(mask & self.truth)
        return both / (self.area + np.count_nonzero(mask) - both)

    def boundary_f(self, mask: Mask) -> float:
        """DAVIS's boundary measure: the F-score of boundary pixels that have one of the other near.

        As in ``f_boundary`` of davis2017-evaluation: precision is the share of the mask's own that
        are near to one of the truth's, recall the share of the truth's that are near to one of
        the mask's.
        """
        if not mask.any():
            return 0.0
        crop = self._crop(mask)
        edge, true_edge = boundary(mask[crop]), self.edge[crop]
        if not edge.any() or not true_edge.any():
            return float(edge.any() == true_edge.any())
        precision = np.count_nonzero(edge & self.close[crop]) / np.count_nonzero(edge)
        matched = np.count_nonzero(true_edge & near(edge, self.reach))
        recall = matched / np.count_nonzero(true_edge)
        total = precision + recall
        return 2 * precision * recall / total if total else 0.0

    def _crop(self, mask: Mask) -> tuple[slice, slice]:
        """Where either mask is, and a pixel around: beyond it there is no boundary."""
        boxes = np.array([self.box, cv2.boundingRect(mask)])
        left, top = np.maximum(0, boxes[:, :2].min(axis=0) - 1)
        right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0) + 1
        return slice(top, bottom), slice(left, right)


def boundary(mask: Mask) -> npt.NDArray[np.bool_]:
    """Pixels that differ from the one to the right, below, or right and below."""
    found = np.zeros(mask.shape, bool)
    found[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    found[:-1] |= mask[:-1] != mask[1:]
    found[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return found


def near(edge: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Pixels at most `reach` from one of an edge."""
    if not edge.any():
        return np.zeros(edge.shape, bool)
    away = cv2.distanceTransform((~edge).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return away <= reach


def _check(right: bool, what: str) -> None:
    if not right:
        raise RuntimeError(f"not so: {what}")
