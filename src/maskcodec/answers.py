"""A model's answer, local or from a server: its regions, scores and problems."""

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
    """A model's answer to one question.

    Attributes
    ----------
    text
        The whole text, with words around masks, without the token that ends it.
    ids
        The ids, without those that end or pad the answer; empty if a server sent only text.
    regions
        The regions, in the order of the text. With an image-wise codec, the regions of `grid`: one
        for each label except the background, in order of appearance.
    scores
        A score for each region, 0 .. 1: the geometric mean of the probabilities of its ids, from
        its first tag to its last, or to where it breaks off. The probabilities are the model's
        own, before the constraint: a constraint makes an id certain if no other is allowed, and
        would give a good score to a mask that the model did not intend. All regions of a `grid`
        have the score of the whole text between the tags. nan if a server sent no probabilities.
    problems
        The problems that `TokenCodec.recover` repaired; empty if `TokenCodec.decode` returns the
        same regions. With the constraint, the only possible problem is an answer that was cut off.
    finished
        True if the model ended the answer itself; False if it was cut off.
    grid
        The label grid, if the codec is image-wise.
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
            How cells become pixels, as in `maskcodec.Region.mask`.

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
        """Draw the regions on the image, each with its label and its score.

        A notebook shows the returned picture; a script calls ``show(image).save("answer.png")``.

        Parameters
        ----------
        image
            A Pillow image, an array, or the path of a file, as in `maskcodec.draw`.
        method
            How cells become pixels, as in `maskcodec.Region.mask`.

        Raises
        ------
        MaskError, SourceError, TypeError
            As in `maskcodec.draw`.
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
    """An answer while the model writes it.

    Attributes
    ----------
    index_map
        int32 (rows, columns), read-only: 1 + the index of the region on top, or 0; see
        `MaskStream.index_map`. For scanlines, rows and columns are the bins of the image.
    regions
        The regions so far; the last one may still grow.
    answer
        The whole answer, in the last `Progress`; None before.
    """

    index_map: Cells
    regions: list[Region]
    answer: Answer | None = None


def read_answer(
    tokens: TokenCodec, ids: Sequence[int], logs: Sequence[float] | None, finished: bool
) -> Answer:
    """An `Answer` from ids, and from the logarithms of their probabilities or None."""
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
    """The geometric mean of probabilities, from their logarithms."""
    return math.exp(sum(logs) / len(logs))


def progress(stream: MaskStream, answer: Answer | None = None) -> Progress:
    """The current state of a stream."""
    index_map = stream.index_map.copy()
    index_map.flags.writeable = False
    return Progress(index_map, stream.regions if answer is None else answer.regions, answer)
