"""From cells to pixels and to COCO's runs; and improve cells for painting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.kernels.compiler import kernel, numbers

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Cells, Index, Mask

_NIL, _UNSET, _FAR = numbers(0, -1, 1 << 60)
_SURROUNDED = numbers(-9)[0]
# The rows of a contour's scratch: 0 .. 3 have the bends of two rows of cells, and the distances
# there; then come both rows joined, the changes of two lines of pixels, and the rows in 0 .. 3.
_XS, _UPPER, _LOWER, _RISE, _FALL, _OLD, _NEW, _STATE, ROOM = numbers(*range(4, 13))
_BEGIN, _KNOWN, _POINTS = numbers(0, 1, 3)
_ROUNDS = 2  # of `improve_cells`: a third round finds almost nothing
_MOST_DISTANCE = 1 << 29  # in `improve_cells`, times the lines: twice of it fits 32 bits
_TRIES = 700  # in `improve_cells`, a microsecond each: nearly all real masks take fewer


@kernel
def paint(cells: Mask, y1: int, x1: int, row_edges: Index, column_edges: Index, out: Mask) -> None:
    """Paint cells as rectangles of pixels; their first cell is cell (y1, x1) of a canvas.

    Canvas row r covers the pixels ``row_edges[r]`` to ``row_edges[r + 1]``, exclusive.
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
    whole: Mask,
    row_mix: Index,
    column_mix: Index,
    line: Index,
    out: Mask,
) -> int:
    """Paint cells by bilinear interpolation between cell centres of the canvas, cut at one half.

    Returns the number of set pixels.

    ``row_mix[y]`` is (upper cell, lower cell, weight of the lower cell), the weight in units of
    1 / (2 * height); ``column_mix`` likewise. ``whole`` is scratch for the cells on the canvas and
    one cell around, ``line`` for one blended row of cells.
    """
    height, width = out.shape
    rows, columns = cells.shape
    whole[:] = 0
    whole[y1 : y1 + rows, x1 : x1 + columns] = cells
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
        for c in range(whole.shape[1]):
            line[c] = int(whole[upper, c]) * (2 * height - weight) + int(whole[lower, c]) * weight
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
    room: Index,
    out: Mask,
) -> int:
    """Paint cells by the distance of every point to the next end of a run, linear between rows.

    The first cell is cell (y1, x1) of a grid of (rows, columns), which lies on the pixels
    ``within``: top, left, height, width. In a row of cells, a point's distance to the nearest end
    of a run is positive inside runs and negative outside, at most the height of a cell. It is the
    most negative at all points of an empty row, and of the rows above and below the cells. The
    grid's left and right sides do not end runs. A pixel is set if its distance is not negative.
    ``room`` is scratch, (`ROOM`, 6 * columns + 16) for the columns of ``cells``. Returns the number
    of set pixels.
    """
    top, left, height, width = within
    out.reshape(out.size)[:] = 0
    count = _NIL
    first, last = _contour_lines(len(cells), y1, grid[0], height, room)
    for y in range(first, last):
        used = _contour_line(y, cells, y1, x1, grid, (height, width), room, _NEW)
        for k in range(0, used, 2):
            begin, end = left + room[_NEW, k], left + room[_NEW, k + 1]
            out[top + y, begin:end] = 1
            count += end - begin
    return count


@kernel
def contour_runs(
    cells: Mask,
    y1: int,
    x1: int,
    grid: tuple[int, int],
    within: tuple[int, int, int, int],
    size: tuple[int, int],
    room: Index,
    starts: Index,
    spans: Index,
    ends: Index,
) -> int:
    """Write the runs of the pixels that `paint_contour` sets; only the first run may be empty.

    A column changes its colour between two lines that differ there. A first pass counts the changes
    of each column, which gives their positions in ``ends``, and notes them in ``spans`` (n, 3); if
    there are more than n, a second pass finds them again. Returns the number of runs written; or
    the room needed, if ``ends`` is too short; or 0 if no pixel is set. ``room`` is scratch as in
    `paint_contour`, ``starts`` for one number more than the width of ``within``; ``size`` is the
    image's (height, width).
    """
    top, left, height, width = within
    starts[:] = 0
    noted = _NIL
    first, last = _contour_lines(len(cells), y1, grid[0], height, room)
    for turn in range(2):
        old, new = _OLD, _NEW
        before = _NIL
        for y in range(first, last + 1):
            used = _NIL
            if y < last:
                used = _contour_line(y, cells, y1, x1, grid, (height, width), room, new)
            i, j, begin = _NIL, _NIL, _UNSET
            while i < before or j < used:  # lines differ from each odd change to the next one
                if j == used or (i < before and room[old, i] <= room[new, j]):
                    end = room[old, i]
                    i += 1
                else:
                    end = room[new, j]
                    j += 1
                if begin < 0:
                    begin = end
                    continue
                if turn > 0:
                    _end_runs(begin, end, left * size[0] + top + y, size[0], starts, ends)
                else:
                    for x in range(begin, end):
                        starts[x + 1] += 1
                    if noted < len(spans):
                        spans[noted, 0], spans[noted, 1], spans[noted, 2] = begin, end, y
                    noted += 1
                begin = _UNSET
            old, new = new, old
            before = used
        if turn == 0:
            for x in range(width):
                starts[x + 1] += starts[x]
            count = int(starts[width])
            if count == 0:
                return 0
            if count >= len(ends):
                return count + 1
            if noted <= len(spans):
                for n in range(noted):
                    at = left * size[0] + top + spans[n, 2]
                    _end_runs(spans[n, 0], spans[n, 1], at, size[0], starts, ends)
                break
    if height == size[0]:  # a run that ends at the bottom may go on at the top
        kept = _NIL
        for k in range(count):
            if kept > 0 and ends[kept - 1] == ends[k]:
                kept -= 1
            else:
                ends[kept] = ends[k]
                kept += 1
        count = kept
    pixels = size[0] * size[1]
    if ends[count - 1] < pixels:
        ends[count] = pixels
        count += 1
    return count


@kernel
def _end_runs(begin: int, end: int, at: int, height: int, starts: Index, ends: Index) -> None:
    """Write a change of colour at pixel ``at + x * height`` of each column x, begin .. end - 1."""
    for x in range(begin, end):
        ends[starts[x]] = at + x * height
        starts[x] += 1


@kernel
def contour_overlap(
    cells: Mask, within: tuple[int, int, int, int], room: Index, mask: Mask
) -> tuple[int, int, int]:
    """Compare the pixels that `paint_contour` sets with a mask; the cells cover the whole grid.

    Only the part ``within`` counts. Returns the numbers of pixels set in both, in the painting, and
    in the mask.
    """
    top, left, height, width = within
    both, painted, area = _NIL, _NIL, _NIL
    first, last = _contour_lines(len(cells), _NIL, len(cells), height, room)
    for y in range(first, last):  # all lines
        area += _count_set(mask, top + y, left, left + width)
        used = _contour_line(y, cells, _NIL, _NIL, cells.shape, (height, width), room, _NEW)
        for k in range(0, used, 2):
            begin, end = left + room[_NEW, k], left + room[_NEW, k + 1]
            painted += end - begin
            both += _count_set(mask, top + y, begin, end)
    return both, painted, area


@kernel
def _count_set(mask: Mask, y: int, begin: int, end: int) -> int:
    """The number of set pixels of a row, from ``begin`` to ``end``, exclusive."""
    count = np.int32(0)
    for x in range(np.uint64(begin), np.uint64(end)):  # unsigned, to be vectorised
        count += np.int32(mask[y, x] != 0)
    return int(count)


@kernel
def _contour_lines(count: int, y1: int, rows: int, height: int, room: Index) -> tuple[int, int]:
    """The lines of pixels that ``count`` rows of cells can reach: first, and last exclusive.

    Prepares the scratch of `_contour_line`.
    """
    room[_STATE, :3] = -_FAR
    first = -(-((2 * y1 - 1) * height - rows) // (2 * rows))
    last = -(-((2 * (y1 + count) + 1) * height - rows) // (2 * rows))
    return max(first, 0), min(last, height)


@kernel
def _contour_line(
    y: int,
    cells: Mask,
    y1: int,
    x1: int,
    grid: tuple[int, int],
    size: tuple[int, int],
    room: Index,
    line: int,
) -> int:
    """Write the begins and ends of set pixels in a line, in turn; return their number.

    They go into row ``line`` of the scratch. Between two rows of cells, the distance is linear in x
    from each point of `_join_rows` to the next one.
    """
    rows, columns = grid
    height, width = size
    unit = columns * rows  # in units of 1 / (2 * unit) pixels, centres and points are integers
    centre = (2 * y + 1) * rows - height
    below = centre - room[_STATE, _BEGIN]
    if not 0 <= below < 2 * height:
        row = centre // (2 * height)
        step = 2 * width * rows
        scale = x1 * step, step, columns * step, 2 * columns * height
        _join_rows(cells, row - y1, scale, room)
        room[_STATE, _BEGIN] = row * 2 * height
        below = centre - room[_STATE, _BEGIN]
    above = 2 * height - below
    used = _NIL
    value = above * room[_UPPER, 0] + below * room[_LOWER, 0]
    if value >= 0:
        room[line, 0] = 0
        used += 1
    for k in range(1, room[_STATE, _POINTS]):
        after = above * room[_UPPER, k] + below * room[_LOWER, k]
        if (value < 0) != (after < 0):
            x, slope, at = room[_XS, k - 1], above * room[_RISE, k] + below * room[_FALL, k], value
            if after == 0:  # several pieces may end here
                x, slope, at = room[_XS, k], _NIL + 1, after
            elif value == 0:
                slope = _UNSET
            # The pixel nearest to the zero, up to the rounding of floats; corrected below.
            pixel = int((x - at / slope) / (2 * unit))
            inside = at + slope * ((2 * pixel + 1) * unit - x) >= 0
            room[line, used] = pixel + (inside if after < 0 else not inside)
            used += 1
        value = after
    if value >= 0:
        room[line, used] = width
        used += 1
    return used


@kernel
def _join_rows(cells: Mask, row: int, scale: tuple[int, int, int, int], room: Index) -> None:
    """Note the points where the distances of a row or of the next row bend, and both distances.

    Points between pieces inside runs of both rows are left out, and most points between pieces
    outside: no line of pixels changes its colour there.
    """
    for r in range(row, row + 2):
        if room[_STATE, _KNOWN + r % 2] != r:
            _bend(cells, r, scale, room, 2 * (r % 2))
            room[_STATE, _KNOWN + r % 2] = r
    first, second = 2 * (row % 2), 2 - 2 * (row % 2)
    room[_XS, 0] = 0
    room[_UPPER, 0], room[_LOWER, 0] = room[first + 1, 0], room[second + 1, 0]
    i, j, n, kind, before = _NIL + 1, _NIL + 1, _NIL + 1, _NIL, _NIL
    x = _NIL
    while x < scale[2]:
        x = min(room[first, i], room[second, j])
        above, below = room[first + 1, i], room[second + 1, j]
        rise = _sign(above - room[first + 1, i - 1])
        fall = _sign(below - room[second + 1, j - 1])
        above -= rise * (room[first, i] - x)
        below -= fall * (room[second, j] - x)
        i += room[first, i] == x
        j += room[second, j] == x
        now = _sign(room[_UPPER, n - 1] + above) + _sign(room[_LOWER, n - 1] + below)  # no sum is 0
        if now == kind and (kind > 0 or kind == before < 0):  # keep two pieces outside: where
            n -= 1  # they meet, both rows are below 0; at an end of a run, one row is 0
        else:
            before, kind = kind, now
        room[_XS, n], room[_UPPER, n], room[_LOWER, n] = x, above, below
        room[_RISE, n], room[_FALL, n] = rise, fall
        n += 1
    room[_STATE, _POINTS] = n


@kernel
def _sign(number: int) -> int:
    return int(number > 0) - int(number < 0)


@kernel
def _bend(cells: Mask, r: int, scale: tuple[int, int, int, int], room: Index, to: int) -> None:
    """Write the points where a row's distance bends, and the distances, across the grid.

    They go into rows ``to`` and ``to + 1`` of the scratch. The scale is (begin, step, side, most):
    cell c begins at ``begin + c * step``; the grid's sides are 0 and ``side``, and do not end runs;
    ``most`` is the largest distance.
    """
    begin, step, side, most = scale
    n = _NIL
    end = -_FAR  # the last end of a run
    sign = _UNSET
    if 0 <= r < len(cells):
        columns = cells.shape[1]
        c, colour = _NIL, False
        while True:
            while c < columns and (cells[r, c] != 0) == colour:
                c += 1
            x = begin + c * step
            if x == 0:
                sign = -sign
            elif x < side and (c < columns or colour):
                n = _bend_between(end, x, sign, side, most, n, room, to)
                room[to, n], room[to + 1, n] = x, 0
                n += 1
                end = x
                sign = -sign
            if c == columns:
                break
            colour = not colour
    _bend_between(end, _FAR, sign, side, most, n, room, to)


@kernel
def _bend_between(
    end: int, start: int, sign: int, side: int, most: int, n: int, room: Index, to: int
) -> int:
    """Write the bends between two ends of runs, or an end and a side, from index n on."""
    if end < 0:
        room[to, n], room[to + 1, n] = 0, sign * min(start, most)
        n += 1
    if start - end > 2 * most:
        if 0 < end + most < side:
            room[to, n], room[to + 1, n] = end + most, sign * most
            n += 1
        if 0 < start - most < side:
            room[to, n], room[to + 1, n] = start - most, sign * most
            n += 1
    else:
        room[to, n], room[to + 1, n] = (end + start) // 2, sign * ((start - end) // 2)
        n += 1
    if start > side:
        room[to, n], room[to + 1, n] = side, sign * min(side - end, most)
        n += 1
    return n


@kernel
def _measure_row(
    cells: Mask, r: int, scale: tuple[int, int, int, int, int], most: int, out: Index
) -> None:
    """Measure how far the points of a row are inside a run, in units of ``1 / (2 * unit)``.

    The distance is at most ``most``. The scale is (step, side, unit, first, last). Point x lies at
    ``(2 * x + 1) * unit``. Cell c begins at ``c * step``. The grid's sides are 0 and ``side``, and
    do not end runs. Points from first to last, exclusive, are measured.
    """
    step, side, unit, first, last = scale
    columns = cells.shape[1]
    x = first
    c = _NIL
    end = -_FAR  # of the run before
    while x < last:
        while c < columns and cells[r, c] == 0:
            c += 1
        start = c * step if c < columns else _FAR
        while x < last and (2 * x + 1) * unit < start:
            at = (2 * x + 1) * unit
            out[x] = -min(at - end, start - at, most)
            x += 1
        start = start if start > 0 else -_FAR
        while c < columns and cells[r, c] != 0:
            c += 1
        end = c * step
        stop = end if end < side else _FAR
        while x < last and (2 * x + 1) * unit < end:
            at = (2 * x + 1) * unit
            out[x] = min(at - start, stop - at, most)
            x += 1


@kernel
def improve_cells(
    cells: Mask, target: Cells, size: tuple[int, int], price: float, distances: Cells, line: Index
) -> int:
    """Flip cells until no flip brings the result of `paint_contour` nearer to a target.

    There are at most two rounds and `_TRIES` tries. The second round leaves out cells whose points
    are all right already.

    ``target`` is the mask at (lines, samples), evenly spaced points of a box of ``size`` pixels,
    (height, width). A cell is tried if one of its four neighbours differs. It stays flipped if the
    IoU grows by more than ``price`` for every run that the flip adds to its row. If no pixel is
    painted, the first IoU is that of nearest painting, to which decoding falls back. Scratch:
    ``distances`` for the points of every row and of three more rows; ``line`` for one row. Returns
    the number of flips.
    """
    rows, columns = cells.shape
    lines, samples = target.shape
    height, width = size
    # As in `paint_contour`, with samples as pixels; heights are in widths of samples.
    step = 2 * samples * rows
    most = min(max(2 * columns * height * samples // width, 1), _MOST_DISTANCE // lines)
    scale = step, columns * step, columns * rows, _NIL, samples
    distances[:] = -most
    for r in range(rows):
        _measure_row(cells, r, scale, most, line)
        distances[r + 1] = line[:samples]
    new = rows + 2
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
                old = r + 1
                left, right = _reach(cells, r, c, samples, step, most)
                _measure_row(cells, r, (*scale[:3], left, right), most, line)
                while left < right and line[left] == distances[old, left]:
                    left += 1
                while right > left and line[right - 1] == distances[old, right - 1]:
                    right -= 1
                for x in range(left, right):
                    distances[new, x] = line[x]
                added, matched = _NIL, _NIL
                begin, end = np.uint64(left), np.uint64(right)  # unsigned, to be vectorised
                for y in range(first, last):
                    row, share = _between(y, rows, lines)
                    other = row + 1 if row < r else row + 2
                    own = np.int32(share if row < r else 2 * lines - share)
                    rest = np.int32(2 * lines - own)
                    more_set, more_right = np.int32(0), np.int32(0)
                    for x in range(begin, end):
                        base = rest * distances[other, x]
                        after = np.int32(base + own * distances[new, x] >= 0)
                        change = after - np.int32(base + own * distances[old, x] >= 0)
                        more_set += change
                        more_right += change * target[y, x]
                    added += int(more_set)
                    matched += int(more_right)
                now = _iou(both + matched, painted + added, area)
                if now - iou > price * max(more, 0):
                    for x in range(left, right):
                        distances[old, x] = distances[new, x]
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
    """Whether all points of a target in a cell have the cell's colour."""
    rows, columns = cells.shape
    lines, samples = target.shape
    for y in range(r * lines // rows, (r + 1) * lines // rows):
        for x in range(c * samples // columns, (c + 1) * samples // columns):
            if target[y, x] != cells[r, c]:
                return False
    return True


@kernel
def _reach(cells: Mask, r: int, c: int, samples: int, step: int, most: int) -> tuple[int, int]:
    """The points of a row, first and behind the last, that a flip of its cell c may change.

    A cell is ``step`` wide; a flip changes nothing farther away than ``most``.
    """
    columns = cells.shape[1]
    low, high = max(c - 1, 0), min(c + 2, columns)  # the ends of runs that stay
    while low > 0 and cells[r, low - 1] == cells[r, low] and (c - low) * step < most:
        low -= 1
    while high < columns and cells[r, high] == cells[r, high - 1] and (high - c - 1) * step < most:
        high += 1
    first = (2 * low * samples - columns) // (2 * columns)
    last = (2 * high * samples + columns) // (2 * columns) + 1
    return max(first, 0), min(last, samples)


@kernel
def _nearest_iou(cells: Mask, target: Cells, area: int, index: Index) -> float:
    """The IoU of a target with ``area`` set points and of cells painted by the nearest."""
    rows, columns = cells.shape
    lines, samples = target.shape
    _nearest(columns, samples, index)
    both, painted = _NIL, _NIL
    step = rows / lines  # with the same sums as `_nearest`
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
    """Write the pixel of each cell, with the same sums as `masks.grid.nearest_index`."""
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
    """The row above a line, and the line's distance from it, in 1 / (2 * lines) of a row."""
    centre = (2 * y + 1) * rows - lines
    row = centre // (2 * lines)
    return row, centre - row * 2 * lines


@kernel
def _lines_of(r: int, rows: int, lines: int) -> tuple[int, int]:
    """The lines between the row above and the row below row r."""
    first = max(-(-((2 * r - 1) * lines - rows) // (2 * rows)), 0)
    last = min(-(-((2 * r + 3) * lines - rows) // (2 * rows)), lines)
    return first, last


@kernel
def _more_runs(cells: Mask, r: int, c: int) -> int:
    """The runs that a flip of a cell adds to its row; `_SURROUNDED` if all neighbours are equal."""
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
    """Write the runs of the pixels that `paint` sets; only the first run may be empty.

    Returns the number of runs; they are written only if there is room for all. ``column`` is
    scratch for the begins and ends of the set pixels in one column of cells.
    """
    rows, columns = cells.shape
    height, width = shape
    count = _NIL
    end = _UNSET  # the end of the last foreground run
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
