"""I-SD, I-RLE, R-RLE: the label of every cell as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from maskcodec.formats.labels.base import LabelCodec
from maskcodec.messages import check_choice
from maskcodec.text.codec import register

Dialect: TypeAlias = Literal["maskcodec", "text4seg"]

_TEXT4SEG = " *", "| ", "\n ", "\n"


@register("i-sd/1")
@dataclass(frozen=True, slots=True, kw_only=True)
class ISD(LabelCodec):
    """Image-wise semantic descriptors: every cell's label, joined by a bar (``i-sd/1``).

    From Text4Seg (arXiv 2410.09855), section 3. The grammar is in ``docs/formats/i-sd.md``.

    Parameters
    ----------
    grid
        Cells per image: (rows, columns) or one number for both, 1 .. 1024.
    sampling
        How pixels become cells: ``"nearest"``, ``"area"`` or ``"keep"``.
    background
        The label of cells that nothing else has.
    seg_tags
        The opening and the closing tag.

    Examples
    --------
    >>> import maskcodec as mc
    >>> mc.ISD(grid=(2, 2)).encode([[0, 1], [0, 0]], "dog")
    '<seg>others|dog|others|others</seg>'
    """

    codec_id: ClassVar[str] = "i-sd/1"
    counted: ClassVar[bool] = False


@register("i-rle/1")
@dataclass(frozen=True, slots=True, kw_only=True)
class IRLE(LabelCodec):
    """Image-wise run-length coding: runs over the flattened grid (``i-rle/1``).

    From Text4Seg (arXiv 2410.09855), section 3. The grammar is in ``docs/formats/i-rle.md``.

    Parameters
    ----------
    grid
        Cells per image: (rows, columns) or one number for both, 1 .. 1024.
    sampling
        How pixels become cells: ``"nearest"``, ``"area"`` or ``"keep"``.
    background
        The label of cells that nothing else has.
    seg_tags
        The opening and the closing tag.

    Examples
    --------
    >>> import maskcodec as mc
    >>> mc.IRLE(grid=(2, 2)).encode([[0, 1], [0, 0]], "dog")
    '<seg>others*1|dog*1|others*2</seg>'
    """

    codec_id: ClassVar[str] = "i-rle/1"


@register("r-rle/1")
@dataclass(frozen=True, slots=True, kw_only=True)
class RRLE(LabelCodec):
    r"""Row-wise run-length coding: runs within a row, rows by newline (``r-rle/1``).

    From Text4Seg (arXiv 2410.09855), section 3. The grammar is in ``docs/formats/r-rle.md``.

    Parameters
    ----------
    grid
        Cells per image: (rows, columns) or one number for both, 1 .. 1024.
    sampling
        How pixels become cells: ``"nearest"``, ``"area"`` or ``"keep"``.
    background
        The label of cells that nothing else has.
    seg_tags
        The opening and the closing tag.
    dialect
        The spelling of `encode`: ``"maskcodec"``, or ``"text4seg"``, with which the checkpoints of
        mc-lan/Text4Seg were trained. `decode` reads both.

    Examples
    --------
    >>> import maskcodec as mc
    >>> mc.RRLE(grid=(2, 2)).encode([[0, 1], [0, 0]], "dog")
    '<seg>others*1|dog*1\nothers*2</seg>'
    >>> mc.RRLE(grid=(2, 2), dialect="text4seg").encode([[0, 1], [0, 0]], "dog")
    '<seg>others *1| dog *1\n others *2\n</seg>'
    """

    codec_id: ClassVar[str] = "r-rle/1"
    by_row: ClassVar[bool] = True

    dialect: Dialect = "maskcodec"

    def __post_init__(self) -> None:
        LabelCodec.__post_init__(self)
        check_choice(self.dialect, Dialect, "dialect")

    def marks(self) -> tuple[str, str, str, str]:
        """The marks between label and count, between runs, between rows, and at the end."""
        return _TEXT4SEG if self.dialect == "text4seg" else LabelCodec.marks(self)
