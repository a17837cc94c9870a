"""From pixels and COCO's runs to cells.

A *place* is ten numbers: the box x1, y1, x2, y2 of the text; its pixels top, left, height and
width; the rows and columns of its cells. A *frame* is three numbers: the bins of each side of the
image, the most rows, and the columns. The ends of runs are those of `maskcodec.kernels.rle`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.kernels.compiler import kernel, numbers

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Cells, Index, Mask

NEAREST, AREA, KEEP = numbers(0, 1, 2)
SAMPLINGS = "nearest", "area", "keep"  # their numbers are the indices

_NIL, _UNSET, _FOREGROUND = numbers(0, -1, 1)
_BYTE = 255
_LANES = 32  # bytes that a processor adds at once
_ROWS = 8  # of pixels that are tested at once for being empty


@kernel
def gather(mask: Mask, ys: Index, xs: Index, out: Mask) -> None:
    """Set ``out[i, j]`` to whether ``mask[ys[i], xs[j]]`` is not 0."""
    for i in range(len(ys)):
        line = mask[ys[i]]
        for j in range(len(xs)):
            out[i, j] = line[xs[j]] != 0


@kernel
def first_mixed(masks: Mask, ys: Index, some: bool) -> int:
    """The index of the first of N masks (height, width) with two values other than 0, or -1.

    Only the rows ``ys`` are read. ``some`` says that there are other rows: then a mask without a 0
    in ``ys`` counts, too, since its background is not known yet. The loop makes one pass without
    branches: memory limits its speed.
    """
    full = np.uint8(_BYTE)
    for i in range(len(masks)):
        most, least, lowest = np.uint8(0), full, full
        for y in ys:
            pixels = masks[i, y]
            for x in range(len(pixels)):
                value = pixels[x]
                most = max(most, value)
                lowest = min(lowest, value)
                least = min(least, value if value != 0 else full)
        if most > least or (some and lowest > 0):
            return i
    return -1


@kernel
def coverage(
    mask: Mask,
    top: int,
    left: int,
    height: int,
    width: int,
    line: Cells,
    counts: Mask,
    room: Index,
    out: Index,
) -> None:
    """Add up the part of every cell that is set, in units of 1 / (height * width) of a cell.

    The cells lie on a part of the mask, from pixel (top, left). On an axis of integers, pixel y of
    the part covers ``[y * rows, (y + 1) * rows)``, and cell r covers ``[r * height, (r + 1) *
    height)``, so that every overlap is a whole number. ``line`` and ``counts`` are scratch for a
    row of the mask; ``room`` is scratch for a row of the part and two rows of cells.
    """
    rows, columns = out.shape
    sums, room = room[: width + 2], room[width + 2 :]
    ends, parts = room[:columns], room[columns : 2 * columns]
    # A cell ends behind `end` pixels and `part` parts of the next pixel.
    end, part = _NIL, _NIL
    for k in range(columns):
        end, part = end + width // columns, part + width % columns
        if part >= columns:
            end, part = end + 1, part - columns
        ends[k], parts[k] = end, part
    # Some more columns, which are not used, take less time than a remainder.
    some = min(-(-width // _LANES) * _LANES, mask.shape[1])
    start = min(left, mask.shape[1] - some)
    pixels = mask[top : top + height, start : start + some]
    own = line[left - start :]
    whole = np.int32(rows)
    for r in range(rows):
        upper, lower = r * height, (r + 1) * height
        y, last = upper // rows, lower // rows
        above, below = pixels[y], pixels[min(last, height - 1)]
        head = np.int32(min(lower, (y + 1) * rows) - upper)  # overlap with its first pixel
        tail = np.int32(lower - last * rows if y < last else 0)  # overlap with its last pixel
        if head < rows:
            y += 1
        else:
            head = np.int32(0)
        line[:some] = 0
        while y < last:  # whole rows: 8 bits and no branch, for wide vectors
            stop = min(last, y + _BYTE)
            counts[:some] = 0
            while y + 4 <= stop:
                a, b, c, d = pixels[y], pixels[y + 1], pixels[y + 2], pixels[y + 3]
                for x in range(some):
                    counts[x] += np.uint8(a[x] != 0) + (b[x] != 0) + (c[x] != 0) + (d[x] != 0)
                y += 4
            while y < stop:
                a = pixels[y]
                for x in range(some):
                    counts[x] += a[x] != 0
                y += 1
            for x in range(some):
                line[x] += whole * np.int32(counts[x])
        for x in range(some):
            line[x] += head * np.int32(above[x] != 0) + tail * np.int32(below[x] != 0)
        cells = out[r]
        if columns == width:  # a small object
            for k in range(columns):
                cells[k] = columns * own[k]
            continue
        total = _NIL
        for x in range(width):
            sums[x] = total
            total += own[x]
        sums[width] = sums[width + 1] = total
        before = _NIL
        for k in range(columns):
            at = np.uint64(ends[k])  # an unsigned index is faster
            now = columns * sums[at] + parts[k] * (sums[at + np.uint64(1)] - sums[at])
            cells[k] = now - before
            before = now


@kernel
def pixel_box(mask: Mask, lines: Mask) -> tuple[int, int, int, int]:
    """Find the first row and column and the last row and column with a set pixel.

    Four times -1 if no pixel is set, four times -2 if set pixels have several values. Rows are read
    a few at a time, in the order of memory; rows that are not all empty are read again while they
    are in the cache. ``lines`` is scratch for two rows.
    """
    height, width = mask.shape
    flat = mask.reshape(height * width)
    top, end = _UNSET, _NIL
    line, least = lines[:width], lines[width : 2 * width]  # by column: all bits; least set value
    line[:] = 0
    least[:] = _BYTE
    full = np.uint8(_BYTE)
    for first in range(0, height, _ROWS):
        last = min(first + _ROWS, height)
        if not _any_set(flat[first * width : last * width]):
            continue
        top = first if top < 0 else top
        end = last
        y = first
        while y + 4 <= last:  # four at once: writing `line` takes time, too
            a, b, c, d = mask[y], mask[y + 1], mask[y + 2], mask[y + 3]
            for x in range(width):
                p, q, r, s = a[x], b[x], c[x], d[x]
                line[x] |= p | q | r | s
                p, q = p if p != 0 else full, q if q != 0 else full
                r, s = r if r != 0 else full, s if s != 0 else full
                least[x] = min(least[x], p, q, r, s)
            y += 4
        while y < last:
            a = mask[y]
            for x in range(width):
                line[x] |= a[x]
                least[x] = min(least[x], a[x] if a[x] != 0 else full)
            y += 1
    if top < 0:
        return -1, -1, -1, -1
    bits, fewest = np.uint8(0), np.uint8(_BYTE)
    for x in range(width):
        bits = np.uint8(bits | line[x])
        fewest = min(fewest, least[x])
    if bits != fewest:  # if all bits are those of the least value, all values are equal
        return -2, -2, -2, -2
    while not _any_set(mask[top]):
        top += 1
    while not _any_set(mask[end - 1]):
        end -= 1
    return top, _first_set(line), end - 1, _last_set(line)


@kernel
def _any_set(pixels: Mask) -> bool:
    """Whether a pixel is not 0."""
    seen = np.uint8(0)
    for i in range(len(pixels)):
        seen = np.uint8(seen | pixels[i])  # a wider type would not be vectorised
    return bool(seen != 0)


@kernel
def _first_set(line: Mask) -> int:
    """The index of the first pixel that is not 0; there must be one."""
    words = line[: len(line) // 8 * 8].view(np.uint64)  # eight at a time
    word = _NIL
    while word < len(words) and words[word] == 0:
        word += 1
    x = 8 * word
    while line[x] == 0:
        x += 1
    return x


@kernel
def _last_set(line: Mask) -> int:
    """The index of the last pixel that is not 0; there must be one."""
    head = len(line) % 8
    words = line[head:].view(np.uint64)
    word = len(words)
    while word > 0 and words[word - 1] == 0:
        word -= 1
    x = head + 8 * word - 1
    while line[x] == 0:
        x -= 1
    return x


@kernel
def place_box(
    y1: int, x1: int, y2: int, x2: int, height: int, width: int, frame: Index, place: Index
) -> None:
    """Write the place of a box of pixels, corners inside, in an image (height, width).

    The box is rounded outwards to bins, and its pixels inwards. So it contains all its pixels, and
    is exact if the image has at most as many pixels on a side as bins.
    """
    bins = frame[0]
    place[0], place[2] = x1 * bins // width, -(-(x2 + 1) * bins // width) - 1
    place[1], place[3] = y1 * bins // height, -(-(y2 + 1) * bins // height) - 1
    place[5] = min(-(-place[0] * width // bins), width - 1)
    place[7] = max((place[2] + 1) * width // bins, place[5] + 1) - place[5]
    place[4] = min(-(-place[1] * height // bins), height - 1)
    place[6] = max((place[3] + 1) * height // bins, place[4] + 1) - place[4]
    place[8], place[9] = min(frame[1], place[6]), frame[2]


@kernel
def sample_boxes(
    masks: Mask,
    frame: Index,
    how: int,
    lines: Mask,
    shares: Cells,
    room: Index,
    places: Index,
    cells: Mask,
) -> None:
    """Find the place of every mask (height, width), and sample its cells.

    ``cells[i]`` gets the cells of mask i, row by row. All else is as in `sample_box`.
    """
    for i in range(len(masks)):
        sample_box(masks[i], frame, how, lines, shares, room, places[i], cells[i])


@kernel
def sample_box(
    mask: Mask,
    frame: Index,
    how: int,
    lines: Mask,
    shares: Cells,
    room: Index,
    place: Index,
    cells: Mask,
) -> None:
    """Find the place of a mask, and sample its cells, row by row.

    The place has 0 rows if the mask is empty or no cell is left, and -1 rows if set pixels have
    several values. ``lines`` is scratch for two rows of pixels, ``shares`` for one row, ``room``
    for one row of pixels, two rows of cells and all cells.
    """
    height, width = mask.shape
    y1, x1, y2, x2 = pixel_box(mask, lines)
    place[8] = 0 if y1 > -2 else -1
    if y1 < 0:
        return
    place_box(y1, x1, y2, x2, height, width, frame, place)
    top, left, rows, columns = place[4], place[5], place[8], place[9]
    any_set = False
    if how == NEAREST:
        _nearest(place[7], columns, room)
        step = place[6] / rows
        y = step / 2
        for r in range(rows):
            pixels = mask[top + min(int(y), place[6] - 1)]
            for c in range(columns):
                found = pixels[left + room[c]] != 0
                cells[r * columns + c] = found
                any_set |= found
            y += step
    else:
        covered = room[: rows * columns]
        shared, rest = covered.reshape((rows, columns)), room[rows * columns :]
        coverage(mask, top, left, place[6], place[7], shares, lines[:width], rest, shared)
        any_set = choose_cells(covered, place[6] * place[7], how, cells)
    if not any_set:
        place[8] = 0


@kernel
def sample_box_runs(
    ends: Index,
    height: int,
    width: int,
    frame: Index,
    how: int,
    room: Index,
    place: Index,
    cells: Mask,
) -> None:
    """Find the place of one mask of runs, and sample its cells, as `sample_boxes` does.

    ``room`` is scratch for a row of cells, a column of cells and all cells.
    """
    area, x1, y1, x2, y2 = measure_runs(ends, height)
    place[8] = 0
    if area == 0:
        return
    place_box(y1, x1, y2, x2, height, width, frame, place)
    top, left, rows, columns = place[4], place[5], place[8], place[9]
    own = cells[: rows * columns].reshape((rows, columns))
    if how == NEAREST:
        ys, xs = room[:rows], room[rows : rows + columns]
        _nearest(place[6], rows, ys)
        _nearest(place[7], columns, xs)
        ys += top
        xs += left
        gather_runs(ends, height, ys, xs, own)
        any_set = False
        for i in range(rows * columns):
            any_set |= cells[i] != 0
    else:
        covered = room[: rows * columns]
        shared = covered.reshape((rows, columns))
        cover_runs(ends, height, top, left, place[6], place[7], shared)
        any_set = choose_cells(covered, place[6] * place[7], how, cells)
    if not any_set:
        place[8] = 0


@kernel
def _nearest(size: int, cells: int, index: Index) -> None:
    """Write the pixel of each cell, with the same sums as `masks.grid.nearest_index`."""
    step = size / cells
    x = step / 2
    for c in range(cells):
        index[c] = min(int(x), size - 1)
        x += step


@kernel
def choose_cells(covered: Index, pixels: int, how: int, cells: Mask) -> bool:
    """Set cells whose cover is at least half of ``pixels``; return whether a cell is set.

    If no cell would be set, `KEEP` sets the cells that are covered best.
    """
    most = _NIL
    for i in range(len(covered)):
        cells[i] = 2 * covered[i] >= pixels
        most = max(most, covered[i])
    if 2 * most >= pixels:
        return True
    if how != KEEP or most == 0:
        return False
    for i in range(len(covered)):
        cells[i] = covered[i] == most
    return True


@kernel
def gather_runs(ends: Index, height: int, ys: Index, xs: Index, out: Mask) -> None:
    """Set ``out[i, j]`` to whether pixel (ys[i], xs[j]) is foreground; no index decreases."""
    out[:] = 0
    scale = len(ys) / (ys[-1] + 1 - ys[0])
    run = _FOREGROUND  # the first foreground run that may reach into the column
    for j in range(len(xs)):
        if j > 0 and xs[j] == xs[j - 1]:
            out[:, j] = out[:, j - 1]
            continue
        top = xs[j] * height
        while run < len(ends) and ends[run] <= top:
            run += 2
        k = run
        while k < len(ends) and ends[k - 1] < top + height:
            first = _first_from(ys, max(ends[k - 1] - top, 0), scale)
            last = _first_from(ys, min(ends[k] - top, height), scale)
            for i in range(first, last):
                out[i, j] = 1
            k += 2


@kernel
def _first_from(ys: Index, y: int, scale: float) -> int:
    """The index of the first number not below y; numbers rise by about ``1 / scale``."""
    i = min(max(int((y - ys[0]) * scale), 0), len(ys))
    while i > 0 and ys[i - 1] >= y:
        i -= 1
    while i < len(ys) and ys[i] < y:
        i += 1
    return i


@kernel
def cover_runs(
    ends: Index, image_height: int, top: int, left: int, height: int, width: int, out: Index
) -> None:
    """Add up the part of every cell that is foreground, in the units of `coverage`.

    The cells lie on a part of the image, as in `coverage`; it must contain all foreground. A run
    ends in one cell and fills the cells above it: this is noted in two cells, and sums from the
    last row to the first make the shares. So the time of a run does not depend on the number of its
    cells, and many whole columns of pixels take as long as one.
    """
    out[:] = 0
    for k in range(1, len(ends), 2):
        start, stop = ends[k - 1], ends[k]
        if start == stop:
            continue
        first, last = start // image_height, (stop - 1) // image_height
        begin, end = start - first * image_height - top, stop - last * image_height - top
        first, last = first - left, last - left
        if first == last:
            _cover(first, last + 1, begin, end, height, width, out)
            continue
        _cover(first, first + 1, begin, height, height, width, out)
        if last - first > 1:
            _cover(first + 1, last, _NIL, height, height, width, out)
        _cover(last, last + 1, _NIL, end, height, width, out)
    for r in range(len(out) - 2, -1, -1):
        for c in range(out.shape[1]):
            out[r, c] += out[r + 1, c]


@kernel
def _cover(
    left: int, right: int, top: int, bottom: int, height: int, width: int, out: Index
) -> None:
    """Note the pixels of a rectangle in all columns of cells that it overlaps."""
    rows, columns = out.shape
    left, right = left * columns, right * columns  # a pixel is `columns` wide, a cell `width`
    upper, lower = top * rows // height, bottom * rows // height
    above, below = top * rows - upper * height, bottom * rows - lower * height
    for c in range(left // width, (right - 1) // width + 1):
        share = min(right, (c + 1) * width) - max(left, c * width)
        if lower < rows:
            out[lower, c] += share * below
        if lower > 0:
            out[lower - 1, c] += share * (height - below)
        out[upper, c] -= share * above
        if upper > 0:
            out[upper - 1, c] -= share * (height - above)


@kernel
def measure_runs(ends: Index, height: int) -> tuple[int, int, int, int, int]:
    """Count the foreground pixels; find their first column and row, last column and row.

    Returns 0 and four times -1 if there are no such pixels.
    """
    area = _NIL
    x1, y1, x2, y2 = _UNSET, height, _UNSET, _UNSET
    for k in range(1, len(ends), 2):
        start, stop = ends[k - 1], ends[k]
        if start == stop:
            continue
        area += stop - start
        first, last = start // height, (stop - 1) // height
        x1 = first if x1 < 0 else x1
        x2 = last
        if first < last:  # the run reaches the last row, and goes on from the first row
            y1, y2 = _NIL, height - 1
        else:
            y1 = min(y1, start - first * height)
            y2 = max(y2, stop - 1 - last * height)
    if area == 0:
        return 0, -1, -1, -1, -1
    return area, x1, y1, x2, y2
