"""Annotations' segmentations to cells, and regions to results, as COCO's own tools have them."""

import json
import subprocess
import sys
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec import coco
from maskcodec.coco import RunMask
from maskcodec.masks.grid import sample_mask
from tests import reference, strategies
from tests.conftest import PURE
from tests.vocabularies import tokens

coco_mask = pytest.importorskip("pycocotools.mask", reason="the extra 'coco' is not installed")

few = settings(max_examples=max(8, settings.default.max_examples // 4))
SAMPLINGS = ["nearest", "area", "keep"]
CODECS = [
    kind(grid=(5, 7), sampling=sampling, **options)
    for sampling in SAMPLINGS
    for kind, options in (
        (mc.BSD, {}),
        (mc.BSD, {"row_separator": "", "repeats": True}),
        (mc.BSD, {"frame": "box"}),
        (mc.ISD, {}),
        (mc.IRLE, {}),
        (mc.RRLE, {}),
    )
]
CODECS.append(mc.BSD(frame="box", grid=6, sampling="best", bins=9, repeats=True))
TOKENS = [tokens("byte-level", codec) for codec in CODECS] + [
    tokens("unigram", CODECS[0]),
    tokens("word-piece", mc.BSD(grid=(5, 7), bricks=False)),
]
BRICKS = [codec for codec in TOKENS if isinstance(codec.codec, mc.BSD)]
codecs = st.sampled_from(CODECS)
token_codecs = st.sampled_from(TOKENS)

FIVE = {"size": [4, 4], "counts": "52203"}  # 5 2 2 2 5: a square of 2 x 2 in the middle
SQUARE = [1, 1, 3, 1, 3, 3, 1, 3]


def pycoco(polygons, shape):
    """The pixels of polygons, as COCO's loaders paint them."""
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *shape)))


def kinds_of(counts, shape):
    """Everything that the same runs may be stored as."""
    height, width = shape
    text = reference.write_counts(counts)
    empty = {"size": [height, width], "counts": [height * width]}
    yield {"size": [height, width], "counts": text}
    yield {"size": (height, width), "counts": text.decode(), "more": None}
    yield {"size": np.array(shape), "counts": bytearray(text)}
    yield {"size": [height, width], "counts": counts}
    yield {"size": [height, width], "counts": tuple(counts)}
    yield {"size": [height, width], "counts": np.array(counts, np.uint32)}
    yield {"counts": counts}  # these are read with the shape only
    yield {"counts": text}
    yield [{"size": [height, width], "counts": text}]
    yield ({"counts": counts}, empty, {"size": [height, width], "counts": text.decode()})
    yield RunMask(counts, shape)


def outcome(call, *arguments, **options):
    """What a call returns, or the error that it raises."""
    try:
        result = call(*arguments, **options)
    except (mc.MaskError, TypeError) as error:
        return type(error), str(error)
    if isinstance(result, tuple):
        return [part.tolist() for part in result]
    return result.tolist() if isinstance(result, np.ndarray) else result


# --------------------------------------------------------------------------- run lengths


@given(strategies.runs())
def test_run_lengths_are_read_in_every_way_that_they_are_stored(drawn):
    counts, shape = drawn
    for segmentation in kinds_of(counts, shape):
        mask = coco.read(segmentation, shape)
        assert mask.shape == shape
        assert mask == RunMask(counts, shape)


@given(strategies.cells())
def test_what_pycocotools_writes_is_read_as_what_it_reads(cells):
    rle = coco_mask.encode(np.asfortranarray(cells))
    for segmentation in (rle, {**rle, "counts": rle["counts"].decode()}):
        mask = coco.read(segmentation)
        assert mask.counts.tolist() == reference.counts_of(cells)
        assert mask.rle() == rle
        assert np.array_equal(mask.mask(), coco_mask.decode(rle))


@given(st.data(), strategies.shapes)
def test_a_list_of_run_lengths_is_their_union(data, shape):
    drawn = data.draw(st.lists(strategies.runs(shape), min_size=1, max_size=3))
    masks = [RunMask(*each) for each in drawn]
    expected = coco_mask.merge([mask.rle() for mask in masks])
    assert coco.read([mask.rle() for mask in masks]).rle() == expected


def test_holes_and_several_parts_are_kept():
    painted = np.zeros((20, 30), np.uint8)
    painted[2:12, 3:14] = painted[15:19, 20:29] = 1
    painted[5:8, 6:9] = 0
    rle = coco_mask.encode(np.asfortranarray(painted))
    text = mc.BSD(grid=(20, 30)).encode(rle, "dog")
    (region,) = mc.BSD(grid=(20, 30)).decode(text)
    assert np.array_equal(region.mask((20, 30)), painted)
    assert region.coco_rle((20, 30)) == rle


# ------------------------------------------------------------------------ hostile strings


def check_as_the_reference(text, shape):
    data = text.encode("utf-8", "surrogatepass")
    try:
        counts = reference.read_counts(data, shape)
    except reference.RefusedError:
        counts = None
    for given_counts in (text, data, bytearray(data)):
        rle = {"size": list(shape), "counts": given_counts}
        if counts is None:
            with pytest.raises(mc.MaskError, match=r"^the counts of segmentation .*\d\)$"):
                coco.read(rle)
        else:
            assert coco.read(rle).counts.tolist() == counts


@given(st.data(), strategies.runs())
def test_almost_right_counts_are_read_as_the_reference_reads_them(data, drawn):
    text = reference.write_counts(drawn[0]).decode()
    check_as_the_reference(data.draw(strategies.mutated(text, strategies.RLE_PIECES)), drawn[1])


@given(st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=12), strategies.shapes)
def test_any_characters_of_the_format_are_read_as_the_reference_reads_them(text, shape):
    check_as_the_reference(text, shape)


@given(st.text(max_size=8), strategies.shapes)
@example("", (1, 1))
def test_any_text_is_read_as_the_reference_reads_it(text, shape):
    check_as_the_reference(text, shape)


@given(strategies.runs())
@few
def test_any_cut_of_counts_is_read_as_the_reference_reads_it(drawn):
    text = reference.write_counts(drawn[0]).decode()
    for end in range(len(text)):
        check_as_the_reference(text[:end], drawn[1])


@given(st.lists(st.integers(0, 2**32), min_size=1, max_size=6))
def test_counts_of_any_size_are_read_as_the_reference_reads_them(counts):
    text = reference.write_counts(counts).decode()
    for shape in ((65535, 65537), (1, 2**32 - 1), (1, max(1, min(sum(counts), 2**32 - 1)))):
        check_as_the_reference(text, shape)


# ----------------------------------------------------------------------- polygons


@given(st.data(), strategies.shapes)
def test_polygons_are_drawn_and_merged_as_pycocotools_does(data, shape):
    polygons = data.draw(strategies.rings(shape))
    painted = pycoco(polygons, shape)
    mask = coco.read(polygons, shape)
    assert np.array_equal(mask.mask(), painted)
    assert mask.rle() == coco_mask.encode(np.asfortranarray(painted))
    assert mask == coco.read(tuple(map(tuple, polygons)), list(shape))
    assert mask == coco.read([np.array(ring) for ring in polygons], shape)
    parts = [coco.read([ring], shape).mask() for ring in polygons]
    assert np.array_equal(np.maximum.reduce(parts), painted)
    if len(polygons) == 1:
        assert coco.read(polygons[0], shape) == mask


@pytest.mark.parametrize(
    ("polygons", "area", "bbox"),
    [
        ([SQUARE], 4, (1, 1, 2, 2)),
        (SQUARE, 4, (1, 1, 2, 2)),
        (tuple(SQUARE), 4, (1, 1, 2, 2)),
        ([[1.0, 1, 3, 1, 3, 3, 1, 3]], 4, (1, 1, 2, 2)),
        ([np.array(SQUARE, np.float32)], 4, (1, 1, 2, 2)),
        ([np.array(SQUARE, np.uint8), SQUARE], 4, (1, 1, 2, 2)),
        ([SQUARE, [5, 5, 8, 5, 8, 7, 5, 7]], 10, (1, 1, 7, 6)),
        ([SQUARE, [2, 2, 4, 2, 4, 4, 2, 4]], 7, (1, 1, 3, 3)),
        ([[-3, -3, 2, -3, 2, 2, -3, 2]], 4, (0, 0, 2, 2)),
        ([[7, 6, 18, 6, 18, 15, 7, 15]], 6, (7, 6, 3, 2)),
        ([[12, 2, 15, 2, 15, 5, 12, 5]], 0, (0, 0, 0, 0)),
        ([[1, 1, 1, 1, 1, 1]], 0, (0, 0, 0, 0)),
    ],
)
def test_polygons_in_and_around_an_image(polygons, area, bbox):
    mask = coco.read(polygons, (8, 10))
    assert (mask.area, mask.bbox) == (area, bbox)


def test_parts_of_a_large_image_are_united_in_little_memory():
    """In a process of its own: the merge of pycocotools 2.0.11 would take 2.1 GB."""
    pytest.importorskip("resource")
    code = """
import resource
from maskcodec import coco
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
side = 23_000
middle = side // 2
block = [0, 0, middle, 0, middle + 1, side // 4, middle + 1, middle, middle, side, 0, side]
speck = [side - 50, 100, side - 40, 100, side - 40, 300, side - 50, 300]
parts = [coco.read([ring], (side, side)) for ring in (block, speck)]
whole = coco.read([block, speck], (side, side))
assert parts[1].area == 2000
assert whole.area == parts[0].area + 2000, whole
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_images_that_pycocotools_cannot_draw_on_are_refused(monkeypatch):
    """It writes counts of 2**29 and more past the end of its memory."""
    assert coco.read([SQUARE], (1, 2**29 - 1)).shape == (1, 2**29 - 1)
    monkeypatch.setattr(coco_mask, "frPyObjects", lambda *_: pytest.fail("was drawn"))
    with pytest.raises(mc.MaskError) as caught:
        coco.read([SQUARE], (2**15, 2**14))
    assert str(caught.value) == (
        "segmentation has polygons on an image of 32768 x 16384 pixels; pycocotools draws on up to "
        "536,870,911: cut the image up, or use run lengths"
    )


def test_polygons_without_pycocotools_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        coco.read([SQUARE], (4, 4))
    assert str(caught.value) == (
        "polygons need pycocotools, which is missing: pip install 'maskcodec[coco]'"
    )
    assert caught.value.name == "pycocotools"
    assert coco.read(FIVE).area == 4  # run lengths need nothing
    with pytest.raises(mc.MaskError, match="polygon 0 has 2 coordinates"):
        coco.read([[1, 2]], (4, 4))


def test_an_endless_outline_is_refused_before_pycocotools_sees_it(monkeypatch):
    monkeypatch.setattr(coco_mask, "frPyObjects", lambda *_: pytest.fail("was drawn"))
    zigzag = [0, 0, 60_000, 1] * 20
    with pytest.raises(mc.MaskError) as caught:
        coco.read([SQUARE, zigzag], (8_000, 60_000))
    assert str(caught.value) == (
        "segmentation has outlines of 2,400,008 pixels; 2,000,000 are the most"
    )
    with pytest.raises(mc.MaskError, match=r"^segmentation has outlines of 2,400,000 pixels"):
        coco.read([[0, 0, 0, 2] * 300_000] * 2, (4, 4))
    with pytest.raises(mc.MaskError, match=r"^mask has outlines of 3,000,000 pixels"):
        mc.BSD().encode([[0, 0, 100, 0, 100, 50]] * 12_000, "dog", shape=(100, 100))


def test_a_long_outline_that_is_not_endless_is_drawn():
    zigzag = [0, 0, 90, 1] * 2000
    assert coco.read([zigzag], (100, 100)).mask().shape == (100, 100)
    circle = np.linspace(0, 2 * np.pi, 5000)
    ring = np.stack([2000 + 1900 * np.cos(circle), 2000 + 1900 * np.sin(circle)], 1).ravel()
    assert abs(coco.read([ring], (4000, 4000)).area / (np.pi * 1900**2) - 1) < 0.001


# -------------------------------------------------------------------- what the codecs make


@given(strategies.runs(), codecs)
def test_codecs_write_of_run_lengths_what_they_write_of_pixels(drawn, codec):
    counts, shape = drawn
    expected = outcome(codec.encode, reference.mask_of(counts, shape), "dog")
    for segmentation in kinds_of(counts, shape):
        assert outcome(codec.encode, segmentation, "dog", shape=shape) == expected
    assert outcome(codec.encode, RunMask(counts, shape).rle(), "dog") == expected


@given(st.data(), strategies.shapes, codecs)
def test_codecs_write_of_polygons_what_they_write_of_pixels(data, shape, codec):
    polygons = data.draw(strategies.rings(shape))
    expected = outcome(codec.encode, pycoco(polygons, shape), "dog")
    assert outcome(codec.encode, polygons, "dog", shape=shape) == expected
    assert outcome(codec.encode, coco.read(polygons, shape), "dog") == expected


@given(strategies.runs(), token_codecs)
def test_token_codecs_write_of_run_lengths_what_they_write_of_pixels(drawn, codec):
    counts, shape = drawn
    expected = outcome(codec.encode, reference.mask_of(counts, shape), "dog")
    for segmentation in kinds_of(counts, shape):
        assert outcome(codec.encode, segmentation, "dog", shape=shape) == expected


@st.composite
def annotations(draw):
    """Segmentations of any kind, their pixels, and the shape of each one's image."""
    same_shape = draw(st.one_of(st.none(), strategies.shapes))
    found, painted, shapes = [], [], []
    for _ in range(draw(st.integers(0, 4))):
        shape = same_shape or draw(strategies.shapes)
        if draw(st.booleans()):
            polygons = draw(strategies.rings(shape))
            found.append(polygons)
            painted.append(pycoco(polygons, shape))
        else:
            counts, _ = draw(strategies.runs(shape))
            found.append(draw(st.sampled_from(list(kinds_of(counts, shape)))))
            painted.append(reference.mask_of(counts, shape))
        shapes.append(shape)
    return found, painted, shapes, same_shape


@given(annotations(), token_codecs, st.sampled_from(["raise", "drop"]))
def test_a_batch_of_segmentations_is_that_of_their_pixels(drawn, codec, lost):
    found, painted, shapes, shape = drawn
    labels = ["dog", "sky", "black dog", "roi0"][: len(found)]
    lists = [[], []]
    expected = outcome(codec.encode_batch, painted, labels, lost=lost, dropped=lists[0])
    assert (
        outcome(codec.encode_batch, found, labels, shape=shapes, lost=lost, dropped=lists[1])
        == expected
    )
    assert lists[0] == lists[1]
    if shape is not None:
        assert (
            outcome(
                codec.encode_batch, iter(found), labels, shape=list(shape), lost=lost, dropped=[]
            )
            == expected
        )
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
        lists = [[], []]
        results = [
            outcome(kind.encode_many, masks, labels, lost="drop" if drop else "raise", **options)
            for masks, options in (
                (painted, {"dropped": lists[0] if drop else None}),
                (found, {"dropped": lists[1] if drop else None, "shape": shape}),
            )
        ]
        assert results[0] == results[1]
        assert lists[0] == lists[1]


def test_label_maps_may_stand_beside_segmentations():
    codec = tokens("byte-level", mc.RRLE(grid=(5, 7)))
    label_map = np.arange(35).reshape(5, 7) % 3
    rle = {"size": [10, 14], "counts": [30, 50, 60]}
    names = [{1: "dog", 2: "sky"}, "dog", ["others", "sky"], "black dog"]
    images = [label_map, rle, label_map, label_map]
    ids, offsets = codec.encode_batch(images, names, shape=[(5, 7), (10, 14), (5, 7), (5, 7)])
    parts = np.split(ids, offsets[1:-1])
    for part, image, name in zip(parts, images, names, strict=True):
        assert part.tolist() == codec.encode(image, name).tolist()
    same = codec.encode_batch(images, names)
    assert same[0].tolist() == ids.tolist()
    stack = np.stack([label_map, label_map])
    assert codec.encode_batch(stack, names[:2], shape=(5, 7))[0].tolist() == [
        *codec.encode(label_map, names[0]),
        *codec.encode(label_map, names[1]),
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


# ---------------------------------------------------------------------- what is refused

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
        coco.read(segmentation, shape)
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
            [[1, 1], [3, 1], [3, 3]],
            TypeError,
            "must be numbers [x1, y1, x2, y2, x3, y3, ...], got [[1, 1], [3, 1], [3, 3]]",
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
            coco.read(polygons, (4, 6))
        assert str(caught.value) == f"segmentation, polygon {index} {message}"


@pytest.mark.parametrize(
    "number", [2**64, -(2**63) - 1, 10**30, 10**400], ids=["2**64", "-2**63-1", "1e30", "1e400"]
)
def test_a_coordinate_beyond_64_bits_is_far_outside(number):
    with pytest.raises(mc.MaskError, match=r"^segmentation, polygon 0 has .* at index 5, far"):
        coco.read([[1, 1, 3, 1, 3, number]], (4, 6))


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
        coco.read(segmentation, (4, 4))


def test_a_size_that_is_null_is_no_size():
    assert coco.read({"size": None, "counts": [16]}, (4, 4)) == RunMask([16], (4, 4))


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
        with pytest.raises(mc.LostMaskError) as caught:
            call([FIVE, speck], ["dog", "tie"])
        assert str(caught.value) == (
            "mask 1 ('tie') has 2 of 480 x 640 pixels set, but no cell of the 4 x 4 grid is left "
            'of it with sampling=\'nearest\'; sampling="keep" keeps it, lost="drop" drops it'
        )
        dropped = []
        call([speck, FIVE, {"counts": [16], "size": [4, 4]}], WORDS, lost="drop", dropped=dropped)
        assert dropped == [0]


WORDS = ["tie", "dog", "nothing"]


@given(strategies.json_like, st.sampled_from([None, (3, 4), (7, 9)]))
@example([[10**400, 1.5]], None)
@example([[10**400, 1.5] * 3], (3, 4))
@example([{"size": [3, 4], "counts": [12]}, [1, 2]], (3, 4))
@example(json.loads("[" * 200 + "]" * 200), (3, 4))
def test_anything_else_is_refused_by_name(segmentation, shape):
    calls = [
        lambda: coco.read(segmentation, shape),
        lambda: mc.BSD(grid=3).encode(segmentation, "dog", shape=shape),
        lambda: mc.RRLE(grid=3).encode(segmentation, "dog", shape=shape, dropped=[]),
        lambda: TOKENS[0].encode_batch([segmentation], ["dog"], shape=shape),
    ]
    for call in calls:
        try:
            call()
        except (mc.MaskError, TypeError) as error:
            assert str(error)


# -------------------------------------------------------------------------------- results

GRID = mc.BSD(grid=(4, 6))
SHAPE = (40, 60)


def boxed(label, x, y, width, height):
    """A region of whole cells, each 10 x 10 pixels."""
    box = (x, y, x + width - 1, y + height - 1)
    return mc.Region(label, box, np.ones((height, width), int), (4, 6))


def annotated(regions, categories):
    """A ground truth of one image as COCO has it."""
    from pycocotools.coco import COCO

    truth = COCO()
    annotations = []
    for k, region in enumerate(regions):
        rle = region.coco_rle(SHAPE)
        annotations.append(
            {
                "id": k + 1,
                "image_id": 7,
                "category_id": categories[region.label],
                "segmentation": {**rle, "counts": rle["counts"].decode()},
                "area": region.area(SHAPE),
                "bbox": list(region.bbox(SHAPE)),
                "iscrowd": 0,
            }
        )
    truth.dataset = {
        "info": {},
        "images": [{"id": 7, "height": SHAPE[0], "width": SHAPE[1]}],
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
        "annotations": annotations,
    }
    truth.createIndex()
    return truth


def average_precision(truth, rows):
    from pycocotools.cocoeval import COCOeval

    evaluation = COCOeval(truth, truth.loadRes(json.loads(json.dumps(rows))), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]


@pytest.fixture
def _quiet(capsys):
    """Pycocotools tells what it does."""
    yield
    capsys.readouterr()


CATEGORIES = {"dog": 18, "cat": 17}
DOGS = [boxed("dog", 0, 0, 2, 2), boxed("dog", 3, 1, 2, 2)]
CAT = boxed("cat", 2, 2, 3, 2)
HALF = 51 / 101  # of COCO's 101 recalls 0, 0.01 .. 1, so many are reached by one of two


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize(
    ("truth", "found", "scores", "expected"),
    [
        ([*DOGS, CAT], [*DOGS, CAT], None, 1.0),
        ([*DOGS, CAT], [CAT, *DOGS], [0.1, 0.9, 0.2], 1.0),
        ([*DOGS, CAT], DOGS, None, 0.5),  # the mean of dogs and cats
        (DOGS, DOGS[:1], [0.9], HALF),
        (DOGS, [DOGS[0], boxed("dog", 5, 0, 1, 1)], [0.9, 0.8], HALF),
        (DOGS, [DOGS[0], boxed("dog", 5, 0, 1, 1)], [0.8, 0.9], HALF / 2),
        (DOGS, [boxed("dog", 5, 0, 1, 1)], [0.9], 0.0),
        # 4 of 6 cells: good for 0.50 0.55 0.60 0.65 of the ten thresholds
        (DOGS[:1], [boxed("dog", 0, 0, 3, 2)], [0.9], 0.4),
    ],
)
def test_cocoeval_scores_results_as_counted_by_hand(truth, found, scores, expected):
    regions = GRID.decode(GRID.encode_regions(found))
    rows = coco.results(regions, SHAPE, image_id=7, category_ids=CATEGORIES, scores=scores)
    categories = {name: CATEGORIES[name] for name in {region.label for region in truth}}
    assert average_precision(annotated(truth, categories), rows) == pytest.approx(expected)


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("method", ["nearest", "smooth", "contour"])
def test_loaded_results_have_the_masks_area_and_box(method):
    regions = [*DOGS, mc.Region("cat", (1, 1, 3, 2), [[1, 0, 1], [0, 1, 1]], (4, 6))]
    regions.append(mc.Region("dog", (1, 0, 7, 9), [[1, 0], [1, 1]], (10, 10), frame="box"))
    rows = coco.results(regions, SHAPE, image_id=7, category_ids=CATEGORIES, method=method)
    loaded = annotated(DOGS, CATEGORIES).loadRes(json.loads(json.dumps(rows)))
    for row, region in zip(loaded.loadAnns(loaded.getAnnIds()), regions, strict=True):
        painted = region.mask(SHAPE, method=method)
        assert row["area"] == painted.sum()
        assert tuple(row["bbox"]) == reference.bbox(painted)
        assert np.array_equal(loaded.annToMask(row), painted)
        assert coco.read(row["segmentation"], SHAPE).area == row["area"]


def test_results_are_plain_data_for_json():
    rows = coco.results(
        iter([*DOGS, CAT]),
        SHAPE,
        image_id=7,
        category_ids=CATEGORIES,
        scores=np.array([0.5, 1, 0.25], np.float32),
    )
    assert json.loads(json.dumps(rows)) == rows
    assert [row["category_id"] for row in rows] == [18, 18, 17]
    assert [row["score"] for row in rows] == [0.5, 1.0, 0.25]
    assert rows[2] == {
        "image_id": 7,
        "category_id": 17,
        "segmentation": {"size": [40, 60], "counts": CAT.coco_rle(SHAPE)["counts"].decode()},
        "score": 0.25,
    }
    assert coco.results([], SHAPE, image_id=7, category_ids={}) == []
    assert coco.results([CAT], SHAPE, image_id=7, category_ids=CATEGORIES)[0]["score"] == 1.0


def test_results_of_a_label_that_is_no_category_are_refused_or_dropped():
    found = [boxed("bird", 0, 0, 1, 1), DOGS[0]]
    with pytest.raises(mc.LabelError) as caught:
        coco.results(found, SHAPE, image_id=7, category_ids=CATEGORIES)
    assert str(caught.value) == (
        "label 'bird' is no category; unknown=\"drop\" leaves such regions out"
    )
    rows = coco.results(
        found, SHAPE, image_id=7, category_ids=CATEGORIES, unknown="drop", scores=[0.9, 0.8]
    )
    assert [(row["category_id"], row["score"]) for row in rows] == [(18, 0.8)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scores": [1]}, mc.MaskError, "there must be a score for each region, got 2 and 1"),
        ({"unknown": "keep"}, mc.ConfigError, "unknown must be one of 'raise', 'drop', got 'keep'"),
        (
            {"method": "cubic"},
            mc.ConfigError,
            "method must be one of 'nearest', 'smooth', 'contour', got 'cubic'",
        ),
        ({"shape": (0, 60)}, mc.MaskError, "shape must be two integers of at least 1, got (0, 60)"),
    ],
)
def test_results_that_cannot_be_written_are_refused(options, error, message):
    settings_ = {"shape": SHAPE, "image_id": 7, "category_ids": CATEGORIES, **options}
    with pytest.raises(error) as caught:
        coco.results(DOGS, **settings_)
    assert str(caught.value) == message


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
        mask = coco.read(segmentation, shape)
        painted = coco_mask.decode(rle)
        assert np.array_equal(mask.mask(), painted)
        assert mask.rle() == coco_mask.encode(np.asfortranarray(painted))
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
        ("52203", TypeError, "mask must be a mask or a segmentation, got '52203'; open an image"),
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
    assert coco.read([wide], (480, 640)).bbox == (10, 10, 590, 390)
    with pytest.raises(mc.MaskError) as caught:
        coco.read([[10, 10, 20, 10, 20, 20], wide], (640, 480))
    assert str(caught.value) == (
        "segmentation reaches to x = 600 and y = 400 on an image of 640 x 480 pixels, height x "
        "width; shape is (height, width): they seem to be swapped"
    )
    tall = [10, 10, 400, 10, 400, 600, 10, 600]
    with pytest.raises(mc.MaskError, match="reaches to x = 400 and y = 600 on an image of 480 x"):
        coco.read([tall], (480, 640))


def test_polygons_may_leave_their_image_a_little_or_on_both_ways():
    assert coco.read([[10, 10, 482, 10, 482, 400, 10, 400]], (640, 480)).bbox == (10, 10, 470, 390)
    assert coco.read([[10, 10, 700, 10, 700, 400, 10, 400]], (480, 640)).bbox == (10, 10, 630, 390)


def test_coordinates_that_pycocotools_cannot_hold_are_refused(monkeypatch):
    monkeypatch.setattr(coco_mask, "frPyObjects", lambda *_: pytest.fail("was drawn"))
    for far in (2**20 + 1, -(2**20) - 1):
        with pytest.raises(mc.MaskError, match=f"has {far} at index 4, far outside an image of"):
            coco.read([[0, 0, 1, 0, far, 0]], (8, 2**21))


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
        coco.read(value, (4, 4))
    assert len(str(caught.value)) < 200


def test_a_long_batch_keeps_each_label_with_its_mask():
    codec = tokens("byte-level", mc.BSD(grid=4))
    labels = [f"roi{i}" for i in range(600)]
    ids, bounds = codec.encode_batch([FIVE] * 600, labels)
    found = codec.decode(ids)
    assert [region.label for region in found] == labels
    assert bounds.tolist()[-1] == len(ids)


# --------------------------------------------------------------------- results for JSON


def dog():
    return mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 1]], canvas=(4, 4))


def test_ids_of_results_may_come_from_arrays():
    ids = {"dog": np.int32(18)}
    (row,) = coco.results([dog()], (4, 4), image_id=np.int64(7), category_ids=ids)
    assert json.loads(json.dumps(row)) == row
    assert (row["image_id"], row["category_id"]) == (7, 18)
    (row,) = coco.results([dog()], (4, 4), image_id="a7", category_ids=ids)
    assert row["image_id"] == "a7"


def test_results_that_cannot_be_ranked_or_named_are_refused():
    with pytest.raises(mc.MaskError, match="scores must be finite numbers, got nan at index 1"):
        coco.results([dog()] * 2, (4, 4), image_id=7, category_ids={"dog": 1}, scores=[1, np.nan])
    with pytest.raises(TypeError, match=r"category_ids must map names to ids, got \['dog'\]"):
        coco.results([dog()], (4, 4), image_id=7, category_ids=["dog"])
    with pytest.raises(TypeError):
        coco.results([dog()], (4, 4), image_id=7.0, category_ids={"dog": 1})
