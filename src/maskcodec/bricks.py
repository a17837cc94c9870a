"""B-SD: every instance as a label, a box, and its rows drawn with semantic bricks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from maskcodec._inputs import as_mask
from maskcodec._lazy import instances, kernels
from maskcodec._reading import TextReading, warn_dropped
from maskcodec.codec import Codec, lost_message, register, string_pair
from maskcodec.errors import ConfigError, LostMaskError, MaskError
from maskcodec.grid import check_choice, every_cell, sampled
from maskcodec.region import RecoveredRegions, Region
from maskcodec.spelling import MAX_RUN, Spelling, checked_spelling, instance_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec._arrays import Index, Mask

Lost: TypeAlias = Literal["raise", "drop"]

_BRICKS = ("<fg{}>", "<bg{}>")
_PLAIN = ("fg{}", "bg{}")


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class BSD(Codec):
    r"""Box-wise semantic descriptors: masks as boxes and bricks (``b-sd/1``).

    An instance is ``<ref>label</ref><box>[[x1 y1 x2 y2]]</box><seg>rows</seg>``, several stand one
    after another. Coordinates are cells of the canvas, both corners inside the box; a row is
    drawn with bricks ``<fgN>`` and ``<bgN>`` of 1 .. 63 cells that add up to the box's width. The
    grammar and its limits are in ``docs/formats/b-sd.md``. From Text4Seg++ (arXiv 2509.06321),
    which leaves the separator of rows and the spelling of bricks open.

    Parameters
    ----------
    grid
        Cells per image: (rows, columns) or one number for both, 1 .. 1024.
    sampling
        How pixels become cells. ``"nearest"`` as Pillow does and the paper's data was made;
        ``"area"`` sets cells that are at least half covered; ``"keep"`` is ``"area"`` that never
        loses a whole mask.
    row_separator
        ``"\n"``, or ``""`` for rows that end where the box's width is reached.
    bricks
        Whether bricks are tokens of their own. False writes ``fg12bg3``, which needs none.
    spelling
        The foreground and the background brick, ``{}`` for the number. None, and what None is
        kept for: ``("<fg{}>", "<bg{}>")``, or ``("fg{}", "bg{}")`` with ``bricks=False``.
    ref, box, seg
        The opening and the closing tag of the label, the box and the rows. For Qwen2-VL, for
        example, ``ref=("<|object_ref_start|>", "<|object_ref_end|>")``.

    Raises
    ------
    ConfigError
        A value is not one of those above, or two spellings could be mistaken for each other.

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

    codec_id: ClassVar[str] = "b-sd/1"

    row_separator: str = "\n"
    bricks: bool = True
    spelling: tuple[str, str] | None = None
    ref: tuple[str, str] = ("<ref>", "</ref>")
    box: tuple[str, str] = ("<box>", "</box>")
    seg: tuple[str, str] = ("<seg>", "</seg>")

    def __post_init__(self) -> None:
        Codec.__post_init__(self)
        if self.row_separator not in ("\n", ""):
            raise ConfigError(f"row_separator must be '\\n' or '', got {self.row_separator!r}")
        if not isinstance(self.bricks, bool):
            raise ConfigError(f"bricks must be True or False, got {self.bricks!r}")
        if self.spelling is not None:
            pair = string_pair(self.spelling, "spelling")
            object.__setattr__(self, "spelling", None if pair == self._usual() else pair)
        for name in ("ref", "box", "seg"):
            object.__setattr__(self, name, string_pair(getattr(self, name), name))
        self.words()

    def words(self) -> Spelling:
        """The tags and bricks in force, as tables; shared by all codecs that spell alike."""
        bricks = self.spelling or self._usual()
        return checked_spelling(self.tags(), bricks)

    def tags(self) -> tuple[str, ...]:
        """The tags, each opening one before its closing one."""
        return self.ref + self.box + self.seg

    def vocabulary(self) -> list[str]:
        """The tags and bricks that a tokenizer must have as one token each.

        Six tags; unless ``bricks=False``, 63 foreground and 63 background bricks as well.
        """
        words = self.words()
        runs = [*range(1, MAX_RUN + 1), *range(-1, -MAX_RUN - 1, -1)] if self.bricks else []
        return [*words.tags, *map(words.brick, runs)]

    def get_config(self) -> dict[str, Any]:
        """The codec as plain data for JSON, with the spelling of the bricks written out."""
        return {**Codec.get_config(self), "spelling": list(self.words().bricks)}

    def _usual(self) -> tuple[str, str]:
        return _BRICKS if self.bricks else _PLAIN

    def encode(
        self, mask: Any, label: str, *, shape: tuple[int, int] | None = None, lost: Lost = "raise"
    ) -> str:
        """One mask as text.

        Parameters
        ----------
        mask
            (height, width), bool or integer, any memory order; whatever is not 0 is set. Also a
            Pillow image, nested lists of 0 and 1, a CPU tensor. Or an annotation's
            ``segmentation``, see `maskcodec.coco.read`: run lengths, or polygons and `shape`.
        label
            Any text without tags and bricks; white space around it is dropped.
        shape
            (height, width) of the image, which polygons need; a mask or run lengths of another
            size are refused.
        lost
            What to do with a mask that has pixels but no cell left: ``"raise"``, or ``"drop"``,
            which returns the empty string and logs a warning.

        Returns
        -------
        The text, canonical: colours alternate, the box is tight. Empty for an empty mask.

        Raises
        ------
        MaskError
            The mask has no two sides or no pixels, or the segmentation is broken or does not fit.
        LostMaskError
            No cell of the mask is left on the grid.
        LabelError
            The label is empty or would break the text.
        TypeError
            The mask is not bool or integer, or the label is not a str.
        ModuleNotFoundError
            Polygons without pycocotools.
        """
        return self.encode_many([mask], [label], shape=shape, lost=lost)

    def encode_many(
        self,
        masks: Iterable[Any],
        labels: Iterable[str],
        *,
        shape: tuple[int, int] | None = None,
        lost: Lost = "raise",
        dropped: list[int] | None = None,
    ) -> str:
        """Several instances of one image as one text, in the order given.

        Parameters
        ----------
        masks
            Masks as `encode` takes them; an array (n, height, width) does as well.
        labels
            A label for each mask; the same one may come again.
        shape
            (height, width) of the image, as `encode` has it.
        lost
            What to do with a mask that has pixels but no cell left: ``"raise"`` or ``"drop"``.
        dropped
            With ``lost="drop"``, a list that receives the indices of the masks lost. Without it a
            warning goes to the logger ``maskcodec``. Masks that are empty to begin with are not
            lost: they add nothing.

        Returns
        -------
        The instances one after another with nothing between. Empty masks add nothing.

        Raises
        ------
        As `encode`; a message about one of several masks gives its index.
        """
        check_choice(lost, Lost, "lost")
        images, texts = list(masks), [labels] if isinstance(labels, str) else list(labels)
        if isinstance(labels, str) or len(images) != len(texts):
            count = "one str" if isinstance(labels, str) else str(len(texts))
            raise MaskError(f"there must be a label for each mask, got {len(images)} and {count}")
        words = self.words()
        parts, gone = [], []
        for index, (image, label) in enumerate(zip(images, texts, strict=True)):
            name = instance_label(label, words)
            where = f"mask {index}" if len(images) > 1 else "mask"
            pixels = as_mask(image, shape, where)
            text = self._write(words, name, *sampled(pixels, self.canvas, self.sampling))
            if not text and pixels.any():
                message = lost_message(self, where, label, pixels)
                if lost == "raise":
                    raise LostMaskError(
                        f'{message}; sampling="keep" keeps it, lost="drop" drops it'
                    )
                gone.append(index)
                if dropped is None:
                    warn_dropped(message)
            parts.append(text)
        if dropped is not None:
            dropped.extend(gone)
        return "".join(parts)

    def encode_regions(self, regions: Iterable[Region]) -> str:
        """Regions as text, canonical: the inverse of `decode`, and a way to clean an answer up.

        Boxes are drawn tight. A region without a cell set keeps its box, so that
        ``decode(encode_regions(regions)) == regions`` holds for it as well.

        Raises
        ------
        MaskError
            A region lies on another canvas than the codec's.
        LabelError
            A label is empty or would break the text, as `recover` may return one.
        """
        words = self.words()
        parts = []
        for region in regions:
            if not isinstance(region, Region):
                raise TypeError(f"regions must be Region objects, got {region!r}")
            if region.canvas != self.canvas:
                raise MaskError(
                    f"region {region.label!r} lies on a canvas of {region.canvas} cells, "
                    f"this codec draws on {self.canvas}; use a codec with that grid"
                )
            name = instance_label(region.label, words)
            x1, y1, _, _ = region.box
            cells = region.cells.copy()
            text = self._write(words, name, cells, *every_cell(cells.shape), (x1, y1))
            if not text:
                text = words.blank(name, region.box, self.row_separator)
            parts.append(text)
        return "".join(parts)

    def decode(self, text: str) -> list[Region]:
        """The regions that a text describes, strictly.

        Text before, between and behind the instances is passed over; inside them only spaces
        may stand between tags and bricks. Splits of a run that the encoder would not make, and
        boxes that are too large, are accepted.

        Returns
        -------
        The regions in the order of the text; none is an empty list.

        Raises
        ------
        DecodeError
            Something does not follow the format: its ``reason`` and ``position`` say what and
            where.
        TruncatedError
            The text stops inside an instance.
        TypeError
            The text is not a str.
        """
        return self._read(TextReading(text, strict=True))

    def recover(self, text: str) -> RecoveredRegions:
        """Whatever can be drawn of any text at all, and what was wrong with it.

        Never raises on a str. Rows are repaired one by one: a short one is filled with
        background, a long one cut, missing ones are background. An instance whose box cannot be
        read is left out. Memory and time are linear in the text.

        Examples
        --------
        >>> import maskcodec as mc
        >>> answer = "<ref>dog</ref><box>[[1 1 2 2]]</box><seg><fg3>\\n<bg1><fg1>"
        >>> found = mc.BSD(grid=4).recover(answer)
        >>> found.regions[0].cells.tolist()
        [[1, 1], [0, 1]]
        >>> [(problem.reason, problem.action) for problem in found.problems]
        [('row-long', 'cut it'), ('truncated', 'drew what was there')]
        """
        reading = TextReading(text, strict=False)
        return RecoveredRegions(self._read(reading), reading.problems())

    def _read(self, reading: TextReading) -> list[Region]:
        return instances.read_text(reading, self.words(), self.canvas, self.row_separator != "")

    def _write(
        self,
        words: Spelling,
        label: str,
        pixels: Mask,
        ys: Index,
        xs: Index,
        corner: tuple[int, int] = (0, 0),
    ) -> str:
        """An instance of the cells ``pixels[ys, xs]`` that are set; nothing where none is."""
        runs = np.empty(len(ys) * (len(xs) + 1), np.int64)
        edges = np.empty(len(ys) * (len(xs) + 2), np.int64)
        separated = self.row_separator != ""
        y1, x1, y2, x2, count = kernels.mask_runs(pixels, ys, xs, separated, edges, runs)
        if count == 0:
            return ""
        data = np.empty(count * words.longest, np.uint8)
        size = kernels.spell(runs, count, words.table, words.table_bounds, data)
        x, y = corner
        box = x1 + x, y1 + y, x2 + x, y2 + y
        return words.instance(label, box, data[:size].tobytes().decode())
