"""Extending a tokenizer: what is added, and whatever was there before."""

import dataclasses
import json

import numpy as np
import pytest

import maskcodec as mc
from tests.strategies import BSD_SETTINGS
from tests.vocabularies import (
    TRAINED,
    AddedToken,
    Tokenizer,
    encoded,
    fresh,
    models,
    pre_tokenizers,
    wrapped,
)

CODEC = mc.BSD(grid=4)
WORDS = CODEC.vocabulary()
MASK = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
QWEN_TAGS = {
    "ref_tags": ("<|object_ref_start|>", "<|object_ref_end|>"),
    "box_tags": ("<|box_start|>", "<|box_end|>"),
}
SWAPPED = "^codec must be one of .*, got Tokenizer.*; the codec comes before the tokenizer$"
FLAGS = ["special", "normalized", "single_word", "lstrip", "rstrip"]


@pytest.fixture(params=["tokenizers", "transformers"])
def dress(request):
    """A function that makes a tokenizer one of a library."""
    return wrapped if request.param == "transformers" else lambda tokenizer: tokenizer


def vocabulary(tokenizer):
    return dict(tokenizer.get_vocab())


def added_tokens(tokenizer):
    if isinstance(tokenizer, Tokenizer):
        return tokenizer.get_added_tokens_decoder()
    return tokenizer.added_tokens_decoder


def flags(token):
    return {flag for flag in FLAGS if getattr(token, flag)}


def prepared(name, tokens):
    tokenizer = fresh(name)
    tokenizer.add_tokens(tokens)
    return tokenizer


def small(extra=(), ids=None):
    """A tokenizer of few words, which can write boxes."""
    words = ["[UNK]", "[", "]", "dog", *map(str, range(10)), *extra]
    vocabulary = {word: number for number, word in enumerate(words)} | (ids or {})
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def works_or_is_refused(tokenizer, codec=CODEC, labels=("dog", "Black Dog")):
    """Either all of it works, or the tokenizer is refused; returns whether it works."""
    try:
        tokens = mc.TokenCodec(codec, tokenizer)
    except mc.VocabError as error:
        assert "extend_tokenizer" in str(error) or "another spelling" in str(error)
        return False
    full = np.ones((4, 4), int)
    for label in labels:
        for mask in (MASK, MASK.T, full, np.tri(4, dtype=int), np.eye(4, dtype=int)):
            text = codec.encode(mask, label)
            ids = tokens.encode(mask, label)
            assert ids.tolist() == encoded(tokenizer, text)
            (region,) = tokens.decode(ids)
            assert np.array_equal(region.mask((4, 4)), mask)
            assert region.label.lower() == label.lower()
    return True


# ---------------------------------------------------------------- what is added


@pytest.mark.parametrize("name", [*TRAINED, "qwen", "mistral"])
def test_every_word_becomes_one_token_without_flags(name):
    tokenizer = fresh(name)
    before = vocabulary(tokenizer)
    found = mc.extend_tokenizer(CODEC, tokenizer)
    assert found.added == {word: len(before) + k for k, word in enumerate(WORDS)}
    assert (found.reused, found.conflicts, found.rows) == ({}, (), len(before) + 132)
    assert vocabulary(tokenizer) == before | found.added
    tokens = added_tokens(tokenizer)
    for word, number in found.added.items():
        assert tokens[number].content == word
        assert flags(tokens[number]) == set()
        assert encoded(tokenizer, word) == [number]


@pytest.mark.parametrize("name", TRAINED)
def test_transformers_takes_the_same_tokens(name):
    bare, tokenizer = fresh(name), wrapped(fresh(name))
    before = len(tokenizer)
    found = mc.extend_tokenizer(CODEC, tokenizer)
    assert found == mc.extend_tokenizer(CODEC, bare)
    assert len(tokenizer) == before + len(found.added) == found.rows
    assert vocabulary(tokenizer) == vocabulary(bare)
    for word, number in found.added.items():
        assert flags(added_tokens(tokenizer)[number]) == set()
        assert tokenizer.convert_tokens_to_ids(word) == number
        assert number not in tokenizer.all_special_ids


def test_ids_are_in_the_order_of_the_vocabulary(dress):
    found = mc.extend_tokenizer(CODEC, dress(fresh("byte-level")))
    assert list(found.added) == WORDS
    assert [*found.added.values()] == sorted(found.added.values())


@pytest.mark.parametrize(
    ("codec", "count"),
    [
        (mc.BSD(), 132),
        (mc.BSD(bricks=False), 6),
        (mc.Scanlines(), 196),
        (mc.Scanlines(columns=9, bins=20, coordinates="tokens"), 6 + 28 + 20),
        (mc.ISD(), 2),
        (mc.IRLE(), 2),
        (mc.RRLE(), 2),
    ],
)
def test_each_codec_adds_what_it_needs(codec, count, dress):
    assert len(mc.extend_tokenizer(codec, dress(fresh("byte-level"))).added) == count


@pytest.mark.parametrize("embedding_rows", [None, 0, 10, 551, 552, 553, 152_064, np.int64(600)])
def test_embeddings_never_lose_rows(embedding_rows, dress):
    tokenizer = dress(fresh("byte-level"))
    found = mc.extend_tokenizer(CODEC, tokenizer, embedding_rows=embedding_rows)
    assert found.rows == max(552, embedding_rows or 0)
    again = mc.extend_tokenizer(CODEC, tokenizer, embedding_rows=embedding_rows)
    assert (again.rows, again.added, again.reused) == (found.rows, {}, dict(found.added))


def test_the_padded_rows_of_qwen_suffice():
    tokenizer = fresh("qwen")
    found = mc.extend_tokenizer(mc.BSD(), tokenizer, embedding_rows=152_064)
    assert len(found.added) == 132
    assert max(found.added.values()) < found.rows == 152_064
    assert mc.extend_tokenizer(mc.BSD(), tokenizer).rows == tokenizer.get_vocab_size() == 151_789


def test_twice_changes_nothing():
    tokenizer = fresh("metaspace")
    first = mc.extend_tokenizer(CODEC, tokenizer)
    content = tokenizer.to_str()
    second = mc.extend_tokenizer(CODEC, tokenizer)
    assert (second.added, second.reused, second.rows) == ({}, first.added, first.rows)
    assert (second.conflicts, tokenizer.to_str()) == ((), content)


def test_another_codec_adds_only_what_is_missing(dress):
    tokenizer = dress(fresh("byte-level"))
    first = mc.extend_tokenizer(mc.RRLE(), tokenizer)
    second = mc.extend_tokenizer(CODEC, tokenizer)
    assert second.reused == first.added
    assert (len(second.added), second.rows, second.conflicts) == (130, 552, ())


def test_the_number_of_new_rows_is_counted_not_believed(dress):
    """What `add_tokens` returns counts tokens that were there before."""
    tokenizer = dress(fresh("byte-level"))
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in WORDS[:50]])
    rows = len(vocabulary(tokenizer))
    found = mc.extend_tokenizer(CODEC, tokenizer)
    assert len(found.added) == 82
    assert found.rows == rows + 82 == len(vocabulary(tokenizer))


def test_new_ids_are_nobody_elses(dress):
    """`tokenizers` counts tokens to find a free id, which takes a used one where ids have gaps."""
    tokenizer = dress(small(ids={"sky": 60}))
    try:
        mc.extend_tokenizer(CODEC, tokenizer)
    except mc.VocabError:
        return
    ids = [*vocabulary(tokenizer).values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", ["byte-level", "metaspace", "word-piece"])
def test_a_saved_tokenizer_is_the_same(name, tmp_path):
    tokenizer = fresh(name)
    found = mc.extend_tokenizer(CODEC, tokenizer)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert again.to_str() == tokenizer.to_str()
    assert mc.extend_tokenizer(CODEC, again).reused == found.added
    assert works_or_is_refused(again)


@pytest.mark.parametrize("name", ["byte-level", "metaspace", "word-piece"])
def test_a_saved_tokenizer_of_transformers_is_the_same(name, tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    tokenizer = wrapped(fresh(name))
    found = mc.extend_tokenizer(CODEC, tokenizer)
    tokenizer.save_pretrained(tmp_path)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert vocabulary(again) == vocabulary(tokenizer)
    assert all(flags(again.added_tokens_decoder[i]) == set() for i in found.added.values())
    assert mc.extend_tokenizer(CODEC, again).reused == found.added
    assert works_or_is_refused(again)


@pytest.mark.parametrize("settings", BSD_SETTINGS)
@pytest.mark.parametrize("name", TRAINED)
def test_an_extended_tokenizer_works(name, settings, dress):
    codec = mc.BSD(grid=4, **settings)
    tokenizer = dress(fresh(name))
    mc.extend_tokenizer(codec, tokenizer)
    if codec.bricks or name != "word-piece":
        assert works_or_is_refused(tokenizer, codec)


# ---------------------------------------------------------------- what decoders skip


def skipping(tokenizer, ids):
    return tokenizer.decode(list(ids), skip_special_tokens=True)


@pytest.mark.parametrize("name", ["byte-level", "joined", "unigram", "metaspace"])
def test_decoders_that_skip_special_tokens_keep_the_mask(name, dress):
    tokenizer = dress(fresh(name))
    mc.extend_tokenizer(CODEC, tokenizer)
    ids = mc.TokenCodec(CODEC, tokenizer).encode(MASK, "dog")
    (region,) = CODEC.decode(skipping(tokenizer, ids))
    assert np.array_equal(region.mask((4, 4)), MASK)


def test_special_tokens_are_reported_and_read_from_ids_all_the_same(dress):
    tokenizer = dress(fresh("byte-level"))
    tokenizer.add_tokens([AddedToken(w, special=True, normalized=False) for w in WORDS])
    found = mc.extend_tokenizer(CODEC, tokenizer)
    assert [c.reason for c in found.conflicts] == ["special"] * 132
    tokens = mc.TokenCodec(CODEC, tokenizer)
    ids = tokens.encode(MASK, "dog")
    assert CODEC.decode(skipping(tokenizer, ids)) == []
    assert np.array_equal(tokens.decode(ids)[0].mask((4, 4)), MASK)


def test_the_argument_special_tokens_overrides_the_tokens_own_flag():
    tokenizer = wrapped(fresh("byte-level"))
    tokenizer.add_tokens([AddedToken(w, special=False) for w in WORDS], special_tokens=True)
    assert {c.reason for c in mc.extend_tokenizer(CODEC, tokenizer).conflicts} >= {"special"}
    assert works_or_is_refused(tokenizer)


# ---------------------------------------------------------------- what was there before


def test_special_tags_of_the_model_are_reused_and_named(dress):
    bare = fresh("byte-level")
    tags = ["<ref>", "</ref>", "<box>", "</box>"]
    bare.add_special_tokens([AddedToken(tag, normalized=False, special=True) for tag in tags])
    ids = {tag: bare.token_to_id(tag) for tag in tags}
    tokenizer = dress(bare)
    found = mc.extend_tokenizer(CODEC, tokenizer)
    assert found.reused == ids
    assert len(found.added) == 128
    erases = "decode(skip_special_tokens=True) erases it: decode from ids, or pass False"
    assert found.conflicts == tuple((tag, ids[tag], "special", erases) for tag in tags)
    assert str(found).splitlines() == [
        "128 tokens added, 4 reused; the model's embeddings must have at least 552 rows",
        *(f"'{tag}' (id {ids[tag]}) is special: {erases}" for tag in tags),
    ]
    tokens = mc.TokenCodec(CODEC, tokenizer)
    assert tokens.decode(tokens.encode(MASK, "dog")) == CODEC.decode(CODEC.encode(MASK, "dog"))


def test_the_tags_of_qwen_keep_their_ids():
    tokenizer = fresh("qwen")
    codec = mc.BSD(grid=4, **QWEN_TAGS)
    found = mc.extend_tokenizer(codec, tokenizer, embedding_rows=152_064)
    tags = [*QWEN_TAGS["ref_tags"], *QWEN_TAGS["box_tags"]]
    assert found.reused == {tag: 151_646 + k for k, tag in enumerate(tags)}
    assert [*found.added.values()] == [*range(151_657, 151_785)]
    assert {(c.token, c.reason) for c in found.conflicts} == {(tag, "special") for tag in tags}
    assert works_or_is_refused(tokenizer, codec)


def test_words_of_the_vocabulary_become_added_tokens_with_their_ids(dress):
    tokenizer = dress(small(extra=["<ref>", "<fg1>", "</seg>"]))
    assert len(encoded(tokenizer, "<fg1>")) > 1
    found = mc.extend_tokenizer(CODEC, tokenizer)
    assert found.reused == {"<ref>": 14, "<fg1>": 15, "</seg>": 16}
    assert (len(found.added), found.rows, found.conflicts) == (129, 17 + 129, ())
    assert encoded(tokenizer, "<fg1><fg1>") == [15, 15]
    assert works_or_is_refused(tokenizer, labels=["dog"])


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("name", TRAINED)
def test_tokens_that_were_added_otherwise_work_or_are_refused(name, flag, dress):
    settings = {"normalized": False, flag: True}
    tokenizer = dress(prepared(name, [AddedToken(word, **settings) for word in WORDS]))
    found = mc.extend_tokenizer(CODEC, tokenizer)
    assert (found.added, len(found.reused)) == ({}, 132)
    assert [c.reason for c in found.conflicts] == [flag] * 132
    assert {c.token for c in found.conflicts} == set(WORDS)
    assert all(c.consequence for c in found.conflicts)
    refused = flag == "single_word" or (flag, name) == ("normalized", "metaspace")
    assert works_or_is_refused(tokenizer) != refused


@pytest.mark.parametrize("name", TRAINED)
def test_plain_strings_become_normalized_tokens(name, dress):
    """Both libraries look for a plain string in normalised text."""
    tokenizer = dress(fresh(name))
    tokenizer.add_tokens(WORDS)
    found = mc.extend_tokenizer(CODEC, tokenizer)
    assert {c.reason for c in found.conflicts} == {"normalized"}
    assert works_or_is_refused(tokenizer) == (name != "metaspace")


@pytest.mark.parametrize("label", ["<FG3>", "</REF>", "a</REF>b", "<Box>"])
def test_labels_that_normalize_to_a_word_are_refused(label):
    """Where words were added as normalized, and the tokenizer makes letters small."""
    tokenizer = prepared("word-piece", WORDS)
    tokens = mc.TokenCodec(CODEC, tokenizer)
    with pytest.raises(mc.LabelError, match="label"):
        tokens.encode(MASK, label)


@pytest.mark.parametrize("flag", ["lstrip", "rstrip"])
@pytest.mark.parametrize("word", ["<fg1>", "<bg1>", "<fg2>", "<bg2>", "<fg63>", "<bg63>"])
def test_one_brick_that_swallows_the_separator_is_refused(word, flag):
    tokenizer = prepared("byte-level", [AddedToken(word, normalized=False, **{flag: True})])
    found = mc.extend_tokenizer(CODEC, tokenizer)
    assert [(c.token, c.reason) for c in found.conflicts] == [(word, flag)]
    codec = mc.BSD(grid=64)
    try:
        tokens = mc.TokenCodec(codec, tokenizer)
    except mc.VocabError:
        return
    run = int(word[3:-1])
    mask = np.full((2, 64), word[1] == "f", int)
    mask[:, run:] ^= 1
    for cells in (mask, 1 - mask, mask[:, ::-1]):
        mask = np.vstack([cells, np.ones((62, 64), int)])
        assert tokens.encode(mask, "dog").tolist() == encoded(tokenizer, codec.encode(mask, "dog"))


def test_tokens_that_strip_spaces_leave_boxes_and_labels_whole():
    """Only tags strip: what stands beside them has no space at its ends."""
    words = ["<ref>", "</ref>", "<box>", "</box>", "<seg>", "</seg>"]
    tokens = [AddedToken(word, normalized=False, lstrip=True, rstrip=True) for word in words]
    tokenizer = prepared("byte-level", tokens)
    found = mc.extend_tokenizer(CODEC, tokenizer)
    assert [(c.token, c.reason) for c in found.conflicts] == [
        (word, reason) for word in words for reason in ("lstrip", "rstrip")
    ]
    assert works_or_is_refused(tokenizer)


# ---------------------------------------------------------------- other people's text


def ours(tokenizer, codec, text):
    known = {encoded(tokenizer, word)[0]: word for word in codec.vocabulary()}
    return [known[i] for i in encoded(tokenizer, text) if i in known]


@pytest.mark.parametrize("text", ["0xfg9", "imgbg12.jpg", "cfg 9", "<fg64>", "<fg09>", "<fg 9>"])
def test_the_usual_spelling_leaves_other_text_alone(text, dress):
    tokenizer = dress(fresh("byte-level"))
    before = encoded(tokenizer, text)
    mc.extend_tokenizer(CODEC, tokenizer)
    assert encoded(tokenizer, text) == before


def test_a_bare_spelling_does_not():
    codec = mc.BSD(grid=4, spelling=("fg{}", "bg{}"))
    tokenizer = fresh("byte-level")
    mc.extend_tokenizer(codec, tokenizer)
    assert ours(tokenizer, codec, "0xfg9 imgbg12.jpg fg64") == ["fg9", "bg12", "fg6"]
    works_or_is_refused(tokenizer, codec)


def test_a_brick_in_a_users_text_is_the_brick(dress):
    tokenizer = dress(fresh("byte-level"))
    mc.extend_tokenizer(CODEC, tokenizer)
    text = "what does <fg3> mean, and </seg>?"
    assert ours(tokenizer, CODEC, text) == ["<fg3>", "</seg>"]
    if not isinstance(tokenizer, Tokenizer):
        tokenizer.split_special_tokens = True
        assert ours(tokenizer, CODEC, text) == ["<fg3>", "</seg>"]


# ---------------------------------------------------------------- what is refused


class Deaf:
    """A tokenizer that looks like one of transformers and takes no tokens."""

    all_special_ids = ()
    added_tokens_decoder: dict = {}  # noqa: RUF012 - as transformers has it

    def convert_tokens_to_ids(self, token):
        return self.get_vocab().get(token)

    def get_vocab(self):
        return {"dog": 0}

    def add_tokens(self, tokens):
        return len(tokens)


class Refusing(Deaf):
    def add_tokens(self, tokens):
        raise NotImplementedError(f"{len(tokens)} are too many")


def test_a_tokenizer_that_takes_no_tokens_is_refused_with_the_way_out():
    with pytest.raises(mc.VocabError) as caught:
        mc.extend_tokenizer(CODEC, Deaf())
    assert str(caught.value) == (
        "Deaf did not take '<ref>' as a token; extend the model's tokenizer.json with "
        "tokenizers.Tokenizer.from_file instead"
    )
    with pytest.raises(mc.VocabError) as caught:
        mc.extend_tokenizer(CODEC, Refusing())
    assert str(caught.value) == (
        "Refusing takes no added tokens (132 are too many); load the model's tokenizer.json with "
        "tokenizers.Tokenizer.from_file instead"
    )
    assert isinstance(caught.value.__cause__, NotImplementedError)


class Processor:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer


@pytest.mark.parametrize("value", [None, "qwen", 3, {"dog": 0}, mc.BSD()])
def test_what_is_no_tokenizer_is_refused(value):
    message = f"one of transformers or tokenizers, got {type(value).__name__}$"
    with pytest.raises(TypeError, match=message):
        mc.extend_tokenizer(CODEC, value)
    with pytest.raises(TypeError, match=message):
        mc.TokenCodec(CODEC, value)


def test_a_processor_is_refused_with_a_hint():
    processor = Processor(fresh("byte-level"))
    for call in (mc.extend_tokenizer, mc.TokenCodec):
        with pytest.raises(TypeError) as caught:
            call(CODEC, processor)
        assert str(caught.value) == (
            "tokenizer must be one of transformers or tokenizers, got Processor; a processor has "
            "one, processor.tokenizer"
        )


@pytest.mark.parametrize("value", [None, "b-sd/1", mc.BSD, WORDS])
def test_what_is_no_codec_is_refused(value):
    tokenizer = fresh("byte-level")
    for call in (mc.extend_tokenizer, mc.TokenCodec):
        with pytest.raises(TypeError, match="codec must be one of maskcodec's codecs, got "):
            call(value, tokenizer)


def test_the_codec_comes_before_the_tokenizer():
    tokenizer = fresh("byte-level")
    for call in (mc.extend_tokenizer, mc.TokenCodec):
        with pytest.raises(TypeError, match=SWAPPED):
            call(tokenizer, CODEC)


def test_an_extension_is_plain_data():
    found = mc.extend_tokenizer(CODEC, fresh("byte-level"))
    assert json.loads(json.dumps(dataclasses.asdict(found)))["rows"] == found.rows
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.rows = 3
