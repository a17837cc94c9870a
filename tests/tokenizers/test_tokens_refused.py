"""What cannot be ids: labels and masks, and tokenizers that lack or swallow words."""

import logging
import time

import numpy as np
import pytest

import maskcodec as mc
from tests.strategies import SCANLINE_SETTINGS
from tests.tokenizers.token_codecs import (
    IMAGE_WISE,
    MASK,
    ROUTES,
    batch,
    bricks_of,
    codec_of,
    loop,
    specks,
)
from tests.vocabularies import WORDS, AddedToken, encoded, extended, fresh, tokens

# ---------------------------------------------------------------- what encode refuses


@pytest.mark.parametrize(("name", "kind", "options"), ROUTES)
@pytest.mark.parametrize(
    ("masks", "labels", "error", "message"),
    [
        ([MASK], ["a", "b"], mc.MaskError, "a label for each mask, got 1 and 2"),
        ([MASK, MASK], "ab", mc.MaskError, "a label for each mask, got 2 and one str"),
        (MASK, ["a"] * 4, mc.MaskError, r"mask 0 must be \(height, width\), got shape \(4,\)"),
        (np.zeros((2, 0, 3), int), ["a", "b"], mc.MaskError, "at least one pixel"),
        (np.ones((2, 4, 4)), ["a", "b"], TypeError, "bool or an integer type, got float64"),
        (np.ones((2, 4, 4, 1), int), ["a", "b"], mc.MaskError, r"got shape \(4, 4, 1\)"),
        ([MASK, MASK * 0.5], ["a", "b"], TypeError, "mask 1 must be bool or an integer type"),
        (np.ma.masked_array(MASK[None]), ["a"], TypeError, "must not be a masked array"),
        ([MASK, MASK], ["a", " "], mc.LabelError, "a label must not be empty, got ' '"),
        ([MASK, MASK], ["a", 3], TypeError, "label must be a str, got 3"),
        ([MASK, MASK], ["a", None], TypeError, "label must be a str, got None"),
        ([MASK * 0, MASK], ["", "a"], mc.LabelError, "a label must not be empty"),
        ([MASK], ["a\ud800"], mc.LabelError, "lone surrogate"),
        ([MASK], ["x" * 200 + "\ud800"], mc.LabelError, "lone surrogate"),
    ],
)
def test_what_a_batch_refuses(name, kind, options, masks, labels, error, message):
    with pytest.raises(error, match=message):
        codec_of(name, kind, options).encode_batch(masks, labels)


@pytest.mark.parametrize(("name", "kind", "options"), ROUTES)
def test_one_mask_is_refused_as_the_codec_refuses_it(name, kind, options):
    codec = codec_of(name, kind, options)
    cases = [(MASK[0], "a"), (MASK * 0.5, "a"), (MASK, ""), (MASK, 3), (MASK, "a</seg>")]
    cases += [(MASK[:0], "a"), (MASK * 0, "</seg>"), (MASK * 0, "")]
    for mask, label in cases:
        with pytest.raises((ValueError, TypeError)) as expected:
            codec.codec.encode(mask, label)
        with pytest.raises(type(expected.value)) as caught:
            codec.encode(mask, label)
        assert str(caught.value) == str(expected.value)
    for call in (codec.encode, codec.encode_batch, codec.encode_many):
        with pytest.raises(mc.ConfigError, match="lost must be one of 'raise', 'drop', got 'keep'"):
            call(MASK, "dog", lost="keep")


def test_image_wise_codecs_have_no_instances():
    codec = tokens("byte-level", mc.RRLE(grid=4))
    with pytest.raises(mc.ConfigError) as caught:
        codec.encode_many([MASK], ["dog"])
    assert str(caught.value) == (
        "r-rle/1 writes one text for a whole image and has no instances; use encode, or "
        "encode_batch for several images"
    )


@pytest.mark.parametrize("codec", [IMAGE_WISE[6], mc.RRLE(grid=(5, 7)), mc.IRLE(grid=(5, 7))])
@pytest.mark.parametrize("name", ["byte-level", "metaspace"])
def test_a_batch_of_label_maps_is_the_loop(name, codec):
    codec = tokens(name, codec)
    maps = np.random.default_rng(0).integers(0, 3, (4, 10, 14))
    maps[3] = 0
    names = [{1: "dog"}, ["others", "sky", "dog"], {}, {1: "dog", 2: "sky"}]
    assert batch(codec, maps, names) == loop(codec, maps, names)
    assert batch(codec, maps > 0, WORDS) == loop(codec, maps > 0, WORDS)
    assert batch(codec, list(maps), iter(names)) == loop(codec, maps, names)
    assert batch(codec, maps[:0], []) == []


def test_a_batch_of_label_maps_reports_those_that_lost_a_label(caplog):
    codec = tokens("byte-level", mc.RRLE(grid=4))
    maps, names = specks()[0], [{1: "tie"}, {1: "dog"}, {}, "tie"]
    with caplog.at_level(logging.WARNING, logger="maskcodec"):
        with pytest.raises(
            mc.LostMaskError, match=r"^mask 0: 'tie' has pixels, but no cell of the"
        ):
            codec.encode_batch(maps, names)
        assert not caplog.records
        ids, offsets = codec.encode_batch(maps, names, lost="drop")
        assert (offsets.tolist()[-1], len(offsets)) == (len(ids), 5)
    assert [record.message for record in caplog.records] == [
        "dropped 2 of 4 label maps, or labels of them: 0, 3"
    ]
    maps[0, 100:] = 2
    with pytest.raises(mc.LostMaskError) as caught:
        codec.encode_batch(maps, [{1: "tie", 2: "sky"}, *names[1:]])
    assert "'tie' has pixels, but no cell of the 4 x 4 grid is left of it" in str(caught.value)
    assert "0" in str(caught.value).partition("'tie'")[0]
    assert "sky" not in str(caught.value)


def test_image_wise_codecs_lose_labels_as_they_do_in_text(caplog):
    codec = tokens("byte-level", mc.RRLE(grid=4))
    label_map = np.zeros((40, 40), np.uint8)
    label_map[0, 0] = 1
    with caplog.at_level(logging.WARNING, logger="maskcodec"):
        assert len(codec.encode(label_map, {1: "dog"}, lost="drop")) > 2
        assert len(caplog.records) == 1
    with pytest.raises(mc.LostMaskError, match="'dog' has pixels, but no cell"):
        codec.encode(label_map, {1: "dog"})


def with_token(name, content, codec, **flags):
    tokenizer = fresh(name)
    tokenizer.add_tokens([AddedToken(content, normalized=False, **flags)])
    mc.extend_tokenizer(codec, tokenizer)
    return mc.TokenCodec(codec, tokenizer)


@pytest.mark.parametrize("name", ["byte-level", "joined", "metaspace"])
def test_a_label_whose_end_is_swallowed_is_refused(name):
    codec = with_token(name, "cat<", mc.BSD(grid=4))
    for call in (lambda: codec.encode(MASK, "a cat"), lambda: codec.encode_batch([MASK], ["cat"])):
        with pytest.raises(mc.LabelError) as caught:
            call()
        assert str(caught.value).endswith(
            "one of the tokenizer's added tokens swallows a part of them; remove or replace it"
        ) or str(caught.value).endswith("swallows a part of it; remove or replace the label")
    assert codec.decode(codec.encode(MASK, "cats"))[0].label == "cats"


def test_a_label_of_a_label_map_whose_end_is_swallowed_is_refused():
    codec = with_token("byte-level", "cat<", mc.ISD(grid=(1, 2)))
    assert codec.decode(codec.encode([[1, 0]], "cat")).names == ("others", "cat")
    with pytest.raises(mc.LabelError) as caught:
        codec.encode([[0, 1]], "cat")
    assert str(caught.value) == (
        "'cat' does not leave '</seg>' whole: one of the tokenizer's added tokens swallows a part "
        "of it; remove or replace the label"
    )


@pytest.mark.parametrize(
    ("content", "codec", "message"),
    [
        ("<ref>d", mc.BSD(grid=4), "cuts '<ref>d' out of a text as one token, '<ref>' with it"),
        ("x<fg3>", mc.BSD(grid=4), "cuts 'x<fg3>' out of a text as one token, '<fg3>' with it"),
        ("|</seg>", mc.RRLE(), r"cuts '\|</seg>' out of a text as one token, '</seg>' with it"),
        ("roi0<", mc.BSD(grid=4), "does not keep '<ref>' and '</ref>' whole around 'roi0'"),
        ("]<", mc.BSD(grid=4), "does not keep tags and bricks whole next to each other"),
        ("\n<", mc.BSD(grid=4), "does not keep tags and bricks whole next to each other"),
    ],
)
def test_tokens_that_swallow_tags_are_refused(content, codec, message):
    with pytest.raises(mc.VocabError, match=message):
        with_token("byte-level", content, codec)


@pytest.mark.parametrize("label", ["<eos>", "dog<eos>", "<eos> dog", "a<eos>b"])
@pytest.mark.parametrize("codec", [mc.BSD(grid=4), mc.BSD(grid=4, bricks=False), mc.RRLE(grid=4)])
def test_a_label_with_a_special_token_comes_back_or_is_refused(label, codec):
    codec = tokens("byte-level", codec)
    try:
        ids = codec.encode(MASK, label)
    except mc.LabelError:
        return
    assert codec.decode(ids) == codec.codec.decode(codec.codec.encode(MASK, label))


@pytest.mark.parametrize("label", ["\x00", "\u0301", "\ufffd\x01", "\u200b"])
def test_a_label_that_the_tokenizer_drops_is_refused(label):
    """Rather than writing an answer that no reader takes."""
    codec = bricks_of("word-piece")
    try:
        ids = codec.encode(MASK, label)
    except mc.LabelError:
        return
    assert len(codec.decode(ids)) == 1


# ---------------------------------------------------------------- what a tokenizer must have


@pytest.mark.parametrize("name", ["byte-level", "word-piece", "metaspace"])
def test_a_tokenizer_that_is_not_extended_is_refused_with_the_way_out(name):
    tokenizer = fresh(name)
    with pytest.raises(mc.VocabError) as caught:
        mc.TokenCodec(mc.BSD(), tokenizer)
    ids = encoded(tokenizer, "<ref>")
    assert str(caught.value) == (
        f"'<ref>' is no token of its own but the ids {ids}, {tokenizer.decode(ids)!r}, and so are "
        "131 more of 132; call maskcodec.extend_tokenizer(codec, tokenizer) first, or give the "
        "codec the spelling that the tokenizer was extended with"
    )


def test_each_missing_word_is_named():
    tokenizer = fresh("byte-level")
    words = [word for word in mc.BSD().vocabulary() if word != "<bg7>"]
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in words])
    with pytest.raises(
        mc.VocabError, match=r"^'<bg7>' is no token of its own but the ids \[.*\], '<bg7>'; "
    ):
        mc.TokenCodec(mc.BSD(), tokenizer)
    assert mc.TokenCodec(mc.RRLE(), tokenizer)


@pytest.mark.parametrize("kind", [mc.ISD, mc.IRLE, mc.RRLE])
def test_image_wise_codecs_need_their_two_tags(kind):
    tokenizer = fresh("byte-level")
    tokenizer.add_tokens([AddedToken("<seg>", normalized=False)])
    with pytest.raises(mc.VocabError, match=r"^'</seg>' is no token of its own but the ids"):
        mc.TokenCodec(kind(), tokenizer)
    mc.extend_tokenizer(kind(), tokenizer)
    assert list(mc.TokenCodec(kind(), tokenizer).words) == ["<seg>", "</seg>"]


def test_another_spelling_than_the_tokenizers_is_refused():
    tokenizer = fresh("byte-level")
    mc.extend_tokenizer(mc.BSD(), tokenizer)
    with pytest.raises(mc.VocabError, match=r"^'<f1>' is no token of its own"):
        mc.TokenCodec(mc.BSD(spelling=("<f{}>", "<b{}>")), tokenizer)


def test_a_tokenizer_without_digits_is_refused():
    from tests.vocabularies import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "dog": 1, "[": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    mc.extend_tokenizer(mc.BSD(grid=4), tokenizer)
    with pytest.raises(mc.VocabError, match=r"cannot write the box \[0, 0, 0, 0\]"):
        mc.TokenCodec(mc.BSD(grid=4), tokenizer)


def test_a_tokenizer_that_cuts_texts_short_is_refused_or_does_not():
    """Truncation and padding that a ``tokenizer.json`` may have switched on."""
    for switch in ("enable_truncation", "enable_padding"):
        for codec in (mc.BSD(grid=16), mc.RRLE(grid=16)):
            tokenizer = fresh("byte-level")
            mc.extend_tokenizer(codec, tokenizer)
            getattr(tokenizer, switch)(**({"max_length": 20} if "trunc" in switch else {}))
            try:
                made = mc.TokenCodec(codec, tokenizer)
                ids = made.encode(np.eye(16, dtype=int), "dog")
            except mc.VocabError:
                continue
            tokenizer.no_truncation()
            text = codec.encode(np.eye(16, dtype=int), "dog")
            assert ids.tolist() == encoded(tokenizer, text)


def test_many_special_tokens_cost_no_more_than_that():
    tokenizer = extended("byte-level")
    tokenizer = type(tokenizer).from_str(tokenizer.to_str())
    tokenizer.add_special_tokens([f"<special_{k}>" for k in range(4_000)])
    began = time.process_time()
    mc.TokenCodec(mc.RRLE(), tokenizer)
    assert time.process_time() - began < 3


@pytest.mark.parametrize("settings", SCANLINE_SETTINGS)
def test_scanlines_need_no_newlines(settings):
    """A tokenizer that drops them, or makes spaces of them, writes and reads the same."""
    codec = mc.Scanlines(bins=1024, **settings)
    made = tokens("word-piece", codec)
    ids = made.encode(MASK, "dog")
    assert ids.tolist() == encoded(made.tokenizer, codec.encode(MASK, "dog"))
    assert made.decode(ids) == codec.decode(codec.encode(MASK, "dog"))
    assert not made._binding.vocab.separator


def test_ends_and_locations_must_be_tokens_too():
    tokenizer = fresh("byte-level")
    mc.extend_tokenizer(mc.Scanlines(columns=62, bins=4), tokenizer)
    for codec, missing in [
        (mc.Scanlines(), "<fg:63>"),
        (mc.Scanlines(columns=5, bins=4, coordinates="tokens"), "<loc0>"),
    ]:
        with pytest.raises(mc.VocabError, match=f"'{missing}' is no token"):
            mc.TokenCodec(codec, tokenizer)
    added = mc.extend_tokenizer(mc.Scanlines(bins=4, coordinates="tokens"), tokenizer)
    words = ["<fg:63>", "<bg:63>", "<end:63>", "<loc0>", "<loc1>", "<loc2>", "<loc3>"]
    assert list(added.added) == words


@pytest.mark.parametrize("word", ["<loc0>", "<loc7>", "<end:0>", "<end:4>", "<bg:1>"])
@pytest.mark.parametrize("flag", ["normalized", "single_word", "lstrip", "rstrip"])
@pytest.mark.parametrize("name", ["byte-level", "metaspace"])
def test_a_word_that_was_added_otherwise_is_written_whole_or_refused(name, flag, word):
    codec = mc.Scanlines(columns=4, bins=8, coordinates="tokens")
    tokenizer = fresh(name)
    tokenizer.add_tokens([AddedToken(word, **{"normalized": False, flag: True})])
    mc.extend_tokenizer(codec, tokenizer)
    try:
        made = mc.TokenCodec(codec, tokenizer)
    except mc.VocabError:
        return
    mask = np.zeros((8, 8), int)
    mask[[2, 0, 7], [1, 4, 7]] = 1
    for one in (mask, mask.T, mask[::-1], mask[:, ::-1], mask + 1):
        assert made.encode(one, "dog").tolist() == encoded(tokenizer, codec.encode(one, "dog"))


def test_the_words_are_a_copy():
    codec = bricks_of("byte-level")
    assert set(codec.words) == set(codec.codec.vocabulary())
    codec.words.clear()
    assert len(codec.words) == 132
    assert repr(codec) == f"<TokenCodec {codec.codec!r} with Tokenizer>"
