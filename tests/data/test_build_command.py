"""`maskcodec build`: sources as they are typed, and what a command says."""

import json
import os
from pathlib import Path
from shutil import rmtree

import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.data.origins import Origin, stamps
from maskcodec.data.templates import Templates
from tests import datasets
from tests.data.builds import Stopping, made, rows, run, samples, save_tokenizer, words
from tests.datasets import write

# Sources as they are typed


def test_a_source_is_typed_in_one_word():
    assert Origin.parsed("coco:a,b/c=d.json") == Origin("coco", "a,b/c=d.json", ())
    parsed = Origin.parsed("refer:C:/x,images=y=z,split=val")
    assert parsed == Origin("refer", "C:/x", (("images", "y=z"), ("split", "val")))
    with pytest.raises(mc.ConfigError, match="a source is name:path or name:path,option=value"):
        Origin.parsed("instances.json")
    with pytest.raises(mc.ConfigError, match="there is no source 'cococo'; there are ade20k, coco"):
        Origin.parsed("cococo:x.json")


def test_numbers_of_a_source_are_numbers(tmp_path):
    (tmp_path / "names.txt").write_text("dog\ncat\n")
    typed = f"index:{tmp_path},names={tmp_path / 'names.txt'}"
    with pytest.raises(mc.ConfigError, match=r"option first is a number, .*, got 'x'"):
        Origin.parsed(f"{typed},first=x").open()
    with pytest.raises(mc.ConfigError, match=r"option first is one number, got '0\+1'"):
        Origin.parsed(f"{typed},first=0+1").open()
    Image.new("L", (4, 4), 1).save(tmp_path / "1.png")
    (found,) = Origin.parsed(f"{typed},first=1,unlabelled=0+255").open()
    assert [instance.label for instance in found.instances] == ["dog"]
    with pytest.raises(mc.ConfigError, match="source 'index' has no option 'colour'"):
        Origin.parsed(f"{typed},colour=red").open()


def test_a_change_in_a_folder_is_seen(tmp_path, monkeypatch):
    deep = tmp_path / "refcoco" / "deep"
    deep.mkdir(parents=True)
    (deep / "1.json").write_text("{}")
    (deep / "1.jpg").write_text("a picture")
    (deep / "back").symlink_to(tmp_path / "refcoco")
    (deep / "nothing.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "refcoco" / "more.json").mkdir()
    origin = Origin.parsed(f"refer:{tmp_path / 'refcoco'},split=val,images={deep}")
    before = origin.identity()["files"]
    assert before[str(tmp_path / "refcoco")][0] == 1
    assert list(before) == [str(tmp_path / "refcoco")]
    (deep / "1.jpg").write_text("another picture")
    (deep / "out").mkdir()
    (deep / "out" / "report.json").write_text("{}")
    assert origin.identity(deep / "out", deep / "out.partial")["files"] == before
    for change in (
        lambda: os.utime(deep / "1.json", ns=(1, 1)),
        lambda: (deep / "2.PNG").write_bytes(b""),
        lambda: (deep / "2.PNG").rename(deep / "3.PNG"),
        lambda: (deep / "3.PNG").write_bytes(b"longer"),
    ):
        before = origin.identity(deep / "out")["files"]
        change()
        assert origin.identity(deep / "out")["files"] != before
    scandir = os.scandir

    def shut(folder):
        if Path(folder).name == "deep":
            raise PermissionError
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", shut)
    assert origin.identity()["files"][str(tmp_path / "refcoco")][0] == 0


def test_masks_of_a_panoptic_file_are_stamped(tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "1.png").write_bytes(b"")
    (tmp_path / "val.json").write_text("{}")
    files = Origin.parsed(f"panoptic:{tmp_path / 'val.json'}").identity()["files"]
    assert {name: found[0] for name, found in files.items()} == {
        str(tmp_path / "val"): 1,
        str(tmp_path / "val.json"): 2,
    }


def test_what_is_no_path_has_no_stamp(tmp_path):
    assert stamps("x" * 5000) == stamps("\0") == {}
    os.mkfifo(tmp_path / "pipe")
    assert stamps(str(tmp_path / "pipe")) == {}


@pytest.mark.parametrize("name", ["words", "words/tokenizer.json"])
def test_another_tokenizer_does_not_go_on(name, tmp_path):
    save_tokenizer(tmp_path / "words")
    settings = {"tokenizer": str(tmp_path / name)}
    with pytest.raises(KeyboardInterrupt):
        made(Stopping(13), tmp_path / "out", **settings)
    (tmp_path / "words" / "else.json").write_text("{}")
    os.utime(tmp_path / "words" / "tokenizer.json", ns=(1, 1))
    with pytest.raises(mc.BuildError, match=r"with tokenizer_files\..*/words/tokenizer.json \["):
        made(samples(), tmp_path / "out", **settings)


@pytest.fixture
def instances(tmp_path, monkeypatch):
    """A COCO file with ten images, one of which is broken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    rle = {"size": [4, 4], "counts": [5, 2, 2, 2, 5]}
    dot = {"size": [4, 4], "counts": [4, 1, 11]}
    content = {
        "images": [{"id": k, "height": 4, "width": 4, "file_name": f"{k}.jpg"} for k in range(10)],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": [
            {"id": k, "image_id": k, "category_id": 1 + k % 2, "segmentation": rle, "iscrowd": 0}
            for k in range(9)
        ]
        + [
            {"id": 9, "image_id": 9, "category_id": 1, "segmentation": [], "iscrowd": 0},
            {"id": 10, "image_id": 0, "category_id": 2, "segmentation": dot, "iscrowd": 0},
        ],
    }
    Path("instances.json").write_text(json.dumps(content))
    return "coco:instances.json,images=val2017"


@pytest.mark.parametrize("workers", [1, None])
def test_a_command_builds(instances, workers, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    more = [] if workers is None else ["--workers", workers]
    result = run(instances, "--out", "rows", "--rows", 2, "--val-fraction", 0.3, "--seed", 3, *more)
    said = words(result.stderr)
    assert "instances.json: " in said
    assert "1 broken record is left out, see" in said
    assert "10 samples; " in said
    found = [*rows("rows"), *rows("rows", "val")]
    assert found[0]["images"][0].startswith("val2017/")
    assert mc.load("rows") == mc.Scanlines(rows=2)
    assert any("<end:63></seg>" in json.dumps(row) for row in found)
    assert f"train {len(rows('rows'))}" in words(result.stdout)
    settings = json.loads(Path("rows/settings.json").read_text())
    (origin,) = settings["origin"]["sources"]
    assert origin["options"] == {"images": "val2017"}
    assert origin["files"]["instances.json"][0] == Path("instances.json").stat().st_size


def test_a_command_says_what_was_lost_and_how_long_rows_are(instances):
    save_tokenizer(Path("words"))
    args = "--codec", "b-sd", "--grid", 2, "--workers", 1, "--tokenizer", "words", "--absent", 0
    result = run(instances, "--out", "rows", *args)
    said = words(result.stderr)
    assert "1 instance is lost: no cell is left of them" in said
    assert "Tokens a conversation, without image and chat template: mean " in result.stdout


def test_a_command_stops_at_a_broken_record(instances):
    result = run(instances, "--out", "rows", "--strict", "--workers", 1, code=1)
    assert "error: instances.json: " in words(result.stderr)
    assert not Path("rows").exists()


def test_a_command_goes_on(instances):
    result = run(instances, "--out", "rows", "--workers", 1, "--shard-size", 4, "--strict", code=1)
    result = run(instances, "--out", "rows", "--workers", 1, "--shard-size", 4)
    assert "after 2 shards of an earlier run" in words(result.stderr)


def test_a_command_that_is_stopped_says_that_it_goes_on(instances, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("maskcodec.data.build.build", stop)
    said = words(run(instances, "--out", "rows", "--workers", 1, code=130).stderr)
    assert "note: stopped; the same command goes on where this run was" in said


def test_a_command_goes_on_in_the_folder_of_a_dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("dog\ncat\n")
    for number in range(4):
        Image.new("L", (4, 4), 1).save(f"{number}.png")
    Path("2.png").write_bytes(b"no picture")
    args = ["index:.,names=names.txt,first=1", "--out", "rows", "--workers", 1, "--shard-size", 1]
    run(*args, "--strict", code=1)
    assert "after 2 shards of an earlier run" in words(run(*args).stderr)


def test_wordings_come_from_a_file(instances):
    wordings = {"classes": ["Wo ist {what}?"], "absent": ["Kein {what}."]}
    Path("german.json").write_text(json.dumps(wordings))
    run(instances, "--out", "rows", "--workers", 1, "--templates", "german.json", "--absent", 0.5)
    asked = {row["messages"][0]["content"] for row in rows("rows")}
    assert {"<image>Wo ist dog?", "<image>Wo ist cat?"} <= asked
    assert all(text.startswith("<image>Wo ist ") for text in asked)
    run(instances, "--out", "rows2", "--workers", 1, "--shard-size", 4, "--strict", code=1)
    said = run(instances, "--out", "rows2", "--workers", 1, "--templates", "german.json", code=1)
    assert "rows2.partial is of a run with" in words(said.stderr)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{", "wordings.json is not JSON that can be read: "),
        ("[]", "wordings.json must hold an object with lists of wordings, got a list"),
        ('{"class": []}', "wordings.json: there is no kind 'class'; there are expression, "),
        ('{"box": "{what}"}', 'wordings.json: box must be a list of wordings, got "{what}"'),
        ('{"box": [1]}', "wordings.json: box must be a list of wordings, got a list"),
        ('{"box": ["\\ud800"]}', 'wordings.json: box has half of a character: "\\ud800"'),
        ('{"box": []}', "wordings.json: templates: box must be one or several wordings, got []"),
        ('{"whole": [" "]}', "wordings.json: templates: whole must say something, got ' '"),
        ('{"box": ["x"]}', "wordings.json: templates: box must have {what} once"),
    ],
)
def test_wordings_that_are_none(written, message, instances):
    Path("wordings.json").write_text(written)
    said = run(instances, "--out", "rows", "--templates", "wordings.json", code=1)
    assert f"error: {message}" in words(said.stderr)
    assert not Path("rows.partial").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["instances.json"], "a source is name:path"),
        (["coco:instances.json", "--boxes", "2"], "boxes is a share, 0 .. 1, got 2.0"),
        (["coco:instances.json", "--val-fraction", "1"], "it is a share below 1, got 1.0"),
        (["coco:instances.json", "--address", "auto"], "it is for --engine ray"),
        (["coco:instances.json", "--codec", "x"], "no codec has the id 'x'"),
    ],
)
@pytest.mark.usefixtures("instances")
def test_a_command_that_was_called_wrongly(args, message):
    said = run(*args, "--out", "rows", code=2).stderr
    assert message in " ".join(said.replace("│", " ").split())


def test_the_whole_image_is_asked_for_only_where_it_is_marked(instances, tmp_path):
    panoptic = write(tmp_path / "panoptic_val2017.json", datasets.panoptic(tmp_path))
    whole = set(Templates().whole)

    def asked(*args, **more):
        result = run(*args, "--out", "rows", "--workers", 1, **more)
        found = [row["messages"][0]["content"].removeprefix("<image>") for row in rows("rows")]
        rmtree("rows")
        return [text in whole for text in found], words(result.stderr)

    assert not any(asked(instances)[0])
    assert not any(asked(instances, "--whole", 0)[0])
    assert asked(f"panoptic:{panoptic}", "--whole", 1)[0] == [True, True]
    found, said = asked(instances, f"panoptic:{panoptic}", "--whole", 1)
    assert found[-2:] == [True, True]
    assert not any(found[:-2])
    assert "--whole is for the other sources: coco marks only some objects of an image" in said
    typed = instances, "lvis:x.json", "--whole", 0.1, "--out", "rows"
    said = words(run(*typed, code=2).stderr.replace("│", " "))
    assert "Invalid value for --whole: coco, lvis mark only some objects of an image, so" in said
    assert "no answer shows the whole image: leave it out, or use panoptic" in said


def test_a_missing_package_is_named(instances, monkeypatch):
    def missing(*_, **__):
        raise ModuleNotFoundError("No module named 'pycocotools'", name="pycocotools")

    monkeypatch.setattr(Origin, "open", missing)
    said = words(run(instances, "--out", "rows", code=1).stderr)
    assert said.startswith("error: No module named 'pycocotools'")


@pytest.mark.usefixtures("compiled")
def test_real_annotations_become_rows(real_data, tmp_path):
    typed = f"coco:{real_data / 'coco_tiny_val2017.json'}"
    args = [typed, f"gseval:{real_data / 'gseval_dev.jsonl'}", "--out", tmp_path / "out"]
    run(*args, "--workers", 1, "--sampling", "keep")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["samples"] == 850
    assert report["lost"] == 0
    codec = mc.load(tmp_path / "out")
    found = rows(tmp_path / "out")
    assert report["rows"] == {"train": len(found)}
    assert all(codec.decode(row["messages"][1]["content"]) is not None for row in found)
