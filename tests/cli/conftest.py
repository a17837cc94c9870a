"""Fixtures of more than one file here."""

import pytest
from PIL import Image

from maskcodec.coco import RunMask
from tests.cli.calling import BOTH, DOG, MAP, MASK, SHAPE, TEXT, polygon, rle, write


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with a mask, a label map, its names and a photo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Image.fromarray(MASK * 255).save("mask.png")
    Image.fromarray(MAP).save("map.png")
    Image.new("RGB", SHAPE[::-1], (90, 120, 150)).save("photo.png")
    write("names.json", {"1": "dog", "2": "cat"})
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    (tmp_path / "both.txt").write_bytes(BOTH.encode())
    return tmp_path


@pytest.fixture
def coco():
    """A COCO file with a polygon, counts, packed counts, an empty one, and one that gets lost."""
    cat = RunMask.from_mask(MAP == 2)
    packed = cat.coco_rle()["counts"].decode()
    return {
        "images": [
            {"id": 7, "height": SHAPE[0], "width": SHAPE[1]},
            {"id": 8, "height": 4, "width": 4},
            {"id": 9, "height": 4, "width": 4},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "segmentation": [polygon(DOG)]},
            {
                "id": 2,
                "image_id": 7,
                "category_id": 2,
                "segmentation": rle(cat.counts.tolist()),
                "iscrowd": 1,
            },
            {"id": 3, "image_id": 7, "category_id": 2, "segmentation": rle(packed)},
            {"id": 4, "image_id": 7, "category_id": 9, "segmentation": rle([MASK.size])},
            {"id": 5, "image_id": 7, "category_id": 1, "segmentation": rle([0, 1, MASK.size - 1])},
            {"id": 6, "image_id": 9, "category_id": 1, "segmentation": "elsewhere"},
        ],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "[cat]"}, "noise"],
    }
