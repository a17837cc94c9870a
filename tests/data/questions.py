"""Samples of an image of 8 x 8 pixels, and what the rows of them say."""

import dataclasses

import numpy as np

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.data.rows import RowMaker
from maskcodec.data.sample import Instance, Sample

SHAPE = (8, 8)
BSD = mc.BSD(grid=8)
RRLE = mc.RRLE(grid=8)


def box(y1, x1, y2, x2):
    """The run lengths of a rectangle, ends excluded, in an image of 8 x 8 pixels."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[y1:y2, x1:x2] = 1
    return {"size": [8, 8], "counts": RunMask.from_mask(mask).counts.tolist()}


LEFT, RIGHT, ALL, DOT, NONE = (
    box(*corners)
    for corners in [(2, 1, 6, 3), (2, 5, 6, 7), (0, 0, 8, 8), (1, 1, 2, 2), (0, 0, 0, 0)]
)


def sample(task, *instances, key="mine:1", image="a/1.jpg", shape=SHAPE, **more):
    shown = tuple(
        Instance(label=label, segmentation=segmentation) for label, segmentation in instances
    )
    return Sample(key=key, image=image, shape=shape, task=task, instances=shown, **more)


def expression(query="the dog", key="mine:1", **more):
    return sample("expression", (query, LEFT), query=query, key=key, **more)


def maker(codec=BSD, **settings):
    return RowMaker(codec=codec, **settings)


def said(made):
    """The one row of some samples as question, answer, question, ..."""
    assert made.broken == []
    (row,) = made.rows
    assert [m.role for m in row.messages] == ["user", "assistant"] * (len(row.messages) // 2)
    return [message.text for message in row.messages]


def broken(made):
    """What is wrong with the one sample that was given."""
    assert made.rows == []
    (found,) = made.broken
    assert found.where == "mine:1"
    return found.message


def many(make, some, count=60):
    """What is said of a sample under many keys."""
    return [said(make(dataclasses.replace(some, key=f"mine:{k}"))) for k in range(count)]


def labels(answer, codec=BSD):
    return [region.label for region in codec.decode(answer)]


SCENE = sample(
    "classes",
    ("dog", LEFT),
    ("sky", ALL),
    ("dog", RIGHT),
    ("cat", DOT),
    ("tree", DOT),
    names=("dog", "cat", "sky", "tree", "cow", "car"),
    complete=True,
)
