"""Decoding ids as they come: what there is to show while a model is still writing."""

from __future__ import annotations

import operator
from array import array
from enum import Enum, auto
from typing import TYPE_CHECKING

import numpy as np

from maskcodec import _kernels as k
from maskcodec.grid import paint_cells
from maskcodec.region import drawn_region
from maskcodec.spelling import BOX, BOX_END, REF, REF_END, SEG, SEG_END

if TYPE_CHECKING:
    from maskcodec._arrays import Cells, Index, Mask
    from maskcodec._idreading import BrickReader
    from maskcodec._instances import Box
    from maskcodec.errors import Problem
    from maskcodec.region import Region
    from maskcodec.vocab import BrickVocab

# As plain numbers, which Python compares faster than NumPy's.
_TEXT, _TAG, _PASSED_OVER = int(k.TEXT), int(k.TAG), (int(k.SPACE), int(k.IGNORED))
_IGNORED, _PIECE = int(k.IGNORED), int(k.PIECE)


class _At(Enum):
    """Where in an instance the stream is; `ASTRAY` where only the whole of it can tell."""

    OUTSIDE = auto()
    LABEL = auto()
    BEFORE_BOX = auto()
    BOX = auto()
    BEFORE_ROWS = auto()
    ROWS = auto()
    ASTRAY = auto()


_NEXT = {
    (_At.OUTSIDE, REF): _At.LABEL,
    (_At.LABEL, REF_END): _At.BEFORE_BOX,
    (_At.BEFORE_BOX, BOX): _At.BOX,
    (_At.BOX, BOX_END): _At.BEFORE_ROWS,
    (_At.BEFORE_ROWS, SEG): _At.ROWS,
    (_At.ROWS, SEG_END): _At.OUTSIDE,
}


class MaskStream:
    """The regions of ids that come one by one; `TokenCodec.stream` makes it.

    After any ids, `regions` is what ``recover`` returns for them. A push takes time for its own
    run only, whatever came before. An instance that is not as it should be is read anew when
    somebody asks for it, until it ends.

    Attributes
    ----------
    row_ended
        Whether the last push completed a row or an instance: a good time to show `canvas`.
    """

    def __init__(self, reader: BrickReader, vocab: BrickVocab, canvas: tuple[int, int]) -> None:
        self._reader = reader
        special = np.flatnonzero(vocab.kinds != k.TEXT)
        self._kinds = dict(zip(special.tolist(), vocab.kinds[special].tolist(), strict=True))
        self._canvas = canvas
        self._ids = array("q")
        self._frame = reader.frame
        self._finished: list[Region] = []
        # What is shown is drawn as it comes, but in the box frame, where nobody can know before
        # the end of an instance how large its cells are.
        drawn = canvas if self._frame is None else (0, 0)
        self._below: Cells = np.zeros(drawn, np.int32)  # the finished regions
        self._shown: Cells = np.zeros(drawn, np.int32)  # and the present one
        self._at = _At.OUTSIDE
        self._from = 0  # where the present instance starts, and its label and box
        self._start, self._label = 0, ""
        self._box: Box = (0, 0, 0, 0)
        self._cells: Mask = np.zeros((0, 1), np.uint8)
        self._row, self._x = 0, 0
        self._width = 0  # of the rows, once it is known
        self._repeated = False  # whether the present row is one that repeats
        self.row_ended = False

    def push(self, id_: int) -> MaskStream:
        """Take the next id; returns the stream itself, as in ``stream.push(id_).regions``.

        Raises
        ------
        TypeError
            It is no integer.
        OverflowError
            It does not fit int64.
        """
        id_ = operator.index(id_)  # an element of a tensor is no key
        self._ids.append(id_)
        self.row_ended = False
        kind = self._kinds.get(id_, _TEXT)
        if kind in _PASSED_OVER:
            return self
        if _TAG <= kind < _TAG + 6:
            self._tag(kind - _TAG)
        elif self._at is _At.ROWS and kind < _TEXT:
            self._run(kind)
        elif self._at is _At.ROWS and _IGNORED < kind < _PIECE:
            for _ in range((kind - _IGNORED) // 2):
                self._run(k.SEPARATOR)
        elif self._at is _At.BEFORE_ROWS and id_ != k.IGNORE_INDEX:
            self._at = _At.ASTRAY
        return self

    def __repr__(self) -> str:
        return f"<MaskStream: {len(self._ids)} ids, {len(self._finished)} whole regions>"

    @property
    def regions(self) -> list[Region]:
        """The regions so far, the last of which may still grow: that of the next call is new."""
        return [*self._finished, *self._present()]

    @property
    def problems(self) -> list[Problem]:
        """What is wrong so far, with all ids looked at once more; a cut-off answer is, too."""
        return self._reader.reading(self._since(0), strict=False)[1]

    @property
    def canvas(self) -> Cells:
        """int32 (rows, columns), read-only: 1 + the index of the region that lies on top, or 0.

        It changes with the next push; copy it to keep it. In the box frame it has the bins of the
        image's sides, and is drawn anew whenever it is asked for.
        """
        shown = self._shown
        if self._frame is not None:
            shown = np.zeros(self._canvas, np.int32)
            for number, region in enumerate(self.regions, 1):
                _paint(shown, region, number)
        elif self._at is _At.ASTRAY:
            shown = self._below.copy()
            for number, region in enumerate(self._present(), len(self._finished) + 1):
                _paint(shown, region, number)
        view = shown.view()
        view.flags.writeable = False
        return view

    def _tag(self, tag: int) -> None:
        here = len(self._ids) - 1
        if tag == REF and self._at is not _At.OUTSIDE:
            self._settle()  # whatever was open ends here, and what it was is decided now
        after = _NEXT.get((self._at, tag), _At.ASTRAY)
        if self._at is _At.OUTSIDE:
            self._from = here
        if after in (_At.LABEL, _At.BOX):
            self._start = here + 1
        elif after is _At.BEFORE_BOX:
            self._label = self._reader.text(self._since(self._start, here)).strip()
        elif after is _At.BEFORE_ROWS:
            box = self._reader.box(self._reader.kept(self._since(self._start, here)))
            if box is None:
                after = _At.ASTRAY
            else:
                self._open(box)
        elif after is _At.OUTSIDE:
            self._finish(self._present(whole=True))
        elif tag == SEG_END:
            self._settle()
            after = _At.OUTSIDE
        self._at = after

    def _open(self, box: Box) -> None:
        self._box = box
        shape = box[3] - box[1] + 1, box[2] - box[0] + 1
        self._cells = np.zeros(shape if self._frame is None else self._frame.most, np.uint8)
        self._width = shape[1] if self._frame is None else 0
        self._row, self._x = 0, 0
        self._repeated = False

    def _run(self, run: int) -> None:
        """Draw one brick, repeat a row, or end one, as `_kernels.draw` does."""
        separated = self._reader.separated
        if run == k.SEPARATOR:
            self._width = self._width or self._x
            self._row += separated or self._x > 0
            self._x = 0
            self._repeated = False
            self.row_ended = True
        elif self._row >= len(self._cells) or self._repeated:
            return
        elif run > k.REPEAT:
            self._repeat(run - int(k.REPEAT))
        else:
            width = self._width or self._cells.shape[1]
            stop = min(self._x + abs(run), width)
            if run > 0:
                self._cells[self._row, self._x : stop] = 1
                self._show(self._row, self._x, stop)
            self._x = stop
            if not separated and stop == width:
                self._row += 1
                self._x = 0
                self.row_ended = True

    def _repeat(self, copies: int) -> None:
        if self._x > 0 or self._row == 0:
            return
        first, stop = self._row, min(self._row + copies, len(self._cells))
        self._cells[first:stop] = self._cells[first - 1]
        for row in range(first, stop):
            self._show(row, 0, self._cells.shape[1])
        self._row = stop
        self.row_ended = True
        if self._reader.separated and first + copies == stop:  # the separator ends the last one
            self._row -= 1
            self._x = self._width  # 0 while it is not known
            self._repeated = True

    def _show(self, row: int, start: int, stop: int) -> None:
        """Draw a part of the present instance's row onto what is shown."""
        if self._frame is None:
            x, y = self._box[0], self._box[1] + row
            shown = self._shown[y, x + start : x + stop]
            shown[self._cells[row, start:stop] == 1] = len(self._finished) + 1

    def _present(self, *, whole: bool = False) -> list[Region]:
        """What the present instance shows so far, or in the end."""
        if self._at is _At.ASTRAY:
            return self._reader.reading(self._since(self._from), strict=False)[0]
        if self._at not in (_At.BEFORE_ROWS, _At.ROWS):
            return []
        begun = self._x > 0 or self._repeated
        rows, width = self._row + begun, self._width or max(self._x, 1)
        if self._frame is not None and whole:
            rows = self._row + 1  # the present one, whatever it has
        elif self._frame is not None:
            rows = max(rows, self._frame.likely_rows(self._box, width))
        cells = self._cells[:rows, :width].copy()
        return [drawn_region(self._label, self._box, self._canvas, self._reader.kind, cells)]

    def _settle(self) -> None:
        """End an instance that is not as it should be; the last id is the tag that ends it."""
        self._finish(self._reader.reading(self._since(self._from), strict=False)[0])
        self._at = _At.OUTSIDE

    def _finish(self, regions: list[Region]) -> None:
        for region in regions:
            self._finished.append(region)
            _paint(self._below, region, len(self._finished))
        self._shown[:] = self._below
        self.row_ended = True

    def _since(self, start: int, stop: int | None = None) -> Index:
        return np.array(self._ids[start:stop], np.int64)


def _paint(canvas: Cells, region: Region, number: int) -> None:
    x1, y1, x2, y2 = region.box
    cells = region.cells
    if canvas.size == 0:
        return
    if region.frame == "box":
        cells = paint_cells(cells.copy(), (0, 0), cells.shape, (y2 - y1 + 1, x2 - x1 + 1))
    canvas[y1 : y2 + 1, x1 : x2 + 1][cells == 1] = number
