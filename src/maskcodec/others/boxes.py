"""Read the boxes, points, maps and run lengths of other models."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import MaskError, SourceError
from maskcodec.files.images import opened_image
from maskcodec.formats.polygons.spellings import numbers_of, objects_of, value_of
from maskcodec.masks.segmentations import read as read_segmentation
from maskcodec.others.regions import BoxRegion, MapRegion, RunsRegion
from maskcodec.text.json_answers import Item, json_items

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maskcodec.others.frame import Frame
    from maskcodec.text.problems import TextReading
    from maskcodec.text.regions import Region

_PNG = "data:image/png;base64,"
_MOST_VALUES = 1 << 22  # most values of a map
_MOST_SIDE = 1 << 20  # longest side of an image that run lengths may claim
_PALIGEMMA = re.compile(rb"((?:<loc[0-9]{4}>\s*)+)((?:<seg[0-9]{3}>\s*)*)([^<;]*)")
_BINS, _CODES, _SEGMENTS = 1024, 128, 16
_NAMES = "label", "name", "category", "category_name"


class Coordinates:
    """Turns the numbers of an answer into shares of the image's sides.

    Attributes
    ----------
    seen
        The points (x, y) in the numbers of the answer.
    """

    def __init__(self, reading: TextReading, frame: Frame, shape: tuple[int, int] | None) -> None:
        self.frame, self._reading, self._shape = frame, reading, shape
        self.seen: list[tuple[float, float]] = []

    @property
    def height(self) -> int:
        """The image's height in units of the frame."""
        return self.frame.scale(self._shape)[0]

    @property
    def width(self) -> int:
        """The image's width in units of the frame."""
        return self.frame.scale(self._shape)[1]

    def box(self, numbers: Sequence[float], at: int) -> tuple[float, float, float, float]:
        """Two corners, or a point twice, as (x1, y1, x2, y2) in shares of the image's sides.

        Corners in the wrong order are reported and swapped.
        """
        a, b, c, d = numbers
        x1, y1, x2, y2 = (b, a, d, c) if self.frame.axes == "yx" else (a, b, c, d)
        self.seen += [(x1, y1), (x2, y2)]
        if x1 > x2 or y1 > y2:
            message = (
                f"the second corner of [{a:g}, {b:g}, {c:g}, {d:g}] is not right of and below the "
                "first; if all are like this they seem to be x, y, width, height"
            )
            self._reading.report(at, "box-order", message, "swapped its corners")
        (x1, x2), (y1, y2) = sorted((x1, x2)), sorted((y1, y2))
        return x1 / self.width, y1 / self.height, x2 / self.width, y2 / self.height

    def report_doubt(self) -> None:
        """Report coordinates that cannot belong to the frame."""
        doubt = self.frame.doubt(self.seen, self._shape) if self.seen else ""
        if doubt:
            self._reading.report(0, "frame", doubt, "read them as they were said to be")


def gemini_maps(reading: TextReading, places: Coordinates, _: Any) -> list[Region]:
    """``[{"box_2d": [y0, x0, y1, x1], "mask": "data:image/png;base64,...", "label": "..."}]``."""
    regions: list[Region] = []
    for entry in objects_of(json_items(reading)):
        place = _place(reading, entry, "box_2d", places)
        if place is None:
            continue
        mask, label = entry.value.get("mask"), _label(entry)
        values = None if mask is None else _map(reading, mask)
        regions.append(
            BoxRegion(label, place) if values is None else MapRegion(label, place, values)
        )
    return regions


def qwen_boxes(reading: TextReading, places: Coordinates, _: Any) -> list[Region]:
    """``[{"bbox_2d": [x1, y1, x2, y2], "label": "..."}]``, and ``"point_2d": [x, y]``."""
    regions: list[Region] = []
    for entry in objects_of(json_items(reading)):
        key = "point_2d" if "point_2d" in entry.value else "bbox_2d"
        place = _place(reading, entry, key, places)
        if place is not None:
            regions.append(BoxRegion(_label(entry), place))
    return regions


def coco_runs(reading: TextReading, places: Coordinates, _: Any) -> list[Region]:
    """``{"masks": [{"size": [h, w], "counts": "..."}]}``; each mask may have a label."""
    regions: list[Region] = []
    for entry in objects_of(json_items(reading)):
        inner = entry.value.get("segmentation", entry)
        holder = inner if isinstance(inner.value, dict) else entry
        try:
            plain = {
                key: _plain(holder.value[key]) for key in ("size", "counts") if key in holder.value
            }
            size = plain.get("size")
            large = isinstance(size, list) and any(
                isinstance(side, int) and side > _MOST_SIDE for side in size
            )
            if large:
                raise MaskError(f"its size {size} has a side above {_MOST_SIDE:,}")
            found = read_segmentation(plain, shape=places._shape, what="the mask")
        except (MaskError, TypeError) as error:
            if entry.whole:
                reading.report(entry.start, "bad-mask", str(error), "left this mask out")
            continue
        if found.any():
            regions.append(RunsRegion(_label(entry), found))
        else:
            reading.report(entry.start, "no-mask", "no pixel is set", "left this mask out")
    return regions


def paligemma(
    reading: TextReading, _: Coordinates, decoder: Callable[[list[int]], Any] | None
) -> list[Region]:
    """``<loc y1><loc x1><loc y2><loc x2>``, optionally 16 ``<seg>`` tokens, and a label."""
    regions: list[Region] = []
    for match in _PALIGEMMA.finditer(reading.raw):
        numbers = [int(n) for n in re.findall(rb"<loc([0-9]{4})>", match[1])]
        codes = [int(n) for n in re.findall(rb"<seg([0-9]{3})>", match[2])]
        label = match[3].decode("utf-8", "replace").strip()
        at = match.start()
        if len(numbers) < 4:
            message = f"a box is four location tokens, got {len(numbers)}"
            kind = "truncated" if match.end() == reading.size else "bad-box"
            reading.report(at, kind, message, "left this object out")
            continue
        if max(numbers) >= _BINS:
            message = f"a location token is <loc0000> .. <loc1023>, got {max(numbers)}"
            reading.report(at, "number-range", message, "moved it to the side of the image")
        y1, x1, y2, x2 = (min(n, _BINS - 1) / _BINS for n in numbers[-4:])
        if x1 > x2 or y1 > y2:
            message = "the second corner of a box is not right of and below the first"
            reading.report(at, "box-order", message, "swapped its corners")
        (x1, x2), (y1, y2) = sorted((x1, x2)), sorted((y1, y2))
        place = x1, y1, x2, y2
        regions.append(_decoded(reading, label, place, codes, decoder, at))
    return regions


def _decoded(
    reading: TextReading,
    label: str,
    place: tuple[float, float, float, float],
    codes: list[int],
    decoder: Callable[[list[int]], Any] | None,
    at: int,
) -> Region:
    """A box, or the mask that a decoder returns for its segment tokens."""
    if not codes:
        return BoxRegion(label, place)
    if len(codes) != _SEGMENTS or max(codes) >= _CODES:
        message = f"a mask is {_SEGMENTS} segment tokens, <seg000> .. <seg127>, got {len(codes)}"
        reading.report(at, "bad-mask", message, "kept the box")
        return BoxRegion(label, place)
    if decoder is None:
        message = (
            "the 16 segment tokens are codes of a learned decoder, PaliGemma's VQ-VAE; give "
            "decoder=, a function from their numbers to the mask of the box"
        )
        reading.report(at, "segment-tokens", message, "kept the box")
        return BoxRegion(label, place)
    values = np.asarray(decoder(codes))
    if values.ndim != 2 or not values.size:
        raise MaskError(f"decoder must return a mask (rows, columns), got shape {values.shape}")
    return MapRegion(label, place, (np.clip(values, 0, 1) * 255).astype(np.uint8))


def _place(
    reading: TextReading, entry: Item, key: str, places: Coordinates
) -> tuple[float, float, float, float] | None:
    item = entry.value.get(key)
    numbers = numbers_of(item) if item else None
    wanted = 2 if key == "point_2d" else 4
    if item is None or not item.whole or not numbers or len(numbers) != wanted:
        if entry.whole:
            message = f'an object has a "{key}" of {wanted} numbers'
            reading.report(entry.start, "bad-box", message, "left this object out")
        return None
    values = [value_of(one.value) for one in numbers]
    return places.box(values * (4 // wanted), item.start)


def _label(entry: Item) -> str:
    for name in _NAMES:
        item = entry.value.get(name)
        if item and isinstance(item.value, str):
            return str(item.value.strip())
    return ""


def _map(reading: TextReading, mask: Item) -> Any:
    """The values of a base64 PNG, uint8 (rows, columns); None, reported, if it cannot be read."""
    if not isinstance(mask.value, str) or not mask.value.startswith(_PNG):
        message = f'a "mask" is "{_PNG}..."'
        reading.report(mask.start, "bad-mask", message, "kept the box")
        return None
    try:
        data = base64.b64decode(mask.value[len(_PNG) :], validate=True)
        with opened_image(data, ("PNG",), "the mask") as image:
            if image.height * image.width > _MOST_VALUES:
                raise SourceError(f"the mask claims more than {_MOST_VALUES:,} values")
            return np.array(image.convert("L"))
    except (binascii.Error, ValueError, SourceError) as error:
        reading.report(mask.start, "bad-mask", str(error), "kept the box")
        return None


def _plain(item: Item) -> Any:
    """A JSON value as a Python value; a number that is not a whole number stays a str."""
    if isinstance(item.value, list):
        return [_plain(one) for one in item.value]
    if isinstance(item.value, bytes):
        return (
            int(item.value)
            if item.value.isdigit() and len(item.value) < 20
            else item.value.decode()
        )
    return item.value
