"""Split rows into training and validation by their image."""

from __future__ import annotations

from pathlib import PurePosixPath

from maskcodec.data.turns import chance

TRAIN, VAL = "train", "val"


def split_of(image: str, key: str, fraction: float) -> str:
    """Return ``"val"`` for about a `fraction` of all images, else ``"train"``.

    Parameters
    ----------
    image
        The image's path. Only the file's name decides: an image is in the same split in every
        folder and dataset.
    key
        Decides if there is no image.
    fraction
        The share of images for validation, 0 .. 1.

    Examples
    --------
    >>> from maskcodec.data.split import split_of
    >>> split_of("train2017/1.jpg", "", 0.5) == split_of("coco/1.jpg", "", 0.5)
    True
    """
    name = PurePosixPath(image).name or key
    return VAL if chance(0, VAL, name) < fraction else TRAIN
