"""Encode and decode with codecs of instances and of label grids alike."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

from maskcodec.cli.annotations import CocoImage
from maskcodec.data.drawing import check_draws, map_label, map_of
from maskcodec.errors import LabelError, LostMaskError, within
from maskcodec.formats.labels.label_grid import LabelGrid, cell_label
from maskcodec.masks.runs import united
from maskcodec.text.codec import lost_error, lost_message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from maskcodec.cli.settings import AnyCodec
    from maskcodec.errors import Problem
    from maskcodec.formats.labels.base import LabelCodec
    from maskcodec.text.codec import Lost
    from maskcodec.text.regions import Region


def encode_any(
    codec: AnyCodec, pixels: npt.NDArray[Any], labels: str | Mapping[int, str], lost: Lost = "raise"
) -> tuple[str, list[str]]:
    """A mask or a label map as text, and the labels of instances that were dropped.

    `labels` is the label of a mask, or the name of each value of a label map. A codec with
    instances writes one instance for each value. A codec with a grid of labels logs dropped labels
    instead.
    """
    if not codec.has_instances:
        return codec.encode(pixels, labels, lost=lost), []
    instances = [(1, labels)] if isinstance(labels, str) else list(labels.items())
    texts, dropped = [], []
    for value, label in instances:
        mask = pixels if isinstance(labels, str) else pixels == value
        try:
            texts.append(codec.encode(mask, label))
        except LostMaskError:
            if lost == "raise":
                raise
            dropped.append(label)
    return "".join(texts), dropped


class Encoded(NamedTuple):
    """The instances of an image as text."""

    text: str
    dropped: list[str]  # labels of instances without a cell
    covered: list[str]  # on a grid: labels whose cells smaller instances cover


def encode_image(codec: AnyCodec, image: CocoImage, lost: Lost = "raise") -> Encoded:
    """The instances of an image as text; `lost` is as in `encode_any`.

    A codec with instances writes them one after another. On a grid, the cells of an instance have
    its label, and small instances cover large ones.
    """
    check_draws(codec)
    if not codec.has_instances:
        return _encode_grid(codec, image, lost)
    texts, dropped = [], []
    for mask, label, where in zip(image.masks, image.labels, image.wheres, strict=True):
        try:
            with naming(where):
                texts.append(codec.encode(mask, label, shape=image.shape))
        except LostMaskError:
            if lost == "raise":
                raise
            dropped.append(label)
    return Encoded("".join(texts), dropped, [])


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Add `where` to errors about a label or a lost mask."""
    try:
        yield
    except (LabelError, LostMaskError) as error:
        raise within(where, error) from error


def _encode_grid(codec: LabelCodec, image: CocoImage, lost: Lost) -> Encoded:
    labels, dropped = [], []
    for label, where in zip(image.labels, image.wheres, strict=True):
        with naming(where):
            labels.append(map_label(codec, label))
    grid, drawn, seen = map_of(codec, image.masks, labels)
    for mask, label, where, own in zip(image.masks, labels, image.wheres, drawn, strict=True):
        if mask.any() and not own:
            if lost == "raise":
                raise lost_error(codec, lost_message(codec, f"{where}: mask", label, mask))
            dropped.append(label)
    visible = set(compress(labels, seen))
    covered = dict.fromkeys(label for label in compress(labels, drawn) if label not in visible)
    return Encoded(codec.encode_grid(grid), dropped, list(covered))


def as_drawn(codec: AnyCodec, image: CocoImage) -> CocoImage:
    """The image with the masks that a codec can tell apart: on a grid, one for each label."""
    if codec.has_instances:
        return image
    parts: dict[str, list[int]] = {}
    for number, label in enumerate(image.labels):
        parts.setdefault(label, []).append(number)
    masks = [united([image.masks[number] for number in own]) for own in parts.values()]
    wheres = [image.wheres[own[0]] for own in parts.values()]
    return CocoImage(image.shape, list(parts), masks, wheres)


def through(codec: AnyCodec, image: CocoImage) -> Iterator[tuple[str, list[Region]]]:
    """For each mask of `as_drawn`, its text and its decoded regions: one, or none if it is lost.

    A grid has one text for all masks; small masks cover large ones.
    """
    check_draws(codec)
    if codec.has_instances:
        for mask, label, where in zip(image.masks, image.labels, image.wheres, strict=True):
            text = ""
            with suppress(LostMaskError), naming(where):
                text = codec.encode(mask, label)
            yield text, codec.decode(text)
        return
    text = _encode_grid(codec, image, "drop").text
    shown = {region.label: region for region in codec.decode(text).regions()}
    for label in image.labels:
        name = cell_label(label, codec.seg_tags)
        yield text, [shown[name]] if name in shown else []


def decode_any(
    codec: AnyCodec, text: str, *, recover: bool = False
) -> tuple[list[Region], list[Problem]]:
    """The regions of a text and its problems; on a grid, each label is a region."""
    if recover:
        found = codec.recover(text)
        return found.regions, found.problems
    decoded = codec.decode(text)
    return (decoded.regions() if isinstance(decoded, LabelGrid) else decoded), []
