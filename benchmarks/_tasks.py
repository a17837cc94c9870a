"""What `bench_codec.py` times: the mask, the rivals, and who does what with which result."""

from __future__ import annotations

import importlib
import sys
import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import maskcodec as mc
import naive
import vectorised

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Mask = npt.NDArray[np.uint8]

LABEL = "dog"
GRID = 64
SHAPE = 480, 640

# The names of calls and tasks that a claim is about.
BSD, RRLE, TEXT4SEG = "maskcodec B-SD", "maskcodec R-RLE", "maskcodec R-RLE, text4seg"
NAIVE_BSD, NAIVE_RRLE = "naive twin B-SD", "naive twin R-RLE"
PAINT, FILL = "maskcodec, out=", "out.fill(1)"
TO_BSD, TO_RRLE = "480 x 640 mask to B-SD text", "480 x 640 mask to R-RLE text"
TO_CELLS, TO_PIXELS = "string to 64 x 64 cells", "64 x 64 cells to a 480 x 640 mask"


@dataclass
class Call:
    """One thing to time: who does it, how, and whether its result is right."""

    who: str
    run: Callable[[], Any]
    is_right: Callable[[Any], bool]

    @property
    def is_rival(self) -> bool:
        """Whether somebody else does the same work as ours."""
        return not self.who.startswith("maskcodec") and self.who != FILL


@dataclass
class Task:
    """Calls that do the same; the first one is what the others are compared with."""

    title: str
    calls: list[Call]

    def key(self, call: Call) -> str:
        """The name of one of its calls among all that are timed."""
        return f"{self.title}: {call.who}"


@dataclass
class Rival:
    """A library for COCO run lengths. It gets masks in Fortran order, its fastest."""

    name: str
    encode: Callable[[Mask], Any]
    decode: Callable[[Any, tuple[int, int]], Any]

    def keeps(self, pixels: Mask, rle: Any) -> bool:
        """Whether a result of `encode` decodes to what it was made from."""
        return np.array_equal(self.decode(rle, pixels.shape), pixels)

    def encoding(self, pixels: Mask) -> Call:
        """Time `encode`."""
        columns = np.asfortranarray(pixels)
        return Call(self.name, partial(self.encode, columns), partial(self.keeps, pixels))

    def decoding(self, pixels: Mask) -> Call:
        """Time `decode`."""
        rle = self.encode(np.asfortranarray(pixels))
        return Call(self.name, partial(self.decode, rle, pixels.shape), _same(pixels))


def installed_rivals() -> list[Rival]:
    """The rivals that are there; a line on stderr for each that is not."""
    rivals = []
    for module, setup in [
        ("pycocotools.mask", _coco),
        ("hotcoco.mask", _coco),
        ("supervision", _supervision),
    ]:
        name = module.partition(".")[0]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that OpenCV is missing: run lengths need none
                library = importlib.import_module(module)
        except ImportError:
            print(f"no {name}: pip install -e '.[bench]' installs it", file=sys.stderr)
        else:
            rivals.extend(setup(name, library))
    return rivals


def _coco(name: str, library: Any) -> list[Rival]:
    return [Rival(name, library.encode, lambda rle, _: library.decode(rle))]


def _supervision(name: str, library: Any) -> list[Rival]:
    def text(mask: Mask) -> Any:
        return library.mask_to_rle(mask.view(np.bool_), compressed=True)

    def counts(mask: Mask) -> Any:
        return library.mask_to_rle(mask.view(np.bool_))

    def decode(rle: Any, shape: tuple[int, int]) -> Any:
        return library.rle_to_mask(rle, shape[::-1])

    return [Rival(name, text, decode), Rival(f"{name}, list of counts", counts, decode)]


def animal() -> Mask:
    """A body, a head, two legs and a tail, uint8 `SHAPE`."""
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    mask = np.zeros(SHAPE, np.bool_)
    ellipses = [
        (225, 290, 70, 150),
        (165, 440, 50, 55),
        (310, 195, 80, 20),
        (315, 375, 80, 20),
        (160, 165, 45, 14),
    ]
    for y, x, ry, rx in ellipses:
        mask |= ((ys - y) / ry) ** 2 + ((xs - x) / rx) ** 2 < 1
    return mask.view(np.uint8)


def all_tasks(mask: Mask) -> list[Task]:
    """Everything that is timed, with the rivals that are installed."""
    rivals = installed_rivals()
    small = vectorised.sample(mask, (GRID, GRID))
    return [
        *_to_text(mask),
        _cells_to_string(small, rivals),
        _pixels_to_string(mask, rivals),
        _string_to_cells(mask, small, rivals),
        _text_to_mask(mask, small),
        _string_to_pixels(mask, rivals),
        _cells_to_mask(mask, small),
    ]


def check(tasks: list[Task]) -> None:
    """Run every call once, and stop at a wrong result."""
    for task in tasks:
        for call in task.calls:
            if not call.is_right(call.run()):
                sys.exit(f"wrong result of {task.key(call)}")


def _to_text(mask: Mask) -> list[Task]:
    bsd, rrle = mc.BSD(grid=GRID), mc.RRLE(grid=GRID)
    text4seg = mc.RRLE(grid=GRID, dialect="text4seg")
    is_bsd = _same(naive.encode_bsd(mask, LABEL, GRID))
    is_rrle = _same(vectorised.encode_rrle(mask, LABEL, GRID))
    naive_text = naive.encode_rrle(mask, LABEL, GRID)
    arguments = mask, LABEL
    return [
        Task(
            TO_BSD,
            [
                Call(BSD, partial(bsd.encode, *arguments), is_bsd),
                Call(NAIVE_BSD, partial(naive.encode_bsd, *arguments, GRID), is_bsd),
                Call("NumPy B-SD", partial(vectorised.encode_bsd, *arguments, GRID), is_bsd),
            ],
        ),
        Task(
            TO_RRLE,
            [
                Call(RRLE, partial(rrle.encode, *arguments), is_rrle),
                Call(
                    TEXT4SEG,
                    partial(text4seg.encode, *arguments),
                    _same(f"<seg>{naive_text}</seg>"),
                ),
                Call(NAIVE_RRLE, partial(naive.encode_rrle, *arguments, GRID), _same(naive_text)),
                Call("NumPy R-RLE", partial(vectorised.encode_rrle, *arguments, GRID), is_rrle),
            ],
        ),
    ]


def _cells_to_string(small: Mask, rivals: list[Rival]) -> Task:
    bsd, rrle = mc.BSD(grid=GRID), mc.RRLE(grid=GRID)
    is_bsd = _same(vectorised.encode_bsd(small, LABEL, GRID))
    is_rrle = _same(vectorised.encode_rrle(small, LABEL, GRID))
    return Task(
        "64 x 64 cells to a string",
        [
            Call(BSD, partial(bsd.encode, small, LABEL), is_bsd),
            Call(RRLE, partial(rrle.encode, small, LABEL), is_rrle),
            Call("NumPy B-SD", partial(vectorised.encode_bsd, small, LABEL, GRID), is_bsd),
            *(rival.encoding(small) for rival in rivals),
        ],
    )


def _pixels_to_string(mask: Mask, rivals: list[Rival]) -> Task:
    bsd = mc.BSD(grid=SHAPE)
    return Task(
        "480 x 640 mask to a string, every pixel kept",
        [
            Call(
                "maskcodec B-SD, grid=(480, 640)",
                partial(bsd.encode, mask, LABEL),
                lambda text: _same(mask)(bsd.decode(text)[0].mask(SHAPE)),
            ),
            *(rival.encoding(mask) for rival in rivals),
        ],
    )


def _string_to_cells(mask: Mask, small: Mask, rivals: list[Rival]) -> Task:
    bsd, rrle = mc.BSD(grid=GRID), mc.RRLE(grid=GRID)
    bsd_text, rrle_text = bsd.encode(mask, LABEL), rrle.encode(mask, LABEL)
    rows, columns = np.flatnonzero(small.any(axis=1)), np.flatnonzero(small.any(axis=0))
    box = small[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Task(
        TO_CELLS,
        [
            Call(BSD, lambda: bsd.decode(bsd_text)[0].cells, _same(box)),
            Call(RRLE, lambda: rrle.decode(rrle_text).cells, _same(small)),
            Call("NumPy B-SD", partial(vectorised.decode_bsd, bsd_text, GRID), _same(small)),
            *(rival.decoding(small) for rival in rivals),
        ],
    )


def _text_to_mask(mask: Mask, small: Mask) -> Task:
    bsd, text4seg = mc.BSD(grid=GRID), mc.RRLE(grid=GRID, dialect="text4seg")
    bsd_text, text4seg_text = bsd.encode(mask, LABEL), text4seg.encode(mask, LABEL)
    naive_text = naive.encode_rrle(mask, LABEL, GRID)
    out = np.empty(SHAPE, np.uint8)
    is_right = _same(_upwards(small))
    return Task(
        "text of 64 x 64 cells to a 480 x 640 mask",
        [
            Call(BSD, lambda: bsd.decode(bsd_text)[0].mask(SHAPE), is_right),
            Call(f"{BSD}, out=", lambda: bsd.decode(bsd_text)[0].mask(SHAPE, out=out), is_right),
            Call(TEXT4SEG, lambda: text4seg.decode(text4seg_text).mask(LABEL, SHAPE), is_right),
            Call(NAIVE_RRLE, partial(naive.decode_rrle, naive_text, LABEL, GRID, SHAPE), is_right),
            Call(
                "NumPy B-SD",
                lambda: vectorised.sample(vectorised.decode_bsd(bsd_text, GRID), SHAPE),
                is_right,
            ),
        ],
    )


def _string_to_pixels(mask: Mask, rivals: list[Rival]) -> Task:
    bsd = mc.BSD(grid=SHAPE)
    text = bsd.encode(mask, LABEL)
    return Task(
        "string of every pixel to a 480 x 640 mask",
        [
            Call(
                "maskcodec B-SD, grid=(480, 640)",
                lambda: bsd.decode(text)[0].mask(SHAPE),
                _same(mask),
            ),
            *(rival.decoding(mask) for rival in rivals),
        ],
    )


def _cells_to_mask(mask: Mask, small: Mask) -> Task:
    bsd = mc.BSD(grid=GRID)
    region = bsd.decode(bsd.encode(mask, LABEL))[0]
    full = mc.Region(LABEL, (0, 0, GRID - 1, GRID - 1), np.ones_like(small), canvas=small.shape)
    out = np.empty(SHAPE, np.uint8)
    is_right, all_set = _same(_upwards(small)), _same(np.ones(SHAPE))
    return Task(
        TO_PIXELS,
        [
            Call(PAINT, partial(region.mask, SHAPE, out=out), is_right),
            Call("maskcodec", partial(region.mask, SHAPE), is_right),
            Call("maskcodec, out=, every cell set", partial(full.mask, SHAPE, out=out), all_set),
            Call("Pillow", partial(_upwards, small), is_right),
            Call("NumPy", partial(vectorised.sample, small, SHAPE), is_right),
            Call(FILL, partial(out.fill, 1), lambda _: all_set(out)),
        ],
    )


def _upwards(small: Mask) -> Mask:
    return np.array(Image.fromarray(small).resize(SHAPE[::-1], Image.Resampling.NEAREST))


def _same(expected: Any) -> Callable[[Any], bool]:
    return lambda result: np.array_equal(result, expected)
