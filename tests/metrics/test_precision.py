"""P@0.5 and average precision."""

import math
import pickle

import numpy as np
import pytest

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.metrics import AveragePrecision, GIoU, Precision
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


def evaluated(annotated, found, shape):
    """AP and AP50 of pycocotools: (image, class, mask), and the same with scores."""
    pytest.importorskip("pycocotools")
    from contextlib import redirect_stdout
    from io import StringIO

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, rle = COCO(), lambda mask: RunMask.from_mask(mask).coco_rle()
    truth.dataset = {
        "images": [{"id": n, "height": shape[0], "width": shape[1]} for n in range(1, 13)],
        "categories": [{"id": 1}, {"id": 2}],
        "annotations": [
            {"id": n, "image_id": image, "category_id": label, "segmentation": rle(mask),
             "iscrowd": 0, "area": int(mask.sum()), "bbox": [0, 0, *shape]}
            for n, (image, label, mask) in enumerate(annotated, 1)
        ],
    }  # fmt: skip
    rows = [
        {"image_id": image, "category_id": label, "segmentation": rle(mask), "score": score}
        for image, label, mask, score in found
    ]
    with redirect_stdout(StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(rows), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[:2]


def test_average_precision_is_that_of_cocos_evaluation():
    random = np.random.default_rng(3)
    masks = (random.random((12, 2, 9, 9)) < 0.7).astype(np.uint8)
    masks[6:, 1] = masks[6:, 0]
    masks[6:, 1, 0] = 0
    scores = random.permutation(12) / 12
    both, either = (masks[:, 0] & masks[:, 1]), (masks[:, 0] | masks[:, 1])
    ious = both.sum(axis=(1, 2)) / either.sum(axis=(1, 2))
    expected = evaluated(
        [(n, 1, masks[n - 1, 0]) for n in range(1, 13)],
        [(n, 1, masks[n - 1, 1], scores[n - 1]) for n in range(1, 13)],
        (9, 9),
    )
    found = [average_precision(scores, ious, 12, some) for some in (AP_THRESHOLDS, (0.5,))]
    assert found == pytest.approx(expected)


def test_average_precision_of_instances_is_that_of_cocos_evaluation():
    """Some of the regions near an image's instances are shifted, or of the other class."""
    random, shape = np.random.default_rng(4), (12, 14)
    metrics = [AveragePrecision(), AveragePrecision(thresholds=[0.5])]
    annotated, found = [], []
    for image in range(1, 13):
        regions, targets, scores = [], [], []
        for _ in range(random.integers(0, 4)):
            y, x = random.integers(0, 6, 2)
            mask, label = np.zeros(shape, np.uint8), int(random.integers(1, 3))
            mask[y : y + 5, x : x + 6] = 1
            targets.append((label, mask))
            for _ in range(random.integers(0, 3)):
                up, left = random.integers(0, 3, 2)
                box = (int(x), int(y), int(x) + 5 - left, int(y) + 4 - up)
                cells = np.ones((5 - up, 6 - left))
                same = random.random() < 0.8
                regions.append(mc.Region(str(label if same else 3 - label), box, cells > 0, shape))
                scores.append(random.random())
        annotated += [(image, label, mask) for label, mask in targets]
        found += [
            (image, int(region.label), region.mask(shape), score)
            for region, score in zip(regions, scores, strict=True)
        ]
        parts = [pickle.loads(pickle.dumps(metric)) for metric in metrics]
        for part, metric in zip(parts, metrics, strict=True):
            part.__init__(thresholds=metric.thresholds)
            labels = [str(label) for label, _ in targets]
            masks = [mask for _, mask in targets]
            part.update(regions, masks, scores=scores, labels=labels, shape=shape)
            metric.merge(part)
    expected = evaluated(annotated, found, shape)
    assert [metric.compute() for metric in metrics] == pytest.approx(expected)
    assert 0.1 < expected[0] < expected[1] < 0.95


def test_equal_scores_count_together():
    found = []
    for order in (0, 1), (1, 0):
        metric = AveragePrecision(thresholds=(0.5,))
        for which in order:
            metric.update([HALF[0]], [HALF[which]], scores=[0.3])
        metric.update([[[0, 1]]], [[[1, 0]]], scores=[0.3])
        found.append(metric)
    assert found[0] == found[1]
    assert found[0].compute() == found[1].compute() == pytest.approx(67 / 101 * 2 / 3)
    assert average_precision([1, 1, 1], [0, 1, 1], 3, (0.5,)) == pytest.approx(67 / 101 * 2 / 3)


def test_average_precision_of_an_image_without_regions_or_instances():
    metric = AveragePrecision()
    assert math.isnan(metric.compute())
    metric.update([], [], scores=[])
    dog = mc.Region("dog", (0, 0, 0, 0), [[1]], (2, 2))
    metric.update([dog], [], scores=[0.7], labels=[], shape=(2, 2))
    assert math.isnan(metric.compute())
    metric.update([dog], [[[1, 0], [0, 0]]], scores=[0.9], labels=["dog"])  # the target says it
    assert metric.compute() == 1
    metric.update([], [[[1, 0]]], scores=[], labels=["cat"])
    assert (metric.compute(), metric.samples) == (0.5, 4)
    with pytest.raises(mc.ConfigError, match="one AveragePrecision has thresholds"):
        metric.merge(AveragePrecision(thresholds=(0.5,)))


@pytest.mark.parametrize(
    ("prediction", "target", "options", "error", "message"),
    [
        ([[[1]]], [], {"scores": []}, mc.MaskError, "a score for each region, got 1 and 0"),
        ([[[1]]], [], {"scores": [math.nan]}, mc.MaskError, "finite numbers, got nan at index 0"),
        (
            [],
            [[[1]]],
            {"scores": [], "labels": []},
            mc.MaskError,
            "label for each target, got 1 and",
        ),
        ([], [[[0]]], {"scores": []}, mc.MaskError, "target 0 has no pixel"),
        ([], [None], {"scores": []}, mc.MaskError, "target 0 has no pixel"),
        ([[[1]]], [[[1, 1]]], {"scores": [1]}, mc.MaskError, "prediction 0 has 1 x 1 pixels"),
        ([[[1]]], [], {"scores": [1], "labels": []}, TypeError, r"which have theirs: \[\[1\]\]"),
    ],
)
def test_images_that_are_not_counted(prediction, target, options, error, message):
    metric = AveragePrecision()
    with pytest.raises(error, match=message):
        metric.update(prediction, target, **options)
    assert metric == AveragePrecision()


@pytest.mark.parametrize("thresholds", [(0.5, 0), [1.5]])
def test_thresholds_of_average_precision_have_a_range(thresholds):
    with pytest.raises(mc.ConfigError, match=r"^threshold must be above 0 and at most 1, got "):
        AveragePrecision(thresholds=thresholds)


def test_average_precision_of_nothing():
    assert math.isnan(average_precision([], [], 0, (0.5,)))
    assert average_precision([], [], 3, (0.5,)) == 0


def test_what_a_mean_shows_is_what_it_counted():
    metric = GIoU()
    metric.update(*HALF)
    assert repr(metric) == "GIoU(samples=1)"
