"""Slow, plain twins of everything, written from the specification alone.

They use no kernel and nothing of the package, so that a mistake would have to be made twice.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import groupby, pairwise
from math import ceil, floor
from typing import Any

import numpy as np
from PIL import Image

TAGS = ["<ref>", "</ref>", "<box>", "</box>", "<seg>", "</seg>"]


COPIES = 2  # in place of a colour: a run that is so many copies of the row above


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


def _shares(cells: int, pixels: int) -> np.ndarray:
    """How much of every cell each pixel of a side covers."""
    lines = [[cells * _overlap(c, cells, p, pixels) for p in range(pixels)] for c in range(cells)]
    return np.array(lines, object)


def covered(mask: np.ndarray, grid: tuple[int, int]) -> list[list[Fraction]]:
    """The share of every cell that is set, exactly."""
    (height, width), (rows, columns) = mask.shape, grid
    pixels = (np.asarray(mask) != 0).astype(int).astype(object)
    return (_shares(rows, height) @ pixels @ _shares(columns, width).T).tolist()


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


def paint_smooth(cells: np.ndarray, shape: tuple[int, int], edge: str = "edge") -> np.ndarray:
    """Bilinear; beyond the cells lies the nearest one of them, or with "constant" background."""
    (rows, columns), (height, width) = cells.shape, shape
    around = np.pad(np.asarray(cells), 1, mode=edge).tolist()

    def weights(pixel: int, pixels: int, count: int) -> list[tuple[int, Fraction]]:
        centre = Fraction(2 * pixel + 1, 2 * pixels) * count + Fraction(1, 2)  # of those around
        low = floor(centre)
        share = centre - low
        return [(low, 1 - share), (low + 1, share)]

    out = np.zeros(shape, np.uint8)
    for y in range(height):
        for x in range(width):
            value = sum(
                around[r][c] * wy * wx
                for r, wy in weights(y, height, rows)
                for c, wx in weights(x, width, columns)
            )
            out[y, x] = value >= Fraction(1, 2)
    return out


def _edges(row: list[int]) -> list[int]:
    """The numbers of the cells that runs of set cells begin and end at."""
    line = [0, *(int(cell != 0) for cell in row), 0]
    return [c for c, (before, after) in enumerate(pairwise(line)) if before != after]


def paint_contour(cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How far inside a run of its row a point is, linear between rows; set where not outside."""
    (rows, columns), (height, width) = cells.shape, shape
    most = Fraction(height, rows)

    def distance(row: list[int], x: int) -> Fraction:
        at = Fraction(2 * x + 1, 2)
        ends = [Fraction(c * width, columns) for c in _edges(row)]
        inside = sum(end <= at for end in ends) % 2 == 1
        near = min([most, *(abs(at - end) for end in ends if 0 < end < width)])
        return near if inside else -near

    lines = [[distance(row, x) for x in range(width)] for row in np.asarray(cells).tolist()]
    beyond = [-most] * width
    lines = [beyond, *lines, beyond]
    out = np.zeros(shape, np.uint8)
    for y in range(height):
        centre = Fraction(2 * y + 1, 2 * height) * rows + Fraction(1, 2)  # of those with beyond
        upper = floor(centre)
        share = centre - upper
        for x in range(width):
            value = (1 - share) * lines[upper][x] + share * lines[upper + 1][x]
            out[y, x] = value >= 0
    return out


def paint(
    cells: np.ndarray,
    shape: tuple[int, int],
    method: str,
    part: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """Cells of a whole image, or of a part (top, left, height, width) beyond which is nothing."""
    top, left, height, width = part or (0, 0, *shape)
    inner = paint_nearest(cells, (height, width))
    if method == "smooth":
        other = paint_smooth(cells, (height, width), "constant" if part else "edge")
    elif method == "contour":
        other = paint_contour(cells, (height, width))
    if method != "nearest" and other.any():
        inner = other
    out = np.zeros(shape, np.uint8)
    out[top : top + height, left : left + width] = inner
    return out


# ----------------------------------------------------------------------- the box frame


def bins_of(begin: int, end: int, side: int, bins: int) -> tuple[int, int]:
    """The first and the last bin of the pixels begin .. end - 1: outwards."""
    return floor(Fraction(begin, side) * bins), ceil(Fraction(end, side) * bins) - 1


def pixels_of(first: int, last: int, side: int, bins: int) -> tuple[int, int]:
    """Where the pixels that lie in bins begin and end: inwards, though one is always there."""
    begin = min(ceil(Fraction(first, bins) * side), side - 1)
    return begin, max(floor(Fraction(last + 1, bins) * side), begin + 1)


def part_of(
    box: tuple[int, int, int, int], bins: int, shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The top, left, height and width in pixels of a box in bins."""
    x1, y1, x2, y2 = box
    top, bottom = pixels_of(y1, y2, shape[0], bins)
    left, right = pixels_of(x1, x2, shape[1], bins)
    return top, left, bottom - top, right - left


def cells_of(grid: int | tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """Into how many rows and columns a box of pixels is cut."""
    if not isinstance(grid, int):
        return min(grid[0], height), min(grid[1], width)
    longer = max(height, width)
    most = min(grid, longer)
    return ceil(Fraction(height * most, longer)), ceil(Fraction(width * most, longer))


def place(mask: np.ndarray, grid: int | tuple[int, int], bins: int):
    """The box in bins, the part of the image, and the rows and columns of a mask with pixels."""
    ys, xs = np.nonzero(mask)
    x1, x2 = bins_of(int(xs.min()), int(xs.max()) + 1, mask.shape[1], bins)
    y1, y2 = bins_of(int(ys.min()), int(ys.max()) + 1, mask.shape[0], bins)
    part = part_of((x1, y1, x2, y2), bins, mask.shape)
    return (x1, y1, x2, y2), part, cells_of(grid, *part[2:])


def framed(mask: np.ndarray, grid: int | tuple[int, int], bins: int, sampling: str):
    """The box and its cells; None for a mask without a pixel."""
    if not np.any(mask):
        return None
    box, part, size = place(mask, grid, bins)
    pixels = _cut(mask, part)
    if sampling == "best":
        return box, improve(keep(pixels, size), pixels)
    sample = {"nearest": nearest, "area": area, "keep": keep}[sampling]
    return box, sample(pixels, size)


def _cut(mask: np.ndarray, part: tuple[int, int, int, int]) -> np.ndarray:
    top, left, height, width = part
    return (np.asarray(mask) != 0).astype(np.uint8)[top : top + height, left : left + width]


def points_of(cells: np.ndarray, pixels: np.ndarray) -> tuple[int, int]:
    """At how many lines and at how many points of each `best` looks."""
    (rows, columns), (height, width) = cells.shape, pixels.shape

    def points(side: int, usual: int) -> int:
        return side if side <= 128 else min(side, max(usual, 64))

    return points(height, 8 * rows), points(width, 2 * columns)


def at_points(cells: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """What the contour of cells is at those points, in whole numbers.

    Distances count in 1 / (2 * columns * rows) of what lies between two points of a line; the
    height of a cell is rounded down, to 1 at least and what fits 32 bits at most.
    """
    (rows, columns), (height, width) = cells.shape, pixels.shape
    lines, samples = points_of(cells, pixels)
    most = floor(height / Fraction(width, samples) * 2 * columns)
    most = min(max(most, 1), 2**29 // lines)

    def distance(row: list[int], x: int) -> int:
        at = (2 * x + 1) * columns * rows
        ends = [2 * samples * rows * c for c in _edges(row)]
        side = 2 * samples * rows * columns
        near = min([most, *(abs(at - end) for end in ends if 0 < end < side)])
        return near if sum(end <= at for end in ends) % 2 else -near

    measured = [[distance(row, x) for x in range(samples)] for row in cells.tolist()]
    beyond = [-most] * samples
    measured = [beyond, *measured, beyond]
    out = np.zeros((lines, samples), np.uint8)
    for y in range(lines):
        row, share = divmod((2 * y + 1) * rows + lines, 2 * lines)
        for x in range(samples):
            value = (2 * lines - share) * measured[row][x] + share * measured[row + 1][x]
            out[y, x] = value >= 0
    return out


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """The IoU of two masks, 0 where both are empty."""
    both, either = int((first & second).sum()), int((first | second).sum())
    return both / either if either else 0.0


def inside(target: np.ndarray, grid: tuple[int, int], r: int, c: int) -> np.ndarray:
    """The points that lie in a cell, of lines and samples at least as many as rows and columns."""
    (top, bottom), (left, right) = (
        (floor(Fraction(k * points, count)), floor(Fraction((k + 1) * points, count)))
        for k, points, count in zip((r, c), target.shape, grid, strict=True)
    )
    return target[top:bottom, left:right]


def improve(cells: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """`best`: cells flipped one by one, row by row, twice, where the contour gains by it.

    The second time without cells whose points all have their colour; 700 are tried at most.
    """
    cells = np.array(cells, np.uint8)
    tries = 0
    rows, columns = cells.shape
    target = nearest(pixels, points_of(cells, pixels))
    for turn in range(2):
        before = cells.copy()
        for r in range(rows):
            for c in range(columns):
                around = np.pad(cells, 1)
                cross = [around[r + 1, c], around[r + 1, c + 2], around[r, c + 1]]
                if {int(v) for v in [*cross, around[r + 2, c + 1]]} == {int(cells[r, c])}:
                    continue
                if turn and (inside(target, cells.shape, r, c) == cells[r, c]).all():
                    continue
                if tries == 700:
                    return cells
                tries += 1
                flipped = cells.copy()
                flipped[r, c] ^= 1
                more = len([*groupby(flipped[r].tolist())]) - len([*groupby(cells[r].tolist())])
                drawn = at_points(cells, pixels)
                now = overlap(drawn if drawn.any() else nearest(cells, target.shape), target)
                then = overlap(at_points(flipped, pixels), target)
                if then - now > 0.002 * max(more, 0):
                    cells = flipped
        if np.array_equal(cells, before):
            break
    return cells


# ------------------------------------------------------------------------------ B-SD


def arguments(settings: dict[str, Any]) -> dict[str, Any]:
    """How `write_bsd` and `read_bsd` are told a codec's settings."""
    tags = [
        tag
        for name in ("ref", "box", "seg")
        for tag in settings.get(name, (f"<{name}>", f"</{name}>"))
    ]
    usual = ["fg{}", "bg{}", "rep{}"]
    if settings.get("bricks", True):
        usual = [f"<{brick}>" for brick in usual]
    fg, bg, *rep = settings.get("spelling", usual)
    found = {"separator": settings.get("row_separator", "\n"), "fg": fg, "bg": bg, "tags": tags}
    return {**found, "rep": rep[0]} if settings.get("repeats") else found


def _bricks(row: list[int], spell: dict[bool, str]) -> str:
    text = ""
    for value, run in groupby(row):
        length = len(list(run))
        while length > 0:
            part = min(length, 63)
            text += spell[bool(value)].replace("{}", str(part))
            length -= part
    return text


def _rows_as_text(rows: list[list[int]], fg: str, bg: str, rep: str | None) -> list[str]:
    lines = []
    for row, same in groupby(rows):
        copies = len(list(same)) - 1
        lines.append(_bricks(row, {True: fg, False: bg}))
        if rep is None:
            lines += lines[-1:] * copies
            continue
        while copies > 0:
            part = min(copies, 63)
            lines.append(rep.replace("{}", str(part)))
            copies -= part
    return lines


def write_bsd(
    cells: np.ndarray,
    label: str,
    separator: str = "\n",
    fg: str = "<fg{}>",
    bg: str = "<bg{}>",
    tags: list[str] = TAGS,
    rep: str | None = None,
    box: tuple[int, int, int, int] | None = None,
) -> str:
    """The cells of a canvas, drawn tight; or all cells of a box of the box frame."""
    cells = np.asarray(cells)
    ys, xs = np.nonzero(cells)
    if len(ys) == 0:
        return ""
    if box is None:
        box = xs.min(), ys.min(), xs.max(), ys.max()
        cells = cells[box[1] : box[3] + 1, box[0] : box[2] + 1]
    x1, y1, x2, y2 = box
    ref, ref_end, box_tag, box_end, seg, seg_end = tags
    head = f"{ref}{label}{ref_end}{box_tag}[[{x1} {y1} {x2} {y2}]]{box_end}"
    return head + seg + separator.join(_rows_as_text(cells.tolist(), fg, bg, rep)) + seg_end


def read_bsd(
    text: str,
    grid: tuple[int, int],
    separator: str = "\n",
    fg: str = "<fg{}>",
    bg: str = "<bg{}>",
    tags: list[str] = TAGS,
    rep: str | None = None,
    most: tuple[int, int] | None = None,
) -> list[tuple[str, tuple[int, ...], list[list[int]]]]:
    """All instances as (label, box, rows of cells), or `RefusedError`.

    With `most`, the most rows and columns, cells belong to the box, and `grid` is the bins.
    """
    any_tag = re.compile("|".join(map(re.escape, tags)))
    parts = {1: fg.split("{}"), 0: bg.split("{}")} | ({COPIES: rep.split("{}")} if rep else {})
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
        found.append(_read_instance(label, box, body, grid, separator, brick, most))


def _read_instance(label, box, body, grid, separator, brick, most):
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
    lines = [_read_bricks(line, brick) for line in body.split("\n")]
    width, height = x2 - x1 + 1, y2 - y1 + 1
    if most:
        width = sum(length for _, length in lines[0])
        if not 1 <= width <= most[1]:
            raise RefusedError
    if not separator:
        if len(lines) > 1:
            raise RefusedError
        lines = _cut_at(width, lines[0])
    cells: list[list[int]] = []
    for line in lines:
        if line[:1] and line[0][0] == COPIES and len(line) == 1 and cells:
            cells += cells[-1:] * line[0][1]
            continue
        row = [value for value, length in line for _ in range(length)]
        if COPIES in row or len(row) != width:
            raise RefusedError
        cells.append(row)
    if (len(cells) > most[0]) if most else (len(cells) != height):
        raise RefusedError
    return label, corners, cells


def _cut_at(width: int, runs: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Rows that end where the width is reached; a repeat is one where it begins a row."""
    rows: list[list[tuple[int, int]]] = [[]]
    for run in runs:
        if rows[-1] and (rows[-1][0][0] == COPIES or sum(n for _, n in rows[-1]) >= width):
            rows.append([])
        rows[-1].append(run)
    return rows


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


def repaired_copies(
    lines: list[list[tuple[int, int]]], most: tuple[int, int]
) -> tuple[list[list[int]], int]:
    """The cells of a box of lines in which repeats stand anywhere, and how much was wrong.

    The first line of which a brick is drawn says how wide all are. What stands behind a repeat, and
    a repeat behind a brick or without a row above, is passed over.
    """
    count, width = 0, 1
    for line in lines:
        if count >= most[0]:
            break
        if count and line[:1] and line[0][0] == COPIES:
            count += line[0][1]
            continue
        if drawn := sum(n for value, n in line if value != COPIES):
            width = min(drawn, most[1])
            break
        count += 1
    rows: list[list[int]] = []
    faults = 0
    for line in lines:
        if len(rows) >= most[0]:
            faults += 1  # once, whatever follows
            break
        if rows and line[:1] and line[0][0] == COPIES:
            rows += rows[-1:] * line[0][1]
            if len(rows) > most[0]:
                faults += 1
                break
            faults += len(line) - 1
            continue
        bricks = [run for run in line if run[0] != COPIES]
        faults += len(line) - len(bricks) + (sum(n for _, n in bricks) != width)
        rows += repaired([bricks], 1, width, 0)
    return rows[: most[0]], faults
