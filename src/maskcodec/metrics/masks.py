"""The figures of masks: cIoU, gIoU, mIoU, and gRefCOCO's N-acc and T-acc."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maskcodec.metrics.overlap import Overlap, measure
from maskcodec.metrics.tally import Metric, Share, ratio

if TYPE_CHECKING:
    from maskcodec.masks.grid import Method

_ONE = 1 << 64  # an IoU of 1: whole numbers add up to the same in any order


@dataclass(slots=True)
class MaskMetric(Metric):
    """An accumulator of what masks have in common.

    A sample has *no target* where no pixel of its target is set, and is answered by *nothing* where
    none of its prediction is, unless it is said to claim something all the same.
    """

    def update(
        self,
        prediction: Any,
        target: Any,
        /,
        *,
        shape: tuple[int, int] | None = None,
        method: Method | None = None,
        claimed: bool = False,
    ) -> None:
        """Count one sample; `claimed` as `add` has it, the others are `measure`'s parameters."""
        self.add(measure(prediction, target, shape=shape, method=method), claimed=claimed)

    @abstractmethod
    def add(self, overlap: Overlap, /, *, claimed: bool = False) -> None:
        """Count one sample that was measured, as it is once for several figures.

        Parameters
        ----------
        overlap
            What `maskcodec.metrics.measure` found.
        claimed
            Whether the prediction claims something though none of its pixels is set, as an answer
            does that cannot be read: it is not an empty answer for `GIoU` and `NAcc`. The other
            figures ask the pixels alone. Pixels always claim.
        """


@dataclass(slots=True)
class CIoU(MaskMetric):
    """Cumulative IoU, also called oIoU: the sum of all intersections over the sum of all unions.

    Large objects weigh more than small ones. Pixels that are predicted without a target count as
    part of the unions. An empty answer without a target adds nothing. Returns ``nan`` if no pixel
    was ever set.

    As RefCOCO's papers report it, and gRefCOCO's (GRES, arXiv 2306.00968, section 5).

    Attributes
    ----------
    intersection, union
        The sums, in pixels.
    samples
        How many samples were counted, which is all of them.

    Examples
    --------
    >>> from maskcodec.metrics import CIoU
    >>> metric = CIoU()
    >>> metric.update([[1, 1], [0, 0]], [[1, 0], [0, 0]])
    >>> metric.update([[1, 1], [1, 0]], [[1, 1], [1, 0]])
    >>> metric.compute()  # (1 + 3) / (2 + 3)
    0.8
    """

    intersection: int = field(default=0, init=False)
    union: int = field(default=0, init=False)

    def add(self, overlap: Overlap, /, *, claimed: bool = False) -> None:  # noqa: ARG002 (pixels)
        """Count one sample that was measured; a claim without pixels adds nothing."""
        self.intersection += overlap.intersection
        self.union += overlap.union
        self.samples += 1

    def compute(self) -> float:
        """The figure, 0 .. 1; ``nan`` if no pixel was set in any sample."""
        return ratio(self.intersection, self.union)


@dataclass(slots=True)
class _MeanIoU(MaskMetric):
    _sum: int = field(
        default=0, init=False, repr=False
    )  # of IoUs, each rounded to a whole number of 2**-64

    def add(self, overlap: Overlap, /, *, claimed: bool = False) -> None:
        """Count one sample that was measured; 0 for a claim where no pixel is set at all."""
        part, whole = overlap.intersection, overlap.union
        nothing = 0 if claimed else _ONE
        self._sum += (2 * part * _ONE + whole) // (2 * whole) if whole else nothing
        self.samples += 1

    def compute(self) -> float:
        """The figure, 0 .. 1; ``nan`` if no sample counted."""
        return ratio(self._sum, self.samples * _ONE)


@dataclass(slots=True)
class GIoU(_MeanIoU):
    """The mean of the samples' IoUs; without a target, an empty answer counts 1.

    A wrong nothing counts 0, as any IoU without an intersection, and so does a claim without
    pixels. It has nothing to do with the *generalized IoU* of boxes.

    As gRefCOCO has it (GRES, arXiv 2306.00968, section 5), and ReasonSeg (LISA, arXiv 2308.00692).

    Attributes
    ----------
    samples
        How many samples were counted, which is all of them.

    Examples
    --------
    >>> from maskcodec.metrics import GIoU
    >>> metric = GIoU()
    >>> metric.update([[1, 1], [0, 0]], [[1, 0], [0, 0]])  # 1 / 2
    >>> metric.update(None, [[0, 0], [0, 0]])  # empty, and so is the target: 1
    >>> metric.update(None, [[1, 1], [1, 1]])  # a wrong one, 0
    >>> metric.compute()
    0.5
    """


@dataclass(slots=True)
class MIoU(_MeanIoU):
    """The mean IoU of the samples that have a target; those without one are left out.

    As RefCOCO's papers and RRSIS-D's report it, where every sample has a target: there it equals
    `GIoU`. The mIoU of semantic segmentation is `maskcodec.metrics.ClassIoU`.

    Attributes
    ----------
    samples
        How many samples were counted: those that have a target.

    Examples
    --------
    >>> from maskcodec.metrics import MIoU
    >>> metric = MIoU()
    >>> metric.update([[1, 1], [0, 0]], [[1, 0], [0, 0]])
    >>> metric.update(None, None)  # no target
    >>> metric.compute(), metric.samples
    (0.5, 1)
    """

    def add(self, overlap: Overlap, /, *, claimed: bool = False) -> None:
        """Count one sample that was measured, if it has a target."""
        if overlap.target:
            _MeanIoU.add(self, overlap, claimed=claimed)


@dataclass(slots=True)
class NAcc(Share, MaskMetric):
    """No-target accuracy: of the samples without a target, how many were answered by nothing.

    As gRefCOCO has it (GRES, arXiv 2306.00968, section 5).

    Attributes
    ----------
    right, samples
        How many were answered by nothing, of how many without a target.

    Examples
    --------
    >>> from maskcodec.metrics import NAcc
    >>> metric = NAcc()
    >>> metric.update(None, None)
    >>> metric.update([[1, 0]], [[0, 0]])
    >>> metric.update([[1, 0]], [[1, 0]])  # has a target, so it does not count
    >>> metric.compute()
    0.5
    >>> metric.update(None, None, claimed=True)  # an answer that could not be read
    >>> metric.right, metric.samples
    (1, 3)
    """

    def add(self, overlap: Overlap, /, *, claimed: bool = False) -> None:
        """Count one sample that was measured, if it has no target."""
        if not overlap.target:
            self.count(not (overlap.prediction or claimed))


@dataclass(slots=True)
class TAcc(Share, MaskMetric):
    """Target accuracy: of the samples with a target, how many were answered by something.

    By any pixel at all, wherever it lies: it says how much a good `NAcc` costs. A claim without
    pixels is no answer. As gRefCOCO has it (GRES, arXiv 2306.00968, section 5).

    Attributes
    ----------
    right, samples
        How many were answered by something, of how many with a target.

    Examples
    --------
    >>> from maskcodec.metrics import TAcc
    >>> metric = TAcc()
    >>> metric.update([[1, 0]], [[0, 1]])
    >>> metric.update(None, [[0, 1]])
    >>> metric.compute()
    0.5
    """

    def add(self, overlap: Overlap, /, *, claimed: bool = False) -> None:  # noqa: ARG002 (pixels)
        """Count one sample that was measured, if it has a target."""
        if overlap.target:
            self.count(overlap.prediction > 0)
