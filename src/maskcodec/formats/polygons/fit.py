"""Fit polygons of few vertices to a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.formats.polygons.rings import canonical, is_flat
from maskcodec.kernels import outlining
from maskcodec.masks.grid import sample_mask
from maskcodec.masks.outlines import rings_of
from maskcodec.masks.runs import RunMask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from maskcodec.formats.polygons.rings import Ring
    from maskcodec.formats.polygons.scale import Scale
    from maskcodec.masks.arrays import Index, IntegerArray
    from maskcodec.masks.grid import Part

    Places = npt.NDArray[np.float64]

_MOST = 1024  # outlines are traced at up to this many points a side
_LINES = 256  # polygons are compared on up to this many rows of them
_MARGIN = 4  # vertices may leave the outline's box by this many points
_PARTS = 16  # a vertex is moved by this part of the object's size at first
_NUDGE = 1  # a kept vertex of an annotation is moved by up to this many numbers
_SLACK = 0.5  # an annotation may leave its image by this many pixels


def outlines(mask: IntegerArray | RunMask, which: str = "all") -> list[Places]:
    """The rings of a mask: float64 (n, 2) each, x and y in pixels.

    `which` is ``"all"``, ``"outer"``, or ``"largest"`` for the outer ring of the largest area. The
    rings are an annotation's polygons if the mask has some, which do not overlap, and if these stay
    within half a pixel of the image. Otherwise they follow the edges of pixels. Of a side longer
    than 1,024 pixels, 1,024 places are sampled.
    """
    height, width = mask.shape
    if isinstance(mask, RunMask) and mask._polygons is not None:
        rings = [polygon.reshape(-1, 2) for polygon in mask._polygons]
        points = np.concatenate(rings)
        if points.min() >= -_SLACK and (points <= np.array([width, height]) + _SLACK).all():
            return _largest(rings) if which == "largest" else rings
    top, left, rows, columns = part = _part(mask)
    if rows == 0:
        return []
    grid = min(rows, _MOST), min(columns, _MOST)
    cells = sample_mask(mask, grid, "nearest", part)
    step = np.array([columns / grid[1], rows / grid[0]])
    traced = rings_of(cells, holes=which == "all")
    kept = _largest(traced) if which == "largest" else traced
    return [ring * step + (left, top) for ring in kept]


def _largest(rings: Sequence[Any]) -> list[Any]:
    def area(ring: Any) -> float:
        (x, y), (ahead, down) = ring.T, np.roll(ring, -1, axis=0).T
        return abs(float((x * down - ahead * y).sum()))

    return [max(rings, key=area)]


def fitted(
    mask: IntegerArray | RunMask, rings: Sequence[Places], most: int, scale: Scale
) -> tuple[Ring, ...]:
    """Rings of at most `most` vertices together, on a scale, that enclose nearly the mask.

    If there are too many vertices, they are left out one by one, from any ring: each time the
    vertex whose loss flips the fewest pixels. Then each other vertex moves while that makes fewer
    pixels wrong.

    Parameters
    ----------
    mask, rings
        A mask and its `outlines`, in pixels.
    most
        The most vertices, at least 4.
    scale
        The values of a coordinate.
    """
    if not rings:
        return ()
    sides = mask.shape[1], mask.shape[0]
    points = np.concatenate(rings)
    counts = np.array([len(ring) for ring in rings])
    numbers = np.stack([scale.numbers(points[:, k], sides[k]) for k in (0, 1)], axis=1)
    after = _settled(mask, points, counts, numbers, most, scale)
    kept = [ring for ring in _linked(numbers, after) if not is_flat(ring)]
    return canonical(kept or [_around(points, scale, sides)])


def _settled(
    mask: IntegerArray | RunMask,
    points: Places,
    counts: Index,
    numbers: Index,
    most: int,
    scale: Scale,
) -> Index:
    """Choose vertices and move them; returns the index of each one's next, -1 if left out.

    The moved vertices are written into `numbers`.
    """
    sides = np.array(mask.shape[::-1])
    top, left, height, width = _part(mask)
    low = np.clip(np.floor(points.min(axis=0)), 0, sides - 1).astype(np.int64)
    low = np.minimum(low, (left, top))
    high = np.clip(np.ceil(points.max(axis=0)), 1, sides).astype(np.int64)
    size = np.maximum(high, (left + width, top + height)) - low
    columns, rows = np.minimum(size, _MOST)  # points of the part that is compared
    part = int(low[1]), int(low[0]), int(size[1]), int(size[0])
    target = np.pad(sample_mask(mask, (int(rows), int(columns)), "nearest", part), _MARGIN)
    stride = -(-len(target) // _LINES)
    lines = np.arange(stride // 2, len(target), stride)
    zoom = (columns, rows) / size
    x, y = np.ascontiguousarray(((points - low) * zoom + _MARGIN).T)
    starts = np.repeat(counts.cumsum() - counts, counts)
    place = np.arange(len(points)) - starts
    length = np.repeat(counts, counts)
    after, before = starts + (place + 1) % length, starts + (place - 1) % length
    gains = np.zeros((len(lines), target.shape[1] + 1), np.int32)
    outlining.count_crossings(x, y, after, gains, stride)
    wrong = (gains.cumsum(axis=1)[:, :-1] & 1) != target[lines]
    gains[:, 0] = 0
    gains[:, 1:] = np.where(wrong, -1, 1).cumsum(axis=1)
    few = len(points) <= most
    outlining.leave_out(x, y, after, before, most, gains, stride)
    across, down = (
        (scale.places(np.arange(scale.size), sides[k]) - low[k]) * zoom[k] + _MARGIN for k in (0, 1)
    )
    settings = x, y, numbers, after, before, across, down
    outlining.put(*settings, gains, stride)
    extent = (size * scale.steps / sides).max() / _PARTS
    step = _NUDGE if few else 1 << int(np.log2(max(extent, 1)))
    outlining.settle(*settings, step, gains, stride)
    return after


def _linked(numbers: Index, after: Index) -> list[list[tuple[int, int]]]:
    """The rings of vertices, from the index of each vertex's next one, -1 if left out."""
    following, points = after.tolist(), numbers.tolist()
    rings = []
    for start in range(len(points)):
        ring, at = [], start
        while following[at] >= 0:
            ring.append(tuple(points[at]))
            following[at], at = -1, following[at]
        if ring:
            rings.append(ring)
    return rings


def _around(points: Places, scale: Scale, sides: tuple[int, int]) -> Ring:
    """The smallest box on the scale around points that are closer than one step."""
    ends = []
    for k in (0, 1):
        low, high = points[:, k].min(), points[:, k].max()
        first, last = scale.numbers(np.array([low, high]), sides[k]).tolist()
        if first == last:
            (place,) = scale.places(np.array([first]), sides[k]).tolist()
            up = (place < (low + high) / 2 and last < scale.size - 1) or first == 0
            first, last = (first, last + 1) if up else (first - 1, last)
        ends.append((first, last))
    (x1, x2), (y1, y2) = ends
    return (x1, y1), (x2, y1), (x2, y2), (x1, y2)


def _part(mask: IntegerArray | RunMask) -> Part:
    """The box (top, left, height, width) around the set pixels; all 0 if no pixel is set."""
    if isinstance(mask, RunMask):
        x, y, width, height = mask.bbox
        return y, x, height, width
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    top, left = int(rows[0]), int(columns[0])
    return top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1
