"""Read the rows of any trainer's format as conversations, and load their images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from maskcodec.errors import SourceError
from maskcodec.files.images import PHOTOS, opened_image
from maskcodec.files.photos import upright
from maskcodec.messages import plural

_MARK = "<image>"
_ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}


class Conversation(NamedTuple):
    """The conversation of a row.

    Attributes
    ----------
    messages
        ``{"role", "content"}`` as chat templates take them; the content is a list of parts,
        ``{"type": "image"}`` or ``{"type": "text", "text"}``. An answer is one text.
    learned
        Indices of the answers to learn, ascending, at least one.
    images
        One for each image part, in order, as the row has it; `Pictures.load` loads it.
    """

    messages: list[dict[str, Any]]
    learned: list[int]
    images: list[Any]

    def answer(self, message: int) -> str:
        """The text of a message."""
        return "".join(part["text"] for part in self.messages[message]["content"])

    def images_before(self, message: int) -> int:
        """The number of images in the messages before one."""
        before = self.messages[:message]
        return sum(part["type"] == "image" for said in before for part in said["content"])


def read_row(row: Any, where: str) -> Conversation:
    """Read a row in the format of ms-swift, LLaMA-Factory, TRL or LLaVA.

    Parameters
    ----------
    row
        A mapping with ``messages``, with ``prompt`` and ``completion``, or with ``conversations``;
        and with ``images`` or ``image`` if the conversation has images.
    where
        The name of the row, for errors.

    Raises
    ------
    TypeError
        The row is not a mapping.
    SourceError
        The row has another layout or no answer, its images and their places differ in number, or an
        answer has an image.
    """
    if not isinstance(row, Mapping):
        raise TypeError(f"{where} must be a dict, as maskcodec build writes it; got {row!r:.80}")
    given = {key: value for key, value in row.items() if value is not None}
    first = 0
    if "messages" in given:
        said = _list(given["messages"], f"{where}: messages")
    elif "prompt" in given and "completion" in given:
        said = _list(given["prompt"], f"{where}: prompt")
        first = len(said)  # TRL learns only what follows
        said = said + _list(given["completion"], f"{where}: completion")
    elif "conversations" in given:
        said = _list(given["conversations"], f"{where}: conversations")
    else:
        raise SourceError(
            f"{where} has the fields {sorted(map(str, given))}; expected are messages (ms-swift, "
            "LLaMA-Factory), prompt and completion (TRL) or conversations (LLaVA)"
        )
    images = given.get("images", given.get("image", []))
    one = isinstance(images, (str, bytes, Mapping)) or not hasattr(images, "__iter__")
    images = [images] if one else list(images)
    images = [image for image in images if not (isinstance(image, str) and not image)]
    return _placed(
        [_message(one, f"{where}, message {k}") for k, one in enumerate(said)], first, images, where
    )


class Pictures:
    """Loads images, each file once.

    Parameters
    ----------
    folder
        The folder that relative paths begin at.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[Path, Image.Image] = {}

    def load(self, image: Any, where: str) -> Image.Image:
        """Load an image in RGB, turned by its Exif, as viewers show it and as masks lie on it.

        Parameters
        ----------
        image
            A Pillow image, the bytes of a file, a path, or ``{"bytes", "path"}`` as `datasets`
            keeps it.
        where
            The name of its row, for errors.

        Raises
        ------
        TypeError
            The image has another type.
        SourceError
            The file is missing or cannot be read.
        """
        if isinstance(image, Mapping):
            image = image.get("bytes") or image.get("path")
        if isinstance(image, Image.Image):
            return upright(image)
        if isinstance(image, bytes):
            return _opened(image, f"{where}: the image in it")
        if not isinstance(image, (str, Path)):
            raise TypeError(f"{where}: an image is a path or of Pillow, got {image!r:.80}")
        path = self.folder / image
        if path not in self._loaded:
            self._loaded[path] = _opened(path, f"{where}: {path}")
        return self._loaded[path]


def _opened(source: Path | bytes, name: str) -> Image.Image:
    try:
        with opened_image(source, PHOTOS, name) as picture:
            return upright(picture)
    except FileNotFoundError:
        raise SourceError(
            f"{name} is missing; Collator(folder=...) says where relative paths begin"
        ) from None
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}") from error


def _list(value: Any, where: str) -> list[Any]:
    if isinstance(value, (str, Mapping)) or not hasattr(value, "__iter__"):
        raise SourceError(f"{where} must be a list of messages, got {value!r:.80}")
    return list(value)


def _message(said: Any, where: str) -> tuple[str, list[dict[str, Any]]]:
    """The role and the parts of a message."""
    if not isinstance(said, Mapping):
        raise SourceError(f"{where} must be a dict with role and content, got {said!r:.80}")
    role, content, mark = said.get("role"), said.get("content"), _MARK
    if "from" in said:
        role, content, mark = said["from"], said.get("value"), rf"\n?{_MARK}\n?"
    if not isinstance(role, str) or role not in _ROLES:
        raise SourceError(f"{where} has the role {role!r}, expected one of {', '.join(_ROLES)}")
    if isinstance(content, str):
        texts = re.split(mark, content)
        parts: list[dict[str, Any]] = [{"type": "text", "text": texts[0]}]
        for text in texts[1:]:
            parts += [{"type": "image"}, {"type": "text", "text": text}]
    else:
        parts = [_part(part, where) for part in _list(content, f"{where}: content")]
    return _ROLES[role], [part for part in parts if part.get("text") != ""]


def _part(part: Any, where: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind != "image":
        raise SourceError(f"{where} has the part {part!r:.80}, expected an image or a text")
    own = [part[key] for key in ("image", "path") if part.get(key) is not None]
    return {"type": "image", "own": own[:1]}


def _placed(
    said: list[tuple[str, list[dict[str, Any]]]], first: int, given: list[Any], where: str
) -> Conversation:
    """The conversation, with an image for each image part."""
    learned = [k for k, (role, _) in enumerate(said) if role == "assistant" and k >= first]
    if not learned:
        raise SourceError(f"{where} has no answer of the assistant's to learn")
    places = [part for _, parts in said for part in parts if part["type"] == "image"]
    missing = sum(not part.get("own") for part in places)
    if missing != len(given):
        raise SourceError(
            f"{where} has {plural(len(given), 'image')}, but {plural(missing, 'place')} for "
            f"{'it' if len(given) == 1 else 'them'}; a place is {_MARK} in a text, or a part of "
            "the type image"
        )
    for k, (role, parts) in enumerate(said):
        if role == "assistant" and any(part["type"] == "image" for part in parts):
            raise SourceError(f"{where}, message {k}: an answer cannot have an image")
    rest = iter(given)
    images = [part.get("own") or [next(rest)] for part in places]
    for part in places:
        part.pop("own", None)
    messages = [{"role": role, "content": parts} for role, parts in said]
    return Conversation(messages, learned, [image for (image,) in images])
