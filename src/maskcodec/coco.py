"""COCO's segmentations, run lengths and polygons, as masks that nobody paints; and its results.

As COCO, LVIS, RefCOCO, RefCLEF, gRefCOCO and SA-1B store them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from maskcodec._arrays import as_pixels
from maskcodec._lazy import kernels
from maskcodec._polygons import polygon_counts
from maskcodec.errors import LabelError, MaskError
from maskcodec.grid import Method, check_choice
from maskcodec.runs import RunMask, as_image_size, run_ends, run_mask, united

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec._arrays import IntegerArray
    from maskcodec.region import Region

__all__ = ["RunMask", "read", "results"]

Unknown: TypeAlias = Literal["raise", "drop"]


def read(
    segmentation: Any, shape: tuple[int, int] | None = None, what: str = "segmentation"
) -> RunMask:
    """The ``segmentation`` of an annotation as a mask of runs.

    Parameters
    ----------
    segmentation
        Run lengths, ``{"size": [height, width], "counts": ...}``, the counts compressed (bytes or
        str) or a list of integers. Or polygons, ``[[x1, y1, x2, y2, x3, y3, ...], ...]`` in
        pixels, or one of them; or a list of run lengths, as RefCLEF has it. Parts are united, as
        COCO does it.
    shape
        (height, width) of the image. Polygons, and run lengths without a ``"size"``, need it;
        what has a size is checked against it.
    what
        What to call it in messages.

    Returns
    -------
    The mask. Polygons are drawn by pycocotools, whose rules are COCO's.

    Raises
    ------
    MaskError
        It is no segmentation, is broken or cut off, or does not fill or fit the image.
    TypeError
        Counts are not integers, coordinates not numbers, or it is something else altogether.
    ModuleNotFoundError
        Polygons without pycocotools.

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
    flat = not isinstance(segmentation[0], (list, tuple, np.ndarray))
    drawn = polygon_counts([segmentation] if flat else segmentation, size, what)
    return united([_read_compressed(counts, size, what) for counts in drawn])


def as_mask(
    value: Any, shape: tuple[int, int] | None = None, what: str = "mask"
) -> IntegerArray | RunMask:
    """A mask or an annotation's segmentation, as the codecs take it, checked and not copied.

    Lists are polygons with `shape`, without it a mask of 0 and 1.
    """
    if isinstance(value, (RunMask, Mapping)) or _has_parts(value):
        return read(value, shape, what)
    listed = isinstance(value, (list, tuple))
    if listed and (shape is not None or len(value) == 0):
        if shape is not None and _like_mask(value, shape):
            raise MaskError(
                f"{what} is a list that may be a mask or polygons: with shape, a mask must be an "
                "array"
            )
        return read(value, shape, what)
    try:
        pixels = as_pixels(value, what)
    except (MaskError, TypeError) as error:
        if not listed:
            raise
        raise type(error)(f"{error}; polygons need shape=(height, width)") from error
    if listed and (pixels.min() < 0 or pixels.max() > 1):
        raise MaskError(
            f"{what} is a list with other numbers than 0 and 1: polygons need "
            "shape=(height, width), and a mask of other numbers must be an array"
        )
    return _of_shape(pixels, shape, what)


def as_label_map(
    value: Any, shape: tuple[int, int] | None = None, what: str = "label map"
) -> IntegerArray:
    """A label map as the codecs take it, checked and not copied."""
    return _of_shape(as_pixels(value, what), shape, what)


def as_masks(value: Any, shape: Any, label_maps: Sequence[bool]) -> Any:
    """Masks as one array (N, height, width), or as a list of what `as_mask` makes of each.

    `shape` is a size for all or one for each; `label_maps` says which are none.
    """
    shapes = _shapes(shape, len(value))
    if isinstance(value, np.ndarray) and value.ndim == 3:
        for i, size in enumerate(shapes if shape is not None else shapes[:1]):
            as_label_map(value[i], size, f"mask {i}")
        return value
    where = "mask {}" if len(value) > 1 else "mask"
    return [
        (as_label_map if label_map else as_mask)(mask, size, where.format(i))
        for i, (mask, size, label_map) in enumerate(zip(value, shapes, label_maps, strict=True))
    ]


def results(
    regions: Iterable[Region],
    shape: tuple[int, int],
    *,
    image_id: int,
    category_ids: Mapping[str, int],
    scores: Sequence[float] | None = None,
    method: Method = "nearest",
    unknown: Unknown = "raise",
) -> list[dict[str, Any]]:
    """Regions of one image as the results that ``COCO.loadRes`` and ``COCOeval`` read.

    Parameters
    ----------
    regions
        As `BSD.decode` returns them.
    shape
        (height, width) of the image.
    image_id
        The image's id in the annotations.
    category_ids
        The id of each category, by its name.
    scores
        How sure the model is of each region; 1 for all without them, which leaves nothing to rank.
    method
        How cells become pixels, ``"nearest"`` or ``"smooth"``.
    unknown
        What to do with a region whose label is no category: ``"raise"``, or ``"drop"``.

    Returns
    -------
    For each region ``image_id``, ``category_id``, ``segmentation`` (a compressed RLE) and
    ``score``, ready for JSON. There is no ``bbox``: where there is one, ``loadRes`` takes its area
    for the mask's.

    Raises
    ------
    LabelError
        A label is no category.
    MaskError
        There is not one score for each region.

    Examples
    --------
    >>> import maskcodec as mc
    >>> dog = mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 1]], canvas=(4, 4))
    >>> mc.coco.results([dog], (4, 4), image_id=7, category_ids={"dog": 18})[0]["segmentation"]
    {'size': [4, 4], 'counts': '52203'}
    """
    check_choice(unknown, Unknown, "unknown")
    found = list(regions)
    sure = [1.0] * len(found) if scores is None else [float(score) for score in scores]
    if len(sure) != len(found):
        raise MaskError(f"there must be a score for each region, got {len(found)} and {len(sure)}")
    rows = []
    for region, score in zip(found, sure, strict=True):
        if region.label not in category_ids:
            if unknown == "drop":
                continue
            raise LabelError(
                f'label {region.label!r} is no category; unknown="drop" leaves such regions out'
            )
        rle = region.coco_rle(shape, method=method)
        rows.append(
            {
                "image_id": image_id,
                "category_id": category_ids[region.label],
                "segmentation": {**rle, "counts": rle["counts"].decode()},
                "score": score,
            }
        )
    return rows


def _has_parts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and isinstance(value[0], Mapping)


def _like_mask(value: Sequence[Any], shape: tuple[int, int]) -> bool:
    """Whether a list has a row for each of an image's, each with a 0 or 1 for every pixel."""
    height, width = as_image_size(shape, "shape")
    return len(value) == height and all(
        isinstance(row, (list, tuple)) and len(row) == width and set(row) <= {0, 1} for row in value
    )


def _shapes(shape: Any, count: int) -> list[Any]:
    """The shape of each of some masks, of one for all or one for each."""
    listed = isinstance(shape, (list, tuple, np.ndarray))
    if not listed or not any(size is None or np.ndim(size) for size in shape):
        return [shape] * count
    if len(shape) != count:
        raise MaskError(f"there must be a shape for each mask, got {count} and {len(shape)}")
    return list(shape)


def _of_shape(pixels: IntegerArray, shape: tuple[int, int] | None, what: str) -> IntegerArray:
    if shape is not None and pixels.shape != as_image_size(shape, "shape"):
        raise MaskError(f"{what} has {_sides(pixels.shape)} pixels, shape says {_sides(shape)}")
    return pixels


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _fitting(mask: RunMask, shape: tuple[int, int] | None, what: str) -> RunMask:
    if shape is not None and mask.shape != shape:
        raise MaskError(
            f"{what} is of an image of {_sides(mask.shape)} pixels, height x width, but this one "
            f"has {_sides(shape)}"
        )
    return mask


def _read_rle(rle: Mapping[str, Any], shape: tuple[int, int] | None, what: str) -> RunMask:
    counts, size = rle.get("counts"), rle.get("size")
    size = shape if size is None else size
    if counts is None or size is None:
        missing = "counts" if counts is None else "size"
        way_out = "; pass shape=(height, width)" if missing == "size" else ""
        raise MaskError(f'{what} has no "{missing}"{way_out}')
    own = as_image_size(size, f"the size of {what}")
    if shape is not None and own != shape:
        raise MaskError(
            f"{what} has the size {_sides(own)}, height x width, but its image has {_sides(shape)}"
        )
    if isinstance(counts, (bytes, bytearray, str)):
        return _read_compressed(counts, own, what)
    return run_mask(own, run_ends(counts, own, f"the counts of {what}"))


def _read_compressed(counts: bytes | bytearray | str, shape: tuple[int, int], what: str) -> RunMask:
    # A surrogate is no character that a count is written with: it is found below.
    text = counts.encode("utf-8", "surrogatepass") if isinstance(counts, str) else counts
    data = np.frombuffer(bytearray(text), np.uint8)
    ends = np.empty(len(data), np.int64)
    pixels = shape[0] * shape[1]
    count, fault, at = kernels.read_counts(data, pixels, ends)
    if fault == 0:
        return run_mask(shape, ends[:count])
    reached = int(ends[count - 1]) if count else 0
    wrong = {
        kernels.RLE_CHARACTER: f"hold {counts[at : at + 1]!r}, which none is written with",
        kernels.RLE_ENDLESS: "have a number of more than 32 bits",
        kernels.RLE_CUT: "stop inside a number",
        kernels.RLE_NEGATIVE: f"have run {count} below 0",
        kernels.RLE_LONG: f"have run {count} pass the last of {_sides(shape)} = {pixels:,} pixels",
        kernels.RLE_SHORT: f"stop after {reached:,} of {_sides(shape)} = {pixels:,} pixels",
    }[fault]
    raise MaskError(f"the counts of {what} {wrong} (at character {at})")
