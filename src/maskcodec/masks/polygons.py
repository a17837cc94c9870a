"""COCO's polygons: this module checks them, pycocotools draws them by COCO's rules."""

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
) - 1  # pixels of an image: beyond this, pycocotools writes past the end of its memory
_FAR = 1 << 20  # beyond this, coordinates overflow in pycocotools
_BEYOND = 2  # pixels by which a polygon may leave its image
_HINT = (
    "polygons need pycocotools, which is missing: "
    "pip install 'maskcodec[coco]', in a checkout '.[coco]'"
)


def checked_polygons(
    polygons: Sequence[Any], shape: tuple[int, int], what: str
) -> list[Coordinates]:
    """Check polygons for pycocotools; returns each as float64 [x1, y1, x2, y2, ...].

    Raises
    ------
    MaskError
        A polygon has fewer than three points, an odd number of coordinates, or a point far
        outside the image; the polygons fit the image only with height and width swapped; their
        outlines are longer than 2,000,000 pixels together; or the image has 2**29 pixels or more.
    TypeError
        A polygon is not a list of numbers.
    """
    if shape[0] * shape[1] > MOST_DRAWN_ON:
        raise MaskError(
            f"{what} has polygons on an image of {shape[0]} x {shape[1]} pixels; pycocotools draws "
            f"on up to {MOST_DRAWN_ON:,}: cut the image up, or use run lengths"
        )
    rings = [_ring(ring, shape, f"{what}, polygon {i}") for i, ring in enumerate(polygons)]
    _check_turned(rings, shape, what)
    # No side of a polygon is longer than three sides of the image: most need no measuring.
    if 3 * max(shape) * sum(map(len, rings)) > MOST_OUTLINE:
        length = sum(map(_outline, rings))
        if length > MOST_OUTLINE:
            raise MaskError(
                f"{what} has outlines of {length:,.0f} pixels; {MOST_OUTLINE:,} are the most"
            )
    return rings


def polygon_counts(rings: Sequence[Coordinates], shape: tuple[int, int]) -> list[bytes]:
    """The compressed counts of each polygon; `checked_polygons` returns the polygons.

    pycocotools does not merge them: this would take memory for every pixel of the image.

    Raises
    ------
    ModuleNotFoundError
        pycocotools is not installed.
    """
    try:
        import pycocotools.mask as coco
    except ImportError:
        raise ModuleNotFoundError(_HINT, name="pycocotools") from None
    return [part["counts"] for part in coco.frPyObjects(rings, *shape)] if rings else []


def _ring(ring: Any, shape: tuple[int, int], what: str) -> Coordinates:
    """Check one polygon for pycocotools: float64 (2 n,)."""
    try:
        numbers = np.asarray(ring)
    except (ValueError, OverflowError):
        numbers = np.empty((0, 0))
    if numbers.dtype == object and numbers.ndim == 1 and all(type(n) in {int, float} for n in ring):
        numbers = np.array([float(max(-2 * _FAR, min(n, 2 * _FAR))) for n in ring])  # beyond int64
    if numbers.ndim == 2 and numbers.shape[1] == 2:  # one point a row
        ring = numbers = numbers.ravel()
    if numbers.ndim != 1 or numbers.dtype.kind not in "iuf":
        raise TypeError(f"{what} must be numbers [x1, y1, x2, y2, x3, y3, ...], got {brief(ring)}")
    if len(numbers) < 6 or len(numbers) % 2:
        count = plural(len(numbers), "coordinate")
        raise MaskError(f"{what} has {count}; expected x and y of at least 3 points")
    points = numbers.astype(np.float64, copy=False)
    side = max(shape)
    low, high = max(-side, -_FAR), min(2 * side, _FAR)
    if not (points.min() >= low and points.max() <= high):  # nan fails as well
        at = int(np.argmin((points >= low) & (points <= high)))
        number = ring[at] if isinstance(ring, (list, tuple)) else numbers[at].item()
        raise MaskError(
            f"{what} has {brief(number)} at index {at}, far outside an image of {shape[0]} x "
            f"{shape[1]} pixels"
        )
    return points


def _check_turned(rings: Sequence[Coordinates], shape: tuple[int, int], what: str) -> None:
    """Refuse polygons that leave the image, but fit if height and width are swapped."""
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
    """The number of pixels along a polygon's outline."""
    corners = points.reshape(-1, 2)
    return float(np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum())
