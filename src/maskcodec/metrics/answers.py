"""Answers of a model as texts: how each is read and measured, and all figures of many of them.

`maskcodec eval` and the tasks for lmms-eval both call this, so that they count alike.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from maskcodec.errors import MaskError
from maskcodec.files.images import MOST_CLAIMED
from maskcodec.masks.runs import inverted, united
from maskcodec.messages import sides
from maskcodec.metrics.boxes import BoxAccuracy
from maskcodec.metrics.masks import CIoU, GIoU, MIoU, NAcc, TAcc
from maskcodec.metrics.overlap import Overlap, measure
from maskcodec.metrics.precision import AP_THRESHOLDS, Precision, average_precision

if TYPE_CHECKING:
    from maskcodec.masks.grid import Method
    from maskcodec.masks.runs import RunMask
    from maskcodec.text.regions import Region


class Answer(NamedTuple):
    """What a codec reads in a text.

    Attributes
    ----------
    regions
        What it shows; of a broken text what could be recovered.
    broken
        Whether it had to be recovered.
    """

    regions: list[Region]
    broken: bool


def read_answer(codec: Any, text: str) -> Answer:
    """A text as its codec reads it; words alone are valid, and show nothing.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from maskcodec.metrics.answers import read_answer
    >>> read_answer(mc.BSD(), "There is no dog.")
    Answer(regions=[], broken=False)
    >>> read_answer(mc.BSD(), "<ref>dog</ref>")
    Answer(regions=[], broken=True)
    """
    found = codec.recover(text)  # reports nothing exactly where `decode` returns
    if found.problems and codec.is_words(text):
        return Answer([], False)
    return Answer(found.regions, bool(found.problems))


class Measured(NamedTuple):
    """One answer beside its target.

    Attributes
    ----------
    overlap
        What the two have in common, without what is ignored.
    hit
        Whether the boxes agree, as `BoxAccuracy` has it.
    broken
        Whether the answer had to be recovered.
    claimed
        Whether it claims something, which cannot be read where no pixel is set.
    """

    overlap: Overlap
    hit: bool
    broken: bool
    claimed: bool

    @property
    def iou(self) -> float:
        """0 .. 1; without a target, 1 for an empty answer and 0 for any other."""
        if self.overlap.target:
            return self.overlap.iou
        return float(not (self.overlap.prediction or self.claimed))


def measured(
    said: Answer | RunMask | None,
    target: RunMask | None,
    *,
    shape: tuple[int, int] | None,
    ignored: RunMask | None = None,
    method: Method | None = None,
) -> tuple[Measured, RunMask | None]:
    """How good an answer is, and the mask that it shows without what is ignored.

    Parameters
    ----------
    said
        What `read_answer` returns, or a mask, None for nothing.
    target
        The mask that it should show, None for no target.
    shape
        (height, width) of the image in pixels; only where nothing is shown may it be None.
    ignored
        Pixels that do not count.
    method
        How cells become pixels, as `maskcodec.Region.mask` has it.

    Raises
    ------
    MaskError
        Sizes differ, or the image is larger than any that is painted.
    """
    regions, broken = said if isinstance(said, Answer) else (None, False)
    if isinstance(said, Answer):
        mask = _painted(said.regions, shape, method) if said.regions else None
    else:
        mask = said
    if ignored is not None:
        mask, target = without(mask, ignored), without(target, ignored)
    overlap = measure(mask, target)
    claimed = broken or bool(regions)  # an answer that cannot be read is not empty, nor is a box
    shown = mask if regions is None else regions
    hit = BoxAccuracy().hit(shown, target, shape=shape, claimed=claimed)
    return Measured(overlap, hit, broken, claimed), mask


class Figures:
    """The figures of answers, and how many of them could be read.

    Attributes
    ----------
    cumulative, mean, targeted, boxes, nothing, something, hits
        The accumulators.
    counts
        Of answers: ``"valid"``, which decode strictly or are words alone, and ``"broken"``, all
        others; ``"recovered"``, the broken ones that show something; ``"empty"``, which show
        nothing, and ``"empty_broken"``, the broken ones of these.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from maskcodec.metrics.answers import Figures, measured, read_answer
    >>> figures = Figures()
    >>> for text in "There is no dog.", "<ref>dog</ref>":
    ...     figures.add(measured(read_answer(mc.BSD(), text), None, shape=(4, 4))[0])
    >>> figures.compute()["N-acc"], figures.counts["broken"]
    ((0.5, 2), 1)
    """

    def __init__(self) -> None:
        self.cumulative, self.mean = CIoU(), GIoU()
        self.targeted, self.boxes = MIoU(), BoxAccuracy()
        self.nothing, self.something = NAcc(), TAcc()
        self.hits = [Precision(threshold=number / 10) for number in range(5, 10)]
        self.counts = Counter[str]()
        self._ranked = array("d"), array("d")  # scores and IoUs of those that show something
        self._unsure = False  # whether one of these has no score

    def add(self, one: Measured, score: float | None = None) -> None:
        """Count one answer; `score` is how sure the model is, for average precision."""
        for metric in (
            *(self.cumulative, self.mean, self.targeted, self.nothing, self.something),
            *self.hits,
        ):
            metric.add(one.overlap, claimed=one.claimed)
        self.boxes.add(one.hit)
        self.counts["broken" if one.broken else "valid"] += 1
        if not one.overlap.prediction:
            self.counts["empty"] += 1
            self.counts["empty_broken"] += one.broken
            return
        self.counts["recovered"] += one.broken
        if score is None:
            self._unsure = True
        else:
            self._ranked[0].append(score)
            self._ranked[1].append(one.overlap.iou if one.overlap.target else 0.0)

    def compute(self) -> dict[str, tuple[float, int]]:
        """Each figure by its name, and of how many samples it is; ``nan`` of none."""
        samples = self.mean.samples
        return {
            "cIoU": (self.cumulative.compute(), samples),
            "gIoU": (self.mean.compute(), samples),
            "mIoU": (self.targeted.compute(), self.targeted.samples),
            **{f"P@{one.threshold}": (one.compute(), one.samples) for one in self.hits},
            **self._precision(),
            "Acc@0.5": (self.boxes.compute(), samples),
            "N-acc": (self.nothing.compute(), self.nothing.samples),
            "T-acc": (self.something.compute(), self.something.samples),
        }

    def _precision(self) -> dict[str, tuple[float, int]]:
        """Average precision, where every answer has a score."""
        scores, ious = self._ranked
        if not len(scores) or self._unsure:
            return {}
        targets = self.targeted.samples
        found = {
            name: average_precision(scores, ious, targets, thresholds)
            for name, thresholds in (("AP", AP_THRESHOLDS), ("AP50", (0.5,)))
        }
        return {name: (value, targets) for name, value in found.items()}


def without(mask: RunMask | None, ignored: RunMask) -> RunMask | None:
    """What a mask has outside of some pixels of the same image."""
    return None if mask is None else inverted(united([inverted(mask), ignored]))


def _painted(
    regions: list[Region], shape: tuple[int, int] | None, method: Method | None
) -> RunMask:
    if shape is None:
        raise MaskError("nobody says how large the image is; pass shape=(height, width)")
    if shape[0] * shape[1] > MOST_CLAIMED:
        raise MaskError(
            f"the image claims {sides(shape)} pixels; up to {MOST_CLAIMED:,} are painted"
        )
    return united([region.runs(shape, method=method) for region in regions])
