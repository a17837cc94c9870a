"""The base classes of all accumulators."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from numbers import Real
from typing import Any

from maskcodec.errors import ConfigError
from maskcodec.messages import brief


@dataclasses.dataclass(slots=True)
class Metric(ABC):
    """An accumulator: it counts samples, one after another, in whole numbers.

    Two accumulators of the same samples are equal, in any order and in any parts.

    Attributes
    ----------
    samples
        The number of samples that the figure counts.
    """

    samples: int = dataclasses.field(default=0, init=False)

    @abstractmethod
    def update(self, prediction: Any, target: Any, /) -> None:
        """Count one sample."""

    @abstractmethod
    def compute(self) -> float:
        """The figure of all samples so far, 0 .. 1; ``nan`` if there is nothing to divide by."""

    def merge(self, other: Metric) -> None:
        """Add the samples of another accumulator of the same kind and settings.

        Raises
        ------
        TypeError
            The other accumulator is of another kind.
        ConfigError
            The other accumulator has other settings.
        """
        if type(other) is not type(self):
            mine, its = type(self).__name__, type(other).__name__
            raise TypeError(f"a {mine} merges with another {mine}, got {its}")
        for field in dataclasses.fields(self):
            mine, its = getattr(self, field.name), getattr(other, field.name)
            if field.init and mine != its:
                raise ConfigError(
                    f"one {type(self).__name__} has {field.name} {mine!r}, the other {its!r}: "
                    "what they counted does not add up"
                )
        for field in dataclasses.fields(self):
            if not field.init:
                mine, its = getattr(self, field.name), getattr(other, field.name)
                setattr(self, field.name, mine + its)


@dataclasses.dataclass(slots=True)
class Share(Metric):
    """An accumulator of samples that are right or wrong.

    Attributes
    ----------
    right, samples
        The numbers of samples that are right and that count.
    """

    right: int = dataclasses.field(default=0, init=False)

    def count(self, right: bool) -> None:
        """Count one sample."""
        self.right += right
        self.samples += 1

    def compute(self) -> float:
        """The figure, 0 .. 1; ``nan`` if no sample counted."""
        return ratio(self.right, self.samples)


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that is not a number above 0 and at most 1.

    Raises
    ------
    ConfigError
        The threshold is out of range.
    """
    if not isinstance(threshold, Real) or not 0 < threshold <= 1:
        raise ConfigError(f"threshold must be above 0 and at most 1, got {brief(threshold)}")


def ratio(part: int, whole: int) -> float:
    """The quotient of two counts, rounded once; ``nan`` if `whole` is 0."""
    return part / whole if whole else math.nan
