"""Label maps: pictures whose values are classes, and the names of these."""

import csv
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from maskcodec import BuildError, ConfigError, SourceError
from maskcodec.coco import RunMask
from maskcodec.data import Broken, open_source
from maskcodec.data._labelmaps import read_index, value_masks
from maskcodec.data._names import read_names
from maskcodec.files import images as image_files
from maskcodec.messages import sides
from tests import datasets
from tests.data.builds import made
from tests.data.records import keys, painted, pixels
from tests.datasets import SHAPE, write


def test_label_maps_give_a_mask_for_each_class(tmp_path):
    values = datasets.label_maps(tmp_path)
    options = {"names": tmp_path / "names.csv"}
    first, second = open_source("index", tmp_path / "maps", suffix=".png", images="p", **options)
    assert (first.key, first.image) == ("index:b", "p/b.png")
    assert (first.task, first.shape, first.names) == ("semantic", SHAPE, ("wall", "building"))
    assert painted(first) == [("wall", pixels(values == 1)), ("building", pixels(values == 2))]
    assert (second.key, second.image) == ("index:street/a", "p/street/a.png")
    assert painted(second) == [("wall", pixels(np.ones(SHAPE)))]
    (alone,) = open_source("ade20k", tmp_path / "maps" / "b.png", **options)
    assert (alone.key, alone.image) == ("ade20k:b", "b.jpg")
    assert alone.instances == first.instances


def test_a_value_needs_a_name_or_to_mean_nothing(tmp_path):
    datasets.label_maps(tmp_path, "Idx,Name\n1,wall\n")
    options = {"names": tmp_path / "names.csv"}
    source = open_source("index", tmp_path / "maps", **options)
    message = "it has 24 pixels of value 2, which has no name"
    assert next(iter(source)) == Broken(str(tmp_path / "maps" / "b.png"), message)
    assert keys(source) == ["index:street/a"]
    assert len(keys(open_source("index", tmp_path / "maps", unlabelled=[0, 2], **options))) == 2
    source = open_source("index", tmp_path / "maps", unlabelled=[], **options)
    assert source[0].message == "it has 15 pixels of value 0, which has no name"


def test_real_label_maps(real_data):
    folder = real_data / "ade"
    found = list(open_source("ade20k", folder, names=folder / "objectInfo150.csv"))
    assert [one.key for one in found] == [f"ade20k:ADE_val_0000000{k}" for k in (1, 2, 3)]
    with (folder / "objectInfo150.csv").open() as file:
        names = {int(row["Idx"]): row["Name"].split(";")[0] for row in csv.DictReader(file)}
    assert found[0].names[:3] == ("wall", "building", "sky")
    listed = {name for one in found for name in one.names}
    assert len(listed) == len(names) - 1 == 149
    assert "palm" not in listed  # all three show a tree, and a palm is a palm tree
    assert {"chest of drawers", "traffic light", "screen door", "television"} < listed
    assert [name for name in listed if ";" in name] == []
    for one in found:
        with Image.open(folder / one.image.replace(".jpg", ".png")) as picture:
            values = np.asarray(picture)
        expected = [value for value in np.unique(values).tolist() if value]
        assert [instance.label for instance in one.instances] == [names[v] for v in expected]
        for value, instance in zip(expected, one.instances, strict=True):
            assert np.array_equal(instance.segmentation.mask(), values == value)


def test_masks_beside_photos(tmp_path):
    mask = datasets.masks(tmp_path)
    first, second = open_source("masks", tmp_path, images="photos")
    assert (first.key, first.image) == ("masks:a", "photos/a.jpg")
    assert painted(first) == [("cat", pixels(1 - mask)), ("dog", pixels(mask))]
    assert (first.task, first.shape, first.complete) == ("classes", SHAPE, False)
    assert (second.key, second.image) == ("masks:street/b", "photos/street/b.jpg")
    assert (second.instances, second.names) == ((), ("cat",))  # nobody says that there is no dog
    (alone,) = open_source("masks", tmp_path / "dog", label="big dog", suffix=".webp")
    assert (alone.key, alone.image, alone.names) == ("masks:a", "a.webp", ("big dog",))
    assert painted(alone) == [("big dog", pixels(mask))]
    wrong = rf"a.png lies in no folder that .*, {tmp_path}/dog/dog/a.png; with label=dog all masks"
    for path in tmp_path / "dog", tmp_path / "dog" / "a.png":
        with pytest.raises(SourceError, match=wrong):
            open_source("masks", path)
    with pytest.raises(SourceError, match="is no PNG, and no folder that holds any"):
        open_source("masks", tmp_path / "none.png")
    Image.new("L", (3, 3), 255).save(tmp_path / "dog" / "a.png")
    assert open_source("masks", tmp_path)[0] == Broken(
        f"{tmp_path}/dog/a.png", f"it has 3 x 3 pixels, {tmp_path}/cat/a.png {sides(SHAPE)}"
    )


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_grey_edges_of_masks_need_a_threshold(mode, tmp_path):
    Image.fromarray(np.array([[0, 100, 200, 255]], np.uint8)).convert(mode).save(tmp_path / "a.png")
    (found,) = open_source("masks", tmp_path, label="dog")
    assert found == Broken(
        f"{tmp_path}/a.png",
        "it has 4 values, and a mask has two; it looks like an antialiased or JPEG mask: cut it "
        "first, for example at 128, or by threshold=128",
    )
    for threshold, expected in (100, [0, 1, 1, 1]), (128, [0, 0, 1, 1]), (255, [0, 0, 0, 1]):
        (found,) = open_source("masks", tmp_path, label="dog", threshold=threshold)
        assert painted(found) == [("dog", [expected])]
    for threshold in -1, 256:
        with pytest.raises(ConfigError, match=rf"threshold must be 1 \.\. 255, got {threshold}"):
            open_source("masks", tmp_path, label="dog", threshold=threshold)


def test_a_folder_must_hold_label_maps(tmp_path):
    datasets.label_maps(tmp_path)
    (tmp_path / "empty").mkdir()
    for path in tmp_path / "empty", tmp_path / "none.png":
        with pytest.raises(SourceError, match="is no PNG, and no folder that holds any"):
            open_source("index", path, names=tmp_path / "names.csv")


def test_a_picture_must_be_a_label_map(tmp_path, monkeypatch):
    datasets.label_maps(tmp_path)
    path = tmp_path / "maps" / "b.png"
    source = open_source("index", path, names=tmp_path / "names.csv")
    path.write_bytes(path.read_bytes()[:50])
    assert source[0].message.startswith("it is not an image that can be read: ")
    Image.new("RGB", (4, 4)).save(path)
    message = (
        "it has the mode RGB; expected is an image with one number a pixel, as an index image has"
    )
    assert source[0] == Broken(str(path), message)
    Image.new("L", (9, 9)).save(path)
    monkeypatch.setattr(image_files, "MOST_CLAIMED", 80)
    assert source[0].message == "it claims 9 x 9 pixels; up to 80 are read"
    path.unlink()
    assert source[0].message == "it is missing"


def test_a_large_picture_is_taken_without_a_warning(tmp_path, monkeypatch):
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 80)
    assert read_index(tmp_path / "a.png", (9, 9))[0].shape == (9, 9)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(SourceError, match=r"is not an image that can be read: .* bomb"):
        read_index(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["1", "L", "P", "I;16"])
def test_every_image_of_numbers_is_read(tmp_path, kind):
    values = np.eye(3, 4, dtype=np.uint16 if kind == "I;16" else np.uint8)
    picture = Image.fromarray(values * 255).convert("1") if kind == "1" else Image.fromarray(values)
    if kind == "P":
        picture.putpalette(bytes(range(60)))
    picture.save(tmp_path / "a.png")
    masks = read_index(tmp_path / "a.png")
    assert list(masks) == [0, 1]
    assert np.array_equal(masks[1].mask(), values)


@given(
    hnp.arrays(
        np.uint32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 3)
    ),
    st.lists(st.integers(0, 36)),
)
def test_masks_of_values_are_those_of_their_pixels(values, cuts):
    flat = values.T.ravel()
    edges = sorted({0, flat.size, *(cut for cut in cuts if cut < flat.size)})
    pieces = [flat[start:stop] for start, stop in itertools.pairwise(edges)]
    masks = value_masks(pieces, values.shape, "a.png")
    assert list(masks) == np.unique(values).tolist()
    for value, mask in masks.items():
        assert mask == RunMask.from_mask(values == value)
        assert mask.counts.tolist() == RunMask.from_mask(values == value).counts.tolist()
        assert np.array_equal(mask.mask(), values == value)


NAMES = [
    ("a.json", '["wall", null, "", "sky"]', {1: "wall", 4: "sky"}),
    ("a.json", '{"7": "wall", "0": " sky "}', {7: "wall", 0: "sky"}),
    ("names", ' {"-1": "wall"}', {-1: "wall"}),
    ("a.txt", "\ufeffwall\r\n\r\nsky, blue", {1: "wall", 3: "sky, blue"}),
    ("a.csv", 'Name,Idx\n"wall",5\n\n"sky;air",6\n', {5: "wall", 6: "sky"}),
    (
        "a.csv",
        "Idx,Name\n45,chest;of;drawers;chest\n57,pool;table\n58,pool;tables\n110,swimming;pool\n",
        {45: "chest of drawers", 57: "pool table", 58: "pool", 110: "swimming pool"},
    ),
    (
        "a.csv",
        "Idx,Name\n1,screen;monitor\n2,screen;silver;screen\n3,wall\n",
        {1: "screen;monitor", 2: "screen;silver;screen", 3: "wall"},
    ),
    (
        "a.txt",
        "Idx\tRatio\tName\n1\t0.1\twall\n2\t0.2\tbuilding, edifice\n",
        {1: "wall", 2: "building"},
    ),
]


@pytest.mark.parametrize(("file", "text", "expected"), NAMES)
def test_names_come_in_several_files(tmp_path, file, text, expected):
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert read_names(tmp_path / file, 1) == expected


NO_NAMES = [
    ("a.json", b"{", "is not JSON that can be read"),
    ("a.json", b"7", 'must be {"1": "wall", ...} or a list of names, got 7'),
    ("a.json", b"[7]", "a name must be a string or null, got 7"),
    ("a.json", b'{"wall": "1"}', "a value must be a whole number, got 'wall'"),
    ("a.json", rb'["\ud800"]', r'a name must be a string or null, got "\ud800"'),
    ("a.json", b"[null]", "names no value"),
    ("a.json", b'{"1": "a", " 1": "b"}', "names value 1 twice"),
    ("a.txt", b"", "names no value"),
    ("a.txt", b"dog\nk\xf6ter", "is not UTF-8: byte 5 is 0xf6; save it as UTF-8"),
    ("a.txt", "dog\ncat\n".encode("utf-16"), "is in UTF-16 or UTF-32: save it as UTF-8"),
    ("a.csv", b"", "is no table: "),
    ("a.csv", b'Idx,Name\n1,"a', "is no table: unexpected end of data"),
    (
        "a.csv",
        b"Index,Label\n1,a",
        "needs the columns Idx and Name, as objectInfo150.csv has them, ",
    ),
    ("a.csv", b"Name\na", "got 'Name'"),
    ("a.csv", b"Idx,Name\n1\n", "line 2 has 1 column, not 2"),
    ("a.csv", b"Idx,Name\n1.5,a\n", "a value must be a whole number, got '1.5'"),
]


@pytest.mark.parametrize(("file", "data", "message"), NO_NAMES)
def test_what_names_nothing(tmp_path, file, data, message):
    (tmp_path / file).write_bytes(data)
    with pytest.raises(SourceError) as caught:
        read_names(tmp_path / file, 0)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / file))


def test_names_must_be_there(tmp_path):
    with pytest.raises(SourceError, match="cannot be read: No such file or directory"):
        read_names(tmp_path / "none.json", 0)


def test_a_map_without_a_value_that_is_named_says_nothing(tmp_path):
    for number, values in enumerate([[0, 255], [255, 255], [0, 0], [0, 1]]):
        Image.fromarray(np.array([values], np.uint8)).save(tmp_path / f"{number}.png")
    names = write(tmp_path / "n.json", {"1": "dog", "2": "cat"})
    *wrong, right = open_source("index", tmp_path, names=names)
    rest = ", and names= names 1, 2; a value that is there for nothing is named background"
    assert [one.message for one in wrong] == [
        f"none of its values has a name: it has {found}{rest}" for found in ("0, 255", "255", "0")
    ]
    assert [one.label for one in right.instances] == ["dog"]
    with pytest.raises(BuildError, match=r"no row came of 3 samples; broken are 3, first .*0, 255"):
        made(wrong, tmp_path / "out")
    write(names, {"0": "background", "1": "dog"})
    nothing = open_source("index", tmp_path, names=names)[2]
    assert (nothing.instances, nothing.names) == ((), ("dog",))


def test_a_map_of_many_values_is_named_by_some(tmp_path):
    Image.fromarray(np.arange(20, 80, dtype=np.uint8)[None]).save(tmp_path / "1.png")
    names = write(tmp_path / "n.json", {"1": "dog"})
    (found,) = open_source("index", tmp_path, names=names, unlabelled=range(256))
    assert "it has 20, 21, 22, 23, 24, 25, 26, 27 and 52 more, and names= names 1;" in found.message
