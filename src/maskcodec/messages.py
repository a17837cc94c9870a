"""Format values, names and sizes for messages; and checks that most rooms share."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any, get_args

from maskcodec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

_REPR = reprlib.Repr()  # shows only a few elements and few levels of nesting
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60


def sides(shape: Iterable[Any]) -> str:
    """A size for a message: height x width."""
    return " x ".join(map(str, shape))


def brief(value: Any) -> str:
    """A value for a message, at most 60 characters. Python cannot write very long integers."""
    try:
        return f"{_REPR.repr(value):.60}"
    except ValueError:
        return f"{type(value).__name__} with thousands of digits"


def few(names: Iterable[str]) -> str:
    """The first eight names for a message, and the number of further ones."""
    listed = list(names)
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return f"{', '.join(listed[:8]) or 'none'}{more}"


def plural(count: int, one: str) -> str:
    """A count and its noun: ``"1 name"``, ``"2,000 names"``."""
    return f"{count:,} {one}{'s' * (count != 1)}"


def shown(label: str) -> str:
    """A label for a message, cut after 80 characters: a model may write a very long one."""
    return repr(label if len(label) <= 80 else label[:80] + "...")


def check_choice(value: str, choices: object, what: str) -> None:
    """Refuse a value that is not in a `Literal`; the message lists the allowed values."""
    allowed = get_args(choices)
    if value not in allowed:
        names = ", ".join(repr(choice) for choice in allowed)
        raise ConfigError(f"{what} must be one of {names}, got {brief(value)}", what)


def check_codec(value: object) -> None:
    """Refuse a value that is not a codec, such as a tokenizer if the arguments are swapped."""
    if isinstance(value, type) or not hasattr(value, "codec_id"):
        raise TypeError(
            f"codec must be one of maskcodec's codecs, got {brief(value)}; the codec comes before "
            "the tokenizer"
        )
