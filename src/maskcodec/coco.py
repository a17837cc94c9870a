"""COCO: the segmentations of annotations as masks, and regions as results for its evaluation."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from maskcodec.errors import LabelError, MaskError
from maskcodec.masks.arrays import brief
from maskcodec.masks.grid import Method, check_choice
from maskcodec.masks.runs import RunMask
from maskcodec.masks.segmentations import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.text.regions import Region

__all__ = ["RunMask", "read", "results"]

Unknown: TypeAlias = Literal["raise", "drop"]


def results(
    regions: Iterable[Region],
    *,
    shape: tuple[int, int],
    image_id: int | str,
    category_ids: Mapping[str, int],
    scores: Sequence[float] | None = None,
    method: Method | None = None,
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
        How cells become pixels, as `Region.mask` has it.
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
        There is not one finite score for each region.
    TypeError
        An id is no integer (an image's may be a str).

    Examples
    --------
    >>> import maskcodec as mc
    >>> dog = mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 1]], canvas=(4, 4))
    >>> (row,) = mc.coco.results([dog], shape=(4, 4), image_id=7, category_ids={"dog": 18})
    >>> row["segmentation"]
    {'size': [4, 4], 'counts': '52203'}
    """
    check_choice(unknown, Unknown, "unknown")
    if not isinstance(category_ids, Mapping):
        raise TypeError(f"category_ids must map names to ids, got {brief(category_ids)}")
    image = image_id if isinstance(image_id, str) else operator.index(image_id)
    found = list(regions)
    sure = [1.0] * len(found) if scores is None else [float(score) for score in scores]
    if len(sure) != len(found):
        raise MaskError(f"there must be a score for each region, got {len(found)} and {len(sure)}")
    for i, score in enumerate(sure):
        if not math.isfinite(score):
            raise MaskError(f"scores must be finite numbers, got {score} at index {i}")
    rows = []
    for region, score in zip(found, sure, strict=True):
        if region.label not in category_ids:
            if unknown == "drop":
                continue
            raise LabelError(
                f'label {region.label!r} is no category; unknown="drop" leaves such regions out'
            )
        rows.append(
            {
                "image_id": image,
                "category_id": operator.index(category_ids[region.label]),
                "segmentation": region.coco_rle(shape, method=method, text=True),
                "score": score,
            }
        )
    return rows
