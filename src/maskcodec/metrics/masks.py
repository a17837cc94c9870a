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
    """An accumulator of overlaps of masks.

    A sample has *no target* if no pixel of its target is set. Its answer is *empty* if no pixel of
    its prediction is set and the prediction does not claim something.
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
        """Count one sample; `claimed` as in `add`, the other parameters as in `measure`."""
        self.add(measure(prediction, target, shape=shape, method=method), claimed=claimed)

    @abstractmethod
    def add(self, overlap: Overlap, /, *, claimed: bool = False) -> None:
        """Count one sample that was measured: measure it once for several figures.

        Parameters
        ----------
        overlap
            The result of `maskcodec.metrics.measure`.
        claimed
            Whether the prediction claims something although no pixel is set, as a broken answer
            does. `GIoU` and `NAcc` do not count it as an empty answer. The other figures only look
            at pixels. Pixels always claim.
        """


@dataclass(slots=True)
class CIoU(MaskMetric):
    """Cumulative IoU, also called oIoU: the sum of all intersections over the sum of all unions.

    Large objects weigh more than small ones. Pixels that are predicted without a target count in
    the unions. An empty answer without a target adds nothing.

    RefCOCO's papers report this figure, and gRefCOCO's (GRES, arXiv 2306.00968, section 5).

    Attributes
    ----------
    intersection, union
        The sums, in pixels.
    samples
        The number of samples; all count.

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

    An empty answer to a target counts 0. So does a claim without pixels. This is not the
    *generalized IoU* of boxes.

    gRefCOCO reports this figure (GRES, arXiv 2306.00968, section 5), and ReasonSeg (LISA, arXiv
    2308.00692).

    Attributes
    ----------
    samples
        The number of samples; all count.

    Examples
    --------
    >>> from maskcodec.metrics import GIoU
    >>> metric = GIoU()
    >>> metric.update([[1, 1], [0, 0]], [[1, 0], [0, 0]])  # 1 / 2
    >>> metric.update(None, [[0, 0], [0, 0]])  # empty answer, no target: 1
    >>> metric.update(None, [[1, 1], [1, 1]])  # empty answer to a target: 0
    >>> metric.compute()
    0.5
    """


@dataclass(slots=True)
class MIoU(_MeanIoU):
    """The mean IoU of the samples that have a target; other samples are left out.

    RefCOCO's papers and RRSIS-D's report this figure; there every sample has a target, so that it
    equals `GIoU`. The mIoU of semantic segmentation is `maskcodec.metrics.ClassIoU`.

    Attributes
    ----------
    samples
        The number of samples that have a target.

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
    """No-target accuracy: the share of samples without a target that have an empty answer.

    gRefCOCO reports this figure (GRES, arXiv 2306.00968, section 5).

    Attributes
    ----------
    right, samples
        The numbers of empty answers and of samples, both without a target.

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
    """Target accuracy: the share of samples with a target whose prediction has a pixel set.

    The pixel may lie anywhere: the figure shows how much a good `NAcc` costs. A claim without
    pixels does not count. gRefCOCO reports this figure (GRES, arXiv 2306.00968, section 5).

    Attributes
    ----------
    right, samples
        The numbers of predictions with a pixel and of samples, both with a target.

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
