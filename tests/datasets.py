"""Small datasets in the layouts that the large ones are published in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from maskcodec.coco import RunMask

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = 6, 8  # of every image


def write(path: Path, content: Any) -> Path:
    """A JSON file, or one with a line of JSON for each entry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lined = path.suffix == ".jsonl"
    text = "".join(f"{json.dumps(row)}\n" for row in content) if lined else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def block(y: int, x: int, height: int, width: int) -> np.ndarray:
    """A mask of one rectangle."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[y : y + height, x : x + width] = 1
    return mask


def rle(mask: np.ndarray) -> dict[str, Any]:
    """Run lengths as COCO writes those of crowds."""
    return {"size": list(mask.shape), "counts": RunMask.from_mask(mask).counts.tolist()}


def compressed(mask: np.ndarray) -> dict[str, Any]:
    """Run lengths as results and GSEval have them."""
    found = RunMask.from_mask(mask).coco_rle()
    return {**found, "counts": found["counts"].decode()}


def _images(*ids: int) -> list[dict[str, Any]]:
    height, width = SHAPE
    return [
        {"id": key, "file_name": f"{key:012}.jpg", "height": height, "width": width} for key in ids
    ]


def coco() -> dict[str, Any]:
    """``instances_*.json``: annotations of an image stand anywhere, and image 9 has none."""
    square = [[1, 1, 4, 1, 4, 4, 1, 4]]
    rows = [
        (101, 8, 18, square, 0),
        (102, 7, 18, square, 0),
        (103, 8, 1, rle(block(0, 0, 2, 3)), 1),
        (104, 7, 1, [*square, [5, 0, 8, 0, 8, 3, 5, 3]], 0),
    ]
    names = "id", "image_id", "category_id", "segmentation", "iscrowd"
    return {
        "info": {"year": 2017, "more": {"nested": [1, [2]]}},
        "licenses": [{"id": 1}],
        "images": _images(7, 8, 9),
        "annotations": [dict(zip(names, row, strict=True)) for row in rows],
        "categories": [
            {"id": 1, "name": "person", "supercategory": "person"},
            {"id": 18, "name": "dog", "supercategory": "animal"},
        ],
    }


def lvis() -> dict[str, Any]:
    """``lvis_v1_*.json``: names of two words, an address for a file's name, classes not there."""
    found = coco()
    for image in found["images"]:
        name = image.pop("file_name")
        image |= {
            "coco_url": f"http://images.cocodataset.org/val2017/{name}",
            "neg_category_ids": [3],
            "not_exhaustive_category_ids": [],
        }
    for annotation in found["annotations"]:
        del annotation["iscrowd"]
    names = {1: "baseball_bat", 18: "bow_(weapon)", 3: "cat"}
    found["categories"] = [
        {"id": key, "name": name, "synset": f"{name}.n.01", "frequency": "r"}
        for key, name in names.items()
    ]
    return found


PERSON, SKY = 3 + 256 * 2 + 65536, 300  # ids that take all three colours, and two of them


def segments() -> np.ndarray:
    """The ids of a panoptic image: sky above, two people, and a corner that is nothing."""
    ids = np.full(SHAPE, SKY)
    ids[2:] = PERSON
    ids[2:, 4:] = 5
    ids[5, 7] = 0
    return ids


def write_segments(path: Path, ids: np.ndarray) -> None:
    """A panoptic PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([ids >> shift & 255 for shift in (0, 8, 16)], 2).astype("u1")).save(
        path
    )


def panoptic(folder: Path) -> dict[str, Any]:
    """``panoptic_*.json``, and its PNGs in ``folder/panoptic_val2017``."""
    for key in (7, 8):
        write_segments(folder / "panoptic_val2017" / f"{key:012}.png", segments())
    rows = [(PERSON, 1, 0), (5, 1, 1), (SKY, 187, 0)]
    info = [{"id": key, "category_id": kind, "iscrowd": crowd} for key, kind, crowd in rows]
    return {
        "images": _images(7, 8),
        "annotations": [
            {
                "image_id": key,
                "file_name": f"{key:012}.png",
                "segments_info": [dict(segment) for segment in info],
            }
            for key in (8, 7)
        ],
        "categories": [
            {"id": 1, "name": "person", "isthing": 1},
            {"id": 187, "name": "sky-other-merged", "isthing": 0},
            {"id": 175, "name": "wall-wood", "isthing": 0},
        ],
    }


def pix2cap(folder: Path) -> dict[str, Any]:
    """``pix2cap_coco_*.json``, whose PNGs are those of `panoptic`."""
    found = panoptic(folder)
    captions = "A person on the left.", "", " The sky above two people, é. "
    for annotation in found["annotations"]:
        for segment, caption in zip(annotation["segments_info"], captions, strict=True):
            segment["description"] = caption
    return found


def label_maps(folder: Path, names: str = "Idx,Ratio,Name\n1,0.5,wall\n2,0.1,building;edifice\n"):
    """Label maps in ``folder/maps``, one of them in a folder in it, and ``folder/names.csv``."""
    values = np.zeros(SHAPE, np.uint8)
    values[1:, 2:] = 2
    values[:3, 5:] = 1
    (folder / "maps" / "street").mkdir(parents=True)
    Image.fromarray(values).save(folder / "maps" / "b.png")
    flat = Image.fromarray(values * 0 + 1)
    flat.putpalette(bytes(range(90)))
    flat.save(folder / "maps" / "street" / "a.png")
    (folder / "names.csv").write_text(names, encoding="utf-8")
    return values


def masks(folder: Path) -> np.ndarray:
    """Masks in folders of their classes: one of a dog and a cat, one of a cat that is not there."""
    mask = block(1, 3, 2, 6)
    for name, pixels in ("cat/a", 1 - mask), ("cat/street/b", 0 * mask), ("dog/a", mask):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels * 255).save(folder / f"{name}.png")
    return mask


def llava() -> list[dict[str, Any]]:
    """``llava_v1_5_mix665k.json``: ids come again, and some records have no image."""
    asked = {"from": "human", "value": "<image>\nWhat is this?"}
    return [
        {
            "id": "000000033471",
            "image": "coco/train2017/000000033471.jpg",
            "conversations": [
                asked,
                {"from": "gpt", "value": "A bus, é.\n"},
                {"from": "human", "value": "Where?"},
                {"from": "gpt", "value": "Here."},
            ],
        },
        {
            "id": "000000033471",
            "model": "",
            "conversations": [
                {"from": "gpt", "value": "Hello."},
                {"from": "human", "value": "Count to two."},
                {"from": "gpt", "value": "One, two."},
            ],
        },
    ]


def gseval() -> list[dict[str, Any]]:
    """``GSEval.jsonl``."""
    return [
        {
            "idx": key,
            "image_path": f"unlabeled2017/{key:012}.jpg",
            "class_id": 1,
            "label": "snow",
            "caption": f"The snow under skier {key}.",
            "box": [0.0, 0.0, 8.0, 6.0],
            "segmentation": compressed(block(1, 2, 3, 4)),
        }
        for key in (3, 15)
    ]
