"""Masks to ids: the ids are the tokenizer's own, of one mask or of many."""

import logging

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import maskcodec as mc
from tests import strategies
from tests.conftest import PURE
from tests.tokenizers.token_codecs import (
    BRICKS,
    EXACT,
    ROUTES,
    batch,
    codec_of,
    every_tokenizer,
    few,
    image_codecs,
    instance_codecs,
    label_text,
    loop,
    read_everyway,
    specks,
)
from tests.vocabularies import WORDS, encoded, extended, tokens, wrapped


@every_tokenizer
@given(data=st.data())
@few
def test_ids_are_those_of_the_text_and_come_back(name, data):
    codec = tokens(name, data.draw(instance_codecs(name)))
    bsd = codec.codec
    small = st.one_of(strategies.cells(bsd.most_cells), strategies.small_cells)
    mask, label = data.draw(small), data.draw(strategies.labels)
    text = bsd.encode(mask, label, lost="drop")
    try:
        ids = codec.encode(mask, label, lost="drop")
    except (mc.LabelError, mc.VocabError):
        assert name not in EXACT
        return
    assert ids.tolist() == encoded(codec.tokenizer, text)
    assert (ids.dtype, ids.flags.owndata, ids.flags.writeable) == (np.int64, True, True)
    if not text:
        assert codec.decode(ids) == []
        return
    if name == "word-piece" and not bsd.has_bricks:
        assume(bsd.spelling is None)  # it puts spaces into "[F2]"
    (expected,) = bsd.decode(text)
    (region,) = codec.decode(ids)
    assert np.array_equal(region.cells, expected.cells)
    assert (region.box, region.canvas) == (expected.box, expected.canvas)
    assert region.label == label_text(codec, ids)
    if name in EXACT:
        assert region.label == expected.label
    if bsd.has_bricks:
        read_everyway(codec, ids)
    back = codec.tokenizer.decode(ids.tolist(), skip_special_tokens=False)
    if "\n" in back or not bsd.row_separator or expected.cells.shape[0] == 1:
        (again,) = bsd.decode(back)
        assert np.array_equal(again.cells, expected.cells)
        assert again.box == expected.box


@every_tokenizer
@given(data=st.data())
@few
def test_label_maps_come_back(name, data):
    codec = tokens(name, data.draw(image_codecs(name)))
    names = ["others", *data.draw(st.lists(strategies.cell_labels, max_size=5, unique=True))]
    numbers = st.integers(0, len(names) - 1)
    shape = codec.codec.canvas
    cells = data.draw(strategies.hnp.arrays(np.int32, shape, elements=numbers))
    text = codec.codec.encode(cells, names)
    try:
        ids = codec.encode(cells, names)
    except mc.LabelError:  # rightly, where a label holds one of the tokenizer's special tokens
        assume(codec._binding.vocab.ignored.isdisjoint(encoded(codec.tokenizer, text)))
        raise
    assert ids.tolist() == encoded(codec.tokenizer, text)
    if name in EXACT:
        assert codec.decode(ids) == codec.codec.decode(text)
        assert codec.recover(ids) == (codec.codec.decode(text), [])
        back = codec.tokenizer.decode(ids.tolist(), skip_special_tokens=False)
        assert codec.decode(ids) == codec.codec.decode(back)


@every_tokenizer
@given(data=st.data())
@few
def test_label_maps_of_plain_words_come_back_from_any_tokenizer(name, data):
    codec = tokens(name, data.draw(image_codecs(name)))
    shape = codec.codec.canvas
    assume(name != "word-piece" or not isinstance(codec.codec, mc.RRLE) or shape[0] == 1)
    cells = data.draw(strategies.hnp.arrays(np.uint8, shape, elements=st.integers(0, 2)))
    labels = {1: "dog", 2: "sky"}
    expected = codec.codec.decode(codec.codec.encode(cells, labels))
    assert codec.decode(codec.encode(cells, labels)) == expected


@pytest.mark.parametrize("name", ["byte-level", "metaspace", "word-piece"])
@pytest.mark.parametrize("codec", [BRICKS[3][0], BRICKS[9][0], BRICKS[21][0], mc.RRLE(grid=(5, 7))])
def test_transformers_makes_the_same_ids(name, codec):
    bare, dressed = tokens(name, codec), mc.TokenCodec(codec, wrapped(extended(name)))
    for cells in (np.eye(5, 7, dtype=int), np.ones((50, 70), bool), np.zeros((5, 7), int)):
        ids = dressed.encode(cells, "black dog")
        text = codec.encode(cells, "black dog")
        assert (
            ids.tolist()
            == encoded(dressed.tokenizer, text)
            == bare.encode(cells, "black dog").tolist()
        )
        if name != "word-piece" or not isinstance(codec, mc.RRLE):
            assert dressed.decode(ids) == bare.decode(ids)
    assert dressed.words == bare.words


@every_tokenizer
@pytest.mark.parametrize("number", [0, 9, 10, 63, 64, 99, 100, 129])
def test_every_length_of_a_coordinate(name, number):
    codec = tokens(name, mc.BSD(grid=(12, 130)))
    cells = np.zeros((12, 130), np.uint8)
    cells[number % 12 :, 129 - number :] = 1
    ids = codec.encode(cells, "dog")
    assert ids.tolist() == encoded(codec.tokenizer, codec.codec.encode(cells, "dog"))
    assert codec.decode(ids)[0].box == (129 - number, number % 12, 129, 11)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("name", ["byte-level", "metaspace"])
def test_the_largest_grid(name):
    codec = tokens(name, mc.BSD(grid=1024))
    cells = np.eye(1024, dtype=np.uint8)
    cells[1000:, ::2] ^= 1
    for mask in (cells, cells.T, np.ones((4, 4), int)):
        ids = codec.encode(mask, "dog")
        text = codec.codec.encode(mask, "dog")
        assert ids.tolist() == encoded(codec.tokenizer, text)
        assert codec.decode(ids) == codec.codec.decode(text)


@pytest.mark.parametrize(("name", "kind", "options"), ROUTES)
@given(data=st.data())
@few
def test_a_batch_is_the_loop(name, kind, options, data):
    codec = codec_of(name, kind, options)
    shape = data.draw(st.sampled_from([(5, 7), (9, 4), (20, 30)]))
    masks = data.draw(st.lists(strategies.cells(shape), max_size=5))
    masks = np.array(masks, np.uint8).reshape(len(masks), *shape)
    labels = data.draw(st.lists(strategies.labels, min_size=len(masks), max_size=len(masks)))
    try:
        expected = loop(codec, masks, labels)
    except mc.LabelError:
        with pytest.raises(mc.LabelError):
            codec.encode_batch(masks, labels, lost="drop")
        return
    assert batch(codec, masks, labels, lost="drop") == expected
    text = codec.codec.encode_many(masks, labels, lost="drop")
    ids = codec.encode_many(masks, labels, lost="drop")
    assert ids.tolist() == encoded(codec.tokenizer, text)
    if name in EXACT:
        assert len(codec.decode(ids)) == sum(map(bool, expected))


@pytest.mark.parametrize(("name", "kind", "options"), ROUTES)
def test_arrays_of_any_kind_are_a_batch(name, kind, options):
    codec = codec_of(name, kind, options)
    masks = np.random.default_rng(0).integers(0, 2, (4, 10, 14), np.uint8)
    masks[2] = 0
    labels = ["dog", "sky", "dog", "black dog"]
    expected = loop(codec, masks, labels)
    assert batch(codec, masks, labels) == expected
    for dtype in (bool, np.int8, np.uint16, np.int64, ">i4", np.uint64):
        assert batch(codec, masks.astype(dtype), labels) == expected
    frozen = masks.copy()
    frozen.flags.writeable = False
    swapped = masks.transpose(1, 2, 0).copy().transpose(2, 0, 1)
    strided = masks.repeat(2, 2)[:, :, ::2]
    for other in (frozen, np.asfortranarray(masks), swapped, strided, masks * 255, list(masks)):
        assert batch(codec, other, labels) == expected
    assert batch(codec, masks[::-1], labels[::-1]) == expected[::-1]
    assert batch(codec, iter(masks.tolist()), iter(labels)) == expected
    assert batch(codec, -masks.astype(np.int8), labels) == expected


@pytest.mark.parametrize(("name", "kind", "options"), ROUTES)
def test_masks_of_many_sizes_and_none_at_all(name, kind, options):
    codec = codec_of(name, kind, options)
    masks = [np.ones(shape, bool) for shape in [(1, 1), (48, 640), (3, 90), (5, 7)]]
    assert batch(codec, masks, WORDS) == loop(codec, masks, WORDS)
    for none in (np.zeros((0, 5, 7), np.uint8), [], np.zeros((0, 480, 640), bool)):
        ids, offsets = codec.encode_batch(none, [])
        assert (ids.tolist(), offsets.tolist()) == ([], [0])
        assert codec.encode_many(none, []).tolist() == []


@pytest.mark.parametrize("sampling", ["nearest", "area"])
def test_a_batch_outgrows_its_first_buffer(sampling):
    side = 20 if PURE else 100
    codec = tokens("byte-level", mc.BSD(grid=side, sampling=sampling))
    checker = (np.indices((side, side)).sum(0) % 2).astype(np.uint8)
    masks = np.stack([checker, 1 - checker, np.zeros_like(checker)] * 5)
    labels = [f"{word} {'x' * 3 * k}" for k, word in enumerate(["dog"] * len(masks))]
    found = batch(codec, masks, labels)
    assert found == loop(codec, masks, labels)
    assert sum(map(len, found)) > 5 * side * side


@pytest.mark.parametrize(("name", "kind", "options"), ROUTES[:1] + ROUTES[4:6])
def test_lost_masks_are_refused_or_reported(name, kind, options, caplog):
    codec = codec_of(name, kind, options)
    masks, labels = specks()
    whole, _ = codec.encode_batch(masks[1:2], ["dog"])
    with caplog.at_level(logging.WARNING, logger="maskcodec"):
        for these in (masks, list(masks)):
            for call in (codec.encode_batch, codec.encode_many):
                with pytest.raises(mc.LostMaskError) as caught:
                    call(these, labels)
                with pytest.raises(mc.LostMaskError) as expected:
                    codec.codec.encode_many(these, labels)
                assert str(caught.value) == str(expected.value)
        with pytest.raises(mc.LostMaskError, match=r"^mask \('tie'\) has 1 of 480 x 640"):
            codec.encode(masks[0], "tie")
        assert not caplog.records
        assert codec.codec.lost(masks) == [0, 3]
        for these in (masks, list(masks)):
            ids, offsets = codec.encode_batch(these, labels, lost="drop")
            assert ids.tolist() == whole.tolist()
            assert offsets.tolist() == [0, 0, len(ids), len(ids), len(ids)]
        assert codec.encode(masks[0], "tie", lost="drop").tolist() == []
    assert [record.message for record in caplog.records] == [
        "dropped 2 of 4 masks: 0, 3",
        "dropped 2 of 4 masks: 0, 3",
        "dropped 1 of 1 mask: 0",
    ]


@pytest.mark.parametrize(("name", "kind", "options"), ROUTES)
def test_keep_loses_nothing(name, kind, options):
    codec = codec_of(name, kind, options | {"sampling": "keep"})
    masks, labels = specks(48, 64)
    assert [bool(ids) for ids in batch(codec, masks, labels)] == [True, True, False, True]


@pytest.mark.parametrize(
    ("codec", "mask", "label"),
    [  # a word of over 100 characters is unknown to it, and a control character is nothing
        (mc.BSD(grid=(3, 70), bricks=False), np.indices((3, 70)).sum(0) % 2, "dog"),
        (mc.BSD(grid=4, bricks=False), np.eye(4, dtype=int), "\x1b"),
        (mc.RRLE(grid=4), np.eye(4, dtype=int), "\x1b"),
    ],
)
def test_text_that_a_tokenizer_does_not_keep_is_refused(codec, mask, label):
    made = tokens("word-piece", codec)
    for call in (made.encode, lambda mask, label: made.encode_batch([mask], [label])):
        with pytest.raises(mc.VocabError, match="the tokenizer does not keep the text of"):
            call(mask, label)
