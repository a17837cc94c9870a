"""Cells to pixels and to COCO's runs, and cells that are painted better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.kernels.compiler import kernel, numbers

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Cells, Index, Mask

_NIL, _UNSET, _FAR = numbers(0, -1, 1 << 60)
_SURROUNDED = numbers(-9)[0]
_ROUNDS = 2  # of `improve_cells`: a third finds next to nothing
_MOST_DISTANCE = 1 << 29  # of it, times the lines: what is twice that fits 32 bits
_TRIES = 700  # of it, at a microsecond each: more than nearly all real masks take


@kernel
def paint(cells: Mask, y1: int, x1: int, row_edges: Index, column_edges: Index, out: Mask) -> None:
    """Paint cells, whose corner is cell (y1, x1) of a canvas, as rectangles of pixels.

    Canvas row r covers the pixels ``row_edges[r]`` up to and without ``row_edges[r + 1]``.
    """
    rows, columns = cells.shape
    left, right = column_edges[x1], column_edges[x1 + columns]
    out[: row_edges[y1]] = 0
    out[row_edges[y1 + rows] :] = 0
    for r in range(rows):
        first, last = row_edges[y1 + r], row_edges[y1 + r + 1]
        if first == last:
            continue
        row, line = cells[r], out[first]
        begin = left
        line[:left] = 0
        for c in range(1, columns):
            if row[c] != row[c - 1]:
                end = column_edges[x1 + c]
                line[begin:end] = row[c - 1]
                begin = end
        line[begin:right] = row[columns - 1]
        line[right:] = 0
        for y in range(first + 1, last):
            out[y] = line


@kernel
def paint_smooth(
    cells: Mask,
    y1: int,
    x1: int,
    canvas: Mask,
    row_mix: Index,
    column_mix: Index,
    line: Index,
    out: Mask,
) -> int:
    """Paint cells by bilinear interpolation over the canvas's cell centres, cut at one half.

    Returns how many pixels are set.

    ``row_mix[y]`` is (upper cell, lower cell, weight of the lower one), the weight in units of
    1 / (2 * height); columns likewise. ``canvas`` is scratch for the cells in their place and
    one cell around, ``line`` for one blended row of them.
    """
    height, width = out.shape
    rows, columns = cells.shape
    canvas[:] = 0
    canvas[y1 : y1 + rows, x1 : x1 + columns] = cells
    half = 2 * height * width
    count = _NIL
    left = 0
    while left < width and column_mix[left, 1] < x1:
        left += 1
    right = width
    while right > left and column_mix[right - 1, 0] >= x1 + columns:
        right -= 1
    for y in range(height):
        upper, lower, weight = row_mix[y]
        out[y] = 0
        if lower < y1 or upper >= y1 + rows:
            continue
        for c in range(canvas.shape[1]):
            line[c] = int(canvas[upper, c]) * (2 * height - weight) + int(canvas[lower, c]) * weight
        for x in range(left, right):
            before, after, share = column_mix[x]
            mixed = line[before] * (2 * width - share) + line[after] * share
            out[y, x] = mixed >= half
            count += mixed >= half
    return count


@kernel
def paint_contour(
    cells: Mask,
    y1: int,
    x1: int,
    grid: tuple[int, int],
    within: tuple[int, int, int, int],
    distances: Index,
    out: Mask,
) -> int:
    """Paint cells by how far every point of a row is from the end of a run, linear between rows.

    The cells' corner is cell (y1, x1) of a grid of (rows, columns), which lies on the pixels
    ``within``: top, left, height, width. A point is as far inside a run, or outside, as it is from
    the nearest end, but at most the height of a cell; so far outside are all points of an empty
    row, and of the rows above and below the cells. The grid's left and right side end no run. Set
    is what is not outside. ``distances`` is scratch for two rows of pixels. Returns how many pixels
    are set.
    """
    rows, columns = grid
    top, left, height, width = within
    unit = columns * rows  # of 1 / (2 * unit) pixels, the centre of a pixel and an edge are whole
    step = 2 * width * rows
    most = 2 * columns * height
    first = max((2 * width * x1 - columns) // (2 * columns), 0)
    last = min((2 * width * (x1 + cells.shape[1]) + columns) // (2 * columns) + 1, width)
    scale = step, columns * step, unit, first, last
    out[:] = 0
    count = _NIL
    even, odd = _UNSET - 1, _UNSET - 1  # the rows that the two lines of distances are of
    for y in range(height):
        centre = (2 * y + 1) * rows - height
        row = centre // (2 * height)
        share = centre - row * 2 * height
        row -= y1
        if row < -1 or row >= len(cells):
            continue
        for r in range(row, row + 2):
            if r in (even, odd):
                continue
            line = distances[r % 2]
            even, odd = (r, odd) if r % 2 == 0 else (even, r)
            if 0 <= r < len(cells):
                _measure_row(cells[r], x1 * step, scale, most, line)
            else:
                line[:] = -most
        upper, lower = distances[row % 2], distances[(row + 1) % 2]
        pixels = out[top + y]
        for x in range(first, last):
            inside = (2 * height - share) * upper[x] + share * lower[x] >= 0
            pixels[left + x] = inside
            count += inside
    return count


@kernel
def _measure_row(
    row: Mask, begin: int, scale: tuple[int, int, int, int, int], most: int, out: Index
) -> None:
    """How far inside a run of a row its points are, in units of ``1 / (2 * unit)``; at most so far.

    The scale is (step, side, unit, first, last). Point x lies at ``(2 * x + 1) * unit``, cell c
    from ``begin + c * step`` on, and the grid's sides at 0 and ``side``, where no run ends. Points
    from first up to last are measured; those beyond the row are outside.
    """
    step, side, unit, first, last = scale
    columns = len(row)
    x = first
    c = _NIL
    end = -_FAR  # of the run before
    while x < last:
        while c < columns and row[c] == 0:
            c += 1
        start = begin + c * step if c < columns else _FAR
        while x < last and (2 * x + 1) * unit < start:
            at = (2 * x + 1) * unit
            out[x] = -min(at - end, start - at, most)
            x += 1
        start = start if start > 0 else -_FAR
        while c < columns and row[c] != 0:
            c += 1
        end = begin + c * step
        stop = end if end < side else _FAR
        while x < last and (2 * x + 1) * unit < end:
            at = (2 * x + 1) * unit
            out[x] = min(at - start, stop - at, most)
            x += 1


@kernel
def improve_cells(
    cells: Mask, target: Cells, size: tuple[int, int], price: float, distances: Cells, line: Index
) -> int:
    """Flip cells until none brings what `paint_contour` paints nearer to a target.

    At most two rounds, of which the second leaves out cells whose points are all right already,
    and `_TRIES`.

    ``target`` is the mask at (lines, samples), evenly spaced points of a box of ``size`` pixels,
    (height, width). A cell is tried where one of the four around it differs; it stays flipped
    where the IoU grows by more than ``price`` for every run that its row then has more. As long as
    nothing is painted, the IoU is that of the nearest, which is what decoding falls back to.
    Scratch: ``distances`` for the points of every row, one above, one below, and one more; ``line``
    for one row. Returns how many cells are flipped.
    """
    rows, columns = cells.shape
    lines, samples = target.shape
    height, width = size
    # As in `paint_contour`, with a sample for a pixel; heights are measured in its width.
    step = 2 * samples * rows
    most = min(max(2 * columns * height * samples // width, 1), _MOST_DISTANCE // lines)
    scale = step, columns * step, columns * rows, _NIL, samples
    distances[:] = -most
    for r in range(rows):
        _measure_row(cells[r], _NIL, scale, most, line)
        distances[r + 1] = line[:samples]
    new = distances[rows + 2]
    area, painted, both = _NIL, _NIL, _NIL
    for y in range(lines):
        row, share = _between(y, rows, lines)
        for x in range(samples):
            upper, lower = distances[row + 1, x], distances[row + 2, x]
            inside = (2 * lines - share) * upper + share * lower >= 0
            area += target[y, x]
            painted += inside
            both += inside and target[y, x] != 0
    iou = _iou(both, painted, area) if painted > 0 else _nearest_iou(cells, target, area, line)
    flips, tries = _NIL, _NIL
    for turn in range(_ROUNDS):
        before = flips
        for r in range(rows):
            first, last = _lines_of(r, rows, lines)
            for c in range(columns):
                more = _more_runs(cells, r, c)
                if more == _SURROUNDED or (turn > 0 and _is_right(cells, target, r, c)):
                    continue
                if tries == _TRIES:
                    return flips
                tries += 1
                cells[r, c] ^= 1
                old = distances[r + 1]
                left, right = _reach(cells[r], c, samples, step, most)
                _measure_row(cells[r], _NIL, (*scale[:3], left, right), most, line)
                new[left:right] = line[left:right]
                while left < right and new[left] == old[left]:
                    left += 1
                while right > left and new[right - 1] == old[right - 1]:
                    right -= 1
                added, matched = _NIL, _NIL
                for y in range(first, last):
                    row, share = _between(y, rows, lines)
                    other = distances[row + 1 if row < r else row + 2]
                    own = np.int32(share if row < r else 2 * lines - share)
                    rest = np.int32(2 * lines - own)
                    wanted = target[y]
                    for x in range(left, right):
                        base = rest * other[x]
                        change = int(base + own * new[x] >= 0) - int(base + own * old[x] >= 0)
                        added += change
                        matched += change * wanted[x]
                now = _iou(both + matched, painted + added, area)
                if now - iou > price * max(more, 0):
                    old[left:right] = new[left:right]
                    painted += added
                    both += matched
                    iou = now
                    flips += 1
                else:
                    cells[r, c] ^= 1
        if flips == before:
            break
    return flips


@kernel
def _is_right(cells: Mask, target: Cells, r: int, c: int) -> bool:
    """Whether all points of a target that lie in a cell have its colour."""
    rows, columns = cells.shape
    lines, samples = target.shape
    for y in range(r * lines // rows, (r + 1) * lines // rows):
        for x in range(c * samples // columns, (c + 1) * samples // columns):
            if target[y, x] != cells[r, c]:
                return False
    return True


@kernel
def _reach(row: Mask, c: int, samples: int, step: int, most: int) -> tuple[int, int]:
    """The points of a row, from the first up to the last, that a flip of its cell c may change.

    A cell is as wide as ``step``, and what is farther than ``most`` away changes nothing.
    """
    columns = len(row)
    low, high = max(c - 1, 0), min(c + 2, columns)  # the ends of runs that remain
    while low > 0 and row[low - 1] == row[low] and (c - low) * step < most:
        low -= 1
    while high < columns and row[high] == row[high - 1] and (high - c - 1) * step < most:
        high += 1
    first = (2 * low * samples - columns) // (2 * columns)
    last = (2 * high * samples + columns) // (2 * columns) + 1
    return max(first, 0), min(last, samples)


@kernel
def _nearest_iou(cells: Mask, target: Cells, area: int, index: Index) -> float:
    """The IoU of a target, of which so many points are set, and of cells painted by the nearest."""
    rows, columns = cells.shape
    lines, samples = target.shape
    _nearest(columns, samples, index)
    both, painted = _NIL, _NIL
    step = rows / lines  # added up as `_nearest` does
    at = step / 2
    for y in range(lines):
        row = cells[min(int(at), rows - 1)]
        for x in range(samples):
            inside = row[index[x]] != 0
            painted += inside
            both += inside and target[y, x] != 0
        at += step
    return _iou(both, painted, area)


@kernel
def _nearest(size: int, cells: int, index: Index) -> None:
    """Write the pixel that each cell looks at, added up as `masks.grid.nearest_index` does."""
    step = size / cells
    x = step / 2
    for c in range(cells):
        index[c] = min(int(x), size - 1)
        x += step


@kernel
def _iou(both: int, painted: int, area: int) -> float:
    union = area + painted - both
    return both / union if union > 0 else 0.0


@kernel
def _between(y: int, rows: int, lines: int) -> tuple[int, int]:
    """The row above a line, and how near it is to the next one, in 1 / (2 * lines) of a row."""
    centre = (2 * y + 1) * rows - lines
    row = centre // (2 * lines)
    return row, centre - row * 2 * lines


@kernel
def _lines_of(r: int, rows: int, lines: int) -> tuple[int, int]:
    """The lines that lie between the rows around row r."""
    first = max(-(-((2 * r - 1) * lines - rows) // (2 * rows)), 0)
    last = min(-(-((2 * r + 3) * lines - rows) // (2 * rows)), lines)
    return first, last


@kernel
def _more_runs(cells: Mask, r: int, c: int) -> int:
    """How many runs more a row has once a cell is flipped; `_SURROUNDED` by its own colour."""
    rows, columns = cells.shape
    colour = cells[r, c]
    left = cells[r, c - 1] if c > 0 else np.uint8(0)
    right = cells[r, c + 1] if c < columns - 1 else np.uint8(0)
    above = cells[r - 1, c] if r > 0 else np.uint8(0)
    below = cells[r + 1, c] if r < rows - 1 else np.uint8(0)
    if colour == left == right == above == below:
        return _SURROUNDED
    more = _NIL
    if c > 0:
        more += 1 if colour == left else -1
    if c < columns - 1:
        more += 1 if colour == right else -1
    return more


@kernel
def cell_runs(
    cells: Mask,
    y1: int,
    x1: int,
    row_edges: Index,
    column_edges: Index,
    shape: tuple[int, int],
    column: Index,
    ends: Index,
) -> int:
    """Write the runs of what `paint` would paint, none of them empty but for a first one.

    Returns how many there are, which are written only if there is room for all of them.
    ``column`` is scratch for where the pixels of one column of cells begin and end.
    """
    rows, columns = cells.shape
    height, width = shape
    count = _NIL
    end = _UNSET  # where the last run of the foreground ends
    for c in range(columns):
        left, right = column_edges[x1 + c], column_edges[x1 + c + 1]
        if left == right:
            continue
        used = _NIL
        for r in range(rows):
            top, bottom = row_edges[y1 + r], row_edges[y1 + r + 1]
            if cells[r, c] == 0 or top == bottom:
                continue
            if used > 0 and column[used - 1] == top:
                column[used - 1] = bottom
                continue
            column[used] = top
            column[used + 1] = bottom
            used += 2
        if used == 0:
            continue
        for x in range(left, right):
            pixel = x * height
            first = _NIL
            if pixel + column[0] == end:  # the last run goes on at the top of this column
                first += 1
                count -= 1
            if count + used - first <= len(ends):
                for k in range(first, used):
                    ends[count + k - first] = pixel + column[k]
            count += used - first
            end = pixel + column[used - 1]
    if end < height * width:
        if count < len(ends):
            ends[count] = height * width
        count += 1
    return count
