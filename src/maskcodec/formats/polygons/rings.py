"""Rings of vertices: their start, their direction and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Point: TypeAlias = tuple[int, int]
Ring: TypeAlias = tuple[Point, ...]

_MOST_DIRECTED = 2048  # rings, each of which is compared with all others; no encoder writes more


def is_flat(ring: Sequence[Point]) -> bool:
    """Whether all vertices lie on one line, so that they enclose nothing."""
    x, y = ring[0]
    far = next(((a, b) for a, b in ring if (a, b) != (x, y)), None)
    if far is None:
        return True
    across, down = far[0] - x, far[1] - y
    return all(across * (b - y) == down * (a - x) for a, b in ring)


def alike(ring: Sequence[Point]) -> Ring:
    """What all rings become that go through the same vertices, in whichever direction."""
    bare = [point for k, point in enumerate(ring) if point != ring[k - 1]]
    return min(_started(bare), _started(bare[::-1]))


def canonical(rings: Iterable[Sequence[Point]]) -> tuple[Ring, ...]:
    """The same rings as the encoder writes them, each of them once.

    A vertex that comes twice in a row is written once. A ring begins at its top vertex, the left
    one of several. It goes clockwise, as the image is
    seen; counterclockwise, if that vertex lies inside an odd number of the others, as that of a
    hole does. Rings come in the order of their beginnings.
    Of more than 2,048 rings all go clockwise.
    """
    found = sorted(map(_clockwise, {alike(ring): None for ring in rings}), key=_down)
    if not 1 < len(found) <= _MOST_DIRECTED:
        return tuple(found)
    of = np.repeat(np.arange(len(found)), [len(ring) for ring in found])
    begin = np.array([point for ring in found for point in ring])
    end = np.array([point for ring in found for point in (*ring[1:], ring[0])])
    directed = []
    for number, ring in enumerate(found):
        x, y = ring[0]
        across = ((begin[:, 1] <= y) != (end[:, 1] <= y)) & (of != number)
        (x1, y1), (x2, y2) = begin[across].T, end[across].T
        right = (x1 - x) * (y2 - y1) + (y - y1) * (x2 - x1)  # how far, times the height
        inside = np.count_nonzero(right * np.sign(y2 - y1) <= 0) % 2  # edges left of it, or on it
        directed.append(_started(ring[::-1]) if inside else ring)
    return tuple(directed)


def _started(ring: Sequence[Point]) -> Ring:
    """A ring from its first vertex on: one that comes again is that which goes on the higher.

    The least rotation, in time linear in the ring.
    """
    down, size = _down(ring), len(ring)
    one, other, same = 0, 1, 0
    while one < size and other < size and same < size:
        here, there = down[(one + same) % size], down[(other + same) % size]
        if here == there:
            same += 1
            continue
        if here > there:
            one += same + 1
        else:
            other += same + 1
        other += one == other
        same = 0
    start = min(one, other)
    return (*ring[start:], *ring[:start])


def _down(ring: Sequence[Point]) -> list[Point]:
    return [(y, x) for x, y in ring]


def _clockwise(ring: Ring) -> Ring:
    ahead = (*ring[1:], ring[0])
    area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, ahead, strict=True))
    return _started(ring[::-1]) if area < 0 else ring
