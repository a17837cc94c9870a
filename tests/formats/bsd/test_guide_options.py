"""What a guide is asked for: instances, labels, colours, and answers without free text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import maskcodec as mc
from tests.formats.guides import (
    ALL,
    LABELS,
    MASK,
    agree,
    brick_runs,
    bricks,
    cells,
    check,
    follow,
    guide_of,
    instance,
    piece_ids,
    plain,
    refused_at,
    seeds,
    share,
    silent_walk,
    tags,
    text_of,
    until,
    vocab_of,
)
from tests.vocabularies import REAL, TRAINED, fresh

pytestmark = pytest.mark.usefixtures("_forget")


@pytest.mark.parametrize("instances", [0, 1, 2])
def test_there_are_no_more_instances_than_asked_for(instances):
    tokens = bricks("byte-level", (3, 4), wrapped=True)
    ref, end = tags(tokens)[0], tokens.tokenizer.eos_token_id
    guide = tokens.guide(instances=instances)
    one = tokens.encode(MASK, "dog").tolist()
    for count in range(instances + 1):
        options = guide.allowed(one * count + [plain(tokens)] * count)
        assert (ref in options) == (count < instances)
        assert end in options
        assert plain(tokens) in options
    assert refused_at(guide, one * 3) == instances * len(one)
    begun = tokens.guide(instances=instances, start=one * instances)
    assert ref not in begun.allowed([])


def test_one_instance_begun_already_counts():
    tokens = bricks("byte-level", (3, 4))
    ids = tokens.encode(MASK, "dog").tolist()
    for end in range(len(ids) + 1):
        guide = tokens.guide(instances=1, start=ids[:end])
        assert (tags(tokens)[0] in guide.allowed(ids[end:])) is False
        assert np.array_equal(guide.allowed(ids[end:]), tokens.guide(instances=1).allowed(ids))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("codec", [((5, 12), 0), ((5, 7), 1), ((3, 4), 2)])
@share(30)
@given(seed=seeds, instances=st.sampled_from([1, 3]))
def test_without_free_text_an_answer_is_its_masks_and_ends(name, codec, seed, instances):
    (rows, columns), spelling = codec
    if name in REAL and spelling:
        return
    tokens = bricks(name, (rows, columns), wrapped=True, spelling=spelling)
    ref, *_, seg_end = tags(tokens)
    guide = guide_of(tokens, free_text=False, instances=instances, labels=LABELS)
    spaces = [n for n in guide.allowed([]).tolist() if n != ref]
    assert {text_of(tokens, [plain(tokens), n, plain(tokens)]) for n in spaces} <= {"dog dog"}
    *ids, end = silent_walk(tokens, guide, seed)
    if ids[0] in spaces:  # one, with which some tokenizers begin
        assert guide.allowed(ids[:1]).tolist() == [ref]
        ids.pop(0)
    assert end == tokens.tokenizer.eos_token_id
    regions = agree(tokens, ids)
    assert 1 <= len(regions) == ids.count(ref) <= instances
    starts = [at for at, number in enumerate(ids) if number == ref]
    assert starts == [0, *(at + 1 for at, number in enumerate(ids[:-1]) if number == seg_end)]
    separators = rows * len(tokens._binding.vocab.separator)
    assert len(ids) <= len(regions) * (rows * columns + separators + 64)
    with pytest.raises(mc.DecodeError, match="may not come here"):
        guide.step(guide.start(), plain(tokens))
    passed = [n for n in guide.after.tolist() if n != end]  # stands around masks elsewhere
    for number in [*passed, end]:
        with pytest.raises(mc.DecodeError, match="may not come here"):
            guide.step(guide.start(), number)


def test_options_are_sorted_where_the_end_is_the_id_before_a_tag():
    tokenizer, codec = fresh("byte-level"), mc.BSD(grid=2)
    tokenizer.add_special_tokens(["<|done|>"])
    mc.extend_tokenizer(codec, tokenizer)
    tokens = mc.TokenCodec(codec, tokenizer)
    end = vocab_of(tokens)["<|done|>"]
    assert tags(tokens)[0] == end + 1
    for free_text in (False, True):
        guide = tokens.guide(ends=end, free_text=free_text)
        options = guide.allowed(tokens.encode(np.eye(2, dtype=int), "dog").tolist())
        assert np.diff(options).min() > 0
        assert {end, end + 1} <= set(options.tolist())


@given(seed=seeds)
def test_without_free_text_an_answer_of_labels_is_its_cells(seed):
    tokens = cells("byte-level", mc.RRLE(grid=(2, 3)), wrapped=True)
    guide = guide_of(tokens, labels=("dog", "cat"), free_text=False)
    assert guide.allowed([]).tolist() == sorted([*piece_ids(tokens, "Ġ"), tokens.words["<seg>"]])
    *ids, end = silent_walk(tokens, guide, seed)
    assert (ids[-1], end) == (tokens.words["</seg>"], tokens.tokenizer.eos_token_id)
    assert guide.allowed(ids).tolist() == [end]
    assert tokens.decode(ids).cells.shape == (2, 3)


def test_without_free_text_something_must_come_and_end():
    with pytest.raises(mc.ConfigError, match="instances must not be 0"):
        bricks("byte-level", (3, 4), wrapped=True).guide(free_text=False, instances=0)
    bare = bricks("byte-level", (3, 4))
    with pytest.raises(mc.ConfigError, match=r"no token that ends an answer.*give ends="):
        bare.guide(free_text=False)
    end = max(vocab_of(bare).values())  # any will do
    guide = bare.guide(free_text=False, labels=["dog"], ends=end)
    assert silent_walk(bare, guide, 0)[-1] == end


def test_a_beginning_that_is_none_is_refused():
    tokens = bricks("byte-level", (3, 4))
    ref, _, box = tags(tokens)[:3]
    for start, position in [([ref, box], 1), ([box], 0), ([plain(tokens), ref, ref], 2)]:
        with pytest.raises(mc.DecodeError, match="may not come here") as caught:
            tokens.guide(start=start)
        assert (caught.value.position, caught.value.reason) == (position, "not-allowed")
        assert caught.value.unit == "id"
    with pytest.raises(mc.DecodeError):
        tokens.guide(instances=0, start=[ref])
    with pytest.raises(mc.DecodeError):
        tokens.guide(labels=["cat"], start=until(tokens, 1))
    assert np.array_equal(
        tokens.guide(start=np.array(until(tokens, 1))).allowed([]), [tags(tokens)[2]]
    )


def test_positions_count_behind_the_beginning():
    tokens = bricks("byte-level", (3, 4))
    guide = tokens.guide(start=until(tokens, 1))
    with pytest.raises(mc.DecodeError) as caught:
        guide.allowed([tags(tokens)[2], tags(tokens)[2]])
    assert caught.value.position == 1


@pytest.mark.parametrize("name", TRAINED)
def test_colours_alternate_but_behind_a_full_brick(name):
    tokens = bricks(name, (2, 130))
    begun = until(tokens, 4)
    runs = brick_runs(tokens)
    ids_of = {run: number for number, run in runs.items()}
    guide = tokens.guide(start=begun, colours="alternate")
    for written, colours in [
        ([], {1, -1}),
        ([62], {-1}),
        ([-62], {1}),
        ([63], {1, -1}),
        ([-63], {1, -1}),
        ([63, 63], {1, -1}),
        ([63, 62], {-1}),
        ([63, -63, -1], {1}),
    ]:
        options = guide.allowed([ids_of[run] for run in written]).tolist()
        left = 130 - sum(map(abs, written))
        expected = [i for i, run in runs.items() if abs(run) <= left and np.sign(run) in colours]
        assert options == sorted(expected)
    row = [ids_of[63], ids_of[63], ids_of[4]]
    separator = guide.allowed(row).tolist()
    if separator[0] not in runs:
        while separator[0] not in runs:
            row.append(separator[0])
            separator = guide.allowed(row).tolist()
    assert separator == sorted(runs)  # a new row begins with any


@pytest.mark.parametrize("name", ALL)
def test_labels_from_a_list_are_these_and_no_others(name):
    tokens = bricks(name, (3, 4))
    if name == "unigram":
        listed = ("dog", "sky", "dog", "the red circle")
    else:
        listed = ("dog", "dog house", "dog", "black dog", "犬", " two people ")
    guide = tokens.guide(labels=iter(listed))
    ref, ref_end = tags(tokens)[:2]
    found, stack = set(), [(follow(guide, [ref]), [ref])]
    behind = instance(tokens)[instance(tokens).index(ref_end) :]
    while stack:
        state, ids = stack.pop()
        options = guide.options(state)
        check(options, tokens)
        for number in options.tolist():
            if number == ref_end:
                found.add(agree(tokens, ids + behind)[0].label)
            else:
                stack.append((guide.step(state, number), [*ids, number]))
    expected = {tokens.decode(tokens.encode(MASK, label))[0].label for label in listed}
    assert found == expected
    assert len(found) == len({label.strip() for label in listed})


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([], mc.ConfigError, "labels must have at least one label to choose from, got none"),
        ("dog", TypeError, "labels must be several str, got one: 'dog'"),
        (["dog", "a<seg>"], mc.LabelError, "label 'a<seg>' holds '<seg>'"),
        (["<fg3>"], mc.LabelError, "label '<fg3>' holds '<fg3>'"),
        (["dog", " "], mc.LabelError, "a label must not be empty, got ' '"),
        (["dog", 3], TypeError, "label must be a str, got 3"),
    ],
)
def test_labels_that_are_none_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        bricks("byte-level", (3, 4)).guide(labels=labels)


@pytest.mark.parametrize(("name", "label"), [("byte-level", "<eos>"), ("word-piece", "\u200b")])
def test_a_listed_label_of_which_nothing_can_be_read_is_refused(name, label):
    """Or the guide would lead to an instance that has no label."""
    tokens = bricks(name, (3, 4))
    with pytest.raises(mc.LabelError):
        tokens.guide(labels=["dog", label])


@pytest.mark.parametrize("name", ["byte-level", "joined", "metaspace"])
def test_ids_that_are_passed_over_cannot_make_a_label(name):
    """An id to ignore may be a word that stands before every answer, such as a role."""
    dog = bricks(name, (3, 4))
    number = plain(dog)
    tokens = mc.TokenCodec(dog.codec, dog.tokenizer, ignore=[number])
    ref, ref_end = tags(tokens)[:2]
    behind = instance(dog)[instance(dog).index(ref_end) :]
    guide = tokens.guide()
    assert number in guide.allowed([])
    if refused_at(guide, [ref, number, *behind]) is None:
        assert agree(tokens, [ref, number, *behind])


def test_bracket_pieces_that_continue_a_word_do_not_begin_a_box():
    """WordPiece shows its ## where such a piece comes first."""
    pieces = ["[UNK]", "[", "]", "##[", "##]", "a", "black", "dog", ",", *map(str, range(10))]
    pieces += [f"##{digit}" for digit in range(10)]
    vocabulary = {piece: k for k, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    codec = mc.BSD(grid=4)
    mc.extend_tokenizer(codec, tokenizer)
    tokens = mc.TokenCodec(codec, tokenizer)
    guide = tokens.guide()
    ids = tokens.encode(np.eye(4, dtype=int), "dog").tolist()
    at = ids.index(vocabulary["["])
    for number in (vocabulary["["], vocabulary["##["]):
        answer = [*ids[:at], number, *ids[at + 1 :]]
        if refused_at(guide, answer) is None:
            agree(tokens, answer)


@pytest.mark.parametrize(
    ("codec", "options", "error", "message"),
    [
        (
            mc.ISD(),
            {"labels": ["dog"]},
            mc.ConfigError,
            "there are guides for B-SD with bricks, for",
        ),
        (mc.BSD(bricks=False), {}, mc.ConfigError, "there are guides for B-SD with bricks, for"),
        (
            mc.RRLE(),
            {},
            mc.ConfigError,
            "a guide for r-rle/1 needs the labels to choose from: labels=",
        ),
        (mc.IRLE(), {}, mc.ConfigError, "a guide for i-rle/1 needs the labels"),
        (
            mc.RRLE(),
            {"labels": ["dog"], "instances": 1},
            mc.ConfigError,
            "r-rle/1 has no instances to count; leave instances out",
        ),
        (mc.RRLE(), {"labels": "dog"}, TypeError, "labels must be several str, got one: 'dog'"),
        (mc.RRLE(), {"labels": ["a|b"]}, mc.LabelError, r"holds '\|'"),
        (mc.RRLE(), {"labels": ["<seg>"]}, mc.LabelError, "holds '<seg>'"),
        (
            mc.BSD(),
            {"instances": -1},
            mc.ConfigError,
            "instances must be 0 or more, or None, got -1",
        ),
        (mc.BSD(), {"instances": 1.5}, TypeError, "float"),
        (
            mc.BSD(),
            {"colours": "both"},
            mc.ConfigError,
            "colours must be one of 'any', 'alternate', got 'both'",
        ),
    ],
)
def test_what_a_guide_cannot_be_made_of_is_refused(codec, options, error, message):
    tokenizer = fresh("byte-level")
    mc.extend_tokenizer(codec, tokenizer)
    with pytest.raises(error, match=message):
        mc.TokenCodec(codec, tokenizer).guide(**options)


def test_a_vocabulary_without_single_digits_is_refused():
    pieces = ["[UNK]", "[", "]", "a", "black", "dog", ",", *map(str, range(100))]
    model = models.WordPiece({piece: k for k, piece in enumerate(pieces)}, unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    codec = mc.BSD(grid=4)
    mc.extend_tokenizer(codec, tokenizer)
    with pytest.raises(mc.VocabError) as caught:
        mc.TokenCodec(codec, tokenizer).guide()
    assert str(caught.value) == (
        "a guide needs a token for every digit, for [ and ] and for the space between numbers, "
        "which this tokenizer does not have"
    )


def test_a_vocabulary_that_lacks_the_letters_of_text_is_refused():
    pieces = ["[UNK]", "[", "]", "dog", *map(str, range(10))]
    model = models.WordPiece({piece: k for k, piece in enumerate(pieces)}, unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    codec = mc.BSD(grid=4)
    mc.extend_tokenizer(codec, tokenizer)
    with pytest.raises(mc.VocabError, match="the vocabulary lacks letters, or is written in ano"):
        mc.TokenCodec(codec, tokenizer).guide()
