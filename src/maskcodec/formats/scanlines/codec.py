"""Scanlines: every instance as a label, a box, and the columns where its rows change colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from maskcodec.errors import ConfigError, MaskError
from maskcodec.formats.instances.boxes import Axes, Boxes, Location
from maskcodec.formats.instances.codec import InstanceCodec
from maskcodec.formats.instances.spelling import checked_spelling
from maskcodec.formats.scanlines.text import ScanlineReader, boxed_text
from maskcodec.kernels.writing import END
from maskcodec.masks.frame import MOST_BINS, MOST_CELLS, BoxFrame
from maskcodec.messages import brief, check_choice, plural
from maskcodec.text.codec import register
from maskcodec.text.settings import strings, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.formats.instances.spelling import Spelling
    from maskcodec.formats.scanlines.ids import ScanlineBinding
    from maskcodec.masks.arrays import IntegerArray
    from maskcodec.masks.runs import RunMask
    from maskcodec.text.problems import Reading, Symbols
    from maskcodec.text.regions import Region
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

Coordinates: TypeAlias = Literal["digits", "tokens"]
ScanlineSampling: TypeAlias = Literal["keep", "best", "nearest"]


@register("scanlines/1")
@dataclass(frozen=True, slots=True, kw_only=True)
class Scanlines(InstanceCodec):
    """Masks as boxes and scanlines (``scanlines/1``), the library's own format and its default.

    An instance is ``<ref>label</ref><box>[[x1 y1 x2 y2]]</box><seg>rows</seg>``; instances follow
    one another. The box is cut into at most 11 rows and 63 columns by default, also for a small
    object. A row lists the columns where the colour changes: ``<bg:N>`` and ``<fg:N>`` fill up to
    column N, ``<end:N>`` fills up to column N with foreground and ends the row. Two tokens draw a
    row of a simple object. A wrong token moves no other edge. The grammar and its limits are in
    ``docs/formats/scanlines.md``.

    Parameters
    ----------
    rows
        The most rows of a box, 1 .. 63; never more than the box has rows of pixels.
    columns
        The columns of every row, 1 .. 63. More columns cost no tokens.
    bins
        The number of bins of each side of the image, in which boxes are measured, 1 .. 1024. Boxes
        of images up to that size are exact.
    coordinates
        ``"digits"``, or ``"tokens"`` for four location tokens ``<loc281>``, a third of the tokens.
    sampling
        How pixels become cells. ``"keep"`` sets cells that are at least half covered, and never
        loses a mask. ``"best"`` then moves edges while the result of `Region.mask` comes nearer to
        the mask; this takes some tenths of a millisecond. ``"nearest"`` reads one pixel a cell.
    axes
        ``"xy"``, or ``"yx"`` for boxes with y before x, as PaliGemma's.
    spelling
        The foreground brick, the background brick and the end of a row, ``{}`` for the number.
    location
        A location token, ``{}`` for the number, ``{:04}`` for a number with leading zeros. To reuse
        a model's tokens: ``"<loc_{}>"`` for Florence-2, ``"<loc{:04}>"`` with ``bins=1024`` and
        ``axes="yx"`` for PaliGemma.
    ref_tags, box_tags, seg_tags
        The opening and the closing tag of the label, the box and the rows. For Qwen2-VL, for
        example, ``ref_tags=("<|object_ref_start|>", "<|object_ref_end|>")``.

    Raises
    ------
    ConfigError
        A setting has another value, or two spellings could be mistaken for each other.

    Examples
    --------
    >>> import numpy as np, maskcodec as mc
    >>> mask = np.zeros((4, 8), np.uint8)
    >>> mask[1, 2:6] = mask[2, 3:5] = 1
    >>> codec = mc.Scanlines(columns=4, bins=8)
    >>> codec.encode(mask, "dog")
    '<ref>dog</ref><box>[[2 2 5 5]]</box><seg><end:4><bg:1><end:3></seg>'
    >>> bool((codec.decode(codec.encode(mask, "dog"))[0].mask((4, 8)) == mask).all())
    True
    """

    rows: int = 11
    columns: int = 63
    bins: int = 1000
    coordinates: Coordinates = "digits"
    sampling: ScanlineSampling = "keep"
    axes: Axes = "xy"
    spelling: tuple[str, str, str] = ("<fg:{}>", "<bg:{}>", "<end:{}>")
    location: str = "<loc{}>"
    ref_tags: tuple[str, str] = ("<ref>", "</ref>")
    box_tags: tuple[str, str] = ("<box>", "</box>")
    seg_tags: tuple[str, str] = ("<seg>", "</seg>")

    def __post_init__(self) -> None:
        for name, most in (("rows", MOST_CELLS), ("columns", MOST_CELLS), ("bins", MOST_BINS)):
            object.__setattr__(self, name, whole_number(getattr(self, name), name, most))
        check_choice(self.coordinates, Coordinates, "coordinates")
        check_choice(self.sampling, ScanlineSampling, "sampling")
        check_choice(self.axes, Axes, "axes")
        object.__setattr__(self, "spelling", strings(self.spelling, "spelling", 3))
        if not isinstance(self.location, str):
            raise ConfigError(f"location must be a str, got {brief(self.location)}", "location")
        Location(self.location).parts  # noqa: B018 - refuses a spelling without a number
        strings([self.location, self.location], "location")
        self._settle_tags()
        self.words()

    @property
    def codec_id(self) -> str:
        """``"scanlines/1"``."""
        return "scanlines/1"

    @property
    def row_separator(self) -> str:  # type: ignore[override]
        """Empty: an end brick ends a row."""
        return ""

    @property
    def canvas(self) -> tuple[int, int]:
        """The bins of the image's height and width in which boxes are measured."""
        return self.bins, self.bins

    @property
    def frame(self) -> BoxFrame:
        """The frame of cells in an instance's box."""
        return BoxFrame(self.rows, self.columns, self.bins)

    def cells_name(self) -> str:
        """The name of the place of a mask's cells, for messages about lost masks."""
        return "its box"

    def cells_text(self) -> str:
        """The number of cells, in words."""
        return f"{self.rows} x {self.columns} a box"

    def words(self) -> Spelling:
        """The tags and bricks as tables; shared by all codecs with the same spelling."""
        location = Location(self.location) if self.coordinates == "tokens" else None
        boxes = Boxes(*self.canvas, ordered=False, axes=self.axes, location=location)
        return checked_spelling(self.tags(), self.spelling, self.columns, boxes)

    def longest_row(self) -> str:
        """A row with an edge at every column, and its end."""
        words = self.words()
        edges = [*range(1, self.columns + 1), END + self.columns]
        return "".join(map(words.brick, edges))

    def bind(self, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()) -> ScanlineBinding:
        """Bind the codec to a tokenizer, for `maskcodec.TokenCodec`."""
        from maskcodec.formats.scanlines.ids import ScanlineBinding

        return ScanlineBinding(self, tokenizer, ignore)

    def reader(self, reading: Reading, symbols: Symbols) -> ScanlineReader:
        """The reader of a text, or of ids."""
        return ScanlineReader(reading, symbols, self.words(), (self.rows, self.columns))

    def _write(self, words: Spelling, label: str, mask: IntegerArray | RunMask) -> str:
        framed = self.frame.sample(mask, self.sampling)
        return "" if framed is None else boxed_text(words, label, framed.box, framed.cells)

    def _write_region(self, words: Spelling, label: str, region: Region) -> str:
        rows, columns = region.cells.shape
        own = region.frame == "box" and region.canvas == self.canvas
        if not own or rows > self.rows or columns != self.columns:
            raise MaskError(
                f"{region!r} is none of this codec's, whose boxes have up to "
                f"{plural(self.rows, 'row')}, {plural(self.columns, 'column')}, and "
                f"{plural(self.bins, 'bin')}; use a codec with rows, columns and bins to match"
            )
        return boxed_text(words, label, region.box, region.cells.copy())
