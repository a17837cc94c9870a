"""What no file can make: rows, texts and memory that are worth much more than its bytes."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import maskcodec as mc
from maskcodec.cli import commands
from maskcodec.data import _jsontext, open_source
from maskcodec.data._jsonfile import content, entries
from maskcodec.data._pickle import read_pickle
from maskcodec.data.labels import MOST_LABEL, MOST_ROW, MOST_TEXT
from maskcodec.data.rows import RowMaker
from maskcodec.data.sample import Instance, Sample

RLE = {"size": [8, 8], "counts": [9, 6, 49]}
ROI = Instance(label="roi0", segmentation=RLE)
LONG = "dog " * MOST_LABEL


def sample(task="expression", label="dog", **more):
    instances = more.pop("instances", (Instance(label=label, segmentation=RLE),))
    settings = {"key": "a:1", "image": "1.jpg", "query": "dog"} | more
    return Sample(task=task, shape=(8, 8), instances=instances, **settings)


def broken(one, codec=None):
    made = RowMaker(codec=codec or mc.BSD(grid=8))(one)
    assert made.rows == []
    return made.broken[0]


def too_long(what, count, most):
    return rf"{what} '.{{80}}\.\.\.' has {count:,} characters; at most {most:,} are taken"


@pytest.mark.parametrize(
    ("one", "what"),
    [
        (sample(label=LONG), "label"),
        (sample("classes", label=LONG), "label"),
        (sample(query=LONG), "question"),
        (sample("reasoning", query=LONG), "question"),
        (sample(image=LONG), "image"),
        (sample(key=LONG), "key"),
    ],
)
def test_words_that_are_too_long_break_their_record(one, what):
    found = broken(one)
    assert len(found.where) <= 200
    with pytest.raises(mc.LabelError, match=too_long(what, len(LONG), MOST_LABEL)):
        raise mc.LabelError(found.message)


def test_a_label_may_be_as_long_as_the_limit():
    made = RowMaker(codec=mc.BSD(grid=8))(sample(label="d" * MOST_LABEL, query="d" * MOST_LABEL))
    assert "d" * MOST_LABEL in made.rows[0].messages[1].text


def test_turns_and_answers_have_a_limit_of_their_own():
    long = "x" * (MOST_TEXT + 1)
    chat = sample("chat", turns=(("user", "Why?"), ("assistant", long)))
    assert f"has {MOST_TEXT + 1:,} characters; at most {MOST_TEXT:,} " in broken(chat).message
    assert broken(sample("reasoning", answer=long)).message.startswith("answer 'xxx")
    short = dataclasses.replace(chat, turns=(("user", "Why?"), ("assistant", long[1:])))
    assert RowMaker(codec=mc.BSD())(short).rows[0].messages[1].text == long[1:]


@pytest.mark.parametrize(
    ("one", "codec"),
    [
        (sample("reasoning", answer="{roi0}" * 10_000, instances=(ROI, ROI)), mc.BSD(grid=8)),
        (sample(instances=(Instance(label="d" * 4096, segmentation=RLE),) * 300), mc.BSD(grid=8)),
        (sample(label="d" * 4096), mc.ISD(grid=63)),
        (sample("chat", turns=(("user", "x" * MOST_TEXT), ("assistant", "y")) * 20), mc.BSD()),
    ],
)
def test_a_row_has_a_limit(one, codec):
    message = broken(one, codec).message
    assert message.startswith("the row has 1,")
    assert f"at most {MOST_ROW:,} are written" in message


def test_long_labels_are_counted_as_often_as_they_are_written():
    made = RowMaker(codec=mc.RRLE(grid=63))(sample(label="d" * 4096))
    assert made.broken == []


def test_names_that_are_too_long_are_never_asked_for():
    one = sample("classes", names=(LONG, "cat"))
    for number in range(20):
        made = RowMaker(codec=mc.BSD(grid=8), absent=1.0, whole=0.0)(
            dataclasses.replace(one, key=f"a:{number}")
        )
        assert all(LONG[:50] not in message.text for message in made.rows[0].messages)


def test_a_megabyte_of_a_name_is_no_gigabyte_of_rows(tmp_path):
    count = 1000
    annotations = [
        {"id": k, "image_id": k, "category_id": 1, "segmentation": RLE} for k in range(count)
    ]
    images = [{"id": k, "file_name": f"{k}.jpg", "height": 8, "width": 8} for k in range(count)]
    file = {"categories": [{"id": 1, "name": "dog " * 230_000}]}
    (tmp_path / "a.json").write_text(
        json.dumps(file | {"images": images, "annotations": annotations})
    )
    code = r"""
import pathlib, re, sys
import maskcodec as mc
from maskcodec.data import open_source
from maskcodec.data.rows import RowMaker
from maskcodec.data.shards import ShardMaker, numbered
source = open_source("coco", sys.argv[1])
(batch,) = numbered(len(source), 1000, lambda number: False)
shard = ShardMaker(rows=RowMaker(codec=mc.BSD()), format="trl", source=source)(batch)
status = pathlib.Path("/proc/self/status").read_text()  # getrusage would count the parent's
kibibytes = int(re.search(r"VmHWM:\s*([0-9]+)", status)[1])
print(len(shard.counts.broken), kibibytes // 1024)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc, which says what a process took")
    arguments = [sys.executable, "-c", code, str(tmp_path / "a.json")]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    broken_records, mebibytes = map(int, done.stdout.split())
    assert broken_records == count
    assert mebibytes < 300


# Pickles


def refusal(data):
    with pytest.raises(mc.SourceError) as caught:
        read_pickle(data, "x")
    return str(caught.value).removeprefix("x: ")


def test_marks_are_as_few_as_lists_can_be_deep():
    assert refusal(b"(" * 20_000_000) == "is nested deeper than 20"
    assert read_pickle(b"(" * 20 + b"l" * 20 + b".", "x")


@pytest.mark.parametrize(
    "data",
    [
        b"(" + b"]" * 40_000 + b"l.",
        b"(" + b"}" * 40_000 + b"l.",
        b"(" + b")" * 40_000 + b"l.",
        b"N" + b"\x85" * 40_000 + b".",
        b"N" + b"\x94" * 40_000 + b".",
        b"N" + b"q\0" * 40_000 + b".",
    ],
)
def test_memory_is_in_proportion_to_the_file(data):
    assert refusal(data) == (
        f"takes more than 32 times its {len(data):,} bytes of memory: it is made of tiny lists, "
        "dicts or marks for reuse"
    )


def test_one_text_is_no_thousand():
    text = b"X\x10\x27\0\0" + b"a" * 10_000 + b"q\0"
    many = "unfolds to more than 8 times as many characters as it has bytes: its texts are used "
    assert refusal(b"(" + text + b"h\0" * 100 + b"l.") == f"{many}many times"
    keys = b"(" + text + b"}h\0Ns" * 100 + b"l."
    assert refusal(keys) == f"{many}many times"
    assert read_pickle(b"(" + text + b"h\0" * 6 + b"l.", "x") == ["a" * 10_000] * 7


# JSON


@pytest.mark.parametrize(("key", "what"), [("images", "the list"), ("other", "the key")])
def test_a_list_and_a_key_must_be_there_once(key, what, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(f'{{"images": [1], "other": 1, "{key}": [2]}}')
    with pytest.raises(mc.SourceError, match=rf"a\.json has {what} '{key}' twice; it must be one"):
        list(entries(path, ["images"]))


def test_a_key_must_be_there_once(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"images": [{"id": 1}, {"a": {"id": 1, "id": 1}}]}')
    message = r"a\.json is not JSON: an object has the key 'id' twice at byte 23, found '{'"
    with pytest.raises(mc.SourceError, match=message):
        list(entries(path, ["images"]))


def test_a_wanted_list_may_be_something_else(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"images": [1], "categories": {"a": 1}}')
    assert [entry.value for entry in entries(path, ["images"], ["categories"])] == [1]


def test_files_that_are_held_as_a_whole_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(_jsontext, "LARGEST", 20)
    (tmp_path / "names.json").write_text(json.dumps(["dog"] * 10))
    with pytest.raises(mc.SourceError, match=r"names\.json has more than 20 bytes"):
        open_source("index", tmp_path, names=tmp_path / "names.json")
    with pytest.raises(mc.SourceError, match=r"names\.json has more than 5 bytes"):
        content(tmp_path / "names.json", 5)


# The command line


def fails(*args, **more):
    result = CliRunner().invoke(commands.app, [*map(str, args)], **more)
    assert result.exit_code == 1, result.output
    return result.output


def test_no_input_of_a_command_is_read_beyond_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(_jsontext, "LARGEST", 20)
    file = tmp_path / "a.txt"
    file.write_text("x" * 21)
    shape = "--shape", "8x8", "--out", tmp_path / "o.png"
    assert "a.txt has more than 20 bytes" in fails("decode", file, *shape)
    assert "standard input has more than 20 bytes" in fails("decode", "-", *shape, input="x" * 21)
    assert "standard input has more than 20 bytes" in fails(
        "encode", "-", "--label", "dog", input="x" * 21
    )
    assert "a.txt has more than 20 bytes" in fails("decode", "-", *shape, "--config", file)


def test_names_of_annotations_have_a_limit(tmp_path):
    notes = {
        "images": [{"id": 7, "height": 8, "width": 8}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "segmentation": RLE}],
        "categories": [{"id": 1, "name": LONG}],
    }
    file = tmp_path / "a.json"
    file.write_text(json.dumps(notes))
    said = fails("encode", file, "--image-id", "7")
    assert "a.json: annotation 1: name 'dog dog" in said
    assert f"has {len(LONG.strip()):,} characters; at most {MOST_LABEL:,} are taken" in said
    notes["annotations"][0]["category_id"] = LONG
    file.write_text(json.dumps(notes | {"categories": []}))
    assert "annotation 1: name 'category dog" in fails("encode", file, "--image-id", "7")
