"""Builds by several workers and by Ray: the same rows, and no process is left."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest

import maskcodec as mc
from maskcodec.data.engines import PROGRESS, processes
from maskcodec.data.engines import ray as ray_engine
from maskcodec.data.origins import Joined
from maskcodec.data.sample import Broken
from maskcodec.data.shards import Batch, ShardMaker
from tests.conftest import PURE, ROOT
from tests.data.builds import MAKER, Stopping, content, empty, made, numbers, sample, samples


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


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_is_told_by_samples(workers, whole, tmp_path):
    told = []
    made(samples(), tmp_path / "out", val_fraction=0.3, workers=workers, progress=told.append)
    assert content(tmp_path / "out") == content(whole)
    assert (told[0], sum(told)) == (0, 25)
    assert workers > 1 or told[1:] == [1] * 25  # not by shards, of 4
    assert PROGRESS.get()(1) is None


def slow(batch):
    PROGRESS.get()(3)
    time.sleep(3 * processes._LOOK)
    return empty(batch)


def test_workers_tell_while_they_make_a_shard():
    told = []
    token = PROGRESS.set(told.append)
    found = processes.run(slow, numbers(1), workers=2)
    assert next(found).number == 0
    PROGRESS.reset(token)
    found.close()
    assert sum(told) == 3
    assert len(told) > 1  # the shard came later


def test_progress_begins_where_an_earlier_run_was(whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(Stopping(10), tmp_path / "out", val_fraction=0.3)
    told = []
    made(iter(samples()), tmp_path / "out", val_fraction=0.3, progress=told.append)
    assert content(tmp_path / "out") == content(whole)
    assert (told[0], sum(told)) == (8, 25)


def test_several_sources_are_one():
    joined = Joined((samples(5), [], samples(3)))
    assert list(joined) == [joined[k] for k in range(8)] == [*samples(5), *samples(3)]
    with pytest.raises(IndexError, match="no such record"):
        joined[8]


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
from tests.data.builds import samples
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
from tests.data.builds import empty
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
