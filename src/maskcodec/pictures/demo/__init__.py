"""A scene for trying the codecs: a picture, and the exact mask of every labelled object."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

LABELS = ("red house", "mountains", "sun", "tree", "black dog", "sailboat")


class Scene(NamedTuple):
    """A picture and its labelled objects.

    Attributes
    ----------
    image
        RGB, 640 pixels wide and 480 high.
    label_map
        uint8 (480, 640): 0 for background, ``n`` for ``labels[n - 1]``.
    labels
        The objects' labels.
    """

    image: Image.Image
    label_map: npt.NDArray[np.uint8]
    labels: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.height, self.image.width

    def masks(self) -> list[npt.NDArray[np.bool_]]:
        """The mask of each object, in the order of the labels."""
        return [self.label_map == number for number in range(1, len(self.labels) + 1)]


def scene() -> Scene:
    """A lake at sunset, 480 x 640, with six labelled objects; the same on every call.

    Examples
    --------
    >>> from maskcodec.pictures.demo import scene
    >>> picture = scene()
    >>> picture.label_map.shape, picture.labels[-1]
    ((480, 640), 'sailboat')
    """
    label_map = np.array(_opened("label_map.png"))  # the indices into its palette
    return Scene(_opened("picture.png").convert("RGB"), label_map, LABELS)


def _opened(name: str) -> Image.Image:
    with (files(__name__) / name).open("rb") as file:
        image = Image.open(file)
        image.load()
        return image
