"""What the command line reads: masks, photos, texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from maskcodec.data import _jsontext
from maskcodec.errors import MaskCodecError
from maskcodec.files.images import MASKS, opened_image

if TYPE_CHECKING:
    import numpy.typing as npt

STDIN = "-"

_GREY_MODES = ("1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N")


class InputError(MaskCodecError):
    """Something that the user named cannot be read, or is not what it should be."""


def read_bytes(name: str) -> bytes:
    """A file's bytes, or those of standard input for ``-``.

    Raises
    ------
    InputError
        They are more than `maskcodec.data._jsontext.LARGEST`, 64 MiB.
    """
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
    """A mask or label map: an image with one whole number a pixel, in a format that keeps it.

    Raises
    ------
    InputError
        It has colours.
    SourceError
        It is no such image, or too large.
    """
    source = read_bytes(name) if name == STDIN else Path(name)
    with opened_image(source, MASKS, _shown(name)) as image:
        if image.mode in _GREY_MODES:
            return np.asarray(image)
        mode = image.mode
    raise InputError(
        f"{_shown(name)} has colours (mode {mode}), a mask has one number a pixel; "
        "convert it first, for example Image.open(...).convert('L')"
    )


def read_text(argument: str) -> tuple[str, bool]:
    """The text that an argument stands for, and whether it is the argument itself.

    ``-`` is standard input, an existing file is read, anything else is the text.
    """
    if argument != STDIN and not _exists(argument):
        return argument, True
    return _decoded(argument).replace("\r\n", "\n"), False


def read_json(path: Path) -> Any:
    """A JSON file's content.

    Raises
    ------
    SourceError
        It is not JSON, or has a key twice in an object.
    InputError
        It is not UTF-8, or too large.
    """
    return _jsontext.parsed(_decoded(str(path)), str(path))


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
