"""COCO's runs, and the text of an RLE.

``ends[k]`` is the pixel behind run k, counted down the columns. The first run is background and may
be empty, the next one is foreground, and so on. The last run ends with the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.kernels.compiler import kernel, numbers

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Index, Mask

# Faults in the counts of an RLE: an invalid character, a number that does not end, a text that
# stops inside a number, a count below 0, runs beyond the last pixel, and runs that stop before it.
RLE_CHARACTER, RLE_ENDLESS, RLE_CUT, RLE_NEGATIVE, RLE_LONG, RLE_SHORT = numbers(1, 2, 3, 4, 5, 6)

_NIL = numbers(0)[0]
_RLE_ZERO, _RLE_CODES, _RLE_MORE, _RLE_SIGN, _RLE_BITS = 48, 64, 32, 16, 5  # of a character
_RLE_DIGITS = 7  # the most characters of a number: 32 bits, and a sign


@kernel
def read_counts(data: Mask, pixels: int, ends: Index) -> tuple[int, int, int]:
    """Read the compressed counts of an RLE; return their number, the fault, and its byte.

    A character has five bits, the lowest first; the sixth bit says that more characters follow.
    From the fourth count on, the number is the difference to the count before the last. ``ends``
    has room for a run for each byte. The fault is 0 or one of ``RLE_...``.
    """
    count = _NIL
    total = _NIL
    number = _NIL
    start = _NIL  # of the current number
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


@kernel
def join_runs(ends: Index, out: Index) -> int:
    """Write runs without empty ones, except an empty first run; return their number."""
    count = _NIL
    for k in range(len(ends)):
        if k > 0 and ends[k] == ends[k - 1]:
            continue
        if count > 0 and (count - 1 - k) % 2 == 0:
            count -= 1  # the runs between were empty: the last run goes on
        out[count] = ends[k]
        count += 1
    return count


@kernel
def write_counts(ends: Index, out: Mask) -> int:
    """Write runs as the counts that `read_counts` reads; return the number of bytes."""
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
