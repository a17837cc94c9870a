"""What is no segmentation: each mistake is named."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec import coco
from maskcodec.coco import RunMask
from tests import strategies
from tests.masks.segmentations import FIVE, SQUARE, TOKENS
from tests.vocabularies import tokens

MANY = "segmentation has the size 4 x 4, height x width, but its image has 4 x 5"
NOT_TWO = "the size of segmentation must be two integers"


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ("5220", "stop after 11 of 4 x 4 = 16 pixels (at character 4)"),
        (b"5220", "stop after 11 of 4 x 4 = 16 pixels (at character 4)"),
        ("", "stop after 0 of 4 x 4 = 16 pixels (at character 0)"),
        ("52204", "have run 4 pass the last of 4 x 4 = 16 pixels (at character 4)"),
        ("`0`0", "have run 1 pass the last of 4 x 4 = 16 pixels (at character 2)"),
        ("5221", "stop after 12 of 4 x 4 = 16 pixels (at character 4)"),
        ("522L", "have run 3 below 0 (at character 3)"),
        ("M52203", "have run 0 below 0 (at character 0)"),
        ("5220P", "stop inside a number (at character 4)"),
        ("5220PP", "stop inside a number (at character 4)"),
        ("P" * 7, "stop inside a number (at character 0)"),
        ("5220PPPPPPPP", "have a number of more than 32 bits (at character 4)"),
        ("PPPPPPP0", "have a number of more than 32 bits (at character 0)"),
        ("5 2203", "hold ' ', which none is written with (at character 1)"),
        ("52203\n", "hold '\\n', which none is written with (at character 5)"),
        ("52203\0", "hold '\\x00', which none is written with (at character 5)"),
        ("52/03", "hold '/', which none is written with (at character 2)"),
        ("52p03", "hold 'p', which none is written with (at character 2)"),
        (b"52\xff03", "hold b'\\xff', which none is written with (at character 2)"),
        ("5é203", "hold 'é', which none is written with (at character 1)"),
        ("5\ud800203", "hold '\\ud800', which none is written with (at character 1)"),
        ("52203" + "x" * 10**5, "hold 'x', which none is written with (at character 5)"),
    ],
)
def test_what_is_wrong_with_counts_is_named(counts, message):
    for segmentation in ({"size": [4, 4], "counts": counts},):
        with pytest.raises(mc.MaskError) as caught:
            coco.read(segmentation)
        assert str(caught.value) == f"the counts of segmentation {message}"
        with pytest.raises(mc.MaskError) as caught:
            coco.read([FIVE, segmentation], what="annotation 7")
        assert str(caught.value) == f"the counts of annotation 7, part 1 {message}"


@pytest.mark.parametrize(
    ("segmentation", "shape", "error", "message"),
    [
        (FIVE, (4, 5), mc.MaskError, MANY),
        ({**FIVE, "counts": [16]}, (4, 5), mc.MaskError, MANY),
        (
            [FIVE, FIVE],
            (4, 5),
            mc.MaskError,
            "segmentation, part 0 has the size 4 x 4, height x width, but its image has 4 x 5",
        ),
        (
            RunMask([16], (4, 4)),
            (5, 4),
            mc.MaskError,
            "segmentation is of an image of 4 x 4 pixels, height x width, but this one has 5 x 4",
        ),
        ({"size": [4, 4]}, None, mc.MaskError, 'segmentation has no "counts"'),
        ({"size": [4, 4], "counts": None}, None, mc.MaskError, 'segmentation has no "counts"'),
        ({}, (4, 4), mc.MaskError, 'segmentation has no "counts"'),
        (
            {"counts": "52203"},
            None,
            mc.MaskError,
            'segmentation has no "size"; pass shape=(height, width)',
        ),
        (
            {"counts": [16], "size": None},
            None,
            mc.MaskError,
            'segmentation has no "size"; pass shape=(height, width)',
        ),
        ({**FIVE, "size": [4]}, None, mc.MaskError, f"{NOT_TWO}, got [4]"),
        ({**FIVE, "size": [4, 4, 1]}, None, mc.MaskError, f"{NOT_TWO}, got [4, 4, 1]"),
        ({**FIVE, "size": [0, 4]}, None, mc.MaskError, f"{NOT_TWO} of at least 1, got [0, 4]"),
        ({**FIVE, "size": [4, -4]}, None, mc.MaskError, f"{NOT_TWO} of at least 1, got [4, -4]"),
        ({**FIVE, "size": [4.0, 4]}, None, TypeError, f"{NOT_TWO}, got [4.0, 4]"),
        ({**FIVE, "size": "44"}, None, TypeError, f"{NOT_TWO}, got '44'"),
        ({**FIVE, "size": 16}, None, TypeError, f"{NOT_TWO}, got 16"),
        (
            {**FIVE, "size": [65536, 65536]},
            None,
            mc.MaskError,
            "the size of segmentation is 65536 x 65536; COCO counts in 32 bits, up to "
            "4,294,967,295 pixels",
        ),
        (
            FIVE,
            (65536, 65536),
            mc.MaskError,
            "shape is 65536 x 65536; COCO counts in 32 bits, up to 4,294,967,295 pixels",
        ),
        (FIVE, (4.5, 4), TypeError, "shape must be two integers, got (4.5, 4)"),
        (FIVE, (4, 0), mc.MaskError, "shape must be two integers of at least 1, got (4, 0)"),
        (
            {**FIVE, "counts": [5, 2, 2, 2]},
            None,
            mc.MaskError,
            "the counts of segmentation add up to 11 pixels, an image of 4 x 4 has 16",
        ),
        (
            {**FIVE, "counts": [5, 2, -2, 2, 9]},
            None,
            mc.MaskError,
            "the counts of segmentation: number 2 is -2, which is below 0",
        ),
        (
            {**FIVE, "counts": [5, 17]},
            None,
            mc.MaskError,
            "the counts of segmentation: number 1 is 17, which passes the image's 16 pixels",
        ),
        (
            {**FIVE, "counts": [5.0, 2, 9]},
            None,
            TypeError,
            "the counts of segmentation must be whole numbers, got 5.0",
        ),
        (
            {**FIVE, "counts": {"a": 1}},
            None,
            TypeError,
            "the counts of segmentation must be a list of whole numbers, got {'a': 1}",
        ),
        (None, (4, 4), mc.MaskError, "segmentation is missing: a mask is needed, not only a box"),
        (
            [],
            (4, 4),
            mc.MaskError,
            "segmentation is an empty list: an annotation with a box only has no mask; an empty "
            'mask is {"size": [height, width], "counts": [height * width]}',
        ),
        (
            "52203",
            (4, 4),
            TypeError,
            "segmentation must be run lengths or polygons, got str; compressed run lengths are "
            '{"size": [height, width], "counts": ...}',
        ),
        (
            b"52203",
            (4, 4),
            TypeError,
            "segmentation must be run lengths or polygons, got bytes; compressed run lengths are "
            '{"size": [height, width], "counts": ...}',
        ),
        (
            {"id": 1, "segmentation": FIVE},
            (4, 4),
            mc.MaskError,
            'segmentation is a whole annotation; pass annotation["segmentation"]',
        ),
        (7, (4, 4), TypeError, "segmentation must be run lengths or polygons, got int"),
        (
            np.ones((4, 4), int),
            (4, 4),
            TypeError,
            "segmentation must be run lengths or polygons, got ndarray",
        ),
        (
            [SQUARE],
            None,
            mc.MaskError,
            "segmentation has polygons, which do not say how large their image is; pass "
            "shape=(height, width)",
        ),
    ],
)
def test_what_is_no_segmentation_is_refused(segmentation, shape, error, message):
    with pytest.raises(error) as caught:
        coco.read(segmentation, shape=shape)
    assert str(caught.value) == message


def test_a_part_of_another_image_is_named():
    with pytest.raises(mc.MaskError) as caught:
        coco.read([FIVE, {"size": [2, 8], "counts": [16]}])
    assert str(caught.value) == (
        "segmentation, part 1 is of an image of 2 x 8 pixels, height x width, but this one has "
        "4 x 4"
    )


@pytest.mark.parametrize(
    ("ring", "error", "message"),
    [
        ([1, 1, 3, 1, 3], mc.MaskError, "has 5 coordinates; expected x and y of at least 3 points"),
        (
            [1, 1, 3, 1, 3, 3, 1],
            mc.MaskError,
            "has 7 coordinates; expected x and y of at least 3 points",
        ),
        ([1, 1, 3, 1], mc.MaskError, "has 4 coordinates; expected x and y of at least 3 points"),
        ([], mc.MaskError, "has 0 coordinates; expected x and y of at least 3 points"),
        (
            [1, 1, float("nan"), 1, 3, 3],
            mc.MaskError,
            "has nan at index 2, far outside an image of 4 x 6 pixels",
        ),
        (
            [1, 1, 3, 1, 3, float("inf")],
            mc.MaskError,
            "has inf at index 5, far outside an image of 4 x 6 pixels",
        ),
        (
            [1, 1, 3, 1, 3, -6.5],
            mc.MaskError,
            "has -6.5 at index 5, far outside an image of 4 x 6 pixels",
        ),
        (
            [13, 1, 3, 1, 3, 3],
            mc.MaskError,
            "has 13 at index 0, far outside an image of 4 x 6 pixels",
        ),
        (
            [1, 1, 3, 1, 3, -(10**9)],
            mc.MaskError,
            "has -1000000000 at index 5, far outside an image of 4 x 6 pixels",
        ),
        (
            [1, 1, 3, 1, 3, "3"],
            TypeError,
            "must be numbers [x1, y1, x2, y2, x3, y3, ...], got [1, 1, 3, 1, 3, '3']",
        ),
        (
            [[1, 1, 0], [3, 1, 0]],
            TypeError,
            "must be numbers [x1, y1, x2, y2, x3, y3, ...], got [[1, 1, 0], [3, 1, 0]]",
        ),
        (
            [[1, 1], [3]],
            TypeError,
            "must be numbers [x1, y1, x2, y2, x3, y3, ...], got [[1, 1], [3]]",
        ),
        (
            [True] * 6,
            TypeError,
            "must be numbers [x1, y1, x2, y2, x3, y3, ...], got [True, True, True, True, True, "
            "True]",
        ),
        (
            [None] * 6,
            TypeError,
            "must be numbers [x1, y1, x2, y2, x3, y3, ...], got [None, None, None, None, None, "
            "None]",
        ),
        (
            FIVE,
            TypeError,
            "must be numbers [x1, y1, x2, y2, x3, y3, ...], got {'counts': '52203', "
            "'size': [4, 4]}",
        ),
        (None, TypeError, "must be numbers [x1, y1, x2, y2, x3, y3, ...], got None"),
        ("1 1 3 1", TypeError, "must be numbers [x1, y1, x2, y2, x3, y3, ...], got '1 1 3 1'"),
    ],
)
def test_what_is_no_polygon_is_refused(ring, error, message):
    for polygons, index in (([SQUARE, ring], 1), ([ring, SQUARE], 0)):
        if index == 0 and not isinstance(ring, list):
            continue  # the first part says whether it is one polygon or several
        with pytest.raises(error) as caught:
            coco.read(polygons, shape=(4, 6))
        assert str(caught.value) == f"segmentation, polygon {index} {message}"


@pytest.mark.parametrize(
    "number", [2**64, -(2**63) - 1, 10**30, 10**400], ids=["2**64", "-2**63-1", "1e30", "1e400"]
)
def test_a_coordinate_beyond_64_bits_is_far_outside(number):
    with pytest.raises(mc.MaskError, match=r"^segmentation, polygon 0 has .* at index 5, far"):
        coco.read([[1, 1, 3, 1, 3, number]], shape=(4, 6))


@pytest.mark.parametrize(
    "segmentation",
    [
        [[1, 1, 3, 1, 3, 10**5000]],
        {"size": [4, 4], "counts": [10**5000]},
        {"size": [10**5000, 4], "counts": [16]},
        {"size": [10**5000], "counts": [16]},
    ],
)
def test_numbers_of_thousands_of_digits_are_refused(segmentation):
    with pytest.raises((mc.MaskError, TypeError)):
        coco.read(segmentation, shape=(4, 4))


def test_a_size_that_is_null_is_no_size():
    assert coco.read({"size": None, "counts": [16]}, shape=(4, 4)) == RunMask([16], (4, 4))


@pytest.mark.parametrize(
    ("mask", "shape", "error", "message"),
    [
        (np.ones((4, 4), int), (4, 5), mc.MaskError, "mask has 4 x 4 pixels, shape says 4 x 5"),
        (
            [SQUARE],
            None,
            mc.MaskError,
            "mask is a list with other numbers than 0 and 1: polygons need shape=(height, "
            "width), and a mask of other numbers must be an array",
        ),
        (
            [[0, -1]],
            None,
            mc.MaskError,
            "mask is a list with other numbers than 0 and 1: polygons need shape=(height, "
            "width), and a mask of other numbers must be an array",
        ),
        (
            [[1.5, 1, 3, 1, 3, 3]],
            None,
            TypeError,
            "mask must be bool or an integer type, got float64; threshold it first, for example "
            "mask > 0.5; polygons need shape=(height, width)",
        ),
        (
            SQUARE,
            None,
            mc.MaskError,
            "mask must be (height, width), got shape (8,); polygons need shape=(height, width)",
        ),
        (
            [SQUARE[:5]],
            (4, 4),
            mc.MaskError,
            "mask, polygon 0 has 5 coordinates; expected x and y of at least 3 points",
        ),
        (
            {**FIVE, "counts": "5220"},
            None,
            mc.MaskError,
            "the counts of mask stop after 11 of 4 x 4 = 16 pixels (at character 4)",
        ),
        (
            FIVE,
            (4, 5),
            mc.MaskError,
            "mask has the size 4 x 4, height x width, but its image has 4 x 5",
        ),
    ],
)
def test_codecs_refuse_what_does_not_fit(mask, shape, error, message):
    bricks = tokens("byte-level", mc.BSD(grid=(5, 7)))
    rows = tokens("byte-level", mc.RRLE(grid=(5, 7)))
    for codec in (bricks, bricks.codec, rows, rows.codec):
        with pytest.raises(error) as caught:
            codec.encode(mask, "dog", shape=shape)
        assert str(caught.value) == message
    for call in (bricks.encode_many, bricks.encode_batch, bricks.codec.encode_many):
        with pytest.raises(error) as caught:
            call([mask], ["dog"], shape=shape)
        assert str(caught.value) == message


def test_a_shape_that_is_no_pair_is_refused():
    bricks = tokens("byte-level", mc.BSD(grid=(5, 7)))
    for mask in (FIVE, [SQUARE], np.ones((4, 4), int)):
        for call in (bricks.encode, bricks.codec.encode):
            with pytest.raises(TypeError, match=r"^shape must be two integers, got 4$"):
                call(mask, "dog", shape=4)
        for call in (bricks.codec.encode_many, bricks.encode_many, bricks.encode_batch):
            with pytest.raises(TypeError, match=r"^shape must be two integers, got 4$"):
                call([mask], ["dog"], shape=4)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (
            {**FIVE, "counts": "5220"},
            "the counts of mask 1 stop after 11 of 4 x 4 = 16 pixels (at character 4)",
        ),
        (
            [SQUARE, [1, 2]],
            "mask 1, polygon 1 has 2 coordinates; expected x and y of at least 3 points",
        ),
        (
            [FIVE, {**FIVE, "counts": "P"}],
            "the counts of mask 1, part 1 stop inside a number (at character 0)",
        ),
        (
            RunMask([9], (3, 3)),
            "mask 1 is of an image of 3 x 3 pixels, height x width, but this one has 4 x 4",
        ),
        (np.ones((3, 3), int), "mask 1 has 3 x 3 pixels, shape says 4 x 4"),
    ],
)
def test_a_message_names_one_of_several_masks(mask, message):
    codec = tokens("byte-level", mc.BSD(grid=(5, 7)))
    for call in (codec.encode_many, codec.encode_batch, codec.codec.encode_many):
        with pytest.raises(mc.MaskError) as caught:
            call([FIVE, mask], ["dog", "sky"], shape=(4, 4))
        assert str(caught.value) == message


def test_a_batch_needs_a_shape_for_each():
    codec = tokens("byte-level", mc.BSD(grid=(5, 7)))
    with pytest.raises(mc.MaskError) as caught:
        codec.encode_batch([FIVE, FIVE, FIVE], ["a", "b", "c"], shape=[(4, 4), (4, 4)])
    assert str(caught.value) == "there must be a shape for each mask, got 3 and 2"
    with pytest.raises(mc.MaskError) as caught:
        codec.encode_batch([FIVE, FIVE], ["a", "b"], shape=[(4, 4), (5, 4)])
    assert str(caught.value) == (
        "mask 1 has the size 4 x 4, height x width, but its image has 5 x 4"
    )
    for shapes in (np.array([[4, 4], [4, 4]]), ((4, 4), [4, 4])):
        ids, _ = codec.encode_batch([FIVE, [SQUARE]], ["dog", "dog"], shape=shapes)
        assert ids.tolist() == codec.encode(FIVE, "dog").tolist() * 2


def test_lost_segmentations_are_refused_or_reported_with_their_area():
    codec = tokens("byte-level", mc.BSD(grid=4))
    speck = {"size": [480, 640], "counts": [480 * 640 - 2, 2]}
    for call in (codec.encode_batch, codec.encode_many, codec.codec.encode_many):
        empty = {"size": [480, 640], "counts": [480 * 640]}
        with pytest.raises(mc.LostMaskError) as caught:
            call([empty, speck], ["dog", "tie"])
        assert str(caught.value) == (
            "mask 1 ('tie') has 2 of 480 x 640 pixels set, but no cell of the 4 x 4 grid is left "
            'of it with sampling=\'nearest\'; sampling="keep" keeps it, lost="drop" drops it'
        )
        whole = {"size": [480, 640], "counts": [0, 480 * 640]}
        masks = [speck, whole, empty]
        assert len(call(masks, WORDS, lost="drop")) > 0
    assert codec.codec.lost(masks) == [0]


WORDS = ["tie", "dog", "nothing"]


@given(strategies.json_like, st.sampled_from([None, (3, 4), (7, 9)]))
@example("", None)
@example("0", (3, 4))
@example([[10**400, 1.5]], None)
@example([[10**400, 1.5] * 3], (3, 4))
@example([{"size": [3, 4], "counts": [12]}, [1, 2]], (3, 4))
@example(json.loads("[" * 200 + "]" * 200), (3, 4))
def test_anything_else_is_refused_by_name(segmentation, shape):
    calls = [
        lambda: coco.read(segmentation, shape=shape),
        lambda: mc.BSD(grid=3).encode(segmentation, "dog", shape=shape),
        lambda: mc.RRLE(grid=3).encode(segmentation, "dog", shape=shape, lost="drop"),
        lambda: TOKENS[0].encode_batch([segmentation], ["dog"], shape=shape),
    ]
    for call in calls:
        try:
            call()
        except (mc.MaskError, mc.SourceError, TypeError) as error:  # a text is the path of a mask
            assert str(error)
