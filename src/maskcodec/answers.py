"""What a model answered, here or on a server: its regions, how sure it was, what was wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.masks.arrays import as_painted_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from maskcodec.errors import Problem
    from maskcodec.formats.instances.stream import MaskStream
    from maskcodec.formats.labels.label_grid import LabelGrid
    from maskcodec.masks.arrays import Cells, Mask
    from maskcodec.masks.grid import Method
    from maskcodec.text.regions import Region
    from maskcodec.tokens import TokenCodec


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered to one question.

    Attributes
    ----------
    text
        All of it, words around masks included, without what ends it.
    ids
        Its ids, without those that end it or fill it up; none where a server sent text alone.
    regions
        The masks, in the order of the text. Of an image-wise codec those of `grid`, one for each
        label but the background, in the order in which they come.
    scores
        For each region, 0 .. 1: the geometric mean of the probabilities of its ids, from the first
        tag to the last, or to where it stops. They are the model's own, before the constraint: with
        it, an id that is the only one to be allowed would count as certain, and a mask that the
        model never meant as a good one. All regions of a `grid` have that of the whole text
        between the tags. nan where a server sent no probabilities.
    problems
        What `TokenCodec.recover` repaired; none where `TokenCodec.decode` returns the same regions.
        With the constraint, that the text was cut off is the only one there can be.
    finished
        Whether the model ended the answer itself, before it was cut off.
    grid
        The label grid, where the codec is image-wise.
    """

    text: str
    ids: tuple[int, ...]
    regions: list[Region]
    scores: list[float]
    problems: list[Problem]
    finished: bool
    grid: LabelGrid | None = None

    def masks(self, shape: tuple[int, int], *, method: Method | None = None) -> Mask:
        """The masks of all regions: uint8 (n, height, width) of 0 and 1.

        Parameters
        ----------
        shape
            (height, width) of the image.
        method
            How cells become pixels, as `maskcodec.Region.mask` has it.

        Raises
        ------
        MaskError
            The shape has a side below 1 or above 2**20.
        """
        masks = np.empty((len(self.regions), *as_painted_size(shape, "shape")), np.uint8)
        for region, mask in zip(self.regions, masks, strict=True):
            region.mask(shape, method=method, out=mask)
        return masks

    def show(self, image: Any, *, method: Method | None = None) -> Image.Image:
        """The image with the regions drawn on it, each with its label and its score.

        A notebook shows what it returns; a script calls ``show(image).save("answer.png")``.

        Parameters
        ----------
        image
            As `maskcodec.draw` takes it: a Pillow image, an array, or the path of a file.
        method
            How cells become pixels.

        Raises
        ------
        MaskError, SourceError, TypeError
            As `maskcodec.draw`.
        """
        from maskcodec.pictures.regions import draw

        pairs = zip(self.regions, self.scores, strict=True)
        labels = [
            region.label if math.isnan(score) else f"{region.label} {score:.2f}".strip()
            for region, score in pairs
        ]
        return draw(image, self.regions, labels=labels, method=method)


@dataclass(frozen=True, slots=True)
class Progress:
    """An answer while it is being written.

    Attributes
    ----------
    index_map
        int32 (rows, columns), read-only: 1 + the index of the region on top, or 0, as
        `MaskStream.index_map` has it. For scanlines it has the bins of the image's sides.
    regions
        The regions so far, the last of which may still grow.
    answer
        The whole answer, in the last one only.
    """

    index_map: Cells
    regions: list[Region]
    answer: Answer | None = None


def read_answer(
    tokens: TokenCodec, ids: Sequence[int], logs: Sequence[float] | None, finished: bool
) -> Answer:
    """An answer's ids, and the logarithms of their probabilities if known, as an `Answer`."""
    found = tokens.recover(ids)
    scores = [math.nan if logs is None else sureness(logs[a:b]) for a, b in tokens.spans(ids)]
    return Answer(
        text=tokens.text(ids),
        ids=tuple(ids),
        regions=found.regions,
        scores=scores,
        problems=found.problems,
        finished=finished,
        grid=getattr(found, "grid", None),
    )


def sureness(logs: Sequence[float]) -> float:
    """How sure a model was of some ids: the geometric mean of their probabilities."""
    return math.exp(sum(logs) / len(logs))


def progress(stream: MaskStream, answer: Answer | None = None) -> Progress:
    """What a stream shows now."""
    index_map = stream.index_map.copy()
    index_map.flags.writeable = False
    return Progress(index_map, stream.regions if answer is None else answer.regions, answer)
