"""A decoded label map: a grid of cells with numbers, and the label of each number."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskcodec.errors import LabelError, MaskError, Problem
from maskcodec.masks.arrays import as_painted_size, as_pixels
from maskcodec.masks.grid import Method, nearest_edges, paint_cells
from maskcodec.messages import shown
from maskcodec.text.problems import check_label
from maskcodec.text.regions import Region

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskcodec.masks.arrays import Cells, Mask


_CACHED_LABEL = 100  # a longer label is not a class name: caching it would leak memory
_TAGS = ("<ref>", "</ref>", "<box>", "</box>")


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class LabelGrid:
    """A grid of labels over a whole image, as the image-wise codecs return it.

    Two grids are equal if every cell has the same label; the numbers of labels may differ.

    Parameters
    ----------
    cells
        (rows, columns), integer: indices into `names`. Kept as read-only int32.
    names
        The labels, each once; ``names[0]`` is the background.

    Examples
    --------
    >>> import maskcodec as mc
    >>> grid = mc.LabelGrid([[0, 1], [1, 1]], ("others", "dog"))
    >>> grid.mask("dog", (2, 4))
    array([[0, 0, 1, 1],
           [1, 1, 1, 1]], dtype=uint8)
    """

    cells: Cells
    names: tuple[str, ...]

    def __init__(self, cells: Any, names: Sequence[str]) -> None:
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"names must be a sequence of str, got {names!r}")
        labels = tuple(name.strip() for name in names)
        if not labels or len(set(labels)) != len(labels):
            raise LabelError(f"names must be labels that each stand once, got {labels!r}")
        pixels = as_pixels(cells, "cells")
        low, high = int(pixels.min()), int(pixels.max())
        if low < 0 or high >= len(labels):
            raise MaskError(f"cells must be 0 .. {len(labels) - 1}, got {low} .. {high}")
        _fill(self, np.array(pixels, np.int32, order="C"), labels)

    def mask(
        self,
        label: str,
        shape: tuple[int, int],
        *,
        method: Method = "nearest",
        out: Mask | None = None,
    ) -> Mask:
        """The mask of a label on the whole image; empty if no cell has the label.

        Parameters
        ----------
        label
            The label, as in the text.
        shape
            (height, width) in pixels.
        method
            ``"nearest"``, ``"smooth"`` or ``"contour"``, as in `Region.mask`.
        out
            uint8 (height, width), C-contiguous and writable: written to, and returned.

        Returns
        -------
        uint8 array (height, width) of 0 and 1.
        """
        if not isinstance(label, str):
            raise TypeError(f"label must be a str, got {label!r}")
        name = label.strip()
        number = self.names.index(name) if name in self.names else -1
        cells = (self.cells == number).view(np.uint8)
        return paint_cells(cells, (0, 0), cells.shape, shape, method, out)

    def label_map(
        self,
        shape: tuple[int, int],
        names: Mapping[int, str] | Sequence[str] | None = None,
        *,
        missing: int | None = None,
    ) -> npt.NDArray[np.int32 | np.int64]:
        """The label of every pixel as a number; each cell is a rectangle of pixels.

        Parameters
        ----------
        shape
            (height, width) in pixels.
        names
            The value of each label, as given to `encode`: ``{value: name}`` or a sequence. By
            default a value is an index into this grid's `names`.
        missing
            The value of labels that are not in `names`, such as the background.

        Returns
        -------
        int32 array (height, width), int64 with `names`, owned by the caller.

        Raises
        ------
        LabelError
            A label on the grid has no value in `names`, and `missing` is not given.
        """
        height, width = as_painted_size(shape, "shape")
        cells: npt.NDArray[np.int32 | np.int64] = self.cells
        if names is not None:
            values = {name.strip(): value for value, name in reversed(named_values(names))}
            table = [self._value(k, values, missing) for k in range(len(self.names))]
            cells = np.array(table, np.int64)[cells]
        counts = [
            np.diff(nearest_edges(cells.shape[0], height)),
            np.diff(nearest_edges(cells.shape[1], width)),
        ]
        return np.repeat(np.repeat(cells, counts[1], axis=1), counts[0], axis=0)

    def _value(self, number: int, values: Mapping[str, int], missing: int | None) -> int:
        name = self.names[number]
        if name in values:
            return values[name]
        if missing is not None:
            return missing
        if not (self.cells == number).any():
            return 0
        raise LabelError(f"label {name!r} has no value in names; give missing= for such labels")

    def _key(self) -> tuple[tuple[int, int], tuple[str, ...], bytes]:
        used, first = np.unique(self.cells, return_index=True)
        order = used[np.argsort(first)]
        rank = np.zeros(len(self.names), np.int32)
        rank[order] = np.arange(len(order))
        return (self.cells.shape, tuple(self.names[k] for k in order), rank[self.cells].tobytes())

    def regions(self) -> list[Region]:
        """The labels as regions of the grid, each with a tight box; without the background.

        Examples
        --------
        >>> import maskcodec as mc
        >>> mc.LabelGrid([[0, 2], [0, 2]], ("others", "sky", "dog")).regions()[0].box
        (1, 0, 1, 1)
        """
        found = []
        for number in range(1, len(self.names)):
            cells = self.cells == number
            ys, xs = np.flatnonzero(cells.any(1)).tolist(), np.flatnonzero(cells.any(0)).tolist()
            if ys:
                box = xs[0], ys[0], xs[-1], ys[-1]
                within = cells[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
                found.append(Region(self.names[number], box, within, self.cells.shape))
        return found

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, LabelGrid) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[type[LabelGrid], tuple[Cells, tuple[str, ...]]]:
        return LabelGrid, (self.cells, self.names)  # the copy must be read-only, too

    def __repr__(self) -> str:
        rows, columns = self.cells.shape
        return f"<LabelGrid {rows} x {columns} cells of {', '.join(map(repr, self.names[:8]))}>"


class RecoveredGrid(NamedTuple):
    """The result of `recover` of an image-wise codec.

    Attributes
    ----------
    grid
        The whole grid; cells that the text does not mention are background.
    problems
        All problems, in the order of the text; empty if `decode` returns the same grid.
    """

    grid: LabelGrid
    problems: list[Problem]

    @property
    def regions(self) -> list[Region]:
        """The labels of the grid as regions."""
        return self.grid.regions()


def named_values(names: Mapping[int, str] | Sequence[str]) -> list[tuple[int, str]]:
    """Check the names of a label map; return pairs of value and name."""
    if isinstance(names, Mapping):
        pairs = list(names.items())
    elif isinstance(names, Sequence) and not isinstance(names, str):
        pairs = list(enumerate(names))
    else:
        raise TypeError(f"names must be a mapping or a sequence, got {names!r}")
    checked = []
    for value, name in pairs:
        try:
            key = operator.index(value)
        except TypeError:
            raise TypeError(f"the values in names must be integers, got {value!r}") from None
        if not -(2**63) <= key < 2**63:
            raise LabelError(f"the values in names must fit int64, got {key}")
        if not isinstance(name, str):
            raise TypeError(f"label must be a str, got {name!r}")
        checked.append((key, name))
    return checked


def drawn_grid(cells: Cells, names: tuple[str, ...]) -> LabelGrid:
    """Make a grid without checks: int32 cells that nothing else writes to."""
    grid = object.__new__(LabelGrid)
    _fill(grid, cells, names)
    return grid


def _fill(grid: LabelGrid, cells: Cells, names: tuple[str, ...]) -> None:
    cells.flags.writeable = False
    object.__setattr__(grid, "cells", cells)
    object.__setattr__(grid, "names", names)


def cell_label(label: str, seg: tuple[str, str]) -> str:
    """The label as it is written: stripped; refused if it would break the text."""
    if isinstance(label, str) and len(label) <= _CACHED_LABEL:
        return _cell_label(label, seg)
    return _cell_label.__wrapped__(check_label(label), seg)


@lru_cache(maxsize=4096)
def _cell_label(label: str, seg: tuple[str, str]) -> str:
    stripped = check_label(label)
    for separator in ("|", "*", "\n", *_TAGS, *seg):
        if separator in stripped:
            raise LabelError(
                f"label {shown(label)} holds {separator!r}, which separates the labels of an "
                "image-wise text; remove or replace it"
            )
    return stripped
