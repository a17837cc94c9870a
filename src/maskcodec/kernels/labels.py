"""I-SD, I-RLE and R-RLE: label numbers to text, and text to label numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.kernels.compiler import kernel, numbers

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Cells, Index, Mask

# Faults. A record is (kind, byte position, row, value or stop of the fault).
ROW_LONG, ROW_SHORT, ROW_MISSING, ROW_EXTRA = numbers(1, 2, 3, 4)
STRAY_SEPARATOR, EMPTY_ITEM = numbers(7, 8)
COUNT_MISSING, BAD_COUNT, STRAY_STAR, EMPTY_LABEL = numbers(9, 10, 11, 12)

# Faults of newlines between rows: spelled out, and nothing before it.
BREAK_SPELLED, ROW_BLANK = numbers(16, 17)

_NEWLINE, _RETURN, _SPACE, _STAR, _BAR, _CHAR_0, _CHAR_9 = 10, 13, 32, 42, 124, 48, 57
_BACKSLASH, _LESS, _GREATER, _LETTER_A, _LETTER_N, _LETTER_X = 92, 60, 62, 65, 110, 120
_NIL, _UNSET = numbers(0, -1)
_RECENT_LABELS = 8  # labels that a label is compared with: a constant keeps the time linear
_COUNT_LIMIT = 1 << 40


@kernel
def mark_values(pixels: Mask, seen: Mask) -> None:
    """Set ``seen`` (256,) to 1 at each value of ``pixels`` (n,)."""
    for i in range(len(pixels)):
        seen[pixels[i]] = 1


@kernel
def label_room(cells: Cells, bounds: Index, counted: bool, extra: int) -> int:
    """Enough bytes for `write_labels`: all labels that it writes, and `extra` for each label."""
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
    """Write the runs of every row of label numbers as text; return the number of bytes.

    Label k is ``labels[bounds[k]:bounds[k + 1]]``. ``marks`` holds the marks between a label and
    its count, between two runs, and between two rows. Without counts, every cell is written.
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


@kernel
def _trim(data: Mask, first: int, last: int) -> tuple[int, int]:
    while first < last and data[first] in (_SPACE, _RETURN):
        first += 1
    while last > first and data[last - 1] in (_SPACE, _RETURN):
        last -= 1
    return first, last


@kernel
def _matches(data: Mask, at: int, pieces: Mask, first: int, last: int) -> bool:
    if at + last - first > len(data):
        return False
    for k in range(last - first):
        if data[at + k] != pieces[first + k]:
            return False
    return True


@kernel
def _label_number(data: Mask, first: int, last: int, spans: Index, count: int) -> int:
    """The number of a recent label; for any other label, enter it as number ``count``."""
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
    """The number in ``data[first:last]``, and whether its spelling is correct."""
    number = 0
    at = first
    while at < last and _CHAR_0 <= data[at] <= _CHAR_9:
        number = min(10 * number + int(data[at]) - _CHAR_0, _COUNT_LIMIT)
        at += 1
    good = at == last and first < last and data[first] != _CHAR_0
    return (number if at > first else 1), good


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
def _break_stop(data: Mask, at: int) -> int:
    """The stop of a newline that is spelled out at a byte; the byte itself if there is none."""
    size = len(data)
    if data[at] == _BACKSLASH:
        return at + 2 if at + 1 < size and data[at + 1] == _LETTER_N else at
    if at + 5 >= size:
        return at
    hexadecimal = data[at + 1] == _CHAR_0 and data[at + 2] == _LETTER_X and data[at + 3] == _CHAR_0
    newline = data[at + 4] == _LETTER_A and data[at + 5] == _GREATER
    return at + 6 if hexadecimal and newline else at


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
    """Draw ``label * count`` runs row by row; count faults and go on.

    ``cells`` is filled with -1 and gets indices into ``spans``, the bytes of each label. A label
    may be entered more than once. Formats without rows pass one row of all cells. A newline that is
    spelled out ends a row behind a count, where no label can be. Unless ``closed``, the text may be
    cut off: cells missing at its end are not a fault. Returns the numbers of labels and of faults,
    and whether cells are missing at the end.
    """
    rows, columns = cells.shape
    names = _NIL
    count = _NIL
    row = _NIL
    x = _NIL
    total = _NIL  # the row's sum; x stops at its width
    items = _NIL
    skipped = False
    spelled = False  # whether the row before ended with a newline that is spelled out
    long_at = _UNSET
    extra_at = _UNSET
    beyond = False  # whether there is text behind the last row
    row_start = first
    at = first
    while True:
        start = at
        stop_at = at
        stars = 0
        first_star = -1
        last_star = -1
        while at < last and data[at] != _BAR and data[at] != _NEWLINE:
            if data[at] == _STAR:
                first_star = at if stars == 0 else first_star
                last_star = at
                stars += 1
            elif data[at] in (_BACKSLASH, _LESS) and counted:
                behind = stars > 0 or (spelled and _trim(data, start, at)[0] == at)
                stop_at = _break_stop(data, at) if behind else at
                if stop_at > at:
                    break
            at += 1
        ends = at == last
        spells = stop_at > at
        breaks = not ends and (data[at] == _NEWLINE or spells)
        open_end = ends and not closed
        begin, stop = _trim(data, start, at)
        if row >= rows:
            beyond |= begin < stop or not ends
        elif begin == stop:
            full = row == rows - 1 and x == columns  # a cut-off text may end here
            if (full or not open_end) and not skipped and (items > 0 or not (ends or breaks)):
                count = _fault(faults, count, EMPTY_ITEM, start, row, total)
            skipped = True  # several empty items in a row are one fault
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
                number = 0  # the last label of a cut-off text may be half a word
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
            if spells and row < rows:
                count = _fault(faults, count, BREAK_SPELLED, at, row, stop_at)
            spelled = spells
            if row < rows and start == row_start and begin == stop:
                count = _fault(faults, count, ROW_BLANK, at, row, _NIL)
                at = stop_at if spells else at + 1
                row_start = at
                continue
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
        at = stop_at if spells else at + 1
        if breaks:
            row_start = at
    if row >= rows and not beyond:
        return names, count, False
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
