"""Decode ids one by one, to show regions while a model is still writing."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from array import array
from typing import TYPE_CHECKING

import numpy as np

from maskcodec.formats.instances.spelling import BOX, BOX_END, REF, REF_END, SEG, SEG_END
from maskcodec.kernels import reading as k
from maskcodec.masks.grid import paint_cells
from maskcodec.messages import plural

if TYPE_CHECKING:
    from maskcodec.errors import Problem
    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.read_ids import BrickReader
    from maskcodec.formats.instances.vocab import BrickVocab
    from maskcodec.masks.arrays import Cells, Index
    from maskcodec.text.codec import Codec
    from maskcodec.text.regions import Region

# As plain numbers, which Python compares faster than NumPy's.
_TEXT, _TAG, _PASSED_OVER = int(k.TEXT), int(k.TAG), (int(k.SPACE), int(k.IGNORED))
_IGNORED, _PIECE = int(k.IGNORED), int(k.PIECE)
_NONE = -1  # the last tag of an instance without tags so far
_NO_BOX = _NONE, REF, REF_END  # behind these last tags, a box may come without its own tags


class MaskStream(ABC):
    """The regions of ids that come one by one; `TokenCodec.stream` makes a stream.

    After each id, `regions` equals the regions that ``recover`` returns for all ids so far. The
    time of a push depends only on its own run, not on earlier ids. An instance with wrong tags or a
    wrong box is read again when it ends.

    Attributes
    ----------
    row_ended
        Whether the last push completed a row or an instance: a good time to show `index_map`.
    """

    def __init__(self, codec: Codec) -> None:
        self._canvas = codec.canvas
        self._ids = array("q")
        self._finished: list[Region] = []
        # Painted on request: the finished regions, and these with the current region on top.
        self._below: Cells | None = None
        self._shown: Cells
        self._painted = 0
        self._over: list[Region] = []
        self.row_ended = False

    @abstractmethod
    def push(self, id_: int) -> MaskStream:
        """Take the next id; returns the stream itself, as in ``stream.push(id_).regions``.

        Raises
        ------
        TypeError
            The id is not an integer.
        OverflowError
            The id does not fit int64.
        """

    def __repr__(self) -> str:
        whole = plural(len(self._finished), "whole region")
        return f"<MaskStream: {plural(len(self._ids), 'id')}, {whole}>"

    @property
    def regions(self) -> list[Region]:
        """The regions so far. The last one may still grow: the next call makes a new one."""
        return [*self._finished, *self._present()]

    @property
    @abstractmethod
    def problems(self) -> list[Problem]:
        """The problems so far, truncation included; all ids are read again."""

    @property
    def index_map(self) -> Cells:
        """int32 (rows, columns), read-only: 1 + the index of the region on top, or 0.

        The next call changes it; copy it to keep it. For scanlines, rows and columns are the bins
        of the image's sides.
        """
        if self._below is None:
            self._below, self._shown = np.zeros((2, *self._canvas), np.int32)
        for region in self._over:  # only this region is drawn again
            self._shown[_place(region)] = self._below[_place(region)]
        for region in self._finished[self._painted :]:
            self._painted += 1
            _paint(self._below, region, self._painted)
            self._shown[_place(region)] = self._below[_place(region)]
        self._over = self._present()
        for region in self._over:
            _paint(self._shown, region, self._painted + 1)
        view = self._shown.view()
        view.flags.writeable = False
        return view

    @abstractmethod
    def _present(self) -> list[Region]:
        """The region of the current instance so far; empty if it has none yet."""

    def _next(self, id_: int) -> int:
        number = operator.index(id_)  # an element of a tensor cannot be a key
        self._ids.append(number)
        return number

    def _since(self, start: int, stop: int | None = None) -> Index:
        return np.array(self._ids[start:stop], np.int64)


class BrickStream(MaskStream):
    """The regions of ids with bricks; each format draws its rows."""

    _may_draw: bool  # whether the next id may begin rows without their tag
    _draws: bool  # whether rows have begun

    def __init__(self, reader: BrickReader, vocab: BrickVocab) -> None:
        super().__init__(reader.codec)
        self._reader = reader
        self._codec = reader.codec
        self._boxes = reader.codec.words().boxes
        special = np.flatnonzero(vocab.kinds != k.TEXT)
        self._kinds = dict(zip(special.tolist(), vocab.kinds[special].tolist(), strict=True))
        self._begin(0)

    def push(self, id_: int) -> BrickStream:
        """Take the next id; returns the stream itself."""
        id_ = self._next(id_)
        self.row_ended = False
        kind = self._kinds.get(id_, _TEXT)
        if kind in _PASSED_OVER or id_ == k.IGNORE_INDEX:
            return self
        if _TAG <= kind < _TAG + 6:
            self._tag(kind - _TAG)
            return self
        if self._may_draw:  # without <seg>, rows may only begin directly behind the box
            self._may_draw = False
            self._draws = 0 != kind < _TEXT
        if self._draws and kind < _TEXT:
            self._run(kind)
        elif self._draws and _IGNORED < kind < _PIECE:
            for _ in range((kind - _IGNORED) // 2):
                self._run(k.SEPARATOR)
        return self

    @property
    def problems(self) -> list[Problem]:
        """The problems so far; all ids are read again."""
        return self._reader.reading(self._since(0), strict=False)[1]

    def _begin(self, start: int) -> None:
        """Wait for an instance."""
        self._last = _NONE  # its last tag: tags come in order, some may be missing
        self._from = start  # the end of the instance before
        self._behind = start
        self._label = ""
        self._box: Box | None = None
        self._may_draw = self._draws = False

    def _tag(self, tag: int) -> None:
        here = len(self._ids) - 1
        if tag <= self._last:  # too early for this instance: the tag begins the next one
            self._end(closed=False)
        if tag == SEG_END:
            self._end(closed=True)
            return
        if self._last == BOX:
            self._box = self._reader.repaired_box(self._since(self._behind, here))
        elif self._last == REF or (self._last in _NO_BOX and tag in (BOX_END, SEG)):
            self._label_or_box(self._reader.text(self._since(self._behind, here)), tag)
        self._last, self._behind = tag, here + 1
        if self._box is not None:
            self._open(self._box)
            self._may_draw, self._draws = tag == BOX_END, tag == SEG

    def _label_or_box(self, text: str, tag: int) -> None:
        """Read the text before a tag as a label, or as a box without its tags."""
        name, place = self._boxes.parted(text) if tag in (BOX_END, SEG) else ("", "")
        if place:
            self._box = self._boxes.repaired(place)[0]
        if self._last != REF_END:
            self._label = name if place else text.strip() if self._last == REF else ""

    @abstractmethod
    def _open(self, box: Box) -> None:
        """Begin an instance's rows."""

    @abstractmethod
    def _run(self, run: int) -> None:
        """Draw one brick, or end a row, as the kernel does."""

    @abstractmethod
    def _drawn(self, box: Box, *, closed: bool) -> list[Region]:
        """The region of the current instance; `closed` if ``</seg>`` has ended it."""

    def _present(self) -> list[Region]:
        return [] if self._box is None else self._drawn(self._box, closed=False)

    def _end(self, *, closed: bool) -> None:
        """End the current instance. The last id is its ``</seg>`` if `closed`, else a later tag."""
        if self._draws and closed and self._box is not None:
            self._finished += self._drawn(self._box, closed=True)
        elif self._box is not None or self._last == BOX:
            self._finished += self._reader.reading(self._since(self._from), strict=False)[0]
        self._begin(len(self._ids) - (not closed))
        self.row_ended = True


def _place(region: Region) -> tuple[slice, slice]:
    """The slices of a region's box on the canvas."""
    x1, y1, x2, y2 = region.box
    return slice(y1, y2 + 1), slice(x1, x2 + 1)


def _paint(index_map: Cells, region: Region, number: int) -> None:
    part, cells = index_map[_place(region)], region.cells
    if region.frame == "box":
        cells = paint_cells(cells.copy(), (0, 0), cells.shape, part.shape)
    part[cells == 1] = number
