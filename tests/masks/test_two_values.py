"""Masks have two values: grey edges are refused, or cut where a threshold says."""

import io

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.metrics import measure
from tests.vocabularies import tokens as tokens_of

YS, XS = np.mgrid[:60, :80]
DISC = (YS - 30) ** 2 + (XS - 40) ** 2 < 20**2
CODECS = [mc.Scanlines(), mc.Scanlines(sampling="best"), mc.BSD(), mc.BSD(sampling="keep")]
CODECS += [mc.RRLE(grid=8), mc.ISD(grid=8)]


def tokens(codec):
    return tokens_of("byte-level", codec)


def jpeg(mask):
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


def blurred(mask):
    grey = mask.astype(np.uint16) * 255
    return sum(np.roll(grey, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)) // 9


GREY = {
    "JPEG": jpeg(DISC),
    "writable": jpeg(DISC).copy(),
    "blurred": blurred(DISC),
    "int64": blurred(DISC).astype(np.int64),
    "Fortran": np.asfortranarray(blurred(DISC).astype(np.uint8)),
    "one pixel": np.where((YS == 59) & (XS == 79), 7, DISC * 255).astype(np.uint8),
}


def every_way(codec, mask):
    """A mask by every call that takes one."""
    ids = tokens(codec)
    yield lambda **o: codec.encode(mask, "dog", **o)
    yield lambda **o: ids.encode(mask, "dog", **o).tolist()
    yield lambda **o: ids.encode_batch([mask], ["dog"], **o)[0].tolist()
    yield lambda **o: ids.encode_batch(np.array([mask, mask]), ["dog"] * 2, **o)[0].tolist()
    if codec.has_instances:
        yield lambda **o: codec.encode_many([mask, mask], ["dog"] * 2, **o)
        yield lambda **o: ids.encode_many([mask, mask], ["dog"] * 2, **o).tolist()


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: f"{codec.codec_id}-{codec.sampling}")
@pytest.mark.parametrize("kind", GREY)
def test_grey_edges_are_refused_by_every_call_and_cut_by_a_threshold(codec, kind):
    grey = GREY[kind]
    values = len(np.unique(grey))
    message = f"has {values} values, 0 to {grey.max()}, and a mask has two; it looks like an "
    ways, right = every_way(codec, grey), every_way(codec, grey >= 128)
    for call, expected in zip(ways, right, strict=True):
        with pytest.raises(mc.MaskError, match=f"^mask.* {message}antialiased or JPEG mask"):
            call()
        assert call(threshold=128) == expected()


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: f"{codec.codec_id}-{codec.sampling}")
@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        *((0, 1, "uint8"), (0, 255, "uint8"), (1, 3, "uint8"), (0, 7, "int32")),
        *((200, 201, "uint16"), (0, -1, "int8"), (-5, -2, "int16"), (0, 2**63, "uint64")),
    ],
)
def test_two_values_of_any_kind_are_a_mask(codec, low, high, dtype):
    mask = np.where(DISC, np.array(high, dtype), np.array(low, dtype))
    for call, expected in zip(every_way(codec, mask), every_way(codec, DISC), strict=True):
        assert call() == expected()


def test_one_value_is_all_or_nothing():
    full = np.ones((6, 8), bool)
    for codec in CODECS[:4]:
        for value, mask in ((0, ~full), (9, full), (255, full)):
            plain = full.astype(np.uint8) * value
            assert codec.encode(plain, "dog") == codec.encode(mask, "dog")
            assert tokens(codec).encode(plain, "dog").tolist() == (
                tokens(codec).encode(mask, "dog").tolist()
            )


def test_what_a_threshold_does_and_may_be():
    codec, mask = mc.Scanlines(), DISC.astype(np.uint8)
    assert codec.encode(mask, "dog", threshold=1) == codec.encode(DISC, "dog")
    assert codec.encode(DISC, "dog", threshold=128) == codec.encode(DISC, "dog")
    assert codec.encode(mask * 0, "dog", threshold=128) == ""
    runs = RunMask.from_mask(DISC)
    assert codec.encode(runs, "dog", threshold=128) == codec.encode(runs, "dog")
    with pytest.raises(mc.MaskError, match="no value but 0 and 1, so that threshold=128 would"):
        codec.encode(mask, "dog", threshold=128)
    with pytest.raises(mc.MaskError, match="at least 1, got 0"):
        codec.encode(mask, "dog", threshold=0)
    with pytest.raises(TypeError, match=r"threshold must be an integer, got 0\.5"):
        codec.encode(mask, "dog", threshold=0.5)
    with pytest.raises(mc.ConfigError, match="threshold is for a mask with one label"):
        mc.RRLE(grid=4).encode(mask, {1: "dog"}, threshold=1)


def test_label_maps_keep_their_values():
    label_map = (YS // 20).astype(np.uint8)
    names, codec = {1: "a", 2: "b"}, mc.RRLE(grid=4)
    (ids, _), text = (
        tokens(codec).encode_batch([label_map], [names]),
        codec.encode(label_map, names),
    )
    assert tokens(codec).decode(ids) == codec.decode(text)
    stack = np.array([label_map, DISC])
    (both, offsets) = tokens(codec).encode_batch(stack, [names, "dog"])
    assert both[: offsets[1]].tolist() == ids.tolist()
    (again, _) = tokens(codec).encode_batch(np.array([label_map]), [names])
    assert again.tolist() == ids.tolist()


def test_the_other_calls_refuse_grey_masks_too():
    with pytest.raises(mc.MaskError, match=r"mask has .* values"):
        RunMask.from_mask(GREY["JPEG"])
    with pytest.raises(mc.MaskError, match=r"target has .* values"):
        measure(DISC, GREY["JPEG"])
    with pytest.raises(mc.MaskError, match=r"mask 1 has .* values"):
        tokens(mc.BSD()).encode_batch([DISC, GREY["blurred"]], ["dog", "cat"])


def test_instances_of_one_text_are_of_one_image():
    other = DISC[:50]
    message = "mask 2 has 50 x 80 pixels, height x width, but mask 0 has 60 x 80: the instances"
    for codec in mc.Scanlines(), mc.BSD():
        for call in codec.encode_many, tokens(codec).encode_many:
            for odd in other, RunMask.from_mask(other), RunMask.from_mask(other).coco_rle():
                with pytest.raises(mc.MaskError, match=message):
                    call([DISC, RunMask.from_mask(DISC), odd], ["a", "b", "c"])
        assert len(tokens(codec).encode_batch([DISC, other], ["a", "b"])[1]) == 3
        assert codec.encode_many([], []) == ""
