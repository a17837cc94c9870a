"""Text on pictures: fonts, and labels that look for a free place."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from PIL import ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt
    from PIL import Image

    Owners: TypeAlias = npt.NDArray[np.int32]

Colour: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[int, int, int, int]

PAPER, INK = (255, 255, 255), (28, 32, 40)

_LONGEST_LABEL = 36
_MOST_LABELS = 200  # a picture has no place for more
_FONTS = "NotoSansCJK-Regular.ttc", "msyh.ttc", "Arial Unicode.ttf", "DejaVuSans.ttf", "arial.ttf"


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


def length(text: str, size: int) -> float:
    """The width of a text in pixels."""
    return _font(size, latin=text.isascii()).getlength(text)


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
    font = _font(size, latin=text.isascii())
    x, y = round(at[0]), round(at[1])
    for shift in range(1 + bold * max(1, size // 20)):
        draw.text((x + shift, y), text, colour, font, anchor="lm")


def cut(text: str, size: int, width: float) -> str:
    """As much of a text as fits into a width."""
    if len(text) < 1000 and length(text, size) <= width:
        return text
    kept = text[:1000]
    while kept and length(kept + " ...", size) > width:
        kept = kept[:-1]
    return kept + " ..."


def shortened(label: str) -> str:
    """A label as it is shown on a picture: in one line that is not too long."""
    words = " ".join(label.split())
    return words if len(words) <= _LONGEST_LABEL else words[: _LONGEST_LABEL - 3].rstrip() + "..."


def draw_tags(picture: Image.Image, tags: Iterable[Tag], owners: Owners) -> None:
    """Draw labels so that none covers another; those that find no place are left out.

    Parameters
    ----------
    picture
        RGB, drawn upon.
    tags
        The labels, in any order.
    owners
        int32 (height, width): which number what is seen at a pixel has, 0 for nothing.
    """
    draw = ImageDraw.Draw(picture)
    size = max(11, round(min(picture.size) / 24))
    taken = np.zeros(owners.shape, np.bool_)
    ranked = sorted(tags, key=lambda tag: tag.area)[-_MOST_LABELS:]
    for tag in ranked:  # the smallest first, since it has the least choice
        text = shortened(tag.text)
        width = round(length(text, size) + 0.9 * size)
        corners = _free_place(tag, (width, round(1.5 * size)), owners, taken)
        if corners is None:
            continue
        left, top, right, bottom = corners
        taken[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = True
        draw.rounded_rectangle((left, top, right - 1, bottom - 1), size // 3, tag.colour)
        red, green, blue = tag.colour
        ink = INK if 0.30 * red + 0.59 * green + 0.11 * blue > 150 else PAPER
        at = left + (size * 0.9) / 2, (top + bottom) / 2
        write(draw, at, text, size, ink, bold=True)


@lru_cache(maxsize=64)
def _font(size: int, *, latin: bool = True) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, which has ASCII only, or the first of the system's that has more."""
    for name in () if latin else _FONTS:
        with contextlib.suppress(OSError):
            return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)


def _free_place(
    tag: Tag, size: tuple[int, int], owners: Owners, taken: npt.NDArray[np.bool_]
) -> Box | None:
    """Where a label covers no other one, and as little as may be of what other labels name."""
    height, width = owners.shape
    margin = size[1] // 5
    x1, y1, x2, y2 = tag.box
    across = ((x1 + x2 - size[0]) // 2, x1, x2 - size[0], x1 - size[0] - 4, x2 + 4)
    down = (y1 - size[1] - 4, y2 + 4, (y1 + y2 - size[1]) // 2, y1 + 4, y2 - size[1] - 4)
    places = [*_inner_place(tag, size, owners), *((x, y) for y in down for x in across)]
    best, least = None, np.inf
    for order, (left, top) in enumerate(places):
        x = min(max(left, margin), width - size[0] - margin)
        y = min(max(top, margin), height - size[1] - margin)
        if x < 0 or y < 0 or taken[y : y + size[1], x : x + size[0]].any():
            continue
        under = owners[y : y + size[1], x : x + size[0]]
        own = np.count_nonzero(under == tag.number)
        others = np.count_nonzero(under) - own
        hidden = max(0, 8 * own / tag.area - 1)  # a label may lie on what is much larger
        cost = 3 * others + hidden * own + 4 * (abs(x - left) + abs(y - top)) + 30 * order
        if cost < least:
            best, least = (x, y, x + size[0], y + size[1]), cost
    return best


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
