"""Read LLaVA's instruction data: conversations, passed through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import Stored, items, shown
from maskcodec.data.sample import Sample
from maskcodec.data.sources._records import Records, as_object, fail, joined, list_of, text_of

if TYPE_CHECKING:
    import os

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


class Llava(Records):
    """The conversations of a file such as ``llava_v1_5_mix665k.json``.

    Texts are not changed: the image's placeholder, ``<image>``, is still in them. If a conversation
    begins with an answer, that answer is left out, as in LLaVA's own training. Records of text only
    have no image.

    Parameters
    ----------
    path
        The file: a list of objects with ``conversations``.
    images
        A folder or an address to put before the images' names.
    name
        The prefix of keys, as in ``"llava:0"``. The record's number in the file follows, since the
        file's ids are not unique.

    Raises
    ------
    SourceError
        The file cannot be read, or has another layout.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        images: str | os.PathLike[str] = "",
        name: str = "llava",
    ) -> None:
        super().__init__(path, images, name)
        self._stored = Stored(self.path)
        for entry in items(self.path):
            self._stored.add(entry.start, entry.stop)

    def __len__(self) -> int:
        return len(self._stored)

    def _record(self, index: int) -> Sample:
        (entry,) = self._stored.read([index])
        where = f"{self.path}: record {index}"
        entry = as_object(entry, where)
        image = entry.get("image")
        if image is not None:
            image = joined(self.images, text_of(entry, "image", where), where)
        return Sample(
            key=f"{self.name}:{index}",
            image=image or "",
            shape=None,
            task="chat",
            turns=_turns(entry, where),
        )


def _turns(entry: dict[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    turns: list[tuple[str, str]] = []
    for number, turn in enumerate(list_of(entry, "conversations", where)):
        mine = f"{where}, turn {number}"
        side = as_object(turn, mine).get("from")
        role = _ROLES.get(side) if isinstance(side, str) else None
        if role is None:
            fail(mine, f'it must be from "human" or "gpt", got {shown(side)}')
        if not turns and role == "assistant":
            continue
        text_of(turn, "value", mine)
        if turns and turns[-1][0] == role:
            fail(mine, f"it is from the {role}, as the one before")
        turns.append((role, turn["value"]))
    if not turns or turns[-1][0] == "user":
        fail(where, "its conversation ends without an answer")
    return tuple(turns)
