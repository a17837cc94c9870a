"""B-SD: every instance as a label, a box, and its rows drawn with semantic bricks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import ConfigError, MaskError
from maskcodec.formats.bsd.text import RowReader, boxed_text, tight_text
from maskcodec.formats.instances.boxes import Boxes
from maskcodec.formats.instances.codec import InstanceCodec
from maskcodec.formats.instances.spelling import checked_spelling
from maskcodec.kernels.writing import MAX_RUN
from maskcodec.masks.grid import sampled
from maskcodec.messages import brief
from maskcodec.text.codec import GridCodec, register
from maskcodec.text.settings import strings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.ids import InstanceBinding
    from maskcodec.formats.instances.spelling import Spelling
    from maskcodec.masks.arrays import IntegerArray, Mask
    from maskcodec.masks.runs import RunMask
    from maskcodec.text.problems import Reading, Symbols
    from maskcodec.text.regions import Region
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

_BRICKS = "<fg{}>", "<bg{}>"
_PLAIN = "fg{}", "bg{}"


@register("b-sd/1")
@dataclass(frozen=True, slots=True, kw_only=True)
class BSD(InstanceCodec, GridCodec):
    r"""Box-wise semantic descriptors: masks as boxes and bricks on a canvas (``b-sd/1``).

    An instance is ``<ref>label</ref><box>[[x1 y1 x2 y2]]</box><seg>rows</seg>``; instances follow
    one another. Coordinates are cells of the canvas, both corners inside the box. The bricks
    ``<fgN>`` and ``<bgN>`` of 1 .. 63 cells draw a row; they add up to the box's width. The grammar
    and its limits are in ``docs/formats/b-sd.md``. The format is from Text4Seg++ (arXiv
    2509.06321), which leaves the separator of rows and the spelling of bricks open.

    The cells belong to the image, so that a small object has few. In `Scanlines`, the cells belong
    to the object's box; ``docs/choosing.md`` compares the two formats.

    Parameters
    ----------
    grid
        Cells per image: (rows, columns) or one number for both, 1 .. 1024; 64 by default.
    sampling
        How pixels become cells. ``"nearest"``, the default, takes the nearest pixel, as Pillow and
        the paper's data do. ``"area"`` sets cells that are at least half covered. ``"keep"`` is
        ``"area"``, but never loses a whole mask.
    row_separator
        ``"\n"``, or ``""``: a row ends when the box's width is reached.
    bricks
        Whether each brick is a new token. False writes ``fg12bg3``, without new tokens.
    spelling
        The foreground brick and the background brick, ``{}`` for the number. None, the default,
        means ``("<fg{}>", "<bg{}>")``, or ``("fg{}", "bg{}")`` with ``bricks=False``; these are
        stored as None.
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
    >>> mask = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    >>> codec = mc.BSD(grid=4)
    >>> codec.encode(mask, "dog")
    '<ref>dog</ref><box>[[1 1 2 2]]</box><seg><fg2>\n<bg1><fg1></seg>'
    >>> bool((codec.decode(codec.encode(mask, "dog"))[0].mask((4, 4)) == mask).all())
    True
    """

    row_separator: str = "\n"
    bricks: bool = True
    spelling: tuple[str, str] | None = None
    ref_tags: tuple[str, str] = ("<ref>", "</ref>")
    box_tags: tuple[str, str] = ("<box>", "</box>")
    seg_tags: tuple[str, str] = ("<seg>", "</seg>")

    def __post_init__(self) -> None:
        GridCodec.__post_init__(self)
        if self.row_separator not in ("\n", ""):
            raise ConfigError(
                f"row_separator must be '\\n' or '', got {brief(self.row_separator)}",
                "row_separator",
            )
        if not isinstance(self.bricks, bool):
            raise ConfigError(f"bricks must be True or False, got {brief(self.bricks)}", "bricks")
        if self.spelling is not None:
            kept = strings(self.spelling, "spelling")
            object.__setattr__(self, "spelling", None if kept == self._usual() else kept)
        self._settle_tags()
        self.words()

    @property
    def codec_id(self) -> str:
        """``"b-sd/1"``."""
        return "b-sd/1"

    @property
    def has_bricks(self) -> bool:
        """Whether each brick is a token."""
        return self.bricks

    def words(self) -> Spelling:
        """The tags and bricks as tables; shared by all codecs with the same spelling."""
        bricks = self.spelling or self._usual()
        return checked_spelling(self.tags(), bricks, MAX_RUN, Boxes(*self.canvas))

    def get_config(self) -> dict[str, Any]:
        """The codec as plain data for JSON, with the spelling of the bricks written out."""
        return {**GridCodec.get_config(self), "spelling": list(self.words().bricks)}

    def bind(self, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()) -> InstanceBinding:
        """Bind the codec to a tokenizer, for `maskcodec.TokenCodec`."""
        from maskcodec.formats.bsd.ids import BSDBinding, PlainBinding

        return (BSDBinding if self.bricks else PlainBinding)(self, tokenizer, ignore)

    def reader(self, reading: Reading, symbols: Symbols) -> RowReader:
        """The reader of a text, or of ids."""
        return RowReader(reading, symbols, self.words(), separated=self.row_separator != "")

    def _write(self, words: Spelling, label: str, mask: IntegerArray | RunMask) -> str:
        separated = self.row_separator != ""
        return tight_text(words, label, separated, *sampled(mask, self.canvas, self.sampling))

    def _write_region(self, words: Spelling, label: str, region: Region) -> str:
        """Write a region with a tight box; a region without a set cell keeps its box."""
        if region.frame != "canvas" or region.canvas != self.canvas:
            raise MaskError(
                f"{region!r} is none of this codec's, which draws on a canvas of "
                f"{'{} x {}'.format(*self.canvas)} cells; use a codec with grid to match"
            )
        box, cells = _cropped(region.box, region.cells.copy())
        return boxed_text(words, label, self.row_separator != "", cells, box)

    def _usual(self) -> tuple[str, str]:
        return _BRICKS if self.bricks else _PLAIN


def _cropped(box: Box, cells: Mask) -> tuple[Box, Mask]:
    """Crop a box and its cells to the set cells; without set cells, return both unchanged."""
    ys, xs = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    if len(ys) == 0:
        return box, cells
    y1, y2, x1, x2 = int(ys[0]), int(ys[-1]), int(xs[0]), int(xs[-1])
    tight = box[0] + x1, box[1] + y1, box[0] + x2, box[1] + y2
    return tight, np.ascontiguousarray(cells[y1 : y2 + 1, x1 : x2 + 1])
