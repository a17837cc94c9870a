"""Read label maps: images with one number a pixel. Return the mask of each number.

No mask is painted. A map is read piece by piece; memory holds only the decoded map, at most four
bytes a pixel, and its runs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.data._pictures import opened_picture
from maskcodec.errors import SourceError
from maskcodec.files.images import LABEL_MAPS
from maskcodec.masks.runs import RunMask, run_mask
from maskcodec.messages import sides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from PIL import Image

    from maskcodec.masks.arrays import IntegerArray

MOST_RUNS = 1 << 22  # runs of equal pixels in a map; noise of 2048 x 2048 pixels has as many
MOST_VALUES = 1 << 16
_PIECE = 1 << 20  # pixels that are read at once
_NUMBERS = "1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N"


def read_index(path: Path, name: str = "") -> dict[int, RunMask]:
    """Return the mask of each value of a PNG with one whole number a pixel.

    Parameters
    ----------
    path
        The PNG. If it has a palette, its numbers count, not its colours.
    name
        The name of the PNG in messages; by default its path.

    Returns
    -------
    At least one mask, sorted by value.

    Raises
    ------
    SourceError
        The file is missing, is no PNG, has colours, is too large, or has more than `MOST_RUNS` runs
        or `MOST_VALUES` values.
    """
    what = "one number a pixel, as an index image has"
    return _masks(path, None, np.asarray, (_NUMBERS, what), name)


def read_segments(path: Path, shape: tuple[int, int] | None = None) -> dict[int, RunMask]:
    """Return the mask of each id of a panoptic PNG: red + 256 green + 65536 blue.

    The format is that of https://cocodataset.org/#format-data. If `shape` is given, the PNG must
    have this (height, width). Everything else is as in `read_index`.
    """
    what = "red, green and blue, as a panoptic PNG has"
    return _masks(path, shape, _ids, (("RGB",), what))


def read_objects(path: Path, name: str = "") -> dict[tuple[int, int], RunMask]:
    """Return the mask of each object of a PNG of the full ADE20K, by its class and its number.

    The class is red // 10 * 256 + green, and the number is blue, as in the dataset's own reader
    (https://github.com/CSAILVision/ADE20K). Everything else is as in `read_index`.
    """
    what = "red, green and blue, as a PNG of the full ADE20K has"
    found = _masks(path, None, _objects, (("RGB",), what), name)
    return {(number >> 8, number & 255): mask for number, mask in found.items()}


def picture_mask(
    path: Path,
    shape: tuple[int, int] | None = None,
    name: str = "",
    *,
    threshold: int | None = None,
) -> RunMask:
    """Return the mask that a PNG shows in two colours; black or 0 is the background.

    Parameters
    ----------
    path
        A PNG in grey, in colours, or with a palette. Transparency is ignored. If no pixel is black
        or 0, the smaller of two values is the background.
    shape
        The (height, width) that the PNG must have. It is checked before pixels are read.
    name
        The name of the PNG in messages.
    threshold
        Pixels with at least this grey are set, 1 .. 255. None and 0 expect two values instead;
        with 0 the error also proposes a threshold.

    Raises
    ------
    SourceError
        The PNG has more than two values; or as in `read_index`, except that colours are allowed.
    """
    seen = partial(_cut, threshold=threshold) if threshold else _seen
    found = _masks(path, shape, seen, None, name)
    if len(found) > 2:
        hint = "" if threshold is None else ", or by threshold=128"
        raise SourceError(
            f"{name or path} has {len(found):,} values, and a mask has two; it looks like an "
            f"antialiased or JPEG mask: cut it first, for example at 128{hint}"
        )
    value, mask = found.popitem()  # the largest
    return mask if value else RunMask([mask.area], mask.shape)


def value_masks(
    pieces: Iterable[IntegerArray], shape: tuple[int, int], what: str
) -> dict[int, RunMask]:
    """Return the mask of each value of a label map, sorted by value.

    Memory is proportional to the number of runs.

    Parameters
    ----------
    pieces
        The values (n,) down the columns, one column after another, cut anywhere.
    shape
        The map's (height, width).
    what
        The name of the map in messages.

    Raises
    ------
    SourceError
        The map has more than `MOST_RUNS` runs or `MOST_VALUES` values.

    Examples
    --------
    >>> import numpy as np
    >>> pieces = np.array([7, 7, 7]), np.array([2, 0, 2])
    >>> masks = value_masks(pieces, (2, 3), "a.png")
    >>> list(masks), masks[7].counts.tolist()
    ([0, 2, 7], [0, 3, 3])
    """
    starts, held = _runs(pieces, what)
    size = shape[0] * shape[1]
    stops = np.append(starts[1:], size)
    order = np.argsort(held, kind="stable")
    found, first = np.unique(held[order], return_index=True)
    if len(found) > MOST_VALUES:
        raise SourceError(
            f"{what} has {len(found):,} values; a label map of up to {MOST_VALUES:,} is read"
        )
    masks = {}
    for value, runs in zip(found.tolist(), np.split(order, first[1:]), strict=True):
        ends = np.full(2 * len(runs) + 1, size, np.int64)
        ends[0:-1:2], ends[1::2] = starts[runs], stops[runs]
        masks[int(value)] = run_mask(shape, ends[:-1] if ends[-2] == size else ends)
    return masks


def _masks(
    path: Path,
    shape: tuple[int, int] | None,
    numbers: Callable[[Image.Image], IntegerArray],
    expected: tuple[tuple[str, ...], str] | None = None,
    name: str = "",
) -> dict[int, RunMask]:
    """Return the mask of each number that `numbers` makes of a PNG's pixels.

    `expected` has the allowed modes of the PNG, and their description for messages.
    """
    name = name or str(path)
    with opened_picture(path, LABEL_MAPS, name) as image:
        own = image.height, image.width
        if expected and image.mode not in expected[0]:
            raise SourceError(
                f"{name} has the mode {image.mode}; expected is an image with {expected[1]}"
            )
        if shape is not None and own != shape:
            raise SourceError(
                f"{name} has {sides(own)} pixels, height x width, but its image has {sides(shape)}"
            )
        pieces = (numbers(part).T.ravel() for part in _parts(image))
        return value_masks(pieces, own, name)


def _parts(image: Image.Image) -> Iterator[Image.Image]:
    """Yield an image in parts, column by column: some whole columns, or a piece of one column."""
    width, height = image.size
    across, down = max(1, _PIECE // height), min(height, _PIECE)
    for x in range(0, width, across):
        for y in range(0, height, down):
            yield image.crop((x, y, min(x + across, width), min(y + down, height)))


def _ids(image: Image.Image) -> IntegerArray:
    colours = np.asarray(image)
    ids: IntegerArray = colours[..., 2].astype(np.uint32)
    for channel in (1, 0):
        ids = (ids << 8) | colours[..., channel]
    return ids


def _objects(image: Image.Image) -> IntegerArray:
    colours = np.asarray(image).astype(np.int32)
    found: IntegerArray = colours[..., 0] // 10 << 16 | colours[..., 1] << 8 | colours[..., 2]
    return found


def _seen(image: Image.Image) -> Any:
    """Return an image's numbers; with colours or a palette, one number for each colour."""
    if image.mode in _NUMBERS and image.mode != "P":
        return np.asarray(image)
    return _ids(image.convert("RGBA"))  # every palette fits into it


def _cut(image: Image.Image, threshold: int) -> Any:
    """Return 1 for each pixel whose grey is at least `threshold`, else 0."""
    return (np.asarray(image.convert("L")) >= threshold).view(np.uint8)


def _runs(pieces: Iterable[IntegerArray], what: str) -> tuple[IntegerArray, IntegerArray]:
    """Return where each run of one value begins, int64, and its value."""
    starts, held = [], []
    before: IntegerArray | None = None
    at = count = 0
    for piece in pieces:
        begins = np.ones(len(piece), np.bool_)
        np.not_equal(piece[1:], piece[:-1], out=begins[1:])
        if before is not None:
            begins[0] = piece[0] != before[-1]
        new = np.flatnonzero(begins)
        count += len(new)
        if count > MOST_RUNS:
            raise SourceError(
                f"{what} has more than {MOST_RUNS:,} runs of equal pixels down its columns, which "
                "only noise has; smooth it, or cut it up"
            )
        starts.append(new + at)
        held.append(piece[new])
        before = piece[-1:]
        at += len(piece)
    return np.concatenate(starts), np.concatenate(held)
