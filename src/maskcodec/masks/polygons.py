"""COCO's polygons: checked here, drawn by pycocotools, whose rules are COCO's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.messages import brief, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Coordinates: TypeAlias = npt.NDArray[np.float64]

MOST_OUTLINE = 2_000_000  # pixels around all polygons: pycocotools takes 100 bytes for each
MOST_DRAWN_ON = (
    1 << 29
) - 1  # pixels of an image: beyond, pycocotools writes past the end of its memory
_FAR = 1 << 20  # beyond this the coordinates of pycocotools would overflow
_BEYOND = 2  # pixels that a polygon may leave its image by
_HINT = (
    "polygons need pycocotools, which is missing: "
    "pip install 'maskcodec[coco]', in a checkout '.[coco]'"
)


def checked_polygons(
    polygons: Sequence[Any], shape: tuple[int, int], what: str
) -> list[Coordinates]:
    """Polygons as float64 [x1, y1, x2, y2, ...], such that pycocotools can draw them.

    Raises
    ------
    MaskError
        One has fewer than three points, half a point, or points far outside the image, or the
        outlines are longer than any object's, or the image is too large for pycocotools.
    TypeError
        One is not a list of numbers.
    """
    if shape[0] * shape[1] > MOST_DRAWN_ON:
        raise MaskError(
            f"{what} has polygons on an image of {shape[0]} x {shape[1]} pixels; pycocotools draws "
            f"on up to {MOST_DRAWN_ON:,}: cut the image up, or use run lengths"
        )
    rings = [_ring(ring, shape, f"{what}, polygon {i}") for i, ring in enumerate(polygons)]
    _check_turned(rings, shape, what)
    # No side is longer than three of the image, so that most need not be measured.
    if 3 * max(shape) * sum(map(len, rings)) > MOST_OUTLINE:
        length = sum(map(_outline, rings))
        if length > MOST_OUTLINE:
            raise MaskError(
                f"{what} has outlines of {length:,.0f} pixels; {MOST_OUTLINE:,} are the most"
            )
    return rings


def polygon_counts(rings: Sequence[Coordinates], shape: tuple[int, int]) -> list[bytes]:
    """The compressed counts of each polygon, as `checked_polygons` returns them.

    They are not merged by pycocotools, which takes memory for every pixel of the image to do it.

    Raises
    ------
    ModuleNotFoundError
        There is no pycocotools.
    """
    try:
        import pycocotools.mask as coco
    except ImportError:
        raise ModuleNotFoundError(_HINT, name="pycocotools") from None
    return [part["counts"] for part in coco.frPyObjects(rings, *shape)] if rings else []


def _ring(ring: Any, shape: tuple[int, int], what: str) -> Coordinates:
    """One polygon as pycocotools takes it, of such a size that it takes no more than it should."""
    try:
        numbers = np.asarray(ring)
    except (ValueError, OverflowError):
        numbers = np.empty((0, 0))
    if numbers.dtype == object and numbers.ndim == 1 and all(type(n) in {int, float} for n in ring):
        numbers = np.array([float(max(-2 * _FAR, min(n, 2 * _FAR))) for n in ring])  # beyond int64
    if numbers.ndim == 2 and numbers.shape[1] == 2:  # a point a row
        ring = numbers = numbers.ravel()
    if numbers.ndim != 1 or numbers.dtype.kind not in "iuf":
        raise TypeError(f"{what} must be numbers [x1, y1, x2, y2, x3, y3, ...], got {brief(ring)}")
    if len(numbers) < 6 or len(numbers) % 2:
        count = plural(len(numbers), "coordinate")
        raise MaskError(f"{what} has {count}; expected x and y of at least 3 points")
    points = numbers.astype(np.float64, copy=False)
    side = max(shape)
    low, high = max(-side, -_FAR), min(2 * side, _FAR)
    if not (points.min() >= low and points.max() <= high):  # also where one is not a number
        at = int(np.argmin((points >= low) & (points <= high)))
        number = ring[at] if isinstance(ring, (list, tuple)) else numbers[at].item()
        raise MaskError(
            f"{what} has {brief(number)} at index {at}, far outside an image of {shape[0]} x "
            f"{shape[1]} pixels"
        )
    return points


def _check_turned(rings: Sequence[Coordinates], shape: tuple[int, int], what: str) -> None:
    """Refuse polygons that leave the image, but would not with height and width swapped."""
    height, width = shape
    if max(float(ring.max()) for ring in rings) <= min(shape) + _BEYOND:
        return
    right = max(float(ring[::2].max()) for ring in rings)
    bottom = max(float(ring[1::2].max()) for ring in rings)
    leaves = right > width + _BEYOND or bottom > height + _BEYOND
    if leaves and right <= height + _BEYOND and bottom <= width + _BEYOND:
        raise MaskError(
            f"{what} reaches to x = {right:g} and y = {bottom:g} on an image of {height} x {width} "
            "pixels, height x width; shape is (height, width): they seem to be swapped"
        )


def _outline(points: Coordinates) -> float:
    """How many pixels lie around a polygon."""
    corners = points.reshape(-1, 2)
    return float(np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum())
