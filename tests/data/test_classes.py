"""What an image says of classes that it has no annotation of: broader ones, synonyms, and none."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskcodec.data import open_source
from maskcodec.data._classes import Classes, is_class
from tests import datasets
from tests.data.builds import rows, run
from tests.data.questions import LEFT, RIGHT, labels, maker, many, sample
from tests.datasets import block, rle, write


def categories(*pairs):
    """Entries of a COCO file of names and supercategories; ids count from 0."""
    return [{"id": k, "name": name, "supercategory": kind} for k, (name, kind) in enumerate(pairs)]


def coco(table, *of_images):
    """A COCO file with an image for each list of category ids."""
    pixels = rle(block(1, 1, 3, 3))
    owners = [(image, kind) for image, kinds in enumerate(of_images) for kind in kinds]
    return {
        "images": datasets._images(*range(len(of_images))),
        "categories": table,
        "annotations": [
            {"id": k, "image_id": image, "category_id": kind, "segmentation": pixels}
            for k, (image, kind) in enumerate(owners)
        ],
    }


ROBOFLOW = categories(("vehicles", "none"), ("car", "vehicles"), ("truck", "vehicles"))


def test_a_root_without_annotations_is_never_denied(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = coco(ROBOFLOW, *([1 + k % 2] for k in range(8)))
    write(Path("a.json"), content)
    run("coco:a.json", "--out", "rows", "--workers", 1, "--absent", 1)
    told = " ".join(row["messages"][1]["content"] for row in rows("rows"))
    assert "vehicles" not in told
    assert "no car" in told
    assert "no truck" in told


def test_a_broader_class_is_neither_denied_nor_asked_for_beside_a_narrower_one(opened):
    narrow, broad, both, neither = opened(coco(ROBOFLOW, [1], [0], [0, 1], []))
    assert (narrow.names, narrow.unasked) == (("car", "truck"), ())
    assert (broad.names, broad.unasked) == (("vehicles",), ())  # which may be a car
    assert (both.names, both.unasked) == (("vehicles", "car"), ("vehicles",))
    assert (neither.names, neither.unasked) == (("vehicles", "car", "truck"), ())


@pytest.mark.parametrize("kind", ["classes", "semantic"])
def test_what_is_not_to_be_asked_for_is_only_in_the_whole_image(kind):
    scene = sample(kind, ("vehicles", LEFT), ("car", RIGHT), unasked=("vehicles",), complete=True)
    for question, answer in many(maker(whole=0.0), scene, 20):
        assert "vehicles" not in question
        assert labels(answer) == ["car"]
    for _, answer in many(maker(whole=1.0), scene, 5):
        assert labels(answer) == ["vehicles", "car"]


def test_broader_classes_are_found_at_any_height_and_in_circles(opened):
    table = categories(
        ("Thing-other", None),
        ("animal", "THING"),
        ("dog", "animal"),
        ("pug", "dog"),
        ("cat", "cat"),
    )
    table[0]["name"] = "thing"
    first, second = opened(coco(table, [3, 0], [4, 1, 2]))
    assert (first.names, first.unasked) == (("thing", "pug", "cat"), ("thing",))
    assert second.names == ("animal", "dog", "cat")
    assert second.unasked == ("animal",)
    round_ = categories(("a", "b"), ("b", "c"), ("c", "a"), ("d", "d"))
    (only,) = opened(coco(round_, [0, 1, 2]))
    assert only.names == ("a", "b", "c", "d")
    assert set(only.unasked) == {"a", "b", "c"}


def test_categories_of_one_name_are_one_class(opened):
    (found,) = opened(coco(categories(("car", "none"), ("car", "car"), ("bus", "none")), [1]))
    assert (found.names, found.unasked) == (("car", "bus"), ())


NONE = ["_background_", "background", "__ignore__", "void", "unlabeled", "Unlabelled", "Ignore"]


@pytest.mark.parametrize("name", NONE)
@pytest.mark.parametrize("named", ["plain", "file"])
def test_what_is_no_class_is_never_spoken_of(opened, name, named):
    table = categories((name, ""), ("dog", ""), ("cat", ""))
    first, second = opened(coco(table, [1, 0], [0]), labels=named)
    assert [one.label for one in first.instances] == ["dog"]
    assert (second.instances, second.names) == ((), ("dog", "cat"))


def test_no_class_in_lvis_panoptic_and_index_maps(opened, tmp_path):
    content = datasets.lvis()
    content["categories"].append({"id": 9, "name": "void"})
    content["images"][0]["neg_category_ids"] = [3, 9]
    assert opened(content, "lvis")[0].names == ("bow (weapon)", "baseball bat", "cat")
    content = datasets.panoptic(tmp_path)
    content["categories"][1]["name"] = "void"
    found = opened(content, "panoptic", masks=tmp_path / "panoptic_val2017")[0]
    assert [one.label for one in found.instances] == ["person", "person"]
    assert found.names == ("person", "wall-wood")
    names = write(tmp_path / "n.json", {"0": "background", "1": "dog", "2": "cat"})
    Image.fromarray(block(0, 0, 2, 2)).save(tmp_path / "1.png")
    (found,) = open_source("index", tmp_path / "1.png", names=names)
    assert [one.label for one in found.instances] == ["dog"]
    assert found.names == ("dog", "cat")


def test_synonyms_of_what_is_there_are_not_denied(opened, tmp_path):
    content = datasets.lvis()
    content["categories"] = [
        {"id": 1, "name": "sofa", "synonyms": ["sofa", "couch", 5]},
        {"id": 18, "name": "dog", "synonyms": "dog"},
        {"id": 3, "name": "couch_bed", "synonyms": ["sleeper"]},
        {"id": 4, "name": "davenport", "synonyms": ["couch"]},
        {"id": 5, "name": "cat", "synonyms": ["mog", "tom_cat"]},
    ]
    for image in content["images"]:
        image["neg_category_ids"] = [3, 4, 5]
    first, _, third = opened(content, "lvis")
    assert first.names == ("dog", "sofa", "cat")
    assert third.names == ("couch bed", "davenport", "cat")
    table = "Idx,Name\n1,tree\n2,palm;palm tree\n3,edifice\n4,building;edifice\n5,sky\n"
    (tmp_path / "names.csv").write_text(table)
    values = np.array([[1, 4]], np.uint8)
    Image.fromarray(values).save(tmp_path / "1.png")
    (found,) = open_source("index", tmp_path / "1.png", names=tmp_path / "names.csv")
    assert found.names == ("tree", "building", "sky")


def test_parents_of_stuff_are_not_denied(opened, tmp_path):
    content = datasets.panoptic(tmp_path)
    content["categories"] += [
        {"id": 2, "name": "human", "supercategory": "none", "isthing": 1},
        {"id": 3, "name": "child", "supercategory": "person", "isthing": 1},
        {"id": 4, "name": "wall", "isthing": 0},
    ]
    for entry, kind in zip(content["categories"], ("human", "sky", "wall"), strict=False):
        entry["supercategory"] = kind
    shown = content["annotations"][0]["segments_info"]
    shown[0]["category_id"] = 175
    found = opened(content, "panoptic", masks=tmp_path / "panoptic_val2017")[0]
    assert [one.label for one in found.instances] == ["wall-wood", "person", "sky"]
    assert found.names == ("person", "sky", "wall-wood")


def test_names_that_are_none():
    assert not any(map(is_class, NONE))
    assert all(map(is_class, ["dog", "void stuff", "+", "sky background"]))
    assert Classes(["dog", "void", "dog"]).names == ("dog",)


def test_relations_take_no_more_room_than_names():
    count = 3000
    names = [f"x {k}" for k in range(count)]
    chain = {f"x {k}": [f"x {k + 1}"] for k in range(count)}
    found = Classes(
        [*names, "y" * 5000],
        kinds={name: name for name in names[::2]},
        above=chain,
        synonyms={"x 0": ["x"]},
    )
    odd = tuple(names[1::2])
    assert found.given(["x 2000"])[0] == (*odd[:1000], "x 2000", *odd[1000:], "y" * 5000)
    assert found.given(["x 0"])[0] == ("x 0", "y" * 5000)
    assert found.given(["x 0", "x 2"], ("x 0", "z"))[1] == ("x 2",)
    assert sum(map(len, found._kept.values())) <= 100 * len(names)
