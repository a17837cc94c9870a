"""`maskcodec show`, and annotation files that are broken."""

import io
import re
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import maskcodec as mc
from maskcodec.cli import messages
from maskcodec.cli.annotations import CocoFile
from maskcodec.coco import RunMask
from tests.cli.calling import (
    MAP,
    MASK,
    SHAPE,
    boxes,
    disc,
    fails,
    image,
    misused,
    rle,
    run,
    uncoloured,
    words,
    write,
    write_tokenizer,
)

pytestmark = pytest.mark.usefixtures("folder")


def show(content, *args, image_id=7):
    write("coco.json", content)
    return run("show", "coco.json", "--image-id", image_id, *args)


def test_show_compares_every_kind_of_annotation(coco):
    pytest.importorskip("pycocotools")
    result = show(coco)
    said = words(result.stdout)
    assert "1 dog 1,560" in said
    assert said.count("[cat] 3,300 ") == 2
    assert said.count(" 1.000") == 4
    assert "4 category 9 0 0 empty" in said
    assert "lost" not in result.output
    assert image("show.png").shape[1] > 2 * 480
    canvas = show(coco, "--codec", "b-sd")
    assert words(canvas.stdout).count(" 1.000") == 3
    assert "5 dog 1 0 lost" in words(canvas.stdout)
    assert "no cell of the 64 x 64 grid is left for no. 5; " in canvas.stderr
    assert "lost" not in show(coco, "--codec", "b-sd", "--sampling", "keep").output


@pytest.mark.parametrize("codec", ["i-sd", "i-rle", "r-rle"])
def test_on_a_grid_show_compares_classes(coco, codec):
    pytest.importorskip("pycocotools")
    said = words(show(coco, "--codec", codec, "--grid", "64").stdout)
    assert "1 dog 1,561 0.999 2 [cat] 3,300 1.000 3 category 9 0 empty" in said
    assert image("show.png").shape[1] > 2 * 480
    coco["annotations"][-2]["category_id"] = 4
    coco["categories"].append({"id": 4, "name": "dot"})
    result = show(coco, "--codec", codec, "--grid", "64")
    assert "4 dot 1 lost" in words(result.stdout)
    assert (
        "no cell of the 64 x 64 grid is left for no. 4; smaller ones may lie there, or "
        "--sampling keep keeps them" in result.stderr
    )


def test_show_draws_on_the_photo(coco):
    pytest.importorskip("pycocotools")
    show(coco, "--image", "photo.png", "--out", "s.jpg", "--columns", "24", "--method", "smooth")
    assert (image("s.jpg")[60:70, 30:60] > 80).all()


def test_show_takes_settings_and_ways_back(coco):
    del coco["annotations"][0]
    coco["annotations"][1]["segmentation"] = rle(
        RunMask.from_mask(disc(60, 90, 37)).counts.tolist()
    )
    args = "--rows", "5", "--columns", "9", "--bins", "200", "--coordinates", "tokens"
    shares, lengths = {}, {}
    for method in "nearest", "contour":
        result = show(coco, "--method", method, *args)
        assert "lost" not in result.output
        rows = re.findall(r"\[cat\] [0-9,]+ ([0-9]+) ([01]\.[0-9]+)", words(result.stdout))
        shares[method], lengths[method] = float(rows[1][1]), [int(length) for length, _ in rows]
    codec = mc.Scanlines(rows=5, columns=9, bins=200, coordinates="tokens")
    masks = [MAP == 2, disc(60, 90, 37)]
    expected = [len(codec.encode(mask, "[cat]")) for mask in masks]
    assert lengths == dict.fromkeys(shares, expected)
    assert shares["nearest"] < shares["contour"] > 0.93
    corners = np.zeros(SHAPE, np.uint8)
    corners[:: SHAPE[0] - 1, :: SHAPE[1] - 1] = 1
    coco["annotations"][1]["segmentation"] = rle(RunMask.from_mask(corners).counts.tolist())
    result = show(coco, "--sampling", "nearest", *args)
    assert "no cell of its box is left for no. 2; " in result.stderr


def test_polygons_need_pycocotools(coco, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    write("coco.json", coco)
    message = fails("show", "coco.json", "--image-id", "7")
    assert (
        message == "polygons need pycocotools, which is missing: "
        "pip install 'maskcodec[coco]', in a checkout '.[coco]'"
    )
    del coco["annotations"][0]
    assert "[cat]" in show(coco).stdout


def test_a_crowd_has_numbers_for_labels(coco):
    del coco["annotations"][0]
    coco["annotations"] += [dict(coco["annotations"][0]) for _ in range(12)]
    assert "16 [cat]" in words(show(coco).stdout)


def test_an_image_may_have_no_annotations(coco):
    result = show(coco, image_id=8)
    assert "wrote show.png" in result.stderr


def test_an_unknown_image_is_answered_with_known_ones(coco):
    write("coco.json", coco)
    message = fails("show", "coco.json", "--image-id", "5")
    assert message == "coco.json has no image with the id '5'; it has 3, for example 7, 8, 9"
    write("coco.json", {"images": [], "annotations": []})
    assert fails("show", "coco.json", "--image-id", "5").endswith("'5'; it has none")


def test_a_photo_of_another_size_is_refused(coco):
    write("coco.json", {**coco, "annotations": []})
    message = fails("show", "coco.json", "--image-id", "8", "--image", "photo.png")
    assert "photo.png has 128 x 192 pixels, but image 8 is annotated with 4 x 4" in message


IMAGES = '{"images": [{"id": 7, "height": 128, "width": 192}], "annotations": '
LIST = "coco.json has no list 'annotations'; expected are images, annotations"
JSON = "coco.json is not JSON: "
FILES = [
    ([], "coco.json: it must be an object, but it is a list"),
    (5, "coco.json: it must be an object, but it is a number or a word"),
    ("", "coco.json: it must be an object, but it is nothing"),
    ({"images": {}}, "coco.json: its 'images' must be a list, but it is an object"),
    ({"images": [1], "annotations": []}, "coco.json: an image: it must be an object, but it is 1"),
    ({"images": [[7]], "annotations": []}, "an image: it must be an object, but it is a list"),
    ({"images": []}, LIST),
    ({"annotations": []}, "coco.json has no list 'images'; expected are images, annotations"),
    ({"images": [], "annotations": None}, "its 'annotations' must be a list, but it is a number"),
    (
        {"images": [], "annotations": [None]},
        "annotation number 1 of the list: it must be an object, but",
    ),
    ("{", JSON + "a key was expected at byte 1, the file ends"),
    (IMAGES + '[{"id": 1', JSON + "Expecting ',' delimiter at byte 77, the file ends"),
    (IMAGES + "[]} x", JSON + "the end was expected at byte 72, found 'x'"),
    (IMAGES + "[]}{}", JSON + "the end was expected at byte 71, found '{'"),
    (IMAGES + "[{'id': 1}]}", JSON + "Expecting property name enclosed in double quotes"),
    (IMAGES + '[{"image_id": NaN}]}', "annotation number 1 of the list: its image NaN is none"),
    (IMAGES + '[{"image_id": -Infinity}]}', "its image -Infinity is none that the file lists"),
    (IMAGES + '[{"id": ' + "9" * 5000 + "}]}", JSON + "Exceeds the limit (4300"),
    (IMAGES + '[{"id": 1, "id": 2}]}', JSON + "an object has the key 'id' twice at byte 69"),
    (IMAGES + '[], "images": []}', "coco.json has the list 'images' twice; it must be one"),
    (IMAGES.encode() + b'[{"id": "caf\xe9"}]}', "is not UTF-8: byte 80 is 0xe9; save it as UTF-8"),
    (b"\xff\xfe{\0}\0", "coco.json is in UTF-16 or UTF-32: save it as UTF-8"),
    ("[" * 100_000, "coco.json: it must be an object, but it is a list"),
    (IMAGES + '[{"segmentation": ' + "[" * 100_000, JSON + "a value is nested too deep at byte 69"),
    ({"images": [{"id": 7}], "annotations": []}, 'image 7 has no "height" and "width"'),
    (
        {"images": [{"id": 7, "height": "4", "width": 4}], "annotations": []},
        'image 7 has no "height" and "width"',
    ),
    (
        {"images": [{"id": 7, "height": True, "width": 4.0}], "annotations": []},
        'image 7 has no "height" and "width"',
    ),
    (
        {"images": [{"id": 7, "height": 0, "width": 4}], "annotations": []},
        "image 7 claims 0 x 4 pixels",
    ),
    (
        {"images": [{"id": 7, "height": 10**6, "width": 10**6}], "annotations": []},
        "image 7 claims 1000000 x 1000000 pixels",
    ),
    (
        {
            "images": [{"id": k, "height": 4, "width": 4 + (k == 7)} for k in (7, "7")],
            "annotations": [],
        },
        "coco.json lists image 7 twice, with two sizes",
    ),
]


@pytest.mark.parametrize(("content", "message"), FILES)
def test_files_without_annotations(content, message):
    write("coco.json", content)
    assert message in fails("encode", "coco.json", "--image-id", "7")


def test_a_file_that_changes_is_noticed(coco):
    del coco["annotations"][-1]
    write("coco.json", coco)
    file = CocoFile(Path("coco.json"))
    for annotations in coco["annotations"][1:], [*coco["annotations"], {"image_id": 7}], []:
        write("coco.json", {**coco, "annotations": annotations})
        with pytest.raises(
            mc.SourceError, match="has changed since it was first read; start again"
        ):
            list(file)


def test_show_holds_one_mask_at_a_time(coco, monkeypatch):
    coco["annotations"] = [{**coco["annotations"][0], "image_id": 7, "id": k} for k in range(9)]
    write("coco.json", coco)
    painted, alive = [], []
    for kind in RunMask, mc.Region:

        def paint(self, *args, _paint=kind.mask, **options):
            mask = _paint(self, *args, **options)
            painted.append(weakref.ref(mask))
            alive.append(sum(one() is not None for one in painted))
            return mask

        monkeypatch.setattr(kind, "mask", paint)
    run("show", "coco.json", "--image-id", "7")
    assert len(painted) == 18  # each before and after, for the picture
    assert max(alive) <= 3


def test_show_paints_no_monstrous_claim(coco):
    coco["images"][0] |= {"height": 20_000, "width": 20_000}
    coco["annotations"] = []
    write("coco.json", coco)
    message = fails("show", "coco.json", "--image-id", "7")
    assert message == "coco.json: image 7 claims 20000 x 20000 pixels"
    assert run("encode", "coco.json", "--image-id", "7").stdout == ""


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "the segmentation is missing: a mask is needed, not only a box"),
        ([], "the segmentation is an empty list: an annotation with a box only has no mask; "),
        ("x", "the segmentation must be run lengths or polygons, got "),
        (rle([5]), "the counts of the segmentation add up to 5 pixels, an image of 128 x 192 has "),
        (rle(None), 'the segmentation has no "counts"'),
        (rle([[1]]), "the counts of the segmentation must be whole numbers, got [1]"),
        ({"size": [1, 1], "counts": [1]}, "has the size 1 x 1, height x width, but its image has"),
        ({"size": "1", "counts": [1]}, "the size of the segmentation must be two integers, got "),
        (rle("~"), "the counts of the segmentation hold '~', which none is written with"),
        (rle("o"), "the counts of the segmentation stop inside a number (at character 0)"),
        ([[1, 2, 3, 4]], "the segmentation, polygon 0 has 4 coordinates; expected x and y of"),
        ([[1, 2, 3, 4, 5, "6"]], "the segmentation, polygon 0 must be numbers [x1, y1, x2, y2, x"),
        ([[1, 2, 3, 4, 5, 10**9]], "polygon 0 has 1000000000 at index 5, far outside an image"),
        ([None], "the segmentation, polygon 0 must be numbers"),
    ],
)
def test_segmentations_that_cannot_be_read(coco, segmentation, message):
    coco["annotations"][0]["segmentation"] = segmentation
    write("coco.json", coco)
    for command in "show", "encode":
        said = fails(command, "coco.json", "--image-id", "7")
        assert said.startswith("coco.json: annotation 1: ")
        assert message in said


@pytest.mark.parametrize("categories", [None, 5, [], {"1": "dog"}])
def test_categories_may_be_missing(coco, categories):
    del coco["annotations"][0]
    coco["categories"] = categories
    assert "category 2" in show(coco).stdout


def test_bad_usage_of_show(coco):
    write("coco.json", coco)
    assert "the name must end in" in misused("show", "coco.json", "--image-id", "7", "-o", "x.gif")


# tokens


@pytest.fixture
def pets(folder):
    """Annotations of a dog and two cats, one of them tiny, and a tokenizer of characters."""
    write_tokenizer(folder)
    masks = [MAP == 1, MAP == 2, boxes((0, 0, 4, 4))]
    annotations = [
        {
            "id": k,
            "image_id": 7,
            "category_id": min(k, 2),
            "segmentation": rle(RunMask.from_mask(mask).counts.tolist()),
        }
        for k, mask in enumerate(masks, 1)
    ]
    return {
        "images": [{"id": 7, "height": SHAPE[0], "width": SHAPE[1]}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "[cat]"}],
    }


def tokens(content, *args):
    write("coco.json", content)
    return run("tokens", "coco.json", "--tokenizer", ".", *args)


def test_tokens_are_counted_for_every_codec(pets):
    result = tokens(pets, "--label", "the {}")
    said = words(result.stdout)
    assert said.startswith("Tokens per mask, ., 3 instances codec cells mean median p95 max lost")
    labelled = zip(
        [MAP == 1, MAP == 2, boxes((0, 0, 4, 4))], ["dog", "[cat]", "[cat]"], strict=True
    )
    texts = [mc.RRLE(grid=32).encode(mask, f"the {name}") for mask, name in labelled]
    low, middle, high = sorted(len(text) - len("<seg></seg>") + 2 for text in texts)
    mean, p95 = (low + middle + high) / 3, high - 0.1 * (high - middle)
    assert f"r-rle/1 32 x 32 {mean:.1f} {middle} {p95:.0f} {high} 0" in said
    assert "b-sd/1, no bricks 80 x 80 " in said
    assert "scanlines/1 11 x 63 a box " in said
    assert said.count("scanlines/1 11 x 63 a box ") == said.count("location tokens") == 1
    assert result.stderr == ""
    assert tokens(pets).stdout != result.stdout


def test_masks_without_a_cell_are_named_lost(pets):
    one = {"id": 4, "image_id": 7, "category_id": 1}
    pets["annotations"] = [{**one, "segmentation": rle([0, 1, MASK.size - 1])}]
    result = tokens(pets)
    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "i-sd/1 16 x 16 1" in rows  # and no mean
    boxed = [row for row in rows if row.startswith("scanlines/1")]
    assert [row[-2:] for row in boxed] == [" 0", " 0"]
    assert (
        result.stderr == "note: lost masks have no cell on the grid; no other column counts them\n"
    )


def test_several_files_are_counted_together(pets):
    write("more.json", pets)
    assert "6 instances" in words(tokens(pets, "more.json").stdout)


def test_tokens_need_annotations_and_a_tokenizer(pets):
    write("coco.json", pets)
    assert "Missing option '--tokenizer'" in misused("tokens", "coco.json")
    assert "Missing argument" in misused("tokens", "-t", ".")


def test_where_there_is_nothing_to_count(pets):
    empty = {**pets["annotations"][0], "segmentation": rle([MASK.size])}
    for annotations in [], [empty]:
        write("coco.json", {**pets, "annotations": annotations})
        count = messages.plural(len(annotations), "instance")
        said = f"of {count} none has a cell on any grid"
        assert fails("tokens", "coco.json", "-t", ".") == said


def test_tokens_of_what_cannot_be_read(pets):
    write("coco.json", pets)
    assert "no tokenizer is called 'gpt2'" in fails("tokens", "coco.json", "-t", "gpt2")
    assert "'names.json' is not a tokenizer.json" in fails(
        "tokens", "coco.json", "-t", "names.json"
    )
    assert "no list 'images'" in fails("tokens", "names.json", "-t", ".")
    assert "none.json cannot be read: No such file" in fails(
        "tokens", "coco.json", "none.json", "-t", "."
    )
    assert "label 'a|b' holds '|'" in fails("tokens", "coco.json", "-t", ".", "-l", "a|b")
    pets["annotations"][1]["segmentation"] = None
    write("coco.json", pets)
    message = fails("tokens", "coco.json", "-t", ".")
    assert message.startswith("coco.json: annotation 2: the segmentation is missing")
    pets["annotations"][1]["image_id"] = 8
    write("coco.json", pets)
    message = fails("tokens", "coco.json", "-t", ".")
    assert message == "coco.json: annotation 2: its image 8 is none that the file lists"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("file", "alive"), [(Terminal(), True), (io.StringIO(), False)])
def test_signs_of_life_are_for_terminals(file, alive, monkeypatch):
    monkeypatch.setattr(messages, "err", Console(file=file, force_terminal=True))
    with messages.wait("Waiting"):
        pass
    assert list(messages.steps([1, 2], "Counting")) == [1, 2]
    with messages.progress("Building", 2) as done:
        done(2)
    assert ("Waiting" in file.getvalue()) is ("Counting" in file.getvalue()) is alive
    assert ("Building" in file.getvalue()) is ("0:00:00" in file.getvalue()) is alive
    assert alive or file.getvalue() == ""


@pytest.mark.parametrize(("file", "alive"), [(Terminal(), True), (io.StringIO(), False)])
def test_reading_and_counting_show_how_far_they_are(file, alive, pets, monkeypatch):
    monkeypatch.setattr(messages, "err", Console(file=file, force_terminal=True))
    write("[red].json", pets)
    run("tokens", "[red].json", "--tokenizer", ".")
    run("encode", "[red].json", "--image-id", "7")
    shown = uncoloured(file.getvalue())
    for sign in "Reading [red].json", "Counting", "Reading image 7", "100%":
        assert (sign in shown) is alive
    assert alive or shown == ""
