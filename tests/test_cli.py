import errno
import inspect
import io
import json
import os
import re
import sys
import tracemalloc
import weakref
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import maskcodec as mc
from maskcodec.cli import codecs, commands, say, settings
from maskcodec.cli.coco import CocoFile, CocoImage
from maskcodec.coco import RunMask
from maskcodec.data import _jsontext
from maskcodec.masks.grid import Method
from maskcodec.metrics import measure
from maskcodec.pictures import demo, figure

_mixes = "mix_stderr" in inspect.signature(CliRunner).parameters  # before Click 8.2
RUNNER = CliRunner(mix_stderr=False) if _mixes else CliRunner()

SHAPE = (128, 192)  # on 64 x 64 cells, a cell is 2 x 3 pixels
DOG, CAT = (10, 12, 30, 25), (40, 5, 50, 60)


def boxes(*corners, canvas=(64, 64)):
    """A label map that cells lose nothing of: box k has the value k + 1."""
    cells = np.zeros(canvas, np.uint8)
    for value, (y1, x1, y2, x2) in enumerate(corners, 1):
        cells[y1:y2, x1:x2] = value
    return np.kron(cells, np.ones((SHAPE[0] // canvas[0], SHAPE[1] // canvas[1]), np.uint8))


def disc(y, x, radius):
    """A mask with round edges, which cells do not have."""
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return ((ys - y) ** 2 + (xs - x) ** 2 < radius**2).astype(np.uint8)


MASK = boxes(DOG)
MAP = boxes(DOG, CAT)
TEXT = mc.BSD().encode(MASK, "black dog")
BOTH = mc.BSD().encode_many([MAP == 1, MAP == 2], ["dog", "cat"])


@pytest.fixture(autouse=True)
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


def write(name, content):
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())


def run(*args, stdin=None, code=0):
    result = RUNNER.invoke(commands.app, [str(arg) for arg in args], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def words(text):
    """What a text says, without colours, frames and line breaks."""
    return " ".join(re.sub(r"[─━│╭╮╰╯]", " ", uncoloured(text)).split())


def uncoloured(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def fails(*args, stdin=None):
    """The message of a command that finds its data bad."""
    result = run(*args, stdin=stdin, code=1)
    message = words(result.stderr)
    assert "Traceback" not in message
    assert message.count("error: ") == 1
    return message[message.index("error: ") + 7 :]


def misused(*args):
    """The message of a command that was called wrongly."""
    result = run(*args, code=2)
    assert result.stdout == ""
    return words(result.stderr)


def image(name):
    with Image.open(name) as opened:
        return np.array(opened)


# The app


def test_help_lists_the_commands():
    said = words(run("--help").stdout)
    for command in ["demo", "encode", "decode", "show", "tokens"]:
        assert f" {command} " in said
    assert said == words(run("-h").stdout)


@pytest.mark.parametrize("command", ["demo", "encode", "decode", "show", "tokens"])
def test_every_command_has_an_example(command):
    said = words(run(command, "--help").stdout)
    assert f"maskcodec {command} " in said[said.index("Example") :]


def test_version():
    assert run("--version").stdout == f"maskcodec {mc.__version__}\n"


def test_without_a_command_the_help_is_shown():
    result = RUNNER.invoke(commands.app, [])
    assert result.exit_code in (0, 2)  # as Typer's version has it
    assert "Commands" in result.output


def test_an_unknown_command_is_bad_usage():
    assert "No such command" in misused("mask")


def test_a_reader_that_goes_away_is_no_error(monkeypatch):
    def echo(*_, **__):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(say.typer, "echo", echo)
    assert "error" not in run("encode", "mask.png", "-l", "dog", code=1).stderr


# demo


def test_demo_compares_the_codecs_and_writes_the_picture():
    result = run("demo")
    with Image.open("maskcodec-demo.png") as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (1355, 1185))
    assert 50_000 < Path("maskcodec-demo.png").stat().st_size < 300_000
    cells, number, share = r"([0-9]+ x [0-9]+(?: a box)?)", r"([0-9,]+)", r"(0\.\d+)"
    columns = [r"(\S+/1)", cells, number, number, share, share]
    rows = re.findall(" +".join(columns), result.stdout)
    assert sorted(name for name, *_ in rows) == mc.codec_ids()
    lengths = [int(length.replace(",", "")) for _, _, length, *_ in rows]
    assert lengths == sorted(lengths, reverse=True)
    assert {runs for name, _, _, runs, *_ in rows if name == "i-sd/1"} == {"4,096"}
    assert {(name == "b-sd-box/1", cells) for name, cells, *_ in rows} == {
        (False, "64 x 64"),
        (True, "11 x 63 a box"),
    }
    assert all(0.8 < float(nearest) < float(contour) for *_, nearest, contour in rows)
    scene = demo.scene()
    assert mc.BSD().encode(scene.masks()[-1], scene.labels[-1]) in uncoloured(result.stdout)
    first = image("maskcodec-demo.png")
    run("demo", "--out", "again.png")
    assert np.array_equal(first, image("again.png"))


def test_demo_shows_the_box_frame_as_well():
    run("demo", "--out", "canvas.png")
    said = uncoloured(run("demo", "--frame", "box", "--out", "box.png").stdout)
    scene = demo.scene()
    assert mc.BSD(frame="box").encode(scene.masks()[-1], scene.labels[-1]) in said
    canvas, box = image("canvas.png"), image("box.png")
    differ = (canvas != box).any(axis=2)
    assert not differ[: scene.shape[0]].any()  # the image and its masks
    assert differ[600:, : scene.shape[1]].any()
    assert differ[600:, scene.shape[1] :].any()


def test_the_scene_has_an_exact_mask_of_every_object():
    scene = demo.scene()
    masks = scene.masks()
    assert (scene.image.size, scene.image.mode) == ((640, 480), "RGB")
    assert scene.label_map.dtype == np.uint8
    assert scene.label_map.flags.writeable
    assert [mask.shape for mask in masks] == [(480, 640)] * len(scene.labels)
    assert sum(mask.astype(int) for mask in masks).max() == 1
    assert all(np.count_nonzero(mask) > 3000 for mask in masks)
    sun = np.array(scene.image)[masks[scene.labels.index("sun")]]
    assert np.mean((sun == (255, 240, 196)).all(axis=1)) > 0.95


# encode


def test_stdout_is_exactly_the_text():
    result = run("encode", "mask.png", "--label", "black dog")
    assert result.stdout_bytes == TEXT.encode()
    assert result.stderr == ""


def test_a_terminal_gets_a_line_break(monkeypatch):
    monkeypatch.setattr(say, "is_terminal", lambda: True)
    assert run("encode", "mask.png", "-l", "black dog").stdout == TEXT + "\n"


def test_text_is_not_markup():
    result = run("encode", "mask.png", "--label", "[bold]dog[/bold] ⟨狗⟩")
    assert result.stdout_bytes.decode() == mc.BSD().encode(MASK, "[bold]dog[/bold] ⟨狗⟩")


@pytest.mark.parametrize(
    ("options", "codec"),
    [
        ("", mc.BSD()),
        ("--codec b-sd", mc.BSD()),
        ("-c b-sd/1 -g 32", mc.BSD(grid=32)),
        ("--grid 48x64", mc.BSD(grid=(48, 64))),
        ("--sampling area", mc.BSD(sampling="area")),
        ("--no-bricks", mc.BSD(bricks=False)),
        ("--bricks", mc.BSD()),
        ("--row-separator none", mc.BSD(row_separator="")),
        ("--row-separator newline", mc.BSD()),
        ("--repeats", mc.BSD(repeats=True)),
        ("--no-repeats --frame canvas", mc.BSD()),
        ("--frame box", mc.BSD(frame="box")),
        ("--codec b-sd --frame box", mc.BSD(frame="box")),
        ("--codec b-sd-box", mc.BSD(frame="box")),
        ("--codec b-sd-box/1 --frame box", mc.BSD(frame="box")),
        ("--frame box --grid 24", mc.BSD(frame="box", grid=24)),
        ("--frame box --grid 5x9", mc.BSD(frame="box", grid=(5, 9))),
        ("--frame box --bins 60", mc.BSD(frame="box", bins=60)),
        ("--frame box --sampling best", mc.BSD(frame="box", sampling="best")),
        ("--frame box --sampling nearest", mc.BSD(frame="box", sampling="nearest")),
        ("-c b-sd-box --repeats", mc.BSD(frame="box", repeats=True)),
        ("-c b-sd-box --no-bricks", mc.BSD(frame="box", bricks=False)),
        ("--codec i-sd", mc.ISD()),
        ("--codec i-rle --background nothing", mc.IRLE(background="nothing")),
        ("--codec r-rle --grid 24", mc.RRLE(grid=24)),
        ("--codec r-rle/1 --dialect text4seg", mc.RRLE(dialect="text4seg")),
    ],
)
def test_every_setting_reaches_the_codec(options, codec, folder):
    mask = disc(60, 90, 37)
    Image.fromarray(mask).save("mask.png")
    expected = codec.encode(mask, "dog").encode()
    assert run("encode", "mask.png", "--label", "dog", *options.split()).stdout_bytes == expected
    codec.save(folder / "saved")
    saved = run("encode", "mask.png", "--label", "dog", "--config", "saved")
    assert saved.stdout_bytes == expected
    file = run("encode", "mask.png", "--label", "dog", "--config", "saved/maskcodec.json")
    assert file.stdout_bytes == expected


def test_one_number_for_the_box_frame_is_kept_as_it_is():
    assert settings.chosen_codec(frame="box", grid="24").grid == 24
    assert settings.chosen_codec(frame="box", grid="24x24").grid == (24, 24)


def test_a_short_name_is_the_newest_version(monkeypatch):
    monkeypatch.setattr(settings, "codec_ids", lambda: ["b-sd/10", "b-sd/2", "b-sd/9"])
    monkeypatch.setattr(settings, "get_codec", lambda *_, **__: mc.BSD())
    assert settings.chosen_codec(name="b-sd") == mc.BSD()
    assert settings._codec_id("b-sd") == "b-sd/10"
    assert settings._codec_id("b-sd/2") == "b-sd/2"


def test_a_mask_may_come_from_standard_input(folder):
    data = (folder / "mask.png").read_bytes()
    assert run("encode", "-", "-l", "black dog", stdin=data).stdout_bytes == TEXT.encode()


def test_text_may_go_to_a_file(folder):
    result = run("encode", "mask.png", "-l", "black dog", "--out", "new.txt")
    assert result.stdout == ""
    assert f"wrote new.txt: {len(TEXT)} characters" in result.stderr
    assert (folder / "new.txt").read_bytes() == TEXT.encode()


@pytest.mark.parametrize("mode", ["1", "L", "P", "I", "I;16"])
def test_every_mode_with_one_number_a_pixel_is_a_mask(mode):
    if mode == "I;16":
        Image.fromarray(MASK.astype(np.uint16) * 40000).save("mask.tif")
    else:
        Image.fromarray(MASK * 255).convert(mode).save("mask.tif")
    assert run("encode", "mask.tif", "-l", "black dog").stdout_bytes == TEXT.encode()


def test_each_named_value_becomes_an_instance():
    result = run("encode", "map.png", "--names", "names.json")
    assert result.stdout_bytes == BOTH.encode()
    assert result.stderr == ""


def test_names_may_be_a_list_with_gaps():
    write("list.json", [None, "dog", "cat"])
    assert run("encode", "map.png", "-n", "list.json").stdout_bytes == BOTH.encode()
    write("sky.json", ["sky", "dog", "cat"])
    texts = run("encode", "map.png", "-n", "sky.json").stdout_bytes.decode()
    assert [region.label for region in mc.BSD().decode(texts)] == ["sky", "dog", "cat"]


def test_names_may_be_a_table():
    Path("names.csv").write_text("Idx,Name\n1,dog;hound\n2,cat\n", encoding="utf-8")
    assert run("encode", "map.png", "-n", "names.csv").stdout_bytes == BOTH.encode()


def test_names_go_to_an_image_wise_codec_as_they_are():
    result = run("encode", "map.png", "-n", "names.json", "-c", "r-rle")
    assert result.stdout_bytes.decode() == mc.RRLE().encode(MAP, {1: "dog", 2: "cat"})


def test_values_without_a_name_are_mentioned():
    write("names.json", {"2": "cat"})
    result = run("encode", "map.png", "-n", "names.json")
    assert result.stderr == "note: without a name, so left out: 1\n"
    assert [region.label for region in mc.BSD().decode(result.stdout)] == ["cat"]
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save("many.png")
    said = run("encode", "many.png", "-n", "names.json").stderr
    assert "left out: 1, 3, 4, 5, 6, 7, 8, 9, 10, 11 ...\n" in said


def test_a_label_map_taken_for_a_mask_is_mentioned():
    result = run("encode", "map.png", "-l", "pets")
    assert "all 2 values but 0 count as 'pets'; --names tells them apart" in result.stderr
    assert result.stdout == mc.BSD().encode(MAP, "pets")


def test_lost_objects_are_refused_or_reported():
    small = MAP.copy()
    small[0, 0] = 3
    Image.fromarray(small).save("map.png")
    write("names.json", {"1": "dog", "2": "cat", "3": "flea"})
    message = fails("encode", "map.png", "-n", "names.json")
    assert "'flea'" in message
    assert message.endswith("--sampling keep keeps it, --lost drop drops it")
    result = run("encode", "map.png", "-n", "names.json", "--lost", "drop")
    assert result.stdout == BOTH
    gone = "note: dropped 'flea': no cell of the 64 x 64 grid is left of it\n"
    assert result.stderr == gone
    result = run("encode", "map.png", "-n", "names.json", "-c", "i-rle", "-g", "64")
    assert result.stderr == gone
    assert "'flea'" in fails("encode", "map.png", "-n", "names.json", "-c", "i-rle", "--lost=raise")
    kept = run("encode", "map.png", "-n", "names.json", "--sampling", "keep")
    assert "<ref>flea</ref>" in kept.stdout
    boxed = run("encode", "map.png", "-n", "names.json", "--frame", "box")
    assert "<ref>flea</ref>" in boxed.stdout


def test_what_a_box_loses_is_refused_or_reported():
    dots = np.zeros(SHAPE, np.uint8)
    dots[::10, ::10] = 1
    Image.fromarray(dots).save("dots.png")
    command = "encode", "dots.png", "-l", "dots", "-c", "b-sd-box", "--sampling", "area"
    message = fails(*command)
    assert "no cell of its box is left of it" in message
    assert message.endswith("--sampling keep keeps it, --lost drop drops it")
    result = run(*command, "--lost", "drop")
    assert result.stderr.startswith("note: dropped 'dots': no cell of its box is left of it\n")


def test_an_empty_mask_is_mentioned():
    Image.new("L", (9, 9)).save("mask.png")
    result = run("encode", "mask.png", "-l", "dog")
    assert result.stdout == ""
    assert result.stderr == "note: there is nothing to encode, so the text is empty\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("mask.png", "give --label for a mask, or --names for a label map"),
        ("mask.png -l dog -n names.json", "give --label for a mask, or --names"),
        ("mask.png -l dog --codec rle", "no codec is called 'rle'; there are b-sd, b-sd-box,"),
        ("mask.png -l dog --codec b-sd/9", "no codec is called 'b-sd/9'"),
        ("mask.png -l dog --dialect text4seg", "--dialect: b-sd/1 has no such setting; it has --g"),
        ("mask.png -l dog --background x", "--background: b-sd/1 has no such setting"),
        ("mask.png -l dog -c i-sd --no-bricks", "--bricks/--no-bricks: i-sd/1 has no such setting"),
        ("mask.png -l dog -c i-sd --row-separator none", "i-sd/1 has no such setting; it has --gr"),
        ("mask.png -l dog --grid 0", "grid must be 1 .. 1024 cells a side, got 0"),
        ("mask.png -l dog --grid 64x", "--grid: expected 64, or 48x64 for rows x columns, got '64"),
        ("mask.png -l dog --grid 9999999999", "--grid: expected 64"),
        ("mask.png -l dog --sampling finest", "'finest' is not one of"),
        ("mask.png -l dog --frame image", "'image' is not one of"),
        (
            "mask.png -l dog --sampling best",
            '--sampling: --sampling best is for --frame box; on the canvas use "keep"',
        ),
        ("mask.png -l dog --sampling best -c i-sd", "--sampling: sampling must be one of 'nearest"),
        ("mask.png -l dog --bins 9", "--bins: bins are for --frame box, got bins=9 on the canvas"),
        ("mask.png -l dog --frame box --bins 0", "--bins: bins must be a whole number, 1 .. 1024"),
        ("mask.png -l dog --frame box --bins -1", "a whole number, 1 .. 1024, got -1"),
        ("mask.png -l dog --frame box --bins x", "--bins: expected 1000, or 1 .. 1024, got 'x'"),
        ("mask.png -l dog --frame box --bins 1e3", "or 1 .. 1024, got '1e3'"),
        ("mask.png -l dog --frame box --grid 64", "--grid: grid must be 1 .. 63 cells a side, got"),
        (
            "mask.png -l dog -c b-sd-box --row-separator none",
            "--row-separator: --frame box needs --row-separator newline: a row may have any width",
        ),
        ("mask.png -l dog -c b-sd/1 --frame box", "has frame='canvas', got 'box'; use b-sd-box/1"),
        ("mask.png -l dog -c b-sd-box --frame canvas", "--frame: b-sd-box/1 has frame='box', got"),
        ("mask.png -l dog -c r-rle --frame box", "--frame: r-rle/1 has no such setting; it has --"),
        ("mask.png -l dog -c i-sd --bins 9", "--bins: i-sd/1 has no such setting; it has --grid"),
        ("mask.png -l dog -c i-sd --repeats", "--repeats/--no-repeats: i-sd/1 has no such setting"),
        ("mask.png -l dog --config x --frame box", "--frame and --config exclude each other"),
        (
            "mask.png -l dog --config x --bins 9 --repeats",
            "--bins, --repeats/--no-repeats and --config exclude each other",
        ),
        ("mask.png -l dog -c i-sd --background a|b", "background: label 'a|b' holds '|'"),
        ("mask.png -l dog --config x --grid 32", "--grid and --config exclude each other"),
        ("mask.png -l dog --config x -c b-sd", "--codec and --config exclude each other"),
        ("coco.json", "--image-id: coco.json holds annotations; say of which image"),
        ("COCO.JSON -l dog", "--image-id: COCO.JSON holds annotations; say of which image"),
        ("mask.png --image-id 7", "--image-id: it is for COCO annotations, a .json file, got 'mas"),
        ("- --image-id 7 -l dog", "--image-id: it is for COCO annotations, a .json file, got '-'"),
        ("coco.json --image-id 7 -l dog", "--label and --image-id exclude each other"),
        ("coco.json --image-id 7 -n names.json", "--names and --image-id exclude each other"),
    ],
)
def test_bad_usage_of_encode(args, message):
    assert message in misused("encode", *args.split())


def test_files_that_are_no_mask():
    Image.new("RGB", (4, 4)).save("colour.png")
    assert "colour.png has colours (mode RGB)" in fails("encode", "colour.png", "-l", "dog")
    assert fails("encode", "none.png", "-l", "dog") == "none.png: No such file or directory"
    assert fails("encode", "text.txt", "-l", "x") == "text.txt is not a PNG, BMP or TIFF image"
    assert "standard input is not a PNG, BMP" in fails("encode", "-", "-l", "x", stdin=b"")


def test_a_broken_image_is_no_mask(folder):
    data = (folder / "mask.png").read_bytes()
    for end in range(0, len(data) // 2, 7):
        assert "standard input is not a" in fails("encode", "-", "-l", "x", stdin=data[:end])


def test_a_picture_that_claims_a_monstrous_size_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "decompression bomb" in fails("encode", "mask.png", "-l", "dog")


def test_a_large_picture_is_taken_without_a_warning(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", MASK.size - 1)
    assert run("encode", "mask.png", "-l", "black dog").stdout == TEXT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "names.json is not JSON that can be read: "),
        ("[" * 100_000, "names.json is nested too deep"),
        ('{"1": ' + "9" * 5000 + "}", "names.json is not JSON that can be read: "),
        ({"one": "dog"}, "a value must be a whole number, got 'one'"),
        ({"1": 2}, "a name must be a string or null, got 2"),
        ("7", 'names.json must be {"1": "wall", ...} or a list of names, got 7'),
        ({}, 'names.json names no value; expected {"1": "wall", ...}, a list, a table or lines'),
        ([None], "names.json names no value"),
        ({"1": "<ref>"}, "label '<ref>' holds '<ref>'"),
        ({"1": " "}, "names.json names no value"),
    ],
)
def test_names_that_are_none(content, message):
    write("names.json", content)
    assert message in fails("encode", "map.png", "-n", "names.json")


def test_names_that_are_no_text(folder):
    (folder / "names.json").write_bytes(b"\xff\xfe\xfd")
    assert "names.json is not UTF-8: " in fails("encode", "map.png", "-n", "names.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "c.json is not JSON that can be read"),
        ({"grid": 64}, 'c.json: a codec\'s configuration needs an "id"'),
        ({"id": "x/1"}, "c.json: no codec has the id 'x/1'"),
        ({"id": "b-sd/1", "grid": 0}, "c.json: grid must be 1 .. 1024"),
        ([], 'configuration needs an "id"'),
    ],
)
def test_configurations_that_are_none(content, message):
    write("c.json", content)
    assert message in fails("encode", "mask.png", "-l", "dog", "--config", "c.json")


def test_a_label_that_would_break_the_text():
    assert "holds '</ref>'" in fails("encode", "mask.png", "-l", "a</ref>b")


# encode, from annotations


@pytest.fixture
def zoo():
    """A COCO file of an image: a small dog upon a large one, a crowd of cats; and another image."""
    small = boxes((14, 15, 20, 20))
    cats = RunMask.from_mask(MAP == 2).counts.tolist()
    dog = RunMask.from_mask(small).rle()["counts"].decode()
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
    assert result.stdout == mc.BSD().encode_many(masks, ["puppy", "dog", "cat"])
    assert result.stderr == ""
    assert encode(zoo, "-g", "32", "--no-bricks").stdout == mc.BSD(
        grid=32, bricks=False
    ).encode_many(masks, ["puppy", "dog", "cat"])
    write("COCO.JSON", zoo)
    said = run("encode", "COCO.JSON", "--image-id", "7", "-o", "a.txt").stderr
    assert said == f"wrote a.txt: {len(result.stdout)} characters\n"
    assert Path("a.txt").read_bytes() == result.stdout_bytes


def test_instances_are_written_in_their_boxes(zoo):
    masks = [boxes((14, 15, 20, 20)), MAP == 1, MAP == 2]
    codec = mc.BSD(frame="box", repeats=True)
    result = encode(zoo, "--frame", "box", "--repeats")
    assert result.stdout == codec.encode_many(masks, ["puppy", "dog", "cat"])
    assert result.stderr == ""


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
    assert "puppy" not in result.stdout
    assert result.stderr == (
        "note: smaller instances cover 'puppy': no cell of the grid is left to it\n"
    )


def test_lost_instances_are_refused_or_reported(zoo):
    flea = {"id": 6, "image_id": 7, "category_id": 4, "segmentation": rle([0, 1, MASK.size - 1])}
    zoo["annotations"].append(flea)
    write("coco.json", zoo)
    message = fails("encode", "coco.json", "--image-id", "7")
    assert message.startswith("coco.json: annotation 6: mask ('category 4') has 1 of 128 x 192 pix")
    assert message.endswith("--sampling keep keeps it, --lost drop drops it")
    gone = "note: dropped 'category 4': no cell of the 64 x 64 grid is left of it\n"
    result = encode(zoo, "--lost", "drop")
    assert result.stderr == gone
    assert [region.label for region in mc.BSD().decode(result.stdout)] == ["puppy", "dog", "cat"]
    assert "<ref>category 4</ref>" in encode(zoo, "--sampling", "keep").stdout
    on_grid = "encode", "coco.json", "--image-id", "7", "-c", "i-rle", "-g", "64"
    assert run(*on_grid).stderr == gone
    assert fails(*on_grid, "--lost", "raise") == message
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
    assert encode(zoo).stdout == mc.BSD().encode_many(masks, ["dog", "cat"])
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
        "coco.json: annotation 3: 'others' is the background's label; --background gives it another"
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

    monkeypatch.setattr(codecs, "cell_label", lambda label, _: Name(label))
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
    assert compared < 5 * count


ONE, TWO = "annotation 1", "annotation 2"
IDS = [
    ({"image_id": None}, ONE + " has no image_id"),
    ({"image_id": True}, ONE + " has true for its image_id, which is no id"),
    ({"image_id": [7]}, ONE + " has a list for its image_id, which is no id"),
    ({"image_id": {"id": 7}}, ONE + " has an object for its image_id, which is no id"),
    ({"image_id": 5}, ONE + " belongs to image 5, which the file does not list"),
    ({"image_id": 5.0}, ONE + " belongs to image 5, which the file does not list"),
    ({"image_id": 7.5}, ONE + " belongs to image 7.5, which the file does not list"),
    ({"image_id": 5, "id": None}, "annotation number 1 of the list belongs to image 5, which the"),
    ({"category_id": None}, ONE + " has no category_id"),
    ({"category_id": False}, ONE + " has false for its category_id, which is no id"),
    ({"category_id": [1]}, ONE + " has a list for its category_id, which is no id"),
    ({"iscrowd": "0"}, ONE + ' has an "iscrowd" that is neither 0 nor 1: "0"'),
    ({"iscrowd": 2}, ONE + ' has an "iscrowd" that is neither 0 nor 1: 2'),
    ({"iscrowd": 0.5}, ONE + ' has an "iscrowd" that is neither 0 nor 1: 0.5'),
    ({"iscrowd": [0]}, ONE + ' has an "iscrowd" that is neither 0 nor 1: a list'),
    ({"iscrowd": "n" * 99}, ONE + f' has an "iscrowd" that is neither 0 nor 1: "{"n" * 56}...'),
]


@pytest.mark.parametrize(("change", "message"), IDS)
@pytest.mark.parametrize("command", ["encode", "show", "tokens"])
def test_what_an_annotation_belongs_to_is_checked(zoo, change, message, command):
    settings = ["-t", "."] if command == "tokens" else ["--image-id", "9"]
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
    assert message == "coco.json: annotation 4 belongs to image 50, which the file does not list"
    zoo["annotations"][3]["image_id"] = zoo["annotations"][4]["image_id"] = 8
    del zoo["annotations"][3]["category_id"], zoo["annotations"][4]["category_id"]
    write("coco.json", zoo)
    message = fails("encode", "coco.json", "--image-id", "7")
    assert message == "coco.json: annotation 4 has no category_id"


@pytest.mark.parametrize(
    ("category", "message"),
    [
        ({"id": 3}, "category 3 needs a name, a string that is not empty: null"),
        ({"id": 3.0, "name": None}, "category 3 needs a name, a string that is not empty: null"),
        ({"id": 3, "name": " \t"}, "category 3 needs a name, a string that is not empty: "),
        ({"id": 3, "name": ""}, 'category 3 needs a name, a string that is not empty: ""'),
        ({"id": 3, "name": 5}, "category 3 needs a name, a string that is not empty: 5"),
        ({"id": 3, "name": ["a"]}, "category 3 needs a name, a string that is not empty: a list"),
        ({"id": 2, "name": "Cat"}, 'category 2 is listed twice: as "cat" and as "Cat"'),
        ({"id": 2.0, "name": "dog"}, 'category 2 is listed twice: as "cat" and as "dog"'),
        ({"name": "dog"}, "a category has no id"),
        ({"id": True, "name": "dog"}, "a category has true for its id, which is no id"),
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
    assert said.startswith("coco.json: an image has ")


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
    assert message == "coco.json: annotation 1 belongs to image 5, which the file does not list"


def test_without_categories_labels_are_ids_or_objects(zoo):
    del zoo["categories"], zoo["annotations"][0]["category_id"]
    zoo["annotations"][2]["category_id"] = None
    labels = [region.label for region in mc.BSD().decode(encode(zoo).stdout)]
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
    assert [one.crowd for one in CocoFile(Path("coco.json"))] == [crowd, False, False, True, False]


def test_alike_are_those_of_an_image_and_a_category_without_crowds(zoo):
    kinds = [(7, 1, 0), (7, 1, 0), (7, 1, 1), (7, 2, 0), (7, 2, 1), (8, 1, 0), (8, 3, 1), (8, 1, 0)]
    zoo["annotations"] = [
        {"id": k, "image_id": image, "category_id": category, "iscrowd": crowd}
        for k, (image, category, crowd) in enumerate(kinds)
    ]
    write("coco.json", zoo)
    alike = [one.alike for one in CocoFile(Path("coco.json"))]
    assert alike == [2, 2, 2, 1, 1, 2, 0, 2]


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
    text = mc.BSD().encode(np.eye(64, dtype=np.uint8), "x" * 5000)
    run("decode", text, "-s", "64x64")
    assert np.array_equal(image("decoded.png"), np.eye(64) * 255)


@pytest.mark.parametrize("text", ["", "answer.txt", "there is nothing"])
def test_a_text_that_shows_nothing(text):
    said = run("decode", text, "-s", "4x5").stderr
    assert "note: the text shows nothing\n" in said
    assert f"note: there is no file {text!r}, so it is read as the text itself\n" in said
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
    expected = mc.BSD().decode(TEXT)[0].mask((111, 222), method="smooth")
    assert np.array_equal(image("decoded.png"), expected * 255)


@pytest.mark.parametrize("method", get_args(Method))
def test_cells_of_a_box_come_back(method):
    mask = disc(60, 90, 37)
    Image.fromarray(mask).save("mask.png")
    args = "--frame", "box", "--grid", "24", "--bins", "300", "--repeats"
    run("encode", "mask.png", "-l", "disc", "-o", "a.txt", "--sampling", "best", *args)
    result = run("decode", "a.txt", "-s", "128x192", "--method", method, *args)
    codec = mc.BSD(frame="box", grid=24, bins=300, sampling="best", repeats=True)
    (region,) = codec.decode(codec.encode(mask, "disc"))
    painted = region.mask(SHAPE, method=method)
    assert np.array_equal(image("decoded.png"), painted * 255)
    assert measure(painted, mask).iou > 0.9
    box, share = " ".join(map(str, region.box)), painted.sum() / painted.size
    assert f"1 disc {box} {region.cells.sum()} {share:.2%}" in words(result.stdout)


def test_a_label_map_comes_back_from_boxes(folder):
    args = "-c", "b-sd-box"
    run("encode", "map.png", "-n", "names.json", "-o", "a.txt", *args)
    args = *args, "--method", "nearest"
    result = run("decode", "a.txt", "-s", "128x192", "-o", "i.png", "--names-out", "n.json", *args)
    assert np.array_equal(image("i.png"), MAP)
    assert "2 names" in result.stderr
    mc.BSD(frame="box").save(folder)
    run("decode", "a.txt", "-i", "photo.png", "--as", "masks", "--config", ".", *args[2:])
    assert np.array_equal(image("decoded-2.png"), (MAP == 2) * 255)


def test_a_box_is_painted_by_contour_unless_asked_otherwise():
    codec, mask = mc.BSD(frame="box", grid=(3, 9)), disc(60, 90, 37)
    write("a.txt", codec.encode(mask, "disc"))
    (region,) = codec.decode(codec.encode(mask, "disc"))
    args = "-s", "128x192", "-c", "b-sd-box", "-g", "3x9"
    run("decode", "a.txt", *args)
    drawn = image("decoded.png")
    assert np.array_equal(drawn, region.mask(SHAPE, method="contour") * 255)
    run("decode", "a.txt", *args, "--method", "nearest")
    assert not np.array_equal(image("decoded.png"), drawn)


def test_a_truncated_text_of_a_box():
    codec = mc.BSD(frame="box", repeats=True)
    cut = codec.encode(disc(60, 90, 37), "disc")[:-40]
    args = "-s", "128x192", "--frame", "box", "--repeats"
    assert fails("decode", cut, *args).startswith("the text stops before </seg>; --recover keeps")
    run("decode", cut, "--recover", *args)
    (region,), _ = codec.recover(cut)
    assert np.array_equal(image("decoded.png"), region.mask(SHAPE) * 255)


def test_repeats_that_the_codec_does_not_have_are_refused():
    text = mc.BSD(repeats=True).encode(MASK, "black dog")
    message = fails("decode", text, "-s", "128x192")
    assert "'<rep19>' in row 2 of 20 of 'black dog' is no brick" in message
    assert message.endswith("; all of it can be read with --repeats")
    run("decode", text, "-s", "128x192", "--repeats")
    assert np.array_equal(image("decoded.png"), MASK * 255)


WRITERS = {  # by the options that read what they write
    "--codec b-sd alone": mc.BSD(),
    "--frame box": mc.BSD(frame="box"),
    "--repeats": mc.BSD(repeats=True),
    "--no-bricks": mc.BSD(bricks=False),
    "--frame box --no-bricks": mc.BSD(frame="box", bricks=False),
    "--frame box --repeats --no-bricks": mc.BSD(frame="box", bricks=False, repeats=True),
    "--frame box --grid 63x63": mc.BSD(frame="box", grid=48),
}


@pytest.mark.parametrize("flags", WRITERS)
def test_a_text_of_other_settings_is_told(flags):
    text = WRITERS[flags].encode(disc(60, 90, 37), "disc")
    wrong = ("--repeats", "--frame", "box", "--bins", "90", "--grid", "9")
    reader = wrong if "box" not in flags else wrong[:1]
    if flags == "--repeats":
        reader = ()
    said = f"can be read with {flags}"
    assert fails("decode", text, "-s", "128x192", *reader).endswith(f"; all of it {said}")
    result = run("decode", text, "-s", "128x192", "--recover", *reader)
    assert f"note: all of the text {said}" in words(result.stderr)
    again = flags.replace(" alone", "").split()
    result = run("decode", text, "-s", "128x192", "--recover", *again)
    assert "can be read with" not in result.stderr
    assert image("decoded.png").any()


def test_of_a_text_that_nothing_reads_only_the_fault_is_told():
    assert "can be read with" not in fails("decode", "<ref>dog</ref><box>", "-s", "128x192")
    result = run("decode", "<ref>dog</ref><box>", "-s", "128x192", "--recover")
    assert "can be read with" not in result.stderr


def test_small_regions_lie_upon_large_ones():
    codec = mc.BSD()
    text = codec.encode(boxes((10, 10, 20, 20)), "cup") + codec.encode(boxes((5, 5, 40, 40)), "bar")
    result = run("decode", text, "-s", "128x192")
    index = image("decoded.png")
    assert (index[MASK.shape[0] * 15 // 64, MASK.shape[1] * 15 // 64], index[14, 20]) == (1, 2)
    assert "600 pixels of larger ones are hidden; --as masks keeps them" in result.stderr


def test_many_regions_make_an_index_of_16_bits():
    cells = np.arange(1, 301).reshape(15, 20)
    text = mc.BSD(grid=(15, 20)).encode_many([cells == n for n in range(1, 301)], ["x"] * 300)
    run("decode", text, "-s", "30x40", "-g", "15x20", "--names-out", "n.json")
    assert np.array_equal(image("decoded.png"), np.kron(cells, np.ones((2, 2))))
    assert run("encode", "decoded.png", "-n", "n.json", "-g", "15x20").stdout == text


def test_an_index_has_at_most_16_bits(folder):
    region = mc.BSD().decode(TEXT)[0]
    with pytest.raises(mc.MaskCodecError, match="holds up to 65535 regions, got 65536"):
        say.write_index(folder / "i.png", [region] * 65536, [], (4, 4), "nearest")


def test_with_a_photo_the_regions_are_drawn_on_it(folder):
    result = run("decode", "both.txt", "--image", "photo.png", "--out", "o.png")
    drawn, photo = image("o.png"), image("photo.png")
    assert drawn.shape == (*SHAPE, 3)
    assert np.array_equal(drawn[-4:], photo[-4:])
    assert (drawn[MAP != 0] != photo[MAP != 0]).any(axis=1).all()
    assert "wrote o.png: the decoded regions over 128 x 192 pixels" in result.stderr
    run("decode", "both.txt", "--image", "photo.png", "--shape", "128x192", "-o", "o.jpg")
    assert (folder / "o.jpg").read_bytes()[:3] == b"\xff\xd8\xff"


def test_a_large_overlay_is_drawn_smaller(monkeypatch):
    monkeypatch.setattr(figure, "MOST_DRAWN", MASK.size // 4)
    for args in ("--image", "photo.png"), ("--shape", "128x192"):
        result = run("decode", "both.txt", *args, "--as", "overlay")
        assert image("decoded.png").shape == (64, 96, 3)
        assert "wrote decoded.png: the decoded regions over 64 x 96 pixels" in result.stderr
        assert "note: the picture is smaller than the image of 128 x 192 pixels" in result.stderr
        assert "14 11 40 36" not in words(result.stdout)
        assert f"{np.count_nonzero(MAP == 1) / MAP.size:.2%}" in result.stdout
    run("decode", "both.txt", "--image", "photo.png", "--as", "index")
    assert np.array_equal(image("decoded.png"), MAP)


@pytest.mark.parametrize(
    "command",
    [
        "encode a.png -l dog",
        "decode text.txt --image a.png",
        "show coco.json --image-id 7 --image a.png",
    ],
)
def test_only_images_are_opened_as_such(folder, coco, command):
    write("coco.json", coco)
    (folder / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    message = fails(*command.split())
    assert message.startswith("a.png is not a PNG, ")
    assert message.endswith("; it seems to be PostScript")
    (folder / "a.png").unlink()
    (folder / "a.png").mkdir()
    assert fails(*command.split()) == "a.png is a folder, and only a regular file is read"


def test_the_photo_may_only_say_the_size():
    run("decode", "both.txt", "--image", "photo.png", "--as", "index")
    assert np.array_equal(image("decoded.png"), MAP)


def test_without_a_photo_an_overlay_has_a_plain_ground():
    run("decode", "both.txt", "--shape", "128x192", "--as", "overlay")
    assert image("decoded.png").shape == (*SHAPE, 3)


def test_a_photo_is_turned_upright():
    photo = Image.new("RGB", SHAPE)  # on its side: 128 wide and 192 high
    exif = photo.getexif()
    exif[0x0112] = 6
    photo.save("turned.jpg", exif=exif)
    run("decode", "text.txt", "--image", "turned.jpg", "--as", "mask")
    assert np.array_equal(image("decoded.png"), MASK * 255)


def test_a_truncated_text():
    cut = TEXT[:-40].encode()
    message = fails("decode", "-", "-s", "128x192", stdin=cut)
    assert message.startswith("the text stops before </seg>; --recover keeps what can be drawn")
    result = run("decode", "-", "-s", "128x192", "--recover", stdin=cut)
    said = words(result.stdout)
    assert f"{len(cut)} truncated the text stops before </seg> drew what was there" in said
    assert "1 black dog 12 10 24 29" in said
    assert not image("decoded.png")[MASK == 0].any()
    assert image("decoded.png").any()


def test_a_truncated_grid():
    cut = mc.RRLE().encode(MASK, "dog")[:-30]
    assert "the text stops" in fails("decode", cut, "-s", "128x192", "-c", "r-rle")
    result = run("decode", cut, "-s", "128x192", "-c", "r-rle", "--recover")
    assert "truncated" in result.stdout


def test_nothing_is_wrong_with_a_good_text():
    result = run("decode", "text.txt", "-s", "128x192", "--recover")
    assert words(result.stdout).endswith("what was drawn")


def test_a_cut_label_leaves_no_region():
    text = "<seg>dog*256|cat*9</seg>"
    result = run("decode", text, "-c", "i-rle", "-s", "16x16", "--recover")
    assert "cat" not in words(result.stdout).partition("Problems")[0]
    assert "cells-extra" in result.stdout


def test_a_region_without_a_label():
    text = "<box>[[0 0 0 0]]</box><seg><fg1></seg>"
    result = run("decode", text, "-s", "64x64", "--recover", "--names-out", "n.json")
    assert "(no label)" in result.stdout
    assert "wrote n.json: 0 names" in result.stderr


def test_a_label_cannot_talk_to_the_terminal():
    text = "<ref>a\x1b[31m[red]b\x07[/red]</ref><box>[[0 0 0 0]]</box><seg><fg1></seg>"
    for kind in ["mask", "masks", "overlay"]:
        result = run("decode", text, "-s", "64x64", "--as", kind)
        assert r"a\x1b[31m[red]b\x07[/red]" in result.stdout
        assert "\x1b[31m[red]" not in result.output
        assert "\x07" not in result.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("text.txt", "give --shape, the size of the image, or --image"),
        ("text.txt -s 480", "--shape: expected 480x640, height x width, got '480'"),
        ("text.txt -s -1x5", "expected 480x640"),
        ("text.txt -s 0x640", "--shape: an image has 1 .. 134217728 pixels, got '0x640'"),
        ("text.txt -s 99999x99999", "--shape: an image has 1 .. 134217728 pixels"),
        ("text.txt -s 9x9 -o mask.jpg", "the name must end in .png for masks, since others ch"),
        ("text.txt -s 9x9 --as overlay -o mask", "the name must end in .png, .jpg, .jpeg, got"),
        ("text.txt -s 9x9 --as picture", "'picture' is not one of"),
        ("text.txt -s 9x9 --as mask --names-out n.json", "--names-out: --as mask has no values"),
        ("text.txt -i photo.png -s 9x9", "--shape: photo.png has 128 x 192 pixels, got '9x9'"),
        ("text.txt -s 9x9 --method best", "'best' is not one of"),
        ("text.txt -s 9x9 -c r-rle --bricks", "r-rle/1 has no such setting"),
    ],
)
def test_bad_usage_of_decode(args, message, folder):
    assert message in misused("decode", *args.split())
    assert not (folder / "decoded.png").exists()


def test_texts_and_files_that_cannot_be_read(folder):
    (folder / "latin.txt").write_bytes("<ref>café</ref>".encode("latin-1"))
    assert "latin.txt is not UTF-8 text" in fails("decode", "latin.txt", "-s", "9x9")
    assert "standard input is not UTF-8 text" in fails("decode", "-", "-s", "9x9", stdin=b"\xff")
    assert "Is a directory" in fails("decode", str(folder), "-s", "9x9") or sys.platform == "win32"
    assert "photo.jpg: No such file" in fails("decode", "text.txt", "-i", "photo.jpg")
    assert "no * and count" in fails("decode", "<seg>dog</seg>", "-s", "9x9", "-c", "i-rle")


# show


@pytest.fixture
def coco():
    """A COCO file with a polygon, counts, packed counts, an empty one, and one that gets lost."""
    cat = RunMask.from_mask(MAP == 2)
    packed = cat.rle()["counts"].decode()
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


def polygon(box):
    y1, x1, y2, x2 = (side * step for side, step in zip(box, (2, 3, 2, 3), strict=True))
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def rle(counts):
    return {"size": list(SHAPE), "counts": counts}


def show(content, *args, image_id=7):
    write("coco.json", content)
    return run("show", "coco.json", "--image-id", image_id, *args)


def test_show_compares_every_kind_of_annotation(coco):
    pytest.importorskip("pycocotools")
    result = show(coco)
    said = words(result.stdout)
    assert "1 dog 1,560" in said
    assert said.count("[cat] 3,300 ") == 2
    assert said.count(" 1.000") == 3
    assert "4 category 9 0 0 empty" in said
    assert "5 dog 1 0 lost" in said
    assert "lost: no. 5, of which no cell of the 64 x 64 grid is left; " in result.stderr
    assert image("show.png").shape[1] > 2 * 480
    kept = show(coco, "--sampling", "keep")
    assert "lost" not in kept.output


def test_show_draws_on_the_photo(coco):
    pytest.importorskip("pycocotools")
    show(coco, "--image", "photo.png", "--out", "s.jpg", "--grid", "16x24", "--method", "smooth")
    assert (image("s.jpg")[60:70, 30:60] > 80).all()


def test_show_compares_in_the_box_frame(coco):
    del coco["annotations"][0]
    coco["annotations"][1]["segmentation"] = rle(
        RunMask.from_mask(disc(60, 90, 37)).counts.tolist()
    )
    args = "--frame", "box", "--grid", "5", "--bins", "200", "--repeats"
    shares, lengths = {}, {}
    for method in "nearest", "contour":
        result = show(coco, "--method", method, *args)
        assert "lost" not in result.output
        rows = re.findall(r"\[cat\] [0-9,]+ ([0-9]+) ([01]\.[0-9]+)", words(result.stdout))
        shares[method], lengths[method] = float(rows[1][1]), [int(length) for length, _ in rows]
    codec = mc.BSD(frame="box", grid=5, bins=200, repeats=True)
    masks = [MAP == 2, disc(60, 90, 37)]
    expected = [len(codec.encode(mask, "[cat]")) for mask in masks]
    assert lengths == dict.fromkeys(shares, expected)
    assert shares["nearest"] < shares["contour"] > 0.94
    dots = np.zeros(SHAPE, np.uint8)
    dots[::10, ::10] = 1
    coco["annotations"][1]["segmentation"] = rle(RunMask.from_mask(dots).counts.tolist())
    result = show(coco, "--sampling", "area", *args)
    assert "lost: no. 2, of which no cell of its box is left; " in result.stderr


def test_polygons_need_pycocotools(coco, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    write("coco.json", coco)
    message = fails("show", "coco.json", "--image-id", "7")
    assert message == "polygons need pycocotools, which is missing: pip install 'maskcodec[coco]'"
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
    ({"images": [1]}, "coco.json: an image must be an object, got 1"),
    ({"images": [[7]]}, "coco.json: an image must be an object, got a list"),
    ({"images": []}, LIST),
    ({"annotations": []}, "coco.json has no list 'images'; expected are images, annotations"),
    ({"images": [], "annotations": None}, "its 'annotations' must be a list, but it is a number"),
    ({"images": [], "annotations": [None]}, "an annotation must be an object, got null"),
    ("{", JSON + "a key was expected at byte 1, the file ends"),
    (IMAGES + '[{"id": 1', JSON + "Expecting ',' delimiter at byte 77, the file ends"),
    (IMAGES + "[]} x", JSON + "the end was expected at byte 72, found 'x'"),
    (IMAGES + "[]}{}", JSON + "the end was expected at byte 71, found '{'"),
    (IMAGES + "[{'id': 1}]}", JSON + "Expecting property name enclosed in double quotes"),
    (IMAGES + '[{"area": NaN}]}', JSON + "NaN is no JSON at byte 69"),
    (IMAGES + '[{"area": -Infinity}]}', JSON + "-Infinity is no JSON at byte 69"),
    (IMAGES + '[{"id": ' + "9" * 5000 + "}]}", JSON + "Exceeds the limit (4300"),
    (IMAGES + '[{"id": 1, "id": 2}]}', JSON + "an object has the key 'id' twice at byte 69"),
    (IMAGES + '[], "images": []}', "coco.json has the list 'images' twice; it must be one"),
    (IMAGES.encode() + b'[{"id": "caf\xe9"}]}', "the value at byte 69 is not UTF-8: invalid"),
    (b"\xff\xfe{\0}\0", "coco.json: it must be an object, but it is a number or a word"),
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
        {"images": [{"id": k, "height": 4, "width": 4 + (k == 7)} for k in (7, "7")]},
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


def test_bad_usage_of_show(coco, folder):
    write("coco.json", coco)
    assert "Missing option '--image-id'" in misused("show", "coco.json")
    assert "the name must end in" in misused("show", "coco.json", "--image-id", "7", "-o", "x.gif")
    mc.RRLE().save(folder)
    said = misused("show", "coco.json", "--image-id", "7", "--config", "maskcodec.json")
    assert "instances need a b-sd configuration" in said


# tokens


@pytest.fixture
def pets(folder):
    """Annotations of a dog and two cats, one of them tiny, and a tokenizer of characters."""
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
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
    assert "b-sd-box/1 11 x 63 a box " in said
    assert result.stderr == ""
    assert tokens(pets).stdout != result.stdout


def test_masks_without_a_cell_are_named_lost(pets):
    one = {"id": 4, "image_id": 7, "category_id": 1}
    pets["annotations"] = [{**one, "segmentation": rle([0, 1, MASK.size - 1])}]
    result = tokens(pets)
    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "i-sd/1 16 x 16 1" in rows  # and no mean
    (boxed,) = (row for row in rows if row.startswith("b-sd-box/1"))
    assert boxed.endswith(" 0")
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
        said = f"none of the {len(annotations)} instances has a cell on any grid"
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
    assert message == "coco.json: annotation 2 belongs to image 8, which the file does not list"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("file", "alive"), [(Terminal(), True), (io.StringIO(), False)])
def test_signs_of_life_are_for_terminals(file, alive, monkeypatch):
    monkeypatch.setattr(say, "err", Console(file=file, force_terminal=True))
    with say.wait("Waiting"):
        pass
    assert list(say.steps([1, 2], "Counting")) == [1, 2]
    assert ("Waiting" in file.getvalue()) is ("Counting" in file.getvalue()) is alive
    assert alive or file.getvalue() == ""


@pytest.mark.parametrize(("file", "alive"), [(Terminal(), True), (io.StringIO(), False)])
def test_reading_and_counting_show_how_far_they_are(file, alive, pets, monkeypatch):
    monkeypatch.setattr(say, "err", Console(file=file, force_terminal=True))
    write("[red].json", pets)
    run("tokens", "[red].json", "--tokenizer", ".")
    run("encode", "[red].json", "--image-id", "7")
    shown = uncoloured(file.getvalue())
    for sign in "Reading [red].json", "Counting", "Reading image 7", "100%":
        assert (sign in shown) is alive
    assert alive or shown == ""
