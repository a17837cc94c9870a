"""Open image files in the formats that a caller names, up to a limit of pixels."""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from maskcodec.errors import SourceError
from maskcodec.files.regular import open_regular
from maskcodec.messages import sides

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL import Image

MOST_CLAIMED = 1 << 27  # pixels that a header, --shape or COCO may claim for an image
LABEL_MAPS = ("PNG",)
MASKS = ("PNG", "BMP", "TIFF")  # lossless: they keep each pixel's number
PHOTOS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")  # Pillow's JPEG reads MPO as well
# The first bytes of other formats. Pillow's readers of some of them start programs.
_SIGNATURES = {
    b"%!": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"%PDF": "PDF",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"WEBP": "WEBP",
    b"GIF8": "GIF",
    b"8BPS": "Photoshop",
    b"avif": "AVIF",
    b"heic": "HEIC",
    b"mif1": "HEIC",
    b"<?xml": "XML",
    b"<svg": "SVG",
    b"<html": "HTML",
    b"<!DOCTYPE": "HTML",
}


@contextmanager
def opened_image(
    source: Path | bytes, formats: tuple[str, ...], name: str, *, header: bool = False
) -> Iterator[Image.Image]:
    """Open an image file; the caller's first access to its pixels decodes them.

    Parameters
    ----------
    source
        The path of the file, or its bytes.
    formats
        The formats that it may have, in Pillow's names. No other reader of Pillow opens it.
    name
        The name of the image in messages.
    header
        True if the caller reads only the header. Then only Pillow's own limit holds, about 179
        million pixels.

    Raises
    ------
    SourceError
        The file is not a regular file, not an image in these formats, too large, or cannot be
        read. Any other exception in the caller's ``with`` block becomes this error, too.
    OSError
        There is no such file, or it cannot be opened.
    """
    from PIL import Image, UnidentifiedImageError

    with _stream(source, name) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an image that cannot be read is an error
        try:
            with Image.open(file, formats=formats) as image:
                if not header and image.height * image.width > MOST_CLAIMED:
                    claim = sides((image.height, image.width))
                    raise SourceError(
                        f"{name} claims {claim} pixels; up to {MOST_CLAIMED:,} are read"
                    )
                yield image
        except SourceError:
            raise
        except UnidentifiedImageError:
            raise SourceError(f"{name} {_unknown(file, formats)}") from None
        except Exception as error:  # Pillow's readers raise many kinds on broken files
            raise SourceError(f"{name} is not an image that can be read: {error}") from error


def _stream(source: Path | bytes, name: str) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else open_regular(source, name)


def _unknown(file: BinaryIO, formats: tuple[str, ...]) -> str:
    """The message for a file that Pillow cannot open in any of these formats."""
    file.seek(0)
    start = file.read(12)
    if start[:4] == b"RIFF" or start[4:8] == b"ftyp":  # the kind follows the length
        start = start[8:]
    kind = next((kind for mark, kind in _SIGNATURES.items() if start.startswith(mark)), "")
    expected = " or ".join(filter(None, (", ".join(formats[:-1]), formats[-1])))
    if kind in formats:
        return f"is not an image that can be read: it begins as {kind}, but its header is broken"
    return f"is not a {expected} image" + f"; it seems to be {kind}" * bool(kind)
