"""Convert and check the masks that codecs take: arrays and annotations' segmentations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.masks.arrays import as_pixels, as_two_values, first_mixed, is_plain
from maskcodec.masks.runs import RunMask, as_image_size
from maskcodec.masks.segmentations import read
from maskcodec.messages import brief, sides

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from maskcodec.masks.arrays import Index, IntegerArray

    Rows: TypeAlias = Callable[[tuple[int, int]], Index]

_LISTS = list, tuple
_SHAPE = "; polygons need shape=(height, width)"


def as_mask(
    value: Any,
    shape: tuple[int, int] | None = None,
    what: str = "mask",
    threshold: int | None = None,
    *,
    later: bool = False,
    rows: Rows | None = None,
) -> IntegerArray | RunMask:
    """Convert and check a mask or a segmentation; copies an array only to make two values of it.

    A list is polygons if `shape` is given, else a mask of 0 and 1. An array with two columns is a
    polygon with one point a row if it has a value above 1, and `shape` is given and is not the
    array's shape in either order. Set pixels and `threshold` are those of `as_two_values`.

    With `later`, the values of a plain array are not checked: the caller reads all pixels and
    finds a third value itself. `rows` maps an image's size to the rows that the caller reads, if
    these are not all: a plain array may have more values in the other rows.
    """
    if isinstance(value, (RunMask, Mapping)) or _has_parts(value):
        return read(value, shape=shape, what=what)
    if value is None or isinstance(value, (str, bytes)):
        raise TypeError(
            f"{what} must be a mask or a segmentation, got {brief(value)}; open an image file "
            'first; compressed run lengths are {"size": [height, width], "counts": ...}'
        )
    points = like_points(value)
    if points and shape is not None and value.shape not in _sizes(shape):
        return read(value, shape=shape, what=what)
    listed = isinstance(value, _LISTS)
    if listed and (shape is not None or len(value) == 0):
        if shape is not None and _like_mask(value, shape):
            raise MaskError(
                f"{what} is a list with a row for each of an image's, so that it may be a mask or "
                "polygons: with shape, a mask must be an array"
            )
        return read(value, shape=shape, what=what)
    try:
        pixels = as_pixels(value, what)
    except (MaskError, TypeError) as error:
        if not (listed or points):
            raise
        raise type(error)(f"{error}{_SHAPE}") from error
    if listed and (pixels.min() < 0 or pixels.max() > 1):
        raise MaskError(
            f"{what} is a list with other numbers than 0 and 1: polygons need "
            "shape=(height, width), and a mask of other numbers must be an array"
        )
    _of_shape(pixels, shape, what)
    if threshold is None and is_plain(pixels):
        shown = rows is not None and first_mixed(pixels[None], rows(pixels.shape)) < 0
        if later or shown:
            return pixels
    try:
        return as_two_values(pixels, what, threshold)
    except MaskError as error:
        raise (MaskError(f"{error}{_SHAPE}") if points else error) from None


def as_label_map(
    value: Any, shape: tuple[int, int] | None = None, what: str = "label map"
) -> IntegerArray:
    """Check a label map; an array is not copied."""
    if isinstance(value, (RunMask, Mapping)):
        raise TypeError(f"{what} must be an array: a segmentation is a mask, which takes one label")
    return _of_shape(as_pixels(value, what), shape, what)


def as_masks(
    value: Any,
    shape: Any,
    label_maps: Sequence[bool],
    threshold: int | None = None,
    rows: Rows | None = None,
) -> Any:
    """Masks as one array (N, height, width), or as a list of results of `as_mask`.

    `shape` is one size for all masks or a list with one for each. `label_maps` is True for each
    label map, which `as_label_map` converts. `rows` is that of `as_mask`.
    """
    shapes = _shapes(shape, len(value))
    points = any(size is not None for size in shapes) and any(map(like_points, value))
    if isinstance(value, np.ndarray) and value.ndim == 3 and len(value) and not points:
        for i, size in enumerate(shapes if shape is not None else shapes[:1]):
            as_label_map(value[i], size, f"mask {i}")
        if all(label_maps) or value.dtype.kind == "b":
            return value
        plain = threshold is None and not any(label_maps) and is_plain(value)
        if plain and first_mixed(value, None if rows is None else rows(value.shape[1:])) < 0:
            return value
    where = "mask {}" if len(value) > 1 else "mask"
    return [
        as_label_map(mask, size, where.format(i))
        if label_map
        else as_mask(mask, size, where.format(i), threshold, rows=rows)
        for i, (mask, size, label_map) in enumerate(zip(value, shapes, label_maps, strict=True))
    ]


def check_one_size(masks: Sequence[Any]) -> None:
    """Refuse masks of one image, as `as_mask` returns them, if their sizes differ."""
    for index, mask in enumerate(masks):
        if mask.shape != masks[0].shape:
            raise MaskError(
                f"mask {index} has {sides(mask.shape)} pixels, height x width, but mask 0 has "
                f"{sides(masks[0].shape)}: the instances of a text are those of one image"
            )


def _has_parts(value: Any) -> bool:
    return isinstance(value, _LISTS) and len(value) > 0 and isinstance(value[0], Mapping)


def _like_mask(value: Sequence[Any], shape: tuple[int, int]) -> bool:
    """True if a list has the rows and columns of an image, or these swapped."""
    rows = {len(row) if isinstance(row, (*_LISTS, np.ndarray)) else 0 for row in value}
    return len(rows) == 1 and (len(value), *rows) in _sizes(shape)


def like_points(value: Any) -> bool:
    """True if an array may be points, one a row: two columns and a value above 1.

    A mask that is 2 pixels wide may look like this, too.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
        return False
    return value.shape[1:] == (2,) and len(value) > 0 and not value.max() <= 1


def _sizes(shape: tuple[int, int]) -> set[tuple[int, int]]:
    """The size of an image, and the same with height and width swapped."""
    size = as_image_size(shape, "shape")
    return {size, size[::-1]}


def _shapes(shape: Any, count: int) -> list[Any]:
    """The shape of each mask, from one shape for all or a list with one for each."""
    listed = isinstance(shape, _LISTS) or getattr(shape, "ndim", 0) == 2
    if not listed or not any(size is None or np.ndim(size) for size in shape):
        return [shape] * count
    if len(shape) != count:
        raise MaskError(f"there must be a shape for each mask, got {count} and {len(shape)}")
    return list(shape)


def _of_shape(pixels: IntegerArray, shape: tuple[int, int] | None, what: str) -> IntegerArray:
    if shape is not None and pixels.shape != as_image_size(shape, "shape"):
        raise MaskError(f"{what} has {sides(pixels.shape)} pixels, shape says {sides(shape)}")
    return pixels
