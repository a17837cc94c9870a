"""Average precision of regions, each matched with an instance of its class."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.masks.runs import RunMask, as_image_size
from maskcodec.messages import brief
from maskcodec.metrics.overlap import measure, read_mask
from maskcodec.metrics.precision import AP_THRESHOLDS, ranked_precision
from maskcodec.metrics.tally import Metric, check_threshold
from maskcodec.text.regions import Region, checked_scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.masks.grid import Method

_MOST = 100  # regions of a class and an image that count: the ones with the best scores


@dataclass(slots=True)
class AveragePrecision(Metric):
    """AP: how well the scores of regions rank the regions that match an instance.

    This follows COCO's evaluation. The regions of an image are sorted by score, best first. Each
    region takes the free instance with the highest IoU, if that reaches the threshold. A region
    without an instance is a miss, and so is an instance without a region. The figure is the
    precision at 101 recalls, averaged over the thresholds and the classes that have instances;
    ``nan`` if there is no instance.

    There are two differences: equal scores count together, so that the order of images does not
    matter, and there are no crowds. The accumulator holds one entry for each region.

    Parameters
    ----------
    thresholds
        The least IoUs of a hit, above 0 and at most 1; by default 0.5, 0.55, ... 0.95.

    Attributes
    ----------
    samples
        The number of images.

    Raises
    ------
    ConfigError
        A threshold is out of range.

    Examples
    --------
    >>> from maskcodec.metrics import AveragePrecision
    >>> metric = AveragePrecision(thresholds=(0.5,))
    >>> left, right = [[1, 1, 0, 0]], [[0, 0, 1, 1]]
    >>> metric.update([right, left], [left], scores=[0.9, 0.8])
    >>> metric.compute()
    0.5
    """

    thresholds: Sequence[float] = AP_THRESHOLDS
    _targets: Counter[str] = field(default_factory=Counter, init=False, repr=False)
    _ranked: Counter[tuple[str, float, int]] = field(
        default_factory=Counter, init=False, repr=False
    )

    def __post_init__(self) -> None:
        self.thresholds = tuple(self.thresholds)
        for threshold in self.thresholds:
            check_threshold(threshold)

    def update(
        self,
        prediction: Iterable[Any],
        target: Iterable[Any],
        /,
        *,
        scores: Sequence[float] | None = None,
        labels: Sequence[str] | None = None,
        shape: tuple[int, int] | None = None,
        method: Method | None = None,
    ) -> None:
        """Count one image.

        Parameters
        ----------
        prediction
            Regions, or other masks as `maskcodec.metrics.measure` takes them.
        target
            The mask of each instance.
        scores
            The model's certainty of each region, such as `maskcodec.answers.Answer.scores`. By
            default 1 for all, so that nothing is ranked.
        labels
            The class of each instance; a region's class is its label. By default there is one
            class.
        shape
            (height, width) of the image in pixels; regions and polygons need it.
        method
            How cells become pixels, as in `maskcodec.Region.mask`.

        Raises
        ------
        MaskError
            There is not one finite score for each region, or not one label for each instance. An
            instance has no pixel. Or `maskcodec.metrics.measure` refuses a mask.
        TypeError
            There are labels, but a prediction is not a region. Or a mask has another type.
        """
        size = None if shape is None else as_image_size(shape, "shape")
        found, wanted = list(prediction), list(target)
        sure = checked_scores(scores, len(found))
        names = [""] * len(wanted) if labels is None else list(labels)
        if len(names) != len(wanted):
            raise MaskError(
                f"there must be a label for each target, got {len(wanted)} and {len(names)}"
            )
        own = [""] * len(found) if labels is None else [_label(one) for one in found]
        masks: list[RunMask] = []
        for number, one in enumerate(wanted):
            mask = read_mask(one, size, f"target {number}")
            if mask is None or not mask.any():
                raise MaskError(f"target {number} has no pixel")
            masks.append(mask if isinstance(mask, RunMask) else RunMask.from_mask(mask))
        origin = "shape" if size else "target 0"
        size = size or (masks[0].shape if masks else None)
        order = sorted(range(len(found)), key=lambda number: -sure[number])
        ranked: list[tuple[str, float, int]] = []
        for label in dict.fromkeys([*own, *names]):
            mine = [number for number in order if own[number] == label][:_MOST]
            theirs = [mask for mask, name in zip(masks, names, strict=True) if name == label]
            ious = np.zeros((len(mine), len(theirs)))
            for row, number in enumerate(mine if theirs else ()):
                what = f"prediction {number}"
                shown = read_mask(found[number], size, what, origin=origin, method=method)
                ious[row] = [measure(shown, mask).iou for mask in theirs]
            hits = zip(mine, self._hits(ious), strict=True)
            ranked += [(label, sure[number], bits) for number, bits in hits]
        self._targets.update(names)
        self._ranked.update(ranked)
        self.samples += 1

    def _hits(self, ious: Any) -> list[int]:
        """The thresholds at which each region is a hit, one bit each; the best score is first."""
        bits = [0] * len(ious)
        for place, threshold in enumerate(self.thresholds):
            free = ious.copy()
            for row in range(len(bits) if free.size else 0):
                best = free.shape[1] - 1 - int(np.argmax(free[row, ::-1]))  # the last of equal IoUs
                if free[row, best] >= threshold:
                    bits[row] |= 1 << place
                    free[:, best] = -1
        return bits

    def compute(self) -> float:
        """The figure, 0 .. 1; ``nan`` if there was no instance."""
        rows: dict[str, list[tuple[float, int]]] = {}
        for (label, score, bits), count in self._ranked.items():
            rows.setdefault(label, []).extend([(score, bits)] * count)
        places = np.arange(len(self.thresholds))
        found = []
        for label, targets in sorted(self._targets.items()):
            scores = np.array([score for score, _ in rows.get(label, [])])
            hits = np.array([bits for _, bits in rows.get(label, [])], np.int64)
            found.append(ranked_precision(scores, hits[:, None] >> places & 1, targets))
        return float(np.mean(found)) if found else float("nan")


def _label(region: Any) -> str:
    if not isinstance(region, Region):
        raise TypeError(f"with labels, predictions are regions, which have theirs: {brief(region)}")
    return region.label
