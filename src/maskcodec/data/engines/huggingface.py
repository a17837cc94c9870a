"""Shards from worker processes of this machine, by Hugging Face datasets.

A map of datasets begins its processes anew each time and gives what they made when all of them are
done. So batches go through it in rounds: large ones, since a round has to wait for the slowest of
its workers, and small enough to hold. The next one is read meanwhile.

Processes come from a fork server: a fresh process, which has loaded what workers need, and has no
threads. Forks of this process would inherit locks that its threads hold, of a progress bar or of a
tokenizer, and Python warns of them from 3.12 on; fresh processes would load everything each round.
"""

from __future__ import annotations

import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from maskcodec.data.engines import _server
from maskcodec.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from maskcodec.data.shards import Batch, Shard

SAMPLES = 4000  # for each worker, that are handed over at once


def run(
    work: Callable[[Batch], Shard], batches: Iterable[Batch], *, workers: int = 1
) -> Iterator[Shard]:
    """The shards of some batches, in their order.

    Parameters
    ----------
    work
        Makes a shard; pickled once, and read by each process of a round.
    batches
        Read in this process, a round of them ahead.
    workers
        Processes; 1 means this one, which needs no datasets.

    Raises
    ------
    BuildError
        datasets is missing, a worker died, or it met an error of the system, such as a file that
        is gone.
    """
    if workers == 1:
        for batch in batches:
            yield _made(work, batch)
        return
    if find_spec("datasets") is None:
        raise BuildError(
            "several workers need datasets, which is missing: pip install 'maskcodec[data]', or "
            "take one worker"
        )
    _server.start()  # loads datasets while this process does
    sent = pickle.dumps(work)
    stopped = threading.Event()
    rounds = _rounds(batches, workers, stopped)
    with ThreadPoolExecutor(1) as reader:
        try:
            following = reader.submit(next, rounds, None)
            while some := following.result():
                following = reader.submit(next, rounds, None)
                yield from _round(sent, some, workers)
        finally:
            stopped.set()


def _rounds(
    batches: Iterable[Batch], workers: int, stopped: threading.Event
) -> Iterator[list[Batch]]:
    """As many batches as are handed over at once: one for each worker at least."""
    some: list[Batch] = []
    held = 0
    for batch in batches:
        if stopped.is_set():
            return
        some.append(batch)
        held += len(batch.items)
        if len(some) >= workers and held >= workers * SAMPLES:
            yield some
            some, held = [], 0
    yield some


def _round(work: bytes, batches: list[Batch], workers: int) -> list[Shard]:
    """The shards of as many batches as are handed over at once; both go as pickles."""
    import pyarrow
    from datasets import Dataset, Features, Value
    from multiprocess import active_children

    pickled = [pickle.dumps(batch) for batch in batches]
    table = pyarrow.table({"batch": pyarrow.array(pickled, pyarrow.large_binary())})
    others = active_children()
    with _borrowed():
        try:
            # With fingerprints of its own, nothing is hashed; in memory, nothing is left behind.
            made = Dataset(table, fingerprint="batches").map(
                partial(_make, work),
                input_columns="batch",
                remove_columns="batch",
                features=Features({"shard": Value("large_binary")}),
                num_proc=min(workers, len(batches)),
                keep_in_memory=True,
                load_from_cache_file=False,
                new_fingerprint="shards",
            )
        except BaseException as error:
            for child in active_children():  # Ctrl-C may come before they are anybody's to end
                if child not in others:
                    child.terminate()
            if isinstance(error.__context__, KeyboardInterrupt):  # it asks for results even then
                raise error.__context__ from None
            if isinstance(error, RuntimeError) and "abruptly died" in str(error):
                raise BuildError(
                    "a worker process died, as it does when memory runs out; run the same again "
                    "to go on from here, with fewer workers or smaller shards"
                ) from None
            raise
    return [pickle.loads(row["shard"]) for row in made]


def _made(work: Callable[[Batch], Shard], batch: Batch) -> Shard:
    """A shard; an error of the system says which one it ended."""
    try:
        return work(batch)
    except OSError as error:
        raise BuildError(f"shard {batch.number} could not be made: {error}") from error


def _make(work: bytes, batch: bytes) -> dict[str, bytes]:  # pragma: no cover, in another process
    """A row of datasets: a shard of a batch."""
    return {"shard": pickle.dumps(_made(_loaded(work), pickle.loads(batch)))}


@lru_cache(maxsize=1)
def _loaded(work: bytes) -> Any:  # pragma: no cover, in another process
    return pickle.loads(work)


@contextmanager
def _borrowed() -> Iterator[None]:
    """What is this whole process's, set for one map and then put back."""
    import multiprocess
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    name = "TOKENIZERS_PARALLELISM"
    environ, parallel = os.environ, os.environ.get(name)
    method = multiprocess.get_start_method(allow_none=True)
    hidden = are_progress_bars_disabled()
    environ[name] = "false"  # as datasets does, and says so if it was another
    multiprocess.set_start_method(_server.method(), force=True)
    disable_progress_bars()
    try:
        yield
    finally:
        if not hidden:
            enable_progress_bars()
        multiprocess.set_start_method(method, force=True)
        os.environ = environ  # noqa: B003, datasets has put a copy in its place
        environ.pop(name)
        if parallel is not None:
            environ[name] = parallel
