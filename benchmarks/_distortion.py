"""What `rate_distortion.py` compares: ways to write a mask as text and to draw the mask again.

A contender writes a mask as text, counts the tokens, and draws the mask that the text says. The
codecs are here, and what every contender is made of; polygons and COCO's run lengths are in
`_rivals.py`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from contourpy import contour_generator
from pycocotools import mask as pycoco
from tokenizers import AddedToken

import maskcodec as mc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from tokenizers import Tokenizer

    from maskcodec.coco import RunMask

    Mask = npt.NDArray[np.uint8]
    Rings = list[npt.NDArray[np.float64]]
    Count = Callable[[str], int]

# Settings: cells a side of the canvas, the most rows of scanlines, the most vertices of polygons.
GRIDS = 16, 24, 32, 48, 64, 80, 128
ROWS = 5, 6, 8, 11, 14, 16, 20, 24, 32, 48
FEW_ROWS = 8, 11, 16, 24
POINTS, FEW_POINTS = (8, 12, 16, 24, 32, 64), (16, 32)

CANVAS, KEEP, BEST = "B-SD", "scanlines, keep", "scanlines, best"
OUTLINES = "polygons"
TOKENS = "{}, location tokens"
SCANLINES = KEEP, BEST, TOKENS.format(KEEP), TOKENS.format(BEST)
PAPER, DEFAULT = (CANVAS, "64"), (KEEP, "11")


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
        check(np.array_equal(drawn(rings, self.shape), self.pixels), "an outline draws its mask")
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


class Counter:
    """Counts tokens by a tokenizer to which a codec's are added, and some more."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._plain = tokenizer
        self._made: dict[tuple[str, ...], Count] = {}

    def of(self, codec: mc.Codec, more: Sequence[str] = ()) -> Count:
        """How many tokens a text has; codecs with the same tokens have the same tokenizer."""
        words = *codec.vocabulary(), *more
        if words not in self._made:
            extended = copy.deepcopy(self._plain)
            mc.extend_tokenizer(codec, extended)
            extended.add_tokens([AddedToken(word, normalized=False) for word in more])
            self._made[words] = partial(_length, extended)
        return self._made[words]


def _length(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode_batch_fast([text], add_special_tokens=False)[0])


def of_codecs(counter: Counter) -> list[Contender]:
    """The codecs, family by family."""
    add = partial(_of_codec, counter)
    found = [
        *add(CANVAS, "grid", GRIDS, mc.BSD),
        *add("B-SD, keep and smooth", "grid", GRIDS, partial(mc.BSD, sampling="keep"), "smooth"),
        *add("B-SD, no bricks", "grid", [64], partial(mc.BSD, bricks=False)),
        *add("scanlines, nearest", "rows", FEW_ROWS, partial(mc.Scanlines, sampling="nearest")),
        *add("scanlines, keep, painted nearest", "rows", FEW_ROWS, mc.Scanlines, "nearest"),
    ]
    for family, sampling in ((KEEP, "keep"), (BEST, "best")):
        for name, coordinates in ((family, "digits"), (TOKENS.format(family), "tokens")):
            make = partial(mc.Scanlines, sampling=sampling, coordinates=coordinates)
            found += add(name, "rows", ROWS, make)
    for name, coordinates in ((OUTLINES, "digits"), (TOKENS.format(OUTLINES), "tokens")):
        found += add(name, "points", POINTS, partial(mc.Polygons, coordinates=coordinates))
    for spelling in ("simpleseg", "gemini", "florence2"):
        make = partial(mc.Polygons, spelling=spelling)
        found += add(f"{OUTLINES}, {spelling}", "points", FEW_POINTS, make)
    return [
        *found,
        *add("R-RLE", "grid", [16, 32, 64], mc.RRLE),
        *add("I-RLE", "grid", [16, 32], mc.IRLE),
        *add("I-SD", "grid", [16], mc.ISD),
    ]


def _of_codec(
    counter: Counter,
    family: str,
    setting: str,
    values: Sequence[int],
    make: Callable[..., mc.Codec],
    method: str | None = None,
) -> list[Contender]:
    """A family of one codec, whose `setting` takes some values; `method` is the way back."""
    found = []
    for value in values:
        codec = make(**{setting: value})
        trip = partial(_by_codec, counter.of(codec), method, codec)
        found.append(Contender(family, str(value), trip))
    return found


def _by_codec(count: Count, method: str | None, codec: Any, sample: Sample) -> Trip:
    """There and back by one of our codecs, whose text must say the cells that were sampled."""
    try:
        text = codec.encode(sample.runs, sample.label)
    except mc.LostMaskError:
        return LOST
    if codec.has_instances:
        (found,) = codec.decode(text)
        right = codec.encode_regions([found]) == text
        right &= isinstance(codec, mc.Polygons) or _says(codec, found, sample)
        mask = found.mask(sample.shape, method=method)
    else:
        grid = codec.decode(text)
        cells = sample.runs.cells(codec.canvas, codec.sampling)
        right = np.array_equal(grid.mask(sample.label, codec.canvas), cells)
        mask = grid.mask(sample.label, sample.shape)
    check(right, f"{codec} decodes to the cells that it wrote")
    return Trip(count(text), mask)


def _says(codec: mc.BSD | mc.Scanlines, region: mc.Region, sample: Sample) -> bool:
    """Whether a region has the label and the cells that were sampled, where they were."""
    if region.label != sample.label:
        return False
    frame = codec.frame
    if frame is None:
        cells = sample.runs.cells(codec.canvas, codec.sampling)
        return np.array_equal(region.mask(codec.canvas), cells)  # a pixel a cell
    framed = frame.sample(sample.runs, codec.sampling)
    return region.box == framed.box and np.array_equal(region.cells, framed.cells)


def drawn(rings: Rings, shape: tuple[int, int]) -> Mask:
    """The pixels inside an odd number of rings, each drawn by pycocotools."""
    found = pycoco.frPyObjects([ring.ravel().tolist() for ring in rings], *shape)
    inside = np.zeros(shape, np.uint8)
    for one in found:
        inside ^= pycoco.decode(one)
    return inside


def check(right: bool, what: str) -> None:
    """Stop where something that the figures stand on is not so."""
    if not right:
        raise RuntimeError(f"not so: {what}")
