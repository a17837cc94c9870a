"""Words of a dataset that must stay words: no placeholder, tag, brick or separator among them."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from maskcodec.errors import LabelError
from maskcodec.messages import brief, shown

if TYPE_CHECKING:
    from maskcodec.text.codec import Codec

Placeholders: TypeAlias = Literal["refuse", "clean"]

# Characters. One name can be that of a million instances, so that a long one fills a disk: real
# labels, expressions and questions have some hundred at the most, turns of conversations some
# thousand, rows some ten thousand.
MOST_LABEL = 4096
MOST_TEXT = 1 << 16
MOST_ROW = 1 << 20

# What trainers put an image or a box in the place of, and what chat templates mark turns with.
_TRAINERS = "|".join(
    [
        r"<(?:image|video|audio|bbox|ref-object)(?:[_-]?\d+)?>",
        r"<\|[^<>|\s]{1,40}\|>",  # Qwen, Llama 3, Phi
        r"</?(?:s|img)>|<IMG_CONTEXT>",  # Llama 2, InternVL
        r"<(?:start|end)_of_(?:turn|image)>",  # Gemma
        r"\[/?INST\]",  # Mistral
    ]
)
_WORD = re.compile(r"[^\W_]+")  # "baseball_bat" has two


@dataclass(frozen=True, slots=True)
class Words:
    """Reads labels and questions for one codec."""

    codec: Codec  # whose tags, bricks and separators may not stand in them
    placeholders: Placeholders  # "refuse" raises, "clean" puts a space in the place of each

    def label(self, text: str, cleaned: list[str]) -> str:
        """A label in one line, as the codec takes it.

        Parameters
        ----------
        text
            As the dataset has it.
        cleaned
            Receives what was taken out.

        Raises
        ------
        LabelError
            It is empty, has more than `MOST_LABEL` characters, or holds what is to be refused.
        TypeError
            It is no str.
        """
        return " ".join(self._checked(text, "label", _patterns(self.codec)[0], cleaned).split())

    def question(self, text: str, cleaned: list[str]) -> str:
        """An expression or a question in one line; separators do no harm there."""
        return " ".join(self._checked(text, "question", _patterns(self.codec)[1], cleaned).split())

    def speech(self, text: str, cleaned: list[str]) -> str:
        """A turn of a conversation, in as many lines as it has; up to `MOST_TEXT` characters."""
        return self._checked(text, "text", _patterns(self.codec)[1], cleaned, MOST_TEXT).strip()

    def _checked(
        self, text: str, what: str, bad: re.Pattern[str], cleaned: list[str], most: int = MOST_LABEL
    ) -> str:
        if not isinstance(text, str):
            raise TypeError(f"a {what} must be a str, got {brief(text)}")
        check_length(text, what, most)
        found = [match.group() for match in bad.finditer(text)]
        if not found:
            return _real(text, what)
        if self.placeholders == "refuse":
            raise LabelError(
                f"{what} {shown(text)} holds {found[0]!r}, which trainers or the codec take for "
                'something else than words; remove it, or placeholders="clean" does'
            )
        cleaned += found
        return _real(bad.sub(" ", text), what)


def check_length(text: str, what: str, most: int = MOST_LABEL) -> None:
    """Refuse a text that is longer than any real one.

    Raises
    ------
    LabelError
        It has more than `most` characters.

    Examples
    --------
    >>> from maskcodec.data.labels import check_length
    >>> check_length("dog " * 2000, "label")
    Traceback (most recent call last):
        ...
    maskcodec.errors.LabelError: label 'dog dog dog dog dog dog dog dog dog dog dog dog dog dog \
dog dog dog dog dog dog ...' has 8,000 characters; at most 4,096 are taken, shorten it
    """
    if len(text) > most:
        raise LabelError(
            f"{what} {shown(text)} has {len(text):,} characters; at most {most:,} are taken, "
            "shorten it"
        )


def check_row(size: int) -> None:
    """Refuse a conversation of that many characters, before it is put together where it can be.

    Raises
    ------
    LabelError
        They are more than `MOST_ROW`.
    """
    if size > MOST_ROW:
        raise LabelError(
            f"the row has {size:,} characters; at most {MOST_ROW:,} are written, "
            "split the record or shorten its labels"
        )


@lru_cache(maxsize=8)
def usable(words: Words, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The names of a dataset that can be labels; one that cannot is left out.

    Parameters
    ----------
    words
        Reads them.
    names
        As the dataset has them.

    Returns
    -------
    (label, name) for each label that the names give, with the first name that gives it.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from maskcodec.data.labels import Words, usable
    >>> usable(Words(mc.BSD(), "refuse"), ("hot  dog", "hot dog", "<image>"))
    (('hot dog', 'hot  dog'),)
    """
    found: dict[str, str] = {}
    for name in names:
        with suppress(LabelError):
            found.setdefault(words.label(name, []), name)
    return tuple(found.items())


def alike(label: str, other: str) -> bool:
    """Whether all words of one label are among the other's: who denies one may deny the other.

    Examples
    --------
    >>> from maskcodec.data.labels import alike
    >>> [alike("wall", other) for other in ("Wall-brick", "wallet", "wall")]
    [True, False, True]
    """
    one, two = words_of(label), words_of(other)
    return one <= two or two <= one


@lru_cache(maxsize=4096)
def words_of(label: str) -> frozenset[str]:
    """The words of a label in lower case; itself if it has none, such as ``"+"``."""
    return frozenset(_WORD.findall(label.lower()) or [label])


def _real(text: str, what: str) -> str:
    """A text that says something and that a file can hold."""
    if not text.strip():
        raise LabelError(f"a {what} must not be empty, got {shown(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise LabelError(
            f"{what} {shown(text)} holds a lone surrogate, which no text file can store; remove it"
        ) from None
    return text


@lru_cache(maxsize=8)
def _patterns(codec: Codec) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What may not stand in a label, and what not in other words."""
    label, other = codec.reserved()
    return re.compile(f"{_TRAINERS}|{label}"), re.compile(f"{_TRAINERS}|{other}")
