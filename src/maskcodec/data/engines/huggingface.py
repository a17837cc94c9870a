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

from maskcodec.data.engines import _server, made
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
        datasets is missing, no worker can begin, one died, or it met an error of the system, such
        as a file that is gone.
    """
    if workers == 1:
        for batch in batches:
            yield made(work, batch)
        return
    spec = find_spec("datasets")
    if spec is None or spec.origin is None:  # the latter is a folder that happens to be here
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
            _server.check()
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
    with _server.used(), _borrowed():
        others = active_children()
        try:
            # With fingerprints of its own, nothing is hashed; in memory, nothing is left behind.
            shards = Dataset(table, fingerprint="batches").map(
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
    return [pickle.loads(row["shard"]) for row in shards]


def _make(work: bytes, sent: bytes) -> dict[str, bytes]:  # pragma: no cover, in another process
    """A row of datasets: a shard of a batch."""
    batch: Batch = pickle.loads(sent)
    try:
        return {"shard": pickle.dumps(made(_loaded(work), batch))}
    except Exception as error:
        if _is_sendable(error):
            raise
        what = f"{type(error).__name__}: {error}"
        raise BuildError(f"shard {batch.number} could not be made: {what}") from error


def _is_sendable(error: Exception) -> bool:
    """Whether an error arrives where workers come from: they would be waited for forever."""
    from multiprocess.reduction import ForkingPickler

    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        return False
    return True


@lru_cache(maxsize=1)
def _loaded(work: bytes) -> Any:  # pragma: no cover, in another process
    try:
        return pickle.loads(work)
    except AttributeError as error:  # of a notebook, or of a script from standard input
        raise BuildError(
            f"workers cannot load what the rows are made with ({error}): put it into a module "
            "that they can import, or take one worker"
        ) from error


@contextmanager
def _borrowed() -> Iterator[None]:
    """What datasets sets for this whole process, put back after a map."""
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    name = "TOKENIZERS_PARALLELISM"
    environ, parallel = os.environ, os.environ.get(name)
    hidden = are_progress_bars_disabled()
    environ[name] = "false"  # as datasets does, and says so if it was another
    disable_progress_bars()
    try:
        yield
    finally:
        if not hidden:
            enable_progress_bars()
        os.environ = environ  # noqa: B003, datasets has put a copy in its place
        environ.pop(name)
        if parallel is not None:
            environ[name] = parallel
