"""Write text on pictures: fonts, and free places for labels."""

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
_MOST_LABELS = 200  # a picture has no room for more
_GAP = 2  # pixels between labels
_OWN = ""  # Pillow's own font: ASCII only
_FONTS = "NotoSansCJK-Regular.ttc", "msyh.ttc", "Arial Unicode.ttf", "DejaVuSans.ttf", "arial.ttf"
_NO_LETTER = "\U0010ffff"  # no font has it: it looks like every character that a font lacks


class Tag(NamedTuple):
    """A label without a place.

    Attributes
    ----------
    text, colour
        The text, and the colour below it.
    number
        The mask's number in the map of owners of `place_tags`.
    box
        The mask's box: x1, y1, x2, y2 in pixels, the last two exclusive.
    area
        The mask's number of pixels, at least 1.
    """

    text: str
    colour: Colour
    number: int
    box: Box
    area: int


class Place(NamedTuple):
    """A label and its place.

    Attributes
    ----------
    tag
        The label.
    box
        The label's corners on the picture: x1, y1, x2, y2 in pixels, the last two exclusive.
    apart
        Whether the label is far from its mask, so that a line leads there.
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
    """Write a line of text; `at` is its left end and vertical middle.

    Bold text is drawn several times, since Pillow's font has no bold weight.
    """
    name, shown = _lettered(text)
    x, y = round(at[0]), round(at[1])
    for shift in range(1 + bold * max(1, size // 20)):
        draw.text((x + shift, y), shown, colour, _font(name, size), anchor="lm")


def unlettered(texts: Iterable[str]) -> list[str]:
    """The characters of some texts that the available fonts lack; they are written as escapes."""
    return sorted({one for text in texts for one in _lacking(_lettered(text)[0], text)})


def cut(text: str, size: int, width: float) -> str:
    """Cut a text to a width, never inside a tag, a brick or an escape."""
    if len(text) < 1000 and length(text, size) <= width:
        return text
    kept = text[:1000]
    while kept and length(kept + " ...", size) > width:
        kept = kept[:-1]
    return re.sub(r"(?:<[^<>\s]*|\\)$", "", kept) + " ..."


def wrapped(text: str, size: int, width: float, first: float | None = None) -> list[str]:
    """Break a text into lines of at most a width; `first` is the width of the first line.

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
    """A label in one line, cut to the length for a picture."""
    words = " ".join(label.split())
    return words if len(words) <= _LONGEST_LABEL else words[: _LONGEST_LABEL - 3].rstrip() + "..."


def place_tags(tags: Iterable[Tag], owners: Owners) -> list[Place]:
    """Find places for labels so that they do not cover each other.

    Labels without a free place are left out.

    Parameters
    ----------
    tags
        The labels, in any order.
    owners
        int32 (height, width): the number of the visible mask at each pixel, 0 for no mask.
    """
    size = letters(owners.shape[::-1])
    places: list[Place] = []
    ranked = sorted(tags, key=lambda tag: tag.area)[-_MOST_LABELS:]
    for tag in ranked:  # the smallest first: it has the fewest free places
        width = _chip_width(shortened(tag.text), size)
        found = _free_place(tag, (width, round(1.5 * size)), owners, [one.box for one in places])
        if found is not None:
            places.append(found)
    return places


def draw_places(picture: Image.Image, places: Iterable[Place], texts: Sequence[str]) -> None:
    """Draw labels on an RGB picture, each in the middle of its place.

    `texts` has the text of each number, from 1; a text is at most as wide as its place.
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
    """The size of the letters of labels on a picture, in pixels."""
    return max(11, round(min(size) / 24))


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load a font by its name; an empty name is Pillow's own font."""
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _fonts() -> list[str]:
    """The available fonts, Pillow's own first."""
    found = [_OWN]
    for name in _FONTS:
        with contextlib.suppress(OSError):
            _font(name, 20)
            found.append(name)
    return found


@lru_cache(maxsize=1024)
def _lettered(text: str) -> tuple[str, str]:
    """The font for a text, and the text with escapes for characters that the font lacks."""
    name = min(_fonts(), key=lambda name: len(_lacking(name, text)))
    lacking = _lacking(name, text)
    shown = (ascii(one)[1:-1] if one in lacking else one for one in text)
    return name, "".join(shown)


def _lacking(name: str, text: str) -> set[str]:
    return {one for one in set(text) if not _has_letter(name, one)}


@lru_cache(maxsize=4096)
def _has_letter(name: str, character: str) -> bool:
    """Whether a font has a character: all characters that it lacks look the same."""
    if not character.isprintable():
        return False
    font = _font(name, 20)
    return bytes(font.getmask(character)) != bytes(font.getmask(_NO_LETTER))


def _free_place(
    tag: Tag, size: tuple[int, int], owners: Owners, taken: Sequence[Box]
) -> Place | None:
    """The place where a label covers no other label, and as little as possible of other masks."""
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
        hidden = max(0, 8 * own / tag.area - 1)  # a label may lie on a mask 8 times as large
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
    """Whether a label with each corner (n, 2) keeps its distance to other labels: bool (n,)."""
    x, y = corners.T
    free = np.ones(len(corners), np.bool_)
    for left, top, right, bottom in taken:
        beside = (x >= right + _GAP) | (x + size[0] <= left - _GAP)
        free &= beside | (y >= bottom + _GAP) | (y + size[1] <= top - _GAP)
    return free


def _inner_place(tag: Tag, size: tuple[int, int], owners: Owners) -> list[tuple[int, int]]:
    """The place inside a large mask that is nearest to its middle; empty if there is no place."""
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
    """The mean of the indices 0, 1, ..., weighted by `counts`."""
    return float(counts @ np.arange(len(counts))) / float(counts.sum())
