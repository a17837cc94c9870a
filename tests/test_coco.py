"""Regions to results, as COCO's own tools have them."""

import json
import sys

import numpy as np
import pytest

import maskcodec as mc
from maskcodec import coco
from tests import reference

pytest.importorskip("pycocotools.mask", reason="the extra 'coco' is not installed")


# -------------------------------------------------------------------------------- results

GRID = mc.BSD(grid=(4, 6))
SHAPE = (40, 60)


def boxed(label, x, y, width, height):
    """A region of whole cells, each 10 x 10 pixels."""
    box = (x, y, x + width - 1, y + height - 1)
    return mc.Region(label, box, np.ones((height, width), int), (4, 6))


def annotated(regions, categories):
    """A ground truth of one image as COCO has it."""
    from pycocotools.coco import COCO

    truth = COCO()
    annotations = []
    for k, region in enumerate(regions):
        rle = region.coco_rle(SHAPE)
        annotations.append(
            {
                "id": k + 1,
                "image_id": 7,
                "category_id": categories[region.label],
                "segmentation": {**rle, "counts": rle["counts"].decode()},
                "area": region.area(SHAPE),
                "bbox": list(region.bbox(SHAPE)),
                "iscrowd": 0,
            }
        )
    truth.dataset = {
        "info": {},
        "images": [{"id": 7, "height": SHAPE[0], "width": SHAPE[1]}],
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
        "annotations": annotations,
    }
    truth.createIndex()
    return truth


def average_precision(truth, rows):
    from pycocotools.cocoeval import COCOeval

    evaluation = COCOeval(truth, truth.loadRes(json.loads(json.dumps(rows))), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]


@pytest.fixture
def _quiet(capsys):
    """Pycocotools tells what it does."""
    yield
    capsys.readouterr()


CATEGORIES = {"dog": 18, "cat": 17}
DOGS = [boxed("dog", 0, 0, 2, 2), boxed("dog", 3, 1, 2, 2)]
CAT = boxed("cat", 2, 2, 3, 2)
HALF = 51 / 101  # of COCO's 101 recalls 0, 0.01 .. 1, so many are reached by one of two


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize(
    ("truth", "found", "scores", "expected"),
    [
        ([*DOGS, CAT], [*DOGS, CAT], None, 1.0),
        ([*DOGS, CAT], [CAT, *DOGS], [0.1, 0.9, 0.2], 1.0),
        ([*DOGS, CAT], DOGS, None, 0.5),  # the mean of dogs and cats
        (DOGS, DOGS[:1], [0.9], HALF),
        (DOGS, [DOGS[0], boxed("dog", 5, 0, 1, 1)], [0.9, 0.8], HALF),
        (DOGS, [DOGS[0], boxed("dog", 5, 0, 1, 1)], [0.8, 0.9], HALF / 2),
        (DOGS, [boxed("dog", 5, 0, 1, 1)], [0.9], 0.0),
        # 4 of 6 cells: good for 0.50 0.55 0.60 0.65 of the ten thresholds
        (DOGS[:1], [boxed("dog", 0, 0, 3, 2)], [0.9], 0.4),
    ],
)
def test_cocoeval_scores_results_as_counted_by_hand(truth, found, scores, expected):
    regions = GRID.decode(GRID.encode_regions(found))
    rows = coco.results(regions, shape=SHAPE, image_id=7, category_ids=CATEGORIES, scores=scores)
    categories = {name: CATEGORIES[name] for name in {region.label for region in truth}}
    assert average_precision(annotated(truth, categories), rows) == pytest.approx(expected)


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("method", ["nearest", "smooth", "contour"])
def test_loaded_results_have_the_masks_area_and_box(method):
    regions = [*DOGS, mc.Region("cat", (1, 1, 3, 2), [[1, 0, 1], [0, 1, 1]], (4, 6))]
    regions.append(mc.Region("dog", (1, 0, 7, 9), [[1, 0], [1, 1]], (10, 10), frame="box"))
    rows = coco.results(regions, shape=SHAPE, image_id=7, category_ids=CATEGORIES, method=method)
    loaded = annotated(DOGS, CATEGORIES).loadRes(json.loads(json.dumps(rows)))
    for row, region in zip(loaded.loadAnns(loaded.getAnnIds()), regions, strict=True):
        painted = region.mask(SHAPE, method=method)
        assert row["area"] == painted.sum()
        assert tuple(row["bbox"]) == reference.bbox(painted)
        assert np.array_equal(loaded.annToMask(row), painted)
        assert coco.read(row["segmentation"], shape=SHAPE).area == row["area"]


def test_results_are_plain_data_for_json():
    rows = coco.results(
        iter([*DOGS, CAT]),
        shape=SHAPE,
        image_id=7,
        category_ids=CATEGORIES,
        scores=np.array([0.5, 1, 0.25], np.float32),
    )
    assert json.loads(json.dumps(rows)) == rows
    assert [row["category_id"] for row in rows] == [18, 18, 17]
    assert [row["score"] for row in rows] == [0.5, 1.0, 0.25]
    assert rows[2] == {
        "image_id": 7,
        "category_id": 17,
        "segmentation": {"size": [40, 60], "counts": CAT.coco_rle(SHAPE)["counts"].decode()},
        "score": 0.25,
    }
    assert coco.results([], shape=SHAPE, image_id=7, category_ids={}) == []
    assert coco.results([CAT], shape=SHAPE, image_id=7, category_ids=CATEGORIES)[0]["score"] == 1.0


def test_results_of_a_label_that_is_no_category_are_refused_or_dropped():
    found = [boxed("bird", 0, 0, 1, 1), DOGS[0]]
    with pytest.raises(mc.LabelError) as caught:
        coco.results(found, shape=SHAPE, image_id=7, category_ids=CATEGORIES)
    assert str(caught.value) == (
        "label 'bird' is no category; unknown=\"drop\" leaves such regions out"
    )
    rows = coco.results(
        found, shape=SHAPE, image_id=7, category_ids=CATEGORIES, unknown="drop", scores=[0.9, 0.8]
    )
    assert [(row["category_id"], row["score"]) for row in rows] == [(18, 0.8)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scores": [1]}, mc.MaskError, "there must be a score for each region, got 2 and 1"),
        ({"unknown": "keep"}, mc.ConfigError, "unknown must be one of 'raise', 'drop', got 'keep'"),
        (
            {"method": "cubic"},
            mc.ConfigError,
            "method must be one of 'nearest', 'smooth', 'contour', got 'cubic'",
        ),
        ({"shape": (0, 60)}, mc.MaskError, "shape must be two integers of at least 1, got (0, 60)"),
    ],
)
def test_results_that_cannot_be_written_are_refused(options, error, message):
    settings_ = {"shape": SHAPE, "image_id": 7, "category_ids": CATEGORIES, **options}
    with pytest.raises(error) as caught:
        coco.results(DOGS, **settings_)
    assert str(caught.value) == message


# --------------------------------------------------------------------- results for JSON


def dog():
    return mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 1]], canvas=(4, 4))


def test_ids_of_results_may_come_from_arrays():
    ids = {"dog": np.int32(18)}
    (row,) = coco.results([dog()], shape=(4, 4), image_id=np.int64(7), category_ids=ids)
    assert json.loads(json.dumps(row)) == row
    assert (row["image_id"], row["category_id"]) == (7, 18)
    (row,) = coco.results([dog()], shape=(4, 4), image_id="a7", category_ids=ids)
    assert row["image_id"] == "a7"


def test_results_that_cannot_be_ranked_or_named_are_refused():
    with pytest.raises(mc.MaskError, match="scores must be finite numbers, got nan at index 1"):
        coco.results(
            [dog()] * 2, shape=(4, 4), image_id=7, category_ids={"dog": 1}, scores=[1, np.nan]
        )
    with pytest.raises(TypeError, match=r"category_ids must map names to ids, got \['dog'\]"):
        coco.results([dog()], shape=(4, 4), image_id=7, category_ids=["dog"])
    with pytest.raises(TypeError):
        coco.results([dog()], shape=(4, 4), image_id=7.0, category_ids={"dog": 1})


def dogs():
    box = {"canvas": (4, 4)}
    return [
        mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 0]], **box),
        *(mc.Region(label, (0, 0, 0, 0), [[1]], **box) for label in ("cat", "dog")),
    ]


def test_regions_become_detections_and_back():
    sv = pytest.importorskip("supervision")
    found = coco.to_supervision(dogs(), shape=(40, 60), scores=[0.5, 0.25, 1])
    assert isinstance(found, sv.Detections)
    assert found.xyxy.tolist()[:2] == [[15, 10, 45, 30], [0, 0, 15, 10]]
    assert found.class_id.tolist() == [0, 1, 0]
    assert found.confidence.tolist() == [0.5, 0.25, 1]
    assert found.mask.dtype == bool
    assert np.array_equal(found.mask[0], dogs()[0].mask((40, 60)))
    codec = mc.BSD(grid=4)
    masks, labels = coco.from_supervision(found)
    assert codec.decode(codec.encode_many(masks, labels)) == dogs()
    named = coco.from_supervision(found, names={0: "wolf", 1: "lynx"})
    assert named.labels == ["wolf", "lynx", "wolf"]
    plain = coco.to_supervision(dogs(), shape=(40, 60), class_ids={"dog": 18, "cat": 17})
    assert plain.class_id.tolist() == [18, 17, 18]
    assert plain.confidence is None
    assert len(coco.to_supervision([], shape=(4, 4))) == 0


def test_what_is_no_detection_is_refused(monkeypatch):
    sv = pytest.importorskip("supervision")
    with pytest.raises(mc.LabelError, match=r"label 'dog' has no id; class_ids has \['cat'\]"):
        coco.to_supervision(dogs(), shape=(4, 4), class_ids={"cat": 1})
    with pytest.raises(mc.MaskError, match="a score for each region, got 3 and 1"):
        coco.to_supervision(dogs(), shape=(4, 4), scores=[1])
    boxes = sv.Detections(xyxy=np.zeros((1, 4)), class_id=np.array([3]))
    with pytest.raises(mc.MaskError, match="have no mask, only boxes"):
        coco.from_supervision(boxes)
    boxes.mask = np.ones((1, 4, 4), bool)
    with pytest.raises(mc.LabelError, match=r"no data\[\"class_name\"\]: pass names"):
        coco.from_supervision(boxes)
    with pytest.raises(mc.LabelError, match=r"names has \{4: 'dog'\}, the detections the classes"):
        coco.from_supervision(boxes, names={4: "dog"})
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ModuleNotFoundError, match="pip install supervision, or the extra bench"):
        coco.to_supervision(dogs(), shape=(4, 4))
