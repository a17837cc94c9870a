"""Samples to folders of rows: whole, refused, or stopped and gone on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import maskcodec as mc
from maskcodec.data import shards
from maskcodec.data.build import Report
from maskcodec.data.folder import Folder
from maskcodec.data.rows import RowMaker
from maskcodec.data.sample import Broken, Instance, Sample
from maskcodec.data.shards import Counts, gathered
from tests.conftest import ROOT
from tests.data.builds import MAKER, Stopping, content, made, rows, sample, samples, save_tokenizer

# Whole


def test_a_folder_holds_the_rows_in_order(tmp_path):
    made(samples(), tmp_path / "out")
    good = [some for some in samples() if not isinstance(some, Broken)]
    answers = [MAKER(some).rows[0].messages[1].text for some in good]
    found = rows(tmp_path / "out")
    assert [row["messages"][1]["content"] for row in found] == answers
    assert [row["images"] for row in found] == [[some.image] for some in good]


def test_an_image_is_for_training_or_for_validation(whole):
    train, val = ({row["images"][0] for row in rows(whole, split)} for split in ("train", "val"))
    assert train
    assert val
    assert not train & val


def test_what_is_beside_the_rows(whole):
    assert sorted(path.name for path in whole.iterdir()) == [
        "README.md",
        "broken.jsonl",
        "maskcodec.json",
        "report.json",
        "settings.json",
        "train",
        "val",
    ]
    assert mc.load(whole) == MAKER.codec
    broken = [json.loads(line) for line in (whole / "broken.jsonl").read_text().splitlines()]
    assert broken[0] == {"where": "mine.json: 3", "message": "it is bad"}
    report = json.loads((whole / "report.json").read_text())
    counted = {"train": len(rows(whole)), "val": len(rows(whole, "val"))}
    assert report == {
        "rows": counted,
        "samples": 25,
        "lost": 0,
        "left_out": 0,
        "cleaned": 0,
        "broken": 4,
        "tokens": {},
    }
    assert not whole.with_name("out.partial").exists()


def test_the_size_of_shards_changes_no_row(whole, tmp_path):
    made(samples(), tmp_path / "out", val_fraction=0.3, shard_size=100)
    assert rows(tmp_path / "out") == rows(whole)
    assert len(list((tmp_path / "out" / "train").iterdir())) == 1


def test_rows_that_cannot_be_made_are_counted(tmp_path):
    dot = {"size": [8, 8], "counts": [0, 1, 63]}
    some = [
        sample(0),
        sample(1, query="<image>"),
        sample(2, instances=(Instance(label="dog", segmentation=None),)),
        sample(3, instances=(Instance(label="d", segmentation={"size": [4, 4], "counts": [16]}),)),
        sample(4, shape=(8, 8), instances=(Instance(label="d", segmentation=dot),)),
    ]
    report = made(some, tmp_path / "out")
    assert report.counts.rows == Counter(train=1)
    assert [found.where for found in report.counts.broken] == ["mine:1", "mine:2", "mine:3"]
    assert (report.counts.lost, report.counts.left_out) == (1, 1)


def test_expressions_of_an_image_go_together(tmp_path):
    made(samples(10), tmp_path / "out", turns=2)
    found = rows(tmp_path / "out")
    assert [len(row["messages"]) // 2 for row in found] == [2, 2, 2, 2, 1]


def test_samples_wait_for_others_of_their_image(monkeypatch):
    some = [sample(k, image) for k, image in enumerate("abacab")]
    keys = [[one.key[-1] for one in item] for item in gathered(some, 2)]
    assert keys == [["0", "2"], ["1", "5"], ["3"], ["4"]]
    monkeypatch.setattr(shards, "MOST_HELD", 2)
    keys = [[one.key[-1] for one in item] for item in gathered(some, 3)]
    assert keys == [["0", "2"], ["1"], ["3"], ["4"], ["5"]]
    scene = sample(6, "a", task="classes")
    assert list(gathered([some[0], scene, Broken("x", "y")], 9)) == [
        (scene,),
        Broken("x", "y"),
        (some[0],),
    ]


def test_llava_has_one_list(tmp_path):
    made(samples(), tmp_path / "out", format="llava")
    found = json.loads((tmp_path / "out" / "train.json").read_text())
    keys = [some.key for some in samples() if not isinstance(some, Broken)]
    assert [row["id"] for row in found] == keys
    assert not any(path.is_dir() for path in (tmp_path / "out").iterdir())
    assert not (tmp_path / "out" / "README.md").exists()
    made(samples(), tmp_path / "both", format="llava", val_fraction=0.5)
    both = [json.loads((tmp_path / "both" / f"{s}.json").read_text()) for s in ("train", "val")]
    assert sorted(map(str, both[0] + both[1])) == sorted(map(str, found))


def test_llama_factory_finds_its_folders(tmp_path):
    made(samples(), tmp_path / "coco", format="llama-factory", val_fraction=0.5)
    info = json.loads((tmp_path / "coco" / "dataset_info.json").read_text())
    assert {name: entry["file_name"] for name, entry in info.items()} == {
        "coco_train": "train",
        "coco_val": "val",
    }


def test_parquet_has_the_same_rows(whole, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    made(samples(), tmp_path / "out", storage="parquet", val_fraction=0.3)
    files = sorted((tmp_path / "out" / "train").iterdir())
    found = [row for file in files for row in parquet.read_table(file).to_pylist()]
    assert found == rows(whole)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_datasets_finds_the_splits(whole, tmp_path):
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(whole), cache_dir=str(tmp_path))
    assert loaded["train"].to_list() == rows(whole)
    assert loaded["validation"].to_list() == rows(whole, "val")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("storage", ["jsonl", "parquet"])
@pytest.mark.parametrize("name", ["ms-swift", "trl", "llava"])
@pytest.mark.parametrize("first", [False, True])
def test_datasets_loads_rows_with_and_without_an_image(name, storage, first, tmp_path):
    datasets = pytest.importorskip("datasets", reason="datasets is missing: pip install datasets")
    if (name, storage) == ("llava", "jsonl"):
        pytest.skip("a list for LLaVA's scripts, which do not use datasets")
    said = (("user", "Hello"), ("assistant", "Hello"))
    bare = [Sample(key=f"{k}", image="", shape=None, task="chat", turns=said) for k in range(4)]
    shown = [sample(k) for k in range(4, 8)]
    made(bare + shown if first else shown + bare, tmp_path / "out", format=name, storage=storage)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    column = "image" if name == "llava" else "images"
    found = [bool(row[column]) for row in loaded["train"]]
    assert found == ([False] * 4 + [True] * 4 if first else [True] * 4 + [False] * 4)


def test_tokens_are_counted(tmp_path):
    save_tokenizer(tmp_path / "words")
    report = made(samples(9), tmp_path / "out", tokenizer=str(tmp_path / "words"))
    lengths = report.token_lengths()
    assert list(lengths) == ["mean", "p95", "max"]
    assert 0 < lengths["mean"] <= lengths["p95"] <= lengths["max"]
    assert report.plain()["tokens"] == lengths


def test_nothing_is_said_of_broken_records_where_there_are_none(tmp_path):
    made([sample(0)], tmp_path / "out")
    assert not (tmp_path / "out" / "broken.jsonl").exists()


def test_lengths_of_a_report():
    counts = Counts(tokens=Counter({10: 95, 20: 4, 90: 1}))
    report = Report(out=Path("x"), counts=counts, made=0, resumed=0, seconds=0.0)
    assert report.token_lengths() == {"mean": 11.2, "p95": 10, "max": 90}
    assert report.rows_per_second == 0
    assert Counts.from_plain(json.loads(json.dumps(counts.plain()))) == counts


# Refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "swift"}, "format must be"),
        ({"storage": "csv"}, "storage must be"),
        ({"engine": "spark"}, "engine must be"),
        ({"turns": 0}, "turns must be a whole number of at least 1, got 0"),
        ({"workers": 1.5}, "workers must be a whole number of at least 1, got 1.5"),
        ({"shard_size": True}, "shard_size must be a whole number of at least 1, got True"),
        ({"val_fraction": 1}, "val_fraction must be 0 up to 1, 1 excluded, got 1"),
    ],
)
def test_settings_are_checked(settings, message, tmp_path):
    with pytest.raises(mc.ConfigError, match=message):
        made([], tmp_path / "out", **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_is_kept(tmp_path):
    (tmp_path / "out").mkdir()
    made(samples(), tmp_path / "out")
    before = content(tmp_path / "out")
    with pytest.raises(mc.BuildError, match=r"out is there already: choose another folder"):
        made(samples(), tmp_path / "out")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(mc.BuildError, match="file is there already"):
        made(samples(), tmp_path / "file")
    assert content(tmp_path / "out") == before


def test_strict_stops_at_a_broken_record(tmp_path):
    message = r"^mine.json: 3: it is bad; without strict it would be left out$"
    with pytest.raises(mc.BuildError, match=message):
        made(samples(), tmp_path / "out", strict=True)
    assert not (tmp_path / "out").exists()
    with pytest.raises(KeyboardInterrupt):
        made(Stopping(12), tmp_path / "out")
    with pytest.raises(mc.BuildError, match=message):
        made(samples(), tmp_path / "out", strict=True)


def test_no_row_is_an_error(tmp_path):
    with pytest.raises(mc.BuildError, match=r"^no row came of 0 samples; broken are 0$"):
        made([], tmp_path / "out")
    with pytest.raises(mc.BuildError, match=r"1 sample; broken are 1, first here: it is bad$"):
        made([Broken("here", "it is bad")], tmp_path / "other")
    assert not (tmp_path / "other").exists()


# Stopped, and gone on


@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize("reached", [0, 3, 4, 13, 25])
def test_a_run_goes_on_where_it_was(reached, kind, whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(Stopping(reached), tmp_path / "out", val_fraction=0.3)
    assert not (tmp_path / "out").exists()
    report = made(kind(samples()), tmp_path / "out", val_fraction=0.3)
    assert report.resumed == reached // 4
    assert content(tmp_path / "out") == content(whole)
    assert report.counts.samples == 25
    assert report.made == report.counts.rows.total() - sum(
        not isinstance(one, Broken) for one in samples()[: reached // 4 * 4]
    )


def test_what_a_killed_run_left_half_written_is_gone(whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(Stopping(13), tmp_path / "out", val_fraction=0.3)
    partial = tmp_path / "out.partial"
    (partial / "rows" / "train" / ".00003.jsonl.17").write_text('{"mess')
    (partial / "shards" / ".00003.json.17").write_text("{")
    (partial / "rows" / "train" / "00003.jsonl").write_text("whole, but not counted")
    made(samples(), tmp_path / "out", val_fraction=0.3)
    assert content(tmp_path / "out") == content(whole)


def test_other_settings_do_not_go_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(Stopping(13), tmp_path / "out", origin={"file": [1, 2]})
    for settings, message in [
        ({"turns": 2}, "turns 1, this one has 2"),
        ({"origin": {"file": [1, 3]}}, r"origin.file \[1, 2\], this one has \[1, 3\]"),
        ({"origin": {}}, r"origin.file \[1, 2\], this one has null"),
        ({"rows": RowMaker(codec=mc.BSD(grid=5))}, "is of a run with codec.grid"),
        ({"rows": RowMaker(codec=mc.BSD(grid=4), seed=7)}, "seed 0, this one has 7"),
    ]:
        with pytest.raises(mc.BuildError, match=message + ".*: use the same|" + message):
            made(samples(), tmp_path / "out", **{"origin": {"file": [1, 2]}, **settings})
    assert made(samples(), tmp_path / "out", origin={"file": [1, 2]}, workers=1).resumed == 3


def test_the_first_difference_of_nested_settings_is_named(tmp_path):
    origin = {"sources": [{"path": "a"}, {"path": "b", "files": {"b": [1]}}, 3]}
    with pytest.raises(KeyboardInterrupt):
        made(Stopping(13), tmp_path / "out", origin=origin)
    for sources, message in [
        ([{"path": "a"}, {"path": "b", "files": {"b": [2]}}, 3], r"origin.sources\[1\].files.b "),
        ([{"path": "a"}, {"path": "b", "files": {"b": [1]}}, 4], r"origin.sources \["),
        ([{"path": "a"}], r"origin.sources \["),
    ]:
        with pytest.raises(mc.BuildError, match="is of a run with " + message):
            made(samples(), tmp_path / "out", origin={"sources": sources})


class Killing:
    """Steps of the file system, of which one is the last: before it, or just after it."""

    def __init__(self, monkeypatch, after):
        self.patch, self.after, self.left = monkeypatch, after, None
        for name in ("replace", "rename", "unlink", "rmdir", "mkdir"):
            monkeypatch.setattr(os, name, self.step(getattr(os, name)))

    def step(self, real):
        def take(*args, **kwargs):
            if self.left is None:
                return real(*args, **kwargs)
            self.left -= 1
            if self.left >= 0:
                return real(*args, **kwargs)
            if self.after and self.left == -1:
                real(*args, **kwargs)
            raise KeyboardInterrupt

        return take

    def build(self, steps, *args, **settings):
        """A build that is killed at a step of its end; whether it was."""
        finish = Folder.finish

        def armed(*some):
            self.left = steps
            finish(*some)

        self.patch.setattr(Folder, "finish", armed)
        try:
            made(*args, **settings)
        except KeyboardInterrupt:
            return True
        finally:
            self.left = None
            self.patch.setattr(Folder, "finish", finish)
        return False


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["ms-swift", "llama-factory", "llava"])
def test_a_run_that_is_killed_at_its_end_goes_on(name, after, monkeypatch, tmp_path):
    settings = {"format": name, "val_fraction": 0.3, "shard_size": 9}
    made(samples(), tmp_path / "whole" / "out", **settings)
    whole = content(tmp_path / "whole" / "out")
    killing = Killing(monkeypatch, after)
    for steps in range(99):
        out = tmp_path / str(steps) / "out"
        out.mkdir(parents=True)
        if not killing.build(steps, samples(), out, **settings):
            break
        if out.exists() and any(out.iterdir()):  # it is whole; only what is beside it was left
            assert content(out) == whole
            with pytest.raises(mc.BuildError, match="out is there already"):
                made(samples(), out, **settings)
        else:
            made(samples(), out, **settings)
            assert [path.name for path in out.parent.iterdir()] == ["out"]
        assert content(out) == whole
    assert steps > 12
    assert content(out) == whole


def test_a_run_whose_shards_have_holes_counts_in_order(whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(Stopping(20), tmp_path / "out", val_fraction=0.3)
    (tmp_path / "out.partial" / "shards" / "00000.json").unlink()
    made(samples(), tmp_path / "out", val_fraction=0.3)
    assert content(tmp_path / "out") == content(whole)


SLOW = """
import sys, time
from tests.data.builds import made, samples
def slow():
    for k, one in enumerate(samples()):
        if k >= 9:
            time.sleep(0.2)
        yield one
if __name__ == "__main__":
    made(slow(), sys.argv[1], val_fraction=0.3)
"""


def test_a_run_that_is_killed_goes_on(whole, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    command = [sys.executable, str(tmp_path / "slow.py"), str(tmp_path / "out")]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}) as process:
        ended = time.monotonic() + 120
        while not (tmp_path / "out.partial" / "shards" / "00001.json").exists():
            assert process.poll() is None
            assert time.monotonic() < ended
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    report = made(samples(), tmp_path / "out", val_fraction=0.3)
    assert report.resumed >= 2
    assert content(tmp_path / "out") == content(whole)
