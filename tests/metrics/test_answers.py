"""Answers beside their targets, and the figures of many."""

import math

import numpy as np
import pytest

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.errors import MaskError
from maskcodec.metrics.answers import Figures, measured, read_answer

CODEC, SHAPE = mc.BSD(grid=4), (4, 4)
DOG = np.zeros(SHAPE, np.uint8)
DOG[1:3, 1:3] = 1
TARGET, EMPTY = RunMask.from_mask(DOG), RunMask([16], SHAPE)
SAID = read_answer(CODEC, CODEC.encode(DOG, "dog"))


def test_ignored_pixels_are_taken_out_of_both():
    one, mask = measured(SAID, TARGET, shape=SHAPE, ignored=RunMask.from_mask(DOG))
    assert (one.overlap, one.iou, one.claimed, mask.area) == ((0, 0, 0), 0.0, True, 0)
    one, mask = measured(SAID, TARGET, shape=SHAPE, ignored=EMPTY)
    assert (one.overlap, one.iou, mask.area) == ((4, 4, 4), 1.0, 4)


def test_cells_need_a_size_that_can_be_painted():
    with pytest.raises(MaskError, match=r"pass shape=\(height, width\)"):
        measured(SAID, None, shape=None)
    with pytest.raises(MaskError, match="the image claims 32768 x 32768 pixels"):
        measured(SAID, None, shape=(1 << 15, 1 << 15))
    one, mask = measured(read_answer(CODEC, "No dog."), None, shape=None)
    assert (one.iou, one.hit, mask) == (1.0, True, None)


def test_figures_of_nothing():
    figures = Figures()
    assert figures.samples == figures.targets == 0
    assert math.isnan(figures.share("valid"))
    assert all(math.isnan(value) and count == 0 for value, count in figures.compute().values())


def test_average_precision_needs_a_score_of_all_that_show_something():
    shows, silent = (measured(said, TARGET, shape=SHAPE)[0] for said in (SAID, None))
    figures = Figures()
    figures.add(shows, score=0.5)
    figures.add(silent)
    found = figures.compute()
    assert [found[name] for name in ("AP", "AP50")] == [(pytest.approx(51 / 101), 2)] * 2
    figures.add(shows)
    assert "AP" not in figures.compute()
    assert (figures.samples, figures.targets, figures.share("empty")) == (3, 3, 1 / 3)
