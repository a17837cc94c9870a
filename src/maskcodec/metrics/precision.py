"""The figures with thresholds: P@0.5 .. P@0.9, and average precision of answers with scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.metrics.masks import MaskMetric
from maskcodec.metrics.tally import Share, check_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.metrics.overlap import Overlap

AP_THRESHOLDS = tuple(number / 100 for number in range(50, 100, 5))
_RECALLS = np.arange(101) / 100


@dataclass(slots=True)
class Precision(Share, MaskMetric):
    """P@0.5: the share of samples with a target whose IoU is at least the threshold, 0.5.

    RefCOCO's papers report the thresholds 0.5 to 0.9. Samples without a target are left out.

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
    >>> from maskcodec.metrics import Precision
    >>> metric = Precision(threshold=0.6)
    >>> metric.update([[1, 1, 1]], [[1, 1, 0]])
    >>> metric.update([[1, 1, 1]], [[1, 0, 0]])
    >>> metric.compute()
    0.5
    """

    threshold: float = 0.5

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def add(self, overlap: Overlap, /, *, claimed: bool = False) -> None:  # noqa: ARG002 (pixels)
        """Count one sample that was measured, if it has a target."""
        if overlap.target:
            self.count(overlap.iou >= self.threshold)


def average_precision(
    scores: Sequence[float], ious: Sequence[float], targets: int, thresholds: Sequence[float]
) -> float:
    """The area under the curve of precision over recall; scores rank the answers.

    Each target has one answer. As in COCO's evaluation: take the best precision at each of 101
    recalls or above, and the mean over the thresholds. Equal scores count together.

    Parameters
    ----------
    scores, ious
        For each answer with a pixel set: the model's certainty, and the IoU, 0 without a target.
    targets
        The number of samples that have a target.
    thresholds
        The least IoU of a hit.

    Examples
    --------
    >>> from maskcodec.metrics.precision import average_precision
    >>> average_precision([0.9, 0.8], [0.3, 1.0], 1, (0.5,))
    0.5
    """
    if not targets:
        return float("nan")
    hits = np.asarray(ious, float)[:, None] >= np.asarray(thresholds)
    return ranked_precision(np.asarray(scores, float), hits, targets)


def ranked_precision(scores: Any, hits: Any, targets: int) -> float:
    """Average precision from hits (n, thresholds), 0 or 1; there is at least one target."""
    if not len(scores):
        return 0.0
    order = np.argsort(-scores)
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    reached = np.cumsum(hits[order], axis=0)[ends]
    precision = reached / (ends[:, None] + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    found = []
    for column, precisions in zip((reached / targets).T, best.T, strict=True):
        at = np.searchsorted(column, _RECALLS, side="left")
        found.append(np.append(precisions, 0.0)[at].mean())
    return float(np.mean(found))
