"""Which rows are for validation: those of some images, always the same ones."""

from __future__ import annotations

from pathlib import PurePosixPath

from maskcodec.data.turns import chance

TRAIN, VAL = "train", "val"


def split_of(image: str, key: str, fraction: float) -> str:
    """``"val"`` for about a fraction of all images, else ``"train"``.

    Parameters
    ----------
    image
        The image's path, of which the file's name counts: an image is on one side, whatever folder
        and dataset it comes from.
    key
        Decides where there is no image.
    fraction
        0 .. 1.

    Examples
    --------
    >>> from maskcodec.data.split import split_of
    >>> split_of("train2017/1.jpg", "", 0.5) == split_of("coco/1.jpg", "", 0.5)
    True
    """
    name = PurePosixPath(image).name or key
    return VAL if chance(0, VAL, name) < fraction else TRAIN
