"""Read masks and label maps from files: images with one number a pixel, and arrays."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import SourceError
from maskcodec.files.images import MASKS, opened_image
from maskcodec.files.regular import open_regular
from maskcodec.messages import brief, sides

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL import Image

MOST_BYTES = 1 << 30  # of a .npy file
_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 12
_NUMBERS = "1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N"
_GREY = "LA", "RGB", "RGBA"  # grey if the colours of every pixel are equal


def opened_mask(value: Any) -> Any:
    """Read a mask if the value is a path (str or PathLike); return any other value unchanged.

    Raises
    ------
    SourceError
        There is no such file, or `read_mask` refuses it.
    """
    if not isinstance(value, (str, os.PathLike)):
        return value
    if not os.fspath(value):
        raise SourceError("mask '' is an empty text, where the path of a mask was expected")
    try:
        return read_mask(Path(value), str(value))
    except OSError as error:
        raise SourceError(
            f"mask {brief(str(value))} is a path, which cannot be read: {error.strerror}; "
            'compressed run lengths are {"size": [height, width], "counts": ...}'
        ) from error


def read_mask(source: Path | bytes, name: str) -> npt.NDArray[Any]:
    """Read a mask or a label map from a file.

    Parameters
    ----------
    source
        The path or the bytes of a PNG, BMP or TIFF with one integer a pixel, or of NumPy's
        ``.npy``. A palette image gives the indices. Grey images may have three equal colours,
        transparency, or both.
    name
        The name of the file in messages.

    Returns
    -------
    (height, width), bool or integer.

    Raises
    ------
    SourceError
        The file has colours or numbers that are not integers; a pixel that is not black is
        transparent; all pixels are black and some are transparent; the file has another format,
        is broken, or is too large.
    OSError
        There is no such file, or it cannot be opened.
    """
    if _starts(source, name) == _MAGIC:
        return _read_array(source, name)
    with opened_image(source, MASKS, name) as image:
        if image.mode in _NUMBERS:
            return np.asarray(image)
        if image.mode in _GREY:
            return _grey(image, name)
        mode = image.mode
    raise SourceError(_coloured(name, mode))


def _starts(source: Path | bytes, name: str) -> bytes:
    if isinstance(source, bytes):
        return source[: len(_MAGIC)]
    with open_regular(source, name) as file:
        return file.read(len(_MAGIC))


def _coloured(name: str, mode: str) -> str:
    return (
        f"{name} has colours (mode {mode}), a mask has one number a pixel; "
        "convert it first, for example Image.open(...).convert('L')"
    )


def _grey(image: Image.Image, name: str) -> npt.NDArray[Any]:
    """The numbers of an image with several channels; refuses pixels whose colours differ."""
    if any("16" in str(tile[3]) for tile in getattr(image, "tile", ())):
        raise SourceError(f"{name} has 16 bits for each of its colours; a mask has one number")
    has_alpha, mode = image.mode.endswith("A"), image.mode
    pixels = np.asarray(image)
    colours = pixels[..., :-1] if has_alpha else pixels
    grey = np.ascontiguousarray(colours[..., 0])
    if (colours != grey[..., None]).any():
        raise SourceError(_coloured(name, mode))
    if has_alpha:
        clear = pixels[..., -1] == 0
        if clear.any() and not grey.any():
            raise SourceError(
                f"{name} is black all over, and only its transparency differs; if that is the "
                "mask, save it: Image.open(...).getchannel('A')"
            )
        if (grey[clear] != 0).any():
            raise SourceError(
                f"{name} is transparent where its numbers are not 0, so that it may be two masks; "
                "save the right one: Image.open(...).getchannel(0), or ('A')"
            )
    return grey


def _read_array(source: Path | bytes, name: str) -> npt.NDArray[Any]:
    """Read an array from NumPy's ``.npy``; refuses a header that does not fit the file's length.

    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    if isinstance(source, bytes):
        data = source
    else:
        with open_regular(source, name) as file:
            data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise SourceError(f"{name} has more than {MOST_BYTES:,} bytes")
    try:
        width = 2 if data[6] == 1 else 4
        start = 8 + width
        stop = start + int.from_bytes(data[8:start], "little")
        if stop - start > _LONGEST_HEADER:
            raise ValueError(f"a header of {stop - start:,} bytes")
        header = ast.literal_eval(data[start:stop].decode("latin1").strip())
        kind, shape = np.dtype(header["descr"]), header["shape"]
        order = "F" if header["fortran_order"] else "C"
    except (
        IndexError,
        KeyError,
        ValueError,
        TypeError,
        SyntaxError,
        RecursionError,
        MemoryError,
    ) as error:
        raise SourceError(f"{name} is no .npy file that can be read: {brief(str(error))}") from None
    if kind.kind not in "bui" or not isinstance(shape, tuple) or len(shape) != 2:
        hint = "; threshold it first, for example mask > 0.5" if kind.kind == "f" else ""
        raise SourceError(
            f"{name} holds {kind.name} of shape {brief(shape)}; expected is one bool or "
            f"integer array (height, width){hint}"
        )
    pixels = len(data) - stop
    if not all(type(side) is int and side > 0 for side in shape):
        raise SourceError(f"{name} holds an array of shape {brief(shape)}, which has no pixels")
    if shape[0] * shape[1] * kind.itemsize != pixels:
        raise SourceError(
            f"{name} claims {sides(map(brief, shape))} pixels of {kind.itemsize} bytes, but holds "
            f"{pixels:,} bytes"
        )
    return np.frombuffer(data, kind, offset=stop).reshape(shape, order=order)  # type: ignore[call-overload, no-any-return]
