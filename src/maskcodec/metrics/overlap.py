"""Measure the overlap of a prediction and its target: on runs, seldom on painted pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.files.masks import opened_mask
from maskcodec.kernels import rle
from maskcodec.masks.inputs import as_mask, like_points
from maskcodec.masks.runs import RunMask, as_image_size, united
from maskcodec.messages import brief, sides
from maskcodec.text.regions import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.masks.arrays import IntegerArray
    from maskcodec.masks.grid import Method

_LISTS = list, tuple


class Overlap(NamedTuple):
    """The overlap of two masks of one image.

    Attributes
    ----------
    intersection
        The number of pixels set in both.
    prediction, target
        The number of pixels set in each.
    """

    intersection: int
    prediction: int
    target: int

    @property
    def union(self) -> int:
        """The number of pixels set in at least one mask."""
        return self.prediction + self.target - self.intersection

    @property
    def iou(self) -> float:
        """Intersection over union, 0 .. 1; 1 if both are empty."""
        return self.intersection / self.union if self.union else 1.0


def measure(
    prediction: Any,
    target: Any,
    *,
    shape: tuple[int, int] | None = None,
    method: Method | None = None,
) -> Overlap:
    """Measure the overlap of a prediction and its target.

    Parameters
    ----------
    prediction, target
        One of these:

        - A mask (height, width), bool or integer, of two values.
        - A `maskcodec.Region` or a `maskcodec.coco.RunMask`, or a list of either, which are united.
        - Run lengths or polygons, as `maskcodec.coco.read` takes them.
        - None or an empty list for nothing.
    shape
        (height, width) of the image in pixels. Regions and run lengths without a size need it if
        the other side has no size. Polygons always need it: without `shape`, a list of lists is a
        mask of 0 and 1, as for the codecs.
    method
        How the cells of regions become pixels, as in `maskcodec.Region.mask`.

    Returns
    -------
    The counts. Two arrays are compared by pixels, other masks by runs. Regions are painted only by
    other methods than ``"nearest"``.

    Raises
    ------
    MaskError
        The sizes differ, the image's size is unknown, or a value is not a mask.
    TypeError
        A value has another type.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from maskcodec.metrics import measure
    >>> dog = mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 1]], canvas=(4, 4))
    >>> measure(dog, {"size": [4, 4], "counts": [2, 8, 6]})
    Overlap(intersection=3, prediction=4, target=8)
    >>> measure(None, dog, shape=(4, 4)).iou
    0.0
    """
    given = {"target": target, "prediction": prediction}
    size = None if shape is None else as_image_size(shape, "shape")
    origin = "shape"
    masks: dict[str, IntegerArray | RunMask | None] = {}
    for what, value in sorted(given.items(), key=lambda item: not _has_size(item[1])):
        mask = masks[what] = read_mask(value, size, what, origin=origin, method=method)
        if mask is not None and size is None:
            size, origin = mask.shape, what
    return _compared(masks["prediction"], masks["target"])


def read_mask(
    value: Any,
    size: tuple[int, int] | None,
    what: str,
    *,
    origin: str = "shape",
    method: Method | None = None,
) -> IntegerArray | RunMask | None:
    """Read a prediction or a target as a mask of its image; None for nothing.

    Parameters
    ----------
    value, method
        As in `measure`.
    size
        (height, width) of the image, checked; None if it is unknown.
    what, origin
        The names of the value and of the source of `size` in messages.

    Raises
    ------
    MaskError, TypeError
        As in `measure`.
    """
    value = opened_mask(value)
    if value is None or (isinstance(value, _LISTS) and len(value) == 0):
        return None
    parts = value if isinstance(value, _LISTS) else [value]
    if isinstance(parts[0], Region):
        if size is None:
            raise MaskError(
                f"{what} is cells, which do not say how large their image is; "
                "pass shape=(height, width)"
            )
        _check_kind(parts, Region, what)
        return united([region.runs(size, method=method) for region in parts])
    if isinstance(parts[0], RunMask):
        _check_kind(parts, RunMask, what)
        first = parts[0]
        for number, part in enumerate(parts):
            _check_size(part.shape, first.shape, f"{what}, part {number},", "part 0")
        _check_size(first.shape, size, what, origin)
        return united(parts)
    listed = isinstance(value, _LISTS) or like_points(value)
    polygons = origin == "shape" and listed  # as the codecs take lists
    mask = as_mask(value, None if _has_size(value) and not polygons else size, what)
    _check_size(mask.shape, size, what, origin)
    return mask


def _compared(prediction: Any, target: Any) -> Overlap:
    """The counts of two masks of one shape; None is an empty mask."""
    if prediction is None or target is None:
        return Overlap(0, _area(prediction), _area(target))
    if not isinstance(prediction, RunMask) and not isinstance(target, RunMask):
        both = int(np.count_nonzero(np.logical_and(prediction, target)))
        return Overlap(both, _area(prediction), _area(target))
    one, other = (
        mask if isinstance(mask, RunMask) else RunMask.from_mask(mask)
        for mask in (prediction, target)
    )
    return Overlap(int(rle.shared_runs(one._ends, other._ends)), _area(one), _area(other))


def _area(mask: IntegerArray | RunMask | None) -> int:
    if isinstance(mask, RunMask):
        return mask.area
    return 0 if mask is None else int(np.count_nonzero(mask))


def _has_size(value: Any) -> bool:
    """Whether a value has the size of its image."""
    if isinstance(value, _LISTS):
        value = value[0] if value else None
    if isinstance(value, Mapping):
        return value.get("size") is not None
    return value is not None and not isinstance(value, Region)


def _check_kind(parts: Sequence[Any], kind: type, what: str) -> None:
    for number, part in enumerate(parts):
        if not isinstance(part, kind):
            raise TypeError(
                f"{what} is a list of {kind.__name__}, but number {number} is {brief(part)}"
            )


def _check_size(own: tuple[int, ...], size: tuple[int, int] | None, what: str, origin: str) -> None:
    if size is not None and own != size:
        verb = "says" if origin == "shape" else "has"
        raise MaskError(
            f"{what} has {sides(own)} pixels, height x width, but {origin} {verb} {sides(size)}"
        )
