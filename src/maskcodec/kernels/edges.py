"""Where the edges of two masks are near each other, by the bits of whole numbers.

A map is an array (words, columns): bit k of ``map[w, x]`` is the pixel of column ``left + x`` in
row ``(top + w) * BITS + k``, where (top, left) is the map's place. 62 bits leave the sign alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.kernels.compiler import kernel, numbers

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Index

BITS = numbers(62)[0]
_ALL = numbers((1 << 62) - 1)[0]
_NIL, _ONE = numbers(0, 1)
_PAIRS, _FOURS, _BYTES = numbers(0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F)
_COUNT = numbers(127)[0]  # more than the bits of a word


@kernel
def trace_edge(
    ends: Index, height: int, place: tuple[int, int], reach: int, maps: Index
) -> tuple[int, int]:
    """Write the edge of a mask, and all that is near it, into two of three maps.

    The edge is made of the pixels of the mask that have a pixel above, below, to the left or to the
    right that is not set, or none, at the side of the image. Near is what is at most ``reach``
    columns and at most ``reach`` rows from a pixel of the edge.

    Parameters
    ----------
    ends
        The runs of the mask, as `maskcodec.kernels.rle` has them.
    height
        The image's.
    place
        (top, left) of the maps, which have room for all that is near; what is near beyond the side
        of the image may be left out.
    reach
        At least 0.
    maps
        int64 (3, words, columns), all of them written to. The edge is ``maps[1]``.

    Returns
    -------
    How many pixels the edge has, and the number of the map of what is near.
    """
    _, words, columns = maps.shape
    maps[0] = 0
    _fill(ends, height, place, maps[0])
    mask, edge = maps[0], maps[1]
    count = _NIL
    for w in range(words):
        for x in range(columns):
            own = mask[w, x]
            above, below = (own << 1) & _ALL, own >> 1
            if w > 0:
                above |= mask[w - 1, x] >> (BITS - 1)
            if w < words - 1:
                below |= (mask[w + 1, x] & 1) << (BITS - 1)
            inner = above & below
            inner &= mask[w, x - 1] if x > 0 else _NIL
            inner &= mask[w, x + 1] if x < columns - 1 else _NIL
            edge[w, x] = own & ~inner
            count += _ones(edge[w, x])
    at, to = _ONE, 2 * _ONE
    done = _NIL
    while done < reach:
        step = min(reach - done, done + 1)  # no gap, though what leaves the map is lost
        _grow_down(maps[at], step, maps[to])
        at, to = to, (_NIL if to == 2 else 2 * _ONE)
        _grow_across(maps[at], step, maps[to])
        at, to = to, (_NIL if to == 2 else 2 * _ONE)
        done += step
    return count, at


@kernel
def shared_bits(first: Index, place: tuple[int, int], second: Index, other: tuple[int, int]) -> int:
    """Count the pixels that are set in both of two maps, which lie at two places."""
    down, across = place[0] - other[0], place[1] - other[1]
    count = _NIL
    for w in range(max(_NIL, -down), min(first.shape[0], second.shape[0] - down)):
        begin = max(_NIL, -across)
        for x in range(begin, min(first.shape[1], second.shape[1] - across)):
            count += _ones(first[w, x] & second[w + down, x + across])
    return count


@kernel
def _fill(ends: Index, height: int, place: tuple[int, int], out: Index) -> None:
    """Set the pixels of runs, column by column."""
    top, left = place
    for k in range(1, len(ends), 2):
        start, stop = ends[k - 1], ends[k]
        while start < stop:
            x = start // height
            y, end = start - x * height, min(stop - x * height, height)
            start = x * height + end
            for w in range(y // BITS, (end - 1) // BITS + 1):
                low, high = max(y - w * BITS, _NIL), min(end - w * BITS, BITS)
                out[w - top, x - left] |= (_ONE << high) - (_ONE << low)


@kernel
def _grow_down(source: Index, step: int, out: Index) -> None:
    """Set what is set, and what lies ``step`` rows above or below it."""
    words, columns = source.shape
    whole, part = step // BITS, step % BITS
    rest = BITS - part
    for w in range(words):
        for x in range(columns):
            out[w, x] = source[w, x]
        if w >= whole:
            for x in range(columns):
                out[w, x] |= (source[w - whole, x] << part) & _ALL
        if w > whole:
            for x in range(columns):
                out[w, x] |= source[w - whole - 1, x] >> rest
        if w + whole < words:
            for x in range(columns):
                out[w, x] |= source[w + whole, x] >> part
        if w + whole + 1 < words:
            for x in range(columns):
                out[w, x] |= (source[w + whole + 1, x] << rest) & _ALL


@kernel
def _grow_across(source: Index, step: int, out: Index) -> None:
    """Set what is set, and what lies ``step`` columns to the left or right of it."""
    words, columns = source.shape
    for w in range(words):
        for x in range(columns):
            out[w, x] = source[w, x]
        for x in range(step, columns):
            out[w, x] |= source[w, x - step]
        for x in range(columns - step):
            out[w, x] |= source[w, x + step]


@kernel
def _ones(word: int) -> int:
    """How many bits are set, of 62."""
    word -= (word >> 1) & _PAIRS
    word = (word & _FOURS) + ((word >> 2) & _FOURS)
    word = (word + (word >> 4)) & _BYTES
    word += word >> 8
    word += word >> 16
    word += word >> 32
    return word & _COUNT
