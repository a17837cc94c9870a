"""The figure of label maps: the IoU of each class, and their mean."""

from __future__ import annotations

import operator
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import ConfigError, MaskError
from maskcodec.formats.labels.label_grid import LabelGrid, named_values
from maskcodec.masks.arrays import as_pixels
from maskcodec.messages import brief, sides
from maskcodec.metrics.tally import Metric, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maskcodec.masks.arrays import IntegerArray

NO_CLASS = -1  # value of a predicted pixel without a class
_COUNTED = 1 << 16  # values below are counted with a table, others by sorting


@dataclass(slots=True)
class ClassIoU(Metric):
    """The IoU of each class of label maps over all samples, and their mean, semantic mIoU.

    Each class's intersections and unions are first summed over all samples. The mean is over the
    classes that occur in a target or a prediction. A class that only predictions have counts 0.
    mmsegmentation reports this mIoU.

    Parameters
    ----------
    classes
        The number n of classes, with the values 0 .. n - 1. Or the name of each value, as the
        image-wise codecs take it: ``{value: name}``, or a sequence. Values are at least 0.
    ignore
        The value of target pixels that do not count, such as 255.

    Raises
    ------
    ConfigError
        There is no class, a value is below 0, or `ignore` is the value of a class.
    TypeError
        An argument has another type.

    Examples
    --------
    >>> from maskcodec.metrics import ClassIoU
    >>> metric = ClassIoU(["sky", "dog", "cat"], ignore=255)
    >>> metric.update([[0, 0, 1]], [[0, 1, 1]])
    >>> metric.update([[0, 0, 1]], [[0, 0, 255]])
    >>> metric.ious()
    {'sky': 0.75, 'dog': 0.5}
    >>> metric.compute()
    0.625
    """

    classes: int | Mapping[int, str] | Sequence[str]
    ignore: int | None = None
    _shared: Counter[int] = field(default_factory=Counter, init=False, repr=False)
    _predicted: Counter[int] = field(default_factory=Counter, init=False, repr=False)
    _targeted: Counter[int] = field(default_factory=Counter, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.ignore is not None:
            self.ignore = operator.index(self.ignore)
        if hasattr(self.classes, "__index__"):
            self.classes = count = operator.index(self.classes)
            lowest = 0
        else:
            self.classes = dict(named_values(self.classes))
            count, lowest = len(self.classes), min(self.classes, default=0)
        if count < 1 or lowest < 0:
            what = f"the value {lowest}" if count > 0 else f"{count} of them"
            raise ConfigError(f"classes must be at least one, of values of at least 0, got {what}")
        if self.ignore is not None and self._is_class(self.ignore):
            raise ConfigError(f"ignore must be no class's value, got {self.ignore}")

    def update(self, prediction: Any, target: Any, /) -> None:
        """Count one sample.

        Parameters
        ----------
        prediction
            A label map (height, width) of the classes' values, and of -1 for no class; the value
            of `ignore` means -1, too. Or a `maskcodec.LabelGrid`, which is painted, if the classes
            have names; labels without a class count as wrong.
        target
            A label map (height, width) of the classes' values and of `ignore`.

        Raises
        ------
        MaskError
            The sizes differ, a value has no class, or one is not a label map.
        TypeError
            One has another type.
        """
        wanted = as_pixels(target, "target")
        found = self._painted(prediction, wanted.shape)
        if found.shape != wanted.shape:
            raise MaskError(
                f"prediction has {sides(found.shape)} pixels, height x width, but target has "
                f"{sides(wanted.shape)}"
            )
        if self.ignore is not None:
            kept = wanted != self.ignore
            found, wanted = found[kept], wanted[kept]
        counts = [_count(found), _count(wanted), _count(wanted[found == wanted])]
        counts[0].pop(NO_CLASS, None)
        if self.ignore is not None:
            counts[0].pop(self.ignore, None)
        for what, seen in zip(("prediction", "target"), counts[:2], strict=True):
            for value in seen:
                if not self._is_class(value):
                    raise MaskError(f"{what} holds {value}, which is no class; {self._values()}")
        for mine, its in zip((self._predicted, self._targeted, self._shared), counts, strict=True):
            mine.update(its)
        self.samples += 1

    def ious(self) -> dict[int | str, float]:
        """The IoU of each class that occurs, 0 .. 1, by its name; without names by its value."""
        found: dict[int | str, float] = {}
        for value in sorted(self._predicted.keys() | self._targeted.keys()):
            both = self._shared[value]
            iou = ratio(both, self._predicted[value] + self._targeted[value] - both)
            found[value if isinstance(self.classes, int) else self.classes[value]] = iou
        return found

    def compute(self) -> float:
        """The mean over the classes that occur, 0 .. 1; ``nan`` if no class occurs."""
        ious = self.ious().values()
        return sum(ious) / len(ious) if ious else float("nan")

    def _painted(self, prediction: Any, shape: tuple[int, ...]) -> IntegerArray:
        if not isinstance(prediction, LabelGrid):
            return as_pixels(prediction, "prediction")
        if isinstance(self.classes, int):
            raise TypeError(
                'prediction is a LabelGrid, whose labels are names: pass classes={0: "sky", ...}'
            )
        height, width = shape
        return prediction.label_map((height, width), self.classes, missing=NO_CLASS)

    def _is_class(self, value: int) -> bool:
        if isinstance(self.classes, int):
            return 0 <= value < self.classes
        return value in self.classes

    def _values(self) -> str:
        """The values that a label map may hold, in words."""
        ignored = "" if self.ignore is None else f", and {self.ignore} is ignored"
        if isinstance(self.classes, int):
            return f"classes are 0 .. {self.classes - 1}{ignored}"
        return f"classes are {brief(sorted(self.classes))}{ignored}"


def _count(values: IntegerArray) -> dict[int, int]:
    """The number of times that each value occurs in an array."""
    if values.size and values.min() >= 0 and values.max() < _COUNTED:
        counts = np.bincount(values.ravel().astype(np.int64, copy=False))
        return {value: int(counts[value]) for value in np.flatnonzero(counts).tolist()}
    found, numbers = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), numbers.tolist(), strict=True))
