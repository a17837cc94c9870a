"""The full ADE20K: a PNG of classes and objects beside each image, names in JSON or a file."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from maskcodec import ConfigError, SourceError
from maskcodec.data import Broken, open_source
from maskcodec.data._names import first_names
from tests.data.builds import rows, run
from tests.data.records import keys, painted, pixels
from tests.datasets import SHAPE, block, write

PERSON, WALL, DOOR = 1831, 2978, 774
WHERE = "images/ADE/training/home/den/ADE_train_00000001"
OBJECTS = [
    {"id": 0, "name": "person, individual, someone", "name_ndx": PERSON},
    {"id": 1, "name": "person, individual, someone", "name_ndx": float(PERSON)},
    {"id": 2, "name": "wall", "name_ndx": WALL},
    {"id": 3, "name": "door", "name_ndx": DOOR},  # a part, which no pixel shows
    {"id": 4, "name": None, "name_ndx": 5},
    7,
]


def classes():
    """Two people before a wall, and a corner that is nothing: class and object of each pixel."""
    values, numbers = np.full(SHAPE, WALL), np.full(SHAPE, 3)
    for number, x in ((1, 1), (2, 5)):
        values[2:5, x : x + 2], numbers[2:5, x : x + 2] = PERSON, number
    values[0, 0] = numbers[0, 0] = 0
    return values, numbers


def save(path, values, numbers):
    path.parent.mkdir(parents=True, exist_ok=True)
    red = values // 256 * 10 + np.arange(SHAPE[1]) % 10 * (values > 0)  # what // 10 drops
    colours = np.stack([red, values % 256, numbers], 2).astype(np.uint8)
    Image.fromarray(colours).save(path)


@pytest.fixture
def full(tmp_path):
    """The folder of the release of 2020, with one image; its parts and masks of objects."""
    folder = tmp_path / "ADE20K_2021_17_01"
    save(folder / f"{WHERE}_seg.png", *classes())
    save(folder / f"{WHERE}_parts_1.png", *classes())
    save(folder / WHERE / "instance_000_ADE_train_00000001.png", *classes())
    write(folder / f"{WHERE}.json", {"annotation": {"object": OBJECTS}})
    return folder


def test_each_object_is_an_instance_of_its_class(full):
    (found,) = open_source("ade20k", full, images="photos")
    assert (found.key, found.image) == (f"ade20k:{WHERE}", f"photos/{WHERE}.jpg")
    assert (found.task, found.shape, found.names, found.complete) == ("semantic", SHAPE, (), True)
    people = block(2, 1, 3, 2), block(2, 5, 3, 2)
    wall = 1 - people[0] - people[1]
    wall[0, 0] = 0
    assert painted(found) == [
        *(("person", pixels(mask)) for mask in people),
        ("wall", pixels(wall)),
    ]
    assert next(iter(open_source("ade20k", full / f"{WHERE}_seg.png", name="a"))).key == (
        "a:ADE_train_00000001"
    )


def test_a_command_builds_from_the_full_dataset(full, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(f"ade20k:{full}", "--out", "rows", "--workers", 1, "--absent", 1, "--whole", 1)
    (row,) = rows("rows")
    told = row["messages"][1]["content"]
    assert [told.count(f"<ref>{name}</ref>") for name in ("person", "wall", "door")] == [2, 1, 0]
    assert " no " not in told


def test_names_of_a_file_come_before_those_of_json(full):
    names = [""] * PERSON
    names[PERSON - 1] = "human, being"
    write(full / "names.json", dict(enumerate(names, 1)) | {WALL: "wall, panel", 3: "human, man"})
    (found,) = open_source("ade20k", full, names=full / "names.json")
    assert [one.label for one in found.instances] == ["human, being", "human, being", "wall"]
    (full / f"{WHERE}.json").unlink()
    assert next(iter(open_source("ade20k", full, names=full / "names.json"))) == found


def test_the_release_of_2017_needs_a_file_of_names(full):
    (full / f"{WHERE}.json").unlink()
    with pytest.raises(SourceError, match=r"has \*_seg.png but no JSON file .*2017: names= says"):
        open_source("ade20k", full)
    lines = "\n" * (DOOR - 1) + "door\n" + "\n" * (PERSON - DOOR - 1) + "person, individual\n"
    (full / "objectnames.txt").write_text(lines)
    (found,) = open_source("ade20k", full, names=full / "objectnames.txt")
    assert found.message == "it has 35 pixels of class 2978, which has no name"


def test_maps_of_150_classes_need_names(tmp_path):
    Image.fromarray(block(0, 0, 2, 2)).save(tmp_path / "ADE_val_00000001.png")
    with pytest.raises(ConfigError, match="'ade20k' needs the option 'names', such as names=obj"):
        open_source("ade20k", tmp_path)
    with pytest.raises(ConfigError, match="there is no text encoding 'x'"):
        open_source("ade20k", tmp_path, encoding="x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "it must be an object, but it is a list"),
        ({}, 'it needs a list "object" in its "annotation", got null'),
        ({"annotation": {"object": {}}}, 'it needs a list "object" in its "annotation", got an'),
        (
            {"annotation": {"object": [*OBJECTS, {"name": "man", "name_ndx": PERSON}]}},
            'two objects have the "name_ndx" 1831, called "person, individual, someone" and "man"',
        ),
    ],
)
def test_json_that_names_nothing_is_broken(full, content, message):
    write(full / f"{WHERE}.json", content)
    (found,) = open_source("ade20k", full)
    assert found.where == str(full / f"{WHERE}.json")
    assert found.message.startswith(message)


def test_json_in_another_encoding(full):
    objects = json.dumps({"annotation": {"object": OBJECTS}, "café": 1}, ensure_ascii=False)
    (full / f"{WHERE}.json").write_bytes(objects.encode("latin-1"))
    (found,) = open_source("ade20k", full)
    assert found.message.endswith("or say what it is in, such as encoding=cp1252")
    assert keys(open_source("ade20k", full, encoding="latin-1")) == [f"ade20k:{WHERE}"]


def test_records_of_the_full_dataset_that_are_broken(full):
    write(full / f"{WHERE}.json", {"annotation": {"object": OBJECTS[:2]}})
    source = pickle.loads(pickle.dumps(open_source("ade20k", full)))
    path = full / f"{WHERE}_seg.png"
    assert source[0] == Broken(str(path), "it has 35 pixels of class 2978, which has no name")
    Image.fromarray(block(0, 0, 2, 2)).save(path)
    assert source[0].message.startswith(
        "it has the mode L; expected is an image with red, green and"
    )
    save(path, *(0 * part for part in classes()))
    assert source[0].instances == ()
    write(full / f"{WHERE}.json", {"annotation": {"object": [{"name": "void", "name_ndx": 1}]}})
    save(path, 0 * classes()[0] + 1, classes()[1])
    assert source[0].instances == ()
    (full / f"{WHERE}.json").unlink()
    assert "cannot be read: No such file" in source[0].message


def test_first_names_stay_apart():
    assert first_names({1: "bar, pub", 2: "bar", 3: "sea, ocean"}) == {
        1: "bar, pub",
        2: "bar",
        3: "sea",
    }
