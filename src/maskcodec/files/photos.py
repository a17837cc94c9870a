"""Images as viewers show them, which is how masks lie on them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from maskcodec.errors import MaskError
from maskcodec.files.images import PHOTOS, opened_image


def as_picture(image: Any) -> Image.Image:
    """An image as viewers show it, as `Collator` has it: RGB, turned by its Exif.

    Takes one of Pillow, an array, or the path of a file.

    Raises
    ------
    TypeError
        It is none of these, or has other than 8 bits a channel.
    MaskError
        An array has another shape than (height, width) or (height, width, 3); there is no pixel.
    SourceError
        A file is none of PNG, JPEG, BMP, WebP and TIFF, cannot be read, or is too large.
    OSError
        It cannot be opened.
    """
    if isinstance(image, (str, os.PathLike)):
        with opened_image(Path(image), PHOTOS, str(image)) as opened:
            return upright(opened)
    if isinstance(image, Image.Image):
        return upright(image)
    if image is None or isinstance(image, bytes):
        raise TypeError(
            "image must be a Pillow image, a uint8 array or a path, got " + type(image).__name__
        )
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        raise TypeError(f"image must be uint8, 0 .. 255, got {pixels.dtype}")
    if pixels.size == 0 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise MaskError(
            f"image must be (height, width, 3) or (height, width), got shape {pixels.shape}"
        )
    return Image.fromarray(pixels).convert("RGB")


def upright(picture: Image.Image) -> Image.Image:
    """A picture as RGB, turned as its Exif says.

    Raises
    ------
    TypeError
        It has other than 8 bits a channel.
    MaskError
        It has no pixel.
    """
    if picture.mode == "F" or picture.mode.startswith("I"):  # Pillow would cut off, not scale
        raise TypeError(
            f"image has the mode {picture.mode}, expected 8 bits a channel, such as RGB or L"
        )
    if not picture.width or not picture.height:
        raise MaskError(f"image must have pixels, got {picture.height} x {picture.width}")
    turned = ImageOps.exif_transpose(picture)  # a copy
    return turned if turned.mode == "RGB" else turned.convert("RGB")
