"""Ids to masks: any ids at all can be read."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import maskcodec as mc
from tests.strategies import BSD_SETTINGS, SCANLINE_SETTINGS
from tests.tokenizers.token_codecs import (
    IMAGE_WISE,
    MASK,
    bricks_of,
    codec_of,
    few,
    read_everyway,
    same,
)
from tests.vocabularies import (
    NAMES,
    TRAINED,
    answers,
    encoded,
    extended,
    fresh,
    mutated_ids,
    pieces,
    tokens,
    wrapped,
)

# ---------------------------------------------------------------- ids of any kind


@pytest.fixture
def codec():
    return tokens("byte-level", mc.BSD(grid=4))


@pytest.fixture
def ids(codec):
    return codec.encode(MASK, "dog")


def test_ids_of_any_container(codec, ids):
    (expected,) = codec.decode(ids)
    frozen = ids.copy()
    frozen.flags.writeable = False
    kinds = [ids.tolist(), tuple(ids), frozen, ids.repeat(2)[::2], ids.astype(">i8")]
    kinds += [ids.astype(kind) for kind in (np.int32, np.uint16, np.uint64, np.int16)]
    for kind in kinds:
        before = copy.deepcopy(kind)
        assert codec.decode(kind) == [expected]
        assert codec.recover(kind) == ([expected], [])
        assert codec.text(kind) == codec.text(ids)
        assert np.array_equal(kind, before)
    for empty in ([], (), np.zeros(0, np.int32), np.zeros(0)):
        assert codec.decode(empty) == []


def test_ids_as_tensors(codec, ids):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for kind in (torch.int64, torch.int32):
        tensor = torch.tensor(ids.tolist(), dtype=kind)
        assert codec.decode(tensor) == codec.decode(ids)
        assert codec.recover(tensor).problems == []
    with pytest.raises(TypeError, match="ids must be integers, got float32"):
        codec.decode(torch.ones(3))
    with pytest.raises(mc.VocabError, match=r"one-dimensional, got shape \(1, 3\)"):
        codec.decode(torch.ones((1, 3), dtype=torch.int64))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("<ref>", TypeError, "^ids must be integers, got text; the codec itself decodes that$"),
        (b"<ref>", TypeError, "^ids must be integers, got text"),
        ([1.0, 2.0], TypeError, "^ids must be integers, got float64$"),
        (np.ones(3, bool), TypeError, "^ids must be integers, got bool$"),
        (["<ref>"], TypeError, "^ids must be integers, got <U5$"),
        ([None], TypeError, "^ids must be integers, got object$"),
        (7, mc.VocabError, r"^ids must be one-dimensional, got shape \(\); read row by row$"),
        ([[1, 2]], mc.VocabError, r"^ids must be one-dimensional, got shape \(1, 2\)"),
        (np.zeros((0, 3), int), mc.VocabError, r"one-dimensional, got shape \(0, 3\)"),
        ([[1], [2, 3]], mc.VocabError, "^ids must be one-dimensional: "),
    ],
)
def test_what_is_no_ids_is_refused(codec, value, error, message):
    image_wise = tokens("byte-level", mc.RRLE(grid=4))
    for one in (codec, image_wise):
        for call in (one.decode, one.recover, one.text):
            with pytest.raises(error, match=message):
                call(value)


@pytest.mark.parametrize("stray", [-1, -99, -101, 10**6, 2**31, 2**62, -(2**63)])
def test_ids_that_no_token_has_are_text(codec, ids, stray):
    end = len(ids)
    assert codec.decode([stray, *ids, stray]) == codec.decode(ids)
    assert codec.text([*ids[:2], stray, *ids[2:3]]) == "<ref>dog\ufffd</ref>"
    for at in range(1, end):
        regions, problems = read_everyway(codec, [*ids[:at], stray, *ids[at:]])
        label = codec.words["</ref>"] == ids[at] or ids[at - 1] == codec.words["<ref>"]
        assert [p.position for p in problems] == [] if label else len(problems) == 1
        assert len(regions) <= 1


def test_ids_beyond_int64_are_ids_that_no_token_has(codec, ids):
    assert codec.decode(np.append(ids.astype(np.uint64), np.uint64(2**64 - 1))) == codec.decode(ids)
    for huge in (2**63, 2**64, 10**30):
        assert codec.recover([*ids.tolist(), huge]).regions == codec.decode(ids)
        assert codec.recover([-1, huge, *ids.tolist()]).regions == codec.decode(ids)


# ---------------------------------------------------------------- what stands around an answer


@pytest.mark.parametrize("name", ["byte-level", "metaspace", "word-piece", "unigram"])
def test_padding_is_passed_over_wherever_it_stands(name):
    codec = bricks_of(name)
    ids = codec.encode(MASK, "black dog").tolist()
    expected = codec.decode(ids)
    special = next(iter(codec._binding.vocab.ignored))
    for pad in (-100, special):
        assert codec.decode([pad] * 9 + ids + [pad] * 9) == expected
        for at in range(len(ids) + 1):
            padded = [*ids[:at], pad, pad, *ids[at:]]
            assert read_everyway(codec, padded) == (expected, [])
            assert codec.text(padded) == codec.text(ids)
    assert codec.decode([-100] * 5) == []
    assert codec.text([-100] * 5) == ""


def test_transformers_knows_which_tokens_stand_around():
    tokenizer = fresh("word-piece")
    codec = mc.BSD(grid=4)
    mc.extend_tokenizer(codec, tokenizer)
    roles = {"pad_token": "[PAD]", "eos_token": "[SEP]", "unk_token": "[UNK]"}
    codec = mc.TokenCodec(codec, wrapped(tokenizer, **roles))
    ids = codec.encode(MASK, "dog").tolist()
    pad, end, unknown = (tokenizer.token_to_id(token) for token in ("[PAD]", "[SEP]", "[UNK]"))
    assert codec.decode([pad, pad, *ids[:9], pad, *ids[9:], end, pad]) == codec.decode(ids)
    with pytest.raises(mc.DecodeError):
        codec.decode([*ids[:-2], unknown, *ids[-2:]])


def test_more_tokens_to_ignore():
    tokenizer = extended("byte-level")
    dog = encoded(tokenizer, "z")[0]
    for ignore in (["z"], [dog], (dog, "z"), [np.int64(dog)]):
        codec = mc.TokenCodec(mc.BSD(grid=4), tokenizer, ignore=ignore)
        ids = codec.encode(MASK, "dog").tolist()
        assert codec.decode([*ids[:-2], dog, *ids[-2:]]) == codec.decode(ids)
        again = pickle.loads(pickle.dumps(codec))
        assert again.decode([*ids[:-2], dog, *ids[-2:]]) == codec.decode(ids)
    assert mc.TokenCodec(mc.BSD(grid=4), tokenizer, ignore=["<fg2>"]).decode(ids)


@pytest.mark.parametrize("pad", [-1, -2, -100, 10**6, 2**40])
def test_ignoring_an_id_that_no_token_has(pad):
    """Collators that pad with -1, or past the vocabulary."""
    tokenizer = extended("byte-level")
    try:
        codec = mc.TokenCodec(mc.BSD(grid=4), tokenizer, ignore=[pad])
    except mc.VocabError as error:
        assert str(pad) in str(error)
        return
    ids = codec.encode(MASK, "dog").tolist()
    assert codec.decode([*ids[:-2], pad, *ids[-2:]]) == codec.decode(ids)
    other = tokenizer.get_vocab_size() + pad
    if pad < 0 and other not in codec.words.values():
        _, problems = read_everyway(codec, [*ids[:-2], other, *ids[-2:]])
        assert [problem.reason for problem in problems] == ["extra-text"]


@pytest.mark.parametrize("ignore", [["nope"], [None], [1.5], ["<eos>", "nope"]])
def test_what_cannot_be_ignored_is_refused(ignore):
    message = f"ignore has {ignore[-1]!r}, which is no token of this tokenizer"
    with pytest.raises((mc.VocabError, TypeError), match=message):
        mc.TokenCodec(mc.BSD(grid=4), extended("byte-level"), ignore=ignore)


# ---------------------------------------------------------------- what decode refuses


def test_errors_count_ids(codec, ids):
    ids = ids.tolist()
    brick = codec.words["<fg3>"]
    for before in ([], [-100] * 7):
        wrong = [*before, *ids[:-2], brick, *ids[-2:]]
        with pytest.raises(mc.DecodeError) as caught:
            codec.decode(wrong)
        at = len(wrong) - 3
        assert (caught.value.position, caught.value.reason) == (at, "row-long")
        assert str(caught.value) == (
            "row 2 of 2 of 'dog' adds up to 5 cells, expected 2; recover() keeps what can be "
            f"drawn (at id {at})"
        )
        (problem,) = codec.recover(wrong).problems
        assert problem.position == at
        with pytest.raises(mc.TruncatedError) as caught:
            codec.decode([*before, *ids[:-1]])
        assert str(caught.value) == (
            "the text stops before </seg>; recover() keeps what can be drawn "
            f"(at id {len(before) + len(ids) - 1})"
        )
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.unit) == (str(caught.value), "id")


def test_image_wise_errors_count_characters_of_the_text():
    codec = tokens("byte-level", mc.RRLE(grid=(2, 3)))
    ids = [-100, *encoded(codec.tokenizer, "Yes <seg>dog*3\ndog*4</seg>")]
    with pytest.raises(mc.DecodeError) as caught:
        codec.decode(ids)
    assert codec.text(ids)[caught.value.position :].startswith("dog*4")
    assert str(caught.value).endswith(f"(at character {caught.value.position})")


@pytest.mark.parametrize("name", [*TRAINED, "qwen"])
def test_a_brick_spelled_by_pieces_is_text(name):
    codec, original = bricks_of(name), fresh(name)
    ids = codec.encode(np.eye(5, 7, dtype=int), "dog").tolist()
    spelled = encoded(original, "<fg2>")
    first = ids.index(codec.words["<seg>"]) + 1
    assert not set(spelled) & set(codec.words.values())
    _, (problem, *_) = read_everyway(codec, [*ids[:first], *spelled, *ids[first:]])
    assert first <= problem.position < first + len(spelled)
    assert problem.reason == "extra-text"
    assert problem.message.endswith("is no brick")
    assert codec.decode([*encoded(original, "<ref>"), *ids]) == codec.decode(ids)


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        *((n, mc.BSD, s) for n in NAMES[:-1] for s in ({}, {"row_separator": ""})),
        *((n, mc.Scanlines, SCANLINE_SETTINGS[k % 4]) for k, n in enumerate(TRAINED)),
        ("qwen", mc.Scanlines, {}),
        ("mistral", mc.Scanlines, {"bins": 20, "coordinates": "tokens"}),
        ("byte-level", mc.Scanlines, {**SCANLINE_SETTINGS[2], "bins": 1024}),
    ],
)
def test_every_cut_is_truncated_or_decodes(name, kind, options):
    codec = codec_of(name, kind, options)
    masks = [np.eye(5, 7, dtype=int), np.ones((5, 7), int)]
    ids = [*encoded(codec.tokenizer, "Yes:"), *codec.encode_many(masks, ["black dog", "sky"])]
    whole = codec.decode(ids)
    assert len(whole) == 2
    for end in range(len(ids)):
        regions, problems = read_everyway(codec, ids[:end])
        assert {p.reason for p in problems} <= {"truncated"}
        assert {p.position for p in problems} <= {end}
        if not problems:
            assert regions == whole[: len(regions)]


# ---------------------------------------------------------------- recover takes anything


READERS = [
    ("byte-level", {}),
    ("byte-level", {"row_separator": ""}),
    ("joined", {}),
    ("metaspace", {}),
    ("unigram", {}),
    ("word-piece", {}),
    ("qwen", BSD_SETTINGS[4]),
    ("mistral", {}),
]
IN_BOXES = [
    ("byte-level", {"rows": 3, "columns": 5, "bins": 4}),
    ("joined", {"bins": 4, "coordinates": "tokens"}),
    ("unigram", {"rows": 2, "columns": 3, "bins": 7, **SCANLINE_SETTINGS[3]}),
    ("word-piece", {"rows": 4, "columns": 5, "bins": 1024, **SCANLINE_SETTINGS[2]}),
]


@pytest.mark.parametrize(
    ("name", "settled"),
    [
        *((name, mc.BSD(grid=(4, 5), **options)) for name, options in READERS),
        *((name, mc.Scanlines(**options)) for name, options in IN_BOXES),
    ],
)
@given(data=st.data())
@few
def test_any_ids_are_read_the_same_everyway(name, settled, data):
    codec = tokens(name, settled)
    regions, _ = read_everyway(codec, data.draw(answers(codec)))
    for region in regions:
        assert region.canvas == codec.codec.canvas
        assert region.mask((9, 7)).shape == (9, 7)


@given(st.data(), st.sampled_from(["byte-level", "metaspace", "word-piece"]))
def test_recover_never_raises(data, name):
    codec = tokens(name, mc.BSD(grid=(4, 5)))
    size = codec._binding.vocab.size
    known = st.integers(0, size - 1)
    wild = st.one_of(known, st.integers(-(2**63), 2**63 - 1), st.sampled_from(pieces(codec)))
    ids = data.draw(st.lists(wild, max_size=40))
    read_everyway(codec, ids)
    image_wise = tokens(name, data.draw(st.sampled_from(IMAGE_WISE)))
    grid, problems = image_wise.recover(ids)
    assert grid.cells.shape == image_wise.codec.canvas
    try:
        assert image_wise.decode(ids) == grid
    except mc.DecodeError:
        assert problems
    else:
        assert not problems


AS_TEXT = [mc.BSD(grid=(4, 5)), mc.BSD(grid=(4, 5), row_separator="")]
AS_TEXT += [mc.Scanlines(rows=4, columns=5, bins=4, coordinates=c) for c in ("digits", "tokens")]


@given(st.data(), st.sampled_from(AS_TEXT))
def test_ids_are_read_as_their_text_is(data, settled):
    """Unless pieces spell a tag, which these do not."""
    codec = tokens("byte-level", settled)
    inside = [i for i in pieces(codec) if 0 <= i < codec._binding.vocab.size]
    ids = data.draw(answers(codec))
    ids = [i for i in ids if i in set(inside) and i not in codec._binding.vocab.ignored]
    inner = [codec.tokenizer.decode([i], skip_special_tokens=False) for i in ids]
    text = "".join(inner)
    assume("\ufffd" not in text)
    assert text == codec.text(ids)
    starts = np.cumsum([0, *map(len, inner)]).tolist()
    regions, problems = codec.recover(ids)
    expected, found = codec.codec.recover(text)
    same(regions, expected)

    def behind_spaces(position):  # which a token of text may begin with
        return len(text) - len(text[position:].lstrip(" "))

    assert [(behind_spaces(starts[p.position]), p.reason) for p in problems] == [
        (behind_spaces(p.position), p.reason) for p in found
    ]


def test_mutations_reach_every_kind_of_mistake():
    """What the properties above are tried on is not all of one kind."""
    codec = bricks_of("byte-level")
    ids = codec.encode_many([MASK, MASK.T], ["dog", "sky"]).tolist()
    reasons = set()

    @given(mutated_ids(ids, pieces(codec)))
    @settings(max_examples=400, database=None)
    def collect(mutated):
        reasons.update(problem.reason for problem in codec.recover(mutated).problems)

    collect()
    assert reasons >= {"missing-tag", "extra-text", "row-long", "row-short", "truncated", "bad-box"}
