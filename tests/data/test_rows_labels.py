"""Samples to rows: maps of an image, words that are none, and what is lost or broken."""

import dataclasses
import itertools

import numpy as np
import pytest

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.data.templates import Templates
from tests.data.questions import (
    ALL,
    BSD,
    DOT,
    LEFT,
    NONE,
    RIGHT,
    RRLE,
    SCENE,
    SHAPE,
    box,
    broken,
    expression,
    labels,
    maker,
    many,
    said,
    sample,
)

# Image-wise codecs


def test_a_map_shows_all_classes_small_ones_upon_large_ones():
    scene = sample("semantic", ("dog", LEFT), ("sky", ALL), ("dog", RIGHT))
    for question, answer in many(maker(RRLE, whole=0.0), scene, 20):
        assert question in Templates().whole
        grid = RRLE.decode(answer)
        assert set(grid.names) == {"others", "dog", "sky"}
        assert int((grid.mask("dog", SHAPE) == 1).sum()) == 16
        assert int((grid.mask("sky", SHAPE) == 1).sum()) == 48


def test_semantic_samples_have_instances_as_well():
    scene = sample("semantic", ("dog", LEFT), ("sky", ALL))
    assert {len(labels(answer)) for _, answer in many(maker(whole=0.0), scene)} == {1, 2}


def test_a_map_of_some_classes_leaves_the_others_out():
    for question, answer in many(maker(RRLE, whole=0.0, absent=0.5), SCENE):
        if "<seg>" in answer:
            found = set(RRLE.decode(answer).names) - {"others"}
            assert all(name in question for name in found)


def test_a_map_of_one_expression():
    both = sample("expression", ("a dog", LEFT), ("a dog", LEFT), query="a dog")
    answer = said(maker(RRLE)(both))[1]
    assert RRLE.decode(answer).mask("a dog", SHAPE).sum() == 8


def test_a_map_stands_behind_the_words_of_an_answer():
    asked = sample(
        "reasoning",
        ("roi0", LEFT),
        ("roi0", RIGHT),
        query="What barks?",
        answer="This, {roi0}, barks.",
    )
    words, _, text = said(maker(RRLE)(asked))[1].partition(" <seg>")
    assert words == "This, roi0, barks."
    assert RRLE.decode("<seg>" + text).mask("roi0", SHAPE).sum() == 16


def test_what_a_map_cannot_hold():
    assert broken(maker(RRLE)(expression("others"))) == (
        "instance 0 ('others'): 'others' is the background's label; give the codec another one"
    )
    hidden = sample("expression", ("a", LEFT), ("b", LEFT), query="?")
    made = maker(RRLE)(hidden)
    assert (made.rows, made.lost, made.left_out) == ([], 1, 1)


def test_boxes_need_a_codec_that_has_them():
    with pytest.raises(
        mc.ConfigError, match="boxes need a codec that has them, scanlines or b-sd; got r-rle/1"
    ):
        maker(RRLE, boxes=0.1)


# Words that are none


@pytest.mark.parametrize(
    ("codec", "label", "found"),
    [
        (BSD, "a <image> b", "<image>"),
        (BSD, "a <bbox> b", "<bbox>"),
        (BSD, "a <ref-object> b", "<ref-object>"),
        (BSD, "a <video> b", "<video>"),
        (BSD, "a <|im_end|> b", "<|im_end|>"),
        (BSD, "a <image_1> b", "<image_1>"),
        (BSD, "a <video-12> b", "<video-12>"),
        (BSD, "a <image3> b", "<image3>"),
        (BSD, "a <s> b", "<s>"),
        (BSD, "a </s> b", "</s>"),
        (BSD, "a <img> b", "<img>"),
        (RRLE, "a </img> b", "</img>"),
        (BSD, "a <IMG_CONTEXT> b", "<IMG_CONTEXT>"),
        (BSD, "a <start_of_turn> b", "<start_of_turn>"),
        (RRLE, "a <end_of_turn> b", "<end_of_turn>"),
        (BSD, "a <start_of_image> b", "<start_of_image>"),
        (BSD, "a [INST] b", "[INST]"),
        (RRLE, "a [/INST] b", "[/INST]"),
        (BSD, "a </ref> b", "</ref>"),
        (BSD, "a <fg63> b", "<fg63>"),
        (mc.Scanlines(), "a <end:0> b", "<end:0>"),
        (mc.Scanlines(coordinates="tokens"), "a <loc7> b", "<loc7>"),
        (mc.BSD(grid=8, bricks=False), "a fg7 b", "fg7"),
        (RRLE, "a | b", "|"),
        (RRLE, "a * b", "*"),
        (RRLE, "a <seg> b", "<seg>"),
        (RRLE, "a </box> b", "</box>"),
    ],
)
def test_labels_with_placeholders_are_refused_or_cleaned(codec, label, found):
    some = sample("expression", (label, LEFT), query="it")
    assert broken(maker(codec)(some)) == (
        f"label {label!r} holds {found!r}, which trainers or the codec take for something else "
        'than words; remove it, or placeholders="clean" does'
    )
    made = maker(codec, placeholders="clean")(some)
    decoded = codec.decode(said(made)[1])
    names = [region.label for region in decoded] if isinstance(decoded, list) else decoded.names
    assert "a b" in names
    assert made.cleaned == [found]


def test_questions_are_looked_at_as_well():
    some = sample("expression", ("dog", LEFT), query="what <fg3> is")
    assert broken(maker()(some)).startswith("question 'what <fg3> is' holds '<fg3>', which")
    made = maker(placeholders="clean")(some)
    assert "what is" in said(made)[0]
    told = sample("reasoning", ("roi0", LEFT), query="?", answer="It is {roi0} <image> here.")
    assert broken(maker()(told)).startswith("text '<image> here.' holds '<image>', which")
    assert said(maker(placeholders="clean")(told))[1].endswith("</seg> here.")


def test_a_separator_does_no_harm_in_a_question():
    some = sample("expression", ("dog", LEFT), query="cat | dog")
    assert "cat | dog" in said(maker(RRLE)(some))[0]


def test_absent_classes_are_looked_at_as_well():
    some = sample("classes", names=("<image>", "", 7, ["cow"], "a\ud800"))
    made = maker()(some)
    assert (made.rows, made.broken, made.left_out, made.cleaned) == ([], [], 1, [])
    some = dataclasses.replace(some, names=("<image>", "cow", "<fg1>"))
    assert all("no cow" in answer for _, answer in many(maker(), some))
    made = maker(placeholders="clean")(sample("classes", names=("a<image>b",)))
    assert "no a b" in said(made)[1]
    assert made.cleaned == ["<image>"]


@pytest.mark.parametrize("query", [".", " . ", "..", ". ."])
def test_a_full_stop_is_no_expression(query):
    shown = " ".join(query.split())
    message = f"an expression must have words, got {shown!r}; name what it stands for"
    assert broken(maker()(sample("expression", ("dog", LEFT), query=query))) == message
    assert broken(maker()(sample("expression", query=query))) == message


def test_a_full_stop_goes_with_the_space_before_it():
    assert all("dog ." not in question for question, _ in many(maker(), expression("dog ."), 20))


def test_what_is_left_of_words_must_be_some():
    made = maker(placeholders="clean")(sample("expression", ("<fg1>", LEFT), query="it"))
    assert broken(made) == "a label must not be empty, got ' '"
    made = maker()(sample("expression", ("dog", LEFT), query=""))
    assert broken(made) == "a question must not be empty, got ''"
    made = maker()(sample("expression", (7, LEFT), query="it"))
    assert broken(made) == "a label must be a str, got 7"
    made = maker()(sample("expression", ("a\ud800", LEFT), query="it"))
    assert broken(made) == (
        "label 'a\\ud800' holds a lone surrogate, which no text file can store; remove it"
    )


def test_white_space_becomes_one_space():
    question, answer = said(maker()(expression("the\n dog\t there ")))
    assert "the dog there" in question
    assert "<ref>the dog there</ref>" in answer


def test_a_name_must_be_encodable():
    assert broken(maker()(expression(image="a\udcff.jpg"))) == (
        "'a\\udcff.jpg' is no UTF-8, which rows are written in; rename it"
    )


def test_a_place_in_a_query_is_not_filled():
    question, answer = said(maker()(expression("{masks} of {what}")))
    assert "{masks} of {what}" in question
    assert answer.count("<seg>") == 1


# What is lost, and what is broken

COARSE = mc.BSD(grid=2)


def test_an_expression_without_its_mask_is_left_out():
    made = maker(COARSE)(sample("expression", ("a", ALL), ("b", DOT), query="?"))
    assert (made.rows, made.broken, made.lost, made.left_out) == ([], [], 1, 1)
    message = broken(maker(COARSE, lost="raise")(sample("expression", ("b", DOT), query="?")))
    assert message == (
        "instance 0 ('b'): no cell of the 2 x 2 grid is left of it; "
        'sampling="keep" keeps it, lost="drop" drops it'
    )


EMPTY = {
    "run lengths of zeros": NONE,
    "compressed": {
        "size": [8, 8],
        "counts": RunMask.from_mask(np.zeros(SHAPE, "u1")).coco_rle()["counts"],
    },
    "off the image": [[10, 2, 14, 2, 14, 5]],
    "a line": [[2, 2, 2, 6, 2, 2]],
    "several": [NONE, NONE],
}


@pytest.mark.parametrize("segmentation", EMPTY.values(), ids=EMPTY.keys())
@pytest.mark.parametrize("lost", ["raise", "drop"])
@pytest.mark.parametrize(
    "codec",
    [BSD, mc.BSD(grid=8, sampling="keep"), mc.Scanlines(), RRLE, mc.ISD(sampling="keep")],
    ids=["bsd", "keep", "scanlines", "r-rle", "i-sd"],
)
def test_an_annotation_without_a_pixel_is_broken_and_not_lost(codec, lost, segmentation):
    some = sample("expression", ("a", LEFT), ("b", segmentation), query="?")
    assert broken(maker(codec, lost=lost)(some)) == (
        "instance 1 ('b'): it has no pixel: its run lengths are all of zeros, or its polygons lie "
        "outside of the image or have no area; correct or remove it"
    )
    scene = sample("classes", ("b", segmentation), names=("b", "cow"))
    made = maker(codec, lost=lost, absent=0.0)(scene)
    assert (made.rows, made.lost, len(made.broken)) == ([], 0, 1)


def test_classes_go_on_without_what_is_lost():
    scene = sample("classes", ("dog", ALL), ("cat", DOT))
    whole, some = maker(COARSE, whole=1.0), maker(COARSE, whole=0.0, absent=0.0)
    assert labels(said(whole(scene))[1], COARSE) == ["dog"]
    for k in range(20):
        made = some(dataclasses.replace(scene, key=f"mine:{k}"))
        assert made.left_out == (made.rows == [])
        if made.rows:
            question, answer = said(made)
            assert "cat" not in question
            assert labels(answer, COARSE) == ["dog"]
    assert whole(sample("classes", ("cat", DOT))).left_out == 1


@pytest.mark.parametrize("codec", [COARSE, mc.RRLE(grid=2)])
def test_what_is_lost_breaks_a_sample_whatever_is_asked(codec):
    scene = sample("classes", ("dog", ALL), ("cat", DOT), names=("dog", "cat", "cow"))
    make = maker(codec, lost="raise", whole=0.0, absent=0.5)
    for k in range(20):
        made = make(dataclasses.replace(scene, key=f"mine:{k}"))
        assert (made.rows, made.lost, made.left_out) == ([], 0, 0)
        (found,) = made.broken
        assert found.message.startswith("instance 1 ('cat'): no cell of ")
    fine = sample("classes", ("dog", ALL), ("cat", box(0, 0, 4, 4)))
    assert len(many(make, fine, 20)) == 20


def test_the_order_of_instances_hides_none_on_a_map():
    narrow, wide = box(0, 0, 4, 4), box(2, 0, 4, 8)  # as large as each other, one cell or two
    codec = mc.RRLE(grid=2, sampling="keep")
    both = [("a", narrow), ("b", wide), ("c", narrow)]
    for order in itertools.permutations(both):
        made = maker(codec, whole=1.0)(sample("semantic", *order))
        assert made.lost == 1
        grid = codec.decode(said(made)[1])
        shown = [[grid.names[number] for number in row] for row in grid.cells]
        assert shown == [["c", "b"], ["others", "others"]]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "instance 1 ('b'): mask is missing: a mask is needed, not only a box"),
        ({"size": [4, 4], "counts": [16]}, "instance 1 ('b'): mask has the size 4 x 4"),
        ({"size": [8, 8], "counts": ["x"]}, "instance 1 ('b'): the counts of mask must be"),
    ],
)
def test_a_broken_mask_breaks_its_sample(segmentation, message):
    some = sample("expression", ("a", LEFT), ("b", segmentation), query="?")
    found = broken(maker()(some))
    if segmentation is not None:
        assert found.startswith(message)
    assert found.startswith("instance 1 ('b'): ")
    assert broken(maker(RRLE)(some)).startswith("instance 1 ('b'): ")


def test_what_is_shown_needs_a_size():
    assert broken(maker()(expression(shape=None))) == (
        "the image has no size, which whatever it shows is measured in"
    )
