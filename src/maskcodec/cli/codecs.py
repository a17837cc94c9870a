"""What the command line does with codecs: both families alike, with labels and regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskcodec.bricks import BSD
from maskcodec.cli.options import chosen_codec
from maskcodec.labelgrid import LabelGrid
from maskcodec.region import Region

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from maskcodec.cli.options import AnyCodec, LostName
    from maskcodec.demo import Scene
    from maskcodec.errors import Problem


class RoundTrip(NamedTuple):
    """A scene as the text of one codec, and back.

    Attributes
    ----------
    text, runs
        The text, and how many runs (labels, where a codec has no runs) it is made of.
    regions, ious
        What the text shows, and how well it agrees with each object of the scene.
    """

    text: str
    runs: int
    regions: list[Region]
    ious: list[float]


def encode_any(
    codec: AnyCodec,
    pixels: npt.NDArray[Any],
    labels: str | Mapping[int, str],
    lost: LostName | None = None,
) -> tuple[str, list[str]]:
    """A mask or a label map as text, and the labels that were dropped.

    Parameters
    ----------
    codec
        Of any kind; B-SD makes an instance of each named value.
    pixels
        (height, width), integer or bool.
    labels
        The label of a mask, or the name of each value.
    lost
        As the codecs take it; None for their own default.
    """
    rule: Any = None if lost is None else lost.value
    dropped: list[str] = []
    if not isinstance(codec, BSD):
        return codec.encode(pixels, labels, lost=rule or "drop", dropped=dropped), dropped
    instances = [(1, labels)] if isinstance(labels, str) else list(labels.items())
    texts = []
    for value, label in instances:
        gone: list[int] = []
        mask = pixels if isinstance(labels, str) else pixels == value
        texts.append(codec.encode_many([mask], [label], lost=rule or "raise", dropped=gone))
        dropped += [label] * len(gone)
    return "".join(texts), dropped


def decode_any(
    codec: AnyCodec, text: str, *, recover: bool = False
) -> tuple[list[Region], list[Problem]]:
    """The regions of a text, and what was wrong with it; of a grid, each label is a region."""
    found, problems = codec.recover(text) if recover else (codec.decode(text), [])
    if not isinstance(found, LabelGrid):
        return found, problems
    regions = []
    for number in sorted(set(found.cells.ravel().tolist()) - {0}):
        cells = found.cells == number
        rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
        box = int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
        inside = cells[box[1] : box[3] + 1, box[0] : box[2] + 1]
        regions.append(Region(found.names[number], box, inside, canvas=codec.canvas))
    return regions, problems


def round_trip(name: str, scene: Scene) -> RoundTrip:
    """A scene through the codec of that name, on 64 x 64 cells."""
    codec = chosen_codec(name=name, grid="64")
    text, _ = encode_any(codec, scene.label_map, dict(enumerate(scene.labels, 1)))
    runs = text.count("<fg") + text.count("<bg") or text.count("*") or text.count("|") + 1
    regions, _ = decode_any(codec, text)
    regions.sort(key=lambda region: scene.labels.index(region.label))
    masks = zip(scene.masks(), regions, strict=True)
    ious = [iou(mask, region.mask(scene.shape)) for mask, region in masks]
    return RoundTrip(text, runs, regions, ious)


def iou(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Intersection over union of two masks of one shape; 1 where both are empty."""
    union = int(np.count_nonzero(np.logical_or(first, second)))
    return int(np.count_nonzero(np.logical_and(first, second))) / union if union else 1.0
