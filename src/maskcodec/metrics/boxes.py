"""The figure of boxes: Acc@0.5."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.masks.runs import RunMask, as_image_size
from maskcodec.messages import brief
from maskcodec.metrics.overlap import read_mask
from maskcodec.metrics.tally import Share, check_threshold
from maskcodec.text.regions import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

Box: TypeAlias = tuple[float, float, float, float]  # x1, y1, x2, y2, edges in pixels


@dataclass(slots=True)
class BoxAccuracy(Share):
    """Acc@0.5: the share of samples whose boxes have an IoU of at least the threshold.

    Without a target, an empty answer is a hit; a box or another claim is a miss. RefCOCO's papers
    report this for referring comprehension; there every sample has one box.

    Parameters
    ----------
    threshold
        The least IoU of a hit, above 0 and at most 1.

    Attributes
    ----------
    right, samples
        The numbers of hits and of samples.

    Raises
    ------
    ConfigError
        The threshold is out of range.

    Examples
    --------
    >>> from maskcodec.metrics import BoxAccuracy
    >>> metric = BoxAccuracy()
    >>> metric.update((0, 0, 10, 10), (0, 0, 10, 20))  # an IoU of 0.5
    >>> metric.update((0, 0, 10, 10), (5, 0, 15, 10))  # of 1/3
    >>> metric.compute()
    0.5
    """

    threshold: float = 0.5

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def update(
        self,
        prediction: Any,
        target: Any,
        /,
        *,
        shape: tuple[int, int] | None = None,
        claimed: bool = False,
    ) -> None:
        """Count one sample, measured by `hit`."""
        self.add(self.hit(prediction, target, shape=shape, claimed=claimed))

    def add(self, hit: bool, /) -> None:
        """Count one sample that was measured."""
        self.count(hit)

    def hit(
        self,
        prediction: Any,
        target: Any,
        /,
        *,
        shape: tuple[int, int] | None = None,
        claimed: bool = False,
    ) -> bool:
        """Whether a sample's boxes agree.

        Parameters
        ----------
        prediction, target
            One of these:

            - Four numbers (x1, y1, x2, y2), the edges of a box in pixels, not COCO's width and
              height.
            - A `maskcodec.Region`: its box is `maskcodec.Region.box_pixels`, which its text names.
              Or a list of regions: their box goes around all.
            - Any other mask that `maskcodec.metrics.measure` takes: its box is the tight one.
            - None, an empty list or an empty mask for nothing.
        shape
            (height, width) of the image in pixels; regions and polygons need it.
        claimed
            Whether the prediction claims something although it has no box, as a broken answer does.
            Without a target, a claim is a miss. Boxes always claim.

        Raises
        ------
        MaskError
            A box has an infinite edge, or x1 > x2 or y1 > y2; or `maskcodec.metrics.measure`
            refuses a mask.
        TypeError
            A prediction or target has another type.
        """
        size = None if shape is None else as_image_size(shape, "shape")
        boxes = _read_box(prediction, size, "prediction"), _read_box(target, size, "target")
        unread = claimed and boxes == (None, None)
        return not unread and box_iou(*boxes) >= self.threshold


def box_iou(first: Box | None, second: Box | None) -> float:
    """Intersection over union of two boxes, 0 .. 1; 1 if both are None, 0 if one is."""
    if first is None or second is None:
        return 1.0 if first is second else 0.0
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    both = max(width, 0) * max(height, 0)
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (first, second)]
    return both / (sum(areas) - both) if both else 0.0


def _read_box(value: Any, size: tuple[int, int] | None, what: str) -> Box | None:
    """The box of a prediction or a target, None for nothing."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if isinstance(value, (list, tuple)) and len(value) == 4 and all(map(_is_number, value)):
        return _checked(value, what)
    regions = value if isinstance(value, (list, tuple)) else [value]
    if size is not None and len(regions) > 0 and all(isinstance(r, Region) for r in regions):
        x1, y1, x2, y2 = zip(*(region.box_pixels(size) for region in regions), strict=True)
        return min(x1), min(y1), max(x2), max(y2)
    mask = read_mask(value, size, what)
    if mask is None:
        return None
    runs = mask if isinstance(mask, RunMask) else RunMask.from_mask(mask)
    left, top, width, height = runs.bbox
    return (left, top, left + width, top + height) if width else None


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _checked(numbers: Sequence[Any], what: str) -> Box:
    x1, y1, x2, y2 = box = tuple(float(number) for number in numbers)
    if not all(map(math.isfinite, box)) or x1 > x2 or y1 > y2:
        raise MaskError(
            f"{what} must be a box (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, got "
            f"{brief(list(box))}; COCO's (x, y, width, height) is (x, y, x + width, y + height)"
        )
    return x1, y1, x2, y2
