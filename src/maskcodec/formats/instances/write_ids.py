"""The writer of instances as ids: from masks to the ids that a tokenizer makes of their text."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from maskcodec.formats.instances.spelling import REF, REF_END, instance_label
from maskcodec.kernels import writing
from maskcodec.masks.arrays import as_bytes, bounds, is_plain
from maskcodec.masks.grid import Sampling, every_cell, nearest_pixels, sample_mask, sampled
from maskcodec.tokenizers.vocab import label_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.formats.instances.codec import InstanceCodec
    from maskcodec.formats.instances.vocab import BrickVocab
    from maskcodec.masks.arrays import Index, IntegerArray, Mask
    from maskcodec.masks.frame import BoxFrame, BoxSampling
    from maskcodec.masks.inputs import Rows
    from maskcodec.masks.runs import RunMask
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

_CACHED = 4096  # labels that are kept
_CACHED_LENGTH = 100  # a longer label is not a class name: caching it would leak memory
_CHUNK = 256  # masks whose cells are held at once
_USUAL = 512  # ids of room for each mask of a batch at first
_NO_PLACES = np.empty((0, 10), np.int64)


class BrickWriter:
    """Writes instances as ids, if the ids of a box are the concatenation of its numbers' ids.

    Parameters
    ----------
    codec, tokenizer, vocab
        The codec, the tokenizer, and its vocabulary of the codec, with ``tables``.
    """

    def __init__(self, codec: InstanceCodec, tokenizer: AnyTokenizer, vocab: BrickVocab) -> None:
        self._canvas, self._frame = codec.canvas, codec.frame
        self._sampling = codec.sampling
        self._tokenizer = tokenizer
        self._vocab = vocab
        self._words = codec.words()
        self._label = lru_cache(_CACHED)(self._label_ids)
        rows, columns = codec.most_cells
        self._scratch = rows * (columns + 2) + rows * (columns + 1)  # edges, and runs
        assert vocab.tables is not None
        self._tables = vocab.tables

    @property
    def looks_at_all(self) -> bool:
        """Whether `one` reads every pixel, and so finds masks of more than two values."""
        return self._frame is not None

    @property
    def rows(self) -> Rows | None:
        """A function from an image's shape to the rows of pixels that are used; None for all."""
        if self._frame is not None or self._sampling != "nearest":
            return None
        return lambda shape: nearest_pixels(self._canvas, shape, None)[0]

    def one(self, mask: IntegerArray | RunMask, label: str) -> Index | None:
        """The ids of one mask; an empty array if no cell of it is left.

        None if more than two values were found in the mask.
        """
        name = self.label(label)
        if self._frame is not None:
            masks = as_bytes(mask)[None] if isinstance(mask, np.ndarray) else [mask]
            places, cells = self._frame.sample_all(masks, cast("BoxSampling", self._sampling))
            if places[0, 8] < 0:
                return None
            return self._write_cells(cells[:, None], *every_cell(self._frame[:2]), name, places)[0]
        pixels, ys, xs = sampled(mask, self._canvas, cast("Sampling", self._sampling))
        return self._write_cells(pixels[None], ys, xs, name)[0]

    def many(self, masks: Any, labels: Sequence[str]) -> tuple[Index, Index]:
        """The ids of masks, one after another, and the N + 1 offsets of their ends.

        ``masks`` is an array (N, height, width), or a list of masks as `sample_mask` takes them.
        """
        canvas, frame = self._canvas, self._frame
        if isinstance(masks, np.ndarray) and is_plain(masks):
            masks = masks.view(np.uint8)
            if frame is None and self._sampling == "nearest":
                indices = nearest_pixels(canvas, masks.shape[1:], None)
                return self._write_cells(masks, *indices, self._labels(labels))
        parts, counts = [np.empty(0, np.int64)], [np.zeros(1, np.int64)]
        for first in range(0, len(masks), _CHUNK):
            chunk = masks[first : first + _CHUNK]
            names = self._labels(labels[first : first + _CHUNK])
            if frame is not None:
                ids, edges = self._write_framed(frame, chunk, names)
            else:
                cells = np.empty((len(chunk), *canvas), np.uint8)
                for index, mask in enumerate(chunk):
                    cells[index] = sample_mask(mask, canvas, cast("Sampling", self._sampling))
                ids, edges = self._write_cells(cells, *every_cell(canvas), names)
            parts.append(ids)
            counts.append(np.diff(edges))
        return np.concatenate(parts), np.cumsum(np.concatenate(counts))

    def label(self, label: str) -> Index:
        """A label in the form for `writing.write_ids`: two edges, and its ids.

        Raises
        ------
        LabelError
            The label is empty, or would break the text or the tags around it.
        """
        if isinstance(label, str) and len(label) <= _CACHED_LENGTH:
            return self._label(label)
        return self._label_ids(label)

    def _labels(self, labels: Sequence[str]) -> Index:
        """Labels in the form for `writing.write_ids`: the edges, and the ids of all labels."""
        names = [self.label(label)[2:] for label in labels]
        edges = bounds(names)
        return np.concatenate([edges + len(edges), *names])

    def _label_ids(self, label: str) -> Index:
        tags = self._words.tags
        name = instance_label(label, self._words)
        ids = label_ids(self._tokenizer, self._vocab, name, tags[REF], tags[REF_END])
        return np.array([2, 2 + len(ids), *ids], np.int64)

    def _write_framed(self, frame: BoxFrame, masks: Any, labels: Index) -> tuple[Index, Index]:
        """The ids of masks whose cells belong to their boxes, and the offsets of their ends.

        ``masks`` is uint8 (N, height, width), or a list.
        """
        places, cells = frame.sample_all(masks, cast("BoxSampling", self._sampling))
        return self._write_cells(cells[:, None], *every_cell(frame[:2]), labels, places)

    def _write_cells(
        self, masks: Mask, ys: Index, xs: Index, labels: Index, places: Index = _NO_PLACES
    ) -> tuple[Index, Index]:
        source = masks, ys, xs, places, np.empty(self._scratch, np.int64)
        longest, count = int(self._tables[0]), len(masks)
        offsets = np.zeros(count + 1, np.int64)
        ids = np.empty(longest + len(labels) + (count - 1) * min(_USUAL, longest), np.int64)
        done = writing.write_ids(*source, labels, self._tables, 0, ids, offsets)
        while done < count:
            ids = np.concatenate([ids, np.empty(len(ids) + longest, np.int64)])
            done = writing.write_ids(*source, labels, self._tables, done, ids, offsets)
        return ids[: offsets[-1]].copy(), offsets
