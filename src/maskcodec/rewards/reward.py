"""One answer against what it should show, as a dict of figures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import ConfigError
from maskcodec.formats.labels.label_grid import LabelGrid
from maskcodec.messages import brief, check_codec
from maskcodec.metrics.boxes import box_iou
from maskcodec.rewards.drawn import edge_of, edge_score, measured, overlap
from maskcodec.rewards.targets import Remembered, as_compared
from maskcodec.tokenizers.vocab import as_ids
from maskcodec.tokens import TokenCodec

if TYPE_CHECKING:
    from maskcodec.errors import Problem
    from maskcodec.rewards.targets import Target, Targets
    from maskcodec.text.codec import Codec
    from maskcodec.text.regions import Region

PARTS = "iou", "boundary", "box", "label", "format", "length"
_WEIGHTS = {"iou": 4, "boundary": 1, "box": 1, "label": 1, "format": 2, "length": 1}
_MORE = 16  # instances that are compared, besides 4 for each target
_CHARACTERS = 4  # of a word, about


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class MaskReward:
    """Scores answers for reinforcement learning; any answer has a score.

    Parameters
    ----------
    codec
        How the model writes masks: a codec, or a `maskcodec.TokenCodec` to read ids as well.
    weights
        How much each part counts in the total, by the names of the parts; a part without a name
        counts nothing. By default ``iou`` 4, ``format`` 2, the others 1.
    words
        How many ids may stand beside the masks before an answer is too long; in a text, four
        characters for each.

    Attributes
    ----------
    weights
        As given, with all parts.

    Raises
    ------
    ConfigError
        A weight is of no part, below 0 or no number, or all are 0; `words` is below 0.
    TypeError
        The codec is none.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from maskcodec.rewards import MaskReward
    >>> reward = MaskReward(mc.BSD(grid=4))
    >>> target = {"label": "dog", "segmentation": {"size": [4, 4], "counts": "52203"}}
    >>> parts = reward(reward.codec.encode(target["segmentation"], "dog"), [target])
    >>> parts["iou"], parts["total"]
    (1.0, 1.0)
    >>> reward("There is no dog.", [target])["total"], reward("There is no dog.", [])["total"]
    (0.0, 1.0)
    """

    codec: Codec
    tokens: TokenCodec | None = dataclasses.field(init=False)
    weights: Mapping[str, float]
    words: int
    _writers: tuple[Codec, TokenCodec | None] = dataclasses.field(repr=False)
    _targets: Remembered = dataclasses.field(repr=False)

    def __init__(
        self,
        codec: Codec | TokenCodec,
        *,
        weights: Mapping[str, float] | None = None,
        words: int = 64,
    ) -> None:
        tokens = codec if isinstance(codec, TokenCodec) else None
        own = codec.codec if isinstance(codec, TokenCodec) else codec
        check_codec(own)
        if type(words) is not int or words < 0:
            raise ConfigError(f"words must be a whole number of at least 0, got {brief(words)}")
        writer: Any = own
        writing = tokens
        if own.sampling != "keep":  # for lengths alone: it loses no mask
            writer = dataclasses.replace(writer, sampling="keep")
            writing = None if tokens is None else TokenCodec(writer, tokens.tokenizer)
        for name, value in {
            "codec": own,
            "tokens": tokens,
            "weights": _checked(_WEIGHTS if weights is None else weights),
            "words": words,
            "_writers": (writer, writing),
            "_targets": Remembered(),
        }.items():
            object.__setattr__(self, name, value)

    def __call__(self, answer: Any, targets: Any) -> dict[str, float]:
        """Score one answer.

        Parameters
        ----------
        answer
            Its text; or its ids without padding, a sequence of integers, with a `TokenCodec`.
        targets
            What it should show: a list of ``{"label": ..., "segmentation": ...}``, the segmentation
            as COCO's RLE, ``{"size": [height, width], "counts": ...}`` with the counts compressed
            or a list; or JSON of such a list. Empty for nothing; masks without a pixel are nothing.

        Returns
        -------
        The parts and ``"total"``, their weighted mean, all 0 .. 1. ``docs/rewards.md`` has the
        formulas. Where there is nothing to show, an answer without masks has 1 in all parts; where
        there is something, it has 0 in all, as has an answer of which nothing can be read.

        Raises
        ------
        MaskError
            A target's segmentation is broken, is of another image than the first one's, or of one
            with more than 2**26 pixels; the targets are no JSON.
        LabelError
            A target's label is empty, or one that the codec cannot write.
        TypeError
            The targets are no list of such objects; the answer is no text and no ids, or ids
            without a tokenizer.
        VocabError
            The ids are not one-dimensional.
        """
        wanted = self._targets(targets, *self._writers)
        regions, problems, nothing, room = self._read(answer, wanted)
        count = len(regions)
        if count == 0:
            right = nothing and not wanted.objects
            return dict.fromkeys((*PARTS, "total"), float(right))
        parts = dict.fromkeys(PARTS, 0.0)
        if wanted.objects:
            self._compare(regions, wanted.objects, parts)
        parts["format"] = 1 / (1 + len(problems))
        parts["length"] = room
        weights = self.weights
        total = sum([weights[name] * parts[name] for name in PARTS])
        parts["total"] = min(total / sum(weights.values()), 1.0)
        return parts

    def _read(
        self, answer: Any, wanted: Targets
    ) -> tuple[list[Region], list[Problem], bool, float]:
        """What an answer shows, what is wrong with it, whether it shows nothing on purpose.

        And its part for its length.
        """
        if isinstance(answer, str):
            regions, problems = self.codec.recover(answer)
            room, size = 2 * wanted.characters + _CHARACTERS * self.words, len(answer)
        elif self.tokens is None:
            raise TypeError(
                f"answer must be a text, got {brief(answer)}; for ids, make the reward of a "
                "TokenCodec"
            )
        else:
            ids = as_ids(answer)
            regions, problems = self.tokens.recover(ids)
            room, size = 2 * wanted.ids + self.words, len(ids)
        if isinstance(regions, LabelGrid):
            regions = _shown(regions, _MORE + 4 * len(wanted.objects))
        nothing = not regions and not problems
        if not (regions or nothing or self.codec.has_instances):
            tokens = None if isinstance(answer, str) else self.tokens
            nothing = self.codec.is_words(tokens.text(answer) if tokens else answer)
        return regions, problems, nothing, min(1.0, room / size) if size else 1.0

    def _compare(
        self, regions: list[Region], objects: tuple[Target, ...], parts: dict[str, float]
    ) -> None:
        """Match regions and objects one to one, and write down how well they agree."""
        shape = objects[0].mask.shape
        weights = self.weights
        drawn = [
            (measured(region.runs(shape)), region.box_pixels(shape), as_compared(region.label))
            for region in regions[: _MORE + 4 * len(objects)]
        ]
        table = [
            [
                (
                    overlap(mask, one.mask),
                    box_iou(box, _edges(one.mask.corners)),
                    float(label == one.label),
                )
                for one in objects
            ]
            for mask, box, label in drawn
        ]
        by = weights["iou"] + weights["boundary"], weights["box"], weights["label"]
        for row, column in _matched(table, by):
            iou, box, label = table[row][column]
            parts["iou"] += iou
            parts["box"] += box
            parts["label"] += label
            mask = drawn[row][0]
            if mask.area:
                parts["boundary"] += edge_score(edge_of(mask), objects[column].edge)
        most = max(len(regions), len(objects))
        for name in ("iou", "boundary", "box", "label"):
            parts[name] = min(parts[name] / most, 1.0)


def _checked(weights: Any) -> dict[str, float]:
    """Weights of all parts."""
    if not isinstance(weights, Mapping):
        raise ConfigError(f"weights map parts to numbers, got {brief(weights)}")
    unknown = [name for name in weights if name not in PARTS]
    if unknown:
        raise ConfigError(f"there is no part {brief(unknown[0])}; there are {', '.join(PARTS)}")
    for name, weight in weights.items():
        number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not number or not 0 <= weight < math.inf:
            raise ConfigError(
                f"the weight of {name} must be a number of at least 0, got {brief(weight)}"
            )
    if not any(weights.values()):
        raise ConfigError("one weight at least must be above 0: the total would be nothing")
    return {name: float(weights.get(name, 0)) for name in PARTS}


def _matched(
    table: list[list[tuple[float, float, float]]], by: tuple[float, ...]
) -> list[tuple[int, int]]:
    """Which row belongs to which column, so that the most is gained by the weights of the parts."""
    if len(table) == len(table[0]) == 1:
        return [(0, 0)]
    try:
        from scipy.optimize import linear_sum_assignment
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "matching several objects needs scipy, which is missing: "
            "pip install 'maskcodec[rewards]', in a checkout '.[rewards]'",
            name=error.name,
        ) from None
    gains = [[a * by[0] + b * by[1] + c * by[2] for a, b, c in row] for row in table]
    rows, columns = linear_sum_assignment(np.array(gains), maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _edges(corners: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = corners
    return x1, y1, x2 + 1, y2 + 1


def _shown(grid: LabelGrid, most: int) -> list[Region]:
    """The labels of a grid as regions, at most so many: a text may have a label for each cell."""
    names = grid.names[: most + 1]
    return LabelGrid(np.where(grid.cells < len(names), grid.cells, 0), names).regions()
