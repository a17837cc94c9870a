"""How errors and notes show values, names and sizes; and checks that most rooms share."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any, get_args

from maskcodec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

_REPR = reprlib.Repr()  # looks at a few elements only, and not far down
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60


def sides(shape: Iterable[Any]) -> str:
    """A size as a message shows it: height x width."""
    return " x ".join(map(str, shape))


def brief(value: Any) -> str:
    """A value as a message shows it; Python refuses to write numbers of thousands of digits."""
    try:
        return f"{_REPR.repr(value):.60}"
    except ValueError:
        return f"{type(value).__name__} with thousands of digits"


def few(names: Iterable[str]) -> str:
    """Some names in a message, and how many there are besides."""
    listed = list(names)
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return f"{', '.join(listed[:8]) or 'none'}{more}"


def plural(count: int, one: str) -> str:
    """A number and what it counts: ``"1 name"``, ``"2,000 names"``."""
    return f"{count:,} {one}{'s' * (count != 1)}"


def shown(label: str) -> str:
    """A label in a message: a model may write a very long one."""
    return repr(label if len(label) <= 80 else label[:80] + "...")


def check_choice(value: str, choices: object, what: str) -> None:
    """Refuse a value that is not one of a `Literal`'s, naming those that are."""
    allowed = get_args(choices)
    if value not in allowed:
        names = ", ".join(repr(choice) for choice in allowed)
        raise ConfigError(f"{what} must be one of {names}, got {brief(value)}", what)


def check_codec(value: object) -> None:
    """Refuse what is no codec, as the tokenizer is where the two were swapped."""
    if isinstance(value, type) or not hasattr(value, "codec_id"):
        raise TypeError(
            f"codec must be one of maskcodec's codecs, got {brief(value)}; the codec comes before "
            "the tokenizer"
        )
