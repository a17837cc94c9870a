"""How near a mask comes to the one that it should be: IoU, and DAVIS's boundary measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.uint8]

TOLERANCE = 0.008  # of the image's diagonal, as DAVIS has it


class Judge:
    """Compares masks to the one that they should be."""

    def __init__(self, truth: Mask) -> None:
        self.truth = truth
        self.area = np.count_nonzero(truth)
        self.reach = int(np.ceil(TOLERANCE * np.hypot(*truth.shape)))
        self.edge = boundary(truth)
        self.close = near(self.edge, self.reach)
        self.box = cv2.boundingRect(truth)
        self._known: dict[bytes, tuple[float, float]] = {}

    def verdict(self, mask: Mask) -> tuple[float, float]:
        """The IoU and the boundary measure; a mask that comes again is looked up."""
        key = mask.tobytes()
        if key not in self._known:
            self._known[key] = self.iou(mask), self.boundary_f(mask)
        return self._known[key]

    def iou(self, mask: Mask) -> float:
        """Pixels set in both over those set in any."""
        both = np.count_nonzero(mask & self.truth)
        return both / (self.area + np.count_nonzero(mask) - both)

    def boundary_f(self, mask: Mask) -> float:
        """DAVIS's boundary measure: the F-score of boundary pixels that have one of the other near.

        As in ``f_boundary`` of davis2017-evaluation: precision is the share of the mask's own that
        are near to one of the truth's, recall the share of the truth's that are near to one of
        the mask's.
        """
        if not mask.any():
            return 0.0
        crop = self._crop(mask)
        edge, true_edge = boundary(mask[crop]), self.edge[crop]
        if not edge.any() or not true_edge.any():
            return float(edge.any() == true_edge.any())
        precision = np.count_nonzero(edge & self.close[crop]) / np.count_nonzero(edge)
        matched = np.count_nonzero(true_edge & near(edge, self.reach))
        recall = matched / np.count_nonzero(true_edge)
        total = precision + recall
        return 2 * precision * recall / total if total else 0.0

    def _crop(self, mask: Mask) -> tuple[slice, slice]:
        """Where either mask is, and a pixel around: beyond it there is no boundary."""
        boxes = np.array([self.box, cv2.boundingRect(mask)])
        left, top = np.maximum(0, boxes[:, :2].min(axis=0) - 1)
        right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0) + 1
        return slice(top, bottom), slice(left, right)


def boundary(mask: Mask) -> npt.NDArray[np.bool_]:
    """Pixels that differ from the one to the right, below, or right and below."""
    found = np.zeros(mask.shape, bool)
    found[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    found[:-1] |= mask[:-1] != mask[1:]
    found[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return found


def near(edge: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Pixels at most `reach` from one of an edge."""
    if not edge.any():
        return np.zeros(edge.shape, bool)
    away = cv2.distanceTransform((~edge).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return away <= reach
