"""All errors of maskcodec, and the problems that `recover` reports instead of raising."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

E = TypeVar("E", bound=Exception)


class Way(NamedTuple):
    """A way out of an error.

    Attributes
    ----------
    setting
        The argument to set, or the method to call.
    value
        The argument's value; "" for a method.
    does
        The effect, in words.
    """

    setting: str
    value: str
    does: str

    def __str__(self) -> str:
        return (
            f'{self.setting}="{self.value}" {self.does}'
            if self.value
            else (f"{self.setting}() {self.does}")
        )


class MaskCodecError(Exception):
    """The base class of this library's errors: catch it to catch them all.

    Attributes
    ----------
    ways
        The ways out, which the end of the message names.
    """

    ways: tuple[Way, ...] = ()

    def __str__(self) -> str:
        return self.said(str)

    def said(self, worded: Callable[[Way], str]) -> str:
        """The message; a function words each way out."""
        ways = ", ".join(map(worded, self.ways))
        return f"{'' if not self.args else self.args[0]}{'; ' * bool(ways)}{ways}"


class ConfigError(MaskCodecError, ValueError):
    """Settings do not exist, are not allowed, or do not fit together.

    Attributes
    ----------
    setting
        The refused setting; None if the message is not about exactly one.
    """

    def __init__(self, message: str, setting: str | None = None) -> None:
        super().__init__(message, setting)
        self.setting = setting


class MaskError(MaskCodecError, ValueError):
    """An array, a shape or a region cannot be encoded or painted."""


class LostMaskError(MaskError):
    """A mask has pixels, but sampling leaves no cell of it.

    A training row without its object teaches a model to miss it; so this is an error.
    ``sampling="keep"`` never loses a mask; ``lost="drop"`` leaves it out.
    """

    def __init__(self, message: str, ways: tuple[Way, ...] = ()) -> None:
        super().__init__(message, ways)
        self.ways = ways


class LabelError(MaskCodecError, ValueError):
    """A label is empty, unknown, or contains characters that would break the text around it."""


class VocabError(MaskCodecError, ValueError):
    """A tokenizer cannot write or read a codec's text, or ids have a wrong shape or range."""


class SourceError(MaskCodecError, ValueError):
    """A file or a folder cannot be read, or does not have the expected layout."""


class BuildError(MaskCodecError, ValueError):
    """Rows cannot be built: the folder is in use, a record is broken, or a worker failed."""


class ServerError(MaskCodecError):
    """A model's server cannot be reached, refused a request, stopped, or sent a broken answer.

    Attributes
    ----------
    answer
        The part of the answer before the connection broke, a `maskcodec.serve.Answer`; None if
        no part can have come.
    """

    def __init__(self, message: str, answer: Any = None) -> None:
        super().__init__(message)
        self.answer = answer


class DecodeError(MaskCodecError, ValueError):
    """A text, or its ids, does not follow its format.

    Parameters
    ----------
    message
        The problem, where it is, and what was expected, in words.
    position
        The start of the problem: an index into the decoded `str`, 0 .. ``len(text)``, or into
        the decoded ids.
    reason
        A short name that does not change between releases; ``docs/errors.md`` lists all.
    unit
        The unit of `position`: ``"character"`` or ``"id"``.
    ways
        The ways out.
    """

    def __init__(
        self,
        message: str,
        position: int,
        reason: str,
        unit: str = "character",
        ways: tuple[Way, ...] = (),
    ) -> None:
        super().__init__(message, position, reason, unit, ways)  # all arguments, so that it pickles
        self.message = message
        self.position = position
        self.reason = reason
        self.unit = unit
        self.ways = ways

    def said(self, worded: Callable[[Way], str]) -> str:
        """The message with its ways out, and the position."""
        return f"{super().said(worded)} (at {self.unit} {self.position})"


class TruncatedError(DecodeError):
    """A text begins correctly and stops before its end: more tokens could complete it."""


class Problem(NamedTuple):
    """A problem that `recover` found in a text, and how it repaired it.

    Attributes
    ----------
    position
        The start of the problem: an index into the text, 0 .. ``len(text)``, or into the ids.
    reason
        The same short name as `DecodeError.reason`, see ``docs/errors.md``.
    message
        The problem in words.
    action
        The repair in words.
    """

    position: int
    reason: str
    message: str
    action: str


def within(where: str, error: E) -> E:
    """The same error with a place in front of its message; keeps its other arguments."""
    return type(error)(f"{where}: {error.args[0]}", *error.args[1:])
