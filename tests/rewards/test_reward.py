"""What each part of a reward says, by cases counted by hand and by the twin."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.rewards import PARTS, MaskReward
from tests.rewards import twin
from tests.strategies import BRICK_PIECES, cells, mutated
from tests.vocabularies import tokens

CODEC = mc.BSD(grid=8)
REWARD = MaskReward(CODEC)
ROW = "<ref>dog</ref><box>[[0 0 7 0]]</box><seg><fg8></seg>"  # 8 pixels


def box(x1, y1, x2, y2):
    """A mask of 8 x 8 with a box set, corners inside."""
    mask = np.zeros((8, 8), np.uint8)
    mask[y1 : y2 + 1, x1 : x2 + 1] = 1
    return mask


def target(mask, label="dog"):
    return {"label": label, "segmentation": RunMask.from_mask(mask).coco_rle(text=True)}


def answer(*pairs, codec=CODEC):
    return codec.encode_many([mask for mask, _ in pairs], [label for _, label in pairs])


HALF = [target(box(0, 0, 3, 0))]  # of the row, 4 pixels


def test_parts_by_hand():
    parts = REWARD(ROW, HALF)
    assert list(parts) == [*PARTS, "total"]
    assert parts["iou"] == parts["box"] == 4 / 8
    # All pixels are edge, and what is at most one pixel away is near: 5 of 8, and 4 of 4.
    assert parts["boundary"] == pytest.approx(2 * (5 / 8) / (5 / 8 + 1))
    assert parts["label"] == parts["format"] == parts["length"] == 1
    total = (4 * 0.5 + parts["boundary"] + 0.5 + 1 + 2 + 1) / 10
    assert parts["total"] == pytest.approx(total)


def test_a_right_answer_has_1_in_all_parts():
    pair = box(1, 2, 5, 6), "dog"
    for text in (answer(pair), f"Here: {answer(pair)}. Done."):
        assert REWARD(text, [target(*pair)]) == dict.fromkeys((*PARTS, "total"), 1.0)


def test_the_box_is_the_one_that_is_named():
    loose = "<ref>dog</ref><box>[[0 0 7 1]]</box><seg><fg4><bg4>\n<bg8></seg>"
    parts = REWARD(loose, HALF)
    assert parts["iou"] == 1
    assert parts["box"] == 4 / 16


@pytest.mark.parametrize(
    ("said", "wanted", "same"),
    [
        ("Black  Dog", "black dog", 1),
        ("STRASSE", "straße", 1),
        ("dog", "dogs", 0),
        ("dog", "cat", 0),
    ],
)
def test_labels_are_compared_without_case_and_white_space(said, wanted, same):
    mask = box(0, 0, 3, 3)
    assert REWARD(answer((mask, said)), [target(mask, wanted)])["label"] == same


def test_objects_are_matched_one_to_one_in_any_order():
    dog, cat, cow = box(0, 0, 1, 1), box(4, 4, 7, 7), box(0, 6, 1, 7)
    wanted = [target(dog), target(cat, "cat")]
    assert REWARD(answer((cat, "cat"), (dog, "dog")), wanted)["total"] == 1
    assert REWARD(answer((dog, "dog")), wanted)["iou"] == 1 / 2  # one is missing
    more = REWARD(answer((cat, "cat"), (cow, "cow"), (dog, "dog")), wanted)
    assert more["iou"] == more["label"] == pytest.approx(2 / 3)  # one too many
    twice = answer((dog, "dog")) * 2
    assert REWARD(twice, [target(dog)])["iou"] == 1 / 2  # no credit for the same thing again
    swapped = REWARD(answer((dog, "cat"), (cat, "dog")), wanted)
    assert (swapped["iou"], swapped["label"]) == (1, 0)  # where it is counts more than its name


def test_the_best_way_to_match_is_taken_not_the_first():
    left, right = box(0, 0, 3, 0), box(4, 0, 7, 0)
    most, first = box(0, 0, 4, 0), box(0, 0, 2, 0)  # both are nearest to `left`
    only = MaskReward(CODEC, weights={"iou": 1})
    parts = only(answer((most, "dog"), (first, "dog")), [target(left), target(right)])
    assert parts["iou"] == pytest.approx((1 / 8 + 3 / 4) / 2)  # not (4 / 5 + 0) / 2


NOTHING = ["There is no dog.", "", "Nothing here: 1 < 2, and fg3 is a word."]


@pytest.mark.parametrize("text", NOTHING)
def test_the_right_nothing_is_1_and_the_wrong_one_0(text):
    for codec in (CODEC, mc.Scanlines(), mc.RRLE(), mc.ISD(), mc.IRLE()):
        reward = MaskReward(codec)
        for wanted in ([], "[]", [target(box(0, 0, 3, 0) * 0)]):  # a mask without a pixel is none
            assert set(reward(text, wanted).values()) == {1.0}
        assert set(reward(text, HALF).values()) == {0.0}


def test_masks_where_there_is_nothing_have_format_and_length_alone():
    parts = REWARD(ROW, [])
    assert parts["total"] == pytest.approx((2 + 1) / 10)
    assert not any(parts[name] for name in ("iou", "boundary", "box", "label"))


@pytest.mark.parametrize(
    "text", ["<ref>dog</ref>", "<seg>", "<ref>dog</ref><box>[[9 9 9 9]]</box>"]
)
def test_what_cannot_be_read_is_0_whatever_was_wanted(text):
    for wanted in ([], HALF):
        assert set(REWARD(text, wanted).values()) == {0.0}


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (ROW.replace("<fg8>", "<fg7>"), 1),
        (ROW.removesuffix("</seg>"), 1),
        (ROW.replace("[[0 0 7 0]]", "[[0 0 7 1]]"), 1),
        (ROW.replace("<ref>", "").removesuffix("</seg>"), 2),
        (ROW + ROW.replace("<fg8>", "<fg9>") + ROW.removesuffix("</seg>"), 2),
    ],
)
def test_the_format_part_falls_with_each_repair(text, problems):
    assert len(CODEC.recover(text).problems) == problems
    parts = REWARD(text, HALF)
    assert parts["format"] == 1 / (1 + problems)
    assert 0 < parts["iou"] < 1


def test_an_answer_that_is_too_long_has_less():
    word = "dog " * 100
    room = 2 * len(answer((box(0, 0, 3, 0), "dog"))) + 4 * 64
    assert REWARD(ROW + word, HALF)["length"] == room / (len(ROW) + len(word))
    few = MaskReward(CODEC, words=0)
    assert few(ROW + "x" * room, HALF)["length"] == (room - 4 * 64) / (len(ROW) + room)
    assert few(ROW, [])["length"] == 0


def test_weights_choose_the_parts():
    only = MaskReward(CODEC, weights={"iou": 3})
    assert only(ROW, HALF)["total"] == 0.5
    assert only.weights == {**dict.fromkeys(PARTS, 0.0), "iou": 3.0}
    both = MaskReward(CODEC, weights={"label": 1, "iou": np.float32(3)})
    assert both(ROW, HALF)["total"] == (3 * 0.5 + 1) / 4


@settings(max_examples=30)
@given(st.data())
def test_any_answer_is_scored_as_the_twin_does(data):
    shape = data.draw(st.tuples(st.integers(8, 12), st.integers(8, 12)))
    labels = st.sampled_from(["dog", "cat"])
    pairs = st.lists(st.tuples(cells(shape), labels), max_size=3)
    said, wanted = data.draw(pairs), data.draw(pairs)
    text = CODEC.encode_many([mask for mask, _ in said], [label for _, label in said], lost="drop")
    if data.draw(st.booleans()):
        text = data.draw(mutated(text, BRICK_PIECES))
    objects = [(label, mask) for mask, label in wanted if mask.any()]
    if len(CODEC.recover(text).regions) > 4:
        return
    parts = REWARD(text, [target(*pair) for pair in wanted])
    assert any(parts == pytest.approx(want) for want in twin.rewards(CODEC, text, objects))


@pytest.mark.parametrize(
    "codec", [CODEC, mc.Scanlines(), mc.RRLE(grid=8)], ids=lambda c: c.codec_id
)
def test_ids_have_the_reward_of_their_text(codec):
    reward = MaskReward(tokens("byte-level", codec))
    assert (reward.codec, reward.tokens.codec) == (codec, codec)
    wanted = [target(box(1, 1, 6, 5))]
    mask = box(1, 2, 6, 6)
    right = codec.encode(mask, "dog" if codec.has_instances else ["others", "dog"])
    for text in (right, right[: len(right) * 2 // 3], right + " Here.", "There is no dog.", ""):
        ids = reward.tokens.tokenizer.encode(text, add_special_tokens=False).ids
        for kind in (ids, np.array(ids, np.int32)):
            for some in (wanted, []):
                of_text, of_ids = reward(text, some), reward(kind, some)
                for name in PARTS[:-1]:  # its length is counted in other units
                    assert of_ids[name] == pytest.approx(of_text[name])


def test_padding_and_the_end_of_a_text_are_passed_over():
    reward = MaskReward(tokens("byte-level", CODEC))
    tokenizer = reward.tokens.tokenizer
    end = tokenizer.token_to_id("<eos>")
    for text, wanted in ((ROW, HALF), ("No.", [])):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert reward([*ids, end], wanted) == reward(text, wanted)


def test_long_answers_in_ids():
    reward = MaskReward(tokens("byte-level", CODEC), words=1)
    ids = reward.tokens.encode(box(0, 0, 3, 0), "dog").tolist()
    assert reward(ids * 4, HALF)["length"] == (2 * len(ids) + 1) / (4 * len(ids))


def test_labels_of_a_grid_are_matched_too():
    codec = mc.RRLE(grid=8)
    reward = MaskReward(codec)
    cells_ = box(0, 0, 3, 3) + 2 * box(4, 4, 7, 7)
    text = codec.encode(cells_, ["others", "dog", "cat"])
    wanted = [target(box(4, 4, 7, 7), "cat"), target(box(0, 0, 3, 3))]
    assert reward(text, wanted)["total"] == 1
    # Two targets of one label are one object, since an answer cannot tell them apart.
    two = [target(box(0, 0, 1, 3)), target(box(2, 0, 3, 3)), wanted[0]]
    assert reward(text, two)["total"] == 1
    assert MaskReward(CODEC)(answer((box(0, 0, 3, 3), "dog")), two)["iou"] < 0.5


def test_a_grid_of_very_many_labels_is_cut():
    names = [f"name {k}" for k in range(4096)]
    codec = mc.RRLE(grid=64)
    text = codec.encode_grid(mc.LabelGrid(np.arange(4096).reshape(64, 64), ["others", *names[1:]]))
    parts = MaskReward(codec)(text, [target(box(0, 0, 3, 3))])
    assert parts["format"] == 1
    assert parts["total"] < 0.4


def test_very_many_masks_are_too_many():
    text = ROW * 100
    parts = REWARD(text, HALF)
    assert parts["iou"] == pytest.approx(0.5 / 100)
    assert parts["format"] == 1


def test_targets_are_a_list_or_json():
    one = target(box(0, 0, 3, 0))
    mask = RunMask.from_mask(box(0, 0, 3, 0))
    counts = {"size": [8, 8], "counts": mask.counts.tolist()}
    pairs = [
        [one],
        (one,),
        json.dumps([one]),
        json.dumps([one]).encode(),
        [{**one, "segmentation": mask.coco_rle()}],
        [{**one, "segmentation": counts}],
        [{**one, "segmentation": {**counts, "counts": mask.counts}}],
    ]
    want = REWARD(ROW, HALF)
    for given_targets in pairs * 2:  # the second time they are remembered
        assert REWARD(ROW, given_targets) == want


def test_targets_that_look_alike_are_told_apart():
    reward = MaskReward(CODEC)
    right = [{"label": "dog", "segmentation": {"size": [8, 8], "counts": [0, 1, 63]}}]
    assert reward(ROW, right)["iou"] == 1 / 8
    for odd in (True, 1.0):
        wrong = [{"label": "dog", "segmentation": {"size": [8, 8], "counts": [0, odd, 63]}}]
        with pytest.raises(TypeError, match="must be whole numbers"):
            reward(ROW, wrong)
    other = [{"label": "dog", "segmentation": {"size": [8, 8], "counts": [0, 2, 62]}}]
    assert reward(ROW, other)["iou"] == 1 / 9


def test_what_is_remembered_has_a_bound(monkeypatch):
    monkeypatch.setattr("maskcodec.rewards.targets._HELD", 500)
    reward = MaskReward(CODEC)
    for k in range(8):
        mask = box(k, 0, k, 3)
        assert reward(answer((mask, "dog")), [target(mask)])["total"] == 1
        assert 0 < reward._targets._held <= 500


def test_a_reward_goes_to_other_processes():
    reward = MaskReward(tokens("byte-level", CODEC), weights={"iou": 1, "format": 2}, words=3)
    want = reward(ROW, HALF)
    for other in (pickle.loads(pickle.dumps(reward)), copy.deepcopy(reward)):
        assert (other.codec, other.weights, other.words) == (CODEC, reward.weights, 3)
        assert other(ROW, HALF) == want
