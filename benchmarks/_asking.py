"""Asking a model about scenes of shapes, and comparing its answers with what is meant."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from _shapes import EXPRESSIONS, SIDE
from maskcodec.data import Sample, open_source
from maskcodec.data.rows import RowMaker
from maskcodec.data.templates import Templates
from maskcodec.hf import generate
from maskcodec.metrics import BoxAccuracy, CIoU, GIoU, measure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from _learning import Learner
    from maskcodec import TokenCodec
    from maskcodec.hf import Answer
    from maskcodec.text.codec import Codec

SHAPE = SIDE, SIDE
WORDING = Templates(expression=("Segment {what}.",), expression_answers=("{masks}",))


def row_maker(codec: Codec) -> RowMaker:
    """Rows with one wording, so that all there is to learn is where and how to draw."""
    return RowMaker(codec=codec, templates=WORDING)


class Question(NamedTuple):
    """What a model is asked, and what is right.

    Attributes
    ----------
    image
        A path.
    text
        The question.
    target
        The mask that is meant: uint8 (`SIDE`, `SIDE`).
    drawn
        What is left of it on the codec's grid, of the same kind.
    ids
        How many ids the right answer has.
    """

    image: str
    text: str
    target: Any
    drawn: Any
    ids: int


def questions(folder: Path, split: str, tokens: TokenCodec) -> list[Question]:
    """The questions of a split, in the order of the file."""
    maker, found = row_maker(tokens.codec), []
    for sample in open_source("refer", folder, split=split, images=folder / "images"):
        assert isinstance(sample, Sample)
        (row,) = maker(sample).rows
        asked, answered = (message.text for message in row.messages)
        (rle,) = sample.instances[0].segmentation
        target = painted(rle["counts"])
        ids = tokens.tokenizer(answered, add_special_tokens=False)["input_ids"]
        drawn = mask_of(tokens.codec, answered)
        found.append(Question(sample.image, asked, target, drawn, len(ids)))
    return found


def painted(counts: Sequence[int]) -> Any:
    """Run lengths down the columns as a mask."""
    values = np.arange(len(counts)) % 2
    return np.repeat(values, counts).reshape(SHAPE[::-1]).T.astype(np.uint8)


def mask_of(codec: Any, text: str) -> Any:
    """All that an answer shows, as one mask, whatever the codec."""
    found: Any = codec.recover(text)
    mask = np.zeros(SHAPE, np.uint8)
    if hasattr(found, "grid"):
        for name in found.grid.names[1:]:
            mask |= found.grid.mask(name, SHAPE)
    else:
        for region in found.regions:
            mask |= region.mask(SHAPE)
    return mask


class Figures(NamedTuple):
    """How good some answers were.

    Attributes
    ----------
    ciou, giou, accuracy
        0 .. 1; the last one Acc@0.5 of the boxes.
    best
        The gIoU of the right answers themselves, which the codec's cells bound.
    exact
        How many masks are what the right answer draws, to the pixel.
    valid
        How many answers were ended by the model, and decode strictly to a mask or a label grid.
        With the constraint these are all, unless there was less room than `longest`.
    asked
        Of so many.
    ids
        The mean of the answers' ids.
    seconds
        For an answer, in batches.
    """

    ciou: float
    giou: float
    accuracy: float
    best: float
    exact: int
    valid: int
    asked: int
    ids: float
    seconds: float


def evaluate(
    learner: Learner,
    asked: Sequence[Question],
    *,
    constrain: bool,
    batch: int = 64,
    room: int | None = None,
) -> tuple[Figures, list[Answer]]:
    """Ask, read the answers, and compare them with what is meant.

    Parameters
    ----------
    learner
        Its model is asked.
    asked
        What.
    constrain
        Whether the answers are kept to what decodes.
    batch
        Questions at a time.
    room
        How many times as long as the longest right answer one may be. By default six times, and
        with the constraint as long as it allows.
    """
    codec = learner.tokens.codec
    grid = not hasattr(codec, "bricks")
    options: dict[str, Any] = {"constrain": constrain}
    if constrain:  # it knows what may be asked for, not what is
        options |= {"labels": EXPRESSIONS, "free_text": False}
        options |= {} if grid else {"instances": 1}
    whole = constrain and room is None
    right = max(one.ids for one in asked)
    options["max_new_tokens"] = longest(codec) if whole else (room or 6) * right
    answers: list[Answer] = []
    began = time.perf_counter()
    for start in range(0, len(asked), batch):
        some = asked[start : start + batch]
        images, texts = [one.image for one in some], [one.text for one in some]
        found = generate(learner.model, learner.processor, images, texts, learner.tokens, **options)
        answers += found
    seconds = (time.perf_counter() - began) / len(asked)
    ciou, giou, best, accuracy = CIoU(), GIoU(), GIoU(), BoxAccuracy()
    exact = valid = 0
    for one, answer in zip(asked, answers, strict=True):
        overlap = measure(answer.regions, one.target, shape=SHAPE)
        ciou.add(overlap)
        giou.add(overlap)
        best.update(one.drawn, one.target)
        accuracy.update(answer.regions, one.target, shape=SHAPE)
        exact += measure(answer.regions, one.drawn, shape=SHAPE).iou == 1
        shown = bool(answer.regions) or answer.grid is not None
        valid += answer.finished and not answer.problems and shown
    figures = Figures(
        ciou=ciou.compute(),
        giou=giou.compute(),
        accuracy=accuracy.compute(),
        best=best.compute(),
        exact=exact,
        valid=valid,
        asked=len(asked),
        ids=float(np.mean([len(answer.ids) for answer in answers])),
        seconds=seconds,
    )
    return figures, answers


def longest(codec: Any) -> int:
    """More ids than an answer may have that is kept to one mask, of one of the expressions."""
    if not hasattr(codec, "bricks"):  # each cell's label, count and mark, a byte to an id at worst
        rows, columns = codec.canvas
        return rows * columns * (max(len(one.encode()) for one in EXPRESSIONS) + len("*1|")) + 8
    rows, columns = codec.most_cells
    return rows * (columns + len(codec.row_separator)) + 64  # label, box and tags are short


def can_constrain(codec: Any) -> bool:
    """Whether there are guides for a codec: not where bricks are plain text."""
    return bool(getattr(codec, "bricks", True))
