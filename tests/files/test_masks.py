"""Masks of files: grey in any mode, and arrays."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.files import masks
from maskcodec.files.masks import read_mask
from maskcodec.metrics import measure

GREY = np.zeros((6, 8), np.uint8)
GREY[1:4, 2:7] = 200
CLEAR = np.where(GREY, 255, 0).astype(np.uint8)
FULL = np.full_like(GREY, 255)


def saved(array, mode, kind="png"):
    file = BytesIO()
    Image.frombytes(mode, array.shape[1::-1], np.ascontiguousarray(array)).save(file, kind)
    return file.getvalue()


def stacked(*channels):
    return np.stack(channels, axis=2)


@pytest.mark.parametrize(
    ("array", "mode"),
    [
        (stacked(GREY, GREY, GREY), "RGB"),
        (stacked(GREY, GREY, GREY, FULL), "RGBA"),
        (stacked(GREY, GREY, GREY, CLEAR), "RGBA"),
        (stacked(GREY, FULL), "LA"),
        (stacked(GREY, CLEAR // 2), "LA"),
    ],
)
def test_grey_is_read_in_every_mode(array, mode):
    assert np.array_equal(read_mask(saved(array, mode), "a"), GREY)


@pytest.mark.parametrize(
    ("array", "mode", "message"),
    [
        (stacked(GREY, GREY, 0 * GREY), "RGB", r"a has colours \(mode RGB\)"),
        (stacked(GREY, GREY, 0 * GREY, FULL), "RGBA", r"a has colours \(mode RGBA\)"),
        (stacked(0 * GREY, CLEAR), "LA", "black all over, and only its transparency differs"),
        (stacked(GREY, 255 - CLEAR), "LA", "transparent where its numbers are not 0"),
    ],
)
def test_what_may_be_two_masks_is_refused(array, mode, message):
    with pytest.raises(mc.SourceError, match=message):
        read_mask(saved(array, mode), "a")


def test_other_colours_are_refused():
    with pytest.raises(mc.SourceError, match=r"a has colours \(mode CMYK\)"):
        read_mask(saved(np.zeros((4, 4, 4), np.uint8), "CMYK", "tiff"), "a")


def test_sixteen_bits_of_a_colour_are_not_cut_off():
    import zlib

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(b"\0" + b"\0\1" * 3)), (b"IEND", b"")
    png = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    with pytest.raises(mc.SourceError, match="a has 16 bits for each of its colours"):
        read_mask(png, "a")


def npy(array, version=None):
    file = BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), version)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [bool, np.uint8, ">i4", np.int64, np.uint16])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_are_read(dtype, order, version):
    array = np.array(GREY, dtype, order=order)
    found = read_mask(npy(array, version), "a")
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy(GREY / 2), "a holds float64 of shape .*; threshold it first"),
        (npy(GREY[None]), r"a holds uint8 of shape \(1, 6, 8\); expected is one"),
        (npy(GREY[:0]), r"a holds an array of shape \(0, 8\), which has no pixels"),
        (npy(GREY)[:-1], r"a claims 6 x 8 pixels of 1 bytes, but holds 47 bytes"),
        (npy(GREY).replace(b"(6, 8)", b"(9**9)"), "a is no .npy file that can be read"),
        (npy(GREY).replace(b"|u1", b"|O8"), "a is no .npy file|a holds object"),
        (npy(GREY)[:7], "a is no .npy file that can be read"),
        (npy(GREY)[:40], "a is no .npy file that can be read"),
        (b"\x93NUMPY\2\0" + struct.pack("<I", 1 << 30), "a header of 1,073,741,824 bytes"),
    ],
)
def test_broken_arrays_are_refused(data, message):
    with pytest.raises(mc.SourceError, match=message):
        read_mask(data, "a")


def test_an_array_has_a_size(monkeypatch, tmp_path):
    np.save(tmp_path / "a.npy", GREY)
    assert np.array_equal(read_mask(tmp_path / "a.npy", "a"), GREY)
    monkeypatch.setattr(masks, "MOST_BYTES", 100)
    with pytest.raises(mc.SourceError, match="a has more than 100 bytes"):
        read_mask(tmp_path / "a.npy", "a")


def test_codecs_take_paths(tmp_path):
    path = tmp_path / "mask.png"
    Image.fromarray(GREY).save(path)
    np.save(tmp_path / "mask.npy", GREY)
    codec = mc.Scanlines()
    expected = codec.encode(GREY, "dog")
    for given in path, str(path), tmp_path / "mask.npy":
        assert codec.encode(given, "dog") == expected
        assert codec.encode_many([given, GREY], ["dog"] * 2) == 2 * expected
        assert measure(given, GREY).iou == 1
        assert mc.RRLE(grid=4).encode(given, "dog") == mc.RRLE(grid=4).encode(GREY, "dog")
        names = {200: "dog"}
        assert mc.RRLE(grid=4).encode(given, names) == mc.RRLE(grid=4).encode(GREY, names)
    with pytest.raises(mc.MaskError, match="mask has 6 x 8 pixels, shape says 8 x 6"):
        codec.encode(path, "dog", shape=(8, 6))


def test_token_codecs_take_paths(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "mask.png")
    from tests.vocabularies import tokens as token_codec

    tokens = token_codec("byte-level", mc.Scanlines())
    ids, _ = tokens.encode_batch([str(tmp_path / "mask.png")], ["dog"])
    assert ids.tolist() == tokens.encode(GREY, "dog").tolist()
    assert ids.tolist() == tokens.encode(tmp_path / "mask.png", "dog").tolist()
