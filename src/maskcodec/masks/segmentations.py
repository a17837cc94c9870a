"""Read segmentations of annotations, run lengths and polygons, as masks of runs.

COCO, LVIS, RefCOCO, RefCLEF, gRefCOCO and SA-1B store them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.kernels import rle as k
from maskcodec.masks.polygons import checked_polygons, polygon_counts
from maskcodec.masks.runs import RunMask, as_image_size, run_ends, run_mask, united
from maskcodec.messages import plural, sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.masks.polygons import Coordinates


def read(
    segmentation: Any, *, shape: tuple[int, int] | None = None, what: str = "segmentation"
) -> RunMask:
    """Read the ``segmentation`` of an annotation as a mask of runs.

    Parameters
    ----------
    segmentation
        Run lengths, ``{"size": [height, width], "counts": ...}``, with counts that are compressed
        (bytes or str) or a list of integers. Or polygons in pixels,
        ``[[x1, y1, x2, y2, x3, y3, ...], ...]``, or one polygon; also with one point a row,
        ``[[x1, y1], ...]``, and as arrays. Or a list of run lengths, as in RefCLEF. The mask is
        the union of all parts, as in COCO.
    shape
        (height, width) of the image. Polygons, and run lengths without a ``"size"``, need it. A
        ``"size"`` must equal it.
    what
        The name of the segmentation in messages.

    Returns
    -------
    The mask. pycocotools draws polygons, by COCO's rules.

    Raises
    ------
    MaskError
        The segmentation is missing or empty, is broken or cut off, does not fit the image, or
        needs `shape`.
    TypeError
        The segmentation has another type, its counts are not integers, or its coordinates are not
        numbers.
    ModuleNotFoundError
        The segmentation has polygons, and pycocotools is not installed.

    Examples
    --------
    >>> from maskcodec import coco
    >>> coco.read({"size": [4, 4], "counts": "52203"}).mask()
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]], dtype=uint8)
    >>> coco.read([[1, 1, 3, 1, 3, 3, 1, 3]], shape=(4, 4)).bbox
    (1, 1, 2, 2)
    """
    size = None if shape is None else as_image_size(shape, "shape")
    if isinstance(segmentation, RunMask):
        return _fitting(segmentation, size, what)
    if isinstance(segmentation, Mapping):
        return _read_rle(segmentation, size, what)
    if segmentation is None:
        raise MaskError(f"{what} is missing: a mask is needed, not only a box")
    if isinstance(segmentation, (str, bytes)):
        raise TypeError(
            f"{what} must be run lengths or polygons, got {type(segmentation).__name__}; "
            'compressed run lengths are {"size": [height, width], "counts": ...}'
        )
    if isinstance(segmentation, np.ndarray) and (
        segmentation.ndim == 1 or (segmentation.ndim < 4 and segmentation.shape[-1] == 2)
    ):
        segmentation = list(segmentation) if segmentation.ndim == 3 else [segmentation]
    if not isinstance(segmentation, (list, tuple)):
        kind = type(segmentation).__name__
        raise TypeError(f"{what} must be run lengths or polygons, got {kind}")
    if not segmentation:
        raise MaskError(
            f"{what} is an empty list: an annotation with a box only has no mask; an empty mask "
            'is {"size": [height, width], "counts": [height * width]}'
        )
    if all(isinstance(part, Mapping) for part in segmentation):
        parts: list[RunMask] = []
        for i, part in enumerate(segmentation):
            where = f"{what}, part {i}"
            mask = _read_rle(part, size, where)
            parts.append(_fitting(mask, parts[0].shape if parts else None, where))
        return united(parts)
    if size is None:
        raise MaskError(
            f"{what} has polygons, which do not say how large their image is; "
            "pass shape=(height, width)"
        )
    lists = list, tuple, np.ndarray
    flat = not isinstance(segmentation[0], lists) or all(
        isinstance(part, lists) and len(part) == 2 and not isinstance(part[0], lists)
        for part in segmentation
    )
    rings = checked_polygons([segmentation] if flat else segmentation, size, what)
    drawn = drawn_polygons(rings, size, what)
    mask = united(drawn)
    apart = len(drawn) == 1 or sum(one.area for one in drawn) == mask.area
    return run_mask(size, mask._ends, rings if apart else None)


def drawn_polygons(
    rings: Sequence[Coordinates], shape: tuple[int, int], what: str
) -> list[RunMask]:
    """Draw each polygon with pycocotools; `checked_polygons` returns the polygons."""
    return [_read_compressed(counts, shape, what) for counts in polygon_counts(rings, shape)]


def _fitting(mask: RunMask, shape: tuple[int, int] | None, what: str) -> RunMask:
    if shape is not None and mask.shape != shape:
        raise MaskError(
            f"{what} is of an image of {sides(mask.shape)} pixels, height x width, but this one "
            f"has {sides(shape)}"
        )
    return mask


def _read_rle(rle: Mapping[str, Any], shape: tuple[int, int] | None, what: str) -> RunMask:
    counts, size = rle.get("counts"), rle.get("size")
    size = shape if size is None else size
    if counts is None and "segmentation" in rle:
        raise MaskError(f'{what} is a whole annotation; pass annotation["segmentation"]')
    if counts is None or size is None:
        missing = "counts" if counts is None else "size"
        way_out = "; pass shape=(height, width)" if missing == "size" else ""
        raise MaskError(f'{what} has no "{missing}"{way_out}')
    own = as_image_size(size, f"the size of {what}")
    if shape is not None and own != shape:
        raise MaskError(
            f"{what} has the size {sides(own)}, height x width, but its image has {sides(shape)}"
        )
    if isinstance(counts, (bytes, bytearray, str)):
        return _read_compressed(counts, own, what)
    return run_mask(own, run_ends(counts, own, f"the counts of {what}"))


def _read_compressed(counts: bytes | bytearray | str, shape: tuple[int, int], what: str) -> RunMask:
    # No count contains a surrogate: the kernel reports it as a wrong character.
    text = counts.encode("utf-8", "surrogatepass") if isinstance(counts, str) else counts
    data = np.frombuffer(bytearray(text), np.uint8)
    ends = np.empty(len(data), np.int64)
    pixels = shape[0] * shape[1]
    count, fault, at = k.read_counts(data, pixels, ends)
    if fault == 0:
        return run_mask(shape, ends[:count])
    reached = int(ends[count - 1]) if count else 0
    wrong = {
        k.RLE_CHARACTER: f"hold {counts[at : at + 1]!r}, which none is written with",
        k.RLE_ENDLESS: "have a number of more than 32 bits",
        k.RLE_CUT: "stop inside a number",
        k.RLE_NEGATIVE: f"have run {count} below 0",
        k.RLE_LONG: f"have run {count} pass the last of {sides(shape)} = {plural(pixels, 'pixel')}",
        k.RLE_SHORT: f"stop after {reached:,} of {sides(shape)} = {plural(pixels, 'pixel')}",
    }[fault]
    raise MaskError(f"the counts of {what} {wrong} (at character {at})")
