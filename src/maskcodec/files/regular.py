"""Open regular files only: a pipe may never answer, and a device may never end."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from maskcodec.errors import SourceError
from maskcodec.messages import brief

if TYPE_CHECKING:
    from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path, name: str = "") -> BinaryIO:
    """Open a file to read its bytes; messages call it `name`. Follows links.

    Never waits for a pipe or a device.

    Raises
    ------
    SourceError
        The file is not a regular file, or the path cannot be the name of a file.
    OSError
        There is no such file, or it cannot be opened.
    """
    name = name or str(path)
    try:
        mode = path.stat().st_mode
    except ValueError as error:
        raise SourceError(f"{brief(name)} is no name of a file: {error}") from None
    _check(name, mode)  # opening a device may do something to it
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115, the caller closes it
    try:
        _check(name, os.fstat(file.fileno()).st_mode)  # the path may name another file now
    except SourceError:
        file.close()
        raise
    return file


def is_file(entry: os.DirEntry[str] | Path) -> bool:
    """True if a folder's entry is a regular file, or a link to one.

    Also True for a broken link: opening it reports the missing file.
    """
    try:
        if not entry.is_symlink():
            return entry.is_file()
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return True


def _check(name: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "of another kind")
        hint = ": save what it gives in a file" if stat.S_ISFIFO(mode) else ""
        raise SourceError(f"{name} is {kind}, and only a regular file is read{hint}")


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows lacks it
