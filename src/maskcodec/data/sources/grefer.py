"""Read gRefCOCO: expressions for no object, one, or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import items, shown
from maskcodec.data.sources._records import fail
from maskcodec.data.sources.refer import Refer, ids_of
from maskcodec.messages import plural

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NONE = ["-1"]


class GRefer(Refer):
    """The expressions of a folder with ``grefs(*).json`` and ``instances.json``.

    A record is a sentence of a ref. Its instances are the annotations that ``ann_id`` lists;
    ``[-1]`` and ``[]`` mean that the image shows no such object. Parameters and errors are those of
    `Refer`.
    """

    _FILE = "grefs({}).json"

    def _read(self, path: Path) -> Iterator[Any]:
        return (entry.value for entry in items(path))

    def _targets(self, ref: dict[str, Any], where: str) -> list[str]:
        ids = ids_of(ref.get("ann_id"))
        if ids is None:
            fail(where, f'its "ann_id" must be a list of ids, got {shown(ref.get("ann_id"))}')
        found = [] if ids == _NONE else ids
        if "-1" in found:
            fail(where, f'its "ann_id" has -1, which is no object, among {plural(len(ids), "id")}')
        if ref.get("no_target") and found:
            count = plural(len(found), "object")
            none = shown(ref["no_target"])
            fail(where, f'its "no_target" is {none}, but its "ann_id" names {count}')
        return list(dict.fromkeys(found))
