"""Instances of B-SD and scanlines: from text and from ids to cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from maskcodec.kernels.compiler import kernel, numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskcodec.masks.arrays import Cells, Index, Mask

    Starts: TypeAlias = npt.NDArray[np.bool_]

MAX_RUN = 63  # the longest run that has a brick
BLOCK = 64  # cells drawn at once: at least a run, and a few vectors
SEPARATOR = 0
IRREGULAR = 1 << 12  # added to a number that no brick has: 0, 64, 007
ROW_END = 1 << 13  # + n, irregular or not: the last edge of a scanline, 0 included
BREAK = 1 << 14  # a newline that is spelled out: a backslash and an n, or <0x0A>
TEXT, TAG, NOTHING, SPACE, IGNORED = numbers(1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19)
PIECE, PLACE = numbers(1 << 20, 1 << 24)
# TEXT is a stretch of other bytes; TAG + 0 .. TAG + 5 are <ref> </ref> <box> </box> <seg> </seg>;
# NOTHING is never a token. Only for ids: SPACE is white space without a newline. IGNORED is
# padding, which may come anywhere. IGNORED + 2 * n is n newlines; one more is text and n newlines.
# PIECE + k is TEXT that a box may have: a table has its bytes, the first byte lowest. PLACE + n is
# a location token.
IGNORE_INDEX = -100  # trainers write it instead of an id without loss
SATURATED = 1 << 11  # the limit of a run's number while reading: above any grid, below IRREGULAR

# Faults. A record is (kind, byte position, row, value): the value is a sum, or for text and bricks
# the byte behind them.
ROW_LONG, ROW_SHORT, ROW_MISSING, ROW_EXTRA = numbers(1, 2, 3, 4)
STRAY_TEXT, BAD_NUMBER, STRAY_SEPARATOR = numbers(5, 6, 7)
# Faults of scanlines: an edge that is not behind the last one, an edge beyond the last column, a
# row without an end.
EDGE_BACK, EDGE_BEYOND, ROW_OPEN = numbers(13, 14, 15)
# Faults of newlines between rows: spelled out, nothing between two newlines, no newlines.
BREAK_SPELLED, ROW_BLANK, ROWS_JOINED = numbers(16, 17, 18)

_NEWLINE, _RETURN, _SPACE, _CHAR_0, _CHAR_9 = 10, 13, 32, 48, 57
_BACKSLASH, _LESS, _GREATER, _LETTER_A, _LETTER_N, _LETTER_X = 92, 60, 62, 65, 110, 120
_OPENING, _CLOSING = 91, 93
_NIL, _UNSET = numbers(0, -1)
_PIECES = 7  # index into the tables of `read_instance`
_COUNT_LIMIT = 1 << 40


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
    """The tag or brick that starts at a byte, and its stop."""
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
        zero = kind == 2 and stop == first + 1  # an end may have the number 0
        if (data[first] == _CHAR_0 and not zero) or number > MAX_RUN:
            number += IRREGULAR
        stop += bounds[prefix + 2] - bounds[prefix + 1]
        if kind == 0:
            return number, stop
        return (-number, stop) if kind == 1 else (ROW_END + number, stop)
    for tag in range(6):
        if _matches(data, at, pieces, bounds[tag], bounds[tag + 1]):
            return TAG + tag, at + bounds[tag + 1] - bounds[tag]
    return NOTHING, at


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
def scan(
    data: Mask, pieces: Mask, bounds: Index, starts: Starts, tokens: Index, tags: Index
) -> tuple[int, int]:
    """Cut a text into tokens; return the numbers of tokens and of tags.

    ``pieces`` holds, one after another and cut at ``bounds``: the six tags; then prefix and suffix
    of a foreground brick, of a background brick and, in scanlines, of an end. ``starts`` marks the
    bytes that begin a piece. Spaces between tokens are skipped. ``tokens`` gets (value, start,
    stop), ``tags`` gets (index of the token, kind, start, stop), both only while there is room.
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
        if value == NOTHING and byte in (_BACKSLASH, _LESS):
            stop = _break_stop(data, at)
            value = BREAK if stop > at else NOTHING
        if value == NOTHING:
            if byte not in (_SPACE, _RETURN):
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
def draw(
    tokens: Index,
    first: int,
    last: int,
    end: int,
    rows: int,
    separated: bool,
    closed: bool,
    cells: Mask,
    faults: Index,
) -> tuple[int, int]:
    """Draw the bricks of ``tokens[first:last]`` row by row; count faults and go on.

    ``cells`` is zeroed and has the rows' width; it has a row for each token and one more, or
    ``rows``. ``end`` is the byte behind the bricks. ``closed``: ``</seg>`` comes there, so that
    absent rows are missing; otherwise they are cut off. Returns the number of rows found, at most
    ``rows``, and the number of faults; faults are written only while there is room.
    """
    width = cells.shape[1]
    row = _NIL
    x = _NIL  # the row's sum so far; cells beyond the width are not drawn
    long_at = _UNSET
    extra_at = _UNSET
    count = _NIL
    if separated and rows > 1:
        total, breaks, second = _NIL, False, _UNSET
        for k in range(first, last):
            value = tokens[k, 0]
            breaks |= value in (SEPARATOR, BREAK)
            if value < BREAK:
                total += abs(value) % IRREGULAR
                second = tokens[k, 1] if second < 0 and total > width else second
        if second >= 0 and not breaks:
            count = _fault(faults, count, ROWS_JOINED, second, _NIL, total)
            separated = False
    for k in range(first, last):
        value, start = tokens[k, 0], tokens[k, 1]
        if value == BREAK:
            value = np.int64(SEPARATOR)
            if separated and row < rows:
                count = _fault(faults, count, BREAK_SPELLED, start, row, tokens[k, 2])
        if value == SEPARATOR:
            if not separated:
                if row < rows or extra_at < 0:  # beyond the box, only one fault is reported
                    last = min(row, rows - 1)
                    count = _fault(faults, count, STRAY_SEPARATOR, start, last, x)
                row += x > 0
                x = 0
                continue
            if row < rows:
                if x == 0:
                    count = _fault(faults, count, ROW_BLANK, start, row, _NIL)
                    continue
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
        length = abs(value)
        if length >= IRREGULAR:
            length -= IRREGULAR
            count = _fault(faults, count, BAD_NUMBER, start, row, tokens[k, 2])
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
    if closed and row < rows:
        count = _fault(faults, count, ROW_MISSING, end, row, row)
    return row, count


@kernel
def draw_scanlines(
    tokens: Index, first: int, last: int, end: int, closed: bool, cells: Mask, faults: Index
) -> tuple[int, int]:
    """Draw the scanlines of ``tokens[first:last]``; count faults and go on.

    ``cells`` is zeroed and has the most rows. ``end`` is the byte behind the bricks. ``closed``:
    ``</seg>`` comes there. An edge that is not behind the last one draws nothing. An edge beyond
    the last column counts as the last column. Returns the number of rows begun and the number of
    faults; faults are written only while there is room.
    """
    rows, columns = cells.shape
    row = _NIL
    edge = _NIL  # the last edge of the row
    begun = False
    extra = False
    count = _NIL
    for k in range(first, last):
        value, start = tokens[k, 0], tokens[k, 1]
        if value in (TEXT, SEPARATOR, BREAK):
            count = _fault(faults, count, STRAY_TEXT, start, min(row, rows - 1), tokens[k, 2])
            continue
        if row >= rows:
            if not extra:
                count = _fault(faults, count, ROW_EXTRA, start, row, row)
            extra = True
            continue
        ends = value >= ROW_END
        column = value - ROW_END if ends else abs(value)
        if column >= IRREGULAR:
            column -= IRREGULAR
            count = _fault(faults, count, BAD_NUMBER, start, row, tokens[k, 2])
        elif column > columns:
            count = _fault(faults, count, EDGE_BEYOND, start, row, column)
        column = min(column, columns)
        if column < edge or (column == edge and not ends):
            count = _fault(faults, count, EDGE_BACK, start, row, tokens[k, 2])
            column = edge
        if value > 0:
            for c in range(edge, column):
                cells[row, c] = 1
        edge = column
        begun = True
        if ends:
            row += 1
            edge = _NIL
            begun = False
    if begun:
        if closed:
            count = _fault(faults, count, ROW_OPEN, end, row, edge)
        row += 1
    return row, count


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
    """Read the next instance if it has no fault; return the index of the id behind it.

    Returns 0 if no tag is left, -1 if the instance may have a fault, and -2 if only the box needs
    another look. The label is not checked.

    ``kinds[id]`` is the meaning of an id, as the value of a token; PIECE and more are text that a
    box may have. ``tables`` holds: the rows and columns of the canvas; whether rows are separated;
    the most rows and the columns of scanlines, or 0 and 0; whether y comes before x in a box;
    whether a box is location tokens; the pieces. ``found`` gets: the indices of the six tags, 0 ..
    5; the box, 6 .. 9; the numbers of rows and columns, 11 and 12. If ``found[10]`` is not 0, the
    box is given; it becomes 0. ``cells`` gets the cells, row by row; it has room for the most cells
    and `BLOCK` more.
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
                if tables[3] > 0:
                    return _read_scanlines(ids, kinds, tables, found, cells)
                return _read_rows(ids, kinds, tables, found, cells)
        elif tag in (1, 3):
            if kind == IGNORED or SEPARATOR != kind < TEXT:
                return -1
        elif tag in (2, 4) and kind not in (SPACE, IGNORED):
            return -1
    return 0 if tag == 0 else -1


@kernel
def _read_rows(ids: Index, kinds: Cells, tables: Index, found: Index, cells: Mask) -> int:
    """Draw the bricks behind ``<seg>``; return the index of the id behind ``</seg>``, or -1.

    Each run is drawn as a whole block: the next run covers the cells that are too many.
    """
    separated = tables[2] != 0
    width, rows = found[8] - found[6] + 1, found[9] - found[7] + 1
    end = width * rows
    if end + BLOCK > len(cells):
        return -1
    drawn = _NIL
    edge = width  # the end of the current row
    for i in range(found[4] + 1, len(ids)):
        kind = _kind(ids, i, kinds)
        if kind < TEXT and kind != SEPARATOR:
            if drawn == edge and not separated:
                edge += width
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
        if kind == SEPARATOR:
            if drawn != edge or not separated:
                return -1
            edge += width
        elif kind == TAG + 5:
            found[5] = i
            found[11], found[12] = rows, width
            return i + 1 if drawn == edge == end else -1
        else:
            return -1
    return -1


@kernel
def _read_scanlines(ids: Index, kinds: Cells, tables: Index, found: Index, cells: Mask) -> int:
    """Draw the scanlines behind ``<seg>``; return the index of the id behind ``</seg>``, or -1."""
    rows, columns = tables[3], tables[4]
    if rows * columns + BLOCK > len(cells):
        return -1
    row, edge = _NIL, _NIL
    begin = _NIL  # of the row in `cells`
    for i in range(found[4] + 1, len(ids)):
        kind = _kind(ids, i, kinds)
        if kind < TEXT and kind != SEPARATOR:
            ends = kind >= ROW_END
            column = kind - ROW_END if ends else abs(kind)
            if row == rows or column > columns or column < edge or (column == edge and not ends):
                return -1
            colour = np.uint8(kind > 0)
            for c in range(begin + edge, begin + column):
                cells[c] = colour
            edge = column
            if ends:
                begin += columns
                for c in range(begin - columns + edge, begin):
                    cells[c] = 0
                row += 1
                edge = 0
        elif kind in (SPACE, IGNORED):
            continue
        elif kind == TAG + 5 and row > 0 and edge == 0:
            found[5] = i
            found[11], found[12] = row, columns
            return i + 1
        else:
            return -1
    return -1


@kernel
def _read_box(ids: Index, found: Index, kinds: Cells, tables: Index) -> bool:
    """Read ``[[x1 y1 x2 y2]]`` or four location tokens between two tags; False for anything else.

    Scanlines may have any opposite corners, and y before x.
    """
    read = _read_places(ids, found, kinds) if tables[6] else _read_digits(ids, found, kinds, tables)
    if not read:
        return False
    if tables[5] != 0:
        found[6], found[7] = found[7], found[6]
        found[8], found[9] = found[9], found[8]
    if tables[3] > 0:
        found[6], found[8] = min(found[6], found[8]), max(found[6], found[8])
        found[7], found[9] = min(found[7], found[9]), max(found[7], found[9])
    return True


@kernel
def _read_places(ids: Index, found: Index, kinds: Cells) -> bool:
    """Read four location tokens between two tags."""
    places = _NIL
    for i in range(found[2] + 1, found[3]):
        kind = _kind(ids, i, kinds)
        if kind in (SPACE, IGNORED):
            continue
        if kind < PLACE or places == 4:
            return False
        found[6 + places] = kind - PLACE
        places += 1
    return bool(places == 4)


@kernel
def _read_digits(ids: Index, found: Index, kinds: Cells, tables: Index) -> bool:
    """Read ``[[x1 y1 x2 y2]]`` between two tags; every id must be a piece or a space."""
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
    """Cut ids into tokens, as `scan` cuts a text; positions are indices into ``ids``.

    The caller has removed padding.
    """
    count = _NIL
    tag_count = _NIL
    text_start = _UNSET
    text_stop = _UNSET
    for i in range(len(ids) + 1):
        kind = _kind(ids, i, kinds) if i < len(ids) else NOTHING
        kind = TEXT if kind >= PIECE else kind  # also a location token in rows
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
