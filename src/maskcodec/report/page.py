"""Write one HTML file with pictures, answers and figures, and the script to browse them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from maskcodec.errors import ConfigError
from maskcodec.messages import plural
from maskcodec.pictures.figure import fitted, palette
from maskcodec.report.cards import MOST_MASKS, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jinja2 import Environment
    from PIL import Image

    from maskcodec.report.cards import Card, Thumb

SIDE = 320  # longer side of a picture in pixels
_QUALITIES = 72, 45, 20, 0  # of WebP; the first that makes a picture small enough is used
_MOST_PHOTO = 20_000  # bytes, so that 2,000 pictures take less than 60 MB
_MOST_BYTES = 1 << 28  # of a page; strings of browsers end at 2**29
_MOST_LISTED = 300  # most labels and sources in the menus


class Photo(NamedTuple):
    """A photo on the page.

    Attributes
    ----------
    number
        The number of the photo on the page, from 0.
    thumb
        (height, width) of its picture in pixels.
    shape
        (height, width) of the photo itself in pixels.
    """

    number: int
    thumb: Thumb
    shape: tuple[int, int]


class Figure(NamedTuple):
    """One line of a table: a name, its value as text, and a remark such as the sample count."""

    name: str
    value: str
    remark: str = ""


@dataclass(slots=True)
class Page:
    """Collects cards and photos, each photo once.

    Parameters
    ----------
    title
        The title of the page.
    codec
        The answers' codec, in words.
    unit
        The unit of an answer's length.

    Raises
    ------
    ConfigError
        Jinja2 is not installed.
    """

    title: str
    codec: str
    unit: str = "characters"
    _environment: Environment = field(init=False)
    _photos: dict[str, Photo] = field(default_factory=dict, init=False)
    _pictures: list[str] = field(default_factory=list, init=False)
    _cards: list[str] = field(default_factory=list, init=False)
    _bytes: int = field(default=0, init=False)
    _lost: int = field(default=0, init=False)
    _counts: dict[str, Counter[str]] = field(init=False)

    def __post_init__(self) -> None:
        try:
            from jinja2 import Environment, StrictUndefined
        except ModuleNotFoundError:
            raise ConfigError(
                "a report needs jinja2, which is missing: "
                "pip install 'maskcodec[report]', in a checkout '.[report]'"
            ) from None
        self._environment = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._counts = {name: Counter() for name in ("label", "source", "kind", "size")}

    def __len__(self) -> int:
        return len(self._cards)

    def photo(self, key: str, load: Callable[[], Image.Image]) -> Photo:
        """The photo of a key; if the page lacks it, `load` is called and its picture is added."""
        if key not in self._photos:
            image = load()
            picture = fitted(image, least=SIDE, most=SIDE)
            file = io.BytesIO()
            for quality in _QUALITIES:
                file.seek(0)
                picture.save(file, "WEBP", quality=quality, method=2)
                if file.tell() <= _MOST_PHOTO:
                    break
            file.truncate()
            self._pictures.append(base64.b64encode(file.getvalue()).decode())
            self._count(len(self._pictures[-1]))
            sides = picture.height, picture.width
            self._photos[key] = Photo(len(self._photos), sides, (image.height, image.width))
        return self._photos[key]

    def add(self, card: Card) -> None:
        """Add a card.

        Raises
        ------
        ConfigError
            The page would be larger than browsers open.
        """
        plain = card.plain()
        self._counts["label"].update(plain["labels"])
        for name in "source", "kind", "size":
            self._counts[name][plain[name]] += 1
        self._lost += card.lost > 0
        self._cards.append(json.dumps(plain, separators=(",", ":")))
        self._count(len(self._cards[-1]))

    def html(
        self, figures: Sequence[Figure], counts: Sequence[Figure], notes: Sequence[str]
    ) -> str:
        """The page.

        Parameters
        ----------
        figures, counts
            The two tables on top: the figures, and the counts of answers by kind.
        notes
            Sentences below the tables.
        """
        from markupsafe import Markup  # Jinja2 needs it as well

        style, script, template = (
            (files("maskcodec.report") / name).read_text("utf-8")
            for name in ("page.css", "page.js", "page.html.j2")
        )
        # As in jinja2's tojson: characters that could end the script around become escapes.
        data = ",\n".join(self._cards)
        for letter in "<>&'":
            data = data.replace(letter, f"\\u{ord(letter):04x}")
        return self._environment.from_string(template).render(
            title=cut(self.title),
            codec=self.codec,
            unit=self.unit,
            figures=figures,
            counts=counts,
            notes=[cut(note, 2000) for note in notes],
            total=len(self._cards),
            choices={
                name: dict(counts.most_common(_MOST_LISTED))
                for name, counts in self._counts.items()
            },
            lost=self._lost,
            colours=palette(MOST_MASKS),
            pictures=self._pictures,
            cards=Markup(f"[{data}]"),
            style=Markup(style),
            script=Markup(script),
            hashes={"style": _hash(style), "script": _hash(script)},
        )

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > _MOST_BYTES:
            raise ConfigError(
                f"the page has more than {_MOST_BYTES >> 20} MiB after {plural(len(self), 'card')},"
                f" too much for a browser; --count {max(1, len(self) - 1)} writes fewer"
            )


def _hash(text: str) -> str:
    """The hash of a script or a style for the page's content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
