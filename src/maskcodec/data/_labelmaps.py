"""Label maps: images with a number a pixel, and the mask of each number without painting any."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec._arrays import sides
from maskcodec.errors import SourceError
from maskcodec.runs import RunMask, run_mask

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

    from maskcodec._arrays import IntegerArray

MOST_PIXELS = 1 << 27  # of an image whose size is only a claim until it is decoded
_GREY_MODES = "1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N"


def read_index(path: Path, shape: tuple[int, int] | None = None) -> IntegerArray:
    """An image with one whole number a pixel: bool or integers (height, width).

    Parameters
    ----------
    path
        The image; of one with a palette, the numbers and not the colours.
    shape
        The (height, width) that it must have.

    Raises
    ------
    SourceError
        It is missing, no image, one with colours, too large, or of another size.
    """
    found: IntegerArray = _read(
        path, shape, _GREY_MODES, "one number a pixel, as an index image has"
    )
    return found


def read_segments(path: Path, shape: tuple[int, int] | None = None) -> IntegerArray:
    """The ids of a panoptic PNG: uint32 (height, width) of red + 256 green + 65536 blue.

    As https://cocodataset.org/#format-data has it. Arguments and errors are those of `read_index`.
    """
    colours = _read(path, shape, ("RGB",), "red, green and blue, as a panoptic PNG has")
    ids: IntegerArray = colours[..., 2].astype(np.uint32)
    for channel in (1, 0):
        ids = (ids << 8) | colours[..., channel]
    return ids


def value_masks(values: IntegerArray) -> dict[int, RunMask]:
    """The mask of each value of a label map, ascending, in memory as all of them have runs.

    Examples
    --------
    >>> import numpy as np
    >>> masks = value_masks(np.array([[7, 7, 0], [7, 2, 2]]))
    >>> list(masks), masks[7].counts.tolist()
    ([0, 2, 7], [0, 3, 3])
    """
    height, width = values.shape
    flat = values.T.ravel()  # down the columns, as COCO counts
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    stops = np.append(starts[1:], flat.size)
    held = flat[starts]
    order = np.argsort(held, kind="stable")
    found, first = np.unique(held[order], return_index=True)
    masks = {}
    for value, runs in zip(found.tolist(), np.split(order, first[1:]), strict=True):
        ends = np.full(2 * len(runs) + 1, flat.size, np.int64)
        ends[0:-1:2], ends[1::2] = starts[runs], stops[runs]
        masks[int(value)] = run_mask((height, width), ends[:-1] if ends[-2] == flat.size else ends)
    return masks


def _read(path: Path, shape: tuple[int, int] | None, modes: tuple[str, ...], what: str) -> Any:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as image:
                _check(image, path, shape, modes, what)
                return np.asarray(image)
        except SourceError:
            raise
        except FileNotFoundError:
            raise SourceError(f"{path} is missing") from None
        except Exception as error:  # Pillow's readers raise many kinds on broken files
            raise SourceError(f"{path} is not an image that can be read: {error}") from error


def _check(
    image: Image.Image, path: Path, shape: tuple[int, int] | None, modes: tuple[str, ...], what: str
) -> None:
    """Look at what an image claims to be, before it is decoded."""
    own = image.height, image.width
    if image.mode not in modes:
        raise SourceError(f"{path} has the mode {image.mode}; expected is an image with {what}")
    if shape is not None and own != shape:
        raise SourceError(
            f"{path} has {sides(own)} pixels, height x width, but its image has {sides(shape)}"
        )
    if own[0] * own[1] > MOST_PIXELS:
        raise SourceError(f"{path} claims {sides(own)} pixels; up to {MOST_PIXELS:,} are read")
