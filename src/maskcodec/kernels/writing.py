"""Instances of B-SD and scanlines: from cells to text and to ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.kernels.compiler import kernel, numbers

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Index, Mask

MAX_RUN = 63  # the longest run that has a brick
SEPARATOR = 0
END = MAX_RUN + 1  # + n: the last edge of a scanline; its other bricks are +n and -n

_NIL, _UNSET = numbers(0, -1)
_FOREGROUND, _BACKGROUND = numbers(1, -1)
# Indices into the tables of `write_ids`: the brick of run 0, and the edges of the numbers.
_BRICKS, _NUMBERS = numbers(10 + MAX_RUN, 10 + 3 * MAX_RUN + 3)
_CACHE_LINE = 64  # bytes


@kernel
def mask_runs(
    mask: Mask, ys: Index, xs: Index, tight: bool, separated: bool, edges: Index, runs: Index
) -> tuple[int, int, int, int, int]:
    """Write the runs of ``mask[ys[r], xs[c]] != 0``, row by row: all of them, or a tight box's.

    Returns the box's first row and column, its last row and column, and the number of runs; four
    times -1 and 0 if ``tight`` and no cell is set. ``edges`` is scratch: for every row a count,
    then the columns where a stretch of set cells begins and ends.

    Whole rows are read first, if that touches no more memory than their cells: this takes a
    fraction of the time, loads all of it from memory at once, and most masks have many empty rows.
    """
    rows, columns = len(ys), len(xs)
    whole = mask.shape[1] <= _CACHE_LINE * columns
    for r in range(rows):
        line = mask[ys[r]]
        seen = np.uint8(0) if whole else np.uint8(1)
        if whole:
            for x in range(len(line)):
                seen = np.uint8(seen | line[x])  # as in `_any_set`
        runs[r] = seen
    y1, x1, y2, x2 = _UNSET, columns, _UNSET, _UNSET
    used = _NIL
    for r in range(rows):
        line = mask[ys[r]]
        start = used
        used += 1
        if runs[r] == 0:
            edges[start] = 0
            continue
        inside = False
        for c in range(columns):
            cell = line[xs[c]] != 0
            if cell != inside:
                edges[used] = c
                used += 1
                inside = cell
        if inside:
            edges[used] = columns
            used += 1
        edges[start] = used - start - 1
        if edges[start] > 0:
            y1 = r if y1 < 0 else y1
            y2 = r
            x1 = min(x1, edges[start + 1])
            x2 = max(x2, edges[used - 1] - 1)
    if not tight:
        y1, x1, y2, x2 = _NIL, _NIL, rows - 1, columns - 1
    elif y1 < 0:
        return -1, -1, -1, -1, 0
    count = _NIL
    at = y1 if tight else _NIL  # the rows above have no edges
    for r in range(y1, y2 + 1):
        stop = at + 1 + edges[at]
        if separated and r > y1:
            runs[count] = SEPARATOR
            count += 1
        begin = x1
        for e in range(at + 1, stop, 2):
            count = _add_run(runs, count, edges[e] - begin, _BACKGROUND)
            count = _add_run(runs, count, edges[e + 1] - edges[e], _FOREGROUND)
            begin = edges[e + 1]
        count = _add_run(runs, count, x2 + 1 - begin, _BACKGROUND)
        at = stop
    return y1, x1, y2, x2, count


@kernel
def _add_run(runs: Index, count: int, length: int, colour: int) -> int:
    while length > 0:
        part = min(length, MAX_RUN)
        runs[count] = part * colour
        count += 1
        length -= part
    return count


@kernel
def scanlines(cells: Mask, runs: Index) -> int:
    """Write the bricks of all rows of cells, as edges and not as lengths; return their number.

    A brick ``+n`` or ``-n`` is foreground or background up to column n; ``END + n`` is foreground
    up to column n and ends the row.
    """
    rows, columns = cells.shape
    count = _NIL
    for r in range(rows):
        row = cells[r]
        last = columns  # behind the last set cell
        while last > 0 and row[last - 1] == 0:
            last -= 1
        for c in range(1, last):
            if row[c] != row[c - 1]:
                runs[count] = c if row[c - 1] != 0 else -c
                count += 1
        runs[count] = END + last
        count += 1
    return count


@kernel
def spell(runs: Index, count: int, table: Mask, bounds: Index, out: Mask) -> int:
    """Write the bytes of each brick, ``table[bounds[brick + 63]:...]``; return their number."""
    size = 0
    for k in range(count):
        entry = runs[k] + MAX_RUN
        for i in range(bounds[entry], bounds[entry + 1]):
            out[size] = table[i]
            size += 1
    return size


@kernel
def write_ids(
    masks: Mask,
    ys: Index,
    xs: Index,
    places: Index,
    scratch: Index,
    labels: Index,
    tables: Index,
    first: int,
    ids: Index,
    offsets: Index,
) -> int:
    """Write the ids of every mask from ``first`` on; return the first mask that did not fit, or N.

    ``masks`` is (N, height, width); only the rows ``ys`` and columns ``xs`` are read. With
    ``places``, it is (N, 1, room): the cells of each mask row by row, to write as scanlines. Mask i
    has the label ``labels[labels[i]:labels[i + 1]]``.

    ``tables`` holds, in this order: the most ids of an instance without its label; the six tags;
    the start and stop of the separator's ids in ``tables``; whether y comes before x in a box; the
    bricks -63 .. 127; the number of values of a coordinate; the edges in ``tables`` of the ids of
    every value at each of the four places, place by place; these ids and the separator's.

    ``offsets[i + 1]`` becomes the number of ids up to and with mask i; a mask without cells has no
    ids. A mask is only begun if the longest instance fits.
    """
    place = scratch[:0]
    size = offsets[first]
    for i in range(first, len(masks)):
        label = labels[labels[i] : labels[i + 1]]
        if size + tables[0] + len(label) > len(ids):
            return i
        mask, rows, columns = masks[i], len(ys), len(xs)
        if len(places) > 0:
            place = places[i]
            rows, columns = place[8], place[9]
            mask = mask[0, : rows * columns].reshape((rows, columns))
        if rows > 0:
            own = ys[:rows], xs[:columns]
            size = _write_instance(mask, *own, place, label, tables, scratch, ids, size)
        offsets[i + 1] = size
    return len(masks)


@kernel
def _write_instance(
    mask: Mask,
    ys: Index,
    xs: Index,
    place: Index,
    label: Index,
    tables: Index,
    scratch: Index,
    ids: Index,
    size: int,
) -> int:
    """Write the ids of one mask behind ``size`` others; return the new number of ids.

    The box is the place's; if the place is empty, it is the tight box of the set cells.
    """
    rows, columns = len(ys), len(xs)
    edges, runs = scratch[: rows * (columns + 2)], scratch[rows * (columns + 2) :]
    separator, separator_end = tables[7], tables[8]
    side = tables[_NUMBERS - 1]
    tight = len(place) == 0  # not a literal: Numba would compile `mask_runs` again for it
    if not tight:
        x1, y1, x2, y2 = place[0], place[1], place[2], place[3]
        count = scanlines(mask, runs)
    else:
        separated = separator < separator_end
        y1, x1, y2, x2, count = mask_runs(mask, ys, xs, tight, separated, edges, runs)
    if count == 0:
        return size
    if tables[9] != 0:
        x1, y1, x2, y2 = y1, x1, y2, x2
    ids[size] = tables[1]
    size = _put(ids, size + 1, label, _NIL, len(label))
    ids[size] = tables[2]
    ids[size + 1] = tables[3]
    size = _put_entry(ids, size + 2, tables, _NUMBERS + x1)
    size = _put_entry(ids, size, tables, _NUMBERS + side + y1)
    size = _put_entry(ids, size, tables, _NUMBERS + 2 * side + x2)
    size = _put_entry(ids, size, tables, _NUMBERS + 3 * side + y2)
    ids[size] = tables[4]
    ids[size + 1] = tables[5]
    size += 2
    for k in range(count):
        if runs[k] == SEPARATOR:
            size = _put(ids, size, tables, separator, separator_end)
        else:
            ids[size] = tables[_BRICKS + runs[k]]
            size += 1
    ids[size] = tables[6]
    return size + 1


@kernel
def _put_entry(ids: Index, size: int, tables: Index, entry: int) -> int:
    return _put(ids, size, tables, tables[entry], tables[entry + 1])


@kernel
def _put(ids: Index, size: int, source: Index, first: int, last: int) -> int:
    for k in range(first, last):
        ids[size] = source[k]
        size += 1
    return size
