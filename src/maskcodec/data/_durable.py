"""Write files that are there whole or not at all, even if power fails meanwhile."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNFINISHED = r"\.({})\.\d+"  # the name of an unfinished file, with its process's id


@contextmanager
def whole_file(path: Path, *, synced: bool = True) -> Iterator[IO[bytes]]:
    """Write a file that gets its name when it is whole, and with `synced` on the disk."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        yield file
        if synced:
            sync(file)
    unfinished.replace(path)


def write(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Write some bytes as a whole file."""
    with whole_file(path, synced=synced) as file:
        file.write(data)


def sync(file: IO[bytes]) -> None:
    """Wait until a file's bytes are on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if the system has a call for that."""
    if not hasattr(os, "O_DIRECTORY"):
        return  # pragma: no cover, on Windows
    with suppress(OSError):  # a folder that may not be read; some network file systems
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
