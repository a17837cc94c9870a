"""The process that worker processes are forked from: what it loads, and when they end.

It imports this module before it forks, and then does more than import it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from maskcodec.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWNER, _MAIN = "MASKCODEC_OWNER", "MASKCODEC_MAIN"
_ALONE = threading.Lock()


def method() -> str:
    """How processes begin: from the server, or where there can be none, fresh ones."""
    return "spawn" if sys.platform == "win32" else "forkserver"


@contextmanager
def used() -> Iterator[str]:
    """Have processes begin so, for one thread at a time: it is set for this whole process.

    Yields the path of the script that they import. One from standard input is hidden from them.
    """
    import multiprocess
    from multiprocess import spawn

    main = vars(sys.modules["__main__"])
    with _ALONE:
        before, hidden = multiprocess.get_start_method(allow_none=True), {}
        try:
            multiprocess.set_start_method(method(), force=True)
            path = spawn.get_preparation_data("").get("init_main_from_path", "")
            if path and not Path(path).exists():
                hidden, path = {"__file__": main.pop("__file__")}, ""
            yield path
        finally:
            main.update(hidden)
            multiprocess.set_start_method(before, force=True)


def start() -> None:
    """Start the server, unless it runs. It ends with this process, however that ends."""
    if method() == "spawn":
        return  # pragma: no cover, on Windows
    with used() as main:
        _start(main)


def check() -> None:
    """Wait until the server has loaded all, and see that processes can begin.

    Raises
    ------
    BuildError
        They cannot: they import the script that is running, which fails.
    """
    import multiprocess

    with used():
        first = multiprocess.Process()
        first.start()
        first.join()
    if first.exitcode:
        raise BuildError(
            "no worker process can begin, as is said above: each imports the script that is "
            'running, so that what it does belongs below `if __name__ == "__main__":`; or take '
            "one worker"
        )


def _start(main: str) -> None:
    from multiprocess import forkserver, resource_tracker

    told = {
        _OWNER: str(os.getpid()),
        _MAIN: main,
        "OPENBLAS_NUM_THREADS": "1",  # a thread for each core otherwise, at the import of numpy
        "TOKENIZERS_PARALLELISM": "false",
    }
    before = {name: os.environ.get(name) for name in told}
    forkserver.set_forkserver_preload([__name__])
    resource_tracker.ensure_running()  # lets signals through again, so before they are blocked
    os.environ.update(told)
    allowed = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()  # it and the workers keep what is blocked: Ctrl-C is for us
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _load() -> None:  # pragma: no cover, in another process
    """Load what workers need, and have them end when the owner has ended."""
    import datasets  # noqa: F401
    from multiprocess import process, spawn

    import maskcodec as mc

    os.register_at_fork(after_in_child=_watch)
    if path := os.environ.pop(_MAIN):  # a worker would import it otherwise, each time
        this = process.current_process()
        this._inheriting = True  # a script that builds as it is imported is refused
        with suppress(BaseException):  # and whatever is wrong with it, workers find out, too
            spawn.import_main_path(path)
        del this._inheriting
    for segmentation in ({"size": [4, 4], "counts": [5, 2, 2, 2, 5]}, [[1, 1, 3, 1, 3, 3]]):
        mc.BSD(grid=4).encode(segmentation, "dog", shape=(4, 4))  # loads compiled code


def _watch() -> None:  # pragma: no cover, in another process
    """End this process, a worker or one of datasets' own, when the owner has ended."""
    from multiprocess import parent_process

    def wait() -> None:
        while (owner := parent_process()) is None:  # it is told soon after the fork
            time.sleep(0.05)
        owner.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if os.environ.get(_OWNER) == str(os.getppid()):  # pragma: no cover, in another process
    _load()
