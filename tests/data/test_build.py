"""Samples to folders of rows: whole, resumed, by several workers, by Ray, from the command line."""

import inspect
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from PIL import Image
from typer.testing import CliRunner

import maskcodec as mc
from maskcodec.cli import commands
from maskcodec.data import shards
from maskcodec.data.build import Report, build
from maskcodec.data.engines import processes
from maskcodec.data.engines import ray as ray_engine
from maskcodec.data.folder import Folder
from maskcodec.data.origins import Joined, Origin, stamps
from maskcodec.data.rows import RowMaker
from maskcodec.data.sample import Broken, Instance, Sample
from maskcodec.data.shards import Batch, Counts, Shard, ShardMaker, gathered
from tests.conftest import PURE, ROOT

RLE = {"size": [4, 4], "counts": [5, 2, 2, 2, 5]}
MAKER = RowMaker(codec=mc.BSD(grid=4))


def sample(number, image=None, **more):
    """An expression; two in a row are of one image."""
    fields = {
        "key": f"mine:{number}",
        "image": image or f"a/{number // 2}.jpg",
        "shape": (4, 4),
        "task": "expression",
        "query": f"dog {number}",
        "instances": (Instance(label=f"dog {number}", segmentation=RLE),),
    }
    return Sample(**{**fields, **more})


def samples(count=25):
    """Samples, of which one in seven is broken."""
    return [
        Broken(f"mine.json: {number}", "it is bad") if number % 7 == 3 else sample(number)
        for number in range(count)
    ]


class Stopping:
    """Samples that end in an error, as a run ends that is killed."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        yield from samples()[: self.count]
        raise KeyboardInterrupt


def rows(folder, split="train"):
    files = sorted((Path(folder) / split).glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def save_tokenizer(folder):
    from tests.vocabularies import byte_level

    Path(folder).mkdir()
    byte_level().save(str(Path(folder) / "tokenizer.json"))


def content(folder):
    """All files of a folder by their names."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def made(some, out, **settings):
    return build(some, out, **{"rows": MAKER, "shard_size": 4, **settings})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    made(samples(), out, val_fraction=0.3)
    return out


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
    some = [
        sample(0),
        sample(1, query="<image>"),
        sample(2, instances=(Instance(label="dog", segmentation=None),)),
        sample(3, instances=(Instance(label="d", segmentation={"size": [4, 4], "counts": [16]}),)),
    ]
    report = made(some, tmp_path / "out")
    assert report.counts.rows == Counter(train=1)
    assert [found.where for found in report.counts.broken] == ["mine:1", "mine:2"]
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
    with pytest.raises(mc.BuildError, match=r"1 samples; broken are 1, first here: it is bad$"):
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
from tests.test_build import made, samples
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


# Engines


@pytest.mark.parametrize("kind", [list, iter])
def test_workers_make_the_same(kind, whole, tmp_path):
    made(kind(samples()), tmp_path / "out", val_fraction=0.3, workers=2)
    assert content(tmp_path / "out") == content(whole)


def test_records_may_come_one_after_another(whole, tmp_path):
    seen = []

    def watched(found):
        for shard in found:
            seen.append(shard.number)
            yield shard

    made(iter(samples()), tmp_path / "out", val_fraction=0.3, watch=watched)
    assert content(tmp_path / "out") == content(whole)
    assert seen == list(range(7))


def test_several_sources_are_one():
    joined = Joined((samples(5), [], samples(3)))
    assert list(joined) == [joined[k] for k in range(8)] == [*samples(5), *samples(3)]
    with pytest.raises(IndexError, match="no such record"):
        joined[8]


def numbers(count):
    return [Batch(number, []) for number in range(count)]


def empty(batch):
    return Shard(batch.number, {}, Counts())


def dead(_batch):
    os._exit(1)


def test_workers_keep_the_order_and_read_little_ahead():
    read = []

    def endless():
        while True:
            read.append(len(read))
            yield Batch(read[-1], range(3))

    found = processes.run(empty, endless(), workers=2)
    assert [next(found).number for _ in range(9)] == list(range(9))
    assert len(read) < 9 + processes.AHEAD * 2
    found.close()


def test_a_worker_that_dies_is_an_error():
    with pytest.raises(mc.BuildError, match=r"a worker process died, .* run the same again"):
        list(processes.run(dead, numbers(3), workers=2))


class OddError(Exception):
    """It pickles, and cannot be read again."""

    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


def odd(batch):
    raise OddError("shard", batch.number)


def test_an_error_that_cannot_be_sent_is_said():
    with pytest.raises(mc.BuildError, match=r"^shard 0 could not be made: OddError: shard 0$"):
        list(processes.run(odd, numbers(2), workers=2))


def test_workers_in_several_threads(whole, tmp_path):
    def make(number):
        made(samples(), tmp_path / f"{number}", val_fraction=0.3, workers=2)
        return content(tmp_path / f"{number}")

    before, environ = dict(os.environ), os.environ
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(make, range(3))) == [content(whole)] * 3
    assert os.environ is environ
    assert dict(os.environ) == before


SCRIPT = """
import maskcodec as mc
from maskcodec.data.build import build
from maskcodec.data.rows import RowMaker
from tests.test_build import samples
class Mine(list):
    pass
made = {made}
{guard}
    build(made(samples()), "out", rows=RowMaker(codec=mc.BSD(grid=4)), shard_size=4, workers=2)
    print("built")
"""


@pytest.mark.parametrize(
    ("how", "mine", "wrong"),
    [
        ("guarded", "Mine", ""),
        ("bare", "list", "BuildError: no worker process can begin"),
        ("stdin", "list", ""),
        ("stdin", "Mine", "BuildError: workers cannot load what the rows are made with"),
    ],
)
def test_scripts(how, mine, wrong, tmp_path):
    guard = 'if __name__ == "__main__":' if how == "guarded" else "if True:"
    text = SCRIPT.format(made=mine, guard=guard)
    (tmp_path / "script.py").write_text(text)
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    said = subprocess.run(
        [sys.executable, "-" if how == "stdin" else "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        input=text if how == "stdin" else "",
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert wrong in said.stderr
    assert said.stdout == ("" if wrong else "built\n")
    assert bool(wrong) == bool(said.stderr)


@pytest.mark.parametrize("parallel", [None, "true"])
def test_workers_leave_this_process_as_it_was(parallel, monkeypatch, capfd):
    if parallel is None:
        monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    else:
        monkeypatch.setenv("TOKENIZERS_PARALLELISM", parallel)
    environ, before = os.environ, dict(os.environ)
    method = multiprocessing.get_start_method(allow_none=True)
    list(processes.run(empty, numbers(3), workers=2))
    assert os.environ is environ
    assert dict(os.environ) == before
    assert multiprocessing.get_start_method(allow_none=True) == method
    assert capfd.readouterr() == ("", "")


BUSY = """
import os, signal, sys, time
from maskcodec.data.engines import processes
from maskcodec.data.shards import Batch
from tests.test_build import empty
def work(batch):
    os.write(1, b"begun\\n")
    time.sleep(1)
    return empty(batch)
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    list(processes.run(work, (Batch(number, []) for number in range(200)), workers=2))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="children are looked up in /proc")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_workers_end_with_the_run(how, tmp_path):
    (tmp_path / "busy.py").write_text(BUSY)
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    env = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-W", "error", str(tmp_path / "busy.py")]
    with (
        (tmp_path / "said").open("w") as said,
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        ) as process,
    ):
        for _ in range(2):
            assert process.stdout.readline() == b"begun\n"
        group = members(process.pid)
        assert len(group) >= 5  # this one, two workers, the fork server, the resource tracker
        if how == "SIGINT":  # as a terminal sends it: to all of them
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.kill()
        ended = time.monotonic() + 60
        while members(process.pid) and time.monotonic() < ended:
            process.poll()
            time.sleep(0.05)
        assert members(process.pid) == set()
    said = (tmp_path / "said").read_text()
    assert said.count("Traceback") == (how == "SIGINT")
    assert "Warning" not in said


def members(group):
    """The processes of a group that have not ended."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, number = path.read_text().rpartition(")")[2].split()[:3]
            if int(number) == group and state != "Z":
                found.add(int(path.parent.name))
    return found


class Numbered:
    """Records by their numbers, with no length."""

    def __iter__(self):
        return iter(samples())

    def __getitem__(self, number):
        return samples()[number]


def test_numbers_without_a_length_are_not_enough(whole, tmp_path):
    made(Numbered(), tmp_path / "out", val_fraction=0.3)
    assert content(tmp_path / "out") == content(whole)


def gone(batch):
    if batch.number == 1:
        raise FileNotFoundError(2, "No such file", "1.png")
    return empty(batch)


@pytest.mark.parametrize(("workers", "count"), [(1, 3), (2, 2), (2, 9)])
def test_an_error_of_the_system_names_its_shard(workers, count):
    message = r"^shard 1 could not be made: .*No such file: '1.png'$"
    with pytest.raises(mc.BuildError, match=message):
        list(processes.run(gone, numbers(count), workers=workers))


@pytest.mark.skipif(
    PURE or os.environ.get("MASKCODEC_PROFILE") == "checked",
    reason="a cluster takes long to begin, and is the same in each run",
)
@pytest.mark.filterwarnings("ignore")
def test_ray_makes_the_same(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray", reason="Ray is missing: pip install 'maskcodec[ray]'")
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    with TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:  # a short name
        ray.init(
            num_cpus=2,
            object_store_memory=100 * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            runtime_env={"env_vars": {"PYTHONPATH": path}},
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        try:
            made(samples(), tmp_path / "out", val_fraction=0.3, engine="ray")
            assert ray.is_initialized()
            assert ray.data.DataContext.get_current().enable_progress_bars
            with pytest.raises(mc.BuildError, match=r"^shard 1 could not be made: .*'1.png'$"):
                list(ray_engine.run(gone, numbers(2)))
        finally:
            ray.shutdown()
    assert content(tmp_path / "out") == content(whole)


class FakeRay:
    """As much of Ray as the engine uses, in this process."""

    def __init__(self, running=False, refused=None):
        self.running, self.refused, self.rounds, self.addresses = running, refused, [], []
        context = SimpleNamespace(enable_progress_bars=True)
        self.data = SimpleNamespace(
            from_items=self.from_items, DataContext=SimpleNamespace(get_current=lambda: context)
        )

    def is_initialized(self):
        return self.running

    def init(self, address, **_):
        if self.refused is not None:
            raise self.refused
        self.addresses.append(address)
        self.running = True

    def shutdown(self):
        self.running = False

    def cluster_resources(self):
        return {"CPU": 1.0}

    def from_items(self, items, override_num_blocks):
        assert len(items) == override_num_blocks
        self.rounds.append(len(items))
        return SimpleNamespace(
            map=lambda make: SimpleNamespace(take_all=lambda: [make(one) for one in items[::-1]])
        )


def test_ray_gets_rounds_and_keeps_the_order(monkeypatch, whole, tmp_path):
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    made(samples(), tmp_path / "out", val_fraction=0.3, engine="ray", address="auto")
    assert content(tmp_path / "out") == content(whole)
    assert (fake.rounds, fake.addresses, fake.running) == ([4, 3], ["auto"], False)


def test_a_ray_that_runs_already_goes_on(monkeypatch):
    fake = FakeRay(running=True)
    monkeypatch.setitem(sys.modules, "ray", fake)
    assert len(list(ray_engine.run(empty, numbers(2)))) == 2
    assert (fake.addresses, fake.running) == ([], True)


def test_ray_must_be_there(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", FakeRay(refused=ConnectionError("nobody")))
    with pytest.raises(mc.BuildError, match="there is no Ray cluster at 'x:1': nobody"):
        made(samples(), tmp_path / "out", engine="ray", address="x:1")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(mc.BuildError, match=r"needs Ray, .* pip install 'maskcodec\[ray\]'"):
        made(samples(), tmp_path / "out", engine="ray")


def test_what_workers_get_and_give_can_be_sent():
    make = ShardMaker(rows=MAKER, format="trl", val_fraction=0.1)
    batch = Batch(3, [(sample(1),), Broken("x", "y")])
    assert pickle.loads(pickle.dumps(make))(pickle.loads(pickle.dumps(batch))) == make(batch)


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


# The command line


_mixes = "mix_stderr" in inspect.signature(CliRunner).parameters  # before Click 8.2
RUNNER = CliRunner(mix_stderr=False) if _mixes else CliRunner()


def run(*args, code=0):
    result = RUNNER.invoke(commands.app, ["build", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def words(text):
    return " ".join(text.split())


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
    result = run(instances, "--out", "rows", "--grid", 2, "--val-fraction", 0.3, "--seed", 3, *more)
    said = words(result.stderr)
    assert "instances.json: " in said
    assert "1 broken records are left out, see" in said
    assert "10 samples; " in said
    found = [*rows("rows"), *rows("rows", "val")]
    assert found[0]["images"][0].startswith("val2017/")
    assert f"train {len(rows('rows'))}" in words(result.stdout)
    settings = json.loads(Path("rows/settings.json").read_text())
    (origin,) = settings["origin"]["sources"]
    assert origin["options"] == {"images": "val2017"}
    assert origin["files"]["instances.json"][0] == Path("instances.json").stat().st_size


def test_a_command_says_what_was_lost_and_how_long_rows_are(instances):
    save_tokenizer(Path("words"))
    result = run(
        instances,
        "--out",
        "rows",
        "--grid",
        2,
        "--workers",
        1,
        "--tokenizer",
        "words",
        "--whole",
        1,
    )
    said = words(result.stderr)
    assert "1 instances are lost: no cell is left of them" in said
    assert "Tokens a conversation, without image and chat template: mean " in result.stdout


def test_a_command_stops_at_a_broken_record(instances):
    result = run(instances, "--out", "rows", "--strict", "--workers", 1, code=1)
    assert "error: instances.json: " in words(result.stderr)
    assert not Path("rows").exists()


def test_a_command_goes_on(instances):
    result = run(instances, "--out", "rows", "--workers", 1, "--shard-size", 4, "--strict", code=1)
    result = run(instances, "--out", "rows", "--workers", 1, "--shard-size", 4)
    assert "after 2 shards of an earlier run" in words(result.stderr)


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
    wordings = {
        "classes": ["Wo ist {what}?"],
        "whole": ["Was ist das?"],
        "absent": ["Kein {what}."],
    }
    Path("german.json").write_text(json.dumps(wordings))
    run(instances, "--out", "rows", "--workers", 1, "--templates", "german.json", "--absent", 0.5)
    asked = {row["messages"][0]["content"] for row in rows("rows")}
    assert {"<image>Wo ist dog?", "<image>Was ist das?"} <= asked
    assert all(text.startswith(("<image>Wo ist ", "<image>Was ist das?")) for text in asked)
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
        (["coco:instances.json", "--codec", "x"], "no codec is called 'x'"),
    ],
)
@pytest.mark.usefixtures("instances")
def test_a_command_that_was_called_wrongly(args, message):
    said = run(*args, "--out", "rows", code=2).stderr
    assert message in " ".join(said.replace("│", " ").split())


def test_a_missing_package_is_named(instances, monkeypatch):
    def missing(*_, **__):
        raise ModuleNotFoundError("No module named 'pycocotools'", name="pycocotools")

    monkeypatch.setattr(Origin, "open", missing)
    said = words(run(instances, "--out", "rows", code=1).stderr)
    assert "error: this needs the package pycocotools, which is missing: pip install" in said


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
