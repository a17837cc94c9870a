"""Any answer has a score; targets and settings that are wrong have an exact error."""

import math
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.rewards import PARTS, MaskReward
from tests.rewards.test_reward import CODEC, HALF, REWARD, ROW, box, target
from tests.strategies import BRICK_PIECES, LABEL_PIECES, SCANLINE_PIECES, json_like, mutated
from tests.vocabularies import tokens

few = settings(max_examples=max(8, settings.default.max_examples // 3))
REWARDS = [
    (REWARD, ROW, BRICK_PIECES),
    (MaskReward(mc.Scanlines()), mc.Scanlines().encode(box(1, 1, 6, 5), "dog"), SCANLINE_PIECES),
    (MaskReward(mc.RRLE(grid=8)), mc.RRLE(grid=8).encode(box(1, 1, 6, 5), "ab"), LABEL_PIECES),
]


@cache
def of_ids():
    return MaskReward(tokens("byte-level", CODEC))


def check(parts):
    assert list(parts) == [*PARTS, "total"]
    assert all(0 <= value <= 1 and type(value) is float for value in parts.values())


@few
@given(st.data())
def test_any_text_has_a_score(data):
    reward, text, pieces = data.draw(st.sampled_from(REWARDS))
    said = data.draw(st.one_of(st.text(), mutated(text * 2, pieces)))
    check(reward(said, data.draw(st.sampled_from([[], HALF, HALF * 3]))))


@few
@given(st.lists(st.one_of(st.integers(0, 700), st.integers()), max_size=20), st.booleans())
def test_any_ids_have_a_score(ids, begun):
    reward = of_ids()
    start = reward.tokens.encode(box(1, 1, 6, 5), "dog").tolist() if begun else []
    check(reward(start[:-2] + ids, HALF))


@few
@given(
    st.one_of(
        json_like,
        st.lists(
            st.one_of(
                json_like,
                st.fixed_dictionaries(
                    {"label": st.one_of(json_like, st.just("dog"))},
                    optional={"segmentation": json_like},
                ),
            ),
            max_size=2,
        ),
    )
)
def test_any_targets_are_read_or_refused(targets):
    for _ in range(2):  # what was refused is not remembered
        try:
            check(REWARD(ROW, targets))
        except (mc.MaskCodecError, TypeError, ModuleNotFoundError) as error:
            assert 0 < len(str(error)) < 1000


@pytest.mark.parametrize(
    "text", ["\ud800" + ROW, ROW * 3 + "<seg>" * 2000, "<ref>" * 5000, "\0" * 99]
)
def test_answers_of_noise(text):
    check(REWARD(text, HALF))


@pytest.mark.usefixtures("compiled")
def test_long_answers_of_noise():
    check(REWARD("<fg1><bg2>\n" * 20_000, HALF))
    check(REWARD(ROW * 5_000, HALF))


RLE = HALF[0]["segmentation"]
SHAPE = '[{"label": "dog", "segmentation": {"size": [height, width], "counts": ...}}, ...]'


@pytest.mark.parametrize(
    ("targets", "kind", "message"),
    [
        (None, TypeError, f"targets must be a list, or JSON of one, {SHAPE}; got None"),
        ({}, TypeError, f"targets must be a list, or JSON of one, {SHAPE}; got {{}}"),
        ("5", TypeError, f"targets must be a list, or JSON of one, {SHAPE}; got 5"),
        (
            "[{",
            mc.MaskError,
            f"targets must be a list, or JSON of one, {SHAPE}; got '[{{': Expecting property name "
            "enclosed in double quotes: line 1 column 3 (char 2)",
        ),
        ([5], TypeError, f"target 0 must be an object as in {SHAPE}, got 5"),
        (
            [{"label": "dog"}],
            TypeError,
            f"target 0 must be an object as in {SHAPE}, got {{'label': 'dog'}}",
        ),
        ([{"label": [], "segmentation": RLE}], TypeError, "label must be a str, got []"),
        (
            [{"label": " ", "segmentation": RLE}],
            mc.LabelError,
            "a label must not be empty, got ' '",
        ),
        (
            [*HALF, {"label": "dog", "segmentation": {"size": [2, 2], "counts": [4]}}],
            mc.MaskError,
            "target 1 is of an image of 2 x 2 pixels, height x width, but target 0 of one of "
            "8 x 8; the targets of an answer are of one image",
        ),
        (
            [{"label": "dog", "segmentation": {"size": [8193, 8193], "counts": [8193**2]}}],
            mc.MaskError,
            "target 0 is of an image of 8193 x 8193 pixels, height x width; rewards take up to "
            "67,108,864 pixels: give the masks at a smaller size",
        ),
        (
            [{"label": "dog", "segmentation": {"size": [1, 1 << 26], "counts": [1 << 26]}}],
            mc.MaskError,
            "the image of target 0 is 1 x 67108864; a side has up to 1,048,576 pixels",
        ),
        (
            [{"label": "dog", "segmentation": {"size": [2, 2], "counts": [5]}}],
            mc.MaskError,
            "the counts of the segmentation of target 0: number 0 is 5, which passes the image's "
            "4 pixels",
        ),
    ],
)
def test_wrong_targets(targets, kind, message):
    for _ in range(2):
        with pytest.raises(kind) as caught:
            REWARD(ROW, targets)
        assert str(caught.value) == message


def test_a_target_whose_label_the_codec_cannot_write():
    with pytest.raises(mc.LabelError, match="<seg>"):
        REWARD(ROW, [target(box(0, 0, 3, 0), "a <seg> b")])


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"weights": [1]}, "weights map parts to numbers, got [1]"),
        (
            {"weights": {"size": 1}},
            "there is no part 'size'; there are iou, boundary, box, label, format, length",
        ),
        ({"weights": {"iou": -1}}, "the weight of iou must be a number of at least 0, got -1"),
        ({"weights": {"iou": True}}, "the weight of iou must be a number of at least 0, got True"),
        (
            {"weights": {"iou": math.nan}},
            "the weight of iou must be a number of at least 0, got nan",
        ),
        (
            {"weights": {"iou": 0}},
            "one weight at least must be above 0: the total would be nothing",
        ),
        ({"weights": {}}, "one weight at least must be above 0: the total would be nothing"),
        ({"words": -1}, "words must be a whole number of at least 0, got -1"),
        ({"words": True}, "words must be a whole number of at least 0, got True"),
    ],
)
def test_wrong_settings(settings_, message):
    with pytest.raises(mc.ConfigError) as caught:
        MaskReward(CODEC, **settings_)
    assert str(caught.value) == message


def test_wrong_types():
    with pytest.raises(TypeError, match="codec must be one of maskcodec's codecs, got 5"):
        MaskReward(5)
    for answer in (None, [1, 2], b"text"):
        with pytest.raises(TypeError) as caught:
            REWARD(answer, HALF)
        assert str(caught.value) == (
            f"answer must be a text, got {answer!r}; for ids, make the reward of a TokenCodec"
        )
    reward = of_ids()
    with pytest.raises(TypeError, match="ids must be integers"):
        reward(["a"], HALF)
    with pytest.raises(mc.VocabError, match="ids must be one-dimensional, got shape"):
        reward(np.zeros((1, 2), np.int64), HALF)


def test_several_objects_need_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    assert REWARD(ROW, HALF)["iou"] == 0.5
    with pytest.raises(ModuleNotFoundError) as caught:
        REWARD(ROW * 2, HALF)
    assert str(caught.value) == (
        "matching several objects needs scipy, which is missing: "
        "pip install 'maskcodec[rewards]', in a checkout '.[rewards]'"
    )
