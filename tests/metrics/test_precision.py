"""P@0.5 and average precision."""

import math

import numpy as np
import pytest

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.metrics import GIoU, Precision
from maskcodec.metrics.precision import AP_THRESHOLDS, average_precision

HALF = [[1, 1]], [[1, 0]]


@pytest.mark.parametrize(("threshold", "right"), [(0.5, 1), (0.51, 0), (1, 0)])
def test_a_hit_has_at_least_the_threshold(threshold, right):
    metric, other = Precision(threshold=threshold), Precision(threshold=threshold)
    metric.update(*HALF)
    metric.update(None, None)  # no target
    assert (metric.right, metric.samples) == (right, 1)
    other.update([[1, 0]], [[1, 0]])
    metric.merge(other)
    assert metric.compute() == (right + 1) / 2
    with pytest.raises(mc.ConfigError, match="one Precision has threshold"):
        metric.merge(Precision(threshold=0.25))


@pytest.mark.parametrize("threshold", [0, 1.1, math.nan, "0.5"])
def test_thresholds_have_a_range(threshold):
    with pytest.raises(mc.ConfigError, match=r"^threshold must be above 0 and at most 1, got "):
        Precision(threshold=threshold)


def test_average_precision_is_that_of_cocos_evaluation():
    pytest.importorskip("pycocotools")
    from contextlib import redirect_stdout
    from io import StringIO

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    random = np.random.default_rng(3)
    masks = (random.random((12, 2, 9, 9)) < 0.7).astype(np.uint8)
    masks[6:, 1] = masks[6:, 0]
    masks[6:, 1, 0] = 0
    scores = random.permutation(12) / 12
    truth = COCO()
    rles = [[RunMask.from_mask(one).coco_rle() for one in pair] for pair in masks]
    truth.dataset = {
        "images": [{"id": n, "height": 9, "width": 9} for n in range(1, 13)],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "iscrowd": 0, "segmentation": rle,
             "area": int(mask.sum()), "bbox": [0, 0, 9, 9]}
            for n, ((rle, _), (mask, _)) in enumerate(zip(rles, masks, strict=True), 1)
        ],
    }  # fmt: skip
    found = [
        {"image_id": n, "category_id": 1, "segmentation": rle, "score": score}
        for n, ((_, rle), score) in enumerate(zip(rles, scores, strict=True), 1)
    ]
    with redirect_stdout(StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    both, either = (masks[:, 0] & masks[:, 1]), (masks[:, 0] | masks[:, 1])
    ious = both.sum(axis=(1, 2)) / either.sum(axis=(1, 2))
    assert average_precision(scores, ious, 12, AP_THRESHOLDS) == pytest.approx(evaluation.stats[0])
    assert average_precision(scores, ious, 12, (0.5,)) == pytest.approx(evaluation.stats[1])


def test_average_precision_of_nothing():
    assert math.isnan(average_precision([], [], 0, (0.5,)))
    assert average_precision([], [], 3, (0.5,)) == 0


def test_what_a_mean_shows_is_what_it_counted():
    metric = GIoU()
    metric.update(*HALF)
    assert repr(metric) == "GIoU(samples=1)"
