"""Check a dataset's words: they may hold no placeholder, tag, brick or separator."""

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

# Characters. A million instances can share one label, so a long one fills a disk. Real labels,
# expressions and questions have some hundred at most, turns of conversations some thousand, rows
# some ten thousand.
MOST_LABEL = 4096
MOST_TEXT = 1 << 16
MOST_ROW = 1 << 20

# Trainers replace some of these with an image or a box; chat templates mark turns with others.
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

    codec: Codec  # its tags, bricks and separators may not be in them
    placeholders: Placeholders  # "refuse" raises, "clean" replaces each with a space

    def label(self, text: str, cleaned: list[str]) -> str:
        """Return a label in one line, as the codec takes it.

        Parameters
        ----------
        text
            The label in the dataset.
        cleaned
            Receives the text that was removed.

        Raises
        ------
        LabelError
            The label is empty, has more than `MOST_LABEL` characters, has a lone surrogate, or
            holds text that `placeholders` refuses.
        TypeError
            The label is no str.
        """
        return " ".join(self._checked(text, "label", _patterns(self.codec)[0], cleaned).split())

    def question(self, text: str, cleaned: list[str]) -> str:
        """Return an expression or a question in one line. It may have separators."""
        return " ".join(self._checked(text, "question", _patterns(self.codec)[1], cleaned).split())

    def speech(self, text: str, cleaned: list[str]) -> str:
        """Return a turn of a conversation with its lines kept, up to `MOST_TEXT` characters."""
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
    """Refuse a text that is longer than real ones.

    Raises
    ------
    LabelError
        The text has more than `most` characters.

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
    """Refuse a conversation of `size` characters, if possible before it is put together.

    Raises
    ------
    LabelError
        `size` is more than `MOST_ROW`.
    """
    if size > MOST_ROW:
        raise LabelError(
            f"the row has {size:,} characters; at most {MOST_ROW:,} are written, "
            "split the record or shorten its labels"
        )


@lru_cache(maxsize=8)
def usable(words: Words, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the names of a dataset that can be labels.

    Parameters
    ----------
    words
        Reads the names.
    names
        The names in the dataset.

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
    """Whether one label has all words of the other: denying one may deny the other.

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
    """Return the words of a label in lower case; the label itself if it has none, as ``"+"``."""
    return frozenset(_WORD.findall(label.lower()) or [label])


def _real(text: str, what: str) -> str:
    """Return a text that is not empty and that a file can hold; refuse any other."""
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
    """Return the patterns of text that labels, and other words, may not hold."""
    label, other = codec.reserved()
    return re.compile(f"{_TRAINERS}|{label}"), re.compile(f"{_TRAINERS}|{other}")
