"""The way out where a text was written with other settings than it is read with."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from maskcodec.cli.codecs import decode_any
from maskcodec.cli.read import InputError
from maskcodec.errors import DecodeError
from maskcodec.formats.bsd.codec import BSD

if TYPE_CHECKING:
    from maskcodec.cli.settings import AnyCodec
    from maskcodec.errors import Problem
    from maskcodec.text.regions import Region

_CHANGES: list[tuple[str, Any, str]] = [
    ("frame", "box", "--frame box"),
    ("repeats", True, "--repeats"),
    ("bricks", False, "--no-bricks"),
]
_LARGEST = 63, 63  # a box that reads any other's rows


def decode_or_tell(
    codec: AnyCodec, text: str, *, recover: bool
) -> tuple[list[Region], list[Problem]]:
    """What `decode_any` finds; where it cannot read the text, options that can are named.

    Raises
    ------
    DecodeError, InputError
        The text is broken; the latter where other options read it.
    """
    try:
        return decode_any(codec, text, recover=recover)
    except DecodeError as error:
        if flags := other_options(codec, text):
            raise InputError(f"{error}; all of it can be read with {flags}") from error
        raise


def other_options(codec: AnyCodec, text: str) -> str:
    """Options with which B-SD reads the whole text that a codec could not read, or nothing.

    What is tried are the frames, repeats and bricks with the tags and grids of the defaults, and
    the largest grid of a box. No guess: the text is read, strictly.
    """
    for changes in sorted(product((False, True), repeat=len(_CHANGES)), key=sum):  # few first
        chosen = [each for each, taken in zip(_CHANGES, changes, strict=True) if taken]
        settings = {name: value for name, value, _ in chosen}
        flags = [flag for _, _, flag in chosen]
        if _readable(codec, BSD(**settings), text):
            return " ".join(flags) or "--codec b-sd alone"
        if "frame" in settings and _readable(codec, BSD(**settings, grid=_LARGEST), text):
            return " ".join([*flags, "--grid {}x{}".format(*_LARGEST)])
    return ""


def _readable(codec: AnyCodec, other: BSD, text: str) -> bool:
    """Whether another codec says something of a text, and breaks no rule."""
    try:
        return other != codec and len(other.decode(text)) > 0
    except DecodeError:
        return False
