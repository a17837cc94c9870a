"""Instances as ids of a tokenizer; with bricks also without text, with streams and guides."""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from maskcodec.errors import LostMaskError
from maskcodec.files.masks import opened_mask
from maskcodec.formats.instances.guide import BrickGuide
from maskcodec.formats.instances.read_ids import BrickReader
from maskcodec.formats.instances.spelling import REF, REF_END, instance_label
from maskcodec.formats.instances.vocab import read_brick_vocab
from maskcodec.formats.instances.write_ids import BrickWriter
from maskcodec.masks.inputs import as_mask
from maskcodec.text.codec import lost_error, lost_message
from maskcodec.text.regions import RecoveredRegions
from maskcodec.tokenizers.binding import Binding
from maskcodec.tokenizers.guide import guide_words
from maskcodec.tokenizers.vocab import as_ids, label_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.formats.instances.codec import InstanceCodec
    from maskcodec.formats.instances.guide import RowGuide
    from maskcodec.masks.arrays import Index
    from maskcodec.masks.inputs import Rows
    from maskcodec.text.regions import Region
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
    from maskcodec.tokenizers.binding import Each
    from maskcodec.tokenizers.guide import Guide, GuideOptions

_ANY_LABEL = 32  # ids: no label of the data sets is longer


class InstanceBinding(Binding):
    """The ids of instances, written and read as the ids of their text.

    Parameters
    ----------
    codec, tokenizer, ignore
        As in `Binding`.
    reading
        The codec that reads ids; it differs if the tokenizer does not keep all of the text.
    """

    codec: InstanceCodec
    reading: InstanceCodec

    def decode(self, ids: Any) -> list[Region]:
        """Read the regions of ids, strictly."""
        return self.reading.decode(self.text(ids))

    def recover(self, ids: Any) -> RecoveredRegions:
        """Read any ids: return the regions that can be drawn, and the problems."""
        return self.reading.recover(self.text(ids))

    def spans(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """The span of ids, start and stop, of each region of `recover`.

        For a reader, an instance ends at ``</seg>``, or at the latest at the next label. So each
        part between is read alone, together with the tag behind it: without that tag, the part
        would look cut off, and its instance might not be drawn.
        """
        tags = [self.vocab.words[tag] for tag in self.codec.tags()]
        ends = {0, len(ids)}
        for at, number in enumerate(ids):
            if number == tags[0]:
                ends.add(at)
            elif number == tags[-1]:
                ends.add(at + 1)
        spans = []
        for start, stop in pairwise(sorted(ends)):
            first = next((at for at in range(start, stop) if ids[at] in tags), start)
            spans += [(first, stop)] * len(self.recover(ids[start : stop + 1]).regions)
        return spans

    def longest(self, options: GuideOptions) -> int | None:
        """The most ids of the masks of an answer under a guide; None without a limit."""
        if options.instances is None:
            return None
        labels = self._labels(options)
        label = _ANY_LABEL if labels is None else max(map(len, labels), default=0)
        return options.instances * (len(self.codec.tags()) + label + self._longest_mask())

    def _longest_mask(self) -> int:
        """The most ids of a box and its rows: of a box, one for each of its characters."""
        words = self.codec.words()
        most = max(self.codec.canvas) - 1
        box = 4 if words.boxes.location else len(words.boxes.text((most,) * 4)) + 1
        row = len(self.tokenizer.encode(self.codec.longest_row() + self.codec.row_separator))
        return box + self.codec.most_cells[0] * row

    def _labels(self, options: GuideOptions) -> list[list[int]] | None:
        """The ids of each label to choose from; None for any."""
        return None if options.labels is None else [*map(self._label_ids, options.labels)]

    def _label_ids(self, label: str) -> list[int]:
        words = self.codec.words()
        name, tags = instance_label(label, words), words.tags
        return label_ids(self.tokenizer, self.vocab, name, tags[REF], tags[REF_END])

    def _write(self, mask: Any, label: Any, where: str) -> tuple[str, LostMaskError | None]:
        try:
            return self.codec.encode(mask, label), None
        except LostMaskError:
            return "", self._lost(where, label, mask)

    def _lost(self, where: str, label: str, mask: Any) -> LostMaskError:
        return lost_error(self.codec, lost_message(self.codec, where, label, mask))


class BrickBinding(InstanceBinding):
    """The ids of instances with bricks, written and read without the text."""

    def __init__(
        self, codec: InstanceCodec, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()
    ) -> None:
        super().__init__(codec, tokenizer, ignore)
        self.vocab = self.bricks = read_brick_vocab(codec, tokenizer, self.vocabulary, self.vocab)
        self.reading = self._read_as()
        self._reader = BrickReader(self.reading, tokenizer, self.bricks)
        self._writer: BrickWriter | None = None
        if self.bricks.tables is not None:
            self._writer = BrickWriter(codec, tokenizer, self.bricks)

    def _read_as(self) -> InstanceCodec:
        """The codec that reads ids."""
        return self.codec

    @abstractmethod
    def _rows(self, options: GuideOptions) -> RowGuide:
        """The guide of rows."""

    @property
    def rows(self) -> Rows | None:
        """A function from an image's shape to the rows of pixels that are used; None for all."""
        return None if self._writer is None else self._writer.rows

    def encode(self, image: Any, labels: Any, **options: Any) -> Index:
        """The ids of a mask; options as in the codec's `encode`."""
        if self._writer is None:
            return super().encode(image, labels, **options)
        shape, threshold = options.pop("shape", None), options.pop("threshold", None)
        image = opened_mask(image)
        later, rows = self._writer.looks_at_all, self._writer.rows
        pixels = as_mask(image, shape, threshold=threshold, later=later, rows=rows)
        ids = self._writer.one(pixels, labels)
        if ids is None:
            pixels = as_mask(pixels)
            ids = cast("Index", self._writer.one(pixels, labels))
        if len(ids) == 0:  # a lost mask or an empty one: the codec raises if it is lost
            self.codec.encode(pixels, labels, **options)
        return ids

    def encode_each(self, masks: Any, labels: Sequence[Any]) -> Each:
        """The ids of masks, written in one compiled call, and the errors of lost masks."""
        if self._writer is None:
            return super().encode_each(masks, labels)
        ids, offsets = self._writer.many(masks, labels)
        gone = {}
        for index in np.flatnonzero(np.diff(offsets) == 0).tolist():
            if masks[index].any():
                where = f"mask {index}" if len(labels) > 1 else "mask"
                gone[index] = self._lost(where, labels[index], masks[index])
        return ids, offsets, gone

    def decode(self, ids: Any) -> list[Region]:
        """Read the regions of ids, strictly."""
        numbers = as_ids(ids)
        regions = self._reader.read(numbers)
        return self._reader.reading(numbers, strict=True)[0] if regions is None else regions

    def recover(self, ids: Any) -> RecoveredRegions:
        """Read any ids: return the regions that can be drawn, and the problems."""
        numbers = as_ids(ids)
        regions = self._reader.read(numbers)
        if regions is None:
            return RecoveredRegions(*self._reader.reading(numbers, strict=False))
        return RecoveredRegions(regions, [])

    def guide(self, options: GuideOptions) -> Guide:
        """The automaton of the ids that may come next."""
        words = guide_words(options, self.tokenizer, self.vocab)
        rows, labels = self._rows(options), self._labels(options)
        return BrickGuide(self.codec, self.bricks, rows, words, options, labels=labels)
