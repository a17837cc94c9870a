"""B-SD: every instance as a label, a box, and its rows drawn with semantic bricks."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from maskcodec.errors import ConfigError, MaskError
from maskcodec.formats.bsd.read_text import read_text
from maskcodec.formats.bsd.spelling import REPEATS, checked_spelling, instance_label
from maskcodec.formats.bsd.write_text import boxed_text, tight_text
from maskcodec.kernels.writing import MAX_RUN
from maskcodec.masks.arrays import brief
from maskcodec.masks.frame import MOST_BINS, MOST_CELLS, BoxFrame, BoxSampling, Frame
from maskcodec.masks.grid import Sampling, check_choice, sampled
from maskcodec.masks.inputs import as_mask
from maskcodec.text.codec import Codec, Lost, grid_pair, lost_error, lost_message, register, strings
from maskcodec.text.problems import TextReading, warn_dropped
from maskcodec.text.regions import RecoveredRegions, Region

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.formats.bsd.spelling import Box, Spelling
    from maskcodec.masks.arrays import IntegerArray, Mask
    from maskcodec.masks.runs import RunMask
    from maskcodec.tokenizers.any import AnyTokenizer
    from maskcodec.tokenizers.binding import Binding


_BRICKS = "<fg{}>", "<bg{}>", "<rep{}>"
_PLAIN = "fg{}", "bg{}", "rep{}"
_CANVAS_CELLS, _BOX_CELLS, _BINS = 64, (11, 63), 1000


@register("b-sd/1", frame="canvas")
@register("b-sd-box/1", frame="box")
@dataclass(frozen=True, slots=True, kw_only=True)
class BSD(Codec):
    r"""Box-wise semantic descriptors: masks as boxes and bricks (``b-sd/1``, ``b-sd-box/1``).

    An instance is ``<ref>label</ref><box>[[x1 y1 x2 y2]]</box><seg>rows</seg>``, several stand one
    after another. Coordinates are cells of the canvas, both corners inside the box; a row is
    drawn with bricks ``<fgN>`` and ``<bgN>`` of 1 .. 63 cells that add up to the box's width. The
    grammar and its limits are in ``docs/formats/b-sd.md``. From Text4Seg++ (arXiv 2509.06321),
    which leaves the separator of rows and the spelling of bricks open.

    With ``frame="box"`` the cells belong to the instance's own box, so that a small one has as
    many as a large one: more of the mask for as many tokens on average.
    ``docs/formats/b-sd-box.md`` has that format, ``docs/choosing.md`` what either costs.

    Parameters
    ----------
    grid
        Cells per image: (rows, columns) or one number for both, 1 .. 1024; 64 by default. In the
        box frame cells per box, 1 .. 63: at most so many rows and columns, (11, 63) by default;
        or one number, the most of the longer side, and square cells. Never more than pixels.
    sampling
        How pixels become cells. ``"nearest"`` as Pillow does and the paper's data was made;
        ``"area"`` sets cells that are at least half covered; ``"keep"`` is ``"area"`` that never
        loses a whole mask. In the box frame also ``"best"``: ``"keep"``, then cells are flipped
        as long as what ``Region.mask(method="contour")`` draws of them comes nearer to the mask,
        as far as some points of each cell tell.
        By default ``"nearest"``, in the box frame ``"keep"``.
    frame
        ``"canvas"``: cells belong to the image. ``"box"``: to the box.
    bins
        In the box frame, how many parts each side of the image has for the box, 1 .. 1024; 1000 by
        default. Boxes of images up to that size are exact.
    repeats
        Whether rows equal to the one above are written ``<repN>``, for N = 1 .. 63 of them.
    row_separator
        ``"\n"``, or ``""`` for rows that end where the box's width is reached. The box frame needs
        the former.
    bricks
        Whether bricks are tokens of their own. False writes ``fg12bg3``, which needs none.
    spelling
        The foreground brick, the background brick and, with ``repeats``, the repeat, ``{}`` for
        the number. None, and what None is kept for: ``("<fg{}>", "<bg{}>", "<rep{}>")``, or
        ``("fg{}", "bg{}", "rep{}")`` with ``bricks=False``.
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

    has_instances: ClassVar[bool] = True

    grid: int | tuple[int, int] | None = None  # type: ignore[assignment]
    sampling: BoxSampling | None = None  # type: ignore[assignment]
    frame: Frame = "canvas"
    bins: int | None = None
    repeats: bool = False
    row_separator: str = "\n"
    bricks: bool = True
    spelling: tuple[str, ...] | None = None
    ref: tuple[str, str] = ("<ref>", "</ref>")
    box: tuple[str, str] = ("<box>", "</box>")
    seg: tuple[str, str] = ("<seg>", "</seg>")

    def __post_init__(self) -> None:
        check_choice(self.frame, Frame, "frame")
        if self.row_separator not in ("\n", ""):
            raise ConfigError(
                f"row_separator must be '\\n' or '', got {brief(self.row_separator)}",
                "row_separator",
            )
        for name in ("bricks", "repeats"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(
                    f"{name} must be True or False, got {brief(getattr(self, name))}", name
                )
        if self.frame == "box":
            self._settle_box()
        else:
            self._settle_canvas()
        if self.spelling is not None:
            kept = strings(self.spelling, "spelling", 2 + self.repeats)
            object.__setattr__(self, "spelling", None if kept == self._usual() else kept)
        for name in ("ref", "box", "seg"):
            object.__setattr__(self, name, strings(getattr(self, name), name))
        self.words()

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
            text = self._write(words, name, pixels)
            if not text and pixels.any():
                message = lost_message(self, where, label, pixels)
                if lost == "raise":
                    raise lost_error(message)
                gone.append(index)
                if dropped is None:
                    warn_dropped(message)
            parts.append(text)
        if dropped is not None:
            dropped.extend(gone)
        return "".join(parts)

    def encode_regions(self, regions: Iterable[Region]) -> str:
        """Regions as text, canonical: the inverse of `decode`, and a way to clean an answer up.

        On the canvas boxes are drawn tight. A region without a cell set keeps its box, so that
        ``decode(encode_regions(regions)) == regions`` holds for it as well.

        Raises
        ------
        MaskError
            A region lies on another canvas than the codec's, or in another frame, or has more
            cells than its grid.
        LabelError
            A label is empty or would break the text, as `recover` may return one.
        """
        words = self.words()
        parts = []
        for region in regions:
            self._check_region(region)
            name = instance_label(region.label, words)
            box, cells = region.box, region.cells.copy()
            if self.frame == "canvas":
                box, cells = _cropped(box, cells)
            parts.append(boxed_text(words, name, self.row_separator != "", cells, box))
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
        read is left out. Memory and time are linear in the text; where rows are repeated, in the
        cells that it says, at most the grid's for each instance.

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

    def meanings(self) -> dict[str, tuple[str, int | None]]:
        """What each word of `vocabulary` means: in English, and its number if it has one."""
        said, words = Codec.meanings(self), self.words()
        for run in words.runs() if self.bricks else ():
            length = run - MAX_RUN if run in REPEATS else abs(run)
            kind = "repeat" if run in REPEATS else "foreground" if run > 0 else "background"
            said[words.brick(run)] = kind, length
        return said

    def reserved(self) -> tuple[str, str]:
        """What may not stand in a label, and what not in any other words: regular expressions."""
        pattern = self.words().forbidden.pattern
        return pattern, pattern

    def bind(self, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()) -> Binding:
        """What a tokenizer makes of the codec's text, for `maskcodec.TokenCodec`."""
        from maskcodec.formats.bsd.binding import BrickBinding, PlainBinding

        return (BrickBinding if self.bricks else PlainBinding)(self, tokenizer, ignore)

    def words(self) -> Spelling:
        """The tags and bricks in force, as tables; shared by all codecs that spell alike."""
        bricks = self.spelling or self._usual()
        return checked_spelling(self.tags(), bricks)

    def tags(self) -> tuple[str, ...]:
        """The tags, each opening one before its closing one."""
        return self.ref + self.box + self.seg

    def vocabulary(self) -> list[str]:
        """The tags and bricks that a tokenizer must have as one token each.

        Six tags; unless ``bricks=False``, 63 foreground and 63 background bricks as well, and
        with ``repeats`` 63 repeats.
        """
        words = self.words()
        return [*words.tags, *map(words.brick, words.runs() if self.bricks else [])]

    @property
    def codec_id(self) -> str:
        """``"b-sd/1"``, or ``"b-sd-box/1"`` with ``frame="box"``."""
        return "b-sd-box/1" if self.frame == "box" else "b-sd/1"

    @property
    def canvas(self) -> tuple[int, int]:
        """What boxes are measured in: (rows, columns) of the grid, or the bins of both sides."""
        return cast("tuple[int, int]", self.grid) if self.bins is None else (self.bins, self.bins)

    @property
    def box_frame(self) -> BoxFrame | None:
        """How boxes are written and cells laid over them with ``frame="box"``."""
        if self.bins is None:
            return None
        return BoxFrame(cast("int | tuple[int, int]", self.grid), self.bins)

    @property
    def most_cells(self) -> tuple[int, int]:
        """The most rows and columns of cells that an instance may have."""
        frame = self.box_frame
        return self.canvas if frame is None else frame.most

    def cells_name(self) -> str:
        """What a mask may have no cell left of, for messages."""
        return Codec.cells_name(self) if self.bins is None else "its box"

    def cells_text(self) -> str:
        """How many cells there are, in words: ``"64 x 64"``, or so many a box."""
        if self.bins is None:
            return Codec.cells_text(self)
        return "{} x {} a box".format(*self.most_cells)

    def get_config(self) -> dict[str, Any]:
        """The codec as plain data for JSON, with the spelling of the bricks written out.

        The frame is that of the id. ``bins`` on the canvas and ``repeats`` where there are none say
        nothing, and are left out.
        """
        config = {**Codec.get_config(self), "spelling": list(self.words().bricks)}
        del config["frame"]
        if self.bins is None:
            del config["bins"]
        if not self.repeats:
            del config["repeats"]
        return config

    def _read(self, reading: TextReading) -> list[Region]:
        layout = self.canvas, self.row_separator != "", self.box_frame
        return read_text(reading, self.words(), *layout)

    def _write(self, words: Spelling, label: str, mask: IntegerArray | RunMask) -> str:
        """An instance of a mask; "" where no cell of it is set."""
        separated = self.row_separator != ""
        frame = self.box_frame
        if frame is None:
            sampling = cast("Sampling", self.sampling)
            return tight_text(words, label, separated, *sampled(mask, self.canvas, sampling))
        framed = frame.sample(mask, cast("BoxSampling", self.sampling))
        if framed is None:
            return ""
        return boxed_text(words, label, separated, framed.cells, framed.box)

    def _check_region(self, region: Any) -> None:
        if not isinstance(region, Region):
            raise TypeError(f"regions must be Region objects, got {region!r}")
        if region.frame != self.frame:
            raise MaskError(
                f"region {region.label!r} has frame={region.frame!r}, this codec {self.frame!r}"
            )
        if region.canvas != self.canvas:
            unit, setting = ("cells", "grid") if self.frame == "canvas" else ("bins", "bins")
            raise MaskError(
                f"region {region.label!r} lies on a canvas of {region.canvas} {unit}, "
                f"this codec draws on {self.canvas}; use a codec with {setting} to match"
            )
        rows, columns = region.cells.shape
        most = self.most_cells
        if rows > most[0] or columns > most[1]:
            raise MaskError(
                f"region {region.label!r} has {rows} x {columns} cells, a box of this codec up to "
                f"{most[0]} x {most[1]}"
            )

    def _usual(self) -> tuple[str, ...]:
        return (_BRICKS if self.bricks else _PLAIN)[: 2 + self.repeats]

    def _settle_canvas(self) -> None:
        if self.bins is not None:
            got = brief(self.bins)
            raise ConfigError(f'bins are for frame="box", got bins={got} on the canvas', "bins")
        if self.grid is None:
            object.__setattr__(self, "grid", _CANVAS_CELLS)
        if self.sampling is None:
            object.__setattr__(self, "sampling", "nearest")
        if self.sampling == "best":
            raise ConfigError(
                'sampling="best" is for frame="box"; on the canvas use "keep"', "sampling"
            )
        Codec.__post_init__(self)

    def _settle_box(self) -> None:
        if not self.row_separator:
            raise ConfigError(
                'frame="box" needs row_separator="\\n": a row may have any width', "row_separator"
            )
        value = _BINS if self.bins is None else self.bins
        whole = hasattr(value, "__index__") and not isinstance(value, bool)
        bins = operator.index(value) if whole else 0
        if not 1 <= bins <= MOST_BINS:
            raise ConfigError(
                f"bins must be a whole number, 1 .. {MOST_BINS}, got {brief(value)}", "bins"
            )
        object.__setattr__(self, "bins", bins)
        grid = _BOX_CELLS if self.grid is None else self.grid
        pair = grid_pair(grid, MOST_CELLS)
        object.__setattr__(self, "grid", pair if isinstance(grid, (list, tuple)) else pair[0])
        if self.sampling is None:
            object.__setattr__(self, "sampling", "keep")
        check_choice(cast("str", self.sampling), BoxSampling, "sampling")


def _cropped(box: Box, cells: Mask) -> tuple[Box, Mask]:
    """A box and its cells without rows and columns around that are background; never nothing."""
    ys, xs = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    if len(ys) == 0:
        return box, cells
    y1, y2, x1, x2 = int(ys[0]), int(ys[-1]), int(xs[0]), int(xs[-1])
    tight = box[0] + x1, box[1] + y1, box[0] + x2, box[1] + y2
    return tight, np.ascontiguousarray(cells[y1 : y2 + 1, x1 : x2 + 1])
