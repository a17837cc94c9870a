"""The command line: its help, masks and label maps there and back."""

import errno
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.cli import commands, messages, settings
from maskcodec.pictures import demo, figure
from maskcodec.text import codec as registry
from tests.cli.calling import (
    BOTH,
    MAP,
    MASK,
    RUNNER,
    SHAPE,
    TEXT,
    disc,
    fails,
    misused,
    run,
    uncoloured,
    words,
    write,
)

pytestmark = pytest.mark.usefixtures("folder")

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

    monkeypatch.setattr(messages.typer, "echo", echo)
    assert "error" not in run("encode", "mask.png", "-l", "dog", code=1).stderr


# demo


def test_demo_compares_the_codecs_and_writes_the_picture(monkeypatch):
    shown = []
    draw = figure.panels

    def spy(pictures, **options):
        shown.extend((title, remark) for title, remark, _ in pictures)
        return draw(pictures, **options)

    monkeypatch.setattr("maskcodec.cli.demo.panels", spy)
    result = run("demo")
    assert shown == [
        ("Image", "480 x 640 pixels"),
        ("Masks", "6 labelled objects"),
        ("Cells of scanlines", "11 x 63 a box, 1,886 characters"),
        ("Cells of B-SD, the paper's canvas", "64 x 64, 2,382 characters"),
        ("Decoded from it", "IoU 0.92 on average"),
        ("Decoded from it", "IoU 0.86 on average"),
    ]
    with Image.open("maskcodec-demo.png") as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (1355, 1713))
    assert 50_000 < Path("maskcodec-demo.png").stat().st_size < 400_000
    cells, number, share = r"([0-9]+ (?:x [0-9]+(?: a box)?|vertices))", r"([0-9,]+)", r"(0\.\d+)"
    columns = [r"(\S+/1)", cells, number, number, share, share]
    rows = re.findall(" +".join(columns), result.stdout)
    assert sorted(name for name, *_ in rows) == mc.codec_ids()
    lengths = [int(length.replace(",", "")) for _, _, length, *_ in rows]
    assert lengths == sorted(lengths, reverse=True)
    assert {runs for name, _, _, runs, *_ in rows if name == "i-sd/1"} == {"4,096"}
    others = {"scanlines/1": "11 x 63 a box", "polygons/1": "24 vertices"}
    assert all(cells == others.get(name, "64 x 64") for name, cells, *_ in rows)
    (runs,) = (int(runs) for name, _, _, runs, *_ in rows if name == "scanlines/1")
    cells = [int(runs.replace(",", "")) for name, _, _, runs, *_ in rows if name not in others]
    assert runs < min(cells)
    assert all(0.8 < float(nearest) <= float(contour) for *_, nearest, contour in rows)
    scene = demo.scene()
    assert mc.Scanlines().encode(scene.masks()[4], "black dog") in uncoloured(result.stdout)


def test_demo_leaves_out_what_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    monkeypatch.setattr(
        "maskcodec.cli.demo.codec_ids", lambda: ["b-sd/1", "polygons/1", "scanlines/1"]
    )
    result = run("demo")
    assert "polygons/1 " not in result.stdout
    assert "polygons/1 is left out: polygons need pycocotools" in words(result.stderr)


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
    monkeypatch.setattr(messages, "is_terminal", lambda: True)
    assert run("encode", "mask.png", "-l", "black dog").stdout == TEXT + "\n"


def test_text_is_not_markup():
    result = run("encode", "mask.png", "--label", "[bold]dog[/bold] ⟨狗⟩")
    assert result.stdout_bytes.decode() == mc.Scanlines().encode(MASK, "[bold]dog[/bold] ⟨狗⟩")


@pytest.mark.parametrize(
    ("options", "codec"),
    [
        ("", mc.Scanlines()),
        ("--codec scanlines", mc.Scanlines()),
        ("-c scanlines/1 --rows 24", mc.Scanlines(rows=24)),
        ("--rows 5 --columns 9", mc.Scanlines(rows=5, columns=9)),
        ("--bins 60", mc.Scanlines(bins=60)),
        ("--coordinates digits", mc.Scanlines()),
        ("--coordinates tokens --bins 90", mc.Scanlines(coordinates="tokens", bins=90)),
        ("--sampling best", mc.Scanlines(sampling="best")),
        ("--sampling nearest", mc.Scanlines(sampling="nearest")),
        ("--codec b-sd", mc.BSD()),
        ("-c b-sd/1 -g 32", mc.BSD(grid=32)),
        ("-c b-sd --grid 48x64", mc.BSD(grid=(48, 64))),
        ("-c b-sd --sampling area", mc.BSD(sampling="area")),
        ("-c b-sd --no-bricks", mc.BSD(bricks=False)),
        ("-c b-sd --bricks", mc.BSD()),
        ("-c b-sd --row-separator none", mc.BSD(row_separator="")),
        ("-c b-sd --row-separator newline", mc.BSD()),
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


def test_a_short_name_is_the_newest_version(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", {"b-sd/10": mc.RRLE, "b-sd/2": mc.BSD})
    assert settings.chosen_codec(name="b-sd") == mc.RRLE()
    assert settings.chosen_codec(name="b-sd/2", grid="8") == mc.BSD(grid=8)


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
    assert [region.label for region in mc.Scanlines().decode(texts)] == ["sky", "dog", "cat"]


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
    assert [region.label for region in mc.Scanlines().decode(result.stdout)] == ["cat"]
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save("many.png")
    said = run("encode", "many.png", "-n", "names.json").stderr
    assert "left out: 1, 3, 4, 5, 6, 7, 8, 9, 10, 11 ...\n" in said


def test_a_mask_of_more_than_two_values_needs_a_threshold():
    result = run("encode", "map.png", "-l", "pets", code=1)
    assert "map.png has 3 values, 0 to 2, and a mask has two; it looks like an" in result.stderr
    result = run("encode", "map.png", "-l", "pets", "--threshold", "2")
    assert result.stdout == mc.Scanlines().encode(MAP == 2, "pets")
    write("names.json", {"2": "cat"})
    result = run("encode", "map.png", "-n", "names.json", "--threshold", "2", code=2)
    assert "it is for a mask with a --label" in result.stderr


def test_lost_objects_are_refused_or_reported():
    small = MAP.copy()
    small[0, 0] = 3
    Image.fromarray(small).save("map.png")
    write("names.json", {"1": "dog", "2": "cat", "3": "flea"})
    boxed = run("encode", "map.png", "-n", "names.json")
    assert boxed.stdout.startswith(BOTH)
    assert "<ref>flea</ref>" in boxed.stdout
    command = "encode", "map.png", "-n", "names.json", "-c", "b-sd"
    message = fails(*command)
    assert "'flea'" in message
    assert message.endswith("--sampling keep keeps it, --lost drop drops it")
    result = run(*command, "--lost", "drop")
    assert result.stdout == mc.BSD().encode_many([MAP == 1, MAP == 2], ["dog", "cat"])
    gone = "note: dropped 'flea': no cell of the 64 x 64 grid is left of it\n"
    assert result.stderr == gone
    on_grid = "encode", "map.png", "-n", "names.json", "-c", "i-rle"
    message = fails(*on_grid)
    assert "'flea'" in message
    assert message.endswith("--sampling keep keeps it, --lost drop drops it")
    assert run(*on_grid, "--lost", "drop").stderr == "note: dropped 1 label: 'flea'\n"
    assert "<ref>flea</ref>" in run(*command, "--sampling", "keep").stdout


def test_what_a_box_loses_is_refused_or_reported():
    corners = np.zeros(SHAPE, np.uint8)
    corners[:: SHAPE[0] - 1, :: SHAPE[1] - 1] = 1
    Image.fromarray(corners).save("corners.png")
    command = "encode", "corners.png", "-l", "corners", "--sampling", "nearest"
    message = fails(*command)
    assert "no cell of its box is left of it" in message
    assert message.endswith("--sampling keep keeps it, --lost drop drops it")
    result = run(*command, "--lost", "drop")
    assert result.stderr.startswith("note: dropped 'corners': no cell of its box is left of it\n")
    assert "<ref>corners</ref>" in run(*command[:-2]).stdout


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
        (
            "mask.png -l dog --codec rle",
            "no codec has the id 'rle'; known ids: b-sd/1, i-rle/1, i-sd/1, polygons/1, r-rle/1, "
            "scanlines/1",
        ),
        ("mask.png -l dog --codec b-sd/9", "no codec has the id 'b-sd/9'"),
        (
            "mask.png -l dog --dialect text4seg",
            "--dialect: scanlines/1 has no such setting; it has --rows, --columns, --bins, --coor",
        ),
        ("mask.png -l dog --background x", "--sampling; --codec i-rle, i-sd or r-rle has it"),
        ("mask.png -l dog --grid 32", "--sampling; --codec b-sd, i-rle, i-sd or r-rle has it"),
        ("mask.png -l dog --no-bricks", "--bricks/--no-bricks: scanlines/1 has no such setting; "),
        ("mask.png -l dog -c i-sd --no-bricks", "--bricks/--no-bricks: i-sd/1 has no such setting"),
        ("mask.png -l dog -c i-sd --row-separator none", "--background; --codec b-sd has it"),
        ("mask.png -l dog -c b-sd --grid 0", "grid must be 1 .. 1024 cells a side, got 0"),
        ("mask.png -l dog -c b-sd -g 64x", "--grid: expected 64, or 48x64 for rows x columns, got"),
        ("mask.png -l dog -c b-sd --grid 9999999999", "--grid: expected 64"),
        ("mask.png -l dog --sampling finest", "'finest' is not one of"),
        ("mask.png -l dog --sampling area", "--sampling: sampling must be one of 'keep', 'best', "),
        ("mask.png -l dog --sampling best -c i-sd", "--sampling: sampling must be one of 'nearest"),
        ("mask.png -l dog --sampling best -c b-sd", "--sampling: sampling must be one of 'nearest"),
        ("mask.png -l dog --rows 0", "--rows: rows must be a whole number, 1 .. 63, got 0"),
        ("mask.png -l dog --rows 64", "--rows: rows must be a whole number, 1 .. 63, got 64"),
        (
            "mask.png -l dog --columns 64",
            "--columns: columns must be a whole number, 1 .. 63, got ",
        ),
        ("mask.png -l dog --bins 0", "--bins: bins must be a whole number, 1 .. 1024, got 0"),
        ("mask.png -l dog --bins -1", "a whole number, 1 .. 1024, got -1"),
        ("mask.png -l dog --bins 1e3", "'--bins': "),
        ("mask.png -l dog --coordinates polar", "'polar' is not one of"),
        ("mask.png -l dog -c r-rle --rows 9", "--rows: r-rle/1 has no such setting; it has --grid"),
        ("mask.png -l dog -c i-sd --bins 9", "--bins: i-sd/1 has no such setting; it has --grid"),
        (
            "mask.png -l dog --config x --bins 9 --coordinates tokens",
            "--bins, --coordinates and --config exclude each other",
        ),
        ("mask.png -l dog -c i-sd --background a|b", "background: label 'a|b' holds '|'"),
        ("mask.png -l dog --config x --grid 32", "--grid and --config exclude each other"),
        ("mask.png -l dog --config x -c b-sd", "--codec and --config exclude each other"),
        ("coco.json", "--image-id: coco.json holds annotations: name the image"),
        ("COCO.JSON -l dog", "--image-id: COCO.JSON holds annotations: name the image"),
        ("mask.png --image-id 7", "--image-id: it is for COCO annotations, a .json file, got 'mas"),
        ("- --image-id 7 -l dog", "--image-id: it is for COCO annotations, a .json file, got '-'"),
        ("coco.json --image-id 7 -l dog", "--label and --image-id exclude each other"),
        ("coco.json --image-id 7 -n names.json", "--names and --image-id exclude each other"),
    ],
)
def test_bad_usage_of_encode(args, message):
    assert message in misused("encode", *args.split())


def test_files_that_are_no_mask():
    Image.new("RGB", (4, 4), "red").save("colour.png")
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
    (folder / "names.json").write_bytes(b"\xfd\xfe\xfd")
    assert "names.json is not UTF-8: byte 0 is 0xfd; save it as UTF-8" in fails(
        "encode", "map.png", "-n", "names.json"
    )


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
