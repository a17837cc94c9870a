"""Make shards in worker processes of this machine.

Workers come from a fork server: a fresh process that has loaded their modules and has no threads.
Forks of this process would inherit locks that its threads hold, such as those of a progress bar or
a tokenizer. Windows has no fork server: each worker is a fresh process and loads everything.

Workers hold one end of a pipe. They end at once when this process closes the other end, or ends in
any way.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec.data.engines import PROGRESS, made, pickled
from maskcodec.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future
    from multiprocessing.connection import Connection

    from maskcodec.data.shards import Batch, Shard

_LOOK = 0.1  # seconds between two checks of the workers' progress
AHEAD = 2  # batches for each worker that are handed over at once

_LOADED = ["maskcodec.data.build", "numba", __name__]
_METHOD = "spawn" if sys.platform == "win32" else "forkserver"
_MOST = 61 if sys.platform == "win32" else sys.maxsize  # workers; Windows waits for no more
_THREADS = "OPENBLAS_NUM_THREADS"  # else NumPy starts a thread for each core
_ALONE = threading.Lock()
_SENT: list[bytes] = []  # in a worker, the pickle of the function that makes a shard


def run(
    work: Callable[[Batch], Shard], batches: Iterable[Batch], *, workers: int = 1
) -> Generator[Shard]:
    """Yield the shards of some batches, in their order.

    Parameters
    ----------
    work
        Makes a shard. Each worker gets it once.
    batches
        Read in this process, up to `AHEAD` for each worker before their shards are there.
    workers
        Processes; 1 means this one.

    Raises
    ------
    BuildError
        `work` or a batch cannot be sent, no worker can begin, a worker died, or a worker met an
        error of the system, such as a missing file.
    """
    if workers == 1:
        for batch in batches:
            yield made(work, batch)
        return
    sent = pickled(work, "the source, or what makes its rows,")
    context: Any = multiprocessing.get_context(_METHOD)
    context.set_forkserver_preload(_LOADED)
    theirs, ours = context.Pipe(duplex=False)
    try:
        counter = context.Value("q", 0)  # samples that are done, by all workers
        begin = theirs, sent, counter
        pool = ProcessPoolExecutor(min(workers, _MOST), context, _begin, begin)
    except (OSError, ImportError, NotImplementedError) as error:  # a machine without semaphores
        raise BuildError(f"there can be no workers here: {error}; take one worker") from error
    waiting: deque[Future[Shard]] = deque()
    told = 0

    def first() -> Shard:
        """Wait for the next shard; report the progress of all workers meanwhile."""
        nonlocal told
        pending = True
        while pending:
            pending = bool(wait([waiting[0]], _LOOK).not_done)
            done = counter.get_obj().value  # without the lock: a dead worker may hold it
            PROGRESS.get()(done - told)
            told = done
        return waiting.popleft().result()

    try:
        _check(pool)
        for batch in batches:
            data = pickled(batch, f"shard {batch.number}")
            waiting.append(_submitted(pool, _make, batch.number, data))
            if len(waiting) == AHEAD * workers:
                yield first()
        while waiting:
            yield first()
    except BrokenProcessPool:
        raise BuildError(
            "a worker process died, as it does when memory runs out; run the same again to go on "
            "from here, with fewer workers or smaller shards"
        ) from None
    finally:
        try:  # it could wait forever for a worker that ended while it sent a shard
            pool.shutdown(cancel_futures=True)
        finally:
            ours.close()
            theirs.close()


def _check(pool: ProcessPoolExecutor) -> None:
    """Wait until the first worker has begun."""
    try:
        _submitted(pool, os.getpid).result()
    except BrokenProcessPool:
        raise BuildError(
            "no worker process can begin, as is said above: each imports the script that is "
            'running, so that what it does belongs below `if __name__ == "__main__":`; or take '
            "one worker"
        ) from None


def _submitted(pool: ProcessPoolExecutor, call: Callable[..., Any], *args: Any) -> Future[Any]:
    """Submit a call to the workers; this may begin a worker."""
    try:
        with _beginning():
            return pool.submit(call, *args)
    except (OSError, EOFError) as error:
        raise BuildError(
            f"no worker process can begin: {type(error).__name__}: {error}; take fewer workers"
        ) from error


@contextmanager
def _beginning() -> Iterator[None]:
    """Set what new processes inherit, for one thread at a time, and put it back.

    A script from standard input is hidden from them: they would look for it as a file.
    """
    main, hidden = vars(sys.modules["__main__"]), {}
    with _ALONE:
        before = os.environ.get(_THREADS)
        os.environ[_THREADS] = "1"
        if "__file__" in main and not Path(main["__file__"]).exists():
            hidden = {"__file__": main.pop("__file__")}
        try:
            yield
        finally:
            main.update(hidden)
            if before is None:
                del os.environ[_THREADS]
            else:
                os.environ[_THREADS] = before


def _begin(  # pragma: no cover, in another process
    owner: Connection, work: bytes, counter: Any
) -> None:
    """Make this process a worker. It ends with its owner, and leaves Ctrl-C to the owner."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _SENT[:] = [work]

    def count(number: int) -> None:
        with counter.get_lock():
            counter.value += number

    def end_with_owner() -> None:
        owner.poll(None)  # the owner sends nothing: this returns at its end
        os._exit(1)

    PROGRESS.set(count)
    threading.Thread(target=end_with_owner, daemon=True).start()


def _make(number: int, batch: bytes) -> Shard:  # pragma: no cover, in another process
    try:
        return made(_work(), _unpickled(batch))
    except Exception as error:
        if _is_sendable(error):
            raise
        what = f"{type(error).__name__}: {error}"
        raise BuildError(f"shard {number} could not be made: {what}") from None


@cache
def _work() -> Any:  # pragma: no cover, in another process
    return _unpickled(_SENT[0])


def _unpickled(data: bytes) -> Any:  # pragma: no cover, in another process
    try:
        return pickle.loads(data)
    except (AttributeError, ImportError) as error:  # code of a notebook, or from standard input
        raise BuildError(
            f"workers cannot load what the rows are made with ({error}): put it into a module "
            "that they can import, or take one worker"
        ) from error


def _is_sendable(error: Exception) -> bool:  # pragma: no cover, in another process
    """Whether an error can be sent to the owner."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True
