"""Pictures of masks: overlays with labels, cells, and panels side by side."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from maskcodec.masks.grid import box_part, cell_edges
from maskcodec.pictures.lettering import (
    INK,
    PAPER,
    Tag,
    cut,
    draw_places,
    length,
    place_tags,
    shortened,
    wrapped,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from maskcodec.masks.arrays import Index, Mask
    from maskcodec.pictures.lettering import Box, Colour
    from maskcodec.text.regions import Region

FAINT = (104, 112, 124)
WASH, CANVAS, LINE = (240, 242, 246), (30, 34, 44), (58, 64, 78)
MOST_DRAWN = 1 << 24  # pixels of a picture
_ROOM = 4  # least pixels between lines
_BAND = 1 << 18  # pixels tinted at a time

_COLOURS: list[Colour] = [
    (239, 71, 89),
    (38, 166, 224),
    (255, 190, 48),
    (52, 186, 120),
    (168, 108, 232),
    (255, 132, 54),
    (24, 190, 190),
    (240, 96, 176),
    (150, 188, 48),
    (96, 120, 240),
]
_MOST_COLOURS = 256
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_SEEN = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
MOST_NAMED = 10  # masks with labels on the picture; more masks have numbers and a legend
_MOST_LISTED = 200  # labels of a legend


class Drawn(NamedTuple):
    """Pictures of the same masks.

    Attributes
    ----------
    pictures
        RGB, all of the size of the photo.
    legend
        The lines of a legend, in the order of `palette`; empty if the pictures have the labels.
    """

    pictures: list[Image.Image]
    legend: list[str]


class _Tinted(NamedTuple):
    """A picture with masks on it.

    Attributes
    ----------
    picture
        RGB.
    owners
        int32 (height, width): the number of the visible mask at each pixel, from 1, or 0.
    found
        The tight box of each mask, and its number of pixels.
    """

    picture: Image.Image
    owners: npt.NDArray[np.int32]
    found: list[tuple[Box, int]]


def palette(count: int) -> list[Colour]:
    """Colours that are easy to distinguish: ten chosen ones, then those that differ most from them.

    Parameters
    ----------
    count
        The number of colours, at least 0. The first 256 are different; then they repeat.

    Returns
    -------
    (red, green, blue), 0 .. 255 each. A larger `count` only appends colours.

    Examples
    --------
    >>> from maskcodec.pictures.figure import palette
    >>> palette(2)
    [(239, 71, 89), (38, 166, 224)]
    """
    return [colour_of(number) for number in range(count)]


def colour_of(number: int) -> Colour:
    """The colour at an index of `palette`, from 0."""
    if number < len(_COLOURS):
        return _COLOURS[number]
    colours = _all_colours()
    return colours[number % len(colours)]


@lru_cache(maxsize=1)
def _all_colours() -> list[Colour]:
    """The chosen colours, then colours that are each farthest from all before them."""
    levels = np.arange(16) * 17
    tried = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    seen = _seen(tried)
    strong = (seen[:, 0] > 0.5) & (seen[:, 0] < 0.9) & (np.hypot(seen[:, 1], seen[:, 2]) > 0.05)
    tried, seen = tried[strong], seen[strong]
    away = np.full(len(tried), np.inf)
    colours = list(_COLOURS)
    for number in range(_MOST_COLOURS):
        if number == len(colours):
            red, green, blue = tried[np.argmax(away)].tolist()
            colours.append((red, green, blue))
        distance = ((seen - _seen(np.array([colours[number]]))) ** 2).sum(axis=1)
        away = np.minimum(away, distance)
    return colours


def _seen(colours: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Colours (n, 3) as lightness, green to red and blue to yellow; distances are as perceived.

    Oklab, https://bottosson.github.io/posts/oklab.
    """
    parts = colours / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    seen: npt.NDArray[np.float64] = np.cbrt(linear @ _TO_CONES.T) @ _TO_SEEN.T
    return seen


def plain(shape: tuple[int, int]) -> Image.Image:
    """A dark picture to draw on instead of a photo; `shape` is (height, width)."""
    return Image.new("RGB", (shape[1], shape[0]), CANVAS)


def drawn_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """The size (height, width) in which an image is drawn: at most `MOST_DRAWN` pixels."""
    height, width = shape
    scale = min(1.0, (MOST_DRAWN / (height * width)) ** 0.5)
    height, width = max(1, int(height * scale)), max(1, int(width * scale))
    width = max(1, min(width, MOST_DRAWN // height))  # a line of pixels cannot be made thinner
    return min(height, MOST_DRAWN // width), width


def drawable(image: Image.Image) -> Image.Image:
    """The picture itself, or a smaller one if it has more than `MOST_DRAWN` pixels."""
    height, width = drawn_shape((image.height, image.width))
    if (width, height) == image.size:
        return image
    return image.resize((width, height), Image.Resampling.LANCZOS)


def compared(
    image: Image.Image,
    sides: Sequence[Iterable[npt.ArrayLike]],
    labels: Sequence[str] = (),
    *,
    remarks: Sequence[Sequence[str]] | None = None,
    opacity: float = 0.5,
) -> Drawn:
    """Draw masks on a photo, one picture for each side: tinted, outlined and labelled.

    Parameters
    ----------
    image
        The photo, of any mode; not changed.
    sides
        The masks of each picture, all in the same order: (height, width) as the photo, set where
        not 0. They are taken one at a time. The first side decides the places of the labels.
    labels
        A label for each mask of a side, or no labels. Labels never cover each other. If there are
        more than `MOST_NAMED`, or a label finds no place, the pictures have numbers, from 1, and
        the labels go to the legend.
    remarks
        For each side a text behind each label, such as an IoU.
    opacity
        The opacity of a mask's colour, 0 .. 1.

    Raises
    ------
    ValueError
        A mask does not have the photo's size.
    """
    tinted = [_tinted(image, masks, opacity) for masks in sides]
    first, legend = tinted[0], list[str]()
    texts = [
        [f"{label} {remark}".rstrip() for label, remark in zip(labels, side, strict=True)]
        for side in remarks or [[""] * len(labels)] * len(tinted)
    ]
    tags = _tags(first, [max(said, key=len) for said in zip(*texts, strict=True)])
    places = place_tags(tags, first.owners) if len(labels) <= MOST_NAMED else []
    if len(places) < len(tags):
        legend = [f"{number} {label}".rstrip() for number, label in enumerate(labels, 1)]
        numbers = [str(number) for number in range(1, len(labels) + 1)]
        texts = [numbers] * len(tinted)
        places = place_tags(_tags(first, numbers), first.owners)
    for one, said in zip(tinted, texts, strict=True):
        seen = (place for place in places if one.found[place.tag.number - 1][1])
        draw_places(one.picture, seen, said)
    return Drawn([one.picture for one in tinted], legend)


def draw_cells(regions: Sequence[Region], shape: tuple[int, int]) -> Image.Image:
    """Draw the cells that a text sets, each region in its colour, with lines between cells.

    If cells belong to the canvas, the lines are those of the whole grid. If cells belong to their
    box, each region has its own lines, and its box is outlined. Lines are left out if they would be
    too close.

    Parameters
    ----------
    regions
        At least one region, all on the same canvas.
    shape
        (height, width) of the picture in pixels.
    """
    pixels = np.array(plain(shape))
    for number, region in enumerate(regions):
        own, colour = region.mask(shape, method="nearest") != 0, np.array(colour_of(number))
        pixels[own] = colour
        if region.frame == "box":
            box = box_part(region.box, region.canvas, shape)
            _draw_lines(pixels, cell_edges(region.cells.shape, shape, box), own)
            _draw_outline(pixels, box, colour)
    if regions[0].frame == "canvas":
        edges = cell_edges(regions[0].canvas, shape, None)
        _draw_lines(pixels, edges, np.ones(shape, np.bool_))
    return Image.fromarray(pixels)


def panels(
    pictures: Sequence[tuple[str, str, Image.Image]],
    *,
    columns: int = 2,
    legend: Sequence[str] = (),
    caption: str = "",
) -> Image.Image:
    """Arrange pictures of one size in rows, each with a title.

    Parameters
    ----------
    pictures
        (title, remark, picture), at least one. The remark follows the title in grey; a long remark
        goes on below it.
    columns
        The number of pictures in a row, at least 1.
    legend
        Labels to list below, in the order of `palette`.
    caption
        A line of text at the bottom, cut if it is too long.

    Returns
    -------
    A new RGB image.
    """
    width, height = pictures[0][2].size
    size = max(13, round(min(width, height) / 21))
    gap, line = round(1.1 * size), round(2 * size)
    remarks = [
        wrapped(remark, size, width, width - length(title, size) - 0.9 * size)
        for title, remark, _ in pictures
    ]
    more = max(map(len, remarks)) - 1
    head = round((2.1 + 1.3 * more) * size)
    full = columns * width + (columns + 1) * gap
    key = legend_of(legend, size, full - 2 * gap)
    foot = -(-len(pictures) // columns) * (height + head) + gap
    below = key.height + (line if caption else 0)
    sheet = Image.new("RGB", (full, foot + below + (gap // 2 if caption else 0)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (title, _, picture) in enumerate(pictures):
        x = gap + place % columns * (width + gap)
        y = head + place // columns * (height + head)
        sheet.paste(picture, (x, y))
        middle = y - round((0.95 + 1.3 * more) * size)
        write(draw, (x, middle), title, size, INK, bold=True)
        indent = length(title, size) + 0.9 * size
        for number, remark in enumerate(remarks[place]):
            at = x + (0 if number else indent), middle + round(1.3 * number * size)
            write(draw, at, remark, size, FAINT)
    sheet.paste(key, (gap, foot))
    if caption:
        top, small = foot + key.height, round(0.86 * size)
        draw.rounded_rectangle((gap, top, full - gap - 1, top + line - gap // 4), size // 3, WASH)
        words = cut(caption, small, full - 2 * gap - 1.4 * size)
        write(draw, (gap + 0.7 * size, top + (line - gap // 4) / 2), words, small, INK)
    return sheet


def legend_of(labels: Sequence[str], size: int, width: int) -> Image.Image:
    """Draw labels beside their colours in a picture of the given width; no labels, no height.

    The first 200 labels are listed; a last entry has the number of the others.
    """
    listed = [shortened(label) for label in labels[:_MOST_LISTED]]
    if len(labels) > _MOST_LISTED:
        listed.append(f"and {len(labels) - _MOST_LISTED:,} more")
    lines = _legend_lines(listed, size, width)
    line, half = round(2 * size), round(0.42 * size)
    picture = Image.new("RGB", (width, len(lines) * line), PAPER)
    draw = ImageDraw.Draw(picture)
    for row, places in enumerate(lines):
        middle = row * line + line // 2 - round(0.28 * size)
        for number, x in places:
            if number < _MOST_LISTED:
                corners = (x, middle - half, x + 2 * half, middle + half)
                draw.rounded_rectangle(corners, half // 2, colour_of(number))
            write(draw, (x + 1.3 * size, middle), listed[number], size, INK)
    return picture


def with_legend(picture: Image.Image, legend: Sequence[str]) -> Image.Image:
    """A picture with labels below, in the order of `palette`; the picture itself without labels."""
    if not legend:
        return picture
    size = max(13, round(min(picture.size) / 21))
    width = max(picture.width, 16 * size)
    key = legend_of(legend, size, width - 2 * size)
    sheet = Image.new("RGB", (width, picture.height + size + key.height), PAPER)
    sheet.paste(picture, (0, 0))
    sheet.paste(key, (size, picture.height + size // 2))
    return sheet


def fitted(image: Image.Image, *, least: int = 480, most: int = 960) -> Image.Image:
    """Resize a picture for panels: its longer side becomes `least` .. `most` pixels."""
    height, width = fitted_sides((image.height, image.width), least=least, most=most)
    coloured = image if image.mode == "RGB" else image.convert("RGB")
    return coloured.resize((width, height), Image.Resampling.LANCZOS)


def fitted_sides(shape: tuple[int, int], *, least: int, most: int) -> tuple[int, int]:
    """The (height, width) that `fitted` gives a picture of a shape."""
    longer = max(shape)
    scale = min(max(longer, least), most) / longer
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def fitted_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Resize a mask to the size of a picture, Pillow's (width, height)."""
    return np.array(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def _tinted(image: Image.Image, masks: Iterable[npt.ArrayLike], opacity: float) -> _Tinted:
    """Draw masks on a picture: tinted and outlined."""
    pixels = np.array(image.convert("RGB"))
    shape = pixels.shape[:2]
    owners = np.zeros(shape, np.int32)
    line = max(1, round(min(shape) / 240))
    found: list[tuple[Box, int]] = []
    for number, mask in enumerate(masks):
        area = np.asarray(mask) != 0
        if area.shape != shape:
            raise ValueError(f"mask {number} must have the photo's shape {shape}, got {area.shape}")
        colour = np.array(colour_of(number))
        x1, y1, x2, y2 = box = _tight_box(area)
        around = slice(max(0, y1 - 1), y2 + 1), slice(max(0, x1 - 1), x2 + 1)
        part, own = pixels[around], area[around]
        _tint(part, own, colour, opacity)
        part[own & ~_shrunk(own, line)] = colour
        owners[around][own] = number + 1
        found.append((box, int(np.count_nonzero(own))))
    return _Tinted(Image.fromarray(pixels), owners, found)


def _tags(tinted: _Tinted, labels: Sequence[str]) -> list[Tag]:
    """The labels of the masks that have pixels."""
    return [
        Tag(label, colour_of(number), number + 1, *tinted.found[number])
        for number, label in enumerate(labels)
        if tinted.found[number][1]
    ]


def _tint(
    pixels: npt.NDArray[np.uint8],
    area: npt.NDArray[np.bool_],
    colour: npt.NDArray[np.int64],
    opacity: float,
) -> None:
    """Mix a colour into some pixels, a few rows at a time to save memory."""
    rows = max(1, _BAND // area.shape[1])
    for y in range(0, len(area), rows):
        part, own = pixels[y : y + rows], area[y : y + rows]
        part[own] = np.round(part[own] * (1 - opacity) + colour * opacity)


def _shrunk(area: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    """The mask without its outermost pixels; the picture's edge does not count as an outside."""
    for _ in range(by):
        padded = np.pad(area, 1, mode="edge")
        area = area & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return area


def _tight_box(area: npt.NDArray[np.bool_]) -> Box:
    """x1, y1, x2, y2, the last two exclusive; all 0 for an empty mask."""
    xs, ys = np.flatnonzero(area.any(axis=0)), np.flatnonzero(area.any(axis=1))
    if len(xs) == 0:
        return 0, 0, 0, 0
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def _draw_lines(
    pixels: npt.NDArray[np.uint8], edges: tuple[Index, Index], where: npt.NDArray[np.bool_]
) -> None:
    """Draw lines between rows and between columns if they are at least `_ROOM` pixels wide."""
    lines = np.zeros(where.shape, np.bool_)
    rows, columns = edges
    if np.diff(rows).min() >= _ROOM:
        lines[rows[1:-1]] = True
    if np.diff(columns).min() >= _ROOM:
        lines[:, columns[1:-1]] = True
    lines &= where
    pixels[lines] = np.round(0.62 * pixels[lines] + 0.38 * np.array(LINE))


def _draw_outline(
    pixels: npt.NDArray[np.uint8], box: tuple[int, int, int, int], colour: npt.NDArray[np.int64]
) -> None:
    """Draw the outermost pixels of a box: top, left, height and width."""
    top, left, height, width = box
    part = pixels[top : top + height, left : left + width]
    rim = np.ones(part.shape[:2], np.bool_)
    rim[1:-1, 1:-1] = False
    part[rim] = np.round(0.5 * part[rim] + 0.5 * colour)


def _legend_lines(labels: Sequence[str], size: int, width: int) -> list[list[tuple[int, int]]]:
    """The labels in each line of the legend: index and indent in pixels."""
    lines: list[list[tuple[int, int]]] = []
    at = width
    for number, label in enumerate(labels):
        needed = round(length(label, size) + 2.6 * size)
        if at + needed > width:
            lines.append([])
            at = 0
        lines[-1].append((number, at))
        at += needed
    return lines
