"""Annotations' segmentations to cells, alone, in batches and in lists."""

import json
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec import coco
from maskcodec.coco import RunMask
from maskcodec.masks.grid import sample_mask
from tests import reference, strategies
from tests.conftest import PURE
from tests.masks.segmentations import (
    BRICKS,
    FIVE,
    SAMPLINGS,
    SQUARE,
    annotations,
    coco_mask,
    codecs,
    kinds_of,
    outcome,
    pycoco,
    token_codecs,
)
from tests.vocabularies import tokens

# -------------------------------------------------------------------- what the codecs make


@given(strategies.runs(), codecs)
def test_codecs_write_of_run_lengths_what_they_write_of_pixels(drawn, codec):
    counts, shape = drawn
    expected = outcome(codec.encode, reference.mask_of(counts, shape), "dog")
    for segmentation in kinds_of(counts, shape):
        assert outcome(codec.encode, segmentation, "dog", shape=shape) == expected
    assert outcome(codec.encode, RunMask(counts, shape).coco_rle(), "dog") == expected


@given(st.data(), strategies.shapes, codecs)
def test_codecs_write_of_polygons_what_they_write_of_pixels(data, shape, codec):
    polygons = data.draw(strategies.rings(shape))
    expected = outcome(codec.encode, pycoco(polygons, shape), "dog")
    assert outcome(codec.encode, polygons, "dog", shape=shape) == expected
    assert outcome(codec.encode, coco.read(polygons, shape=shape), "dog") == expected


@given(strategies.runs(), token_codecs)
def test_token_codecs_write_of_run_lengths_what_they_write_of_pixels(drawn, codec):
    counts, shape = drawn
    expected = outcome(codec.encode, reference.mask_of(counts, shape), "dog")
    for segmentation in kinds_of(counts, shape):
        assert outcome(codec.encode, segmentation, "dog", shape=shape) == expected


@given(annotations(), token_codecs, st.sampled_from(["raise", "drop"]))
def test_a_batch_of_segmentations_is_that_of_their_pixels(drawn, codec, lost):
    found, painted, shapes, shape = drawn
    labels = ["dog", "sky", "black dog", "roi0"][: len(found)]
    expected = outcome(codec.encode_batch, painted, labels, lost=lost)
    assert outcome(codec.encode_batch, found, labels, shape=shapes, lost=lost) == expected
    if shape is not None:
        again = outcome(codec.encode_batch, iter(found), labels, shape=list(shape), lost=lost)
        assert again == expected
    if lost == "drop":
        ids, offsets = expected
        loop = [
            codec.encode(each, label, shape=size, lost="drop").tolist()
            for each, label, size in zip(found, labels, shapes, strict=True)
        ]
        assert [ids[a:b] for a, b in pairwise(offsets)] == loop


@given(annotations(), st.sampled_from(BRICKS), st.booleans())
def test_the_instances_of_an_image_are_those_of_its_pixels(drawn, codec, drop):
    found, painted, shapes, shape = drawn
    labels = ["dog", "sky", "black dog", "roi0"][: len(found)]
    if shape is None and len({*shapes}) > 1:
        shape = shapes[0]
        painted = [mask for mask in painted if mask.shape == shape]
        found = [each for each, size in zip(found, shapes, strict=True) if size == shape]
        labels = labels[: len(found)]
    shape = shape or (shapes[0] if shapes else None)
    for kind in (codec, codec.codec):
        results = [
            outcome(kind.encode_many, masks, labels, lost="drop" if drop else "raise", **options)
            for masks, options in ((painted, {}), (found, {"shape": shape}))
        ]
        assert results[0] == results[1]
    assert codec.codec.lost(found, shape=shape) == codec.codec.lost(painted)


def test_label_maps_may_stand_beside_segmentations():
    codec = tokens("byte-level", mc.RRLE(grid=(5, 7)))
    label_map = np.arange(35).reshape(5, 7) % 3
    rle = {"size": [10, 14], "counts": [30, 50, 60]}
    names = [{1: "dog", 2: "sky"}, "dog", ["others", "sky"], "black dog"]
    images = [label_map, rle, label_map, label_map > 0]
    ids, offsets = codec.encode_batch(images, names, shape=[(5, 7), (10, 14), (5, 7), (5, 7)])
    parts = np.split(ids, offsets[1:-1])
    for part, image, name in zip(parts, images, names, strict=True):
        assert part.tolist() == codec.encode(image, name).tolist()
    same = codec.encode_batch(images, names)
    assert same[0].tolist() == ids.tolist()
    stack = np.stack([label_map, label_map > 0])
    assert codec.encode_batch(stack, names[:2], shape=(5, 7))[0].tolist() == [
        *codec.encode(label_map, names[0]),
        *codec.encode(label_map > 0, names[1]),
    ]


def test_a_label_map_of_another_shape_is_refused_in_a_batch():
    codec = tokens("byte-level", mc.RRLE(grid=(5, 7)))
    label_map = np.ones((5, 7), int)
    with pytest.raises(mc.MaskError, match=r"shape says 4 x 4"):
        codec.encode(label_map, {1: "dog"}, shape=(4, 4))
    with pytest.raises(mc.MaskError, match="shape says"):
        codec.encode_batch([label_map], [{1: "dog"}], shape=(4, 4))


def test_a_stack_of_masks_takes_a_shape_for_each():
    codec = tokens("byte-level", mc.BSD(grid=(5, 7)))
    stack = np.ones((2, 5, 7), np.uint8)
    ids = codec.encode_batch(stack, ["dog", "sky"], shape=(5, 7))[0]
    assert ids.tolist() == codec.encode_batch(stack, ["dog", "sky"])[0].tolist()
    same = codec.encode_batch(stack, ["dog", "sky"], shape=[(5, 7), (5, 7)])[0]
    assert same.tolist() == ids.tolist()
    with pytest.raises(mc.MaskError) as caught:
        codec.encode_batch(stack, ["dog", "sky"], shape=[(5, 7), (4, 7)])
    assert str(caught.value) == "mask 1 has 5 x 7 pixels, shape says 4 x 7"
    with pytest.raises(mc.MaskError, match="a shape for each mask, got 2 and 1"):
        codec.encode_batch(stack, ["dog", "sky"], shape=[(5, 7)])


def test_shapes_may_be_an_array_or_a_tensor():
    torch = pytest.importorskip("torch")
    codec = tokens("byte-level", mc.BSD(grid=(5, 7)))
    squares, labels = [[SQUARE]] * 2, ["dog", "sky"]
    expected = codec.encode_batch(squares, labels, shape=(4, 4))[0].tolist()
    for shape in (np.full((2, 2), 4), torch.full((2, 2), 4), torch.Size([4, 4])):
        assert codec.encode_batch(squares, labels, shape=shape)[0].tolist() == expected


def test_the_instances_of_an_image_have_one_shape():
    codec = tokens("byte-level", mc.BSD(grid=(5, 7)))
    with pytest.raises(TypeError, match="shape must be two integers"):
        codec.encode_many([[SQUARE]] * 2, ["dog", "sky"], shape=[(4, 4), (4, 4)])


@pytest.mark.parametrize("masks", [[FIVE], [[SQUARE]]])
def test_a_batch_names_a_label_that_is_no_str(masks):
    codec = tokens("byte-level", mc.BSD(grid=(5, 7)))
    with pytest.raises(TypeError) as caught:
        codec.encode_batch(masks, [3], shape=(4, 4))
    assert str(caught.value) == "label must be a str, got 3"


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("kind", [mc.BSD, mc.RRLE])
def test_ten_bytes_that_claim_four_billion_pixels_cost_next_to_nothing(kind, sampling):
    codec = kind(grid=4, sampling=sampling)
    text = reference.write_counts([0, 2**32 - 1])
    assert len(text) < 10
    codec.encode({"size": [4, 4], "counts": "52203"}, "dog", lost="drop")
    codec.encode({"size": [65535, 65537], "counts": text}, "dog")
    tracemalloc.start()
    for size in ([65535, 65537], [1, 2**32 - 1], [2**32 - 1, 1]):
        assert codec.encode({"size": size, "counts": text}, "dog") == codec.encode(
            np.ones((4, 4), int), "dog"
        )
        with pytest.raises(mc.MaskError, match="stop after 1 of"):
            codec.encode({"size": size, "counts": "01"}, "dog")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000


# ------------------------------------------------------------------------------ real data


@pytest.fixture(scope="module")
def real_annotations(real_data):
    """(segmentation, shape) of COCO's polygons and crowds, and GSEval's run lengths."""
    found = []
    for file in ("coco_tiny_val2017.json", "coco_mini_val2017.json"):
        data = json.loads((real_data / file).read_text())
        sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
        rows = [row for row in data["annotations"] if not row["iscrowd"]][:: 150 if PURE else 8]
        rows += [row for row in data["annotations"] if row["iscrowd"]][: 1 if PURE else None]
        found += [(row["segmentation"], sizes[row["image_id"]]) for row in rows]
    lines = (real_data / "gseval_dev.jsonl").read_text().splitlines()
    for line in lines[:: 200 if PURE else 10]:
        segmentation = json.loads(line)["segmentation"]
        found.append((segmentation, tuple(segmentation["size"])))
    return found


def test_real_annotations_are_read_as_pycocotools_reads_them(real_annotations):
    assert len(real_annotations) > (10 if PURE else 200)
    for segmentation, shape in real_annotations:
        rle = segmentation
        if isinstance(segmentation, list) or isinstance(segmentation["counts"], list):
            rle = coco_mask.frPyObjects(segmentation, *shape)
        rle = coco_mask.merge(rle) if isinstance(rle, list) else rle
        mask = coco.read(segmentation, shape=shape)
        painted = coco_mask.decode(rle)
        assert np.array_equal(mask.mask(), painted)
        assert mask.coco_rle() == coco_mask.encode(np.asfortranarray(painted))
        assert mask.area == coco_mask.area(rle)
        assert list(mask.bbox) == coco_mask.toBbox(rle).tolist()
        for grid in (16, 64):
            for sampling in SAMPLINGS[: 1 if PURE else None]:
                cells = sample_mask(painted, (grid, grid), sampling)
                assert np.array_equal(mask.cells(grid, sampling), cells)


def test_real_instances_come_back_as_pycocotools_writes_them(real_annotations):
    codec = mc.BSD(grid=64, sampling="keep")
    for segmentation, shape in real_annotations:
        (region,) = codec.decode(codec.encode(segmentation, "dog", shape=shape))
        painted = region.mask(shape)
        rle = coco_mask.encode(np.asfortranarray(painted))
        assert region.coco_rle(shape) == rle
        assert region.area(shape) == coco_mask.area(rle)
        assert list(region.bbox(shape)) == coco_mask.toBbox(rle).tolist()


# ------------------------------------------------------------------ lists: masks or polygons


def test_a_list_that_may_be_a_mask_or_polygons_is_refused():
    mask = np.eye(4, 6, dtype=int).tolist()
    codec = mc.BSD(grid=(4, 6))
    assert codec.encode(mask, "dog") == codec.encode(np.array(mask), "dog", shape=(4, 6))
    with pytest.raises(mc.MaskError) as caught:
        codec.encode(mask, "dog", shape=(4, 6))
    assert str(caught.value) == (
        "mask is a list with a row for each of an image's, so that it may be a mask or polygons: "
        "with shape, a mask must be an array"
    )
    for rows, shape in [
        (list(np.array(mask)), (4, 6)),  # of arrays
        (mask, (6, 4)),  # sides swapped
        ((np.array(mask) * 255).tolist(), (4, 6)),
    ]:
        with pytest.raises(mc.MaskError, match="with shape, a mask must be an array"):
            codec.encode(rows, "dog", shape=shape)
    assert "<box>[[1 1 2 2]]" in codec.encode([[1, 1, 3, 1, 3, 3, 1, 3]], "dog", shape=(4, 6))


def test_an_empty_list_is_no_mask():
    with pytest.raises(mc.MaskError, match="mask is an empty list: an annotation with a box only"):
        mc.BSD().encode([], "dog")


def test_a_batch_may_leave_shapes_open():
    codec = tokens("byte-level", mc.BSD(grid=(4, 6)))
    rle = {"size": [4, 6], "counts": [5, 2, 17]}
    ids, bounds = codec.encode_batch([rle, [SQUARE]], ["dog", "cat"], shape=[None, (4, 6)])
    assert ids[: bounds[1]].tolist() == codec.encode(rle, "dog").tolist()
    assert ids[bounds[1] :].tolist() == codec.encode([SQUARE], "cat", shape=(4, 6)).tolist()


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, TypeError, "mask must be a mask or a segmentation, got None; open an image"),
        ("52203", mc.SourceError, "mask '52203' is a path, which cannot be read: No such file"),
        ({"segmentation": [SQUARE]}, mc.MaskError, "mask is a whole annotation; pass annotation"),
    ],
)
def test_what_is_no_mask_is_answered_with_what_to_pass(value, error, message):
    with pytest.raises(error) as caught:
        mc.BSD().encode(value, "dog", shape=(4, 4))
    assert str(caught.value).startswith(message)


def test_a_segmentation_takes_one_label():
    for value in (FIVE, coco.read(FIVE)):
        with pytest.raises(TypeError, match="a segmentation is a mask, which takes one label"):
            mc.RRLE().encode(value, {1: "dog"})


# --------------------------------------------------------------- height and width swapped


def test_polygons_that_fit_the_image_on_its_side_only_are_refused():
    wide = [10, 10, 600, 10, 600, 400, 10, 400]
    assert coco.read([wide], shape=(480, 640)).bbox == (10, 10, 590, 390)
    with pytest.raises(mc.MaskError) as caught:
        coco.read([[10, 10, 20, 10, 20, 20], wide], shape=(640, 480))
    assert str(caught.value) == (
        "segmentation reaches to x = 600 and y = 400 on an image of 640 x 480 pixels, height x "
        "width; shape is (height, width): they seem to be swapped"
    )
    tall = [10, 10, 400, 10, 400, 600, 10, 600]
    with pytest.raises(mc.MaskError, match="reaches to x = 400 and y = 600 on an image of 480 x"):
        coco.read([tall], shape=(480, 640))


def test_polygons_may_leave_their_image_a_little_or_on_both_ways():
    assert coco.read([[10, 10, 482, 10, 482, 400, 10, 400]], shape=(640, 480)).bbox == (
        10,
        10,
        470,
        390,
    )
    assert coco.read([[10, 10, 700, 10, 700, 400, 10, 400]], shape=(480, 640)).bbox == (
        10,
        10,
        630,
        390,
    )


def test_coordinates_that_pycocotools_cannot_hold_are_refused(monkeypatch):
    monkeypatch.setattr(coco_mask, "frPyObjects", lambda *_: pytest.fail("was drawn"))
    for far in (2**20 + 1, -(2**20) - 1):
        with pytest.raises(mc.MaskError, match=f"has {far} at index 4, far outside an image of"):
            coco.read([[0, 0, 1, 0, far, 0]], shape=(8, 2**21))


# ------------------------------------------------------------------------ what was nested


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [nested(5000), {"size": [4, 4], "counts": nested(5000)}, {"size": nested(5000), "counts": []}],
    ids=["polygon", "counts", "size"],
)
def test_deep_nesting_is_answered_with_a_message(value):
    with pytest.raises((mc.MaskError, TypeError)) as caught:
        coco.read(value, shape=(4, 4))
    assert len(str(caught.value)) < 200


def test_a_long_batch_keeps_each_label_with_its_mask():
    codec = tokens("byte-level", mc.BSD(grid=4))
    labels = [f"roi{i}" for i in range(600)]
    ids, bounds = codec.encode_batch([FIVE] * 600, labels)
    found = codec.decode(ids)
    assert [region.label for region in found] == labels
    assert bounds.tolist()[-1] == len(ids)
