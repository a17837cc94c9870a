"""The way out where a text was written with other settings than it is read with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.cli.codecs import decode_any
from maskcodec.cli.messages import option
from maskcodec.cli.read import InputError
from maskcodec.errors import DecodeError
from maskcodec.formats.bsd.codec import BSD
from maskcodec.formats.scanlines.codec import Scanlines

if TYPE_CHECKING:
    from maskcodec.cli.settings import AnyCodec
    from maskcodec.errors import Problem
    from maskcodec.formats.instances.codec import InstanceCodec
    from maskcodec.text.regions import Region

_TRIED: list[tuple[InstanceCodec, str]] = [
    (Scanlines(), "--codec scanlines alone"),
    (Scanlines(coordinates="tokens"), "--coordinates tokens"),
    (Scanlines(rows=63), "--rows 63"),
    (Scanlines(rows=63, coordinates="tokens"), "--rows 63 --coordinates tokens"),
    (BSD(), "--codec b-sd"),
    (BSD(bricks=False), "--codec b-sd --no-bricks"),
]


def decode_or_tell(
    codec: AnyCodec, text: str, *, recover: bool
) -> tuple[list[Region], list[Problem]]:
    """What `decode_any` finds; where it cannot read the text, options that can are named."""
    try:
        return decode_any(codec, text, recover=recover)
    except DecodeError as error:
        if flags := other_options(codec, text):
            raise InputError(f"{error.said(option)}; all of it can be read with {flags}") from error
        raise


def other_options(codec: AnyCodec, text: str) -> str:
    """Options that read the whole text that a codec could not read, or nothing.

    No guess: the text is read, strictly.
    """
    return next((flags for other, flags in _TRIED if _readable(codec, other, text)), "")


def _readable(codec: AnyCodec, other: InstanceCodec, text: str) -> bool:
    """Whether another codec says something of a text, and breaks no rule."""
    try:
        return other != codec and len(other.decode(text)) > 0
    except DecodeError:
        return False
