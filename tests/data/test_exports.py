"""COCO files as annotation tools export them, from the file to rows and back to masks."""

import re

import numpy as np
import pytest

import maskcodec as mc
from tests.data.builds import rows, run
from tests.datasets import write

HEIGHT, WIDTH = 48, 64
SQUARE = [10, 10, 30, 10, 30, 34, 10, 34]
TRIANGLE = [34.5, 40, 60, 44, 48.25, 8]


def exported(categories, annotations, names, **image):
    """A COCO file; annotations are (image, category, segmentation, further fields)."""
    return {
        "info": {"description": "an export"},
        "licenses": [{"id": 1, "name": "", "url": ""}],
        "categories": categories,
        "images": [
            {"id": k, "file_name": name, "height": HEIGHT, "width": WIDTH, **image}
            for k, name in enumerate(names)
        ],
        "annotations": [
            {
                "id": k,
                "image_id": owner,
                "category_id": kind,
                "segmentation": segmentation,
                "bbox": [0, 0, 1, 1],
                "area": 1.0,
                "iscrowd": 0,
                **more,
            }
            for k, (owner, kind, segmentation, more) in enumerate(annotations, 1)
        ],
    }


ROBOFLOW = exported(
    [
        {"id": 0, "name": "vehicles", "supercategory": "none"},
        {"id": 1, "name": "car", "supercategory": "vehicles"},
        {"id": 2, "name": "truck", "supercategory": "vehicles"},
    ],
    [(0, 1, [SQUARE], {}), (1, 2, [TRIANGLE], {})],
    ["0001_jpg.rf.4f3a.jpg", "0002_png.rf.77aa.jpg"],
    license=1,
    date_captured="2026-01-01T00:00:00+00:00",
)
LABEL_STUDIO = exported(
    [{"id": 0, "name": "car"}, {"id": 1, "name": "truck"}],
    [(0, 0, [SQUARE], {"ignore": 0}), (1, 1, [TRIANGLE], {"ignore": 0})],
    ["images\\90f3-a.jpg", "images\\11ab-b.jpg"],
)
CVAT = exported(
    [
        {"id": 1, "name": "car", "supercategory": ""},
        {"id": 2, "name": "truck", "supercategory": ""},
    ],
    [
        (0, 1, [SQUARE], {"attributes": {"occluded": False}}),
        (
            1,
            2,
            {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * 20 + 8, 32, HEIGHT * 43 + 8]},
            {"attributes": {"occluded": False}},
        ),
        (2, 1, [], {"attributes": {"occluded": False}}),  # a box only
    ],
    ["a.jpg", "b.jpg", "c.jpg"],
    license=0,
    flickr_url="",
    coco_url="",
    date_captured=0,
)
LABELME = exported(
    [
        {"supercategory": None, "id": 0, "name": "_background_"},
        {"supercategory": None, "id": 1, "name": "car"},
        {"supercategory": None, "id": 2, "name": "truck"},
    ],
    [(0, 1, [SQUARE], {}), (1, 2, [TRIANGLE, SQUARE], {})],
    ["JPEGImages/a.jpg", "JPEGImages/b.jpg"],
    url=None,
)
TOOLS = {
    "roboflow": (ROBOFLOW, ["0001_jpg.rf.4f3a.jpg", "0002_png.rf.77aa.jpg"]),
    "label-studio": (LABEL_STUDIO, ["images/90f3-a.jpg", "images/11ab-b.jpg"]),
    "cvat": (CVAT, ["a.jpg", "b.jpg"]),
    "labelme": (LABELME, ["JPEGImages/a.jpg", "JPEGImages/b.jpg"]),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_an_export_becomes_rows_that_decode_to_its_masks(tool, tmp_path):
    pytest.importorskip("pycocotools.mask", reason="the extra 'coco' is not installed")
    content, images = TOOLS[tool]
    path = write(tmp_path / "export.json", content)
    out = tmp_path / "rows"
    result = run(f"coco:{path}", "--out", out, "--format", "ms-swift", "--turns", 4)
    assert ("broken" in result.stderr) == (tool == "cvat")

    made = rows(out)
    assert sorted({row["images"][0] for row in made}) == sorted(images)
    codec = mc.load(out)
    assert codec == mc.Scanlines()
    found = {image: set() for image in images}
    for row in made:
        turns = [turn["content"] for turn in row["messages"]]
        assert not re.search("vehicles|background", " ".join(turns))
        for turn in turns[1::2]:
            for region in codec.decode(turn):
                found[row["images"][0]].add(region.label)
                assert iou(region, content, images.index(row["images"][0])) > 0.9
    assert list(found.values()) == [{"car"}, {"truck"}]


def iou(region, content, image):
    """How well a region agrees with the one annotation of an image."""
    (own,) = (one for one in content["annotations"] if one["image_id"] == image)
    mask = mc.coco.read(own["segmentation"], shape=(HEIGHT, WIDTH)).mask()
    drawn = region.mask((HEIGHT, WIDTH))
    return np.count_nonzero(mask & drawn) / np.count_nonzero(mask | drawn)
