"""Open images of datasets, and read the sizes of photos."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from maskcodec.errors import SourceError
from maskcodec.files.images import PHOTOS, opened_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL import Image

_ORIENTATION = 0x0112  # Exif's tag; with 5 .. 8 viewers swap height and width
_SIDEWAYS = range(5, 9)


def picture_shape(path: Path) -> tuple[int, int]:
    """Return the (height, width) of an image as viewers show it. Only its header is read.

    Raises
    ------
    SourceError
        The file is missing, or is no image in a format of `PHOTOS`.
    """
    with opened_picture(path, PHOTOS, str(path), header=True) as picture:
        width, height = picture.size
        # Other formats may keep Exif behind the pixels, and cameras hardly ever write them.
        is_photo = picture.format in {"JPEG", "MPO"}
        if is_photo and picture.getexif().get(_ORIENTATION) in _SIDEWAYS:
            height, width = width, height
    return height, width


@contextmanager
def opened_picture(
    path: Path, formats: tuple[str, ...], name: str, *, header: bool = False
) -> Iterator[Image.Image]:
    """Open an image of a dataset as `opened_image` does; every failure is a `SourceError`."""
    try:
        with opened_image(path, formats, name, header=header) as image:
            yield image
    except FileNotFoundError:
        raise SourceError(f"{name} is missing") from None
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}") from error
