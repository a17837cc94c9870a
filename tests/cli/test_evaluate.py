"""`maskcodec eval`: answers against targets, read from files."""

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import maskcodec as mc
from maskcodec.cli import commands, scoring
from maskcodec.coco import RunMask

_mixes = "mix_stderr" in inspect.signature(CliRunner).parameters  # before Click 8.2
RUNNER = CliRunner(mix_stderr=False) if _mixes else CliRunner()

SHAPE = (32, 48)
CODEC = mc.BSD(grid=16)
MORE = "P@0.5", "P@0.6", "P@0.7", "P@0.8", "P@0.9", "AP", "AP50", "region AP", "region AP50"
FIGURES = "cIoU", "gIoU", "mIoU", "N-acc", "T-acc", "Acc@0.5"


def square(y1, x1, y2, x2):
    """A mask that cells lose nothing of."""
    mask = np.zeros((16, 16), np.uint8)
    mask[y1:y2, x1:x2] = 1
    return np.kron(mask, np.ones((2, 3), np.uint8))


LEFT, RIGHT, BOTH = square(2, 1, 10, 7), square(2, 9, 10, 15), square(2, 1, 10, 15)


def rle(mask):
    found = RunMask.from_mask(mask).coco_rle()
    return {**found, "counts": found["counts"].decode()}


def said(mask, label="dog"):
    return CODEC.encode(mask, label)


def lines(name, *rows):
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    Path(name).write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with targets: one on the left, one on the right, none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    lines(
        "targets.jsonl",
        {"id": 1, "segmentation": rle(LEFT), "label": "dog"},
        {"id": "b", "segmentation": rle(RIGHT), "height": SHAPE[0], "width": SHAPE[1]},
        {"id": 3, "segmentation": None, "size": SHAPE},
    )


def run(*args, code=0):
    codec = [] if "--codec" in args else ["--codec", "b-sd"]  # whose cells lose nothing here
    given = ["eval", *map(str, args), *codec, "--grid", "16"]
    result = RUNNER.invoke(commands.app, given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def figures(*args):
    """What a call writes as JSON, which is what it prints."""
    result = run(*args, "--json", "figures.json")
    report = json.loads(Path("figures.json").read_text(encoding="utf-8"))
    names = list(report["figures"])
    order = *FIGURES[:3], *MORE[:5], *FIGURES[3:], *MORE[5:]
    assert names == [name for name in order if name in names]
    for name, value in report["figures"].items():
        shown = re.search(rf"{re.escape(name)} +(\S+) +[0-9,]+ ", result.stdout)[1]
        assert shown == ("-" if value is None else f"{value:.4f}")
    report["more"] = {name: report["figures"].pop(name) for name in MORE if name in names}
    return report


def answers(**counts):
    """The counts of a report, 0 where they are not named."""
    names = "valid", "broken", "recovered", "empty", "empty_broken"
    return {name: counts.get(name, 0) for name in names}


def fails(*args, code=1):
    result = run(*args, code=code)
    message = " ".join(re.sub(r"[─━│╭╮╰╯]|\x1b\[[0-9;]*m", " ", result.stderr).split())
    assert "Traceback" not in message
    return message.removeprefix("error: ")


# ------------------------------------------------------------------------------------- figures


def test_figures_by_hand():
    broken = said(LEFT).replace("<fg", "<fog", 1)
    lines(
        "p.jsonl",
        {"id": "3", "text": "There is no dog."},
        {"id": 1.0, "text": f"Sure: {said(square(2, 1, 6, 7))}"},
        {"id": "b", "text": said(square(2, 9, 6, 15)) + said(square(6, 9, 10, 15), "cat")},
    )
    report = figures("p.jsonl", "targets.jsonl")
    assert report["figures"] == {
        "cIoU": 0.75,
        "gIoU": (0.5 + 1 + 1) / 3,
        "mIoU": 0.75,
        "Acc@0.5": 1.0,
        "N-acc": 1.0,
        "T-acc": 1.0,
    }
    assert (report["samples"], report["with_target"]) == (3, 2)
    assert report["answers"] == answers(valid=3, empty=1)
    assert (report["missing"], report["unknown"]) == (0, 0)
    assert mc.from_config(report["codec"]) == CODEC
    lines(
        "p.jsonl",
        {"id": 1, "text": broken},
        {"id": "b", "text": "<ref>dog</ref><box>"},
        {"id": 3, "text": said(RIGHT)},
    )
    report = figures("p.jsonl", "targets.jsonl")
    assert report["answers"] == answers(valid=1, broken=2, recovered=1, empty=1, empty_broken=1)
    kept = CODEC.recover(broken).regions[0].mask(SHAPE).sum()
    assert 0 < kept < LEFT.sum()
    assert report["figures"] == {
        "cIoU": kept / (LEFT.sum() + 2 * RIGHT.sum()),
        "gIoU": pytest.approx(kept / LEFT.sum() / 3),
        "mIoU": pytest.approx(kept / LEFT.sum() / 2),
        "Acc@0.5": 1 / 3,
        "N-acc": 0.0,
        "T-acc": 0.5,
    }


def test_tables_say_what_was_counted():
    lines(
        "p.jsonl", *({"id": name, "text": said(LEFT) if name else ""} for name in (1, "b", 3, "x"))
    )
    result = run("p.jsonl", "targets.jsonl", "--allow-missing")
    assert "Answers as b-sd/1" in result.stdout
    rows = re.findall(r"^\W*(\w.*?)  +([0-9]+) +[0-9.]+%", result.stdout, re.MULTILINE)
    assert rows == [
        ("valid, as the format has it", "3"),
        ("broken", "0"),
        ("of these recovered in part", "0"),
        ("empty, valid or broken: nothing is shown", "0"),
        ("of these broken", "0"),
    ]
    assert "left out: 1 answer without a target" in result.stderr


def test_a_figure_of_no_sample_is_null():
    lines("t.jsonl", {"id": 3, "segmentation": []})
    lines("p.jsonl", {"id": 3, "text": "nothing"})
    found = figures("p.jsonl", "t.jsonl")["figures"]
    assert [name for name in found if found[name] is None] == ["cIoU", "mIoU", "T-acc"]
    assert found["gIoU"] == found["Acc@0.5"] == found["N-acc"] == 1.0


@pytest.mark.parametrize("codec", ["r-rle", "i-rle", "i-sd", "b-sd"])
@pytest.mark.parametrize(
    "text", ["There is no dog in the image.", "", "**No** dog:\n* 3 cats\n* a tree"]
)
def test_words_alone_are_valid_and_show_nothing(codec, text):
    lines("p.jsonl", *({"id": name, "text": text} for name in (1, "b", 3)))
    report = figures("p.jsonl", "targets.jsonl", "--codec", codec)
    assert report["answers"] == answers(valid=3, empty=3)
    assert report["figures"]["gIoU"] == report["figures"]["Acc@0.5"] == 1 / 3
    assert report["figures"]["N-acc"] == 1.0


@pytest.mark.parametrize("codec", [mc.RRLE(grid=16), mc.IRLE(grid=16), mc.ISD(grid=16)])
def test_descriptors_without_tags_are_no_words(codec):
    text = codec.encode(LEFT, "dog").removeprefix("<seg>").removesuffix("</seg>")
    spaced = mc.RRLE(grid=16, dialect="text4seg").encode(LEFT, "dog").removeprefix("<seg>")
    cut = (spaced if codec.codec_id == "r-rle/1" else text)[: len(text) * 2 // 3]
    lines("p.jsonl", *({"id": n, "text": t} for n, t in ((1, text), ("b", cut), (3, text[:9]))))
    report = figures("p.jsonl", "targets.jsonl", "--codec", codec.codec_id.split("/")[0])
    assert report["answers"] == answers(valid=1, broken=2, recovered=1, empty=1, empty_broken=1)
    assert report["figures"]["N-acc"] == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "<ref>dog</ref><box>[[10 10 20 20]]</box>",
        "<ref>dog</ref><box>[[10 10 20 20]]</box><seg><fg",
        "<ref>dog</ref><box>[[1 1 2 2]]</box><seg>",
        "<seg>garbage",
        "<ref>dog</ref>",
    ],
)
def test_what_cannot_be_read_is_no_right_nothing(text):
    lines(
        "p.jsonl", {"id": 1, "text": said(LEFT)}, {"id": "b", "text": ""}, {"id": 3, "text": text}
    )
    report = figures("p.jsonl", "targets.jsonl")
    assert report["answers"] == answers(valid=2, broken=1, empty=2, empty_broken=1)
    assert report["figures"] == {
        "cIoU": 0.5,
        "gIoU": 1 / 3,
        "mIoU": 0.5,
        "Acc@0.5": 1 / 3,
        "N-acc": 0.0,
        "T-acc": 0.5,
    }


def test_a_box_without_a_cell_is_no_right_nothing():
    text = "<ref>dog</ref><box>[[1 1 2 2]]</box><seg><bg2>\n<bg2></seg>"
    lines("t.jsonl", {"id": 3, "segmentation": None, "size": SHAPE})
    lines("p.jsonl", {"id": 3, "text": text})
    report = figures("p.jsonl", "t.jsonl")
    assert report["answers"] == answers(valid=1, empty=1)
    found = report["figures"]
    assert found["cIoU"] is None
    assert found["gIoU"] == found["N-acc"] == found["Acc@0.5"] == 0.0
    grid = mc.RRLE(grid=16).encode(np.zeros(SHAPE, np.uint8), "dog")
    lines("p.jsonl", {"id": 3, "text": grid})  # background everywhere says that there is nothing
    assert figures("p.jsonl", "t.jsonl", "--codec", "r-rle")["figures"]["N-acc"] == 1.0


def test_masks_may_stand_for_texts():
    lines(
        "p.jsonl",
        {"id": 1, "segmentation": rle(LEFT)},
        {"id": "b", "segmentation": [rle(LEFT), rle(RIGHT)]},
        {"id": 3, "segmentation": None},
    )
    report = figures("p.jsonl", "targets.jsonl")
    assert report["figures"]["gIoU"] == (1 + 0.5 + 1) / 3
    assert report["figures"]["Acc@0.5"] == 2 / 3
    assert report["answers"] == answers(valid=3, empty=1)
    said = run("p.jsonl", "targets.jsonl").stderr
    assert '3 answers without a "text": the "segmentation" was read instead' in said


def test_a_text_goes_before_a_mask():
    rows = [{"id": name, "text": "", "segmentation": rle(LEFT)} for name in (1, "b", 3)]
    lines("p.jsonl", *rows)
    assert figures("p.jsonl", "targets.jsonl")["answers"]["empty"] == 3


def test_names_of_fields_are_options():
    rows = [{"sample": n, "response": said(LEFT), "text": 7} for n in (1, "b", 3)]
    lines("p.jsonl", *rows)
    Path("targets.jsonl").write_text(
        Path("targets.jsonl").read_text().replace('"id"', '"sample"'), encoding="utf-8"
    )
    options = "--key", "sample", "--answer", "response"
    assert figures("p.jsonl", "targets.jsonl", *options)["figures"]["mIoU"] == 0.5
    assert fails("p.jsonl", "targets.jsonl", "-k", "sample") == (
        'p.jsonl, line 1 has 7 for its "text", which is no text'
    )
    lines("p.jsonl", {"idx": 1, "text": ""}, {"id": "b", "idx": 1, "text": ""})
    Path("targets.jsonl").write_text(
        Path("targets.jsonl").read_text().replace('"sample"', '"idx"'), encoding="utf-8"
    )
    report = figures("p.jsonl", "targets.jsonl", "--allow-missing")
    assert report["answers"]["empty"] == 2


def test_every_codec_and_way_back():
    rows = mc.RRLE(grid=16)
    lines("p.jsonl", *({"id": n, "text": rows.encode(LEFT, "dog")} for n in (1, "b", 3)))
    report = figures("p.jsonl", "targets.jsonl", "--codec", "r-rle")
    assert report["figures"]["mIoU"] == 0.5
    ys, xs = np.mgrid[:32, :48]
    disc = ((ys - 15) ** 2 + (xs - 20) ** 2 < 100).astype(np.uint8)
    lines("t.jsonl", {"id": 1, "segmentation": rle(disc)})
    codec = mc.Scanlines(rows=9, columns=16)
    lines("p.jsonl", {"id": 1, "text": codec.encode(disc, "ball")})
    found = {}
    for method in ("contour", "nearest"):
        options = "--rows", "9", "--columns", "16", "--method", method, "--json", "f.json"
        result = RUNNER.invoke(commands.app, ["eval", "p.jsonl", "t.jsonl", *options])
        assert "Answers as scanlines/1" in result.stdout
        found[method] = json.loads(Path("f.json").read_text())["figures"]["cIoU"]
        (region,) = codec.decode(codec.encode(disc, "ball"))
        again = region.mask(SHAPE, method=method)
        assert found[method] == (again & disc).sum() / (again | disc).sum()
    assert found["nearest"] != found["contour"]


def test_coco_annotations_are_found_by_their_ids():
    notes = [
        {"id": 17, "image_id": 1, "category_id": 4, "segmentation": rle(LEFT)},
        {"id": 18, "image_id": 1, "category_id": 4, "segmentation": rle(RIGHT), "iscrowd": 1},
    ]
    images = [{"id": 1, "height": SHAPE[0], "width": SHAPE[1]}]
    content = {"images": images, "categories": [{"id": 4, "name": "dog"}], "annotations": notes}
    Path("coco.json").write_text(json.dumps(content), encoding="utf-8")
    lines("p.jsonl", {"id": 18, "text": said(RIGHT)}, {"id": 17, "text": said(BOTH)})
    assert figures("p.jsonl", "coco.json")["figures"]["mIoU"] == pytest.approx(
        (1 + LEFT.sum() / BOTH.sum()) / 2
    )
    notes[1]["segmentation"] = []
    Path("coco.json").write_text(json.dumps(content), encoding="utf-8")
    assert "coco.json: annotation 18: the segmentation is an empty list" in fails(
        "p.jsonl", "coco.json"
    )
    del notes[0]["id"]
    Path("coco.json").write_text(json.dumps(content), encoding="utf-8")
    assert fails("p.jsonl", "coco.json") == (
        "coco.json: annotation number 1 of the list has no id, by which it is found"
    )


def test_real_targets_encoded_and_damaged(real_data):
    codec = mc.Scanlines()
    with (real_data / "gseval_dev.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for _, line in zip(range(8), file, strict=False)]
    texts = [codec.encode(row["segmentation"], row["label"]) for row in rows]
    texts[3] = texts[3][: len(texts[3]) // 2]
    texts[4] = texts[4].replace("<end", "<ende", 1)
    texts[5] = "It is not there."
    lines(
        "p.jsonl",
        *({"idx": row["idx"], "text": text} for row, text in zip(rows, texts, strict=True)),
    )
    lines("t.jsonl", *rows)
    options = ["--method", "nearest", "--json", "f.json"]
    result = RUNNER.invoke(commands.app, ["eval", "p.jsonl", "t.jsonl", *options])
    assert result.exit_code == 0, result.output
    report = json.loads(Path("f.json").read_text())
    assert report["answers"] == answers(valid=6, broken=2, recovered=2, empty=1)
    assert report["figures"]["T-acc"] == 7 / 8
    assert 0.6 < report["figures"]["gIoU"] < 0.95


# ------------------------------------------------------------------------- ids that do not match


def test_ids_that_only_one_file_has_are_named():
    lines("p.jsonl", *({"id": n, "text": said(LEFT)} for n in (1, 7, 8, 9, 10, 11, 12)))
    assert fails("p.jsonl", "targets.jsonl") == (
        "p.jsonl lacks 2 of the ids of targets.jsonl: b, 3; targets.jsonl lacks 6 of the ids of "
        "p.jsonl: 7, 8, 9, 10, 11, ...; --allow-missing scores what both have"
    )
    report = figures("p.jsonl", "targets.jsonl", "--allow-missing")
    assert (report["missing"], report["unknown"], report["samples"]) == (2, 6, 1)
    assert report["figures"]["gIoU"] == 1.0
    said_so = run("p.jsonl", "targets.jsonl", "--allow-missing").stderr
    assert "left out: 2 targets without an answer" in said_so
    lines("p.jsonl", {"id": 3, "text": 7})  # is not looked at: it is known what to say
    assert "lacks 2 of the ids of targets.jsonl: 1, b; --allow" in fails("p.jsonl", "targets.jsonl")
    lines("p.jsonl", {"id": 4, "text": ""})
    words = "p.jsonl and targets.jsonl have no id in common"
    assert fails("p.jsonl", "targets.jsonl", "--allow-missing") == words
    lines("p.jsonl")
    assert "lacks 3 of the ids of targets.jsonl: 1, b, 3;" in fails("p.jsonl", "targets.jsonl")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": 1, "answer": "x"}, 'has no "text" and no "segmentation"; --answer says what it is'),
        ({"id": 1, "text": None}, 'line 1 has null for its "text", which is no text'),
        ({"key": 1, "text": ""}, 'p.jsonl, line 1: its "id" is null, which is no id; --key says'),
        ({"id": True}, 'line 1: its "id" is true, which is no id; --key says'),
        ({"id": 1, "segmentation": "P0"}, "line 1: the segmentation must be run lengths or poly"),
        (
            {"id": 1, "segmentation": {"size": [4, 4], "counts": "P"}},
            "the size 4 x 4, height x wid",
        ),
        ("[1, 2]", "p.jsonl, line 1 must be an object, one a line, got a list"),
        ("{", "p.jsonl, line 1 is not JSON that can be read: Expecting"),
        ("[" * 100_000, "p.jsonl, line 1 is nested too deep"),
        ('{"id": ' + "9" * 5000 + "}", "p.jsonl, line 1 is not JSON that can be read: "),
    ],
)
def test_answers_that_are_none_are_named(row, words):
    lines("p.jsonl", row, {"id": "b", "text": ""}, {"id": 3, "text": ""})
    assert words in fails("p.jsonl", "targets.jsonl")


def test_an_answer_that_was_named_is_not_replaced_by_a_mask():
    lines("p.jsonl", *({"id": n, "segmentation": None} for n in (1, "b", 3)))
    assert fails("p.jsonl", "targets.jsonl", "--answer", "text") == (
        'p.jsonl, line 1 has no "text"; --answer says what it is called'
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": 1}, 'line 1 has no "segmentation"; where there is no target it is null'),
        ({"segmentation": None}, 't.jsonl, line 1: its "id" is null, which is no id; --key says'),
        (
            {"id": 1, "segmentation": {"size": [4, 4]}},
            't.jsonl, line 1: the segmentation has no "c',
        ),
        ({"id": 1, "segmentation": [[1, 1, 2, 2, 1, 2]]}, "line 1: the segmentation has polygons"),
        ({"id": 1, "segmentation": rle(LEFT), "size": [3, 4]}, "height x width, but its image has"),
        ({"id": 1, "segmentation": None, "size": [3]}, 'needs two whole numbers, "height" and "w'),
        ({"id": 1, "segmentation": None, "height": 3}, '"size": [height, width], got [3, null]'),
        ({"id": 1, "segmentation": None, "size": "3x4"}, 'got "3x4"'),
        ({"id": 1, "segmentation": None, "size": [0, 4]}, "line 1 claims 0 x 4 pixels"),
        ({"id": 1, "segmentation": None}, 'needs "height" and "width": p.jsonl, line 1 shows some'),
        ({"id": 1, "segmentation": None, "size": [1 << 14] * 2}, "claims 16384 x 16384 pixels"),
        ({"id": 1, "segmentation": None, "size": [1 << 21, 2]}, "line 1: shape is 2097152 x 2; a"),
    ],
)
def test_targets_that_are_none_are_named(row, words):
    lines("t.jsonl", row)
    lines("p.jsonl", {"id": 1, "text": said(LEFT)})
    assert words in fails("p.jsonl", "t.jsonl")


def test_ids_stand_once():
    lines("p.jsonl", {"id": 1, "text": ""}, "", {"id": "1", "text": ""})
    assert fails("p.jsonl", "targets.jsonl") == "p.jsonl, line 3 has the id 1, as line 1 has"
    lines("p.jsonl", {"id": 1, "text": ""})
    row = {"id": 1, "segmentation": None}
    lines("t.jsonl", row, row)
    assert fails("p.jsonl", "t.jsonl") == "t.jsonl, line 2 has the id 1, as another one has"


def test_files_are_utf_8_with_or_without_its_mark():
    rows = [{"id": n, "text": said(LEFT, "café")} for n in (1, "b", 3)]
    text = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    Path("p.jsonl").write_bytes(text.encode("utf-8-sig"))
    assert figures("p.jsonl", "targets.jsonl")["answers"]["valid"] == 3
    Path("p.jsonl").write_bytes(text.encode("latin-1"))
    assert "p.jsonl, line 1 is not UTF-8: byte 27 is 0xe9; save it as" in fails(
        "p.jsonl", "targets.jsonl"
    )


def test_polygons_need_pycocotools(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    lines("t.jsonl", {"id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]], "size": SHAPE})
    lines("p.jsonl", {"id": 1, "text": said(LEFT)})
    assert "pycocotools" in fails("p.jsonl", "t.jsonl")


def test_a_file_that_changes_meanwhile_is_refused():
    lines("p.jsonl", {"id": 1, "text": ""})
    predictions = scoring.Predictions(Path("p.jsonl"), None)
    assert predictions["1"].entry == {"id": 1, "text": ""}
    lines("p.jsonl", {"id": 1, "text": "..."})
    with pytest.raises(mc.SourceError, match=r"^p\.jsonl has changed since it was first read"):
        predictions["1"]


# --------------------------------------------------------------------------------------- usage


def test_targets_end_as_one_of_two_kinds():
    lines("p.jsonl", {"id": 1, "text": ""})
    said = fails("p.jsonl", "targets.txt", code=2)
    assert "must end in .json for COCO annotations, or in .jsonl, got 'targets.txt'" in said


def test_files_that_are_not_there_are_named():
    assert fails("p.jsonl", "targets.jsonl") == "p.jsonl cannot be read: No such file or directory"


def test_help_has_examples_and_the_codecs_settings():
    result = RUNNER.invoke(commands.app, ["eval", "--help"])
    said = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", result.stdout).split())
    assert "maskcodec eval predictions.jsonl" in said[said.index("Example") :]
    for option in ("PREDICTIONS", "TARGETS", "--allow-missing", "--json", "--config"):
        assert option in said
    listed = RUNNER.invoke(commands.app, ["--help"]).stdout
    assert re.search(r"eval +Score a model's answers", listed)


def test_answers_of_other_settings_are_told():
    box = mc.Scanlines()
    lines(
        "p.jsonl",
        {"id": 1, "text": box.encode(LEFT, "dog")},
        {"id": "b", "text": box.encode(RIGHT, "dog")},
        {"id": 3, "text": "<ref>dog"},
    )
    result = run("p.jsonl", "targets.jsonl")
    assert (
        "note: 2 of the broken answers can be read as a whole with --codec scanlines"
        in result.stderr
    )


def test_answers_of_another_codec_are_refused():
    """What is beside the predictions says which codec the model has."""
    lines("predictions.jsonl", *({"id": id_, "text": said(LEFT)} for id_ in (1, "b", 3)))
    CODEC.save(".")
    arguments = ["eval", "predictions.jsonl", "targets.jsonl"]
    result = RUNNER.invoke(commands.app, arguments)
    assert result.exit_code == 1
    assert "maskcodec.json (--config takes it) and the codec chosen are not the" in result.stderr
    assert "same codec: id='b-sd/1' and id='scanlines/1'" in result.stderr.replace("\n", " ")
    for chosen in ["--config", "maskcodec.json"], ["--codec", "b-sd", "--grid", "16"]:
        assert RUNNER.invoke(commands.app, [*arguments, *chosen]).exit_code == 0


# ------------------------------------------------------------------- of each answer, and pictures


def half(y=2):
    return said(square(y, 1, y + 4, 7))


def test_precision_and_ap_by_hand():
    lines(
        "p.jsonl",
        {"id": 1, "text": half(), "score": 0.9},
        {"id": "b", "text": said(RIGHT), "score": 0.8},
        {"id": 3, "text": said(RIGHT), "score": 0.95},
    )
    more = figures("p.jsonl", "targets.jsonl")["more"]
    assert [more[f"P@0.{n}"] for n in range(5, 10)] == [1, 0.5, 0.5, 0.5, 0.5]
    # Ranked: no target, IoU 0.5, IoU 1: precision 2/3 at all recalls, or 1/3 up to a half.
    assert more["AP50"] == pytest.approx(2 / 3)
    assert more["AP"] == pytest.approx((2 / 3 + 9 * (51 / 101 / 3)) / 10)


def test_ap_needs_a_score_of_every_answer_that_shows_something():
    lines("p.jsonl", {"id": 1, "text": half(), "score": 1}, {"id": "b", "text": said(RIGHT)})
    assert "AP" not in figures("p.jsonl", "targets.jsonl", "--allow-missing")["more"]
    lines("p.jsonl", {"id": 1, "text": half(), "score": 1}, {"id": "b", "text": "None."})
    found = figures("p.jsonl", "targets.jsonl", "--allow-missing")["more"]
    assert found["AP50"] == pytest.approx(51 / 101)
    lines("p.jsonl", {"id": 1, "text": half(), "score": "high"})
    assert '"high" for its "score", which is no number' in fails(
        "p.jsonl", "targets.jsonl", "--allow-missing"
    )


def test_average_precision_of_regions_by_hand():
    both = said(LEFT, "dog") + said(RIGHT, "cat")
    lines(
        "t.jsonl",
        {"id": 1, "segmentations": [rle(LEFT), rle(RIGHT)], "labels": ["dog", "cat"]},
        {"id": 2, "segmentations": [rle(LEFT)], "labels": ["dog"]},
        {"id": 3, "segmentations": [], "size": SHAPE},
        {"id": 4, "segmentation": rle(BOTH)},
    )
    shown = [
        {"id": 1, "text": both, "scores": [0.9, 0.2]},
        {"id": 2, "text": half(), "scores": [0.95]},
        {"id": 3, "text": "There is none."},
        {"id": 4, "segmentation": rle(BOTH)},
    ]
    lines("p.jsonl", *shown)
    found = figures("p.jsonl", "t.jsonl")
    assert found["figures"]["mIoU"] == pytest.approx(2.5 / 3)
    # Dogs: an IoU of 0.5, a hit of AP50 alone, then one of 1; cats: a hit.
    assert found["more"]["region AP50"] == 1
    assert found["more"]["region AP"] == pytest.approx((1 + (1 + 9 * 51 / 101 / 2) / 10) / 2)
    lines("t2.jsonl", {"id": 1, "segmentations": [rle(LEFT), rle(RIGHT)]})
    lines("p2.jsonl", {"id": 1, "text": both, "scores": [0.9, 0.2]})
    assert figures("p2.jsonl", "t2.jsonl")["more"]["region AP"] == 1
    lines("p2.jsonl", {"id": 1, "segmentation": rle(LEFT), "scores": [0.9]})
    assert figures("p2.jsonl", "t2.jsonl")["more"]["region AP"] == pytest.approx(51 / 101)
    del shown[1]["scores"]
    lines("p.jsonl", *shown)
    assert "region AP" not in figures("p.jsonl", "t.jsonl")["more"]


@pytest.mark.parametrize(
    ("target", "answer", "message"),
    [
        (
            {},
            {"scores": "high"},
            'p.jsonl, line 1: its "scores" must be a number for each region, got "high"',
        ),
        ({}, {"scores": [0.5, None]}, '"scores" must be a number for each region, got a list'),
        ({}, {"scores": [0.5, 1]}, "line 1: there must be a score for each region, got 1 and 2"),
        ({"segmentations": 5}, {}, 't.jsonl, line 1 has 5 for its "segmentations", which'),
        ({"segmentations": [None]}, {}, "t.jsonl, line 1: segmentation 0 has no pixel"),
        ({"segmentation": rle(LEFT)}, {}, 'has "segmentations" and "segmentation", of which one'),
        ({"ignore": rle(LEFT)}, {}, 'has "segmentations" and "ignore", of which one can be'),
        ({"labels": ["dog", "cat"]}, {}, 'line 1: its "labels" must be a text for each of'),
        ({"labels": [5]}, {}, '"labels" must be a text for each of 1 segmentation'),
        (
            {"labels": ["dog"]},
            {"text": None, "segmentation": rle(LEFT)},
            "with labels, predictions are regions",
        ),
    ],
)
def test_instances_and_scores_that_are_none_are_named(target, answer, message):
    lines("t.jsonl", {"id": 1, "segmentations": [rle(LEFT)], **target})
    entry = {"id": 1, "text": said(LEFT), "scores": [0.5], **answer}
    lines("p.jsonl", {key: value for key, value in entry.items() if value is not None})
    assert message in fails("p.jsonl", "t.jsonl")


def test_ignored_pixels_do_not_count():
    lines(
        "t.jsonl",
        {"id": 1, "segmentation": rle(BOTH), "ignore": rle(RIGHT)},
        {"id": 2, "segmentation": None, "ignore": rle(LEFT), "size": SHAPE},
    )
    lines("p.jsonl", {"id": 1, "text": said(BOTH)}, {"id": 2, "text": said(LEFT)})
    report = figures("p.jsonl", "t.jsonl")
    middle = np.count_nonzero(BOTH) - np.count_nonzero(RIGHT)
    assert report["figures"]["cIoU"] == 1
    assert report["answers"] == answers(valid=2, empty=1)
    run("p.jsonl", "t.jsonl", "--per-sample", "s.jsonl")
    first = json.loads(Path("s.jsonl").read_text().splitlines()[0])
    assert first == {"id": 1, "iou": 1, "intersection": middle, "union": middle, "answer": "valid"}
    lines("t.jsonl", {"id": 1, "segmentation": rle(LEFT), "ignore": rle(np.ones((2, 2), int))})
    lines("p.jsonl", {"id": 1, "text": said(LEFT)})
    assert 't.jsonl, line 1: its "ignore" has the size 2 x 2' in fails("p.jsonl", "t.jsonl")


def test_each_answer_has_a_line():
    lines(
        "p.jsonl",
        {"id": 1, "text": half(), "score": 0.5},
        {"id": "b", "segmentation": rle(RIGHT)},
        {"id": 3, "text": "<ref>dog</ref>"},
    )
    said_ = run("p.jsonl", "targets.jsonl", "--per-sample", "s.jsonl").stderr
    assert "wrote s.jsonl: 3 lines" in said_
    rows = [json.loads(line) for line in Path("s.jsonl").read_text().splitlines()]
    assert [(row["id"], row["iou"], row["answer"]) for row in rows] == [
        (1, 0.5, "valid"),
        ("b", 1, "mask"),
        (3, 0, "broken"),
    ]
    assert [row.get("score") for row in rows] == [0.5, None, None]


def test_the_worst_are_drawn():
    Path("photos").mkdir()
    Image.new("RGB", SHAPE[::-1], "olive").save("photos/1.png")
    Image.new("RGB", (4, 4)).save("photos/2.png")
    targets = [{"id": n, "segmentation": rle(LEFT), "image": f"{n}.png"} for n in range(1, 13)] + [
        {"id": 13, "segmentation": None}
    ]
    lines("t.jsonl", *targets)
    lines(
        "p.jsonl",
        *({"id": n, "text": half() if n < 4 else said(LEFT)} for n in range(1, 13)),
        {"id": 13, "text": "<ref>dog"},
    )
    result = run("p.jsonl", "t.jsonl", "--worst", "bad", "--images", "photos")
    assert "wrote bad: the 10 worst answers, 01.png first" in result.stderr
    assert "8 photos cannot be drawn on: 2.png has other sides than 32 x 48" in result.stderr
    assert len(list(Path("bad").iterdir())) == 10
    with Image.open("bad/02.png") as drawn:
        assert drawn.width > 2 * 480
    assert "it is for --worst" in fails("p.jsonl", "t.jsonl", "--images", "photos", code=2)
    assert "'p.jsonl' is no folder" in fails("p.jsonl", "t.jsonl", "--worst", "p.jsonl", code=2)
