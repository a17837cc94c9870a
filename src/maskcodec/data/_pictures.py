"""Images of datasets: how they are opened, and how large photos are."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from maskcodec.errors import SourceError
from maskcodec.files.images import PHOTOS, opened_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL import Image

_ORIENTATION = 0x0112  # Exif's tag: from 5 to 8, height and width are swapped where it is shown
_SIDEWAYS = range(5, 9)


def picture_shape(path: Path) -> tuple[int, int]:
    """The (height, width) of an image as viewers show it, of which only the header is read.

    Raises
    ------
    SourceError
        It is missing, or no image of the formats that photos have.
    """
    with opened_picture(path, PHOTOS, str(path), header=True) as picture:
        width, height = picture.size
        # Other formats may keep Exif behind the pixels, and hardly a camera writes them.
        is_photo = picture.format in {"JPEG", "MPO"}
        if is_photo and picture.getexif().get(_ORIENTATION) in _SIDEWAYS:
            height, width = width, height
    return height, width


@contextmanager
def opened_picture(
    path: Path, formats: tuple[str, ...], name: str, *, header: bool = False
) -> Iterator[Image.Image]:
    """An image of a dataset, as `opened_image` has it, with one error for all that may be wrong."""
    try:
        with opened_image(path, formats, name, header=header) as image:
            yield image
    except FileNotFoundError:
        raise SourceError(f"{name} is missing") from None
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}") from error
