"""Everything maskcodec raises, and what `recover` reports instead of raising."""

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
        The argument that helps, or the method.
    value
        What to give it; "" for a method.
    does
        What becomes of it then.
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
        Settings that help, which the message names at its end.
    """

    ways: tuple[Way, ...] = ()

    def __str__(self) -> str:
        return self.said(str)

    def said(self, worded: Callable[[Way], str]) -> str:
        """The message, with each way out in the words of a function."""
        ways = ", ".join(map(worded, self.ways))
        return f"{'' if not self.args else self.args[0]}{'; ' * bool(ways)}{ways}"


class ConfigError(MaskCodecError, ValueError):
    """A codec was asked for with settings that do not exist or do not fit together.

    Attributes
    ----------
    setting
        The setting that is refused; None where the message is not about one alone.
    """

    def __init__(self, message: str, setting: str | None = None) -> None:
        super().__init__(message, setting)
        self.setting = setting


class MaskError(MaskCodecError, ValueError):
    """An array, a shape or a region cannot be encoded or painted as it is."""


class LostMaskError(MaskError):
    """A mask has pixels, but sampling it down leaves no cell of it.

    Raised rather than writing nothing, because a training row without its object teaches a
    model to miss it. ``sampling="keep"`` never loses a mask; ``lost="drop"`` leaves it out.
    """

    def __init__(self, message: str, ways: tuple[Way, ...] = ()) -> None:
        super().__init__(message, ways)
        self.ways = ways


class LabelError(MaskCodecError, ValueError):
    """A label is empty, or holds characters that would break the text around it."""


class VocabError(MaskCodecError, ValueError):
    """A tokenizer cannot write or read a codec's text, or ids are no ids."""


class SourceError(MaskCodecError, ValueError):
    """A file or a folder of a dataset cannot be read, or has another layout than it should."""


class BuildError(MaskCodecError, ValueError):
    """Rows cannot be built: of what stands in the folder, of a broken record, without a worker."""


class ServerError(MaskCodecError):
    """A model's server refused a request, cannot be reached, stopped, or answered what is none.

    Attributes
    ----------
    answer
        What had come before the connection broke, a `maskcodec.serve.Answer`; None where nothing
        can have come.
    """

    def __init__(self, message: str, answer: Any = None) -> None:
        super().__init__(message)
        self.answer = answer


class DecodeError(MaskCodecError, ValueError):
    """A text, or its ids, does not follow its format.

    Parameters
    ----------
    message
        What was wrong, what was expected and where, for a person to read.
    position
        Where the trouble starts: an index into the decoded `str`, 0 .. ``len(text)``, or into
        the decoded ids.
    reason
        A short name that stays the same between releases, listed in ``docs/errors.md``.
    unit
        What `position` counts: ``"character"`` or ``"id"``.
    ways
        What helps.
    """

    def __init__(
        self,
        message: str,
        position: int,
        reason: str,
        unit: str = "character",
        ways: tuple[Way, ...] = (),
    ) -> None:
        super().__init__(message, position, reason, unit, ways)  # all of them, so that it pickles
        self.message = message
        self.position = position
        self.reason = reason
        self.unit = unit
        self.ways = ways

    def said(self, worded: Callable[[Way], str]) -> str:
        """As of any error, and where."""
        return f"{super().said(worded)} (at {self.unit} {self.position})"


class TruncatedError(DecodeError):
    """A text begins well and stops before its end: more tokens would have completed it."""


class Problem(NamedTuple):
    """One thing that `recover` found wrong with a text, and what it did about it.

    Attributes
    ----------
    position
        Where it starts: an index into the text, 0 .. ``len(text)``, or into the ids.
    reason
        The name that `DecodeError.reason` has for it, see ``docs/errors.md``.
    message
        What was wrong, for a person to read.
    action
        What was drawn in spite of it, for a person to read.
    """

    position: int
    reason: str
    message: str
    action: str


def within(where: str, error: E) -> E:
    """The same error said of a place, with all that it carries."""
    return type(error)(f"{where}: {error.args[0]}", *error.args[1:])
