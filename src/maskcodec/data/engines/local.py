"""Shards from worker processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TYPE_CHECKING

from maskcodec.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from maskcodec.data.shards import Batch, Shard

_WORK: list[Callable[[Batch], Shard]] = []  # of a worker: what makes its shards
AHEAD = 2  # batches for each worker that are read before their turn


def run(
    work: Callable[[Batch], Shard], batches: Iterable[Batch], *, workers: int = 1
) -> Iterator[Shard]:
    """The shards of some batches, in their order.

    Parameters
    ----------
    work
        Makes a shard; pickled once for each process.
    batches
        Read in this process, a few of them ahead.
    workers
        Processes; 1 means this one.

    Raises
    ------
    BuildError
        A worker died, or met an error of the system, such as a file that is gone.
    """
    if workers == 1:
        for batch in batches:
            yield _reached(batch.number, partial(work, batch))
        return
    # Forked processes inherit threads' locks, of the compiler and of tokenizers: spawned ones none.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, spawn, initializer=_begin, initargs=(work,))
    waiting: deque[tuple[int, Future[Shard]]] = deque()
    try:
        for batch in batches:
            waiting.append((batch.number, pool.submit(_make, batch)))
            if len(waiting) >= workers * AHEAD:
                number, future = waiting.popleft()
                yield _reached(number, future.result)
        while waiting:
            number, future = waiting.popleft()
            yield _reached(number, future.result)
    except BrokenProcessPool:
        raise BuildError(
            "a worker process died, as it does when memory runs out; run the same again to go on "
            "from here, with fewer workers or smaller shards"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _reached(number: int, get: Callable[[], Shard]) -> Shard:
    """A shard; an error of the system says which one it ended."""
    try:
        return get()
    except OSError as error:
        raise BuildError(f"shard {number} could not be made: {error}") from error


def _begin(work: Callable[[Batch], Shard]) -> None:  # pragma: no cover, in another process
    """Leave Ctrl-C to the parent, and end when it has ended, however that came."""
    _WORK[:] = [work]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _make(batch: Batch) -> Shard:  # pragma: no cover, in another process
    return _WORK[0](batch)


def _end_with_parent() -> None:  # pragma: no cover, in another process
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
