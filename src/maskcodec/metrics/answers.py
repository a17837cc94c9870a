"""Read and measure a model's answers, and compute all figures of many answers.

`maskcodec eval` and the tasks for lmms-eval both call this, so that they count alike.
"""

from __future__ import annotations

import math
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
from maskcodec.metrics.tally import ratio

if TYPE_CHECKING:
    from maskcodec.errors import Problem
    from maskcodec.masks.grid import Method
    from maskcodec.masks.runs import RunMask
    from maskcodec.metrics.masks import MaskMetric
    from maskcodec.text.regions import Region


class Answer(NamedTuple):
    """An answer as a codec reads it.

    Attributes
    ----------
    regions
        The regions of the text; of a broken text, the recovered regions.
    problems
        The problems of a broken text; empty for a valid one.
    """

    regions: list[Region]
    problems: list[Problem]

    @property
    def broken(self) -> bool:
        """Whether the text had to be recovered."""
        return bool(self.problems)


def read_answer(codec: Any, text: str) -> Answer:
    """Read a text with its codec; a text of words alone is valid and has no regions.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from maskcodec.metrics.answers import read_answer
    >>> read_answer(mc.BSD(), "There is no dog.")
    Answer(regions=[], problems=[])
    >>> read_answer(mc.BSD(), "<ref>dog</ref>").broken
    True
    """
    found = codec.recover(text)  # reports no problem if and only if `decode` returns
    if found.problems and codec.is_words(text):
        return Answer([], [])
    return Answer(found.regions, found.problems)


class Measured(NamedTuple):
    """An answer compared with its target.

    Attributes
    ----------
    overlap
        The overlap of both, without the ignored pixels.
    hit
        Whether the boxes agree, as `BoxAccuracy` measures it.
    broken
        Whether the answer had to be recovered.
    claimed
        Whether the answer claims something: it has regions or is broken, even if no pixel is set.
    """

    overlap: Overlap
    hit: bool
    broken: bool
    claimed: bool

    @property
    def iou(self) -> float:
        """0 .. 1; without a target, 1 for an empty answer and 0 for any other."""
        return self.overlap.iou if self.overlap.union else float(not self.claimed)


def measured(
    said: Answer | RunMask | None,
    target: RunMask | None,
    *,
    shape: tuple[int, int] | None,
    ignored: RunMask | None = None,
    method: Method | None = None,
) -> tuple[Measured, RunMask | None]:
    """Measure an answer; also return its mask without the ignored pixels.

    Parameters
    ----------
    said
        The `Answer` that `read_answer` returns, or a mask; None for nothing.
    target
        The mask of the target; None for no target.
    shape
        (height, width) of the image in pixels; may be None if the answer has no regions.
    ignored
        Pixels that do not count.
    method
        How cells become pixels, as in `maskcodec.Region.mask`.

    Raises
    ------
    MaskError
        Sizes differ, the shape is missing, or the image is too large to be painted.
    """
    if isinstance(said, Answer):
        regions, broken = said.regions, said.broken
        mask = _painted(regions, shape, method) if regions else None
    else:
        regions, broken, mask = None, False, said
    if ignored is not None and ignored.any():
        mask, target = without(mask, ignored), without(target, ignored)
    overlap = measure(mask, target)
    claimed = broken or bool(regions)  # neither a broken answer nor a box is an empty answer
    shown = mask if regions is None else regions
    hit = BoxAccuracy().hit(shown, target, shape=shape, claimed=claimed)
    return Measured(overlap, hit, broken, claimed), mask


class Figures:
    """The figures of answers, and the numbers of valid and broken ones.

    Attributes
    ----------
    metrics
        The accumulators of masks by the names of their figures.
    boxes
        The accumulator of boxes.
    counts
        The numbers of answers by kind. ``"valid"``: decodes strictly, or is words alone.
        ``"broken"``: not valid. ``"recovered"``: broken, with a pixel set. ``"empty"``: no pixel is
        set. ``"empty_broken"``: broken and empty.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from maskcodec.metrics.answers import Figures, measured, read_answer
    >>> figures = Figures()
    >>> for text in "There is no dog.", "<ref>dog</ref>":
    ...     figures.add(measured(read_answer(mc.BSD(), text), None, shape=(4, 4))[0])
    >>> figures.compute()["N-acc"], figures.share("broken")
    ((0.5, 2), 0.5)
    """

    def __init__(self) -> None:
        self.metrics: dict[str, MaskMetric] = {"cIoU": CIoU(), "gIoU": GIoU(), "mIoU": MIoU()}
        for tenths in range(5, 10):
            self.metrics[f"P@{tenths / 10}"] = Precision(threshold=tenths / 10)
        self.metrics |= {"N-acc": NAcc(), "T-acc": TAcc()}
        self.boxes = BoxAccuracy()
        self.counts = Counter[str]()
        self._scores, self._ious = array("d"), array("d")  # of the answers with a pixel set

    @property
    def samples(self) -> int:
        """The number of answers."""
        return self.boxes.samples

    @property
    def targets(self) -> int:
        """The number of answers that have a target."""
        return self.metrics["mIoU"].samples

    def add(self, one: Measured, score: float | None = None) -> None:
        """Count one answer; `score`, the model's certainty, is for average precision."""
        for metric in self.metrics.values():
            metric.add(one.overlap, claimed=one.claimed)
        self.boxes.add(one.hit)
        shown = one.overlap.prediction > 0
        self.counts["broken" if one.broken else "valid"] += 1
        self.counts["recovered"] += shown and one.broken
        self.counts["empty"] += not shown
        self.counts["empty_broken"] += one.broken and not shown
        if shown:
            self._scores.append(math.nan if score is None else score)
            self._ious.append(one.iou)

    def share(self, kind: str) -> float:
        """The share of answers of a kind of `counts`, 0 .. 1; ``nan`` without answers."""
        return ratio(self.counts[kind], self.samples)

    def compute(self) -> dict[str, tuple[float, int]]:
        """Each figure by its name, with its number of samples; ``nan`` without samples.

        Average precision is included if every answer with a pixel set has a score.
        """
        metrics = {**self.metrics, "Acc@0.5": self.boxes}
        found = {name: (metric.compute(), metric.samples) for name, metric in metrics.items()}
        if self._scores and not any(map(math.isnan, self._scores)):
            for name, thresholds in ("AP", AP_THRESHOLDS), ("AP50", (0.5,)):
                value = average_precision(self._scores, self._ious, self.targets, thresholds)
                found[name] = value, self.targets
        return found


def without(mask: RunMask | None, ignored: RunMask) -> RunMask | None:
    """Remove the ignored pixels from a mask."""
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
