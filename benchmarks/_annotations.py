"""The instances of COCO's files, and of lines of JSON that hold a COCO RLE each."""

from __future__ import annotations

import json
import operator
from itertools import islice
from typing import TYPE_CHECKING

from maskcodec.cli.coco import CocoFile, Instance
from maskcodec.cli.read import InputError

if TYPE_CHECKING:
    from pathlib import Path


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
