"""Polygons: every instance as a label and the vertices of its outlines."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from maskcodec.errors import ConfigError, MaskError
from maskcodec.formats.instances.boxes import Location
from maskcodec.formats.instances.codec import RegionCodec
from maskcodec.formats.polygons.fit import fitted, outlines
from maskcodec.formats.polygons.region import PolygonRegion
from maskcodec.formats.polygons.scale import edges
from maskcodec.formats.polygons.spellings import SPELLINGS
from maskcodec.formats.polygons.text import plain
from maskcodec.masks.frame import MOST_BINS
from maskcodec.messages import brief, check_choice
from maskcodec.text.codec import register
from maskcodec.text.settings import strings, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.formats.polygons.scale import Scale
    from maskcodec.masks.arrays import IntegerArray
    from maskcodec.masks.runs import RunMask
    from maskcodec.text.problems import TextReading
    from maskcodec.text.regions import Region
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

Coordinates: TypeAlias = Literal["digits", "tokens"]
PolygonSpelling: TypeAlias = Literal["plain", "simpleseg", "gemini", "florence2"]

_FEWEST, _MOST = 4, 4096  # vertices: a box has four


@register("polygons/1")
@dataclass(frozen=True, slots=True, kw_only=True)
class Polygons(RegionCodec):
    """Masks as polygons (``polygons/1``), as many other models write them.

    An instance is ``<ref>label</ref><seg>x y x y x y<ring>x y x y x y</seg>``: its outlines, each a
    ring of vertices. Several instances follow one another. A pixel is set if it is inside an odd
    number of rings, so parts, holes and crossings need no mark. The grammar and its limits are in
    ``docs/formats/polygons.md``. Drawing follows COCO's rules and needs pycocotools.

    Parameters
    ----------
    points
        The most vertices that the encoder writes for an instance, all rings together: 4 .. 4096.
        The decoder reads any number.
    spelling
        ``"plain"``, or the spelling of another model, with coordinates in thousandths:
        ``"simpleseg"`` writes outer outlines without a label, ``"gemini"`` the largest outline in
        JSON, ``"florence2"`` location tokens.
    bins
        How many values a coordinate has, 2 .. 1024: 0 is the left or upper side of the image,
        ``bins - 1`` the right or lower side.
    coordinates
        ``"digits"``, or ``"tokens"`` for two location tokens a vertex, ``<loc281><loc17>``.
    location
        The pattern of a location token: ``{}`` is the number, ``{:04}`` a number with leading
        zeros.
    ref_tags, seg_tags
        The opening and the closing tag of the label and of the rings.
    ring_tag
        The string between two rings.

    Raises
    ------
    ConfigError
        A value is not one of those above, or two strings could be mistaken for each other.

    Examples
    --------
    >>> import numpy as np, maskcodec as mc
    >>> mask = np.zeros((10, 10), np.uint8)
    >>> mask[2:8, 3:9] = 1
    >>> mask[4:6, 5:7] = 0
    >>> codec = mc.Polygons(bins=11)
    >>> codec.encode(mask, "ring")
    '<ref>ring</ref><seg>3 2 9 2 9 8 3 8<ring>5 4 5 6 7 6 7 4</seg>'
    >>> bool((codec.decode(codec.encode(mask, "ring"))[0].mask((10, 10)) == mask).all())
    True
    """

    points: int = 24
    spelling: PolygonSpelling = "plain"
    bins: int = 1000
    coordinates: Coordinates = "digits"
    location: str = "<loc{}>"
    ref_tags: tuple[str, str] = ("<ref>", "</ref>")
    seg_tags: tuple[str, str] = ("<seg>", "</seg>")
    ring_tag: str = "<ring>"

    def __post_init__(self) -> None:
        for name, fewest, most in (("points", _FEWEST, _MOST), ("bins", 2, MOST_BINS)):
            number = whole_number(getattr(self, name), name, most)
            if number < fewest:
                raise ConfigError(f"{name} must be {fewest} .. {most}, got {number}", name)
            object.__setattr__(self, name, number)
        check_choice(self.coordinates, Coordinates, "coordinates")
        check_choice(self.spelling, PolygonSpelling, "spelling")
        for name in ("location", "ring_tag"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ConfigError(f"{name} must be a str, got {brief(value)}", name)
            strings([value, value], name)
        Location(self.location).parts  # noqa: B018 - refuses a spelling without a number
        for name in ("ref_tags", "seg_tags"):
            object.__setattr__(self, name, strings(getattr(self, name), name))
        self._check_spelling()

    def _check_spelling(self) -> None:
        """Refuse settings of the plain spelling with any other spelling."""
        if self.spelling == "plain":
            self.words()
            return
        for field in fields(self):
            if (
                field.name not in ("points", "spelling")
                and getattr(self, field.name) != field.default
            ):
                raise ConfigError(
                    f'{field.name} is a setting of spelling="plain", got {self.spelling!r} as well',
                    field.name,
                )

    @property
    def codec_id(self) -> str:
        """``"polygons/1"``."""
        return "polygons/1"

    @property
    def sampling(self) -> str:  # type: ignore[override]
        """``"keep"``: an outline loses no mask, however small."""
        return "keep"

    @property
    def canvas(self) -> tuple[int, int]:
        """How many values a coordinate has: (down, across)."""
        return self.scale.size, self.scale.size

    @property
    def scale(self) -> Scale:
        """The values of a coordinate, and their places on the image."""
        return edges(self.bins) if self.spelling == "plain" else self.words().scale

    def cells_name(self) -> str:
        """The part that a lost mask has no cell of, for messages; polygons lose no mask."""
        return "its outline"

    def cells_text(self) -> str:
        """How fine the text is, in words."""
        return f"{self.points} vertices"

    def words(self) -> Any:
        """The spelling of this codec, shared by all codecs that spell alike."""
        if self.spelling != "plain":
            return SPELLINGS[self.spelling]
        location = Location(self.location) if self.coordinates == "tokens" else None
        return plain(self.ref_tags, self.seg_tags, self.ring_tag, location, edges(self.bins))

    def tags(self) -> tuple[str, ...]:
        """The tags in pairs: opening, closing."""
        if self.spelling == "plain":
            return self.ref_tags + self.seg_tags
        return ("<poly>", "</poly>") if self.spelling == "florence2" else ()

    def vocabulary(self) -> list[str]:
        """The tags and location tokens that a tokenizer must have as one token each."""
        between = {"plain": [self.ring_tag], "florence2": ["<sep>"]}.get(self.spelling, [])
        return [*self.tags(), *between, *self.words().locations()]

    def meanings(self) -> dict[str, tuple[str, int | None]]:
        """The meaning of each word of `vocabulary`: English words, and its number or None."""
        said: dict[str, tuple[str, int | None]] = {}
        names, tags = ("segmentation", "reference"), self.tags()[::-1]
        for end, begin, name in zip(tags[::2], tags[1::2], names, strict=False):
            said |= {begin: (f"start of {name}", None), end: (f"end of {name}", None)}
        for word in self.vocabulary()[len(tags) : len(tags) + 1]:
            said[word] = "next outline", None
        return said | {word: ("location", n) for n, word in enumerate(self.words().locations())}

    def reserved(self) -> tuple[str, str]:
        """Regular expressions of text that a label, and any other words, must not hold."""
        pattern = self.words().forbidden.pattern
        return pattern, pattern

    def bind(self, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()) -> Any:
        """The codec bound to a tokenizer, for `maskcodec.TokenCodec`; None unless plain."""
        if self.spelling != "plain":
            return None
        from maskcodec.formats.polygons.ids import PolygonBinding

        return PolygonBinding(self, tokenizer, ignore)

    def _read(self, reading: TextReading) -> list[Region]:
        found: list[Region] = self.words().read(reading)
        return found

    def _write(self, words: Any, label: str, mask: IntegerArray | RunMask) -> str:
        rings = fitted(mask, outlines(mask, words.rings), self.points, self.scale)
        return str(words.written(label, rings)) if rings else ""

    def _write_region(self, words: Any, label: str, region: Region) -> str:
        if not isinstance(region, PolygonRegion) or region.scale != self.scale:
            raise MaskError(
                f"{region!r} is none of this codec's, whose regions are polygons of "
                f"{self.scale.size} numbers a side; use a codec with bins to match, or encode its "
                "mask"
            )
        if words.rings == "largest" and len(region.rings) > 1:
            raise MaskError(f"{region!r} has several rings, of which {words.name} writes one")
        return str(words.written(label, region.rings))

    def _name(self, label: str, words: Any) -> str:
        if not words.labels and label == "":  # as decode returns it
            return ""
        return RegionCodec._name(self, label, words)

    def _joined(self, parts: list[str]) -> str:
        joined: str = self.words().joined(parts)
        return joined
