"""Every compiled function, and the constants they share with the Python around them.

All arrays are C-contiguous and writable: `uint8` for pixels, cells and text, `int32` for label
numbers and runs, `int64` for indices and records. Other kinds would compile a second version.
A kernel never allocates and never raises: it counts what it found, writes what fits into the
arrays it was given, and leaves the words to Python. All kernels stay in this file, because the
disk cache of Numba does not notice an edit in a file that a kernel imports from.

A *run* is one number: ``+n`` for n foreground cells, ``-n`` for n background cells, 0 for the
end of a row, ``MAX_RUN + n`` for n more copies of the row above. A *token* is ``(value, start,
stop)``: a run of a brick, or one of the values below, and the bytes it was read from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeAlias, TypeVar, cast

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from maskcodec._arrays import Cells, Index, Mask

    Starts: TypeAlias = npt.NDArray[np.bool_]

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on the first call; keep the result on disk where a folder can be written."""
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no place for a cache, as in a read-only install
        compiled = numba.njit(nogil=True)(function)
    return cast("Callable[P, R]", compiled)


def numbers(*values: int) -> list[int]:
    """Constants that Numba takes for numbers: it compiles a helper anew for every literal."""
    return cast("list[int]", [np.int64(value) for value in values])


MAX_RUN = 63  # the longest run that has a brick
BLOCK = 64  # cells that are drawn at once: not fewer than a run, and a few vectors
SEPARATOR = 0
IRREGULAR = 1 << 12  # added to the length of a run whose number no brick has: 0, 64, 007
REPEAT = 1 << 13  # + n, irregular or not: a row that is n more copies of the one above
TEXT, TAG, NOTHING, SPACE, IGNORED = numbers(1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19)
PIECE = 1 << 20
# TEXT is a stretch of bytes that is nothing the format knows; TAG + 0 .. TAG + 5 are <ref> </ref>
# <box> </box> <seg> </seg>; no token is NOTHING. Of ids, SPACE is white space without a newline,
# IGNORED is padding, which may stand anywhere, IGNORED + 2 * n is n newlines, and one more text and
# n newlines, and PIECE + 0, + 1 ... is TEXT that a box may have: its bytes, the first one lowest,
# are in a table.
IGNORE_INDEX = -100  # what trainers write where an id has no loss
SATURATED = 1 << 11  # where a run's number stops growing: above any grid, below IRREGULAR

# What the kernels find wrong. Records are (kind, byte position, row, what was found there: a sum,
# or for text and bricks the byte after them).
ROW_LONG, ROW_SHORT, ROW_MISSING, ROW_EXTRA = numbers(1, 2, 3, 4)
STRAY_TEXT, BAD_NUMBER, STRAY_SEPARATOR, EMPTY_ITEM = numbers(5, 6, 7, 8)
COUNT_MISSING, BAD_COUNT, STRAY_STAR, EMPTY_LABEL = numbers(9, 10, 11, 12)
REPEAT_FIRST, REPEAT_BESIDE = numbers(13, 14)
NEAREST, AREA, KEEP = numbers(0, 1, 2)
SAMPLINGS = "nearest", "area", "keep"  # by these numbers
# And in the counts of an RLE: a character that none has, a number that does not end, a text that
# stops inside one, a count below 0, runs beyond the last pixel, runs that do not reach it.
RLE_CHARACTER, RLE_ENDLESS, RLE_CUT, RLE_NEGATIVE, RLE_LONG, RLE_SHORT = numbers(1, 2, 3, 4, 5, 6)

_NEWLINE, _SPACE, _STAR, _BAR, _CHAR_0, _CHAR_9 = 10, 32, 42, 124, 48, 57
_OPENING, _CLOSING = 91, 93
_NIL, _UNSET, _FAR = numbers(0, -1, 1 << 60)
_SURROUNDED = numbers(-9)[0]
_BYTE = 255
_LANES = 32  # bytes that a processor adds at once
_ROWS = 8  # of pixels that are looked at as a whole, to find the empty ones
_ROUNDS = 2  # of `improve_cells`: a third finds next to nothing
_MOST_DISTANCE = 1 << 29  # of it, times the lines: what is twice that fits 32 bits
_TRIES = 700  # of it, at a microsecond each: more than nearly all real masks take
_FOREGROUND, _BACKGROUND = numbers(1, -1)
# In the tables of `write_ids`: where the brick of run 0 would stand, and the edges of the numbers.
_BRICKS, _NUMBERS = numbers(10 + MAX_RUN, 10 + 3 * MAX_RUN + 2)
_PIECES = 6  # in the tables of `read_instance`
_CACHE_LINE = 64  # bytes
_RECENT_LABELS = 8  # how many labels a label is compared with: a constant keeps time linear
_COUNT_LIMIT = 1 << 40
_RLE_ZERO, _RLE_CODES, _RLE_MORE, _RLE_SIGN, _RLE_BITS = 48, 64, 32, 16, 5  # of a character
_RLE_DIGITS = 7  # characters of one number at most: 32 bits, and a sign


# ---------------------------------------------------------------- pixels to cells and back


@kernel
def gather(mask: Mask, ys: Index, xs: Index, out: Mask) -> None:
    """Set ``out[i, j]`` where ``mask[ys[i], xs[j]]`` is not zero."""
    for i in range(len(ys)):
        line = mask[ys[i]]
        for j in range(len(xs)):
            out[i, j] = line[xs[j]] != 0


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
    """Add up how much of every cell is set, in units of 1 / (height * width) of a cell.

    The cells lie on a part of the mask, from pixel (top, left). Its pixel y covers ``[y * rows, (y
    + 1) * rows)`` and cell r ``[r * height, (r + 1) * height)`` of one axis of integers, so that
    every overlap is a whole number, whatever the two sizes. ``line`` and ``counts`` are scratch
    for a row of the mask, ``room`` for one and two of the cells.
    """
    rows, columns = out.shape
    sums, room = room[: width + 2], room[width + 2 :]
    ends, parts = room[:columns], room[columns : 2 * columns]
    # Where cells end: behind so many pixels, and so many parts of the next one.
    end, part = _NIL, _NIL
    for k in range(columns):
        end, part = end + width // columns, part + width % columns
        if part >= columns:
            end, part = end + 1, part - columns
        ends[k], parts[k] = end, part
    # A few columns more than asked for, which are not looked at, cost less than a rest would.
    some = min(-(-width // _LANES) * _LANES, mask.shape[1])
    start = min(left, mask.shape[1] - some)
    pixels = mask[top : top + height, start : start + some]
    own = line[left - start :]
    whole = np.int32(rows)
    for r in range(rows):
        upper, lower = r * height, (r + 1) * height
        y, last = upper // rows, lower // rows
        above, below = pixels[y], pixels[min(last, height - 1)]
        head = np.int32(min(lower, (y + 1) * rows) - upper)  # of the pixel that it begins in,
        tail = np.int32(lower - last * rows if y < last else 0)  # and of the one that it ends in
        if head < rows:
            y += 1
        else:
            head = np.int32(0)
        line[:some] = 0
        while y < last:  # whole rows: 8 bits, without a branch, which is many at once
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
        if columns == width:  # as in small objects
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
            at = np.uint64(ends[k])  # an index that may not be negative takes less time
            now = columns * sums[at] + parts[k] * (sums[at + np.uint64(1)] - sums[at])
            cells[k] = now - before
            before = now


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


# --------------------------------------------------------------------- pixels to a box's cells
#
# A *place* is ten numbers: the box x1, y1, x2, y2 as the text has it; the pixels top, left, height
# and width that it stands for; the rows and columns of its cells. A *frame* is four: the bins of
# each of the image's sides, the most rows and columns, and whether cells are to be square.


@kernel
def pixel_box(mask: Mask, line: Mask) -> tuple[int, int, int, int]:
    """Find the first row and column and the last row and column with a pixel set; -1 for none.

    Rows are looked at a few at a time, once in the order of memory; those that are not all empty
    once more, while they are in the cache. ``line`` is scratch for a row.
    """
    height, width = mask.shape
    flat = mask.reshape(height * width)
    top, end = _UNSET, _NIL
    line[:] = 0
    for first in range(0, height, _ROWS):
        last = min(first + _ROWS, height)
        if not _any_set(flat[first * width : last * width]):
            continue
        top = first if top < 0 else top
        end = last
        y = first
        while y + 4 <= last:  # four at once: `line` takes time, too
            a, b, c, d = mask[y], mask[y + 1], mask[y + 2], mask[y + 3]
            for x in range(width):
                line[x] |= a[x] | b[x] | c[x] | d[x]
            y += 4
        while y < last:
            a = mask[y]
            for x in range(width):
                line[x] |= a[x]
            y += 1
    if top < 0:
        return -1, -1, -1, -1
    while not _any_set(mask[top]):
        top += 1
    while not _any_set(mask[end - 1]):
        end -= 1
    return top, _first_set(line), end - 1, _last_set(line)


@kernel
def _any_set(pixels: Mask) -> bool:
    """Whether any is not zero."""
    seen = np.uint8(0)
    for i in range(len(pixels)):
        seen = np.uint8(seen | pixels[i])  # anything wider would not be vectorised
    return bool(seen != 0)


@kernel
def _first_set(line: Mask) -> int:
    """The index of the first that is not zero, which there must be."""
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
    """The index of the last that is not zero, which there must be."""
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
    """Write the place of a box of pixels, corners inside, of an image (height, width).

    The box is written outwards and read inwards, so that up to as many pixels as bins it comes
    back as it was, and always holds all of its pixels.
    """
    bins = frame[0]
    place[0], place[2] = x1 * bins // width, -(-(x2 + 1) * bins // width) - 1
    place[1], place[3] = y1 * bins // height, -(-(y2 + 1) * bins // height) - 1
    place[5] = min(-(-place[0] * width // bins), width - 1)
    place[7] = max((place[2] + 1) * width // bins, place[5] + 1) - place[5]
    place[4] = min(-(-place[1] * height // bins), height - 1)
    place[6] = max((place[3] + 1) * height // bins, place[4] + 1) - place[4]
    if frame[3] != 0:
        longer = max(place[6], place[7])
        most = min(frame[1], longer)
        place[8] = -(-place[6] * most // longer)
        place[9] = -(-place[7] * most // longer)
    else:
        place[8], place[9] = min(frame[1], place[6]), min(frame[2], place[7])


@kernel
def sample_boxes(
    masks: Mask,
    frame: Index,
    how: int,
    line: Mask,
    shares: Cells,
    room: Index,
    places: Index,
    cells: Mask,
) -> None:
    """Find the place of every mask (height, width) of some, and sample its cells.

    ``cells[i]`` gets the cells of mask i, row by row. The rest is as in `sample_box`.
    """
    for i in range(len(masks)):
        sample_box(masks[i], frame, how, line, shares, room, places[i], cells[i])


@kernel
def sample_box(
    mask: Mask,
    frame: Index,
    how: int,
    line: Mask,
    shares: Cells,
    room: Index,
    place: Index,
    cells: Mask,
) -> None:
    """Find the place of a mask, and sample its cells, row by row.

    A mask that is empty, or of which no cell is left, has no rows in its place. ``line`` and
    ``shares`` are scratch for a row of pixels, ``room`` for one, two of cells and all cells.
    """
    height, width = mask.shape
    y1, x1, y2, x2 = pixel_box(mask, line)
    place[8] = 0
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
        coverage(mask, top, left, place[6], place[7], shares, line, rest, shared)
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
    """Find the place of one mask of runs and sample its cells, as `sample_boxes` does.

    ``room`` is scratch for a row of cells, a column of them and all.
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
    """Write the pixel that each cell looks at, added up as `maskcodec.grid.nearest_index` does."""
    step = size / cells
    x = step / 2
    for c in range(cells):
        index[c] = min(int(x), size - 1)
        x += step


@kernel
def choose_cells(covered: Index, pixels: int, how: int, cells: Mask) -> bool:
    """Set cells of which at least half of ``pixels`` is covered; return whether any is set.

    To keep a mask of which none would be left, set those that are covered best.
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


# --------------------------------------------------------------------- COCO's runs to cells
#
# ``ends[k]`` is the pixel behind run k, counted down the columns; the first run is background, and
# may be empty, the next one foreground, and so on. The last one ends with the image.


@kernel
def read_counts(data: Mask, pixels: int, ends: Index) -> tuple[int, int, int]:
    """Read the compressed counts of an RLE; return how many, what is wrong, and at which byte.

    Five bits a character, the lowest first, the sixth says that more follow; from the fourth
    count on the number is the difference to the count before the last. ``ends`` has room for as
    many runs as there are bytes. What is wrong is 0 or one of ``RLE_...``.
    """
    count = _NIL
    total = _NIL
    number = _NIL
    start = _NIL  # of the number at hand
    bits = _NIL
    for at in range(len(data)):
        code = int(data[at]) - _RLE_ZERO
        if not 0 <= code < _RLE_CODES:
            return count, RLE_CHARACTER, at
        if bits == _RLE_DIGITS * _RLE_BITS:
            return count, RLE_ENDLESS, start
        number += (code & (_RLE_MORE - 1)) << bits
        bits += _RLE_BITS
        if code & _RLE_MORE:
            continue
        if code & _RLE_SIGN:
            number -= 1 << bits
        if count > 2:
            number += ends[count - 2] - ends[count - 3]
        if number < 0:
            return count, RLE_NEGATIVE, start
        if number > pixels - total:
            return count, RLE_LONG, start
        total += number
        ends[count] = total
        count += 1
        number = 0
        bits = 0
        start = at + 1
    if bits > 0:
        return count, RLE_CUT, start
    return count, (_NIL if total == pixels else RLE_SHORT), len(data)


@kernel
def gather_runs(ends: Index, height: int, ys: Index, xs: Index, out: Mask) -> None:
    """Set ``out[i, j]`` where pixel (ys[i], xs[j]) is foreground; neither index ever falls."""
    out[:] = 0
    scale = len(ys) / (ys[-1] + 1 - ys[0])
    run = _FOREGROUND  # the first one of the foreground that may reach into the column
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
    """The first of rising numbers that is not below y, which are about ``1 / scale`` apart."""
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
    """Add up how much of every cell is foreground, in the units of `coverage`.

    The cells lie on a part of the image, as there, which must hold all of the foreground. A run
    ends somewhere in one cell and fills those above it: that is noted in two of them, and a sum
    from the last row to the first makes the shares of it. So a run takes no longer where it covers
    many cells, and whole columns of pixels take as long as one.
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
    """Note the pixels of a rectangle in all columns of cells that it reaches into."""
    rows, columns = out.shape
    left, right = left * columns, right * columns  # a pixel is so wide, and a cell `width`
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
    """Count the pixels of the foreground, and find its first and last column and row.

    Returns 0 and four times -1 where there are none.
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
        if first < last:  # down to the last row, and on from the first one
            y1, y2 = _NIL, height - 1
        else:
            y1 = min(y1, start - first * height)
            y2 = max(y2, stop - 1 - last * height)
    if area == 0:
        return 0, -1, -1, -1, -1
    return area, x1, y1, x2, y2


@kernel
def shared_runs(first: Index, second: Index) -> int:
    """Count the pixels that are foreground in both of two masks of one shape."""
    count = _NIL
    k, m = 1, 1
    while k < len(first) and m < len(second):
        count += max(min(first[k], second[m]) - max(first[k - 1], second[m - 1]), 0)
        if first[k] < second[m]:
            k += 2
        else:
            m += 2
    return count


# ------------------------------------------------------------------- cells to COCO's runs


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


@kernel
def join_runs(ends: Index, out: Index) -> int:
    """Write the same runs without empty ones, but for a first one; return how many."""
    count = _NIL
    for k in range(len(ends)):
        if k > 0 and ends[k] == ends[k - 1]:
            continue
        if count > 0 and (count - 1 - k) % 2 == 0:
            count -= 1  # those between were empty: it goes on
        out[count] = ends[k]
        count += 1
    return count


@kernel
def write_counts(ends: Index, out: Mask) -> int:
    """Write runs as the compressed counts that `read_counts` reads; return how many bytes."""
    size = _NIL
    for k in range(len(ends)):
        number = ends[k]
        if k > 0:
            number -= ends[k - 1]
        if k > 2:
            number -= ends[k - 2] - ends[k - 3]
        more = True
        while more:
            code = number & (_RLE_MORE - 1)
            number >>= _RLE_BITS
            more = number != (-1 if code & _RLE_SIGN else 0)
            out[size] = _RLE_ZERO + code + (_RLE_MORE if more else 0)
            size += 1
    return size


# ------------------------------------------------------------------------- B-SD, to text


@kernel
def mask_runs(
    mask: Mask,
    ys: Index,
    xs: Index,
    tight: bool,
    separated: bool,
    repeats: bool,
    edges: Index,
    runs: Index,
) -> tuple[int, int, int, int, int]:
    """Write the runs of ``mask[ys[r], xs[c]] != 0``, row by row: all of them, or a tight box's.

    Returns the box's first row and column, its last row and column, and the number of runs; four
    times -1 and 0 where it is to be tight and nothing is set. ``edges`` is scratch: for every row a
    count, then the columns where a stretch of set cells begins and ends.

    Rows are looked through as a whole first, as far as that touches no more memory than their
    cells do: it takes a fraction of the time, brings all of it from memory at once, and most
    masks leave many rows empty.
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
    above = _UNSET  # where the edges of the last row that is written begin
    copies = _NIL
    for r in range(y1, y2 + 1):
        stop = at + 1 + edges[at]
        if repeats and above >= 0 and _same_edges(edges, above, at):
            copies += 1
            at = stop
            continue
        count = _add_repeats(runs, count, copies, separated)
        copies = 0
        above = at
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
    count = _add_repeats(runs, count, copies, separated)
    return y1, x1, y2, x2, count


@kernel
def _same_edges(edges: Index, first: int, second: int) -> bool:
    for k in range(edges[first] + 1):
        if edges[first + k] != edges[second + k]:
            return False
    return True


@kernel
def _add_repeats(runs: Index, count: int, copies: int, separated: bool) -> int:
    while copies > 0:
        part = min(copies, MAX_RUN)
        if separated:
            runs[count] = SEPARATOR
            count += 1
        runs[count] = MAX_RUN + part
        count += 1
        copies -= part
    return count


@kernel
def _add_run(runs: Index, count: int, length: int, colour: int) -> int:
    while length > 0:
        part = min(length, MAX_RUN)
        runs[count] = part * colour
        count += 1
        length -= part
    return count


@kernel
def spell(runs: Index, count: int, table: Mask, bounds: Index, out: Mask) -> int:
    """Write the bytes of every run, ``table[bounds[run + 63]:...]``; return how many."""
    size = 0
    for k in range(count):
        entry = runs[k] + MAX_RUN
        for i in range(bounds[entry], bounds[entry + 1]):
            out[size] = table[i]
            size += 1
    return size


# ----------------------------------------------------------------------- B-SD, from text


@kernel
def _matches(data: Mask, at: int, pieces: Mask, first: int, last: int) -> bool:
    if at + last - first > len(data):
        return False
    for k in range(last - first):
        if data[at + k] != pieces[first + k]:
            return False
    return True


@kernel
def _symbol(data: Mask, at: int, pieces: Mask, bounds: Index) -> tuple[int, int]:
    """The tag, brick or repeat that starts at a byte, and where it stops."""
    for kind in range((len(bounds) - 7) // 2):
        prefix = 6 + 2 * kind
        if not _matches(data, at, pieces, bounds[prefix], bounds[prefix + 1]):
            continue
        first = at + bounds[prefix + 1] - bounds[prefix]
        stop = first
        number = 0
        while stop < len(data) and _CHAR_0 <= data[stop] <= _CHAR_9:
            number = min(10 * number + int(data[stop]) - _CHAR_0, SATURATED - 1)
            stop += 1
        if stop == first or not _matches(
            data, stop, pieces, bounds[prefix + 1], bounds[prefix + 2]
        ):
            continue
        if data[first] == _CHAR_0 or number > MAX_RUN:
            number += IRREGULAR
        stop += bounds[prefix + 2] - bounds[prefix + 1]
        if kind == 0:
            return number, stop
        return (-number, stop) if kind == 1 else (REPEAT + number, stop)
    for tag in range(6):
        if _matches(data, at, pieces, bounds[tag], bounds[tag + 1]):
            return TAG + tag, at + bounds[tag + 1] - bounds[tag]
    return NOTHING, at


@kernel
def scan(
    data: Mask, pieces: Mask, bounds: Index, starts: Starts, tokens: Index, tags: Index
) -> tuple[int, int]:
    """Cut a text into tokens; return how many there are and how many of them are tags.

    ``pieces`` holds the six tags, then prefix and suffix of a foreground brick, of a background
    brick and, where there are any, of a repeat, one after another, cut at ``bounds``; ``starts``
    says which bytes begin one. Spaces
    between tokens are skipped. ``tokens`` gets (value, start, stop), ``tags`` gets (index of the
    token, kind, start, stop), both as far as they fit.
    """
    count = _NIL
    tag_count = _NIL
    at = _NIL
    text_start = _UNSET
    text_stop = _UNSET
    while at < len(data):
        byte = data[at]
        value = NOTHING
        stop = at + 1
        if byte == _NEWLINE:
            value = SEPARATOR
        elif starts[byte]:
            value, stop = _symbol(data, at, pieces, bounds)
        if value == NOTHING:
            if byte != _SPACE:
                text_start = at if text_start < 0 else text_start
                text_stop = at + 1
            at += 1
            continue
        if text_start >= 0:
            _record(tokens, count, TEXT, text_start, text_stop)
            count += 1
            text_start = -1
        if value >= TAG:
            if tag_count < len(tags):
                tags[tag_count, 3] = stop
            _record(tags, tag_count, count, value - TAG, at)
            tag_count += 1
        _record(tokens, count, value, at, stop)
        count += 1
        at = stop
    if text_start >= 0:
        _record(tokens, count, TEXT, text_start, text_stop)
        count += 1
    return count, tag_count


@kernel
def _record(records: Index, index: int, first: int, second: int, third: int) -> None:
    if index < len(records):
        records[index, 0] = first
        records[index, 1] = second
        records[index, 2] = third


@kernel
def _fault(faults: Index, count: int, kind: int, position: int, row: int, found: int) -> int:
    if count < len(faults):
        _record(faults, count, kind, position, row)
        faults[count, 3] = found
    return count + 1


@kernel
def first_row(tokens: Index, first: int, last: int, rows: int, most: int) -> int:
    """Add up the first row that has bricks among ``tokens[first:last]``; at least 1, at most so.

    Bricks that `draw` would not draw do not count: those behind so many ``rows``, or in a row that
    repeats the one above.
    """
    width = _NIL
    row = _NIL
    repeated = False
    for k in range(first, last):
        value = tokens[k, 0]
        if value == SEPARATOR:
            if width > 0:
                break
            row += 1
            repeated = False
        if row >= rows:
            break
        if value == SEPARATOR or value >= TEXT or repeated:
            continue
        length = value - REPEAT if value >= REPEAT else abs(value)
        length -= IRREGULAR if length >= IRREGULAR else 0
        if value < REPEAT:
            width = min(width + length, most)
        elif row > 0 and width == 0:
            row += min(length, rows - row + 1) - 1  # as many rows with nothing in them
            repeated = True
    return max(width, 1)


@kernel
def count_copies(tokens: Index, first: int, last: int, most: int) -> int:
    """Add up what ``tokens[first:last]`` repeat, at most so many rows."""
    copies = _NIL
    for k in range(first, last):
        value = tokens[k, 0]
        if REPEAT <= value < TEXT:
            copies = min(copies + (value - REPEAT) % IRREGULAR, most)
    return copies


@kernel
def draw(
    tokens: Index,
    first: int,
    last: int,
    end: int,
    rows: int,
    separated: bool,
    closed: bool,
    fixed: bool,
    cells: Mask,
    faults: Index,
) -> tuple[int, int]:
    """Draw the bricks among ``tokens[first:last]`` row by row, whatever is wrong with them.

    ``cells`` is zeroed and has the rows' width, and a row for each token, for each that is
    repeated, and one more, or ``rows``; ``end`` is the byte after the bricks. ``closed`` says that
    ``</seg>`` stands there, so that rows that are not there are missing rather than cut off, if
    their number is ``fixed``. Returns the number of rows that were
    there, at most ``rows``, and the number of faults, which are written as far as they fit.
    """
    width = cells.shape[1]
    row = _NIL
    x = _NIL  # the row's sum so far; what passes the width is not drawn
    long_at = _UNSET
    extra_at = _UNSET
    count = _NIL
    repeated = False  # whether the present row is one that repeats
    for k in range(first, last):
        value, start = tokens[k, 0], tokens[k, 1]
        if value == SEPARATOR:
            repeated = False
            if not separated:
                if row < rows or extra_at < 0:  # beyond the box, what is there is reported once
                    last = min(row, rows - 1)
                    count = _fault(faults, count, STRAY_SEPARATOR, start, last, x)
                row += x > 0
                x = 0
                continue
            if row < rows:
                if long_at >= 0:
                    count = _fault(faults, count, ROW_LONG, long_at, row, x)
                elif x < width:
                    count = _fault(faults, count, ROW_SHORT, start, row, x)
            row += 1
            x = 0
            long_at = -1
            if row == rows:
                extra_at = start
            continue
        if row >= rows:
            extra_at = start if extra_at < 0 else extra_at
            continue
        if value == TEXT:
            count = _fault(faults, count, STRAY_TEXT, start, row, tokens[k, 2])
            continue
        repeats = value >= REPEAT
        length = value - REPEAT if repeats else abs(value)
        if length >= IRREGULAR:
            length -= IRREGULAR
            count = _fault(faults, count, BAD_NUMBER, start, row, tokens[k, 2])
        if repeated or (repeats and x > 0):
            count = _fault(faults, count, REPEAT_BESIDE, start, row, tokens[k, 2])
            continue
        if repeats and row == 0:
            count = _fault(faults, count, REPEAT_FIRST, start, row, tokens[k, 2])
            continue
        if repeats:
            copies = min(length, rows - row)
            for c in range(copies):
                cells[row + c] = cells[row - 1]
            row += copies
            if length > copies:
                extra_at = start
            elif separated:  # the separator ends the last of them
                repeated = True
                row -= 1
                x = width
            continue
        if value > 0:
            for c in range(min(x, width), min(x + length, width)):
                cells[row, c] = 1
        x = min(x + length, _COUNT_LIMIT)
        if x > width and long_at < 0:
            long_at = start
        if not separated and x >= width:
            if x > width:
                count = _fault(faults, count, ROW_LONG, long_at, row, x)
            row += 1
            x = 0
            long_at = -1
    if row >= rows:
        if extra_at >= 0:
            count = _fault(faults, count, ROW_EXTRA, extra_at, row, row + separated)
        return rows, count
    if x > 0:
        if long_at >= 0:
            count = _fault(faults, count, ROW_LONG, long_at, row, x)
        elif closed and x < width:
            count = _fault(faults, count, ROW_SHORT, end, row, x)
        row += 1
    elif closed and not fixed and row > 0:  # behind a separator
        count = _fault(faults, count, ROW_SHORT, end, row, _NIL)
        row += 1
    if closed and fixed and row < rows:
        count = _fault(faults, count, ROW_MISSING, end, row, row)
    return row, count


# ------------------------------------------------------------------------ B-SD, as ids


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
    """Write the ids of every mask from ``first`` on; return the mask that did not fit, or all.

    ``masks`` is (N, height, width), of which the pixels ``ys`` and ``xs`` are looked at. Where
    there are ``places``, it is (N, 1, room) instead, the cells of each mask row by row. Mask i has
    the label ``labels[labels[i]:labels[i + 1]]``. ``tables`` holds the longest that anything but a
    label may become, six tags, the edges in it of the separator of rows, whether rows are
    repeated, the brick of every run -63 .. 126, how many numbers a box may have, and the edges
    of the ids around and of every number at each of its four places, place by place.
    ``offsets[i + 1]`` becomes the number of ids up to and with mask i; a mask of which no cell
    is left has none. A mask is begun only where the longest would fit.
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
def write_boxes(
    masks: Mask,
    frame: Index,
    how: int,
    scratch: Index,
    labels: Index,
    tables: Index,
    first: int,
    ids: Index,
    offsets: Index,
) -> int:
    """Sample masks (N, height, width) as `sample_boxes` does, and write them as `write_ids` does.

    In one call: a second one would be an eighth of a single mask's time. ``scratch`` has room for a
    place, the numbers of rows or columns, a row of pixels and all cells, shares of a row, and what
    comes first, `sample_box`, or then, `mask_runs`, needs: see `BoxFrame.scratch`.
    """
    width = masks.shape[2]
    most, room = max(frame[1], frame[2]), frame[1] * frame[2]
    place, every, rest = scratch[:10], scratch[10 : 10 + most], scratch[10 + most :]
    at = (width + room) // 8 + 1
    line, rest = rest[:at].view(np.uint8), rest[at:]
    at = width // 2 + 1
    shares, rest = rest[:at].view(np.int32), rest[at:]
    for k in range(most):
        every[k] = k
    size = offsets[first]
    for i in range(first, len(masks)):
        label = labels[labels[i] : labels[i + 1]]
        if size + tables[0] + len(label) > len(ids):
            return i
        cells = line[width:]
        sample_box(masks[i], frame, how, line[:width], shares, rest, place, cells)
        rows, columns = place[8], place[9]
        if rows > 0:
            own = cells[: rows * columns].reshape((rows, columns))
            numbered = every[:rows], every[:columns]
            size = _write_instance(own, *numbered, place, label, tables, rest, ids, size)
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
    """Write the ids of one mask behind ``size`` others; return how many there are then.

    The box is that of the place, and where that is empty that of the cells set.
    """
    rows, columns = len(ys), len(xs)
    framed = len(place) > 0
    edges, runs = scratch[: rows * (columns + 2)], scratch[rows * (columns + 2) :]
    separator, separator_end, repeats = tables[7], tables[8], tables[9] != 0
    side = tables[_NUMBERS - 1]
    separated = separator < separator_end
    y1, x1, y2, x2, count = mask_runs(mask, ys, xs, not framed, separated, repeats, edges, runs)
    if count == 0:
        return size
    if framed:
        x1, y1, x2, y2 = place[0], place[1], place[2], place[3]
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


@kernel
def _kind(ids: Index, at: int, kinds: Cells) -> int:
    number = ids[at]
    if 0 <= number < len(kinds):
        return int(kinds[number])
    return IGNORED if number == IGNORE_INDEX else TEXT


@kernel
def read_instance(
    ids: Index, at: int, kinds: Cells, tables: Index, found: Index, cells: Mask
) -> int:
    """Read the next instance, where nothing is wrong with it; return the id behind it.

    ``kinds[id]`` is what an id stands for, as the value of a token; PIECE and more are text that a
    box may have. ``tables`` holds the rows and columns of the canvas, whether rows are separated,
    whether cells belong to the box, of which they then may have so many rows and columns, and what
    the pieces are. ``found`` gets where the six tags stand, and the box, unless ``found[10]`` says
    that it is there already, which becomes 0, and how many rows and columns there are. ``cells``
    gets them, row by row; it has room for as many as there may be, and `BLOCK` more. Returns 0
    where no tag is left, -1 where anything has to be looked at twice, and -2 where only the box has
    to. The label is not looked into.
    """
    given = found[10] != 0
    found[10] = 0
    tag = _NIL
    for i in range(at, len(ids)):
        kind = _kind(ids, i, kinds)
        if TAG <= kind < TAG + 6:
            if kind != TAG + tag:
                return -1
            found[tag] = i
            tag += 1
            if tag == 4:
                if not given and not _read_box(ids, found, kinds, tables):
                    return -2
                if not (found[6] <= found[8] < tables[1] and found[7] <= found[9] < tables[0]):
                    return -1
            elif tag == 5:
                return _read_rows(ids, kinds, tables, found, cells)
        elif tag in (1, 3):
            if kind == IGNORED or SEPARATOR != kind < TEXT:
                return -1
        elif tag in (2, 4) and kind not in (SPACE, IGNORED):
            return -1
    return 0 if tag == 0 else -1


@kernel
def _read_rows(ids: Index, kinds: Cells, tables: Index, found: Index, cells: Mask) -> int:
    """Draw the bricks behind ``<seg>``; return the id behind ``</seg>``, or -1.

    A run is drawn as a whole block, whatever its length: the next one covers what is too much.
    """
    separated = tables[2] != 0
    open_width = tables[3] != 0  # until the first row ends
    framed = open_width
    width, rows = found[8] - found[6] + 1, found[9] - found[7] + 1
    if framed:
        rows, width = tables[4], tables[5]
    end = width * rows
    if end + BLOCK > len(cells):
        return -1
    drawn = _NIL
    edge = width  # where the present row ends
    for i in range(found[4] + 1, len(ids)):
        kind = _kind(ids, i, kinds)
        if kind < TEXT and kind != SEPARATOR:
            if drawn == edge and not separated:
                edge += width
            if kind >= REPEAT:
                length = (kind - REPEAT) * width
                if drawn == 0 or drawn + width != edge or length > end - drawn:
                    return -1
                for k in range(length):
                    cells[drawn + k] = cells[drawn - width + k]
                drawn += length
                edge = drawn
                continue
            length = abs(kind)
            if length > min(edge - drawn, BLOCK) or edge > end:
                return -1
            colour = np.uint8(kind > 0)
            block = cells[drawn : drawn + BLOCK]
            for c in range(BLOCK):
                block[c] = colour
            drawn += length
            continue
        if kind in (SPACE, IGNORED):
            continue
        if open_width and drawn > 0:
            width = edge = drawn
            end = width * rows
            open_width = False
        if kind == SEPARATOR:
            if drawn != edge or not separated:
                return -1
            edge += width
        elif kind == TAG + 5:
            found[5] = i
            found[11], found[12] = drawn // width, width
            return i + 1 if drawn == edge and (framed or edge == end) else -1
        else:
            return -1
    return -1


@kernel
def _read_box(ids: Index, found: Index, kinds: Cells, tables: Index) -> bool:
    """Read ``[[x1 y1 x2 y2]]`` between two tags, where every id of it is a piece."""
    state = _NIL  # brackets read, then 2 + numbers begun, then 6 + brackets read
    fresh = True  # whether a number may begin
    number = _NIL
    for i in range(found[2] + 1, found[3]):
        kind = _kind(ids, i, kinds)
        if kind < PIECE and kind != SPACE:
            return False
        piece = int(tables[_PIECES + kind - PIECE]) if kind >= PIECE else _SPACE
        while piece > 0:
            byte = piece & 0xFF
            piece >>= 8
            if (byte == _OPENING and state < 2) or (byte == _CLOSING and 6 <= state < 8):
                state += 1
            elif _CHAR_0 <= byte <= _CHAR_9 and 2 <= state <= 6:
                if fresh:
                    if state == 6:
                        return False
                    found[6 + state - 2] = 0
                    number = 0
                    state += 1
                    fresh = False
                elif number == 0 or number >= 1000:
                    return False
                number = 10 * number + byte - _CHAR_0
                found[6 + state - 3] = number
            elif byte == _SPACE:
                fresh = True
            else:
                return False
    return bool(state == 8)


@kernel
def scan_ids(ids: Index, kinds: Cells, tokens: Index, tags: Index) -> tuple[int, int]:
    """Cut ids into tokens as `scan` does a text; positions are indices into ``ids``.

    Ids that are to be ignored must have been taken out.
    """
    count = _NIL
    tag_count = _NIL
    text_start = _UNSET
    text_stop = _UNSET
    for i in range(len(ids) + 1):
        kind = _kind(ids, i, kinds) if i < len(ids) else NOTHING
        kind = TEXT if kind >= PIECE else kind
        if kind in (SPACE, IGNORED):
            continue
        newlines = (kind - IGNORED) // 2 if kind > IGNORED else 0
        if kind == TEXT or (newlines > 0 and kind % 2 != 0):
            text_start = i if text_start < 0 else text_start
            text_stop = i + 1
        if kind == TEXT:
            continue
        if text_start >= 0:
            _record(tokens, count, TEXT, text_start, text_stop)
            count += 1
            text_start = -1
        if kind == NOTHING:
            break
        if kind >= TAG and newlines == 0:
            if tag_count < len(tags):
                tags[tag_count, 3] = i + 1
            _record(tags, tag_count, count, kind - TAG, i)
            tag_count += 1
        value = SEPARATOR if newlines > 0 else kind
        for _ in range(max(newlines, 1)):
            _record(tokens, count, value, i, i + 1)
            count += 1
    return count, tag_count


# ------------------------------------------------------------- I-SD, I-RLE, R-RLE, to text


@kernel
def label_room(cells: Cells, bounds: Index, counted: bool, extra: int) -> int:
    """Bytes enough for `write_labels`: those of every label it writes, and `extra` with each."""
    room = _NIL
    for r in range(len(cells)):
        row = cells[r]
        for c in range(len(row)):
            if c == 0 or row[c] != row[c - 1] or not counted:
                room += bounds[row[c] + 1] - bounds[row[c]] + extra
    return room


@kernel
def write_labels(
    cells: Cells,
    labels: Mask,
    bounds: Index,
    counted: bool,
    marks: Mask,
    mark_bounds: Index,
    out: Mask,
) -> int:
    """Write the runs of every row of label numbers as text; return how many bytes that takes.

    Label k is ``labels[bounds[k]:bounds[k + 1]]``. ``marks`` holds what stands between a label
    and its count, between two runs, and between two rows. Without counts every cell is written.
    """
    columns = cells.shape[1]
    size = 0
    for r in range(len(cells)):
        if r > 0:
            for i in range(mark_bounds[2], mark_bounds[3]):
                out[size] = marks[i]
                size += 1
        row = cells[r]
        begin = 0
        for c in range(1, columns + 1):
            if c < columns and row[c] == row[c - 1] and counted:
                continue
            if begin > 0:
                for i in range(mark_bounds[1], mark_bounds[2]):
                    out[size] = marks[i]
                    size += 1
            label = row[begin]
            for i in range(bounds[label], bounds[label + 1]):
                out[size] = labels[i]
                size += 1
            if counted:
                for i in range(mark_bounds[0], mark_bounds[1]):
                    out[size] = marks[i]
                    size += 1
                length = c - begin
                power = 1
                while length >= 10 * power:
                    power *= 10
                while power > 0:
                    out[size] = _CHAR_0 + length // power % 10
                    size += 1
                    power //= 10
            begin = c
    return size


# ----------------------------------------------------------- I-SD, I-RLE, R-RLE, from text


@kernel
def _trim(data: Mask, first: int, last: int) -> tuple[int, int]:
    while first < last and data[first] == _SPACE:
        first += 1
    while last > first and data[last - 1] == _SPACE:
        last -= 1
    return first, last


@kernel
def _label_number(data: Mask, first: int, last: int, spans: Index, count: int) -> int:
    """The number of a label seen lately, or ``count``, for which a new one is entered."""
    for number in range(count - 1, max(count - 1 - _RECENT_LABELS, -1), -1):
        if spans[number, 1] - spans[number, 0] == last - first and _matches(
            data, first, data, spans[number, 0], spans[number, 1]
        ):
            return number
    spans[count, 0] = first
    spans[count, 1] = last
    return count


@kernel
def _count(data: Mask, first: int, last: int) -> tuple[int, bool]:
    """The number written in ``data[first:last]``, and whether it is spelled as it should be."""
    number = 0
    at = first
    while at < last and _CHAR_0 <= data[at] <= _CHAR_9:
        number = min(10 * number + int(data[at]) - _CHAR_0, _COUNT_LIMIT)
        at += 1
    good = at == last and first < last and data[first] != _CHAR_0
    return (number if at > first else 1), good


@kernel
def read_labels(
    data: Mask,
    first: int,
    last: int,
    counted: bool,
    by_row: bool,
    closed: bool,
    cells: Cells,
    spans: Index,
    faults: Index,
) -> tuple[int, int, bool]:
    """Draw ``label * count`` runs row by row, whatever is wrong with them.

    ``cells`` is filled with -1; it gets indices into ``spans``, the bytes of each label, where
    one label may be entered more than once. Formats that are not written by row hand in one
    row of all the cells. Unless ``closed``, the text may have been cut off, and what is missing
    at its end is no fault. Returns the numbers of labels and faults, and whether any cell is
    missing at the end.
    """
    rows, columns = cells.shape
    names = _NIL
    count = _NIL
    row = _NIL
    x = _NIL
    total = _NIL  # the row's sum, where x stops at its width
    items = _NIL
    skipped = False
    long_at = _UNSET
    extra_at = _UNSET
    at = first
    while True:
        start = at
        stars = 0
        first_star = -1
        last_star = -1
        while at < last and data[at] != _BAR and data[at] != _NEWLINE:
            if data[at] == _STAR:
                first_star = at if stars == 0 else first_star
                last_star = at
                stars += 1
            at += 1
        ends = at == last
        breaks = not ends and data[at] == _NEWLINE
        open_end = ends and not closed
        begin, stop = _trim(data, start, at)
        if row >= rows:
            pass
        elif begin == stop:
            full = row == rows - 1 and x == columns  # then a text that was cut off ends here
            if (full or not open_end) and not skipped and (items > 0 or not (ends or breaks)):
                count = _fault(faults, count, EMPTY_ITEM, start, row, total)
            skipped = True  # several in a row are one mistake
        else:
            items += 1
            skipped = False
            number = 1
            name_start, name_stop = begin, stop
            if stars > 0:
                name_start, name_stop = _trim(data, begin, first_star)
            if counted and stars > 0:
                digits_start, digits_stop = _trim(data, last_star + 1, stop)
                number, good = _count(data, digits_start, digits_stop)
                if open_end and digits_start == digits_stop:
                    number = 0
                elif not good:
                    count = _fault(faults, count, BAD_COUNT, digits_start, row, number)
            elif counted:
                if open_end:
                    number = 0
                else:
                    count = _fault(faults, count, COUNT_MISSING, stop, row, total)
            elif open_end and x + 1 < columns:
                number = 0  # the last label of a text that was cut off may be half a word
            if stars > counted:
                count = _fault(faults, count, STRAY_STAR, first_star, row, total)
            stop_x = min(x + number, columns)
            if x + number > columns and long_at < 0:
                long_at = begin
            if name_start == name_stop:
                count = _fault(faults, count, EMPTY_LABEL, begin, row, total)
            elif x < stop_x:
                label = _label_number(data, name_start, name_stop, spans, names)
                names = max(names, label + 1)
                cells[row, x:stop_x] = label
            x = stop_x
            total = min(total + number, _COUNT_LIMIT)
        if ends:
            break
        if breaks and by_row:
            if row < rows:
                if long_at >= 0:
                    count = _fault(faults, count, ROW_LONG, long_at, row, total)
                elif x < columns:
                    count = _fault(faults, count, ROW_SHORT, at, row, total)
            row += 1
            if row == rows:
                extra_at = at
            x = total = items = 0
            skipped = False
            long_at = -1
        elif breaks:
            count = _fault(faults, count, STRAY_SEPARATOR, at, row, total)
        at += 1
    if row >= rows:
        count = _fault(faults, count, ROW_EXTRA, extra_at, row, row + 1)
        return names, count, False
    missing = x < columns
    if items > 0:
        if long_at >= 0:
            count = _fault(faults, count, ROW_LONG, long_at, row, total)
        elif closed and x < columns:
            count = _fault(faults, count, ROW_SHORT, last, row, total)
        row += 1
    if row < rows:
        missing = True
        if closed:
            count = _fault(faults, count, ROW_MISSING, last, row, row)
    return names, count, missing
