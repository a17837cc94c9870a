"""`maskcodec convert`, and `eval` of what other models wrote."""

import json
from pathlib import Path

import numpy as np
import pytest

import maskcodec as mc
from tests.cli.calling import misused, run

pytestmark = pytest.mark.usefixtures("folder")

SHAPE = {"height": 60, "width": 80}
MASK = np.zeros((60, 80), np.uint8)
MASK[10:40, 20:60] = 1
COARSE = mc.BSD(grid=4)
GEMINI = mc.Polygons(spelling="gemini")


def write(name, *rows):
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def written(name):
    return [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]


def test_answers_are_written_in_another_spelling():
    text = GEMINI.encode(MASK, "dog")
    boxed = text.replace("]}]}", ']}, {"box_2d": [1, 2, 3, 4], "label": "cat"}]}')
    cut = text[:-5]
    write("in.jsonl", *({"id": n, "text": t, **SHAPE} for n, t in enumerate((text, boxed, cut))))
    result = run("convert", "in.jsonl", "out.jsonl", "--from", "gemini-3", "--to", "scanlines")
    found = written("out.jsonl")
    assert [row["id"] for row in found] == [0, 1, 2]
    for row in found[:2]:
        (region,) = mc.Scanlines().decode(row["text"])
        assert region.label == "dog"
        assert np.array_equal(region.mask((60, 80)), MASK)
    assert "wrote out.jsonl: 3 texts as scanlines/1" in result.stderr
    assert "3 masks: mean IoU" in result.stderr
    assert "1 broken text read as far as it goes" in result.stderr
    assert "1 region left out: a box has no mask" in result.stderr


def test_rows_keep_what_is_no_mask():
    codec = mc.BSD()
    turns = [
        {"role": "user", "content": "Where is the dog?"},
        {"role": "assistant", "content": codec.encode(MASK, "dog")},
        {"role": "assistant", "content": "There is no cat."},
    ]
    write("rows.jsonl", {"messages": turns, "images": ["a.jpg"], **SHAPE})
    codec.save(".")
    Path("polygons").mkdir()
    mc.Polygons(points=8).save("polygons")
    run("convert", "rows.jsonl", "out.jsonl", "--from", "maskcodec", "--to", "polygons")
    (row,) = written("out.jsonl")
    first, drawn, last = (turn["content"] for turn in row["messages"])
    assert (first, last) == (turns[0]["content"], turns[2]["content"])
    (region,) = mc.Polygons(points=8).decode(drawn)
    assert region.area((60, 80)) > 1000
    assert row["images"] == ["a.jpg"]
    run("convert", "out.jsonl", "back.jsonl", "--from", "polygons", "--to", "b-sd")
    assert codec.decode(written("back.jsonl")[0]["messages"][1]["content"])[0].label == "dog"


def test_masks_without_a_label_or_a_cell():
    simple = mc.Polygons(spelling="simpleseg")
    speck = np.zeros((60, 80), np.uint8)
    speck[0, 0] = 1
    rle = mc.coco.RunMask.from_mask(MASK).coco_rle(text=True)
    write(
        "in.jsonl",
        {"answer": simple.encode(MASK, "dog") + simple.encode(speck, "dog")},
        {"answer": json.dumps({"masks": [rle]})},
    )
    COARSE.save("coarse")
    options = "--to", "coarse", "--answer", "answer", "--label", "thing", "--shape", "60x80"
    result = run("convert", "in.jsonl", "out.jsonl", "--from", "auto", *options)
    regions = [region for row in written("out.jsonl") for region in COARSE.decode(row["answer"])]
    assert [region.label for region in regions] == ["thing"] * 2
    assert "1 mask left out: no cell or no pixel of it is left" in result.stderr


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        ({"text": GEMINI.encode(MASK, "dog")}, (), 'line 1 needs "height" and "width", or --shape'),
        ({"words": "dog"}, (), 'line 1 has no text called "text" and no "messages"'),
        ([1], (), "line 1 must be an object, one a line, got"),
        ({"text": "x"}, ("--from", "maskcodec"), "no maskcodec.json is beside in.jsonl"),
        ({"text": GEMINI.encode(MASK, "a<ref>"), **SHAPE}, (), "line 1: label 'a<ref>' holds"),
    ],
)
def test_what_cannot_be_converted_is_said(row, options, message):
    write("in.jsonl", row)
    command = ["convert", "in.jsonl", "out.jsonl", "--from", "gemini-3", "--to", "scanlines"]
    result = run(*command, *options, code=1)
    assert message in result.stderr
    assert not Path("out.jsonl").exists() or Path("out.jsonl").read_text("utf-8") == ""
    assert [p.name for p in Path().glob("tmp*")] == []


def test_names_that_are_none_are_bad_usage():
    write("in.jsonl", {"text": "x"})
    command = ["convert", "in.jsonl", "out.jsonl"]
    assert "no codec has the id 'rle'" in misused(*command, "--from", "auto", "--to", "rle")
    assert "no codec has the id 'gpt'" in misused(*command, "--from", "gpt", "--to", "b-sd")
    assert "has no instances" in misused(*command, "--from", "auto", "--to", "r-rle")


def test_eval_scores_answers_of_a_source():
    rle = mc.coco.RunMask.from_mask(MASK).coco_rle(text=True)
    write("targets.jsonl", *({"id": n, "segmentation": rle, **SHAPE} for n in range(2)))
    text = GEMINI.encode(MASK, "dog")
    write("answers.jsonl", {"id": 0, "text": text}, {"id": 1, "text": text[:60]})
    command = "eval", "answers.jsonl", "targets.jsonl", "--source", "gemini-3"
    assert "has no mask" in run(*command, code=1).stderr
    write("answers.jsonl", {"id": 0, "text": text}, {"id": 1, "text": "{"})
    run(*command, "--json", "f.json")
    report = json.loads(Path("f.json").read_text("utf-8"))
    assert report["codec"] == {"source": "gemini-3"}
    assert report["figures"]["gIoU"] == pytest.approx(0.5)
    assert (report["answers"]["valid"], report["answers"]["broken"]) == (1, 1)
    write("boxes.jsonl", *({"id": n, "text": '[{"bbox_2d": [1, 2, 3, 4]}]'} for n in range(2)))
    said = run("eval", "boxes.jsonl", "targets.jsonl", "--source", "qwen3-vl", code=1).stderr
    assert "has no mask: the answer says where it is" in said
