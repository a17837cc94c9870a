"""Read the ids of instances: in compiled code if they have no fault, else as text is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from maskcodec.kernels import reading as k
from maskcodec.text.problems import Reading, cut
from maskcodec.text.regions import drawn_region
from maskcodec.tokenizers.vocab import padding, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskcodec.errors import Problem
    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.codec import InstanceCodec
    from maskcodec.formats.instances.vocab import BrickVocab
    from maskcodec.masks.arrays import Index, Mask
    from maskcodec.masks.grid import Frame
    from maskcodec.text.regions import Region
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

    _Room: TypeAlias = tuple[Index, bytearray, Mask]

T = TypeVar("T")

_CACHED = 4096  # labels and boxes that are kept
_CACHED_BYTES = 800  # more than 100 ids are not a class name: caching them would leak memory


class IdReading(Reading):
    """The reading of ids: a tag or a brick is its id, never the pieces that spell it.

    Parameters
    ----------
    ids
        int64 (n,), padding included.
    tokenizer, vocab
        The tokenizer of the ids, and its vocabulary.
    """

    unit = "id"

    def __init__(
        self, ids: Index, tokenizer: AnyTokenizer, vocab: BrickVocab, *, strict: bool
    ) -> None:
        kept = ~padding(ids, vocab)
        self.ids = ids[kept]
        self._where = np.append(np.flatnonzero(kept), len(ids))
        self._tokenizer = tokenizer
        self._vocab = vocab
        super().__init__(len(self.ids), strict=strict)

    def slice(self, start: int, stop: int) -> str:
        """The text of some ids."""
        return text_of(self.ids[start:stop], self._tokenizer, self._vocab)

    def excerpt(self, start: int, stop: int) -> str:
        """The beginning of the text of some ids, for a message."""
        return self.slice(start, min(stop, start + 80))[:80]

    def places(self, positions: list[int]) -> list[int]:
        """Positions among all ids, padding included."""
        counted: list[int] = self._where[positions].tolist()
        return counted

    def regions(self, codec: InstanceCodec) -> list[Region]:
        """The regions of the ids; faults are reported."""
        kinds = self._vocab.kinds
        symbols = cut(len(self.ids), lambda *room: k.scan_ids(self.ids, kinds, *room))
        return codec.reader(self, symbols).read()


class _Known(dict[bytes, T]):
    """A cache of the meaning of ids, by their bytes; long keys are not kept.

    It takes half the time of `functools.lru_cache`, which would also need a function around it that
    leaves out long keys.
    """

    def __init__(self, read: Callable[[bytes], T]) -> None:
        self._read = read

    def __missing__(self, data: bytes) -> T:
        value = self._read(data)
        if len(data) <= _CACHED_BYTES:
            if len(self) >= _CACHED:
                self.clear()
            self[data] = value
        return value


def _new_room(most: tuple[int, int]) -> _Room:
    """Room for `reading.read_instance`: its results, and the cells as bytes and as an array."""
    drawn = bytearray(most[0] * most[1] + k.BLOCK)
    return np.zeros(13, np.int64), drawn, np.frombuffer(drawn, np.uint8)


class BrickReader:
    """Reads the instances of ids, in compiled code if they have no fault.

    Parameters
    ----------
    codec, tokenizer, vocab
        The codec that reads ids, the tokenizer, and its vocabulary of the codec.
    """

    def __init__(self, codec: InstanceCodec, tokenizer: AnyTokenizer, vocab: BrickVocab) -> None:
        self.codec = codec
        self._tokenizer = tokenizer
        self._vocab = vocab
        self._words = codec.words()
        self._canvas, self._most = codec.canvas, codec.most_cells
        self._kind: Frame = "canvas" if codec.frame is None else "box"
        boxes = self._words.boxes
        own = (0, 0) if codec.frame is None else self._most
        turned = boxes.axes == "yx", boxes.location is not None
        settings = *self._canvas, codec.row_separator != "", *own, *turned
        self._tables = np.array([*settings, *vocab.pieces], np.int64)
        self._rooms: list[_Room] = []
        self._labels = _Known(self._read_label)
        self._boxes = _Known(self._read_box)

    def read(self, ids: Index) -> list[Region] | None:
        """The regions of ids of complete, exact instances; None for all other ids."""
        try:
            room = self._rooms.pop()
        except IndexError:  # other threads use all of them
            room = _new_room(self._most)
        regions = self._read(ids, room)
        self._rooms.append(room)
        return regions

    def _read(self, ids: Index, room: _Room) -> list[Region] | None:
        found, drawn, cells = room
        regions: list[Region] = []
        kinds, tables = self._vocab.kinds, self._tables
        at = 0
        while at < len(ids):
            start = at
            at = k.read_instance(ids, start, kinds, tables, found, cells)
            if at == -2:
                box = self.box(ids[found[2] + 1 : found[3]])
                if box is None:
                    return None
                found[6:11] = *box, 1
                at = k.read_instance(ids, start, kinds, tables, found, cells)
            if at <= 0:
                return None if at < 0 else regions
            ref, ref_end, _, _, _, _, x1, y1, x2, y2, _, *shape = found.tolist()
            label = self._labels[ids[ref + 1 : ref_end].tobytes()]
            if label is None:
                return None
            # A slice of a bytearray is a copy, and takes half as long as an array's.
            own = np.ndarray(shape, np.uint8, drawn[: shape[0] * shape[1]])
            regions.append(drawn_region(label, (x1, y1, x2, y2), self._canvas, self._kind, own))
        return regions

    def reading(self, ids: Index, *, strict: bool) -> tuple[list[Region], list[Problem]]:
        """The regions of any ids, and their problems; if strict, the first problem is raised."""
        reading = IdReading(ids, self._tokenizer, self._vocab, strict=strict)
        return reading.regions(self.codec), reading.problems()

    def box(self, ids: Index) -> Box | None:
        """The box of the ids between its tags; None if they have a fault."""
        return self._boxes[ids.tobytes()]

    def repaired_box(self, ids: Index) -> Box | None:
        """The box of any ids between its tags, padding included; None if there is no box."""
        return self._words.boxes.repaired(self.text(ids))[0]

    def text(self, ids: Index) -> str:
        """The text of ids, without padding."""
        return text_of(ids[~padding(ids, self._vocab)], self._tokenizer, self._vocab)

    def _read_label(self, data: bytes) -> str | None:
        label = self._text(data).strip()
        return label if label and not self._words.forbidden.search(label) else None

    def _read_box(self, data: bytes) -> Box | None:
        return self._words.boxes.plain(self._text(data))

    def _text(self, data: bytes) -> str:
        return text_of(np.frombuffer(data, np.int64), self._tokenizer, self._vocab)
