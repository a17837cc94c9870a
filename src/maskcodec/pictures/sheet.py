"""Draw a sheet: many pictures with their masks, each with text beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw

from maskcodec.pictures.figure import FAINT, compared, legend_of
from maskcodec.pictures.lettering import INK, PAPER, cut, wrapped, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.masks.arrays import Mask

_SIZE, _LINE, _GAP = 14, 20, 16  # pixels: size of letters, distance of lines, margin of tiles
_WIDTH = 360  # pixels of the text
_MOST_LINES = 6  # of one text
_WARNING = (190, 60, 40)


class Tile(NamedTuple):
    """One picture of a sheet.

    Attributes
    ----------
    name
        The title, above the texts.
    photo
        RGB.
    sides
        One or two lists of masks of the photo's size; each list is drawn on a copy of the photo.
    labels
        The label of each mask.
    lines
        Texts; each begins a new line.
    remark
        A text below them.
    """

    name: str
    photo: Image.Image
    sides: list[list[Mask]]
    labels: list[str]
    lines: list[str]
    remark: str


def sheet(tiles: Sequence[Tile], *, columns: int = 2) -> Image.Image:
    """Arrange tiles in rows; a row is as high as its highest tile."""
    drawn = [_drawn(tile) for tile in tiles]
    width = max(tile.width for tile in drawn)
    rows = [drawn[at : at + columns] for at in range(0, len(drawn), columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    full = min(columns, len(drawn)) * (width + _GAP) + _GAP
    picture = Image.new("RGB", (full, sum(heights) + (len(rows) + 1) * _GAP), PAPER)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for place, tile in enumerate(row):
            picture.paste(tile, (_GAP + place * (width + _GAP), top))
        top += height + _GAP
    return picture


def _drawn(tile: Tile) -> Image.Image:
    """Draw a tile: its pictures, and its texts on their right."""
    found = compared(tile.photo, tile.sides, tile.labels)
    texts = [(line, INK) for text in tile.lines for line in _lines(text)]
    texts += [(line, FAINT) for line in _lines(tile.remark)] if tile.remark else []
    key = legend_of(found.legend, _SIZE, _WIDTH)
    left = sum(one.width + _GAP // 2 for one in found.pictures)
    words = (1 + len(texts)) * _LINE + _LINE // 2
    height = max(tile.photo.height, words + key.height)
    picture = Image.new("RGB", (left + _WIDTH + _GAP // 2, height), PAPER)
    x = 0
    for one in found.pictures:
        picture.paste(one, (x, 0))
        x += one.width + _GAP // 2
    draw = ImageDraw.Draw(picture)
    write(draw, (left, _LINE / 2), cut(tile.name, _SIZE, _WIDTH), _SIZE, INK, bold=True)
    for number, (text, colour) in enumerate(texts, 1):
        write(draw, (left, (number + 0.5) * _LINE), text, _SIZE, colour)
    picture.paste(key, (left, words))
    return picture


def _lines(text: str) -> list[str]:
    lines = wrapped(text, _SIZE, _WIDTH)
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], cut(" ".join(lines[_MOST_LINES - 1 :]), _SIZE, _WIDTH)]
    return lines
