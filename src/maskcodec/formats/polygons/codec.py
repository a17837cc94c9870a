"""Polygons: every instance as a label and the vertices of its outlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from maskcodec.errors import ConfigError, MaskError
from maskcodec.formats.instances.boxes import Location
from maskcodec.formats.instances.codec import RegionCodec
from maskcodec.formats.polygons.fit import fitted, outlines
from maskcodec.formats.polygons.region import PolygonRegion
from maskcodec.formats.polygons.scale import edges
from maskcodec.formats.polygons.text import plain
from maskcodec.masks.frame import MOST_BINS
from maskcodec.messages import brief, check_choice
from maskcodec.text.codec import register
from maskcodec.text.settings import strings, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.formats.polygons.ids import PolygonBinding
    from maskcodec.formats.polygons.scale import Scale
    from maskcodec.formats.polygons.text import Plain
    from maskcodec.masks.arrays import IntegerArray
    from maskcodec.masks.runs import RunMask
    from maskcodec.text.problems import TextReading
    from maskcodec.text.regions import Region
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

Coordinates: TypeAlias = Literal["digits", "tokens"]

_FEWEST, _MOST = 4, 4096  # vertices: a box has four


@register("polygons/1")
@dataclass(frozen=True, slots=True, kw_only=True)
class Polygons(RegionCodec):
    """Masks as polygons (``polygons/1``), as many models of others write them.

    An instance is ``<ref>label</ref><seg>x y x y x y<ring>x y x y x y</seg>``: its outlines, each a
    ring of vertices; several instances stand one after another. A pixel is set if it is inside an
    odd number of rings, so parts, holes and crossings need no mark. The grammar and its limits are
    in ``docs/formats/polygons.md``. Drawing needs pycocotools, whose rules are COCO's.

    Parameters
    ----------
    points
        The most vertices that an instance is written with, in all its rings: 4 .. 4096. A decoder
        takes any number.
    bins
        How many numbers a coordinate may be, 2 .. 1024: 0 is the left or upper side of the image,
        ``bins - 1`` the other one.
    coordinates
        ``"digits"``, or ``"tokens"`` for two location tokens a vertex, ``<loc281><loc17>``.
    location
        A location token, ``{}`` for the number, ``{:04}`` for one with leading zeros.
    ref_tags, seg_tags
        The opening and the closing tag of the label and of the rings.
    ring_tag
        What stands between two rings.

    Raises
    ------
    ConfigError
        A value is not one of those above, or two spellings could be mistaken for each other.

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
        for name in ("location", "ring_tag"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ConfigError(f"{name} must be a str, got {brief(value)}", name)
            strings([value, value], name)
        Location(self.location).parts  # noqa: B018 - refuses a spelling without a number
        for name in ("ref_tags", "seg_tags"):
            object.__setattr__(self, name, strings(getattr(self, name), name))
        self.words()

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
        """The numbers of a coordinate, down and across."""
        return self.scale.size, self.scale.size

    @property
    def scale(self) -> Scale:
        """The numbers of a coordinate, and where they lie."""
        return edges(self.bins)

    def cells_name(self) -> str:
        """What a mask may have no cell left of, for messages; of polygons none is lost."""
        return "its outline"

    def cells_text(self) -> str:
        """How fine the text is, in words."""
        return f"{self.points} vertices"

    def words(self) -> Plain:
        """The spelling in force; shared by all codecs that spell alike."""
        location = Location(self.location) if self.coordinates == "tokens" else None
        return plain(self.ref_tags, self.seg_tags, self.ring_tag, location, self.scale)

    def tags(self) -> tuple[str, ...]:
        """The tags, each opening one before its closing one."""
        return self.ref_tags + self.seg_tags

    def vocabulary(self) -> list[str]:
        """The tags and location tokens that a tokenizer must have as one token each."""
        return [*self.tags(), self.ring_tag, *self.words().locations()]

    def meanings(self) -> dict[str, tuple[str, int | None]]:
        """What each word of `vocabulary` means: in English, and its number if it has one."""
        said: dict[str, tuple[str, int | None]] = {self.ring_tag: ("next outline", None)}
        for tags, name in ((self.ref_tags, "reference"), (self.seg_tags, "segmentation")):
            said |= {tags[0]: (f"start of {name}", None), tags[1]: (f"end of {name}", None)}
        return said | {word: ("location", n) for n, word in enumerate(self.words().locations())}

    def reserved(self) -> tuple[str, str]:
        """What may not stand in a label, and what not in any other words: regular expressions."""
        pattern = self.words().forbidden.pattern
        return pattern, pattern

    def bind(self, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()) -> PolygonBinding:
        """What a tokenizer makes of the codec's text, for `maskcodec.TokenCodec`."""
        from maskcodec.formats.polygons.ids import PolygonBinding

        return PolygonBinding(self, tokenizer, ignore)

    def _read(self, reading: TextReading) -> list[Region]:
        return self.words().read(reading)

    def _write(self, words: Plain, label: str, mask: IntegerArray | RunMask) -> str:
        rings = fitted(outlines(mask), self.points, self.scale, mask.shape)
        return words.written(label, rings) if rings else ""

    def _write_region(self, words: Plain, label: str, region: Region) -> str:
        if not isinstance(region, PolygonRegion) or region.scale != self.scale:
            raise MaskError(
                f"{region!r} is none of this codec's, whose regions are polygons of "
                f"{self.scale.size} numbers a side; use a codec with bins to match, or encode its "
                "mask"
            )
        return words.written(label, region.rings)

    def _joined(self, parts: list[str]) -> str:
        return self.words().joined(parts)
