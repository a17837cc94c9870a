"""`maskcodec encode` and `tokens`: the annotations of an image."""

import json
import os
import sys
import tracemalloc
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.cli import codecs
from maskcodec.cli.annotations import CocoFile, CocoImage
from maskcodec.coco import RunMask
from maskcodec.data import _jsontext, drawing
from maskcodec.masks.grid import Method
from maskcodec.metrics import measure
from tests.cli.calling import (
    BOTH,
    DOG,
    MAP,
    MASK,
    SHAPE,
    TEXT,
    boxes,
    disc,
    fails,
    image,
    misused,
    polygon,
    rle,
    run,
    words,
    write,
    write_tokenizer,
)

pytestmark = pytest.mark.usefixtures("folder")

# encode, from annotations


@pytest.fixture
def zoo():
    """A COCO file of an image: a small dog upon a large one, a crowd of cats; and another image."""
    small = boxes((14, 15, 20, 20))
    cats = RunMask.from_mask(MAP == 2).counts.tolist()
    dog = RunMask.from_mask(small).coco_rle()["counts"].decode()
    return {
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "segmentation": rle(dog)},
            {"id": 2, "image_id": 8, "category_id": 1, "segmentation": "elsewhere"},
            {"id": 3, "image_id": "7", "category_id": 1, "segmentation": [polygon(DOG)]},
            {"id": 4, "image_id": 7, "category_id": 2, "segmentation": rle(cats), "iscrowd": 1},
            {"id": 5, "image_id": 8, "category_id": 1, "segmentation": None},
        ],
        "info": {"images": [{"id": 7}], "deep": [[[{"annotations": []}]]], "version": None},
        "categories": [
            {"id": 1, "name": "dog"},
            {"id": "2", "name": "cat"},
            {"id": 3, "name": " puppy "},
        ],
        "images": [
            {"id": 7, "height": SHAPE[0], "width": SHAPE[1], "tags": ["a", {"id": 5}]},
            {"id": 9, "height": 30, "width": 40},
            {"id": 8, "height": 4, "width": 4},
        ],
    }


def encode(content, *args, image_id=7):
    write("coco.json", content)
    return run("encode", "coco.json", "--image-id", image_id, *args)


def test_instances_are_written_in_the_files_order(zoo):
    result = encode(zoo)
    masks = [boxes((14, 15, 20, 20)), MAP == 1, MAP == 2]
    assert result.stdout == mc.Scanlines().encode_many(masks, ["puppy", "dog", "cat"])
    assert result.stderr == ""
    assert encode(zoo, "-c", "b-sd", "-g", "32", "--no-bricks").stdout == mc.BSD(
        grid=32, bricks=False
    ).encode_many(masks, ["puppy", "dog", "cat"])
    write("COCO.JSON", zoo)
    said = run("encode", "COCO.JSON", "--image-id", "7", "-o", "a.txt").stderr
    assert said == f"wrote a.txt: {len(result.stdout)} characters\n"
    assert Path("a.txt").read_bytes() == result.stdout_bytes


@pytest.mark.parametrize("codec", [mc.ISD, mc.IRLE, mc.RRLE])
@pytest.mark.parametrize("grid", [64, 16])
def test_on_a_grid_small_instances_lie_upon_large_ones(zoo, codec, grid):
    chosen = codec(grid=grid)
    scene = np.where(boxes((14, 15, 20, 20)) != 0, 3, MAP)
    expected = chosen.encode(scene, {1: "dog", 2: "cat", 3: "puppy"})
    for annotations in zoo["annotations"], zoo["annotations"][::-1]:
        zoo["annotations"] = annotations
        result = encode(zoo, "-c", chosen.codec_id, "-g", grid)
        assert result.stdout == expected
        assert result.stderr == ""


def test_instances_of_one_category_share_its_cells(zoo):
    zoo["annotations"][0]["category_id"] = 1
    result = encode(zoo, "-c", "r-rle", "-g", "64")
    assert result.stdout == mc.RRLE(grid=64).encode(MAP, {1: "dog", 2: "cat"})
    assert result.stderr == ""


def test_a_category_that_a_grid_loses_is_mentioned(zoo):
    cover = [polygon((10, 12, 30, 24)), polygon((10, 24, 29, 25))]
    zoo["annotations"][2]["segmentation"] = [polygon((10, 12, 30, 24))]
    zoo["annotations"][0]["segmentation"] = cover
    write("coco.json", zoo)
    result = encode(zoo, "-c", "i-rle", "-g", "64")
    assert "puppy" in result.stdout
    assert "dog*" in result.stdout
    zoo["annotations"][0]["segmentation"] = [polygon((10, 12, 30, 24))]
    result = encode(zoo, "-c", "i-rle", "-g", "64")
    assert "dog" not in result.stdout  # of two alike, the label decides
    assert result.stderr == (
        "note: smaller instances cover 'dog': no cell of the grid is left to it\n"
    )


def test_lost_instances_are_refused_or_reported(zoo):
    flea = {"id": 6, "image_id": 7, "category_id": 4, "segmentation": rle([0, 1, MASK.size - 1])}
    zoo["annotations"].append(flea)
    write("coco.json", zoo)
    assert "<ref>category 4</ref>" in encode(zoo).stdout
    message = fails("encode", "coco.json", "--image-id", "7", "-c", "b-sd")
    assert message.startswith("coco.json: annotation 6: mask ('category 4') has 1 of 128 x 192 pix")
    assert message.endswith("--sampling keep keeps it, --lost drop drops it")
    gone = "note: dropped 'category 4': no cell of the 64 x 64 grid is left of it\n"
    result = encode(zoo, "-c", "b-sd", "--lost", "drop")
    assert result.stderr == gone
    assert [region.label for region in mc.BSD().decode(result.stdout)] == ["puppy", "dog", "cat"]
    assert "<ref>category 4</ref>" in encode(zoo, "-c", "b-sd", "--sampling", "keep").stdout
    on_grid = "encode", "coco.json", "--image-id", "7", "-c", "i-rle", "-g", "64"
    assert run(*on_grid, "--lost", "drop").stderr == gone
    assert fails(*on_grid) == message
    assert "category 4*1" in run(*on_grid, "--sampling", "keep").stdout


def test_an_image_without_instances_has_an_empty_text(zoo):
    result = encode(zoo, image_id=9)
    assert result.stdout == ""
    assert result.stderr == "note: there is nothing to encode, so the text is empty\n"
    grid = encode(zoo, "-c", "i-rle", "--background", "nothing", image_id=9)
    assert grid.stdout == "<seg>nothing*256</seg>"
    assert grid.stderr == ""


def test_an_empty_instance_adds_nothing(zoo):
    zoo["annotations"][0]["segmentation"] = rle([MASK.size])
    masks = [MAP == 1, MAP == 2]
    assert encode(zoo).stdout == mc.Scanlines().encode_many(masks, ["dog", "cat"])
    result = encode(zoo, "-c", "r-rle")
    assert result.stdout == mc.RRLE().encode(MAP, {1: "dog", 2: "cat"})
    assert result.stderr == ""


def test_a_category_that_would_break_the_text_is_refused(zoo):
    zoo["categories"][0]["name"] = "dog|cat"
    assert "dog|cat" in encode(zoo).stdout
    message = fails("encode", "coco.json", "--image-id", "7", "-c", "r-rle")
    assert "coco.json: annotation 3: label 'dog|cat' holds '|', which separates" in message
    zoo["categories"][0]["name"] = "</ref>"
    write("coco.json", zoo)
    for command in "encode", "show":
        message = fails(command, "coco.json", "--image-id", "7")
        assert message.startswith("coco.json: annotation 3: label '</ref>' holds '</ref>'")
    zoo["categories"][0]["name"] = "others"
    assert "<ref>others</ref>" in encode(zoo).stdout
    message = fails("encode", "coco.json", "--image-id", "7", "-c", "r-rle")
    assert message == (
        "coco.json: annotation 3: 'others' is the background's label; give the codec another one"
    )
    assert "others*" in encode(zoo, "-c", "r-rle", "--background", "nothing").stdout


def test_the_order_of_keys_makes_no_difference(zoo):
    text = encode(zoo).stdout
    assert "puppy" in text
    for turn in range(1, len(zoo)):
        keys = [*zoo][turn:] + [*zoo][:turn]
        assert encode({key: zoo[key] for key in keys}).stdout == text
    write("coco.json", b"\xef\xbb\xbf" + json.dumps(zoo, indent=1).encode())
    assert run("encode", "coco.json", "--image-id", "7").stdout == text


def test_many_categories_are_numbered_without_searching(monkeypatch):
    compared = 0

    class Name(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other):
            nonlocal compared
            compared += 1
            return str(self) == str(other)

    monkeypatch.setattr(drawing, "cell_label", lambda label, _: Name(label))
    count = 200
    masks = [RunMask.from_mask(np.arange(256).reshape(16, 16) == k) for k in range(count)]
    labels = [f"cat {k}" for k in range(count)]
    found = codecs.encode_image(
        mc.RRLE(grid=16), CocoImage((16, 16), labels, masks, labels), "raise"
    )
    assert found.text == mc.RRLE(grid=16).encode(
        np.where(np.arange(256) < count, np.arange(256) + 1, 0).reshape(16, 16),
        {k + 1: label for k, label in enumerate(labels)},
    )
    assert compared < 20 * count  # sorted, and not sought


ONE = "annotation 1"
NAMELESS = 'category 3: it needs a "name", a string that is not empty: '
IDS = [
    ({"image_id": None}, ONE + ": its image null is none that the file lists"),
    ({"image_id": True}, ONE + ": its image true is none that the file lists"),
    ({"image_id": [7]}, ONE + ": its image a list is none that the file lists"),
    ({"image_id": {"id": 7}}, ONE + ": its image an object is none that the file lists"),
    ({"image_id": 5}, ONE + ": its image 5 is none that the file lists"),
    ({"image_id": 5.0}, ONE + ": its image 5.0 is none that the file lists"),
    ({"image_id": 7.5}, ONE + ": its image 7.5 is none that the file lists"),
    ({"image_id": 5, "id": None}, "annotation number 1 of the list: its image 5 is none"),
    ({"category_id": None}, ONE + ': its "category_id" is null, which is no id'),
    ({"category_id": False}, ONE + ': its "category_id" is false, which is no id'),
    ({"category_id": [1]}, ONE + ': its "category_id" is a list, which is no id'),
    ({"iscrowd": "0"}, ONE + ': its "iscrowd" is neither 0 nor 1: "0"'),
    ({"iscrowd": 2}, ONE + ': its "iscrowd" is neither 0 nor 1: 2'),
    ({"iscrowd": 0.5}, ONE + ': its "iscrowd" is neither 0 nor 1: 0.5'),
    ({"iscrowd": [0]}, ONE + ': its "iscrowd" is neither 0 nor 1: a list'),
    ({"iscrowd": "n" * 99}, ONE + f': its "iscrowd" is neither 0 nor 1: "{"n" * 56}...'),
]


@pytest.mark.parametrize(("change", "message"), IDS)
@pytest.mark.parametrize("command", ["encode", "show", "tokens"])
def test_what_an_annotation_belongs_to_is_checked(folder, zoo, change, message, command):
    image = "9" if "image_id" in change else "7"  # of no image, it may be of any
    settings = ["-t", "."] if command == "tokens" else ["--image-id", image]
    write_tokenizer(folder)
    zoo["annotations"][0] |= change
    write("coco.json", zoo)
    assert fails(command, "coco.json", *settings).startswith(f"coco.json: {message}")
    left_out = [key for key, value in change.items() if value is None]
    for key in left_out:
        del zoo["annotations"][0][key]
    write("coco.json", zoo)
    assert fails(command, "coco.json", *settings).startswith(f"coco.json: {message}")


def test_the_first_annotation_that_belongs_nowhere_is_named(zoo):
    zoo["annotations"][3]["image_id"] = zoo["annotations"][4]["image_id"] = 50
    write("coco.json", zoo)
    message = fails("encode", "coco.json", "--image-id", "7")
    assert message == "coco.json: annotation 4: its image 50 is none that the file lists"
    zoo["annotations"][3]["image_id"] = zoo["annotations"][4]["image_id"] = 7
    del zoo["annotations"][3]["category_id"], zoo["annotations"][4]["category_id"]
    write("coco.json", zoo)
    message = fails("encode", "coco.json", "--image-id", "7")
    assert message == 'coco.json: annotation 4: its "category_id" is null, which is no id'


@pytest.mark.parametrize(
    ("category", "message"),
    [
        ({"id": 3}, 'category 3: it needs a "name", a string that is not empty: null'),
        (
            {"id": 3.0, "name": None},
            'category 3: it needs a "name", a string that is not empty: null',
        ),
        ({"id": 3, "name": " \t"}, 'category 3: it needs a "name", a string that is not empty: '),
        ({"id": 3, "name": ""}, 'category 3: it needs a "name", a string that is not empty: ""'),
        ({"id": 3, "name": 5}, 'category 3: it needs a "name", a string that is not empty: 5'),
        (
            {"id": 3, "name": ["a"]},
            'category 3: it needs a "name", a string that is not empty: a list',
        ),
        ({"id": 2, "name": "Cat"}, 'category 2: it is listed twice: as "cat" and as "Cat"'),
        ({"id": 2.0, "name": "dog"}, 'category 2: it is listed twice: as "cat" and as "dog"'),
        ({"name": "dog"}, 'a category: its "id" is null, which is no id'),
        ({"id": True, "name": "dog"}, 'a category: its "id" is true, which is no id'),
    ],
)
def test_categories_that_are_none(zoo, category, message):
    zoo["categories"][2] = category
    write("coco.json", zoo)
    said = fails("encode", "coco.json", "--image-id", "7")
    assert said.startswith(f"coco.json: {message}")


@pytest.mark.parametrize("image_id", [None, True, [7]])
def test_an_image_needs_an_id(zoo, image_id):
    zoo["images"][1]["id"] = image_id
    write("coco.json", zoo)
    said = fails("encode", "coco.json", "--image-id", "7")
    assert said.startswith('coco.json: an image: its "id" is ')


def test_a_category_may_be_listed_twice_alike(zoo):
    text = encode(zoo).stdout
    zoo["categories"].append({"id": 2.0, "name": "cat "})
    assert encode(zoo).stdout == text


def test_whole_floats_are_integers(zoo):
    text = encode(zoo).stdout
    for entry in zoo["annotations"]:
        entry |= {key: float(entry[key]) for key in ("id", "image_id", "category_id")}
        entry["iscrowd"] = float(entry.get("iscrowd", 0))
    for entry in zoo["categories"]:
        entry["id"] = float(entry["id"])
    assert encode(zoo).stdout == text
    for entry in zoo["images"]:
        entry |= {key: float(entry[key]) for key in ("id", "height", "width")}
    assert encode(zoo).stdout == text
    zoo["annotations"][0]["category_id"] = 9.0
    assert "<ref>category 9</ref>" in encode(zoo).stdout
    zoo["annotations"][0]["image_id"] = 5.0
    write("coco.json", zoo)
    message = fails("encode", "coco.json", "--image-id", "7")
    assert message == "coco.json: annotation 1: its image 5.0 is none that the file lists"


def test_without_categories_labels_are_ids_or_objects(zoo):
    del zoo["categories"], zoo["annotations"][0]["category_id"]
    zoo["annotations"][2]["category_id"] = None
    labels = [region.label for region in mc.Scanlines().decode(encode(zoo).stdout)]
    assert labels == ["object", "object", "category 2"]


@pytest.mark.parametrize(
    ("value", "crowd"),
    [
        *[(value, False) for value in (0, False, 0.0, None)],
        *[(value, True) for value in (1, True, 1.0)],
    ],
)
def test_a_crowd_is_0_or_1(zoo, value, crowd):
    zoo["annotations"][0]["iscrowd"] = value
    write("coco.json", zoo)
    assert [one.crowd for one in CocoFile(Path("coco.json"))] == [crowd, False, True, False, False]


def test_help_says_how_annotations_are_recognised():
    said = words(run("encode", "--help").stdout)
    assert "A file whose name ends in .json holds annotations, any other an image." in said


def test_a_file_is_read_without_being_held(folder, monkeypatch):
    """Twenty times the annotations: a few bytes more for each, of a kilobyte that it has."""

    def peak(count):
        entry = {"category_id": 1, "segmentation": [[x % 7 + x / 10 for x in range(200)]]}
        with (folder / "large.json").open("w") as file:
            file.write('{"annotations": [')
            for k in range(count):
                file.write("," * (k > 0) + json.dumps(entry | {"id": k, "image_id": k % 50}))
            images = [{"id": k, "height": 480, "width": 640} for k in range(50)]
            file.write(f'], "images": {json.dumps(images)}}}')
        tracemalloc.start()
        try:
            found = CocoFile(folder / "large.json")
            numbers = sum(len(one.segmentation[0]) for one in found)
            return tracemalloc.get_traced_memory()[1], len(found), numbers
        finally:
            tracemalloc.stop()

    monkeypatch.setattr(_jsontext, "CHUNK", 1 << 14)
    peak(10)  # imports
    small, large = peak(200), peak(4000)
    assert (small[1:], large[1:]) == ((200, 40_000), (4000, 800_000))
    assert (folder / "large.json").stat().st_size > 3_000_000
    assert large[0] - small[0] < 400_000


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
def test_a_pipe_cannot_be_read_twice(folder):
    os.mkfifo(folder / "pipe.json")
    message = fails("encode", "pipe.json", "--image-id", "7")
    expected = "is a pipe, and only a regular file is read: save what it gives in a file"
    assert message == f"pipe.json {expected}"


# decode


@pytest.mark.parametrize("codec", ["b-sd", "i-sd", "i-rle", "r-rle"])
def test_a_mask_comes_back(codec):
    args = "-c", codec, "-g", "64"
    run("encode", "mask.png", "-l", "black dog", "-o", "a.txt", *args)
    result = run("decode", "a.txt", "--shape", "128x192", "--out", "again.png", *args)
    assert np.array_equal(image("again.png"), MASK * 255)
    assert "1 black dog 12 10 24 29 260 6.35%" in words(result.stdout)
    assert "wrote again.png: a mask of 128 x 192 pixels" in result.stderr


@pytest.mark.parametrize("codec", ["b-sd", "i-sd", "i-rle", "r-rle"])
def test_a_label_map_comes_back(codec, folder):
    args = "-c", codec, "-g", "64"
    run("encode", "map.png", "-n", "names.json", "-o", "a.txt", *args)
    result = run("decode", "a.txt", "-s", "128x192", "-o", "i.png", "--names-out", "n.json", *args)
    assert np.array_equal(image("i.png"), MAP)
    assert json.loads((folder / "n.json").read_text()) == {"1": "dog", "2": "cat"}
    assert "wrote n.json: 2 names" in result.stderr
    again = run("encode", "i.png", "-n", "n.json", *args)
    assert again.stdout_bytes == (folder / "a.txt").read_bytes()
    run("decode", "a.txt", "-s", "128x192", *args)
    assert np.array_equal(image("decoded.png"), MAP)
    with Image.open("i.png") as picture:
        assert picture.mode == "P"


def test_a_text_is_an_argument_a_file_or_standard_input(folder):
    (folder / "windows.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    for name, stdin in [
        ("text.txt", None),
        (TEXT, None),
        ("-", TEXT.encode()),
        ("windows.txt", None),
        ("-", TEXT.replace("\n", "\r\n").encode()),
    ]:
        result = run("decode", name, "-s", "128x192", stdin=stdin)
        assert np.array_equal(image("decoded.png"), MASK * 255)
        assert "note" not in result.stderr


def test_a_long_text_is_no_file_name():
    text = mc.Scanlines().encode(np.ones((4, 4), np.uint8), "x" * 5000)
    run("decode", text, "-s", "4x4")
    assert np.array_equal(image("decoded.png"), np.full((4, 4), 255))


@pytest.mark.parametrize("text", ["", "answer.txt", "there is nothing"])
@pytest.mark.parametrize("codec", ["b-sd", "r-rle"])
def test_what_is_neither_a_file_nor_a_mask_overwrites_nothing(text, codec, folder):
    (folder / "decoded.png").write_bytes(b"mine")
    message = fails("decode", text, "-s", "4x5", "-c", codec, "--recover")
    tag = "<ref>" if codec == "b-sd" else "<seg>"
    expected = f"there is no file {text!r}, and as a text it has no mask: expected is {tag}; "
    assert message == f"{expected}- reads a text from standard input"
    assert (folder / "decoded.png").read_bytes() == b"mine"


def test_a_text_that_shows_nothing():
    said = run("decode", "-", "-s", "4x5", stdin="There is nothing.").stderr
    assert "note: the text shows nothing\n" in said
    assert np.array_equal(image("decoded.png"), np.zeros((4, 5)))


def test_masks_one_by_one():
    result = run("decode", "both.txt", "-s", "128x192", "--as", "masks", "-o", "m.png")
    assert np.array_equal(image("m-1.png"), (MAP == 1) * 255)
    assert np.array_equal(image("m-2.png"), (MAP == 2) * 255)
    assert "wrote m-1.png: a mask of 'dog'" in result.stderr


def test_one_mask_of_everything():
    run("decode", "both.txt", "-s", "128x192", "--as", "mask")
    assert np.array_equal(image("decoded.png"), (MAP != 0) * 255)


def test_smooth():
    run("decode", "text.txt", "-s", "111x222", "--method", "smooth")
    expected = mc.Scanlines().decode(TEXT)[0].mask((111, 222), method="smooth")
    assert np.array_equal(image("decoded.png"), expected * 255)


@pytest.mark.parametrize("method", get_args(Method))
def test_cells_of_a_box_come_back(method):
    mask = disc(60, 90, 37)
    Image.fromarray(mask).save("mask.png")
    args = "--rows", "24", "--columns", "30", "--bins", "300", "--coordinates", "tokens"
    run("encode", "mask.png", "-l", "disc", "-o", "a.txt", "--sampling", "best", *args)
    result = run("decode", "a.txt", "-s", "128x192", "--method", method, *args)
    codec = mc.Scanlines(rows=24, columns=30, bins=300, coordinates="tokens", sampling="best")
    (region,) = codec.decode(codec.encode(mask, "disc"))
    painted = region.mask(SHAPE, method=method)
    assert np.array_equal(image("decoded.png"), painted * 255)
    assert measure(painted, mask).iou > 0.9
    box, share = " ".join(map(str, region.box)), painted.sum() / painted.size
    assert f"1 disc {box} {region.cells.sum()} {share:.2%}" in words(result.stdout)


def test_a_label_map_comes_back_from_boxes(folder):
    run("encode", "map.png", "-n", "names.json", "-o", "a.txt")
    args = "--method", "nearest"
    result = run("decode", "a.txt", "-s", "128x192", "-o", "i.png", "--names-out", "n.json", *args)
    assert np.array_equal(image("i.png"), MAP)
    assert "2 names" in result.stderr
    mc.Scanlines().save(folder)
    run("decode", "a.txt", "-i", "photo.png", "--as", "masks", "--config", ".", *args)
    assert np.array_equal(image("decoded-2.png"), (MAP == 2) * 255)


def test_a_box_is_painted_by_contour_unless_asked_otherwise():
    codec, mask = mc.Scanlines(rows=3, columns=9), disc(60, 90, 37)
    write("a.txt", codec.encode(mask, "disc"))
    (region,) = codec.decode(codec.encode(mask, "disc"))
    args = "-s", "128x192", "--rows", "3", "--columns", "9"
    run("decode", "a.txt", *args)
    drawn = image("decoded.png")
    assert np.array_equal(drawn, region.mask(SHAPE, method="contour") * 255)
    run("decode", "a.txt", *args, "--method", "nearest")
    assert not np.array_equal(image("decoded.png"), drawn)


def test_a_truncated_text_has_the_rows_that_came():
    codec = mc.Scanlines()
    cut = codec.encode(disc(60, 90, 37), "disc")[:-40]
    assert fails("decode", cut, "-s", "128x192").startswith(
        "the text stops before </seg>; --recover"
    )
    run("decode", cut, "-s", "128x192", "--recover")
    (region,), _ = codec.recover(cut)
    drawn = image("decoded.png")
    assert np.array_equal(drawn, region.mask(SHAPE) * 255)
    assert drawn[60].any()
    assert not drawn[94].any()


# many


def encoded_lines(*args):
    return [json.loads(line) for line in run("encode", *args).stdout.splitlines()]


def test_files_folders_and_patterns_become_lines(folder):
    (folder / "masks" / "deep").mkdir(parents=True)
    for name in "masks/b.png", "masks/deep/a.png":
        Image.fromarray(MASK).convert("RGB").save(name)
    np.save("masks/c.npy", MASK)
    write("masks/note.txt", "no mask")
    every = ["masks/b.png", "masks/c.npy", "masks/deep/a.png"]
    rows = encoded_lines("masks", "-l", "black dog")
    assert rows == [{"file": file, "label": "black dog", "text": TEXT} for file in every]
    rows = encoded_lines("masks/*.png", "mask.png", "masks/**/a.*", "-l", "the {}")
    assert [(row["file"], row["label"]) for row in rows] == [
        ("masks/b.png", "the b"),
        ("mask.png", "the mask"),
        ("masks/deep/a.png", "the a"),
    ]
    assert "wrote o.jsonl: 3 lines" in run("encode", "masks", "-l", "x", "-o", "o.jsonl").stderr
    assert len((folder / "o.jsonl").read_text().splitlines()) == 3


def test_label_maps_become_lines():
    (first, second) = encoded_lines("map.png", "map.png", "-n", "names.json")
    assert first == second == {"file": "map.png", "labels": ["dog", "cat"], "text": BOTH}


def test_notes_and_errors_of_many_name_the_file(folder):
    write("one.json", {"1": "dog"})
    said = run("encode", "map.png", "map.png", "-n", "one.json").stderr
    assert said.count("note: map.png: without a name, so left out: 2\n") == 2
    corner = np.zeros(SHAPE, np.uint8)
    corner[0, 0] = 7
    Image.fromarray(corner).save("corner.png")
    args = "encode", "mask.png", "corner.png", "-l", "dog", "-c", "b-sd"
    said = run(*args, "--lost", "drop").stderr
    assert "note: corner.png: dropped 'dog'" in said
    write("o.jsonl", "mine")
    assert fails(*args, "-o", "o.jsonl").startswith("corner.png: mask ('dog') has 1 of 128 x 192")
    assert (folder / "o.jsonl").read_text() == "mine"
    assert fails("encode", "mask.png", "gone.png", "-l", "x").startswith("gone.png: No such file")
    (folder / "empty").mkdir()
    assert fails("encode", "empty", "-l", "x") == (
        "empty is a folder without .png, .bmp, .tif, .tiff, .npy"
    )
    assert fails("encode", "no*.gif", "-l", "x") == "no file is called like no*.gif"
    write("a.json", {})
    assert "a.json holds annotations: they go alone" in misused("encode", "a.json", "mask.png")
    assert "holds '<seg>'" in fails("encode", "mask.png", "mask.png", "-l", "<seg>")
