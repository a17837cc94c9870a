"""Write instances as the text of an answer: one after another, or as one label map."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maskcodec.coco import read
from maskcodec.data.labels import check_row
from maskcodec.errors import ConfigError, LabelError, LostMaskError, MaskError, within
from maskcodec.formats.labels.label_grid import LabelGrid, cell_label
from maskcodec.messages import shown
from maskcodec.text.codec import lost_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.data.sample import Instance
    from maskcodec.formats.instances.codec import InstanceCodec
    from maskcodec.formats.labels.base import LabelCodec
    from maskcodec.masks.runs import RunMask
    from maskcodec.text.codec import Codec, Lost


class Drawing(NamedTuple):
    """Some instances of an image as text."""

    text: str
    # The text of each instance inside a sentence: its own text, or its label if one map shows all
    # instances. "" if the instance is lost.
    parts: list[str]
    lost: list[int]  # the indices of instances that have no cell left in the text


def draw(
    codec: Codec,
    instances: Sequence[Instance],
    labels: Sequence[str],
    shape: tuple[int, int],
    lost: Lost,
) -> Drawing:
    """Write instances as a codec's text.

    Parameters
    ----------
    codec
        A codec that `check_draws` accepts.
    instances, labels
        The instances, and a label for each.
    shape
        (height, width) of the image.
    lost
        ``"raise"`` or ``"drop"``: what to do with an instance that has no cell left.

    Raises
    ------
    MaskError, LabelError, TypeError
        As in `maskcodec.Scanlines.encode`, or an instance has no pixel. The message gives the
        instance's index.
    LostMaskError
        An instance has no cell left, and `lost` is ``"raise"``.
    """
    make = _one_by_one if codec.has_instances else _map
    drawing = make(codec, instances, labels, shape)  # type: ignore[arg-type]
    if drawing.lost and lost == "raise":
        index = drawing.lost[0]
        label = shown(labels[index])
        message = f"instance {index} ({label}): no cell of {codec.cells_name()} is left of it"
        raise lost_error(codec, message)
    return drawing


def check_draws(codec: Codec) -> None:
    """Refuse a codec that cannot draw several instances of an image."""
    if not codec.has_instances and not hasattr(codec, "encode_grid"):
        raise ConfigError(
            f"{codec.codec_id} draws one mask at a time: the instances of an image need a codec "
            "with has_instances, or with encode_grid, background and seg_tags"
        )


def _check_pixels(mask: RunMask) -> None:
    """Refuse a mask without a pixel: no codec can show it."""
    if not mask.any():
        raise MaskError(
            "it has no pixel: its run lengths are all of zeros, or its polygons lie outside of the "
            "image or have no area; correct or remove it"
        )


def _one_by_one(
    codec: InstanceCodec,
    instances: Sequence[Instance],
    labels: Sequence[str],
    shape: tuple[int, int],
) -> Drawing:
    parts: list[str] = []
    size = 0
    for index, (instance, label) in enumerate(zip(instances, labels, strict=True)):
        try:
            parts.append(codec.encode(instance.segmentation, label, shape=shape))
            if not parts[-1]:
                _check_pixels(read(instance.segmentation, shape=shape))
        except LostMaskError:
            parts.append("")
        except (MaskError, LabelError, TypeError) as error:
            raise within(f"instance {index} ({shown(label)})", error) from error
        size += len(parts[-1])
        check_row(size)
    return Drawing("".join(parts), parts, [k for k, part in enumerate(parts) if not part])


def _map(
    codec: LabelCodec, instances: Sequence[Instance], labels: Sequence[str], shape: tuple[int, int]
) -> Drawing:
    names, masks = [], []
    for index, (instance, label) in enumerate(zip(instances, labels, strict=True)):
        try:
            name = map_label(codec, label)
            masks.append(read(instance.segmentation, shape=shape))
            _check_pixels(masks[-1])
        except (MaskError, LabelError, TypeError) as error:
            raise within(f"instance {index} ({shown(label)})", error) from error
        names.append(name)
    grid, _, visible = map_of(codec, masks, names)
    parts = [name if seen else "" for name, seen in zip(names, visible, strict=True)]
    written = grid.cells.ravel()
    if codec.counted:
        written = written[np.flatnonzero(np.diff(written, prepend=-1))]
    check_row(int(np.array([len(name) for name in grid.names])[written].sum()))
    text = codec.encode_grid(grid)
    return Drawing(text, parts, [index for index, part in enumerate(parts) if not part])


def map_label(codec: LabelCodec, label: str) -> str:
    """Return a label as the cells of a map contain it."""
    name = cell_label(label, codec.seg_tags)
    if name == codec.background:
        raise LabelError(f"{name!r} is the background's label; give the codec another one")
    return name


def map_of(
    codec: LabelCodec, masks: Sequence[RunMask], names: Sequence[str]
) -> tuple[LabelGrid, list[bool], list[bool]]:
    """Draw masks on one grid, the largest first, so that few are hidden.

    Returns
    -------
    The grid, which does not depend on the order of the masks; for each mask whether it has a cell;
    and for each mask whether the grid shows its label in one of its cells.
    """
    every = dict.fromkeys([codec.background, *names])
    numbers = {name: number for number, name in enumerate(every)}
    cells = np.zeros(codec.canvas, np.int32)
    drawn = [mask.cells(codec.canvas, codec.sampling) != 0 for mask in masks]
    sizes = [(-mask.area, -int(own.sum())) for mask, own in zip(masks, drawn, strict=True)]
    for index in sorted(range(len(masks)), key=lambda k: (sizes[k], names[k])):
        cells[drawn[index]] = numbers[names[index]]
    seen = [bool((cells[own] == numbers[n]).any()) for own, n in zip(drawn, names, strict=True)]
    return LabelGrid(cells, list(numbers)), [bool(own.any()) for own in drawn], seen
