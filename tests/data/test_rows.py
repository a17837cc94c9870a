"""Samples to rows: what is asked, what is answered, and that lots fall the same way everywhere."""

import dataclasses
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.data.templates import Templates, filled
from maskcodec.data.turns import chance
from tests.data.questions import (
    BSD,
    LEFT,
    RIGHT,
    RRLE,
    SCENE,
    SHAPE,
    broken,
    expression,
    labels,
    maker,
    many,
    said,
    sample,
)

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


@pytest.mark.parametrize(
    ("codec", "box"),
    [
        (mc.Scanlines(), "[[125 250 374 749]]"),
        (mc.Scanlines(axes="yx", bins=8), "[[2 1 5 2]]"),
        (mc.Scanlines(coordinates="tokens"), "<loc125><loc250><loc374><loc749>"),
    ],
    ids=["digits", "yx", "places"],
)
def test_boxes_are_written_as_the_codec_writes_them(codec, box):
    for _, answer in many(maker(codec, boxes=1.0), expression(), 10):
        assert answer.endswith(f"<ref>the dog</ref><box>{box}</box>")
    for _, answer in many(maker(codec, boxes=0.0), expression(), 10):
        assert f"<ref>the dog</ref><box>{box}</box><seg><end:63>" in answer
        assert codec.decode(answer)[0].box_pixels(SHAPE) == (1, 2, 3, 6)


def test_a_share_of_expressions_asks_for_boxes():
    answers = [answer for _, answer in many(maker(boxes=0.3), expression(), 200)]
    assert 30 < sum("<seg>" not in answer for answer in answers) < 90


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
