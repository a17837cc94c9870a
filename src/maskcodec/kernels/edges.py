"""Find where the edges of two masks are near each other, with bits of integers as pixels.

A map is an array (words, columns). Bit k of ``map[w, x]`` is the pixel in column ``left + x`` and
row ``(top + w) * BITS + k``; (top, left) is the map's place. 62 bits do not reach the sign.
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
    """Write the edge of a mask, and the pixels near it, into two of three maps.

    A set pixel belongs to the edge if a pixel above, below, left or right of it is not set, or lies
    outside the image. A pixel is near if it is at most ``reach`` columns and at most ``reach`` rows
    from a pixel of the edge.

    Parameters
    ----------
    ends
        The runs of the mask, as in `maskcodec.kernels.rle`.
    height
        The image's height.
    place
        (top, left) of the maps. The maps have room for all near pixels; those outside the image may
        be left out.
    reach
        At least 0.
    maps
        int64 (3, words, columns); all are written to. The edge is ``maps[1]``.

    Returns
    -------
    The number of pixels of the edge, and the index of the map of near pixels.
    """
    maps[0] = 0
    _fill(ends, height, place, maps[0])
    count = _trace(maps[0], maps[1])
    at, to = _ONE, 2 * _ONE
    done = _NIL
    while done < reach:
        # Leaves no gap, also if pixels leave the map; and reaches the next word only.
        step = min(reach - done, done + 1, BITS - 1)
        _grow_down(maps[at], step, maps[to])
        at, to = to, (_NIL if to == 2 else 2 * _ONE)
        _grow_across(maps[at], step, maps[to])
        at, to = to, (_NIL if to == 2 else 2 * _ONE)
        done += step
    return count, at


@kernel
def shared_bits(first: Index, place: tuple[int, int], second: Index, other: tuple[int, int]) -> int:
    """Count the pixels that are set in both of two maps at two places."""
    down, across = place[0] - other[0], place[1] - other[1]
    begin = max(_NIL, -across)
    count = _NIL
    for w in range(max(_NIL, -down), min(first.shape[0], second.shape[0] - down)):
        some, others = first[w, begin:], second[w + down, begin + across :]
        for x in range(min(len(some), len(others))):
            count += _ones(some[x] & others[x])
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
def _trace(mask: Index, edge: Index) -> int:
    """Write the set pixels with an unset pixel above, below, left or right; return their number."""
    words, columns = mask.shape
    count = _NIL
    for w in range(words):
        own, out = mask[w], edge[w]
        before, after = mask[max(w - 1, _NIL)], mask[min(w + 1, words - 1)]
        first, last = int(w > 0), int(w < words - 1)
        for x in range(columns):
            above = ((own[x] << 1) & _ALL) | ((before[x] >> (BITS - 1)) & first)
            out[x] = above & ((own[x] >> 1) | ((after[x] & last) << (BITS - 1)))
        left, middle, right = own[:-2], own[1:-1], own[2:]
        inner = out[1:-1]
        for x in range(len(inner)):
            inner[x] = middle[x] & ~(inner[x] & left[x] & right[x])
        out[0], out[columns - 1] = own[0], own[columns - 1]
        for x in range(columns):
            count += _ones(out[x])
    return count


@kernel
def _grow_down(source: Index, step: int, out: Index) -> None:
    """Set the set pixels, and those ``step`` rows above or below them; ``step`` is below `BITS`."""
    words, columns = source.shape
    for w in range(words):
        own, grown = source[w], out[w]
        for x in range(columns):
            grown[x] = own[x] | ((own[x] << step) & _ALL) | (own[x] >> step)
        if w > 0:
            other = source[w - 1]
            for x in range(columns):
                grown[x] |= other[x] >> (BITS - step)
        if w < words - 1:
            other = source[w + 1]
            for x in range(columns):
                grown[x] |= (other[x] << (BITS - step)) & _ALL


@kernel
def _grow_across(source: Index, step: int, out: Index) -> None:
    """Set the set pixels, and the pixels ``step`` columns left or right of them."""
    words, columns = source.shape
    for w in range(words):
        own, grown = source[w], out[w]
        for x in range(columns):
            grown[x] = own[x]
        behind, before = grown[step:], grown[:-step]
        for x in range(columns - step):
            behind[x] |= own[x]
        ahead = own[step:]
        for x in range(columns - step):
            before[x] |= ahead[x]


@kernel
def _ones(word: int) -> int:
    """The number of set bits, of 62."""
    word -= (word >> 1) & _PAIRS
    word = (word & _FOURS) + ((word >> 2) & _FOURS)
    word = (word + (word >> 4)) & _BYTES
    word += word >> 8
    word += word >> 16
    word += word >> 32
    return word & _COUNT
