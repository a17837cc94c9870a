"""Rings of vertices: their start, their direction and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Point: TypeAlias = tuple[int, int]
Ring: TypeAlias = tuple[Point, ...]

_MOST_DIRECTED = 2048  # rings; each is compared with all others, and no encoder writes more


def is_flat(ring: Sequence[Point]) -> bool:
    """Whether all vertices lie on one line, so that the ring encloses no area."""
    x, y = ring[0]
    far = next(((a, b) for a, b in ring if (a, b) != (x, y)), None)
    if far is None:
        return True
    across, down = far[0] - x, far[1] - y
    return all(across * (b - y) == down * (a - x) for a, b in ring)


def alike(ring: Sequence[Point]) -> Ring:
    """One form for all rings through the same vertices, in any direction and from any start."""
    bare = [point for k, point in enumerate(ring) if point != ring[k - 1]]
    return min(_started(bare), _started(bare[::-1]))


def canonical(rings: Iterable[Sequence[Point]]) -> tuple[Ring, ...]:
    """The rings as the encoder writes them, each once.

    A vertex that comes twice in a row is written once. A ring begins at its top vertex, the left
    one of several. It goes clockwise on the screen; counterclockwise if its first vertex lies
    inside an odd number of the other rings, as a hole does. Rings are sorted by their first
    vertices, top to bottom, then left to right.
    More than 2,048 rings all go clockwise.
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
        right = (x1 - x) * (y2 - y1) + (y - y1) * (x2 - x1)  # distance times the edge's height
        inside = np.count_nonzero(right * np.sign(y2 - y1) <= 0) % 2  # edges left of or on it
        directed.append(_started(ring[::-1]) if inside else ring)
    return tuple(directed)


def _started(ring: Sequence[Point]) -> Ring:
    """A ring from its top left vertex on; if that comes again, from where it goes on higher.

    This is the least rotation by (y, x), in time linear in the ring.
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
