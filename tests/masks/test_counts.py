"""Run lengths, hostile ones as well: read as COCO's own tools read them."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec import coco
from maskcodec.coco import RunMask
from tests import reference, strategies
from tests.masks.segmentations import coco_mask, few, kinds_of

# --------------------------------------------------------------------------- run lengths


@given(strategies.runs())
def test_run_lengths_are_read_in_every_way_that_they_are_stored(drawn):
    counts, shape = drawn
    for segmentation in kinds_of(counts, shape):
        mask = coco.read(segmentation, shape=shape)
        assert mask.shape == shape
        assert mask == RunMask(counts, shape)


@given(strategies.cells())
def test_what_pycocotools_writes_is_read_as_what_it_reads(cells):
    rle = coco_mask.encode(np.asfortranarray(cells))
    for segmentation in (rle, {**rle, "counts": rle["counts"].decode()}):
        mask = coco.read(segmentation)
        assert mask.counts.tolist() == reference.counts_of(cells)
        assert mask.coco_rle() == rle
        assert np.array_equal(mask.mask(), coco_mask.decode(rle))


@given(st.data(), strategies.shapes)
def test_a_list_of_run_lengths_is_their_union(data, shape):
    drawn = data.draw(st.lists(strategies.runs(shape), min_size=1, max_size=3))
    masks = [RunMask(*each) for each in drawn]
    expected = coco_mask.merge([mask.coco_rle() for mask in masks])
    assert coco.read([mask.coco_rle() for mask in masks]).coco_rle() == expected


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
