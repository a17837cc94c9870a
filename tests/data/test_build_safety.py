"""Builds lose nothing: not what others wrote, not what was cut off, and not to one another."""

import errno
import fcntl
import json
import os
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from pathlib import Path

import pytest

import maskcodec as mc
from maskcodec.data import _claim, _durable, open_source
from maskcodec.data._jsontext import DEEPEST
from maskcodec.data.engines import processes
from maskcodec.data.folder import Folder
from maskcodec.data.origins import Origin
from maskcodec.data.rows import RowMaker
from maskcodec.data.sample import Broken, Instance
from maskcodec.data.shards import Batch, Counts, Shard
from tests.data.builds import Stopping, content, empty, made, numbers, run, sample, samples, words
from tests.datasets import coco, write


def everything(folder):
    """All that is in a folder, also links and empty folders."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in sorted(Path(folder).rglob("*"))
    }


def refused(folder, message, some=None, **settings):
    """A build into ``out`` ends with a message, and changes nothing."""
    before = everything(folder)
    with pytest.raises(mc.BuildError, match=message):
        made(samples() if some is None else some, folder / "out", **settings)
    assert everything(folder) == before


def stopped(folder, **settings):
    """The folder of a run that was stopped after three shards."""
    with pytest.raises(KeyboardInterrupt):
        made(Stopping(13), folder / "out", val_fraction=0.3, **settings)
    return folder / "out.partial"


# What others wrote


@pytest.mark.parametrize("out", [False, True])
@pytest.mark.parametrize(
    "names",
    [
        ["shards/00000.json"],
        ["shards/mine.txt"],
        ["rows/train/00000.jsonl"],
        ["mine", "shards/00001.json"],
        [".settings.json.17"],
        ["shards/"],
    ],
)
def test_a_folder_of_no_run_stays(names, out, tmp_path):
    for name in names:
        path = tmp_path / "out.partial" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text("{}")
    if out:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").write_text("mine")
    refused(tmp_path, "out is there already" if out else r"out.partial holds .*: move it away")


@pytest.mark.parametrize(
    "name", ["mine", "rows/.hidden", "rows/val/1.jsonl", "shards/x/00000.json", "rows/README.md/x"]
)
def test_what_is_of_no_run_is_named_and_stays(name, tmp_path):
    path = stopped(tmp_path) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    first = path.parent if name.count("/") == 2 and "val" not in name else path
    refused(
        tmp_path,
        rf"holds {first}, which no run of this command wrote: move it away",
        val_fraction=0.3,
    )


def test_a_link_in_the_folder_of_a_run_is_not_followed(tmp_path):
    partial = stopped(tmp_path)
    (partial / "shards").rename(tmp_path / "elsewhere")
    (partial / "shards").symlink_to(tmp_path / "elsewhere")
    refused(tmp_path, r"holds .*out.partial/shards, which .* wrote: move it away", val_fraction=0.3)


def test_what_comes_into_the_folder_meanwhile_stays(whole, tmp_path):
    def watched(shards):
        yield from shards
        (tmp_path / "out.partial" / "rows" / ".hidden").write_text("mine")
        (tmp_path / "out.partial" / "shards" / "mine").write_text("mine")

    made(samples(), tmp_path / "out", val_fraction=0.3, watch=watched)
    assert content(tmp_path / "out") == {".hidden": b"mine", **content(whole)}
    assert content(tmp_path / "out.partial") == {"shards/mine": b"mine"}


@pytest.mark.parametrize("kind", ["link", "dangling", "file"])
def test_another_thing_in_the_place_of_the_folder_stays(kind, tmp_path):
    partial = tmp_path / "out.partial"
    if kind == "file":
        partial.write_text("mine")
    else:
        partial.symlink_to(tmp_path / "elsewhere")
    if kind == "link":
        (tmp_path / "elsewhere" / "shards").mkdir(parents=True)
        (tmp_path / "elsewhere" / "settings.json").write_text("{}")
    refused(tmp_path, r"out is written as .*out.partial first, .* no plain folder: choose another")


# Names that no folder can get


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (".", "is the current folder, which would be replaced: choose another folder"),
        ("", "is the current folder, which would be replaced"),
        ("..", "is there already"),
        ("/", "is a mount point, which cannot be replaced"),
        ("link", "is a symbolic link, which would be replaced"),
        ("dangling", "is a symbolic link, which would be replaced"),
        ("file/out", r"cannot be written, since .*file is no folder"),
        ("file/a/out", r"cannot be written, since .*file is no folder"),
        ("o" * 250, r"cannot be written \(File name too long\): choose another folder"),
        ("a\0b", r"cannot be written \(.*null .*\): choose another folder"),
    ],
)
def test_a_name_that_no_folder_can_get(out, message, tmp_path, monkeypatch):
    here = tmp_path / "here"
    (here / "empty").mkdir(parents=True)
    monkeypatch.chdir(here / "empty" if out in {"", "."} else here)
    (tmp_path / "here" / "file").write_text("mine")
    (tmp_path / "here" / "link").symlink_to("empty")
    (tmp_path / "here" / "dangling").symlink_to("missing")
    before = everything(tmp_path)
    with pytest.raises(mc.BuildError, match=message):
        made(iter(Stopping(0)), out)
    assert everything(tmp_path) == before


def test_a_mount_point_is_no_new_folder(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path / "out")
    refused(tmp_path, "out is a mount point, which cannot be replaced: choose another folder")


def test_a_folder_that_may_not_be_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    refused(tmp_path, rf"cannot be written, since {tmp_path} may not be changed")


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "mkdir", full)
    refused(tmp_path, r"out.partial cannot be written: No space left on device")


def test_folders_above_are_made(whole, tmp_path):
    made(samples(), tmp_path / "a" / "b" / "out", val_fraction=0.3)
    assert content(tmp_path / "a" / "b" / "out") == content(whole)


def test_a_command_looks_at_the_folder_before_it_reads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Origin, "open", None)
    Path("file").write_text("mine")
    said = run("coco:missing.json", "--out", "file", code=1)
    assert "file is there already" in words(said.stderr)


def test_a_name_that_is_taken_meanwhile(tmp_path, whole):
    def watched(shards):
        yield from shards
        (tmp_path / "out").write_text("mine")

    message = r"out cannot get the rows: .*; they are whole, in .*out.partial/rows$"
    with pytest.raises(mc.BuildError, match=message):
        made(samples(), tmp_path / "out", val_fraction=0.3, watch=watched)
    assert (tmp_path / "out").read_text() == "mine"
    (tmp_path / "out").unlink()
    assert made(samples(), tmp_path / "out", val_fraction=0.3).made == 0
    assert content(tmp_path / "out") == content(whole)


# What was cut off


def counts_with(**more):
    def change(path):
        path.write_text(json.dumps({**json.loads(path.read_text()), **more}))

    return change


def cut(path):
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rows/train/00001.jsonl", lambda path: path.write_bytes(b"")),
        ("rows/train/00001.jsonl", cut),
        ("rows/train/00001.jsonl", Path.unlink),
        ("rows", shutil.rmtree),
        ("shards/00001.json", lambda path: path.write_bytes(b"")),
        ("shards/00001.json", cut),
        ("shards/00001.json", lambda path: path.write_bytes(bytes(500))),
        ("shards/00001.json", lambda path: path.write_bytes(b"[" * 5000)),
        ("shards/00001.json", lambda path: path.write_bytes(b"[]")),
        ("shards/00001.json", lambda path: path.rename(path.with_name("000001.json"))),
        ("shards/00001.json", counts_with(samples="4")),
        ("shards/00001.json", counts_with(lost=-1)),
        ("shards/00001.json", counts_with(rows={"../train": 3})),
        ("shards/00001.json", counts_with(broken=[{"where": 1, "message": "x"}])),
        ("shards/00001.json", counts_with(bytes=None)),
    ],
)
def test_a_shard_that_was_cut_off_is_made_again(name, change, whole, tmp_path):
    path = stopped(tmp_path) / name
    change(path)
    report = made(samples(), tmp_path / "out", val_fraction=0.3)
    assert report.resumed == (0 if name == "rows" else 2)
    assert content(tmp_path / "out") == content(whole)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Expecting value"),
        (b"\0" * 99, "Expecting value"),
        (b"[" * 9999, "maximum recursion"),
        (b"[]", "it has no version of maskcodec"),
        (b'{"mine": 1}', "it has no version of maskcodec"),
    ],
    ids=range(5),
)
def test_settings_that_cannot_be_read(data, message, tmp_path):
    (stopped(tmp_path) / "settings.json").write_bytes(data)
    message = (
        rf"settings.json does not hold the settings of a run: {message}.*; move .*partial away to"
    )
    refused(tmp_path, message, val_fraction=0.3)


@pytest.mark.parametrize("settings", [None, b""])
def test_a_run_that_was_killed_at_its_beginning_begins_again(settings, whole, tmp_path):
    (tmp_path / "out.partial").mkdir()
    if settings is not None:
        (tmp_path / "out.partial" / "settings.json").write_bytes(settings)
    made(samples(), tmp_path / "out", val_fraction=0.3)
    assert content(tmp_path / "out") == content(whole)
    assert not (tmp_path / "out.partial").exists()


def test_settings_alone_that_somebody_else_wrote_stay(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "settings.json").write_text("mine")
    refused(tmp_path, "does not hold the settings of a run: Expecting value")


@pytest.mark.parametrize("count", [8, 12])
def test_shards_of_other_samples_are_not_counted_in(count, tmp_path):
    (stopped(tmp_path) / "shards" / "00002.json").unlink()
    if count == 12:
        assert made(samples()[:count], tmp_path / "out", val_fraction=0.3).resumed == 2
        return
    message = r"00002.jsonl is of other samples than those that came now: remove .*partial to start"
    with pytest.raises(mc.BuildError, match=message):
        made(samples()[:count], tmp_path / "out", val_fraction=0.3)


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps = []
    replace, rename = os.replace, os.rename
    monkeypatch.setattr(os, "fsync", lambda _: steps.append("sync"))
    monkeypatch.setattr(
        os, "replace", lambda *names: (steps.append(Path(names[1]).name), replace(*names))
    )
    _durable.write(tmp_path / "file", b"bytes")
    assert steps == ["sync", "file"]
    steps.clear()
    monkeypatch.setattr(os, "rename", lambda *names: (steps.append("out"), rename(*names)))
    made([sample(0)], tmp_path / "out")
    shard = steps.index("00000.jsonl")
    assert steps[shard - 1 : shard + 2] == ["sync", "00000.jsonl", "00000.json"]
    assert steps[-5:] == ["README.md", "sync", "sync", "out", "sync"]  # the folders' names as well


# Two runs


def test_two_runs_do_not_write_one_folder(whole, tmp_path):
    going, go_on = threading.Event(), threading.Event()

    def slow():
        yield from samples()[:9]
        going.set()
        assert go_on.wait(60)
        yield from samples()[9:]

    first = threading.Thread(
        target=made, args=(slow(), tmp_path / "out"), kwargs={"val_fraction": 0.3}
    )
    first.start()
    assert going.wait(60)
    for settings in ({"val_fraction": 0.3}, {"turns": 2}):
        refused(tmp_path, r"out.partial is being written by another run: wait for", **settings)
    go_on.set()
    first.join()
    assert content(tmp_path / "out") == content(whole)


def test_a_folder_that_goes_as_it_is_claimed(tmp_path, monkeypatch):
    def gone(*_):
        (tmp_path / "out.partial").rmdir()

    monkeypatch.setattr(fcntl, "flock", gone)
    refused(tmp_path, "is being written by another run")


def test_a_file_system_without_locks(whole, tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    made(samples(), tmp_path / "out", val_fraction=0.3)
    assert content(tmp_path / "out") == content(whole)


def test_a_machine_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(_claim, "_locked", lambda _: None)
    with _claim.claimed(tmp_path / "out"):
        assert (tmp_path / "out.partial").is_dir()


def test_a_claim_ends(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), _claim.claimed(tmp_path / "out"):
            raise KeyError


# Workers


def killed(batch):
    if batch.number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return empty(batch)


def server_killed(batch):
    if batch.number == 3:
        os.kill(os.getppid(), signal.SIGKILL)
    return empty(batch)


@pytest.mark.parametrize("work", [killed, server_killed])
def test_a_worker_that_is_killed_is_an_error(work):
    with pytest.raises(mc.BuildError, match=r"^a worker process died, .* run the same again to"):
        list(processes.run(work, numbers(40), workers=2))
    if work is server_killed:  # it closes its pipes, which is seen here, before it is gone
        os.waitid(os.P_PID, forkserver._forkserver._forkserver_pid, os.WEXITED | os.WNOWAIT)
    forkserver.ensure_running()
    assert len(list(processes.run(empty, numbers(3), workers=2))) == 3


def test_a_worker_that_cannot_begin_is_an_error(monkeypatch):
    def fail(*_):
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    monkeypatch.setattr(ProcessPoolExecutor, "submit", fail)
    message = r"^no worker process can begin: ConnectionResetError: .*; take fewer workers$"
    with pytest.raises(mc.BuildError, match=message):
        list(processes.run(empty, numbers(3), workers=2))


def test_a_first_worker_that_ends_is_an_error(monkeypatch):
    ended = Future()
    ended.set_exception(BrokenProcessPool())
    monkeypatch.setattr(ProcessPoolExecutor, "submit", lambda *_: ended)
    with pytest.raises(mc.BuildError, match=r"^no worker process can begin, as is said above: "):
        list(processes.run(empty, numbers(3), workers=2))


def test_what_workers_take_over_is_put_back(monkeypatch):
    main = sys.modules["__main__"]
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.setattr(main, "__file__", "<stdin>", raising=False)
    assert len(list(processes.run(empty, numbers(3), workers=2))) == 3
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
    assert main.__file__ == "<stdin>"


def test_a_machine_without_semaphores_has_no_workers(monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", fail)
    with pytest.raises(mc.BuildError, match=r"^there can be no workers here: .*; take one worker$"):
        list(processes.run(empty, numbers(3), workers=2))


def test_large_batches_do_not_hold_up_the_end():
    batches = (Batch(number, [b"x" * 2**22]) for number in range(9))
    found = processes.run(empty, batches, workers=2)
    assert next(found).number == 0
    found.close()


def talkative(batch):
    """A shard of some 100 kB, which a worker sends in pieces."""
    broken = [
        Broken(f"record {n}", f"what is wrong with it, of ordinary length {n}") for n in range(1000)
    ]
    return Shard(batch.number, {}, Counts(broken=broken))


def test_a_run_that_is_left_early_ends():
    for pause in range(8):
        found = processes.run(talkative, (Batch(n, [n]) for n in range(99)), workers=2)
        assert next(found).number == 0
        time.sleep(pause % 5 / 500)
        found.close()


def nested(depth):
    value = [1, 1, 3, 1, 3, 3]
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("kind", [list, iter])
def test_what_cannot_be_sent_to_workers_is_an_error(kind, tmp_path):
    deep = sample(1, instances=(Instance(label="dog", segmentation=nested(5000)),))
    message = r"cannot be sent to a worker: RecursionError: .*; take one worker of this machine$"
    with pytest.raises(mc.BuildError, match=message):
        made(kind([sample(0), deep]), tmp_path / "out", workers=2)


@pytest.mark.parametrize("settings", [{}, {"turns": 2}, {"workers": 2}, {"workers": 2, "turns": 2}])
@pytest.mark.parametrize("depth", [DEEPEST, 600])
def test_a_segmentation_that_is_nested_too_deep_is_broken(depth, settings, tmp_path):
    dataset = coco()
    dataset["annotations"][0]["segmentation"] = nested(depth)
    source = open_source("coco", write(tmp_path / "coco.json", dataset))
    found = [one for one in source if isinstance(one, Broken)]
    report = made(source, tmp_path / "out", **settings)
    assert report.counts.broken == found
    assert "annotation" in found[0].where
    assert f"got a value nested more than {DEEPEST} deep" in found[0].message


# What holds nothing


def fails_at_once(_):
    yield from ()
    raise KeyboardInterrupt


NO_ROWS = {
    "nothing": (samples()[:0], {}),
    "broken": ([Broken("mine.json: 1", "it is bad")] * 9, {}),
    "left out": ([sample(0, task="classes", instances=())], {}),
    "strict": ([Broken("mine.json: 1", "it is bad"), sample(1)], {"strict": True}),
    "stopped": (Stopping(1), {}),
    "watched": (samples(), {"watch": fails_at_once}),
    "no tokenizer": (samples(), {"tokenizer": "nowhere.json"}),
    "list": ([Broken("mine.json: 1", "it is bad")], {"format": "llava"}),
}


@pytest.mark.parametrize(("some", "settings"), NO_ROWS.values(), ids=NO_ROWS.keys())
@pytest.mark.parametrize("there", [False, True])
def test_a_run_that_fails_before_its_first_row_leaves_nothing(tmp_path, some, settings, there):
    if there:
        (tmp_path / "out.partial").mkdir()
    error = (mc.MaskCodecError, KeyboardInterrupt)
    with pytest.raises(error):
        made(some, tmp_path / "out", **settings)
    if not there or settings.get("tokenizer") is None:
        assert list(tmp_path.iterdir()) == []
    made(samples(), tmp_path / "out")


def test_what_a_killed_run_left_without_a_row_is_in_no_way(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "_has_nothing", lambda *_: False)  # killed, it removes nothing
        with pytest.raises(mc.BuildError, match="no row came of 9 samples"):
            made(NO_ROWS["broken"][0], tmp_path / "out")
    partial = tmp_path / "out.partial"
    (partial / "shards" / ".00003.json.17").write_text("{")
    assert (partial / "shards" / "00000.json").exists()
    made(samples(), tmp_path / "out", val_fraction=0.3)
    assert not partial.exists()


def test_what_others_put_there_stays_where_a_run_fails(tmp_path):
    def watched(_):
        yield from ()
        (tmp_path / "out.partial" / "mine").write_text("mine")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(samples(), tmp_path / "out", watch=watched)
    assert (tmp_path / "out.partial" / "mine").read_text() == "mine"
    assert "settings.json" in content(tmp_path / "out.partial")


def test_rows_stay_where_a_run_fails_later(tmp_path):
    assert (stopped(tmp_path) / "rows").is_dir()
    other = RowMaker(codec=mc.BSD(grid=4), seed=1)
    refused(tmp_path, "is of a run with seed 0, this one has 1", rows=other, val_fraction=0.3)
