"""`maskcodec decode`, and options that read what others wrote."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.cli import messages
from maskcodec.pictures import figure
from tests.cli.calling import (
    MAP,
    MASK,
    SHAPE,
    TEXT,
    boxes,
    disc,
    fails,
    image,
    misused,
    run,
    words,
    write,
)

pytestmark = pytest.mark.usefixtures("folder")

WRITERS = {  # by the options that read what they write
    "--codec scanlines alone": mc.Scanlines(),
    "--coordinates tokens": mc.Scanlines(coordinates="tokens"),
    "--rows 63": mc.Scanlines(rows=24),
    "--rows 63 --coordinates tokens": mc.Scanlines(rows=24, coordinates="tokens"),
    "--codec b-sd": mc.BSD(),
    "--codec b-sd --no-bricks": mc.BSD(bricks=False),
}


@pytest.mark.parametrize("flags", WRITERS)
def test_a_text_of_other_settings_is_told(flags):
    text = WRITERS[flags].encode(disc(60, 90, 37), "disc")
    reader = ("-c", "b-sd") if "alone" in flags else ()
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
    codec = mc.Scanlines()
    text = codec.encode(boxes((10, 10, 20, 20)), "cup") + codec.encode(boxes((5, 5, 40, 40)), "bar")
    result = run("decode", text, "-s", "128x192")
    index = image("decoded.png")
    assert (index[MASK.shape[0] * 15 // 64, MASK.shape[1] * 15 // 64], index[14, 20]) == (1, 2)
    assert "which hides 600 pixels of larger ones; --as masks keeps them" in result.stderr


def test_many_regions_make_an_index_of_16_bits():
    cells = np.arange(1, 301).reshape(15, 20)
    text = mc.Scanlines().encode_many([cells == n for n in range(1, 301)], ["x"] * 300)
    run("decode", text, "-s", "15x20", "--names-out", "n.json")
    assert np.array_equal(image("decoded.png"), cells)
    assert run("encode", "decoded.png", "-n", "n.json").stdout == text


def test_an_index_has_at_most_16_bits(folder):
    region = mc.Scanlines().decode(TEXT)[0]
    with pytest.raises(mc.MaskCodecError, match="holds up to 65535 regions, got 65536"):
        messages.write_index(folder / "i.png", [region] * 65536, [], (4, 4), "nearest")


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
    kind = "without .png, .bmp," if "encode" in command else "and only a regular file"
    assert fails(*command.split()).startswith(("a.png is a folder, " + kind).replace(", wi", " wi"))


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
    assert "1 black dog 187 156 390 468" in said
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
    text = "<box>[[0 0 0 0]]</box><seg><end:63></seg>"
    result = run("decode", text, "-s", "64x64", "--recover", "--names-out", "n.json")
    assert "(no label)" in result.stdout
    assert "wrote n.json: 0 names" in result.stderr


def test_a_label_cannot_talk_to_the_terminal():
    text = "<ref>a\x1b[31m[red]b\x07[/red]</ref><box>[[0 0 0 0]]</box><seg><end:63></seg>"
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
        ("text.txt -s 9x9 --grid 4", "--codec b-sd, i-rle, i-sd or r-rle has it"),
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


def decoded_lines(*args, **more):
    result = run("decode", "many.jsonl", *args, **more)
    return [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_many_texts_become_lines():
    rows = [
        {"id": 7, "text": TEXT, "file": "a.png", "deep": [1]},
        {"id": 8, "text": "There is nothing.", "height": 4, "width": 5},
        {"id": 9, "text": TEXT[:-20], "size": [128, 192]},
    ]
    write("many.jsonl", "\n".join(map(json.dumps, rows)))
    found, said = decoded_lines("-s", "128x192", "--recover")
    assert [(row["id"], len(row["regions"])) for row in found] == [(7, 1), (8, 0), (9, 1)]
    assert "note: 1 text of 3 had problems, as each line says\n" in said
    region = mc.Scanlines().decode(TEXT)[0]
    assert found[0] == {
        "id": 7,
        "file": "a.png",
        "regions": [
            {
                "label": "black dog",
                "box": list(region.box_pixels(SHAPE)),
                "segmentation": region.coco_rle(SHAPE, text=True),
            }
        ],
        "problems": [],
    }
    assert found[2]["problems"][0]["reason"] == "truncated"
    said = run("decode", "many.jsonl", "-s", "128x192", "--recover", "--json", "o.jsonl").stderr
    assert "wrote o.jsonl: 3 lines" in said
    assert [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()] == found
    assert not Path("decoded.png").exists()


def test_what_encode_writes_of_many_decode_reads():
    rows = run("encode", "mask.png", "mask.png", "-l", "black dog").stdout
    write("many.jsonl", rows)
    found, _ = decoded_lines("-s", "128x192", "--method", "nearest")
    assert [row["file"] for row in found] == ["mask.png"] * 2
    region = mc.Scanlines().decode(TEXT)[0]
    rle = region.coco_rle(SHAPE, text=True, method="nearest")
    assert found[0]["regions"][0]["segmentation"] == rle


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 1}, 'line 1 must be an object with a text for its "text", got null; --answer says'),
        (7, 'line 1 must be an object with a text for its "text", got 7'),
        ({"text": TEXT}, 'line 1 needs "height" and "width", or --shape for all lines'),
        ({"text": TEXT, "size": [1 << 20, 1 << 20]}, "line 1 claims 1048576 x 1048576 pixels"),
        ({"text": TEXT[:-9], "size": [4, 4]}, "line 1: .*; --recover keeps what can be drawn"),
    ],
)
def test_broken_lines_are_named_and_nothing_is_written(row, message):
    write("many.jsonl", row)
    write("o.jsonl", "mine")
    assert re.search(message, fails("decode", "many.jsonl", "--json", "o.jsonl"))
    assert Path("o.jsonl").read_text() == "mine"


def test_answers_may_have_another_name():
    write("many.jsonl", {"idx": 1, "response": TEXT})
    found, _ = decoded_lines("-s", "128x192", "-a", "response")
    assert found[0]["regions"][0]["label"] == "black dog"
    assert "it is for a .jsonl file" in misused("decode", "text.txt", "-a", "x")
    assert "leave out --out" in misused("decode", "many.jsonl", "-o", "a.png")


def test_one_text_becomes_a_line_with_or_without_a_picture():
    result = run("decode", "text.txt", "-s", "128x192", "--json", "-")
    assert json.loads(result.stdout)["regions"][0]["label"] == "black dog"
    assert not Path("decoded.png").exists()
    result = run("decode", "text.txt", "-s", "128x192", "--json", "o.json", "--out", "o.png")
    assert "wrote o.json: 1 line\n" in result.stderr
    assert "black dog" in result.stdout
    assert image("o.png").any()
