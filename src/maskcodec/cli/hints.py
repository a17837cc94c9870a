"""Find options for a text that was written with other settings."""

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
    """Decode as `decode_any` does; an error names options that read the text, if there are any."""
    try:
        return decode_any(codec, text, recover=recover)
    except DecodeError as error:
        if flags := other_options(codec, text):
            raise InputError(f"{error.said(option)}; all of it can be read with {flags}") from error
        raise


def other_options(codec: AnyCodec, text: str) -> str:
    """The options of another codec that decodes the whole text strictly; "" if there is none."""
    return next((flags for other, flags in _TRIED if _readable(codec, other, text)), "")


def _readable(codec: AnyCodec, other: InstanceCodec, text: str) -> bool:
    """Whether another codec decodes a text strictly to at least one region."""
    try:
        return other != codec and len(other.decode(text)) > 0
    except DecodeError:
        return False
