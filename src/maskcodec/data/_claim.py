"""Check that a folder can get its final name, and lock it against other runs."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from maskcodec.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def partial_of(out: Path) -> Path:
    """Return the folder that a run writes before `out` gets its name."""
    return out.parent / f"{out.name}.partial"


def check_free(out: Path) -> None:
    """Check, before any work, that a folder can be written and get its name.

    Raises
    ------
    BuildError
        The name is taken, or no new folder can have it, or `partial_of` it is no plain folder.
    """
    try:
        wrong = _fault(out.absolute())
    except (OSError, ValueError) as error:  # the name is too long, or has a null character
        reason = error.strerror if isinstance(error, OSError) else error
        wrong = f"cannot be written ({reason})"
    if wrong:
        raise BuildError(f"{out} {wrong}: choose another folder")


def _fault(out: Path) -> str | None:
    partial = partial_of(out)
    there = os.path.lexists(out)
    if out.is_symlink():
        return "is a symbolic link, which would be replaced"
    if there and os.path.ismount(out):
        return "is a mount point, which cannot be replaced"
    if there and out.samefile(os.curdir):
        return "is the current folder, which would be replaced"
    if there and not (out.is_dir() and not any(out.iterdir())):
        return "is there already"
    above = next((folder for folder in out.parents if os.path.lexists(folder)), out.parent)
    if not above.is_dir():
        return f"cannot be written, since {above} is no folder"
    if not os.access(above, os.W_OK | os.X_OK):
        return f"cannot be written, since {above} may not be changed"
    with suppress(FileNotFoundError):
        is_folder = stat.S_ISDIR(partial.lstat().st_mode)
        if not is_folder or os.path.ismount(partial):
            return f"is written as {partial} first, which is there already and is no plain folder"
    return None


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Lock the folder `partial_of` a name until the block or this process ends.

    Raises
    ------
    BuildError
        As in `check_free`, or another run has the folder.
    """
    partial = partial_of(out)
    check_free(out)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock = _locked(partial)
    except OSError as error:
        raise BuildError(f"{partial} cannot be written: {error.strerror}") from error
    try:
        check_free(out)  # another run may have ended meanwhile
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """Lock a folder, and return the lock; None on Windows, which has no such locks."""
    if sys.platform == "win32":
        return None  # pragma: no cover
    import fcntl

    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.path.samestat(os.fstat(lock), folder.lstat())
    except (BlockingIOError, FileNotFoundError):
        ours = False  # another run has it, or has just removed it
    except OSError:  # a file system without locks
        ours = True
    if not ours:
        os.close(lock)
        raise BuildError(
            f"{folder} is being written by another run: wait for its end, or choose another folder"
        )
    return lock
