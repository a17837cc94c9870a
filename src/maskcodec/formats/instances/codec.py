"""The base classes of formats of instances: every mask with its label, one after another."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from maskcodec.errors import MaskError
from maskcodec.files.masks import opened_mask
from maskcodec.formats.instances.read_text import read_text
from maskcodec.formats.instances.spelling import instance_label
from maskcodec.kernels.writing import END
from maskcodec.masks.inputs import as_mask, check_one_size
from maskcodec.messages import check_choice, plural
from maskcodec.text.codec import Codec, Lost, lost_error, lost_message
from maskcodec.text.problems import TextReading, warn_dropped
from maskcodec.text.regions import RecoveredRegions, Region
from maskcodec.text.settings import strings

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

    from maskcodec.formats.instances.read_text import InstanceReader
    from maskcodec.formats.instances.spelling import Spelling
    from maskcodec.masks.arrays import IntegerArray
    from maskcodec.masks.frame import BoxFrame
    from maskcodec.masks.runs import RunMask
    from maskcodec.text.problems import Reading, Symbols
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
    from maskcodec.tokenizers.binding import Binding


class Words(Protocol):
    """The tags and bricks of a codec."""

    @property
    def forbidden(self) -> re.Pattern[str]:
        """A pattern that no label may contain."""


class RegionCodec(Codec):
    """The base of formats that write masks one by one; use one of them."""

    __slots__ = ()

    has_instances: ClassVar[bool] = True

    def encode(
        self,
        mask: Any,
        label: str,
        *,
        shape: tuple[int, int] | None = None,
        threshold: int | None = None,
        lost: Lost = "raise",
    ) -> str:
        """Write one mask as text.

        Parameters
        ----------
        mask
            (height, width), bool or integer, any memory order, of two values. 0 is the background;
            without a 0, the smaller value is. A mask of a single value other than 0 is set
            everywhere. Also a Pillow image, nested lists of 0 and 1, a CPU tensor, or the path of a
            file that ``maskcodec encode`` reads. Or an annotation's ``segmentation``, see
            `maskcodec.coco.read`: run lengths, or polygons and `shape`.
        label
            Any text without tags and bricks; white space around it is dropped.
        shape
            (height, width) of the image; polygons need it. A mask or run lengths of another size
            are refused.
        threshold
            The least value that is set, for a mask of more than two values, such as one with grey
            edges: 128 for 0 .. 255. Not for segmentations.
        lost
            The treatment of a mask that has pixels but no cell left: ``"raise"``, or ``"drop"``,
            which logs a warning and returns the empty string.

        Returns
        -------
        The canonical text. Empty for an empty mask.

        Raises
        ------
        MaskError
            The mask does not have two sides, has no pixels, or has more than two values and there
            is no `threshold`. Or the segmentation is broken or does not fit.
        LostMaskError
            No cell of the mask is left on the grid.
        LabelError
            The label is empty or would break the text.
        TypeError
            The mask is not bool or integer, or the label is not a str.
        ModuleNotFoundError
            The mask is polygons, and pycocotools is missing.
        """
        return self.encode_many([mask], [label], shape=shape, threshold=threshold, lost=lost)

    def encode_many(
        self,
        masks: Iterable[Any],
        labels: Iterable[str],
        *,
        shape: tuple[int, int] | None = None,
        threshold: int | None = None,
        lost: Lost = "raise",
    ) -> str:
        """Write several masks of one image as one text, in the order given.

        Parameters
        ----------
        masks
            Masks of one size, as `encode` takes them; also an array (n, height, width).
        labels
            A label for each mask; labels may repeat.
        shape, threshold
            As in `encode`.
        lost
            The treatment of masks that have pixels but no cell left: ``"raise"``, or ``"drop"``,
            which leaves them out and logs one warning with their indices. The method `lost` returns
            these indices.

        Returns
        -------
        The instances, one after another with nothing between. Empty masks add nothing.

        Raises
        ------
        As in `encode`; a message about one of several masks gives its index. Also

        MaskError
            The masks differ in size, or there is not one label for each mask.
        """
        check_choice(lost, Lost, "lost")
        images, texts = list(masks), [labels] if isinstance(labels, str) else list(labels)
        if isinstance(labels, str) or len(images) != len(texts):
            count = "one str" if isinstance(labels, str) else str(len(texts))
            raise MaskError(f"there must be a label for each mask, got {len(images)} and {count}")
        words = self.words()
        wheres = [f"mask {index}" for index in range(len(images))] if len(images) > 1 else ["mask"]
        sources = [
            as_mask(opened_mask(image), shape, where, threshold)
            for image, where in zip(images, wheres, strict=False)
        ]
        check_one_size(sources)
        parts, gone = [], list[int]()
        for index, (pixels, label) in enumerate(zip(sources, texts, strict=True)):
            name, where = self._name(label, words), wheres[index]
            text = self._write(words, name, pixels)
            if not text and pixels.any():
                if lost == "raise":
                    raise lost_error(self, lost_message(self, where, label, pixels))
                gone.append(index)
            parts.append(text)
        if gone:
            warn_dropped(f"{len(gone)} of {plural(len(images), 'mask')}", gone)
        return self._joined(parts)

    def lost(
        self,
        masks: Iterable[Any],
        *,
        shape: tuple[int, int] | None = None,
        threshold: int | None = None,
    ) -> list[int]:
        """The indices of masks that have pixels but no cell left; empty masks do not count.

        Parameters
        ----------
        masks, shape, threshold
            As in `encode_many`.

        Raises
        ------
        MaskError, TypeError, ModuleNotFoundError
            As in `encode_many`.

        Examples
        --------
        >>> import numpy as np, maskcodec as mc
        >>> masks = np.zeros((2, 64, 64), np.uint8)
        >>> masks[0, 8, 8] = masks[1, 10:40, 20:50] = 1
        >>> mc.BSD(grid=8).lost(masks)
        [0]
        """
        words, gone = self.words(), []
        images = list(masks)
        for index, image in enumerate(images):
            where = f"mask {index}" if len(images) > 1 else "mask"
            pixels = as_mask(opened_mask(image), shape, where, threshold)
            if not self._write(words, "x", pixels) and pixels.any():
                gone.append(index)
        return gone

    def encode_regions(self, regions: Iterable[Region]) -> str:
        """Write regions as canonical text: the inverse of `decode`; also cleans up an answer.

        Raises
        ------
        MaskError
            A region's cells do not fit this codec.
        LabelError
            A label is empty or would break the text; `recover` may return such labels.
        """
        words = self.words()
        parts = []
        for region in regions:
            if not isinstance(region, Region):
                raise TypeError(f"regions must be Region objects, got {region!r}")
            name = self._name(region.label, words)
            parts.append(self._write_region(words, name, region))
        return self._joined(parts)

    def decode(self, text: str) -> list[Region]:
        """Read the regions of a text, strictly.

        Text before, between and behind the instances is ignored. Inside an instance, only spaces
        are allowed between tags and bricks. Text that the encoder would not write is accepted if it
        has only one meaning.

        Returns
        -------
        The regions in the order of the text; an empty list without regions.

        Raises
        ------
        DecodeError
            The text does not follow the format; ``reason`` and ``position`` say why and where.
        TruncatedError
            The text stops inside an instance.
        TypeError
            The text is not a str.
        """
        return self._read(TextReading(text, strict=True))

    def recover(self, text: str) -> RecoveredRegions:
        """Read any text: return the regions that can be drawn, and the problems of the text.

        It never raises on a str. Rows and rings are repaired one by one. An instance without a
        readable box is left out. Memory and time are linear in the text and in the cells of its
        boxes; an instance has at most the cells of the grid.

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

    @abstractmethod
    def words(self) -> Words:
        """The tags and bricks as tables; shared by all codecs with the same spelling."""

    @abstractmethod
    def _read(self, reading: TextReading) -> list[Region]:
        """The regions of a text; its faults are reported to the reading."""

    @abstractmethod
    def _write(self, words: Any, label: str, mask: IntegerArray | RunMask) -> str:
        """Write a mask as an instance; "" if no cell of it is set."""

    @abstractmethod
    def _write_region(self, words: Any, label: str, region: Region) -> str:
        """Write a region as an instance; refuse a region that does not fit this codec."""

    def _name(self, label: str, words: Words) -> str:
        """The label as it is written."""
        return instance_label(label, words)

    def _joined(self, parts: list[str]) -> str:
        """Join instances to one text."""
        return "".join(parts)


class InstanceCodec(RegionCodec):
    """The base of formats of instances with a box and rows; use `Scanlines` or `BSD`."""

    __slots__ = ()

    has_boxes: ClassVar[bool] = True

    row_separator: str
    ref_tags: tuple[str, str]
    box_tags: tuple[str, str]
    seg_tags: tuple[str, str]

    def _read(self, reading: TextReading) -> list[Region]:
        return read_text(reading, self)

    def meanings(self) -> dict[str, tuple[str, int | None]]:
        """The meaning of each word of `vocabulary`: English words, and a number or None."""
        said, words = Codec.meanings(self), self.words()
        for run in words.runs() if self.has_bricks else ():
            kind = "end of row" if run >= END else "foreground" if run > 0 else "background"
            said[words.brick(run)] = kind, run - END if run >= END else abs(run)
        return said | {word: ("location", n) for n, word in enumerate(words.locations())}

    def reserved(self) -> tuple[str, str]:
        """Regular expressions that must not match in a label, and in other text."""
        pattern = self.words().forbidden.pattern
        return pattern, pattern

    def tags(self) -> tuple[str, ...]:
        """The tags; each opening tag comes before its closing tag."""
        return self.ref_tags + self.box_tags + self.seg_tags

    def vocabulary(self) -> list[str]:
        """The tags, bricks and location tokens that a tokenizer must have as one token each."""
        words = self.words()
        bricks = words.runs() if self.has_bricks else []
        return [*words.tags, *map(words.brick, bricks), *words.locations()]

    @property
    def has_bricks(self) -> bool:
        """Whether each brick is a token."""
        return True

    @property
    def frame(self) -> BoxFrame | None:
        """The frame of cells in an instance's box; None if cells belong to the image."""
        return None

    @property
    def most_cells(self) -> tuple[int, int]:
        """The most rows and columns of cells that an instance may have."""
        return self.canvas if self.frame is None else self.frame[:2]

    def longest_row(self) -> str:
        """A row with a brick for every cell."""
        words, columns = self.words(), self.most_cells[1]
        return "".join(words.brick((1, -1)[column % 2]) for column in range(columns))

    @abstractmethod
    def words(self) -> Spelling:
        """The tags and bricks as tables; shared by all codecs with the same spelling."""

    @abstractmethod
    def reader(self, reading: Reading, symbols: Symbols) -> InstanceReader:
        """The reader of a text, or of ids."""

    @abstractmethod
    def bind(self, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()) -> Binding:
        """Bind the codec to a tokenizer, for `maskcodec.TokenCodec`."""

    def _settle_tags(self) -> None:
        for name in ("ref_tags", "box_tags", "seg_tags"):
            object.__setattr__(self, name, strings(getattr(self, name), name))
