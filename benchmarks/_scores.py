"""All round trips of all instances, and what is left of them by set of instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from _annotations import alike as counts_alike
from _annotations import refcoco_sized
from _distortion import Sample
from _judge import Judge
from maskcodec.cli.annotations import checked_claim
from maskcodec.files.images import MOST_CLAIMED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from _distortion import Contender
    from maskcodec.cli.annotations import Instance

    Values = npt.NDArray[np.float64]

ALL, REFCOCO, OTHERS = "COCO", "RefCOCO-sized", "GSEval"
SIZES = "small", "medium", "large"
_SMALL, _MEDIUM = 32**2, 96**2  # the pixels that COCO's classes begin below


@dataclass
class Scores:
    """What became of the instances, in their order, with one contender."""

    contender: Contender
    tokens: list[int] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    boundaries: list[float] = field(default_factory=list)
    lost: int = 0

    def add(self, sample: Sample, judge: Judge) -> None:
        """One more instance; a lost one has an IoU and an F-score of 0."""
        tokens, mask = self.contender.trip(sample)
        gone = mask is None or not mask.any()
        self.lost += gone
        self.tokens.append(tokens)
        iou, boundary = (0.0, 0.0) if gone else judge.verdict(mask)
        self.ious.append(iou)
        self.boundaries.append(boundary)


@dataclass
class Result:
    """All scores.

    Attributes
    ----------
    scores
        Of each contender.
    sets
        Which instances belong to which set: bool (instances,), by its name.
    vertices
        How many the file has of each instance that is made of polygons.
    empty
        How many instances had no pixel, and were left out.
    """

    scores: list[Scores]
    sets: dict[str, npt.NDArray[np.bool_]]
    vertices: list[int]
    empty: int

    @property
    def count(self) -> int:
        """How many instances there are."""
        return len(self.sets[ALL])

    def number(self, family: str, setting: str) -> int:
        """Which contender that is."""
        names = [(s.contender.family, s.contender.setting) for s in self.scores]
        return names.index((family, setting))

    def means(self, what: str, chosen: str) -> Values:
        """For each contender the mean over a set; not a number where that is empty."""
        values = np.array([getattr(scores, what) for scores in self.scores], float)
        members = values[:, self.sets[chosen]]
        return members.mean(axis=1) if members.size else np.full(len(values), np.nan)

    def within(self, families: Sequence[str], chosen: str, most: float) -> float:
        """The best mean IoU of some families for at most so many tokens; not a number for none."""
        tokens, ious = self.means("tokens", chosen), self.means("ious", chosen)
        found = [
            ious[k]
            for k, scores in enumerate(self.scores)
            if scores.contender.family in families and tokens[k] <= most
        ]
        return max(found, default=np.nan)

    def front(self, chosen: str, without: Sequence[str] = ()) -> list[int]:
        """The contenders that none with as few tokens beats in IoU, by tokens.

        `without` some families. Of those with the same tokens and the same IoU, the first.
        """
        tokens, ious = self.means("tokens", chosen), self.means("ious", chosen)
        found: list[int] = []
        for number in np.lexsort((-ious, tokens)).tolist():
            if np.isnan(ious[number]) or self.scores[number].contender.family in without:
                continue
            if not found or ious[number] > ious[found[-1]]:
                found.append(number)
        return found


def measure(instances: Sequence[Instance], others: int, contenders: Sequence[Contender]) -> Result:
    """All round trips of all instances that have a pixel; the last `others` are not of COCO."""
    scores = [Scores(contender) for contender in contenders]
    areas: list[int] = []
    alike: list[bool] = []
    vertices: list[int] = []
    coco: list[bool] = []
    counts = counts_alike(instances)
    for number, one in enumerate(_shown(instances)):
        checked_claim(one.shape, one.where, MOST_CLAIMED)
        sample = Sample(one.mask(), one.label)
        area = sample.runs.area
        if area == 0:
            continue
        areas.append(area)
        coco.append(number < len(instances) - others)
        alike.append(refcoco_sized(area, one.shape, counts[number], crowd=one.crowd))
        parts = one.segmentation if isinstance(one.segmentation, list) else [None]
        if all(isinstance(part, list) for part in parts):
            vertices.append(sum(len(polygon) // 2 for polygon in parts))
        judge = Judge(sample.pixels)
        for each in scores:
            each.add(sample, judge)
    found = np.array(areas, int)
    own = np.array(coco, bool)
    sets = {
        ALL: own,
        "small": own & (found < _SMALL),
        "medium": own & (found >= _SMALL) & (found < _MEDIUM),
        "large": own & (found >= _MEDIUM),
        REFCOCO: own & np.array(alike, bool),
        OTHERS: ~own,
    }
    return Result(scores, sets, vertices, len(instances) - len(found))


def _shown(instances: Sequence[Instance]) -> Iterator[Instance]:
    """The same, with a progress bar on stderr."""
    columns = [*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn()]
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield from progress.track(instances, description="round trips")
