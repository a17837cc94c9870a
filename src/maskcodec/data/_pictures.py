"""Image files: how large they are, and what a mask in one of them covers."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from maskcodec._arrays import sides
from maskcodec.data import _labelmaps
from maskcodec.errors import SourceError
from maskcodec.runs import RunMask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL import Image

_ORIENTATION = 0x0112  # Exif's tag: from 5 to 8, height and width are swapped where it is shown
_SIDEWAYS = range(5, 9)
_NUMBERS = "1", "L", "I", "I;16"
_COLOURS = "P", "PA", "LA", "RGB", "RGBA"


def picture_shape(path: Path) -> tuple[int, int]:
    """The (height, width) of an image as viewers show it, of which only the header is read.

    Raises
    ------
    SourceError
        It is missing, or no image.
    """
    with _opened(path) as picture:
        width, height = picture.size
        # Other formats may keep Exif behind the pixels, and hardly a camera writes them.
        is_photo = picture.format in {"JPEG", "MPO"}
        if is_photo and picture.getexif().get(_ORIENTATION) in _SIDEWAYS:
            height, width = width, height
    return height, width


def picture_mask(path: Path, shape: tuple[int, int]) -> RunMask:
    """The mask that an image shows: whatever is not black, or not 0.

    Parameters
    ----------
    path
        An image in grey, in colours, or with a palette; how transparent it is makes no difference.
    shape
        The (height, width) that it must have, which is looked at before pixels are read.

    Raises
    ------
    SourceError
        It is missing, no image, too large, of another size, or of a kind that nobody keeps a mask
        in.
    """
    with _opened(path) as picture:
        own = picture.height, picture.width
        if own != shape:
            raise SourceError(
                f"{path} has {sides(own)} pixels, height x width, but its image has {sides(shape)}"
            )
        if own[0] * own[1] > _labelmaps.MOST_PIXELS:
            most = f"{_labelmaps.MOST_PIXELS:,}"
            raise SourceError(f"{path} claims {sides(own)} pixels; up to {most} are read")
        if picture.mode in _COLOURS:
            # By way of RGBA, which every palette fits into.
            return RunMask.from_mask(np.asarray(picture.convert("RGBA"))[..., :3].any(axis=2))
        if picture.mode not in _NUMBERS:
            raise SourceError(f"{path} has the mode {picture.mode}; expected is a mask, or RGB")
        return RunMask.from_mask(np.asarray(picture))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what cannot be read at all is an error
        try:
            with Image.open(path) as picture:
                yield picture
        except SourceError:
            raise
        except FileNotFoundError:
            raise SourceError(f"{path} is missing") from None
        except Exception as error:  # Pillow's readers raise many kinds on broken files
            raise SourceError(f"{path} is not an image that can be read: {error}") from error
