"""The outlines of a mask as COCO's polygons, exact to the pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskcodec.masks.arrays import Index, Mask


def polygons_of(mask: Mask, corner: tuple[int, int] = (0, 0)) -> list[list[float]]:
    """The polygons [x1, y1, x2, y2, ...] along the edges of a mask's pixels.

    Each connected part is one polygon; pixels that share only a corner are not connected. A hole
    is part of the polygon around it: a line leads to the hole and back the same way, and encloses
    nothing. pycocotools draws exactly the mask.

    Parameters
    ----------
    mask
        uint8 (height, width); nonzero is set.
    corner
        (x, y) of its first pixel.
    """
    padded = np.pad(mask != 0, 1)
    height = len(padded)
    loops, (ys, xs), columns = _loops(padded)
    parts: list[list[Index]] = []
    home: dict[int, int] = {}  # the part of each loop
    for number, nodes in enumerate(loops):
        y, x = int(ys[nodes[0]]), int(xs[nodes[0]])  # the leftmost of the topmost corners
        points = np.stack([xs[nodes], ys[nodes]], axis=1)
        if padded[y, x]:
            home[number] = len(parts)
            parts.append([points])
            continue
        # A hole: the set pixels above it reach left to an edge of an earlier loop of its part.
        row = padded[y - 1]
        start = x - int(np.argmin(row[x::-1])) + 1
        edge = np.searchsorted(columns[0], start * height + y - 1, side="right") - 1
        home[number] = home[int(columns[1][edge])]
        parts[home[number]].append(points)
    offset = np.array(corner) - 1
    return [(_joined(part) + offset).ravel().astype(float).tolist() for part in parts]


def rings_of(mask: Mask, *, holes: bool = True) -> list[Index]:
    """The rings (n, 2), x and y, along the edges of a mask's pixels: of parts, and of `holes`.

    A pixel is set if it is inside an odd number of all of them.
    """
    padded = np.pad(mask != 0, 1)
    loops, (ys, xs), _ = _loops(padded)
    chosen = (nodes for nodes in loops if holes or padded[ys[nodes[0]], xs[nodes[0]]])
    return [np.stack([xs[nodes], ys[nodes]], axis=1) - 1 for nodes in chosen]


def _loops(
    padded: npt.NDArray[np.bool_],
) -> tuple[list[Index], tuple[Index, Index], tuple[Index, Index]]:
    """The loops around the set pixels, from top to bottom and left to right.

    Returns
    -------
    loops
        The numbers of each loop's corners. The first is the leftmost of the topmost corners.
    places
        y and x of each corner: those of the pixel to its lower right.
    columns
        The positions of corners (x * height + y), sorted by column, and the loop of each.
    """
    height = len(padded)
    above, below = padded[:-1], padded[1:]
    turns = above[:, :-1] ^ above[:, 1:] ^ below[:, :-1] ^ below[:, 1:]
    falling = above[:, :-1] & below[:, 1:] & ~above[:, 1:] & ~below[:, :-1]
    rising = above[:, 1:] & below[:, :-1] & ~above[:, :-1] & ~below[:, 1:]
    crossing = falling | rising  # two corners at one point
    ys, xs = (part + 1 for part in np.nonzero(turns | crossing))
    count = 1 + crossing[ys - 1, xs - 1].astype(np.int64)
    side = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)  # 1: second corner
    turned = np.repeat(rising[ys - 1, xs - 1], count)
    ys, xs = np.repeat(ys, count), np.repeat(xs, count)
    rows = np.arange(len(ys))  # corners are sorted by rows: each pair is an edge
    down = np.lexsort((side ^ turned, ys, xs))
    across, along = np.empty_like(rows), np.empty_like(rows)
    across[rows[::2]], across[rows[1::2]] = rows[1::2], rows[::2]
    along[down[::2]], along[down[1::2]] = down[1::2], down[::2]
    loop = np.full(len(ys), -1)
    loops: list[Index] = []
    next_across, next_along = across.tolist(), along.tolist()
    for start in range(len(ys)):
        if loop[start] >= 0:
            continue
        nodes: list[int] = []
        at = start
        while not nodes or at != start:
            other = next_across[at]
            nodes += [at, other]
            at = next_along[other]
        loops.append(np.array(nodes))
        loop[loops[-1]] = len(loops) - 1
    return loops, (ys, xs), (xs[down] * height + ys[down], loop[down])


def _joined(part: list[Index]) -> Index:
    """An outline and its holes as one polygon: from the first point to each hole, and back."""
    outer, *holes = part
    pieces = [outer]
    for hole in holes:
        pieces += [outer[:1], hole, hole[:1]]
    return np.concatenate([*pieces, outer[:1]] if holes else pieces)
