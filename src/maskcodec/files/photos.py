"""Images as viewers show them: RGB, turned by their Exif data. Masks fit these."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from maskcodec.errors import MaskError
from maskcodec.files.images import PHOTOS, opened_image


def as_picture(image: Any) -> Image.Image:
    """An image as viewers show it, as for `Collator`: RGB, turned by its Exif data.

    Takes a Pillow image, a uint8 array, or the path of a file.

    Raises
    ------
    TypeError
        The image has another type, or does not have 8 bits a channel.
    MaskError
        The array's shape is not (height, width) or (height, width, 3), or the image has no pixel.
    SourceError
        The file is not a PNG, JPEG, BMP, WebP or TIFF, cannot be read, or is too large.
    OSError
        There is no such file, or it cannot be opened.
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
    """A picture as RGB, turned by its Exif data.

    Raises
    ------
    TypeError
        The picture does not have 8 bits a channel.
    MaskError
        The picture has no pixel.
    """
    if picture.mode == "F" or picture.mode.startswith("I"):  # Pillow would clip, not scale
        raise TypeError(
            f"image has the mode {picture.mode}, expected 8 bits a channel, such as RGB or L"
        )
    if not picture.width or not picture.height:
        raise MaskError(f"image must have pixels, got {picture.height} x {picture.width}")
    turned = ImageOps.exif_transpose(picture)  # a copy
    return turned if turned.mode == "RGB" else turned.convert("RGB")
