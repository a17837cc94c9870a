"""Reduce the vertices of an outline: leave some out, and move the others.

A pixel is inside a polygon if it is inside an odd number of its rings. So moving a vertex flips the
pixels between the old and the new pair of its edges, and leaving a vertex out flips a triangle.
`gains` sums +1 for each right pixel and -1 for each wrong pixel along each row: the cost of a flip
follows from the columns where the edges cross the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.kernels.compiler import kernel, numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskcodec.masks.arrays import Cells, Index

    Places = npt.NDArray[np.float64]

_ONE_BY_ONE = 1024  # up to this number of vertices, the cheapest is left out each time
_THREE, _FOUR = numbers(3, 4)
LOOK, FLIP = numbers(0, 1)  # what `flip` does to `gains`
_UNSET = numbers(-1)[0]
_SWEEPS = 60  # the most passes over all vertices for each step size


@kernel
def flip(xs: Places, ys: Places, count: int, gains: Cells, stride: int, change: int) -> int:
    """The increase of wrong pixels if the inside of a polygon of up to 4 vertices is flipped.

    `gains` has a row for each `stride` rows, which is cut at its middle. `change` is `LOOK`, or
    `FLIP` to flip `gains`.
    """
    rows, columns = gains.shape[0], gains.shape[1] - 1
    low, high = ys[0], ys[0]
    for k in range(1, count):
        low, high = min(low, ys[k]), max(high, ys[k])
    first = max(int(np.ceil(low / stride - 0.5)), 0)
    last = min(int(np.ceil(high / stride - 0.5)), rows)
    total = 0
    at = np.empty(4, np.int64)
    for row in range(first, last):
        middle = (row + 0.5) * stride
        found = 0
        for k in range(count):
            j = k + 1 if k + 1 < count else 0
            if (ys[k] <= middle) != (ys[j] <= middle):
                x = xs[k] + (middle - ys[k]) * (xs[j] - xs[k]) / (ys[j] - ys[k])
                column = min(max(int(np.ceil(x - 0.5)), 0), columns)
                place = found
                while place > 0 and at[place - 1] > column:
                    at[place] = at[place - 1]
                    place -= 1
                at[place] = column
                found += 1
        for k in range(0, found, 2):
            begin, end = at[k], at[k + 1]
            total += gains[row, end] - gains[row, begin]
            if change == FLIP and end > begin:
                before = gains[row, begin]
                for column in range(begin + 1, end + 1):
                    gains[row, column] = 2 * before - gains[row, column]
                moved = 2 * (gains[row, end] - before)
                for column in range(end + 1, columns + 1):
                    gains[row, column] += moved
    return total


@kernel
def count_crossings(x: Places, y: Places, after: Index, counts: Cells, stride: int) -> None:
    """Count the edges of rings that cross each row of `flip` before each of its columns."""
    rows, columns = counts.shape[0], counts.shape[1] - 1
    for k in range(len(x)):
        j = after[k]
        low, high = min(y[k], y[j]), max(y[k], y[j])
        first = max(int(np.ceil(low / stride - 0.5)), 0)
        last = min(int(np.ceil(high / stride - 0.5)), rows)
        for row in range(first, last):
            middle = (row + 0.5) * stride
            if (y[k] <= middle) != (y[j] <= middle):
                place = x[k] + (middle - y[k]) * (x[j] - x[k]) / (y[j] - y[k])
                counts[row, min(max(int(np.ceil(place - 0.5)), 0), columns)] += 1


@kernel
def _three(
    x: Places, y: Places, a: int, b: int, c: int, gains: Cells, stride: int, change: int
) -> int:
    xs, ys = np.empty(4), np.empty(4)
    xs[0], xs[1], xs[2] = x[a], x[b], x[c]
    ys[0], ys[1], ys[2] = y[a], y[b], y[c]
    return flip(xs, ys, _THREE, gains, stride, change)


@kernel
def leave_out(
    x: Places, y: Places, after: Index, before: Index, most: int, gains: Cells, stride: int
) -> int:
    """Leave vertices out, the cheapest first, until `most` are left; return the number left.

    A ring of three vertices is left out as a whole. `after` and `before` are the neighbours of each
    vertex; -1 in `after` marks a vertex that is left out.
    """
    count = len(x)
    cost = np.empty(count, np.float64)
    left, limit = 0, 0.0
    for k in range(count):
        left += after[k] >= 0
    if left <= most:
        return left
    for k in range(count):
        if after[k] >= 0:
            cost[k] = _cost(x, y, after, before, k, gains, stride)
    while left > max(most, _ONE_BY_ONE):  # all cheap vertices in one pass
        limit = 2 * limit + 0.5
        for k in range(count):
            if left <= max(most, _ONE_BY_ONE):
                break
            if after[k] >= 0 and cost[k] <= limit:
                left -= _gone(x, y, after, before, cost, k, gains, stride)
    while left > most:
        cheapest = _UNSET
        for k in range(count):
            if after[k] >= 0 and (cheapest < 0 or cost[k] < cost[cheapest]):
                cheapest = k
        left -= _gone(x, y, after, before, cost, cheapest, gains, stride)
    return left


@kernel
def _cost(
    x: Places, y: Places, after: Index, before: Index, k: int, gains: Cells, stride: int
) -> float:
    a, c = before[k], after[k]
    area = abs((x[k] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[k] - y[a])) / 2
    price: float = _three(x, y, a, k, c, gains, stride, LOOK) * stride + 0.01 * area
    return price / 3 if after[c] == a else price


@kernel
def _gone(
    x: Places,
    y: Places,
    after: Index,
    before: Index,
    cost: Places,
    k: int,
    gains: Cells,
    stride: int,
) -> int:
    a, c = before[k], after[k]
    _three(x, y, a, k, c, gains, stride, FLIP)
    after[k] = -1
    if after[c] == a:
        after[a] = after[c] = -1
        return 3
    after[a], before[c] = c, a
    cost[a] = _cost(x, y, after, before, a, gains, stride)
    cost[c] = _cost(x, y, after, before, c, gains, stride)
    return 1


@kernel
def put(
    x: Places,
    y: Places,
    numbers: Index,
    after: Index,
    before: Index,
    across: Places,
    down: Places,
    gains: Cells,
    stride: int,
) -> None:
    """Move every vertex to the position of its numbers."""
    xs, ys = np.empty(4), np.empty(4)
    for k in range(len(x)):
        if after[k] >= 0:
            a, c = before[k], after[k]
            xs[0], xs[1], xs[2], xs[3] = x[a], x[k], x[c], across[numbers[k, 0]]
            ys[0], ys[1], ys[2], ys[3] = y[a], y[k], y[c], down[numbers[k, 1]]
            flip(xs, ys, _FOUR, gains, stride, FLIP)
            x[k], y[k] = xs[3], ys[3]


@kernel
def settle(
    x: Places,
    y: Places,
    numbers: Index,
    after: Index,
    before: Index,
    across: Places,
    down: Places,
    step: int,
    gains: Cells,
    stride: int,
) -> int:
    """Move each vertex by a step while that helps, then by half the step, and so on.

    Returns the increase of wrong pixels, 0 or below. `numbers` (n, 2) are the numbers that are
    written for each vertex; `across` and `down` are the positions of these numbers.
    """
    xs, ys = np.empty(4), np.empty(4)
    total = 0
    while step > 0:
        for _ in range(_SWEEPS):
            moved = False
            for k in range(len(x)):
                if after[k] < 0:
                    continue
                a, c = before[k], after[k]
                xs[0], xs[1], xs[2] = x[a], x[k], x[c]
                ys[0], ys[1], ys[2] = y[a], y[k], y[c]
                best, column, line = 0, 0, 0
                for way in range(9):
                    n = numbers[k, 0] + (way % 3 - 1) * step
                    m = numbers[k, 1] + (way // 3 - 1) * step
                    if way == 4 or not (0 <= n < len(across) and 0 <= m < len(down)):
                        continue
                    xs[3], ys[3] = across[n], down[m]
                    change = flip(xs, ys, _FOUR, gains, stride, LOOK)
                    if change < best:
                        best, column, line = change, n, m
                if best < 0:
                    xs[3], ys[3] = across[column], down[line]
                    flip(xs, ys, _FOUR, gains, stride, FLIP)
                    numbers[k, 0], numbers[k, 1] = column, line
                    x[k], y[k] = across[column], down[line]
                    total += best
                    moved = True
            if not moved:
                break
        step //= 2
    return total
