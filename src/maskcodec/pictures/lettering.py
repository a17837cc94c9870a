"""Text on pictures: fonts, and labels that look for a free place."""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from PIL import ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    from PIL import Image

    Owners: TypeAlias = npt.NDArray[np.int32]

Colour: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[int, int, int, int]

PAPER, INK = (255, 255, 255), (28, 32, 40)

_LONGEST_LABEL = 36
_MOST_LABELS = 200  # a picture has no place for more
_GAP = 2  # pixels between labels
_OWN = ""  # Pillow's own font, which has ASCII only
_FONTS = "NotoSansCJK-Regular.ttc", "msyh.ttc", "Arial Unicode.ttf", "DejaVuSans.ttf", "arial.ttf"
_NO_LETTER = "\U0010ffff"  # no font has it, so that it looks like whatever a font lacks


class Tag(NamedTuple):
    """A label on its way to its place.

    Attributes
    ----------
    text, colour
        What is written, and on which colour.
    number
        The number that what it names has in `draw_tags`' map of owners.
    box
        What it names: x1, y1, x2, y2 in pixels, the far edges outside.
    area
        How many pixels it names, at least 1.
    """

    text: str
    colour: Colour
    number: int
    box: Box
    area: int


class Place(NamedTuple):
    """Where a label is drawn.

    Attributes
    ----------
    tag
        The label.
    box
        Its corners on the picture: x1, y1, x2, y2 in pixels, the far edges outside.
    apart
        Whether it lies so far from what it names that a line leads there.
    """

    tag: Tag
    box: Box
    apart: bool


def length(text: str, size: int) -> float:
    """The width of a text in pixels."""
    name, shown = _lettered(text)
    return _font(name, size).getlength(shown)


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    *,
    bold: bool = False,
) -> None:
    """One line of text from its left end and middle; Pillow's font has no heavier weight."""
    name, shown = _lettered(text)
    x, y = round(at[0]), round(at[1])
    for shift in range(1 + bold * max(1, size // 20)):
        draw.text((x + shift, y), shown, colour, _font(name, size), anchor="lm")


def unlettered(texts: Iterable[str]) -> list[str]:
    """The characters of some texts that the fonts here lack, which are written as escapes."""
    return sorted({one for text in texts for one in _lacking(_lettered(text)[0], text)})


def cut(text: str, size: int, width: float) -> str:
    """As much of a text as fits into a width, without a part of a tag, a brick or an escape."""
    if len(text) < 1000 and length(text, size) <= width:
        return text
    kept = text[:1000]
    while kept and length(kept + " ...", size) > width:
        kept = kept[:-1]
    return re.sub(r"(?:<[^<>\s]*|\\)$", "", kept) + " ..."


def wrapped(text: str, size: int, width: float, first: float | None = None) -> list[str]:
    """A text in lines of a width, at most, of which the first may have another one.

    A word that is wider than a line is cut.
    """
    lines, room = [""], width if first is None else first
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if length(longer, size) <= room:
            lines[-1] = longer
            continue
        room = width
        if lines != [""] or first is not None:
            lines.append("")
        lines[-1] = cut(word, size, width)
    return lines


def shortened(label: str) -> str:
    """A label as it is shown on a picture: in one line that is not too long."""
    words = " ".join(label.split())
    return words if len(words) <= _LONGEST_LABEL else words[: _LONGEST_LABEL - 3].rstrip() + "..."


def place_tags(tags: Iterable[Tag], owners: Owners) -> list[Place]:
    """Places of labels so that none covers another; those that find none are left out.

    Parameters
    ----------
    tags
        The labels, in any order.
    owners
        int32 (height, width): which number what is seen at a pixel has, 0 for nothing.
    """
    size = letters(owners.shape[::-1])
    places: list[Place] = []
    ranked = sorted(tags, key=lambda tag: tag.area)[-_MOST_LABELS:]
    for tag in ranked:  # the smallest first, since it has the least choice
        width = _chip_width(shortened(tag.text), size)
        found = _free_place(tag, (width, round(1.5 * size)), owners, [one.box for one in places])
        if found is not None:
            places.append(found)
    return places


def draw_places(picture: Image.Image, places: Iterable[Place], texts: Sequence[str]) -> None:
    """Draw labels upon an RGB picture, each in the middle of its place.

    `texts` has what is written for each number, from 1, and is no longer than the place.
    """
    draw = ImageDraw.Draw(picture)
    size = letters(picture.size)
    for tag, (first, top, last, bottom), apart in places:
        text = shortened(texts[tag.number - 1])
        width = _chip_width(text, size)
        left = first + (last - first - width) // 2
        right = left + width
        if apart:
            middle = (tag.box[0] + tag.box[2]) / 2, (tag.box[1] + tag.box[3]) / 2
            draw.line(((left + right) / 2, (top + bottom) / 2, *middle), tag.colour, size // 8)
        draw.rounded_rectangle((left, top, right - 1, bottom - 1), size // 3, tag.colour)
        red, green, blue = tag.colour
        ink = INK if 0.30 * red + 0.59 * green + 0.11 * blue > 150 else PAPER
        write(draw, (left + 0.45 * size, (top + bottom) / 2), text, size, ink, bold=True)


def _chip_width(text: str, size: int) -> int:
    return round(length(text, size) + 0.9 * size)


def letters(size: tuple[int, int]) -> int:
    """How large the letters of labels are on a picture of a size."""
    return max(11, round(min(size) / 24))


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font by its name, of which Pillow has one of its own."""
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _fonts() -> list[str]:
    """The fonts that are there, Pillow's own first."""
    found = [_OWN]
    for name in _FONTS:
        with contextlib.suppress(OSError):
            _font(name, 20)
            found.append(name)
    return found


@lru_cache(maxsize=1024)
def _lettered(text: str) -> tuple[str, str]:
    """The font that a text is written in, and the text with escapes for what it lacks."""
    name = min(_fonts(), key=lambda name: len(_lacking(name, text)))
    lacking = _lacking(name, text)
    shown = (ascii(one)[1:-1] if one in lacking else one for one in text)
    return name, "".join(shown)


def _lacking(name: str, text: str) -> set[str]:
    return {one for one in set(text) if not _has_letter(name, one)}


@lru_cache(maxsize=4096)
def _has_letter(name: str, character: str) -> bool:
    """Whether a font has a character: what it lacks looks all the same."""
    if not character.isprintable():
        return False
    font = _font(name, 20)
    return bytes(font.getmask(character)) != bytes(font.getmask(_NO_LETTER))


def _free_place(
    tag: Tag, size: tuple[int, int], owners: Owners, taken: Sequence[Box]
) -> Place | None:
    """Where a label covers no other one, and as little as may be of what other labels name."""
    height, width = owners.shape
    margin = size[1] // 5
    right, bottom = width - size[0] - margin, height - size[1] - margin
    if right < 0 or bottom < 0:
        return None
    x1, y1, x2, y2 = tag.box
    across = ((x1 + x2 - size[0]) // 2, x1, x2 - size[0], x1 - size[0] - 4, x2 + 4)
    down = (y1 - size[1] - 4, y2 + 4, (y1 + y2 - size[1]) // 2, y1 + 4, y2 - size[1] - 4)
    places = [*_inner_place(tag, size, owners), *((x, y) for y in down for x in across)]
    tried = np.array([(min(max(x, margin), right), min(max(y, margin), bottom)) for x, y in places])
    best, least = None, np.inf
    for order in np.flatnonzero(_are_free(tried, size, taken)).tolist():
        (left, top), (x, y) = places[order], tried[order].tolist()
        under = owners[y : y + size[1], x : x + size[0]]
        own = np.count_nonzero(under == tag.number)
        others = np.count_nonzero(under) - own
        hidden = max(0, 8 * own / tag.area - 1)  # a label may lie on what is much larger
        cost = 3 * others + hidden * own + 4 * (abs(x - left) + abs(y - top)) + 30 * order
        if cost < least:
            best, least = (x, y), cost
    if best is not None:
        return Place(tag, (*best, best[0] + size[0], best[1] + size[1]), apart=False)
    step = max(1, size[1] // 2)
    xs, ys = np.meshgrid(np.arange(margin, right + 1, step), np.arange(margin, bottom + 1, step))
    tried = np.stack([xs.ravel(), ys.ravel()], axis=1)
    tried = tried[_are_free(tried, size, taken)]
    if len(tried) == 0:
        return None
    away = np.hypot(*(tried + np.array(size) / 2 - ((x1 + x2) / 2, (y1 + y2) / 2)).T)
    x, y = tried[np.argmin(away)].tolist()
    return Place(tag, (x, y, x + size[0], y + size[1]), apart=True)


def _are_free(
    corners: npt.NDArray[np.int64], size: tuple[int, int], taken: Sequence[Box]
) -> npt.NDArray[np.bool_]:
    """Which corners (n, 2) a label may have without coming close to another one."""
    x, y = corners.T
    free = np.ones(len(corners), np.bool_)
    for left, top, right, bottom in taken:
        beside = (x >= right + _GAP) | (x + size[0] <= left - _GAP)
        free &= beside | (y >= bottom + _GAP) | (y + size[1] <= top - _GAP)
    return free


def _inner_place(tag: Tag, size: tuple[int, int], owners: Owners) -> list[tuple[int, int]]:
    """Where a label fits well into what it names, nearest to its middle, if it does at all."""
    if tag.area < 8 * size[0] * size[1]:
        return []
    room = size[1] // 4
    width, height = size[0] + 2 * room, size[1] + 2 * room
    own = np.pad(owners == tag.number, ((1, 0), (1, 0)))
    sums = own.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    inside = sums[height:, width:] - sums[:-height, width:]
    inside -= sums[height:, :-width]
    inside += sums[:-height, :-width]
    ys, xs = np.nonzero(inside == width * height)
    if len(xs) == 0:
        return []
    middle_y, middle_x = (_mean(own.sum(axis=axis)) for axis in (1, 0))
    best = np.argmin(np.hypot(ys + height / 2 - middle_y, xs + width / 2 - middle_x))
    return [(int(xs[best]) + room, int(ys[best]) + room)]


def _mean(counts: npt.NDArray[np.int64]) -> float:
    """The mean of the places 0, 1, ... if each is there so many times."""
    return float(counts @ np.arange(len(counts))) / float(counts.sum())
