"""Samples to rows: what is asked, what is answered, and that lots fall the same way everywhere."""

import dataclasses
import itertools
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.data.rows import RowMaker
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.templates import Templates, filled
from maskcodec.data.turns import chance

SHAPE = (8, 8)
BSD = mc.BSD(grid=8)
RRLE = mc.RRLE(grid=8)


def box(y1, x1, y2, x2):
    """The run lengths of a rectangle, ends excluded, in an image of 8 x 8 pixels."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[y1:y2, x1:x2] = 1
    return {"size": [8, 8], "counts": RunMask.from_mask(mask).counts.tolist()}


LEFT, RIGHT, ALL, DOT, NONE = (
    box(*corners)
    for corners in [(2, 1, 6, 3), (2, 5, 6, 7), (0, 0, 8, 8), (1, 1, 2, 2), (0, 0, 0, 0)]
)


def sample(task, *instances, key="mine:1", image="a/1.jpg", shape=SHAPE, **more):
    shown = tuple(
        Instance(label=label, segmentation=segmentation) for label, segmentation in instances
    )
    return Sample(key=key, image=image, shape=shape, task=task, instances=shown, **more)


def expression(query="the dog", key="mine:1", **more):
    return sample("expression", (query, LEFT), query=query, key=key, **more)


def maker(codec=BSD, **settings):
    return RowMaker(codec=codec, **settings)


def said(made):
    """The one row of some samples as question, answer, question, ..."""
    assert made.broken == []
    (row,) = made.rows
    assert [m.role for m in row.messages] == ["user", "assistant"] * (len(row.messages) // 2)
    return [message.text for message in row.messages]


def broken(made):
    """What is wrong with the one sample that was given."""
    assert made.rows == []
    (found,) = made.broken
    assert found.where == "mine:1"
    return found.message


def many(make, some, count=60):
    """What is said of a sample under many keys."""
    return [said(make(dataclasses.replace(some, key=f"mine:{k}"))) for k in range(count)]


def labels(answer, codec=BSD):
    return [region.label for region in codec.decode(answer)]


# Kinds of questions


def test_an_expression_is_answered_by_its_mask():
    question, answer = said(maker()(expression("dog on the left")))
    assert "dog on the left" in question
    assert BSD.encode(LEFT, "dog on the left") in answer
    (region,) = BSD.decode(answer)
    assert (region.mask(SHAPE)[2:6, 1:3] == 1).all()


def test_an_expression_may_name_several():
    both = sample("expression", ("dogs", RIGHT), ("dogs", LEFT), query="dogs")
    answer = said(maker()(both))[1]
    assert BSD.encode_many([RIGHT, LEFT], ["dogs", "dogs"]) in answer


def test_an_expression_may_name_nothing():
    for question, answer in many(maker(), sample("expression", query="a cow")):
        assert "a cow" in question
        assert "a cow" in answer
        assert " no" in answer
        assert BSD.decode(answer) == []


def test_a_full_stop_stays_with_the_label():
    for question, answer in many(maker(), expression("The dog.")):
        assert "The dog.." not in question
        assert "<ref>The dog.</ref>" in answer


def test_all_wordings_come_up():
    asked = {question for question, _ in many(maker(), expression(), 200)}
    assert asked == {filled(t, what="the dog") for t in Templates().expression}


def test_boxes_go_without_rows():
    for question, answer in many(maker(boxes=1.0), expression()):
        assert "box" in question.lower() or "without" in question
        assert answer.endswith("<ref>the dog</ref><box>[[1 2 2 5]]</box>")


def test_a_share_of_expressions_asks_for_boxes():
    answers = [answer for _, answer in many(maker(boxes=0.3), expression(), 200)]
    assert 30 < sum("<seg>" not in answer for answer in answers) < 90


SCENE = sample(
    "classes",
    ("dog", LEFT),
    ("sky", ALL),
    ("dog", RIGHT),
    ("cat", DOT),
    ("tree", DOT),
    names=("dog", "cat", "sky", "tree", "cow", "car"),
)


def test_all_classes_come_class_by_class():
    for question, answer in many(maker(whole=1.0), SCENE):
        assert question in Templates().whole
        assert labels(answer) == ["dog", "dog", "sky", "cat", "tree"]


def test_some_classes_are_all_that_is_answered():
    counts = set()
    for question, answer in many(maker(whole=0.0, absent=0.0), SCENE):
        found = labels(answer)
        asked = sorted(set(found))
        assert all(name in question for name in asked)
        assert not any(name in question.split() for name in {"dog", "sky"} - set(asked))
        assert found.count("dog") in {0, 2}
        counts.add(len(asked))
    assert counts == {1, 2, 3}


def test_absent_classes_are_denied():
    alone = 0
    for question, answer in many(maker(whole=0.0, absent=1.0), SCENE):
        (name,) = re.findall("no (cow|car) (?:in|here)|no (?:cow|car)", answer)[:1] or [""]
        absent = "cow" if "cow" in answer else "car"
        assert name in {"", absent}
        assert absent in question
        assert f"no {absent}" in answer
        alone += labels(answer) == []
    assert 10 < alone < 50


def test_an_image_without_objects_is_asked_for_absent_ones():
    empty = sample("classes", names=("dog", "cat"))
    for question, answer in many(maker(), empty):
        assert "dog" in question or "cat" in question
        assert "no dog" in answer or "no cat" in answer
    made = maker()(sample("classes"))
    assert (made.rows, made.broken, made.left_out) == ([], [], 1)
    made = maker(absent=0.0)(empty)
    assert (made.rows, made.broken, made.left_out) == ([], [], 1)


def test_what_is_there_is_not_denied_however_it_is_spelled():
    scene = sample("classes", ("hot  dog", LEFT), names=("hot dog", " hot\tdog", "cow", "cow "))
    for _, answer in many(maker(absent=1.0, whole=0.0), scene):
        assert "no hot" not in answer
        assert "no cow" in answer
    scene = sample("classes", ("dog|pup", LEFT), names=("dog|pup", "dog  pup", "cow|ox"))
    for _, answer in many(maker(RRLE, absent=1.0, whole=0.0, placeholders="clean"), scene):
        assert "no dog" not in answer
        assert "no cow ox" in answer


@pytest.mark.parametrize(
    ("there", "name"),
    [
        ("wall-brick", "wall"),
        ("Wall-brick", "wall"),
        ("dining table", "table"),
        ("table", "Dining Table"),
        ("baseball_bat", "bat"),
        ("window (blind)", "blind window"),
    ],
)
def test_what_is_there_under_a_longer_or_a_shorter_name_is_not_denied(there, name):
    scene = sample("classes", (there, LEFT), names=(name, "cow"))
    for _, answer in many(maker(absent=1.0, whole=0.0), scene):
        assert "no cow" in answer
    made = maker(absent=1.0, whole=0.0)(dataclasses.replace(scene, names=(name,)))
    assert labels(said(made)[1]) == [there]


@pytest.mark.parametrize(
    ("there", "name"), [("wallet", "wall"), ("other wall", "wall-brick"), ("+", "wall"), ("a", "-")]
)
def test_a_class_of_other_words_is_denied(there, name):
    scene = sample("classes", (there, LEFT), names=(name,))
    for _, answer in many(maker(absent=1.0, whole=0.0), scene, 20):
        assert f"no {name}" in answer


@pytest.mark.parametrize("codec", [BSD, RRLE])
def test_what_is_not_complete_is_not_asked_for_all(codec):
    part = dataclasses.replace(SCENE, complete=False)
    for question, _ in many(maker(codec, whole=1.0), part):
        assert question not in Templates().whole
    assert said(maker(codec, whole=1.0)(SCENE))[0] in Templates().whole
    map_ = dataclasses.replace(part, task="semantic")
    assert said(maker(RRLE, whole=0.0)(map_))[0] in Templates().whole


def test_names_that_are_one_are_drawn_as_often_as_one():
    empty = sample("classes", names=("cow", *[" " * k + "cow" for k in range(1, 20)], "ox"))
    answers = [answer for _, answer in many(maker(), empty, 100)]
    assert 30 < sum("no ox" in answer for answer in answers) < 70


def test_boxes_of_classes():
    make = maker(whole=0.0, absent=0.0, boxes=1.0)
    for question, answer in many(make, SCENE):
        assert "<seg>" not in answer
        assert "<box>" in answer
        assert all(label in question for label in re.findall("<ref>(.*?)</ref>", answer))


def crowded(some, index):
    """The sample with one of its instances standing for a group."""
    shown = list(some.instances)
    shown[index] = dataclasses.replace(shown[index], crowd=True)
    return dataclasses.replace(some, instances=tuple(shown))


def test_a_crowd_is_shown_by_its_mask():
    dogs = sample("expression", ("dogs", RIGHT), ("dogs", LEFT), query="dogs")
    for _, answer in many(maker(boxes=1.0), crowded(dogs, 1), 10):
        assert labels(answer) == ["dogs", "dogs"]
    masks = {True: 0, False: 0}
    for _, answer in many(maker(whole=0.0, absent=0.0, boxes=1.0), crowded(SCENE, 2)):
        assert ("<seg>" in answer) == ("<ref>dog</ref>" in answer)
        masks["<seg>" in answer] += 1
    assert min(masks.values()) > 5


def test_a_question_is_answered_by_its_regions():
    asked = sample("reasoning", ("roi0", LEFT), query="What barks?")
    for question, answer in many(maker(boxes=1.0), asked):
        assert "What barks?" in question
        assert BSD.encode(LEFT, "roi0") in answer


def test_the_words_of_an_answer_stay_around_its_regions():
    asked = sample(
        "reasoning",
        ("roi0", LEFT),
        ("roi1", RIGHT),
        query="What barks?",
        answer="The dog {roi0}, or its twin {roi1}{roi0}.",
    )
    left, right = BSD.encode(LEFT, "roi0"), BSD.encode(RIGHT, "roi1")
    assert said(maker()(asked))[1] == f"The dog {left}, or its twin {right}{left}."
    rest = dataclasses.replace(asked, answer="{roi1} barks. ")
    assert said(maker()(rest))[1] == f"{right} barks. {left}"
    twice = sample("reasoning", ("roi0", LEFT), ("roi0", RIGHT), query="?", answer="{roi0}")
    assert said(maker()(twice))[1] == left + BSD.encode(RIGHT, "roi0")


def test_a_question_may_have_no_answer():
    for question, answer in many(maker(), sample("reasoning", query="What barks?")):
        assert "What barks?" in question
        assert answer in Templates().unanswered
    told = sample("reasoning", query="What barks?", answer="Nothing at all.")
    assert said(maker()(told))[1] == "Nothing at all."


def test_an_answer_must_not_speak_of_what_is_not_there():
    asked = sample("reasoning", ("roi0", LEFT), query="?", answer="{roi2} and {roi0} or {roi1}")
    assert broken(maker()(asked)) == ("the answer speaks of roi1, roi2, but the regions are roi0")
    asked = sample("reasoning", query="?", answer="{roi0}")
    assert broken(maker()(asked)) == "the answer speaks of roi0, but the regions are none"
    answer = "".join(f"{{roi{k}}}" for k in range(100))
    asked = sample("reasoning", query="?", answer=answer)
    message = broken(maker()(asked))
    assert message.endswith("roi14, roi15 and 92 more, but the regions are none")


def test_a_long_label_is_cut_in_messages():
    asked = sample("expression", ("a" * 3000, [[1, 2, 3]]), query="dog")
    start = "a" * 80
    assert broken(maker()(asked)).startswith(f"instance 0 ('{start}...'): mask, polygon 0 has")


def test_several_expressions_are_turns_of_one_conversation():
    made = maker()(expression("the dog"), expression("the cat", key="mine:2"))
    texts = said(made)
    assert [labels(text) for text in texts[1::2]] == [["the dog"], ["the cat"]]
    assert made.rows[0].key == "mine:1"
    alone = said(maker()(expression("the cat", key="mine:2")))
    assert texts[2:] == alone


def test_a_broken_turn_leaves_the_others():
    made = maker()(expression("<image>"), expression("the cat", key="mine:2"))
    assert [found.where for found in made.broken] == ["mine:1"]
    assert labels(made.rows[0].messages[1].text) == ["the cat"]


def test_conversations_pass_through():
    turns = ("user", "<image>\nWhat is this?"), ("assistant", "A dog,\nor a cat.")
    assert said(maker()(sample("chat", turns=turns, shape=None))) == [
        "What is this?",
        "A dog,\nor a cat.",
    ]
    behind = ("user", "What is\n<image>"), ("assistant", "A dog.")
    assert said(maker()(sample("chat", turns=behind)))[0] == "What is"
    within = ("user", "What, <image> , is this?"), ("assistant", "A dog.")
    assert said(maker()(sample("chat", turns=within)))[0] == "What, , is this?"
    bare = ("user", "Hello"), ("assistant", "Hi"), ("user", "Who?"), ("assistant", "I.")
    assert len(said(maker()(sample("chat", turns=bare, image="")))) == 4


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ((), "a conversation ends with an answer, got 0 turns"),
        ((("user", "Hi"),), "a conversation ends with an answer, got 1 turns"),
        ((("user", "Hi"), ("user", "Ho")), "turn 1 is of 'user'; user and assistant take turns"),
        (
            (("user", "<image> and <image>"), ("assistant", "Hi")),
            "text ' and <image>' holds '<image>', which trainers or the codec take for something "
            'else than words; remove it, or placeholders="clean" does',
        ),
    ],
)
def test_a_conversation_must_be_one(turns, message):
    assert broken(maker()(sample("chat", turns=turns))) == message


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
    with pytest.raises(mc.ConfigError, match="boxes need a codec that has them, b-sd; got r-rle/1"):
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
        (mc.BSD(grid=8, repeats=True), "a <rep2> b", "<rep2>"),
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
        'sampling="keep" keeps it, lost="drop" leaves it out'
    )


def test_an_empty_mask_counts_as_lost():
    assert maker()(sample("expression", ("b", NONE), query="?")).lost == 1


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


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"boxes": 1.5}, "boxes is a share, 0 .. 1, got 1.5"),
        ({"absent": "x"}, "absent is a share, 0 .. 1, got 'x'"),
        ({"whole": -1}, "whole is a share, 0 .. 1, got -1"),
        ({"placeholders": "keep"}, "placeholders must be"),
        ({"lost": "keep"}, "lost must be"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(mc.ConfigError, match=re.escape(message)):
        maker(**settings)


@pytest.mark.parametrize(
    ("kind", "wordings", "message"),
    [
        ("whole", (), "templates: whole must be one or several wordings, got ()"),
        ("whole", "text", "templates: whole must be one or several wordings, got 'text'"),
        ("whole", ("{what}",), "whole must have no place, no place without a meaning and no <"),
        ("box", ("Where?",), "box must have {what} once"),
        ("box", ("{what} {what}",), "box must have {what} once"),
        ("box", ("{what} {masks}",), "box must have {what} once"),
        ("box_answers", ("Here",), "box_answers must have {masks} once"),
        ("whole_answers", ("{masks} {what}",), "whole_answers must have {masks} once"),
        ("box", ("<image>{what}",), "and no <, got '<image>{what}'"),
    ],
)
def test_templates_are_checked(kind, wordings, message):
    with pytest.raises(mc.ConfigError, match=re.escape(message)):
        Templates(**{kind: wordings})


def test_templates_may_be_others():
    own = Templates(expression=["{what}!"], expression_answers=["{what}: {masks}"])
    question, answer = said(maker(templates=own)(expression()))
    assert question == "the dog!"
    assert answer.startswith("the dog: <ref>")


# Lots


@given(st.integers(0, 10**6), st.text(max_size=5), st.permutations(range(5)))
def test_rows_depend_on_seed_and_key_alone(seed, word, order):
    make = maker(seed=seed, boxes=0.5)
    some = [sample("expression", query="a cow", key=f"{word}{k}") for k in range(5)]
    expected = [make(one) for one in some]
    assert [make(some[k]) for k in order] == [expected[k] for k in order]
    assert pickle.loads(pickle.dumps(make))(some[0]) == expected[0]


def test_seeds_differ():
    asked = {said(maker(seed=seed)(expression()))[0] for seed in range(50)}
    assert len(asked) == len(Templates().expression)


def test_chances_are_even_and_stay():
    values = [chance(3, "key", str(k)) for k in range(2000)]
    assert 0.47 < float(np.mean(values)) < 0.53
    assert 0 <= min(values) < 0.01
    assert 0.99 < max(values) < 1
    assert chance(0, "refcoco:17:2", "question") == 0.4195164767937669


def test_another_process_draws_the_same():
    code = "from maskcodec.data.turns import chance; print(chance(5, 'refcoco:1', 'question'))"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        )
        assert float(done.stdout) == chance(5, "refcoco:1", "question")
