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


def paint_contour(
    cells: np.ndarray,
    shape: tuple[int, int],
    ys: list[int] | None = None,
    xs: list[int] | None = None,
) -> np.ndarray:
    """How far inside a run of its row a point is, linear between rows; set where not outside.

    Only some lines and columns of it, where these are given.
    """
    (rows, columns), (height, width) = cells.shape, shape
    ys, xs = (range(height), range(width)) if ys is None else (ys, xs)
    most = Fraction(height, rows)

    def distance(row: list[int], x: int) -> Fraction:
        at = Fraction(2 * x + 1, 2)
        ends = [Fraction(c * width, columns) for c in _edges(row)]
        inside = sum(end <= at for end in ends) % 2 == 1
        near = min([most, *(abs(at - end) for end in ends if 0 < end < width)])
        return near if inside else -near

    lines = [[distance(row, x) for x in xs] for row in np.asarray(cells).tolist()]
    beyond = [-most] * len(xs)
    lines = [beyond, *lines, beyond]
    out = np.zeros((len(ys), len(xs)), np.uint8)
    for line, y in enumerate(ys):
        centre = Fraction(2 * y + 1, 2 * height) * rows + Fraction(1, 2)  # of those with beyond
        upper = floor(centre)
        share = centre - upper
        for x in range(len(xs)):
            value = (1 - share) * lines[upper][x] + share * lines[upper + 1][x]
            out[line, x] = value >= 0
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


# ------------------------------------------------------------- cells of an object's own box


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


def place(mask: np.ndarray, cells: tuple[int, int], bins: int):
    """The box in bins, the part of the image, and the rows and columns of a mask with pixels."""
    ys, xs = np.nonzero(mask)
    x1, x2 = bins_of(int(xs.min()), int(xs.max()) + 1, mask.shape[1], bins)
    y1, y2 = bins_of(int(ys.min()), int(ys.max()) + 1, mask.shape[0], bins)
    part = part_of((x1, y1, x2, y2), bins, mask.shape)
    return (x1, y1, x2, y2), part, (min(cells[0], part[2]), cells[1])


def framed(mask: np.ndarray, cells: tuple[int, int], bins: int, sampling: str):
    """The box and its cells; None for a mask without a pixel."""
    if not np.any(mask):
        return None
    box, part, size = place(mask, cells, bins)
    pixels = _cut(mask, part)
    if sampling == "best":
        kept = keep(pixels, size)
        best = improve(kept, pixels)
        if points_of(kept, pixels) != pixels.shape:  # not all of them were looked at
            drawn = [paint(cells, pixels.shape, "contour") for cells in (kept, best)]
            if overlap(drawn[1], pixels) < overlap(drawn[0], pixels):
                best = kept
        return box, best
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


def tags_of(settings: dict[str, Any]) -> list[str]:
    """The six tags that a codec's settings say."""
    return [
        tag
        for name in ("ref_tags", "box_tags", "seg_tags")
        for tag in settings.get(name, (f"<{name[:3]}>", f"</{name[:3]}>"))
    ]


def arguments(settings: dict[str, Any]) -> dict[str, Any]:
    """How `write_bsd` and `read_bsd` are told a codec's settings."""
    usual = ("<fg{}>", "<bg{}>") if settings.get("bricks", True) else ("fg{}", "bg{}")
    fg, bg = settings.get("spelling", usual)
    separator = settings.get("row_separator", "\n")
    return {"separator": separator, "fg": fg, "bg": bg, "tags": tags_of(settings)}


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
    """The cells of a canvas, drawn tight."""
    cells = np.asarray(cells)
    ys, xs = np.nonzero(cells)
    if len(ys) == 0:
        return ""
    x1, y1, x2, y2 = xs.min(), ys.min(), xs.max(), ys.max()
    lines = [_bricks(row, {True: fg, False: bg}) for row in cells[y1 : y2 + 1, x1 : x2 + 1]]
    return _written(tags, label, f"[[{x1} {y1} {x2} {y2}]]", separator.join(lines))


def _written(tags: list[str], label: str, box: str, rows: str) -> str:
    ref, ref_end, box_tag, box_end, seg, seg_end = tags
    return f"{ref}{label}{ref_end}{box_tag}{box}{box_end}{seg}{rows}{seg_end}"


def read_bsd(
    text: str,
    grid: tuple[int, int],
    separator: str = "\n",
    fg: str = "<fg{}>",
    bg: str = "<bg{}>",
    tags: list[str] = TAGS,
) -> list[tuple[str, tuple[int, ...], list[list[int]]]]:
    """All instances as (label, box, rows of cells), or `RefusedError`."""
    brick = {1: _spelled(fg), 0: _spelled(bg)}
    found = []
    for label, box, body in _instances(text, tags):
        if any(_short(p).search(label) for p in brick.values()):
            raise RefusedError
        match = re.fullmatch(DIGITS, box, re.ASCII)
        if not match:
            raise RefusedError
        x1, y1, x2, y2 = corners = _numbers(match.groups(), 1)
        if not (x1 <= x2 < grid[1] and y1 <= y2 < grid[0]):
            raise RefusedError
        lines = [_read_bricks(line, brick) for line in body.split("\n")]
        width, height = x2 - x1 + 1, y2 - y1 + 1
        if not separator:
            if len(lines) > 1:
                raise RefusedError
            lines = _cut_at(width, lines[0])
        rows = [[value for value, length in line for _ in range(length)] for line in lines]
        if len(rows) != height or any(len(row) != width for row in rows):
            raise RefusedError
        found.append((label, corners, rows))
    return found


DIGITS = r" *\[ *\[ *(\d+) +(\d+) +(\d+) +(\d+) *\] *\] *"


def _spelled(brick: str, number: str = "[0-9]+") -> re.Pattern[str]:
    head, tail = brick.split("{}")
    return re.compile(f"{re.escape(head)}({number}){re.escape(tail)}")


def _short(pattern: re.Pattern[str], first: int = 1) -> re.Pattern[str]:
    """Bricks with numbers that there are."""
    return re.compile(pattern.pattern.replace("[0-9]+", f"[{first}-9]|[1-5][0-9]|6[0-3]"))


def _instances(text: str, tags: list[str]) -> list[tuple[str, str, str]]:
    """The label, the box and the rows of every instance, as they stand between their tags."""
    any_tag = re.compile("|".join(map(re.escape, tags)))
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
        label, gap, box, other_gap, body = (text[a.end() : b.start()] for a, b in pairwise(spots))
        if gap.strip(" ") or other_gap.strip(" ") or not label.strip():
            raise RefusedError
        at = spots[-1].end()
        found.append((label.strip(), box, body))


def _numbers(digits: tuple[str, ...], fewest: int) -> tuple[int, ...]:
    """Numbers with so many digits at least, and no other zeros in front."""
    if any(n != str(int(n)).zfill(fewest) for n in digits if len(n) < 99):
        raise RefusedError
    return tuple(int(n) if len(n) < 99 else 10**9 for n in digits)


def _cut_at(width: int, runs: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Rows that end where the width is reached."""
    rows: list[list[tuple[int, int]]] = [[]]
    for run in runs:
        if rows[-1] and sum(n for _, n in rows[-1]) >= width:
            rows.append([])
        rows[-1].append(run)
    return rows


def _read_bricks(line: str, brick: dict[int, re.Pattern[str]]) -> list[tuple[int, int]]:
    """The bricks of a line as kinds and numbers; only an end, which is kind 2, may say 0."""
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
                known = range(0 if value == 2 else 1, 64)
                if number not in map(str, known):
                    raise RefusedError
                runs.append((value, int(number)))
                at = match.end()
                break
        else:
            raise RefusedError
    return runs


# ------------------------------------------------------------------------------ scanlines


def scanline_arguments(settings: dict[str, Any]) -> dict[str, Any]:
    """How `write_scanlines` and `read_scanlines` are told a codec's settings."""
    found = {name: settings[name] for name in ("axes", "spelling") if name in settings}
    if settings.get("coordinates") == "tokens":
        found["location"] = settings.get("location", "<loc{}>")
    return {**found, "tags": tags_of(settings)}


USUAL = "<fg:{}>", "<bg:{}>", "<end:{}>"


def write_scanlines(
    cells: np.ndarray,
    label: str,
    box: tuple[int, int, int, int],
    tags: list[str] = TAGS,
    spelling: tuple[str, str, str] = USUAL,
    axes: str = "xy",
    location: str | None = None,
) -> str:
    """The cells of a box: where the colour changes, and each row's last edge."""
    fg, bg, end = spelling
    rows = ""
    for row in np.asarray(cells).tolist():
        at, changes = 0, []
        for value, run in groupby(row):
            at += len(list(run))
            changes.append((value, at))
        if not changes[-1][0]:
            changes.pop()
        last = changes.pop()[1] if changes else 0
        rows += "".join((fg if value else bg).replace("{}", str(n)) for value, n in changes)
        rows += end.replace("{}", str(last))
    x1, y1, x2, y2 = box
    numbers = (x1, y1, x2, y2) if axes == "xy" else (y1, x1, y2, x2)
    place = f"[[{' '.join(map(str, numbers))}]]"
    if location is not None:
        place = "".join(location.format(n) for n in numbers)
    return _written(tags, label, place, rows)


def read_scanlines(
    text: str,
    most: tuple[int, int],
    bins: int,
    tags: list[str] = TAGS,
    spelling: tuple[str, str, str] = USUAL,
    axes: str = "xy",
    location: str | None = None,
) -> list[tuple[str, tuple[int, ...], list[list[int]]]]:
    """All instances as (label, box, rows of cells), or `RefusedError`.

    `most` is the most rows, and the columns.
    """
    fg, bg, end = map(_spelled, spelling)
    place, fewest = re.compile(DIGITS, re.ASCII), 1
    if location is not None:
        head, tail = (re.escape(part) for part in re.split(r"\{.*\}", location))
        fewest = len(location.format(0)) - len(location) + len(re.search(r"\{.*\}", location)[0])
        word = re.compile(f"{head}([0-9]+){tail}")
        place = re.compile(f" *{' *'.join([word.pattern] * 4)} *")
    found = []
    for label, content, body in _instances(text, tags):
        if any(p.search(label) for p in (_short(fg), _short(bg), _short(end, 0))):
            raise RefusedError
        if location is not None and word.search(label):
            raise RefusedError
        match = place.fullmatch(content)
        if not match:
            raise RefusedError
        a, b, c, d = _numbers(match.groups(), fewest)
        xs, ys = sorted((a, c)), sorted((b, d))
        if axes == "yx":
            xs, ys = ys, xs
        if xs[1] >= bins or ys[1] >= bins or "\n" in body:
            raise RefusedError
        bricks = _read_bricks(body, {1: fg, 0: bg, 2: end})
        rows, faults = drawn_scanlines(bricks, most)
        if faults or not rows or bricks[-1][0] != 2:
            raise RefusedError
        found.append((label, (xs[0], ys[0], xs[1], ys[1]), rows))
    return found


def drawn_scanlines(
    bricks: list[tuple[int, int]], most: tuple[int, int]
) -> tuple[list[list[int]], int]:
    """The rows that bricks draw, kind 2 the ends of rows, and how much was wrong with them.

    An edge that lies beyond the last column is taken for that one, one that does not lie behind the
    edge before it draws nothing, and what comes behind the last row that there may be counts once.
    """
    rows, row, faults = [], [], 0
    for k, (kind, number) in enumerate(bricks):
        if len(rows) == most[0]:
            return rows, faults + 1
        faults += number > most[1]
        edge = min(number, most[1])
        faults += edge < len(row) or (edge == len(row) and kind != 2)
        row += [int(kind != 0)] * (edge - len(row))
        if kind == 2 or k == len(bricks) - 1:
            rows.append(row + [0] * (most[1] - len(row)))
            row = []
    return rows, faults


# ------------------------------------------------------------------------------ polygons

POLYGON_TAGS = ["<ref>", "</ref>", "<seg>", "</seg>"]
RING = "<ring>"


def write_polygons(
    rings: list[list[tuple[int, int]]],
    label: str,
    tags: list[str] = POLYGON_TAGS,
    location: str | None = None,
) -> str:
    """Rings as they are, x and y of each vertex in turn."""
    word = "{}" if location is None else location
    separator = " " if location is None else ""
    body = RING.join(separator.join(word.format(n) for p in ring for n in p) for ring in rings)
    return f"{tags[0]}{label}{tags[1]}{tags[2]}{body}{tags[3]}"


def read_polygons(
    text: str, bins: int, tags: list[str] = POLYGON_TAGS, location: str | None = None
) -> list[tuple[str, list[list[tuple[int, int]]]]]:
    """All instances as (label, rings in their canonical order), or `RefusedError`."""
    any_tag = re.compile("|".join(map(re.escape, tags)))
    shape = re.compile(" *[0-9]+(?: +[0-9]+)* *", re.ASCII)
    if location is not None:
        shape = re.compile(f" *(?:{re.escape(location).replace(BRACES, '[0-9]+')} *)*")
    found, at = [], 0
    while first := any_tag.search(text, at):
        spots = [first]
        for tag in tags[1:]:
            spots.append(any_tag.search(text, spots[-1].end()))
            if spots[-1] is None or spots[-1].group() != tag:
                raise RefusedError
        label, gap, body = (text[a.end() : b.start()] for a, b in pairwise(spots))
        if first.group() != tags[0] or gap.strip(" ") or not label.strip() or RING in label:
            raise RefusedError
        rings = []
        for part in body.split(RING):
            if not shape.fullmatch(part):
                raise RefusedError
            numbers = _numbers(tuple(re.findall("[0-9]+", part)), 1)
            if len(numbers) % 2 or max(numbers, default=0) >= bins:
                raise RefusedError
            rings.append(list(zip(numbers[::2], numbers[1::2], strict=True)))
        if any(not encloses(ring) for ring in rings):
            raise RefusedError
        ordered = canonical_rings(rings)
        if len(ordered) < len(rings):  # one came twice
            raise RefusedError
        found.append((label.strip(), ordered))
        at = spots[-1].end()
    return found


BRACES = re.escape("{}")


def encloses(ring: list[tuple[int, int]]) -> bool:
    """Whether three of the vertices are not on one line."""
    (x, y) = ring[0] if ring else (0, 0)
    return any((a - x) * (d - y) != (c - x) * (b - y) for a, b in ring for c, d in ring)


def canonical_rings(rings: list[list[tuple[int, int]]]) -> list[list[tuple[int, int]]]:
    """Rings as the encoder writes them: where they begin, in which direction, in which order."""

    def down(ring: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(y, x) for x, y in ring]

    def begun(ring: list[tuple[int, int]]) -> list[tuple[int, int]]:
        turns = [ring[k:] + ring[:k] for k in range(len(ring))]
        return min(turns, key=down)

    def area(ring: list[tuple[int, int]]) -> int:
        return sum(a * d - b * c for (a, b), (c, d) in pairwise([*ring, ring[0]]))

    def inside(point: tuple[int, int], ring: list[tuple[int, int]]) -> bool:
        x, y = point
        crossed = 0
        for (a, b), (c, d) in pairwise([*ring, ring[0]]):
            if (b <= y) != (d <= y):
                crossed += x < a + Fraction((y - b) * (c - a), d - b)
        return crossed % 2 == 1

    found = []
    for ring in rings:
        bare = [p for k, p in enumerate(ring) if p != ring[k - 1]]
        ways = sorted([begun(bare), begun(bare[::-1])])
        way = next((w for w in ways if area(w) > 0), ways[0])
        if way not in found:
            found.append(way)
    found.sort(key=down)
    holes = [sum(inside(a[0], b) for b in found if b is not a) % 2 == 1 for a in found]
    return [begun(a[::-1]) if hole else a for a, hole in zip(found, holes, strict=True)]


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


def by_width(runs: list[tuple[object, int]], height: int, width: int) -> list:
    """Rows that nothing parts: a row ends at the width, and what is too much is cut."""
    grid, row = [], []
    for value, count in runs:
        row = [*row, *[value] * min(count, width - len(row))]
        if len(row) == width:
            grid.append(row)
            row = []
    grid += [row + [0] * (width - len(row))] if row else []
    return (grid + [[0] * width] * height)[:height]


def repaired(rows: list[list[tuple[object, int]]], height: int, width: int, blank: object) -> list:
    """Rows of (value, count) cut or filled one by one, missing ones blank, further ones dropped."""
    grid = []
    for runs in rows[:height]:
        row = []
        for value, count in runs:
            row += [value] * min(count, width)
        grid.append((row + [blank] * width)[:width])
    return grid + [[blank] * width for _ in range(height - len(grid))]
