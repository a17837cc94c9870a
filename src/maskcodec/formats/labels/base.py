"""The base class of the image-wise codecs: the label of every cell as text."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from maskcodec.errors import ConfigError, LabelError, MaskError
from maskcodec.files.masks import opened_mask
from maskcodec.formats.labels.label_grid import (
    LabelGrid,
    RecoveredGrid,
    cell_label,
    drawn_grid,
    named_values,
)
from maskcodec.formats.labels.read_text import DescriptorReader
from maskcodec.kernels import labels as k
from maskcodec.masks.arrays import packed
from maskcodec.masks.grid import index_of, sample_labels, sample_mask
from maskcodec.masks.inputs import as_label_map, as_mask
from maskcodec.messages import check_choice, plural, shown
from maskcodec.text.codec import GridCodec, Lost, lost_error, lost_labels_message
from maskcodec.text.problems import TextReading, warn_dropped
from maskcodec.text.settings import MAX_GRID, check_apart, strings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.masks.arrays import Cells, Index, IntegerArray, Mask
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
    from maskcodec.tokenizers.binding import Binding

Names: TypeAlias = Mapping[int, str] | Sequence[str]

_NameTable: TypeAlias = "tuple[Index, Cells, tuple[str, ...]]"

_MARKS = "*", "|", "\n", ""
_SEPARATORS = r"[|*\n]|</?(?:ref|box)>"
_RUN = re.compile(r"[^\s*|][ \t]*\*[ \t]*[0-9]+[ \t]*(?:[|\r\n]|$)")  # label*count, not **words**
_CACHED_NAMES = 20_000  # characters: caching larger tables would leak memory
_DIGITS = len(str(MAX_GRID**2))  # of the longest run


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCodec(GridCodec):
    """The base of the image-wise formats; use `ISD`, `IRLE` or `RRLE`."""

    counted: ClassVar[bool] = True
    by_row: ClassVar[bool] = False

    grid: int | tuple[int, int] = 16
    background: str = "others"
    seg_tags: tuple[str, str] = ("<seg>", "</seg>")

    def __post_init__(self) -> None:
        GridCodec.__post_init__(self)
        object.__setattr__(self, "seg_tags", strings(self.seg_tags, "seg_tags"))
        check_apart(self.seg_tags)
        if any(character in "|*" for tag in self.seg_tags for character in tag):
            raise ConfigError(
                f"seg_tags must be two tags without | and *, got {self.seg_tags!r}", "seg_tags"
            )
        try:
            object.__setattr__(self, "background", cell_label(self.background, self.seg_tags))
        except (LabelError, TypeError) as error:
            raise ConfigError(f"background: {error}", "background") from error

    def encode(
        self,
        image: Any,
        labels: str | Names,
        *,
        shape: tuple[int, int] | None = None,
        threshold: int | None = None,
        lost: Lost = "raise",
    ) -> str:
        """Write a label map, or one mask, as text.

        Parameters
        ----------
        image
            (height, width), any memory order. With names, an integer label map; with one label, a
            mask of any integer type and two values, as `BSD.encode` takes it. Also Pillow images,
            and paths of files that ``maskcodec encode`` reads. With one label also an annotation's
            ``segmentation``, see `maskcodec.coco.read`.
        labels
            ``{value: name}`` or a sequence of names by value; values without a name become the
            background. Or one label, for a mask.
        shape
            (height, width) of the image; polygons need it. A mask or run lengths of another size
            are refused.
        threshold
            The least value that is set, for a mask of more than two values, such as one with grey
            edges: 128 for 0 .. 255. Only with one label.
        lost
            The treatment of labels that have pixels but no cell left, which is common on a coarse
            grid: ``"raise"``, or ``"drop"``, which leaves them out and logs one warning with their
            names. The method `lost` returns these names.

        Returns
        -------
        The text with its ``<seg>`` tags.

        Raises
        ------
        MaskError
            The array is not two-dimensional or has no pixels, a mask has more than two values and
            there is no threshold, or the segmentation is broken or does not fit the shape.
        ConfigError
            There is a threshold for a label map.
        LostMaskError
            A label has pixels but no cell left.
        LabelError
            A label is empty or would break the text, or a mask has the background's label.
        TypeError
            The array is not bool or integer, or a label is not a str.
        ModuleNotFoundError
            The mask is polygons, and pycocotools is missing.
        """
        check_choice(lost, Lost, "lost")
        grid, gone = self._sample(image, labels, shape, threshold)
        if gone and lost == "raise":
            raise lost_error(self, lost_labels_message(self, gone))
        if gone:
            warn_dropped(plural(len(gone), "label"), map(shown, gone))
        return self.encode_grid(grid)

    def lost(
        self,
        label_map: Any,
        names: str | Names,
        *,
        shape: tuple[int, int] | None = None,
        threshold: int | None = None,
    ) -> list[str]:
        """The labels of a label map that have pixels but no cell left.

        Parameters
        ----------
        label_map, names, shape, threshold
            As in `encode`; also one label and a mask.

        Raises
        ------
        MaskError, LabelError, TypeError, ModuleNotFoundError
            As in `encode`.

        Examples
        --------
        >>> import numpy as np, maskcodec as mc
        >>> label_map = np.zeros((64, 64), np.uint8)
        >>> label_map[0, 0], label_map[10:40, 20:50] = 1, 2
        >>> mc.RRLE(grid=8).lost(label_map, {1: "fly", 2: "dog"})
        ['fly']
        """
        return self._sample(label_map, names, shape, threshold)[1]

    def encode_grid(self, grid: LabelGrid) -> str:
        """Write a grid as text: the inverse of `decode`.

        Raises
        ------
        MaskError
            The grid has other rows and columns than the codec.
        LabelError
            A label would break the text.
        """
        if grid.cells.shape != self.canvas:
            raise MaskError(f"the grid must be {self.canvas} cells, got {grid.cells.shape}")
        long = sum(map(len, grid.names)) > _CACHED_NAMES
        table, bounds = (_label_table.__wrapped__ if long else _label_table)(
            grid.names, self.seg_tags
        )
        marks, mark_bounds = _mark_table(self.marks()[:3])
        cells = grid.cells.copy(order="C")
        if not self.by_row:
            cells = cells.reshape(1, -1)
        room = k.label_room(cells, bounds, self.counted, len(marks) + _DIGITS)
        data = np.empty(room, np.uint8)
        arguments = table, bounds, self.counted, marks, mark_bounds
        size = k.write_labels(cells, *arguments, data)
        return (
            self.seg_tags[0] + data[:size].tobytes().decode() + self.marks()[3] + self.seg_tags[1]
        )

    def decode(self, text: str) -> LabelGrid:
        """Read the grid of a text, strictly.

        The text contains exactly one ``<seg>...</seg>`` with any text around it, or it is a
        descriptor without tags. Spaces around labels, counts and separators are ignored.

        Raises
        ------
        DecodeError
            The text does not follow the format; ``reason`` and ``position`` say why and where.
        TruncatedError
            The text stops before its end.
        TypeError
            The text is not a str.
        """
        return self._read(TextReading(text, strict=True))

    def recover(self, text: str) -> RecoveredGrid:
        """Read any text: return a whole grid, and the problems of the text.

        It never raises on a str. With rows (R-RLE), a short row is filled with background, a long
        row is cut, and missing rows are background: a mistake stays in its row. Without rows (I-SD,
        I-RLE), the end is filled or cut. Memory is linear in the grid, time in the text.

        Examples
        --------
        >>> import maskcodec as mc
        >>> found = mc.RRLE(grid=(2, 4)).recover("<seg>others*1|dog*9\\ndog*2</seg>")
        >>> found.grid.mask("dog", (2, 4)).tolist()
        [[0, 1, 1, 1], [1, 1, 0, 0]]
        >>> [problem.reason for problem in found.problems]
        ['row-long', 'row-short']
        """
        reading = TextReading(text, strict=False)
        return RecoveredGrid(self._read(reading), reading.problems())

    def reserved(self) -> tuple[str, str]:
        """Regular expressions that must not match in a label, and in other text."""
        tags = "|".join(map(re.escape, self.seg_tags))
        return f"{tags}|{_SEPARATORS}", tags

    def is_words(self, text: str) -> bool:
        """Whether a text that does not decode is words alone, such as a denial, not a broken mask.

        A descriptor is also read without tags, so words must not contain the beginning of one.
        """
        if any(tag in text or html.escape(tag) in text for tag in self.seg_tags):
            return False
        return not _RUN.search(text) if self.counted else "|" not in text

    def bind(self, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()) -> Binding:
        """Bind the codec to a tokenizer, for `maskcodec.TokenCodec`."""
        from maskcodec.formats.labels.ids import LabelBinding

        return LabelBinding(self, tokenizer, ignore)

    def tags(self) -> tuple[str, ...]:
        """The opening and the closing tag."""
        return self.seg_tags

    def vocabulary(self) -> list[str]:
        """The two tags; a tokenizer must have each as one token."""
        return list(self.seg_tags)

    def marks(self) -> tuple[str, str, str, str]:
        """The marks between label and count, between runs, between rows, and at the end."""
        return _MARKS

    def _read(self, reading: TextReading) -> LabelGrid:
        return DescriptorReader(
            reading,
            self.canvas,
            self.background,
            self.seg_tags,
            counted=self.counted,
            by_row=self.by_row,
        ).read()

    def _sample(
        self, image: Any, labels: str | Names, shape: tuple[int, int] | None, threshold: int | None
    ) -> tuple[LabelGrid, list[str]]:
        """The grid of an image, and the labels with pixels but without cells."""
        if isinstance(labels, str):
            label = cell_label(labels, self.seg_tags)
            if label == self.background:
                raise LabelError(f"{label!r} is the background's label; a mask needs another one")
            source = as_mask(opened_mask(image), shape, threshold=threshold)
            mask = sample_mask(source, self.canvas, self.sampling)
            gone = [label] if not mask.any() and source.any() else []
            return drawn_grid(mask.astype(np.int32), (self.background, label)), gone
        if threshold is not None:
            raise ConfigError(
                "threshold is for a mask with one label; the values of a label map have names",
                "threshold",
            )
        values, numbers, names = self._named(labels)
        pixels = as_label_map(opened_mask(image), shape)
        if self.sampling != "nearest":  # sample labels: two values of one name count together
            pixels = np.append(numbers, np.int32(0))[index_of(pixels, values)]
            values = np.arange(1, len(names), dtype=np.int64)
            numbers = values.astype(np.int32)
        index = sample_labels(pixels, values, self.canvas, self.sampling)
        background = np.int32(0)
        cells = np.append(numbers, background)[index]  # index -1: the value has no name
        missing = set(range(1, len(names))) - set(np.unique(cells).tolist())
        if missing:
            there = numbers[np.isin(values, _values_in(pixels))]
            missing &= set(there.tolist())
        return drawn_grid(cells, names), [names[number] for number in sorted(missing)]

    def _named(self, labels: Names) -> _NameTable:
        """The table of the values and labels of a label map."""
        pairs = tuple(named_values(labels))
        long = sum(len(name) for _, name in pairs) > _CACHED_NAMES
        return (_name_table.__wrapped__ if long else _name_table)(
            pairs, self.background, self.seg_tags
        )


@lru_cache(maxsize=64)
def _name_table(
    pairs: tuple[tuple[int, str], ...], background: str, seg: tuple[str, str]
) -> _NameTable:
    """The named values, sorted; the number of each value's label; the labels by number."""
    names = {background: 0}
    numbers: dict[int, int] = {}
    for value, name in pairs:
        numbers[value] = names.setdefault(cell_label(name, seg), len(names))
    values = sorted(numbers)
    order = np.array([numbers[value] for value in values], np.int32)
    return np.array(values, np.int64), order, tuple(names)


def _values_in(pixels: IntegerArray) -> IntegerArray:
    """The values of a label map, sorted, without values beyond int64, which have no names."""
    flat = pixels.ravel(order="K")
    if flat.dtype == np.uint8:
        seen = np.zeros(256, np.uint8)
        k.mark_values(np.require(flat, requirements=["C", "W"]), seen)
        return np.flatnonzero(seen)
    last = np.append(np.flatnonzero(flat[1:] != flat[:-1]), len(flat) - 1)  # of each run
    found = np.unique(flat[last])
    return found[found <= np.iinfo(np.int64).max].astype(np.int64)


@lru_cache(maxsize=256)
def _label_table(names: tuple[str, ...], seg: tuple[str, str]) -> tuple[Mask, Index]:
    """The bytes of labels, one after another, and the offset of each label."""
    return packed([cell_label(name, seg) for name in names])


@lru_cache(maxsize=8)
def _mark_table(marks: tuple[str, ...]) -> tuple[Mask, Index]:
    return packed(marks)
