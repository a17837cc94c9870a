"""Image files: an array of the claimed shape or a named error, and no other program runs."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import tracemalloc
import warnings
import zlib
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import numpy as np
from PIL import EpsImagePlugin, Image

from maskcodec.cli.read import InputError, read_mask
from maskcodec.data._labelmaps import picture_mask, read_index, read_segments
from maskcodec.data._pictures import picture_shape
from maskcodec.errors import SourceError
from maskcodec.files.images import MOST_CLAIMED
from maskcodec.files.photos import as_picture

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from maskcodec.masks.runs import RunMask

    Maker = Callable[[random.Random], "Made"]

MEASURED = 0.1  # the share of cases whose memory is traced, which is slow
# Python's memory: 16 bytes a pixel that is claimed, and Pillow's own bound for texts, 64 MB.
MOST_PER_PIXEL, MOST_PER_BYTE, MOST_BESIDES = 16, 40, 70 << 20
# Pillow's memory, in blocks of 16 MB: three images of the most pixels and 4 bytes each.
MOST_BLOCKS = 3 * 4 * MOST_CLAIMED // (1 << 24) + 9
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the colour type
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Made(NamedTuple):
    """A file: its bytes, the shapes that it claims, and what is in it if that is sure."""

    data: bytes
    shapes: set[tuple[int, int]]
    values: np.ndarray | None = None
    is_grey: bool = False


def case(rng: random.Random, folder: Path) -> list[str]:
    """A file by the name of a PNG, and what each reader makes of it."""
    make = rng.choice(MAKERS)
    made = make(rng)
    path = folder / "x.png"
    path.write_bytes(made.data)
    claimed = max((height * width for height, width in made.shapes), default=0)
    outcomes: list[str] = []
    traced = rng.random() < MEASURED and claimed < 1 << 20
    if traced:
        tracemalloc.start()
    try:
        with no_programs() as started:
            for look in LOOKS:
                before = Image.core.get_stats()["allocated_blocks"]
                outcomes.append(f"{look.__name__}: {look(path, made, rng)}")
                blocks = Image.core.get_stats()["allocated_blocks"] - before
                most = 0 if make is beyond else MOST_BLOCKS
                assert blocks <= most, (
                    f"{look.__name__} of {max(made.shapes, default=())} took {blocks} blocks"
                )
        peak = tracemalloc.get_traced_memory()[1] if traced else 0
    finally:
        if traced:
            tracemalloc.stop()
    assert not started, f"{make.__name__}: a program was started: {started[0]}"
    most = MOST_PER_PIXEL * claimed + MOST_PER_BYTE * len(made.data) + MOST_BESIDES
    assert peak <= most, f"{len(made.data)} bytes took {peak:,} bytes of memory"
    return outcomes


@contextmanager
def no_programs() -> Iterator[list[str]]:
    """Record what would start a program, which raises instead."""
    started: list[str] = []

    def refuse(*arguments: Any, **_: Any) -> None:
        started.append(repr(arguments)[:200])
        raise PermissionError("no program may be started")

    with ExitStack() as stack:
        for module, name in [
            (subprocess, "Popen"),
            (os, "system"),
            (os, "popen"),
            (os, "posix_spawn"),
            (os, "fork"),
        ]:
            stack.enter_context(mock.patch.object(module, name, refuse))
        # As if Ghostscript were there, which Pillow looks for once.
        stack.enter_context(mock.patch.object(EpsImagePlugin, "gs_binary", "gs"))
        yield started


# ------------------------------------------------------------------------ the readers


def index(path: Path, made: Made, rng: random.Random) -> str:
    """A label map."""
    del rng
    try:
        found = read_index(path)
    except SourceError as error:
        assert made.values is None, f"a good one is refused: {error}"
        return named(error, path)
    values = painted(found)
    check(values, made, "i")
    if made.values is not None:
        assert np.array_equal(values, made.values), "its values are others"
    return "masks"


def segments(path: Path, made: Made, rng: random.Random) -> str:
    """A panoptic PNG."""
    shape = rng.choice([None, *made.shapes])
    try:
        found = read_segments(path, shape)
    except SourceError as error:
        return named(error, path)
    values = painted(found)
    check(values, made, "i")
    assert int(values.max()) < 1 << 24
    return "masks"


def painted(masks: dict[int, RunMask]) -> np.ndarray:
    """The label map that some masks make up, each pixel in exactly one of them."""
    shape = next(iter(masks.values())).shape
    values = np.full(shape, -1, np.int64)
    for value, mask in masks.items():
        own = mask.mask() == 1
        assert (values[own] == -1).all(), "masks overlap"
        values[own] = value
    assert (values >= 0).all(), "a pixel has no value"
    return values


def mask_of(path: Path, made: Made, rng: random.Random) -> str:
    """A picture of a mask, which must have the size of its image."""
    shape = rng.choice([*made.shapes, (3, 7)])
    try:
        found = picture_mask(path, shape)
    except SourceError as error:
        several = made.values is not None and len(np.unique(made.values)) > 2
        good = made.values is not None and shape in made.shapes and not several
        assert not good, f"a good one is refused: {error}"
        return named(error, path)
    assert found.shape == shape
    if made.values is not None and made.is_grey:
        background = made.values.min() if made.values.min() != made.values.max() else 0
        assert np.array_equal(found.mask(), made.values != background), "its mask is another"
    return "array"


def size(path: Path, made: Made, _: random.Random) -> str:
    """The size of a photo."""
    try:
        found = picture_shape(path)
    except SourceError as error:
        return named(error, path)
    assert not made.shapes or found in made.shapes or found[::-1] in made.shapes, found
    return "size"


def typed(path: Path, made: Made, _: random.Random) -> str:
    """A mask as the command line reads it."""
    try:
        found = read_mask(str(path))
    except (InputError, SourceError) as error:
        assert made.values is None, f"a good one is refused: {error}"
        return named(error, path)
    check(found, made, "iub")
    return "array"


def photo(path: Path, made: Made, _: random.Random) -> str:
    """A photo as the command line reads it."""
    try:
        found = as_picture(path)
    except SourceError as error:
        return named(error, path)
    shape = found.height, found.width
    assert not made.shapes or shape in made.shapes or shape[::-1] in made.shapes, shape
    assert found.mode == "RGB"
    return "photo"


LOOKS = index, segments, mask_of, size, typed, photo


def check(found: np.ndarray, made: Made, kinds: str) -> None:
    """Whole numbers in one of the shapes that the file claims, and none of an unread claim."""
    assert found.ndim == 2
    assert found.dtype.kind in kinds, found.dtype
    assert not made.shapes or found.shape in made.shapes, found.shape
    assert found.size <= MOST_CLAIMED, f"{found.size:,} pixels are beyond the bound"


def named(error: Exception, path: Path) -> str:
    """The kind of a refusal."""
    message = str(error)
    assert str(path) in message, message
    assert len(message) < 2000, f"the message has {len(message)} characters"
    for word in ("missing", "mode", "claims", "pixels"):
        if word in message:
            return word
    return "refused"


# ------------------------------------------------------------------------ PNG, chunk by chunk


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk with its right CRC."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


class Png:
    """The chunks of a small, good PNG, and what is in it."""

    def __init__(self, rng: random.Random) -> None:
        self.kind = rng.choice([0, 0, 2, 3, 3, 4, 6])
        self.depth = rng.choice(DEPTHS[self.kind])
        self.shape = rng.randrange(1, 9), rng.randrange(1, 20)
        height, width = self.shape
        bits = width * self.depth * SAMPLES[self.kind]
        self.values: np.ndarray | None = None
        if SAMPLES[self.kind] == 1:
            top = 1 << self.depth
            numbers = [rng.randrange(rng.choice([2, top])) for _ in range(height * width)]
            self.values = np.array(numbers, np.int64).reshape(self.shape)
            rows = [_packed(row, self.depth) for row in self.values.tolist()]
            if self.kind == 0 and 1 < self.depth < 8:  # greys are spread over 0 .. 255
                self.values *= 255 // (top - 1)
        else:
            rows = [rng.randbytes((bits + 7) // 8) for _ in range(height)]
        self.pixels = b"".join(b"\0" + row for row in rows)
        header = struct.pack(">IIBBBBB", width, height, self.depth, self.kind, 0, 0, 0)
        self.chunks = [(b"IHDR", header)]
        if self.kind == 3:
            self.chunks.append((b"PLTE", rng.randbytes(3 << self.depth)))
        self.chunks += [(b"IDAT", zlib.compress(self.pixels, 1)), (b"IEND", b"")]

    def made(self, *, good: bool) -> Made:
        """The file."""
        shapes = {
            struct.unpack(">II", data[:8])[::-1]
            for kind, data in self.chunks
            if kind == b"IHDR" and len(data) >= 8
        }
        data = SIGNATURE + b"".join(chunk(*one) for one in self.chunks)
        return Made(data, shapes, self.values if good else None, self.kind == 0)

    def insert(
        self, rng: random.Random, kind: bytes, data: bytes, *, at: int | None = None
    ) -> None:
        """A chunk more, somewhere behind the header."""
        self.chunks.insert(rng.randrange(1, len(self.chunks)) if at is None else at, (kind, data))

    def replace(self, kind: bytes, change: Callable[[bytes], bytes]) -> None:
        """Change what is in the chunks of a kind."""
        self.chunks = [(k, change(data) if k == kind else data) for k, data in self.chunks]


def _packed(row: list[int], depth: int) -> bytes:
    bits = "".join(f"{number:0{depth}b}" for number in row)
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def good(rng: random.Random) -> Made:
    """Nothing is wrong with it."""
    png = Png(rng)
    if rng.random() < 0.3:
        png.insert(rng, b"tEXt", b"Comment\0a dog")
    return png.made(good=True)


def header(rng: random.Random) -> Made:
    """Sizes, depths, colours and interlacing that are not those of the pixels."""
    png = Png(rng)
    sides = [0, 1, 2, 7, 8, 9, 255, 4000, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]

    def change(data: bytes) -> bytes:
        fields = list(struct.unpack(">IIBBBBB", data))
        for _ in range(rng.randrange(1, 3)):
            k = rng.randrange(7)
            small = [0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 255]
            fields[k] = rng.choice(sides if k < 2 else small)
        found = struct.pack(">IIBBBBB", *fields)
        return (
            found if rng.random() < 0.9 else found[: rng.randrange(14)] + b"\0" * rng.randrange(3)
        )

    png.replace(b"IHDR", change)
    if rng.random() < 0.2:
        png.insert(rng, b"IHDR", change(Png(rng).chunks[0][1]))
    return png.made(good=False)


def beyond(rng: random.Random) -> Made:
    """More pixels than are read, and hardly any there; some have all of them, as nothing."""
    png = Png(rng)
    width = rng.choice([1 << 14, 12_000, 1 << 20, (1 << 31) - 1])
    height = MOST_CLAIMED // width + rng.choice([1, 2, 3000])
    fields = struct.pack(">II", width, height)
    png.replace(b"IHDR", lambda data: fields + data[8:])
    return png.made(good=False)


def pixels(rng: random.Random) -> Made:
    """Pixels that are too few, too many, cut, broken, or in several chunks."""
    png, raw = Png(rng), b""
    way = rng.randrange(8)
    if way == 0:
        raw = zlib.compress(png.pixels[: rng.randrange(len(png.pixels))])
    elif way == 1:
        raw = zlib.compress(png.pixels + bytes(rng.choice([1, 100, 1 << 20])))
    elif way == 2:
        whole = zlib.compress(png.pixels)
        raw = whole[: rng.randrange(len(whole))]
    elif way == 3:
        broken = bytearray(png.pixels)
        broken[:: len(broken) // png.shape[0]] = bytes(
            rng.randrange(256) for _ in broken[:: len(broken) // png.shape[0]]
        )
        raw = zlib.compress(broken)
    elif way == 4:
        raw = rng.randbytes(40)
    elif way == 5:
        raw = _zeros(1 << 22)
    elif way == 6:
        png.chunks = [one for one in png.chunks if one[0] != b"IDAT"]
    else:
        data = zlib.compress(png.pixels)
        at = rng.randrange(len(data))
        png.replace(b"IDAT", lambda _: data[:at])
        png.insert(rng, b"IDAT", data[at:])
    if raw:
        png.replace(b"IDAT", lambda _: raw)
    return png.made(good=False)


def palette(rng: random.Random) -> Made:
    """Palettes and transparency of any length, also where none belongs."""
    png = Png(rng)
    lengths = [0, 1, 2, 3, 6, 255, 767, 768, 769, 4000]
    if rng.random() < 0.6:
        png.replace(b"PLTE", lambda _: rng.randbytes(rng.choice(lengths)))
    if rng.random() < 0.3:
        png.chunks = [one for one in png.chunks if one[0] != b"PLTE"]
    for _ in range(rng.randrange(3)):
        kind = rng.choice([b"tRNS", b"tRNS", b"PLTE", b"bKGD", b"hIST", b"sBIT"])
        png.insert(rng, kind, rng.randbytes(rng.choice(lengths)))
    return png.made(good=False)


@cache
def _zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 9)


def besides(rng: random.Random) -> Made:
    """Texts, profiles and Exif: bombs, broken ones, and orientations."""
    png = Png(rng)
    for _ in range(rng.randrange(1, 4)):
        packed = _zeros(rng.choice([10, 1 << 16, 1 << 20, 1 << 23]))
        packed = packed[: rng.choice([len(packed), len(packed) // 2, 3])]
        tag = struct.pack(">HHIHH", rng.choice([0x0112, 0x8769]), 3, 1, rng.randrange(10), 0)
        exif = rng.choice([b"MM\0*\0\0\0\x08", b"II*\0\x08\0\0\0", b""]) + b"\0\x01" + tag
        kind, data = rng.choice(
            [
                (b"zTXt", b"a\0\0" + packed),
                (b"zTXt", b"a\0\x07" + packed),
                (b"zTXt", b"a" * 100),
                (b"iTXt", b"a\0\x01\0\0\0" + packed),
                (b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0" + packed),
                (b"iTXt", b"a\0\x01"),
                (b"tEXt", b"\0" * rng.randrange(50)),
                (b"tEXt", b"a\0" + b"x" * (1 << 18)),
                (b"iCCP", b"a\0\0" + packed),
                (b"iCCP", b"a" * 90),
                (b"iCCP", b""),
                (b"eXIf", exif + b"\0\0\0\0"),
                (b"eXIf", exif),
                (b"eXIf", rng.randbytes(rng.randrange(40))),
                (b"gAMA", rng.randbytes(rng.randrange(6))),
                (b"cHRM", rng.randbytes(rng.choice([0, 31, 32]))),
                (b"pHYs", rng.randbytes(rng.choice([0, 8, 9]))),
                (b"sRGB", rng.randbytes(rng.randrange(2))),
                (b"tIME", rng.randbytes(7)),
                (b"CgBI", b"\0\0\0\0"),
                (rng.choice([b"abcd", b"ABCD", b"\0\0\0\0", b"ID\xffT", b"vpAg"]), b"x"),
            ]
        )
        png.insert(rng, kind, data, at=rng.choice([None, len(png.chunks)]))
    return png.made(good=False)


def moving(rng: random.Random) -> Made:
    """APNG: frames of other sizes, in another order, or missing."""
    png = Png(rng)
    height, width = png.shape
    many = [0, 1, 2, 1000, (1 << 31) - 1, (1 << 32) - 1]
    frames = struct.pack(">II", rng.choice(many), rng.choice(many))
    png.insert(rng, b"acTL", frames[: rng.choice([8, 8, 8, 3])], at=rng.choice([1, None]))
    for number in range(rng.randrange(4)):
        sides = [
            rng.choice([width, 0, 1, 1 << 20, many[-1]]),
            rng.choice([height, 0, 1, 1 << 20, many[-1]]),
            *(rng.choice([0, 0, 1, many[-1]]) for _ in range(2)),
        ]
        control = struct.pack(">5IHHBB", number, *sides, 1, rng.choice([0, 10]), *rng.randbytes(2))
        png.insert(rng, b"fcTL", control[: rng.choice([26, 26, 26, 5])])
        if rng.random() < 0.7:
            data = struct.pack(">I", number) + zlib.compress(png.pixels)
            png.insert(rng, b"fdAT", data[: rng.choice([len(data), 3, 9])])
    return png.made(good=False)


def order(rng: random.Random) -> Made:
    """Chunks exchanged, left out or twice; lengths and checks that are wrong; a file cut off."""
    png = Png(rng)
    if rng.random() < 0.5:
        rng.shuffle(png.chunks)
    if rng.random() < 0.5:
        png.chunks.insert(rng.randrange(len(png.chunks)), rng.choice(png.chunks))
    if rng.random() < 0.3:
        png.chunks.remove(rng.choice(png.chunks))
    made = png.made(good=False)
    data = bytearray(made.data)
    for _ in range(rng.randrange(3)):
        at = rng.randrange(8, len(data)) if len(data) > 8 else 0
        data[at : at + 1] = rng.choice([b"", b"\xff", b"\0", rng.randbytes(1), rng.randbytes(9)])
    # What was changed may be the size.
    return Made(bytes(data[: rng.choice([len(data), rng.randrange(len(data) + 1)])]), set())


# ------------------------------------------------------------------------ what is no PNG

_SAVED = [
    *[("GIF", "P"), ("GIF", "L"), ("TIFF", "L"), ("TIFF", "I;16"), ("TIFF", "F"), ("BMP", "RGB")],
    *[
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGB"),
        ("PPM", "L"),
        ("ICO", "RGBA"),
        ("PCX", "P"),
    ],
    *[("TGA", "RGB"), ("SGI", "L"), ("DDS", "RGBA"), ("IM", "L"), ("MSP", "1"), ("SPIDER", "F")],
    *[
        ("XBM", "1"),
        ("ICNS", "RGBA"),
        ("JPEG2000", "L"),
        ("MPO", "RGB"),
        ("BLP", "P"),
        ("PDF", "L"),
    ],
    *[("EPS", "L"), ("EPS", "RGB")],
]


@cache
def _saved(kind: str, mode: str) -> bytes:
    file = io.BytesIO()
    try:
        with warnings.catch_warnings(action="ignore"):  # some will go from Pillow
            Image.new(mode, (16, 12)).save(file, kind)
    except (OSError, KeyError, ValueError):  # a Pillow that was built without it
        return b""
    return file.getvalue()


_WRITTEN = [
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(ls) (r) file\nshowpage\n",
    b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%ImageData: 9 9 8 1 0 1 1 "x"\n'
    b"%%EndComments\n(touch made) system\n%%EOF\n",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99999999 99999999\n%%EndComments\n",
    b"%!PS\nshowpage\n",
    b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, 60) + bytes(20) + b"%!PS-Adobe-3.0 EPSF-3.0\n"
    b"%%BoundingBox: 0 0 9 9\n%%EndComments\n",
    b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n",
    b"\xd7\xcd\xc6\x9a" + struct.pack("<HhhhhHIH", 0, 0, 0, 90, 90, 1440, 0, 0) + b"\1\0\t\0" * 6,
    b"\1\0\0\0" + bytes(4) + struct.pack("<4i", 0, 0, 90, 90) + bytes(16) + b" EMF" + bytes(60),
    struct.pack("<IHHHHHHH", 128, 0xAF12, 1, 9, 9, 8, 3, 0) + bytes(110),
    struct.pack("<IHHHHHHH", 128, 0xAF11, 65535, 65535, 65535, 8, 3, 0) + bytes(110),
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="a.png"/></svg>',
    b"SIMPLE  =                    T" + b" " * 50 + b"NAXIS   = 2".ljust(80) + b"END".ljust(80),
    b"GRIB\0\0\0\1" + bytes(40),
    b"BUFR" + bytes(40),
    b"\x89HDF\r\n\x1a\n" + bytes(40),
    b'/* XPM */\nstatic char *x[] = {\n"99999 99999 1 1",\n"a c None",\n',
    b"P5 999999 999999 255\n",
    b"P6\n# " + b"x" * 5000 + b"\n9 9 255\n",
    b"Photo".ljust(26, b"\0"),
    b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 30000, 30000, 8, 3) + bytes(60),
    b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + bytes(6) + b",",
]


def other(rng: random.Random) -> Made:
    """Another format by a PNG's name, as it is or broken."""
    data = bytearray(rng.choice(_WRITTEN) if rng.random() < 0.5 else _saved(*rng.choice(_SAVED)))
    for _ in range(rng.choice([0, 0, 1, 2, 5])):
        at = rng.randrange(len(data)) if data else 0
        data[at : at + rng.choice([0, 1, 1, 4])] = rng.choice(
            [b"", b"\xff", b"\xff" * 4, b"\0", rng.randbytes(1), rng.randbytes(4), b"9999"]
        )
    return Made(bytes(data[: rng.choice([len(data), rng.randrange(len(data) + 1)])]), set())


MAKERS: list[Maker] = [
    *[good, header, beyond, pixels, palette, besides, moving, order],
    *[other, other, other],
]
