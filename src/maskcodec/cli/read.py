"""Read the command line's input: masks, texts, JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from maskcodec import coco
from maskcodec.data import _jsontext
from maskcodec.data._jsonfile import shown, whole
from maskcodec.errors import MaskCodecError, MaskError
from maskcodec.files import masks as files
from maskcodec.masks.runs import MOST_COUNTED

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskcodec.coco import RunMask

STDIN = "-"


class InputError(MaskCodecError):
    """An input that the user named cannot be read, or has wrong content."""


def read_bytes(name: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``."""
    most = _jsontext.LARGEST
    if name == STDIN:
        data = typer.get_binary_stream("stdin").read(most + 1)
    else:
        with Path(name).open("rb") as file:
            data = file.read(most + 1)
    if len(data) > most:
        raise InputError(f"{_shown(name)} has more than {most:,} bytes, which no input here has")
    return data


def read_mask(name: str) -> npt.NDArray[Any]:
    """Read a mask or label map by `maskcodec.files.masks.read_mask`; ``-`` is standard input."""
    source = read_bytes(name) if name == STDIN else Path(name)
    return files.read_mask(source, _shown(name))


def read_text(argument: str) -> tuple[str, bool]:
    """The text of an argument, and whether it is the argument itself.

    ``-`` reads standard input, the name of an existing file reads the file, any other argument is
    the text.
    """
    if argument != STDIN and not _exists(argument):
        return argument, True
    return _decoded(argument).replace("\r\n", "\n"), False


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return _jsontext.parsed(_decoded(str(path)), str(path))


def size_of(where: str, entry: dict[str, Any]) -> tuple[int, int] | None:
    """The (height, width) in a line's ``"height"`` and ``"width"`` or ``"size"``, or None."""
    named = "height" in entry or "width" in entry
    sides = [entry.get("height"), entry.get("width")] if named else entry.get("size")
    if sides is None:
        return None
    numbers = [whole(side) for side in sides] if isinstance(sides, list) else []
    if len(numbers) != 2 or not all(type(side) is int for side in numbers):
        raise InputError(
            f'{where} needs two whole numbers, "height" and "width" or "size": [height, width], '
            f"got {_shown_sides(sides)}"
        )
    return checked_claim((numbers[0], numbers[1]), where)


def _shown_sides(sides: Any) -> str:
    return f"[{', '.join(map(shown, sides[:3]))}]" if isinstance(sides, list) else shown(sides)


def mask_of(
    segmentation: Any, shape: tuple[int, int] | None, where: str, what: str = "the segmentation"
) -> RunMask:
    """Read a segmentation of a file by `maskcodec.coco.read`."""
    try:
        return coco.read(segmentation, shape=shape, what=what)
    except (MaskError, TypeError) as error:
        raise InputError(f"{where}: {error}") from error


def checked_claim(shape: tuple[int, int], where: str, most: int = MOST_COUNTED) -> tuple[int, int]:
    """A claimed (height, width), refused if a side is below 1 or it has more than `most` pixels."""
    height, width = shape
    if height < 1 or width < 1 or height * width > most:
        raise InputError(f"{where} claims {height} x {width} pixels")
    return shape


def _decoded(name: str) -> str:
    try:
        return read_bytes(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{_shown(name)} is not UTF-8 text: {error}") from error


def _shown(name: str) -> str:
    return "standard input" if name == STDIN else name


def _exists(argument: str) -> bool:
    try:
        return bool(argument) and Path(argument).exists()
    except (OSError, ValueError):  # too long for a path, or with a null character
        return False
