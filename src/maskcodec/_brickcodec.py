"""The settings of B-SD: checked, told apart by their frame, and written out as plain data."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, cast

from maskcodec._arrays import brief
from maskcodec.codec import Codec, grid_pair, strings
from maskcodec.errors import ConfigError
from maskcodec.frame import MOST_BINS, MOST_CELLS, BoxFrame, BoxSampling, Frame
from maskcodec.grid import check_choice
from maskcodec.spelling import Spelling, checked_spelling

_BRICKS = "<fg{}>", "<bg{}>", "<rep{}>"
_PLAIN = "fg{}", "bg{}", "rep{}"
_CANVAS_CELLS, _BOX_CELLS, _BINS = 64, (11, 63), 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BrickCodec(Codec):
    """What `maskcodec.BSD` is made of but for the masks; its parameters are described there."""

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
            raise ConfigError(f"row_separator must be '\\n' or '', got {brief(self.row_separator)}")
        for name in ("bricks", "repeats"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be True or False, got {brief(getattr(self, name))}")
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

    def _usual(self) -> tuple[str, ...]:
        return (_BRICKS if self.bricks else _PLAIN)[: 2 + self.repeats]

    def _settle_canvas(self) -> None:
        if self.bins is not None:
            got = brief(self.bins)
            raise ConfigError(f'bins are for frame="box", got bins={got} on the canvas')
        if self.grid is None:
            object.__setattr__(self, "grid", _CANVAS_CELLS)
        if self.sampling is None:
            object.__setattr__(self, "sampling", "nearest")
        if self.sampling == "best":
            raise ConfigError('sampling="best" is for frame="box"; on the canvas use "keep"')
        Codec.__post_init__(self)

    def _settle_box(self) -> None:
        if not self.row_separator:
            raise ConfigError('frame="box" needs row_separator="\\n": a row may have any width')
        value = _BINS if self.bins is None else self.bins
        whole = hasattr(value, "__index__") and not isinstance(value, bool)
        bins = operator.index(value) if whole else 0
        if not 1 <= bins <= MOST_BINS:
            raise ConfigError(f"bins must be a whole number, 1 .. {MOST_BINS}, got {brief(value)}")
        object.__setattr__(self, "bins", bins)
        grid = _BOX_CELLS if self.grid is None else self.grid
        pair = grid_pair(grid, MOST_CELLS)
        object.__setattr__(self, "grid", pair if isinstance(grid, (list, tuple)) else pair[0])
        if self.sampling is None:
            object.__setattr__(self, "sampling", "keep")
        check_choice(cast("str", self.sampling), BoxSampling, "sampling")
