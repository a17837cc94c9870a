"""Draw regions on a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.errors import MaskError
from maskcodec.files.photos import as_picture
from maskcodec.messages import brief
from maskcodec.pictures.figure import compared, drawable, with_legend
from maskcodec.text.regions import Region

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PIL import Image

    from maskcodec.masks.grid import Method


def draw(
    image: Any,
    regions: Iterable[Region],
    *,
    labels: Sequence[str] | None = None,
    opacity: float = 0.5,
    method: Method | None = None,
) -> Image.Image:
    """Draw regions on a photo: tinted, outlined and labelled.

    Up to ten regions have their labels on the picture. If there are more, or a label finds no free
    place, the regions have numbers, in their order from 1, and a legend below.

    Parameters
    ----------
    image
        The photo: a Pillow image, a uint8 array (height, width, 3) or (height, width), or the path
        of a PNG, JPEG, BMP, WebP or TIFF file. It is not changed.
    regions
        As `Codec.decode` returns them: ``answer.regions``, or a `LabelGrid`'s ``regions()``.
    labels
        The text for each region; by default its label.
    opacity
        The opacity of a region's colour, 0 .. 1.
    method
        How cells become pixels, as in `Region.mask`.

    Returns
    -------
    A new RGB image of the photo's size, plus the legend. A photo of more than 16 million pixels is
    made smaller.

    Raises
    ------
    MaskError
        The array has another shape, the opacity is out of range, or there is not one label for each
        region.
    SourceError
        The file cannot be read as a photo, or is too large.
    TypeError
        A region or the image has another type, or the image has other than 8 bits a channel.

    Examples
    --------
    >>> import maskcodec as mc
    >>> import numpy as np
    >>> dog = mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 1]], canvas=(4, 4))
    >>> mc.draw(np.zeros((480, 640, 3), np.uint8), [dog]).size
    (640, 480)
    """
    if not 0 <= opacity <= 1:
        raise MaskError(f"opacity must be 0 .. 1, got {opacity}")
    photo = drawable(as_picture(image))
    found = list(regions)
    for number, region in enumerate(found):
        if not isinstance(region, Region):
            raise TypeError(f"regions must be maskcodec.Region, got {brief(region)} at {number}")
    shape = photo.height, photo.width
    masks = (region.mask(shape, method=method) for region in found)
    names = [region.label for region in found] if labels is None else list(labels)
    if len(names) != len(found):
        raise MaskError(f"there must be a label for each region, got {len(found)} and {len(names)}")
    drawn = compared(photo, [masks], names, opacity=opacity)
    return with_legend(drawn.pictures[0], drawn.legend)
