"""Cells to pixels and to COCO's runs, and cells that are painted better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.kernels.compiler import kernel, numbers

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Cells, Index, Mask

_NIL, _UNSET, _FAR = numbers(0, -1, 1 << 60)
_SURROUNDED = numbers(-9)[0]
# What the scratch of a contour holds: where two rows bend, and how far inside they are there, what
# these make together, the changes of two lines, and what the first four are of.
_XS, _UPPER, _LOWER, _RISE, _FALL, _OLD, _NEW, _STATE, ROOM = numbers(*range(4, 13))
_BEGIN, _KNOWN, _POINTS = numbers(0, 1, 3)
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
    whole: Mask,
    row_mix: Index,
    column_mix: Index,
    line: Index,
    out: Mask,
) -> int:
    """Paint cells by bilinear interpolation over the canvas's cell centres, cut at one half.

    Returns how many pixels are set.

    ``row_mix[y]`` is (upper cell, lower cell, weight of the lower one), the weight in units of
    1 / (2 * height); columns likewise. ``whole`` is scratch for the cells in their place and
    one cell around, ``line`` for one blended row of them.
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
    """Paint cells by how far every point of a row is from the end of a run, linear between rows.

    The cells' corner is cell (y1, x1) of a grid of (rows, columns), which lies on the pixels
    ``within``: top, left, height, width. A point is as far inside a run, or outside, as it is from
    the nearest end, but at most the height of a cell; so far outside are all points of an empty
    row, and of the rows above and below the cells. The grid's left and right side end no run. Set
    is what is not outside. ``room`` is scratch, (`ROOM`, 6 * columns + 16) for cells of so many
    columns. Returns how many pixels are set.
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
    """Write the runs of what `paint_contour` would paint, none of them empty but for a first one.

    A column changes its colour where one line is set and the next one is not, or the other way
    round. So the changes are counted by column, which says where those of each one go. They are
    noted in ``spans`` (n, 3), or found again if there are more than n. Returns how many runs there
    is to be room for, or are written if there is; 0 if nothing is set. ``room`` is scratch as
    there, ``starts`` for one more number than the width of ``within``, ``size`` is the image's
    (height, width).
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
            while i < before or j < used:  # between an odd one and the next one lines differ
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
    """Write that in some columns a run ends: ``at``, and so many pixels more for each column."""
    for x in range(begin, end):
        ends[starts[x]] = at + x * height
        starts[x] += 1


@kernel
def contour_overlap(
    cells: Mask, within: tuple[int, int, int, int], room: Index, mask: Mask
) -> tuple[int, int, int]:
    """Compare what `paint_contour` would paint of cells of a whole part with a mask, there.

    Returns how many pixels both have set, how many are painted and how many the mask has.
    """
    top, left, height, width = within
    both, painted, area = _NIL, _NIL, _NIL
    first, last = _contour_lines(len(cells), _NIL, len(cells), height, room)
    for y in range(first, last):  # all there are
        area += _count_set(mask, top + y, left, left + width)
        used = _contour_line(y, cells, _NIL, _NIL, cells.shape, (height, width), room, _NEW)
        for k in range(0, used, 2):
            begin, end = left + room[_NEW, k], left + room[_NEW, k + 1]
            painted += end - begin
            both += _count_set(mask, top + y, begin, end)
    return both, painted, area


@kernel
def _count_set(mask: Mask, y: int, begin: int, end: int) -> int:
    """How many pixels of a row are set, from the first to the last of some."""
    count = np.int32(0)
    for x in range(np.uint64(begin), np.uint64(end)):  # which takes many at once
        count += np.int32(mask[y, x] != 0)
    return int(count)


@kernel
def _contour_lines(count: int, y1: int, rows: int, height: int, room: Index) -> tuple[int, int]:
    """The lines of pixels from the first to the last that so many rows of cells can reach.

    Makes the scratch of `_contour_line` ready.
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
    """Write where the pixels that are set in a line begin and end, by turns; return how many.

    They go into row ``line`` of the scratch. What lies between two rows of cells is linear in x
    from each point of `_join_rows` to the next one.
    """
    rows, columns = grid
    height, width = size
    unit = columns * rows  # of 1 / (2 * unit) pixels: the centre of one and all points are whole
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
            if after == 0:  # maybe at the end of several pieces
                x, slope, at = room[_XS, k], _NIL + 1, after
            elif value == 0:
                slope = _UNSET
            # The pixel that is nearest to where it is 0, give or take what a float cannot tell.
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
    """Note where the distances of a row and of the next one bend, and what they are there.

    Points between two pieces that both lie inside runs of the two rows are left out, and most of
    those between pieces that lie outside: there, no line of pixels changes its colour.
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
        now = _sign(room[_UPPER, n - 1] + above) + _sign(room[_LOWER, n - 1] + below)  # none is 0
        if now == kind and (kind > 0 or kind == before < 0):  # two of those outside are left,
            n -= 1  # for where they meet both rows are below 0; at an end of a run one is 0
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
    """Write where a row's distance bends, and what it is there, from side to side of the grid.

    They go into rows ``to`` and ``to + 1`` of the scratch. The scale is (begin, step, side, most):
    cell c lies from ``begin + c * step`` on, the grid's sides at 0 and ``side``, where no run ends,
    and a point is at most so far away.
    """
    begin, step, side, most = scale
    n = _NIL
    end = -_FAR  # the last one of a run
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
    """Write the bends between two ends of runs, or an end and a side, and count on from n."""
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
    """How far inside a run of a row its points are, in units of ``1 / (2 * unit)``; at most so far.

    The scale is (step, side, unit, first, last). Point x lies at ``(2 * x + 1) * unit``, cell c
    from ``c * step`` on, and the grid's sides at 0 and ``side``, where no run ends. Points from
    first up to last are measured.
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
                begin, end = np.uint64(left), np.uint64(right)  # which take many at once
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
    """Whether all points of a target that lie in a cell have its colour."""
    rows, columns = cells.shape
    lines, samples = target.shape
    for y in range(r * lines // rows, (r + 1) * lines // rows):
        for x in range(c * samples // columns, (c + 1) * samples // columns):
            if target[y, x] != cells[r, c]:
                return False
    return True


@kernel
def _reach(cells: Mask, r: int, c: int, samples: int, step: int, most: int) -> tuple[int, int]:
    """The points of a row, from the first up to the last, that a flip of its cell c may change.

    A cell is as wide as ``step``, and what is farther than ``most`` away changes nothing.
    """
    columns = cells.shape[1]
    low, high = max(c - 1, 0), min(c + 2, columns)  # the ends of runs that remain
    while low > 0 and cells[r, low - 1] == cells[r, low] and (c - low) * step < most:
        low -= 1
    while high < columns and cells[r, high] == cells[r, high - 1] and (high - c - 1) * step < most:
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
