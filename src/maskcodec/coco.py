"""COCO: read segmentations of annotations as masks, and write regions as results to evaluate."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from maskcodec.errors import LabelError, MaskError
from maskcodec.masks.arrays import as_painted_size
from maskcodec.masks.runs import RunMask
from maskcodec.masks.segmentations import read
from maskcodec.messages import brief, check_choice
from maskcodec.text.regions import checked_scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.masks.grid import Method
    from maskcodec.text.regions import Region

__all__ = ["Labelled", "RunMask", "from_supervision", "read", "results", "to_supervision"]

Unknown: TypeAlias = Literal["raise", "drop"]


class Labelled(NamedTuple):
    """Masks and labels, as `encode_many` takes them.

    Attributes
    ----------
    masks
        bool (n, height, width).
    labels
        A label for each mask.
    """

    masks: Any
    labels: list[str]


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
        The model's confidence in each region; by default 1 for all, which gives no ranking.
    method
        How cells become pixels, as in `Region.mask`.
    unknown
        What to do with a region whose label is not in `category_ids`: ``"raise"``, or ``"drop"``,
        which leaves it out.

    Returns
    -------
    For each region ``image_id``, ``category_id``, ``segmentation`` (a compressed RLE) and
    ``score``, ready for JSON. There is no ``bbox``: with one, ``loadRes`` would take the box's
    area for the mask's.

    Raises
    ------
    LabelError
        A label is not in `category_ids`.
    MaskError
        The scores are not one finite number for each region, or `shape` cannot be painted.
    TypeError
        `category_ids` is not a mapping, or an id is not an integer (an image's may be a str).

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
    sure = checked_scores(scores, len(found))
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


def to_supervision(
    regions: Iterable[Region],
    *,
    shape: tuple[int, int],
    class_ids: Mapping[str, int] | None = None,
    scores: Sequence[float] | None = None,
    method: Method | None = None,
) -> Any:
    """Regions of one image as ``supervision.Detections``.

    Parameters
    ----------
    regions
        As `Codec.decode` returns them.
    shape
        (height, width) of the image.
    class_ids
        The id of each label; by default 0, 1, ... in order of appearance.
    scores
        The model's confidence in each region, which becomes ``confidence``.
    method
        How cells become pixels, as in `Region.mask`.

    Returns
    -------
    Detections with masks, bool (n, height, width), their tight boxes, and ``data["class_name"]``.

    Raises
    ------
    LabelError
        A label is not in `class_ids`.
    MaskError
        The number of scores is not the number of regions, or `shape` cannot be painted.
    ModuleNotFoundError
        supervision is not installed.
    """
    detections = _supervision().Detections
    height, width = as_painted_size(shape, "shape")
    found = list(regions)
    labels = [region.label for region in found]
    ids = {label: n for n, label in enumerate(dict.fromkeys(labels))}
    ids = ids if class_ids is None else dict(class_ids)
    if unknown := [label for label in labels if label not in ids]:
        raise LabelError(f"label {unknown[0]!r} has no id; class_ids has {brief(list(ids))}")
    if scores is not None and len(scores) != len(found):
        raise MaskError(
            f"there must be a score for each region, got {len(found)} and {len(scores)}"
        )
    masks = np.zeros((len(found), height, width), np.uint8)
    boxes = np.zeros((len(found), 4), np.float32)
    for region, mask, box in zip(found, masks, boxes, strict=True):
        region.mask((height, width), method=method, out=mask)
        x, y, across, down = RunMask.from_mask(mask).bbox
        box[:] = x, y, x + across, y + down
    return detections(
        xyxy=boxes,
        mask=masks.view(np.bool_),
        class_id=np.array([ids[label] for label in labels], int),
        confidence=None if scores is None else np.array(scores, np.float32),
        data={"class_name": np.array(labels, np.str_)},
    )


def from_supervision(detections: Any, names: Mapping[int, str] | None = None) -> Labelled:
    """The masks and labels of ``supervision.Detections``, for `encode_many`.

    Parameters
    ----------
    detections
        Detections with masks.
    names
        The name of each ``class_id``; by default ``data["class_name"]``.

    Returns
    -------
    The arguments for ``codec.encode_many(*labelled)``.

    Raises
    ------
    MaskError
        The detections have no masks.
    LabelError
        The detections have no names, or `names` lacks a class.
    """
    masks = getattr(detections, "mask", None)
    if masks is None:
        raise MaskError("the detections have no mask, only boxes, which no codec writes")
    masks = np.asarray(masks)
    if names is None:
        given = detections.data.get("class_name")
        if given is None:
            raise LabelError('the detections have no data["class_name"]: pass names={id: name}')
        return Labelled(masks, [str(name) for name in given])
    ids = [] if detections.class_id is None else [int(one) for one in detections.class_id]
    if len(ids) != len(masks) or not set(ids) <= set(names):
        raise LabelError(f"names has {brief(dict(names))}, the detections the classes {brief(ids)}")
    return Labelled(masks, [names[one] for one in ids])


def _supervision() -> Any:
    try:
        import supervision
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "this needs supervision, which is missing: pip install supervision, or the extra bench",
            name=error.name,
        ) from None
    return supervision
