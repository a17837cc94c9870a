"""The instances of COCO's files, and of lines of JSON that hold a COCO RLE each; RefCOCO's kind."""

from __future__ import annotations

import json
import operator
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from maskcodec.cli.annotations import CocoFile, Instance
from maskcodec.cli.read import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from maskcodec.coco import RunMask


def read(path: Path, limit: int | None) -> list[Instance]:
    """The instances of a file, or the first ones, not drawn yet.

    Lines of JSON (.jsonl) have a COCO RLE as "segmentation", as GSEval has them, and may have a
    "label".
    """
    if path.suffix != ".jsonl":
        return list(islice(CocoFile(path), limit))
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path}, line {number}"
        if line.strip():
            try:
                row = json.loads(line)
                height, width = map(operator.index, row["segmentation"]["size"])
                label = row.get("label", "object")
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{where}: no COCO RLE under 'segmentation': {error!r}") from error
            found.append(Instance(where, row["segmentation"], (height, width), label))
    return found[:limit]


def refcoco_sized(area: int, shape: tuple[int, int], alike: int, *, crowd: bool) -> bool:
    """Whether an instance is such as RefCOCO refers to, whose masks the paper measured.

    No crowd, at least 5 % of the image, and another of its class in the image: `alike` counts
    those of the class, itself among them.
    """
    return not crowd and alike >= 2 and 20 * area >= shape[0] * shape[1]


def alike(instances: Sequence[Instance]) -> list[int]:
    """How many of its class the image of each instance has, itself among them, without crowds."""
    keys = [(one.where.partition(": ")[0], one.image, one.label) for one in instances]
    counts = Counter(key for key, one in zip(keys, instances, strict=True) if not one.crowd)
    return [counts[key] for key in keys]


def labelled_masks(
    instances: Iterable[tuple[Instance, int]], label: str, *, everything: bool
) -> Iterator[tuple[RunMask, str]]:
    """The masks of RefCOCO's kind, or all that have a pixel, with their labels.

    Each instance comes with what `alike` says of it. `{}` in the label is the instance's class.
    """
    for one, count in instances:
        if everything or (not one.crowd and count >= 2):  # before it is read
            mask = one.mask()
            if (
                mask.any()
                if everything
                else refcoco_sized(mask.area, one.shape, count, crowd=one.crowd)
            ):
                yield mask, label.replace("{}", one.label)
