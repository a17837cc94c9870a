"""Slow, plain twins of everything, written from the specification alone.

They use no kernel and nothing of the package, so that a mistake would have to be made twice.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import groupby, pairwise

import numpy as np
from PIL import Image

TAGS = ["<ref>", "</ref>", "<box>", "</box>", "<seg>", "</seg>"]


class RefusedError(Exception):
    """The text does not follow its format."""


# ------------------------------------------------------------------- pixels and cells


def pillow_index(size: int, cells: int) -> np.ndarray:
    """The pixels that Pillow's NEAREST picks along one side."""
    line = Image.fromarray(np.arange(size, dtype=np.int32)[None])
    return np.asarray(line.resize((cells, 1), Image.Resampling.NEAREST))[0]


def nearest(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    image = Image.fromarray((np.asarray(mask) != 0).astype(np.uint8))
    return np.asarray(image.resize(grid[::-1], Image.Resampling.NEAREST))


def _overlap(first: int, first_parts: int, second: int, second_parts: int) -> Fraction:
    begin = max(Fraction(first, first_parts), Fraction(second, second_parts))
    end = min(Fraction(first + 1, first_parts), Fraction(second + 1, second_parts))
    return max(end - begin, Fraction(0))


def covered(mask: np.ndarray, grid: tuple[int, int]) -> list[list[Fraction]]:
    """The share of every cell that is set, exactly."""
    (height, width), (rows, columns) = mask.shape, grid
    result = []
    for r in range(rows):
        line = []
        for c in range(columns):
            area = sum(
                _overlap(r, rows, y, height) * _overlap(c, columns, x, width)
                for y in range(height)
                for x in range(width)
                if mask[y, x]
            )
            line.append(area * rows * columns)
        result.append(line)
    return result


def area(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    return np.array([[int(2 * share >= 1) for share in row] for row in covered(mask, grid)])


def keep(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    cells = area(mask, grid)
    shares = covered(mask, grid)
    best = max(max(row) for row in shares)
    if cells.any() or best == 0:
        return cells
    return np.array([[int(share == best) for share in row] for row in shares])


def paint_nearest(cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return nearest(cells, shape)


def paint_smooth(cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    (rows, columns), (height, width) = cells.shape, shape

    def weights(pixel: int, pixels: int, count: int) -> list[tuple[int, Fraction]]:
        centre = Fraction(2 * pixel + 1, 2 * pixels) * count - Fraction(1, 2)
        low = centre.numerator // centre.denominator
        share = centre - low
        clamp = lambda cell: min(max(cell, 0), count - 1)  # noqa: E731
        return [(clamp(low), 1 - share), (clamp(low + 1), share)]

    out = np.zeros(shape, np.uint8)
    for y in range(height):
        for x in range(width):
            value = sum(
                int(cells[r, c]) * wy * wx
                for r, wy in weights(y, height, rows)
                for c, wx in weights(x, width, columns)
            )
            out[y, x] = value >= Fraction(1, 2)
    return out


# ------------------------------------------------------------------------------ B-SD


def _bricks(row: list[int], spell: dict[bool, str]) -> str:
    text = ""
    for value, run in groupby(row):
        length = len(list(run))
        while length > 0:
            part = min(length, 63)
            text += spell[bool(value)].replace("{}", str(part))
            length -= part
    return text


def write_bsd(
    cells: np.ndarray,
    label: str,
    separator: str = "\n",
    fg: str = "<fg{}>",
    bg: str = "<bg{}>",
    tags: list[str] = TAGS,
) -> str:
    ys, xs = np.nonzero(cells)
    if len(ys) == 0:
        return ""
    x1, y1, x2, y2 = xs.min(), ys.min(), xs.max(), ys.max()
    rows = [
        _bricks(cells[y, x1 : x2 + 1].tolist(), {True: fg, False: bg}) for y in range(y1, y2 + 1)
    ]
    ref, ref_end, box, box_end, seg, seg_end = tags
    head = f"{ref}{label}{ref_end}{box}[[{x1} {y1} {x2} {y2}]]{box_end}"
    return head + seg + separator.join(rows) + seg_end


def read_bsd(
    text: str,
    grid: tuple[int, int],
    separator: str = "\n",
    fg: str = "<fg{}>",
    bg: str = "<bg{}>",
    tags: list[str] = TAGS,
) -> list[tuple[str, tuple[int, ...], list[list[int]]]]:
    """All instances as (label, box, rows of cells), or `RefusedError`."""
    any_tag = re.compile("|".join(map(re.escape, tags)))
    parts = {1: fg.split("{}"), 0: bg.split("{}")}
    brick = {
        value: re.compile(re.escape(head) + "([0-9]+)" + re.escape(tail))
        for value, (head, tail) in parts.items()
    }
    found = []
    at = 0
    while True:
        spots = [any_tag.search(text, at)]
        if spots[0] is None:
            return found
        for tag in tags[1:]:
            spots.append(any_tag.search(text, spots[-1].end()))
            if spots[-1] is None or spots[-1].group() != tag:
                raise RefusedError
        if spots[0].group() != tags[0]:
            raise RefusedError
        inner = [text[a.end() : b.start()] for a, b in pairwise(spots)]
        label, gap, box, other_gap, body = inner
        if gap.strip(" ") or other_gap.strip(" "):
            raise RefusedError
        at = spots[-1].end()
        found.append(_read_instance(label, box, body, grid, separator, brick))


def _read_instance(label, box, body, grid, separator, brick):
    label = label.strip()
    numbers = "[1-9]|[1-5][0-9]|6[0-3]"
    plain = [re.compile(p.pattern.replace("[0-9]+", numbers)) for p in brick.values()]
    if not label or any(p.search(label) for p in plain):
        raise RefusedError
    match = re.fullmatch(r" *\[ *\[ *(\d+) +(\d+) +(\d+) +(\d+) *\] *\] *", box, re.ASCII)
    if not match or any(n != str(int(n)) for n in match.groups() if len(n) < 99):
        raise RefusedError
    x1, y1, x2, y2 = corners = tuple(int(n) if len(n) < 99 else 10**9 for n in match.groups())
    if not (x1 <= x2 < grid[1] and y1 <= y2 < grid[0]):
        raise RefusedError
    width, height = x2 - x1 + 1, y2 - y1 + 1
    lines = body.split("\n") if separator else [body]
    rows = [_read_bricks(line, brick) for line in lines]
    if not separator:
        runs, rows = rows[0], []
        while runs:
            row = []
            while sum(length for _, length in row) < width:
                if not runs:
                    raise RefusedError
                row.append(runs.pop(0))
            rows.append(row)
    if len(rows) != height:
        raise RefusedError
    cells = [[value for value, length in row for _ in range(length)] for row in rows]
    if any(len(row) != width for row in cells):
        raise RefusedError
    return label, corners, cells


def _read_bricks(line: str, brick: dict[int, re.Pattern[str]]) -> list[tuple[int, int]]:
    runs = []
    at = 0
    while at < len(line):
        if line[at] == " ":
            at += 1
            continue
        for value, pattern in brick.items():
            match = pattern.match(line, at)
            if match:
                number = match.group(1)
                if number[0] == "0" or len(number) > 2 or int(number) > 63:
                    raise RefusedError
                runs.append((value, int(number)))
                at = match.end()
                break
        else:
            raise RefusedError
    return runs


# ------------------------------------------------------------------ I-SD, I-RLE, R-RLE


def write_isd(grid: list[list[str]]) -> str:
    return "<seg>" + "|".join(label for row in grid for label in row) + "</seg>"


def _counted(row: list[str], star: str, bar: str) -> str:
    return bar.join(f"{label}{star}{len(list(run))}" for label, run in groupby(row))


def write_irle(grid: list[list[str]]) -> str:
    return "<seg>" + _counted([label for row in grid for label in row], "*", "|") + "</seg>"


def write_rrle(grid: list[list[str]]) -> str:
    return "<seg>" + "\n".join(_counted(row, "*", "|") for row in grid) + "</seg>"


def write_text4seg(grid: list[list[str]]) -> str:
    return "\n ".join(_counted(row, " *", "| ") for row in grid) + "\n"


WRITERS = {"i-sd/1": write_isd, "i-rle/1": write_irle, "r-rle/1": write_rrle}


def read_labels(codec_id: str, text: str, grid: tuple[int, int]) -> list[list[str]]:
    """The label of every cell, or `RefusedError`."""
    rows, columns = grid
    if "<seg>" in text or "</seg>" in text:
        parts = re.split("(</?seg>)", text)
        if parts[1::2] != ["<seg>", "</seg>"]:
            raise RefusedError
        text = parts[2]
    text = text.strip(" \t\r\n\v\f")
    lines = text.split("\n") if codec_id == "r-rle/1" else [text]
    if codec_id != "r-rle/1" and "\n" in text:
        raise RefusedError
    cells: list[list[str]] = []
    for line in lines:
        row: list[str] = []
        for item in line.split("|"):
            label, count = item, "1"
            if codec_id != "i-sd/1":
                label, star, count = item.partition("*")
                if not star:
                    raise RefusedError
                count = count.strip(" ")
            label = label.strip()
            if not re.fullmatch("[1-9][0-9]*", count) or len(count) > 9:
                raise RefusedError
            if not label or "*" in label or any(tag in label for tag in TAGS):
                raise RefusedError
            if len(row) + int(count) > rows * columns:
                raise RefusedError
            row += [label] * int(count)
        cells.append(row)
    if codec_id != "r-rle/1":
        if len(cells[0]) != rows * columns:
            raise RefusedError
        return [cells[0][r * columns : (r + 1) * columns] for r in range(rows)]
    if len(cells) != rows or any(len(row) != columns for row in cells):
        raise RefusedError
    return cells


# -------------------------------------------------------------------- COCO's run lengths


def counts_of(mask: np.ndarray) -> list[int]:
    """The lengths of the runs down the columns, the first one background."""
    pixels = [value for column in (np.asarray(mask) != 0).T.tolist() for value in column]
    counts = [len(list(run)) for _, run in groupby(pixels)]
    return [0, *counts] if pixels[0] else counts


def mask_of(counts: list[int], shape: tuple[int, int]) -> np.ndarray:
    """The pixels of runs down the columns."""
    pixels = [k % 2 for k, count in enumerate(counts) for _ in range(count)]
    return np.array(pixels, np.uint8).reshape(shape[::-1]).T


def write_counts(counts: list[int]) -> bytes:
    """Counts as text: six bits a character from "0" on, a number's lowest five bits first.

    The sixth bit says that more of the number follows; a number is signed, and from the fourth on
    it is the difference to the one before the last.
    """
    text = ""
    for k, count in enumerate(counts):
        number = count - counts[k - 2] if k > 2 else count
        size = 1
        while not -(2 ** (5 * size - 1)) <= number < 2 ** (5 * size - 1):
            size += 1
        number %= 2 ** (5 * size)
        digits = [number // 32**place % 32 for place in range(size)]
        text += "".join(chr(48 + 32 + digit) for digit in digits[:-1]) + chr(48 + digits[-1])
    return text.encode()


def read_counts(text: bytes, shape: tuple[int, int]) -> list[int]:
    """The counts of a text, which fill an image of a shape, or `RefusedError`."""
    counts: list[int] = []
    digits: list[int] = []
    for byte in text:
        if not 48 <= byte < 48 + 64:
            raise RefusedError
        more, digit = divmod(byte - 48, 32)
        digits.append(digit)
        if more:
            continue
        if len(digits) > 7:  # 32 bits and a sign take seven characters
            raise RefusedError
        number = sum(digit * 32**place for place, digit in enumerate(digits))
        if digit >= 16:
            number -= 32 ** len(digits)
        if len(counts) > 2:
            number += counts[-2]
        counts.append(number)
        digits = []
    if digits or min(counts, default=0) < 0 or sum(counts) != shape[0] * shape[1]:
        raise RefusedError
    return counts


def bbox(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(x, y, width, height) of the tight box, four times 0 where nothing is set."""
    ys, xs = np.nonzero(mask)
    if len(ys) == 0:
        return 0, 0, 0, 0
    x, y = int(xs.min()), int(ys.min())
    return x, y, int(xs.max()) - x + 1, int(ys.max()) - y + 1


# ----------------------------------------------------------------------- repairing rows


def repaired(rows: list[list[tuple[object, int]]], height: int, width: int, blank: object) -> list:
    """Rows of (value, count) cut or filled one by one, missing ones blank, further ones dropped."""
    grid = []
    for runs in rows[:height]:
        row = []
        for value, count in runs:
            row += [value] * min(count, width)
        grid.append((row + [blank] * width)[:width])
    return grid + [[blank] * width for _ in range(height - len(grid))]
