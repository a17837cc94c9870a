"""A mask as its parts are scored: runs, box, edge, and what is near the edge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maskcodec.kernels import edges, rle
from maskcodec.kernels import sampling as k

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Index
    from maskcodec.masks.runs import RunMask

_REACH = 0.008  # of the diagonal, as DAVIS has it


class Measured(NamedTuple):
    """A mask, and what one look at its runs says.

    Attributes
    ----------
    shape
        (height, width) of the image.
    ends
        Where its runs end.
    area
        How many pixels are set.
    corners
        (x1, y1, x2, y2): the first and last column and row with a pixel, -1 where there is none.
    """

    shape: tuple[int, int]
    ends: Index
    area: int
    corners: tuple[int, int, int, int]


class Edge(NamedTuple):
    """The edge of a mask, as `maskcodec.kernels.edges` has it.

    Attributes
    ----------
    length
        How many pixels it has.
    pixels, near
        Maps of the edge, and of what is near it.
    place
        Where both maps lie.
    """

    length: int
    pixels: Index
    near: Index
    place: tuple[int, int]


def measured(runs: RunMask) -> Measured:
    """What one look at the runs says."""
    area, x1, y1, x2, y2 = map(int, k.measure_runs(runs._ends, runs.shape[0]))
    return Measured(runs.shape, runs._ends, area, (x1, y1, x2, y2))


def edge_of(mask: Measured) -> Edge:
    """The edge of a mask with a pixel: its pixels beside one that is not set, or beside the image.

    Near is what is at most 0.8 % of the image's diagonal away, rounded up, each way.
    """
    height, width = mask.shape
    reach = math.ceil(_REACH * math.hypot(height, width))
    x1, y1, x2, y2 = mask.corners
    top, left = max(y1 - reach, 0) // _BITS, max(x1 - reach, 0)
    words = min(y2 + reach, height - 1) // _BITS + 1 - top
    columns = min(x2 + reach, width - 1) + 1 - left
    maps = np.empty((3, words, columns), np.int64)
    length, near = edges.trace_edge(mask.ends, height, (top, left), reach, maps)
    return Edge(int(length), maps[1], maps[near], (top, left))


def overlap(first: Measured, second: Measured) -> float:
    """The IoU of two masks of one image, 0 .. 1; 0 where one has no pixel."""
    a, b = first.corners, second.corners
    if a[0] > b[2] or b[0] > a[2] or a[1] > b[3] or b[1] > a[3] or not (first.area and second.area):
        return 0.0
    both = int(rle.shared_runs(first.ends, second.ends))
    return both / (first.area + second.area - both)


def edge_score(first: Edge, second: Edge) -> float:
    """The boundary F of two edges, 0 .. 1: the harmonic mean of how much of each is near the other.

    DAVIS's figure (Perazzi et al., CVPR 2016), with squares in the place of discs.
    """
    hits = int(edges.shared_bits(first.pixels, first.place, second.near, second.place))
    found = int(edges.shared_bits(second.pixels, second.place, first.near, first.place))
    precision, recall = hits / first.length, found / second.length
    return 2 * precision * recall / (precision + recall) if hits and found else 0.0


_BITS = int(edges.BITS)
