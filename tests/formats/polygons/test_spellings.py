"""Polygons as others spell them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from tests import contract, strategies

SPELLED = [mc.Polygons(spelling=name) for name in ("simpleseg", "gemini", "florence2")]
SIMPLE, GEMINI, FLORENCE = SPELLED
TRIANGLE = ((100, 200), (900, 200), (500, 700))
MASK = np.zeros((10, 10), np.uint8)
MASK[2:8, 3:9] = 1
MASK[4:6, 5:7] = 0
MASK[0, 0] = 1
PIECES = [
    *["[", "]", "{", "}", ",", ":", '"', "0.5", "7", "1e999", "-", ".", "null", "dog", "é", "\\"],
    *["[0.1, 0.2]", '"mask"', '"label"', '"boxes"', "```", "<poly>", "</poly>", "<sep>", "<loc_7>"],
    *["<loc_007>", "<loc_", "<", "[[", "]]", "99999999999999999999"],
]
every = pytest.mark.parametrize("codec", SPELLED, ids=lambda codec: codec.spelling)


def test_what_they_write():
    outer = "[[0.300, 0.200], [0.900, 0.200], [0.900, 0.800], [0.300, 0.800]]"
    corner = "[[0.000, 0.000], [0.100, 0.000], [0.100, 0.100], [0.000, 0.100]]"
    assert SIMPLE.encode(MASK, "dog") == f"[{corner}, {outer}]"
    assert json.loads(GEMINI.encode(MASK, 'a "dog" é')) == {
        "boxes": [
            {
                "box_2d": [300, 200, 900, 800],
                "label": 'a "dog" é',
                "mask": [[300, 200], [900, 200], [900, 800], [300, 800]],
            }
        ]
    }
    text = FLORENCE.encode(MASK, "dog")
    assert text.startswith("dog<poly><loc_0><loc_0><loc_100><loc_0>")
    assert text.count("<sep>") == 2
    (region,) = FLORENCE.decode(text)
    assert len(region.rings) == 3


@every
def test_an_instance_comes_back(codec):
    text = codec.encode_many([MASK, MASK], ["dog", "cat"])
    for answer in (text, f"```json\n{text}\n```" if codec is not FLORENCE else text):
        regions = codec.decode(answer)
        assert len(regions) == 2
        assert codec.encode_regions(regions) == text
    labels = ["", ""] if codec is SIMPLE else ["dog", "cat"]
    assert [region.label for region in regions] == labels
    assert codec.decode(codec.encode(MASK, "dog") + codec.encode(MASK, "cat")) == regions
    assert codec.encode(np.zeros((4, 4), int), "dog") == codec.encode_regions([]) == ""


@every
@given(st.data())
def test_strict_and_recover_agree_on_any_text(codec, data):
    mask = data.draw(strategies.placed())
    text = codec.encode(mask, "dog")
    assert len(codec.decode(text)) == mask.any()
    contract.check_strict_and_recover_agree(codec, data.draw(strategies.mutated(text, PIECES)))
    noise = "".join(data.draw(st.lists(st.sampled_from(PIECES), max_size=30)))
    contract.check_strict_and_recover_agree(codec, noise)


@pytest.mark.parametrize(
    ("codec", "text", "reasons"),
    [
        (SIMPLE, "[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7], [0.3", ["truncated"]),
        (SIMPLE, "[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7], [0.3, 0.", ["truncated"]),
        (SIMPLE, "As in [1] and [2, 3], [so]: [[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7]]].", []),
        (SIMPLE, "So: [[0.1, 0.2], [0.9, 0.2], [0.5, 0.7]].", ["bad-nesting"]),
        (SIMPLE, "[[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7]]]]", ["bad-nesting"]),
        (SIMPLE, "[0.1, 0.2, 0.9, 0.2, 0.5, 0.7]", ["bad-nesting"]),
        (SIMPLE, "[[[0.1, 0.2, 7], [0.9, 0.2], [0.5, 0.7]]]", ["bad-nesting"]),
        (SIMPLE, "[[[0.1, 0.2], null, [0.9, 0.2], [0.5, 0.7]]]", ["bad-nesting"]),
        (SIMPLE, "[[[0.1, 0.2], [0.9 0.2], [0.5, 0.7)]]]", ["bad-json"]),
        (SIMPLE, "[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7]]}]", ["bad-json"]),
        (GEMINI, '[{"label": "dog", "mask": [[100, 200], [900, 200], [500, 700]]}]', []),
        (GEMINI, '{"label": "dog", "mask": [[100, 200], [900, 200], [500, 700], [1', ["truncated"]),
        (GEMINI, '{"mask": [[100, 200], [900, 200], [500, 700]], "label": "do', ["truncated"]),
        (GEMINI, '{"mask": [[100, 200], [900, 200], [500, 700]], "label": 7}', ["bad-label"]),
        (FLORENCE, "<loc_100><loc_200><loc_900><loc_200><loc_500><loc_700>", []),
        (
            FLORENCE,
            "<poly><loc_100><loc_200><loc_900><loc_200><loc_500><loc_700><loc_1",
            ["truncated"],
        ),
        (FLORENCE, "<loc_100><loc_200><loc_900><loc_200><loc_500><loc_700><loc_1", ["truncated"]),
    ],
)
def test_an_answer_is_repaired(codec, text, reasons):
    found, problems = codec.recover(text)
    assert [region.rings for region in found] == [(TRIANGLE,)]
    assert [problem.reason for problem in problems] == reasons


def test_an_object_has_one_outline_in_gemini():
    region = mc.PolygonRegion("dog", [TRIANGLE, ((1, 1), (2, 1), (2, 2))], GEMINI.scale)
    with pytest.raises(mc.MaskError, match="has several rings, of which Gemini writes one"):
        GEMINI.encode_regions([region])
    annotation = [[1, 1, 3, 1, 3, 3], [5, 5, 9, 5, 9, 9, 5, 9]]
    (largest,) = GEMINI.decode(GEMINI.encode(annotation, "dog", shape=(10, 10)))
    assert largest.rings == (((500, 500), (900, 500), (900, 900), (500, 900)),)


def test_settings_of_the_plain_spelling_are_refused():
    for setting in ({"bins": 500}, {"coordinates": "tokens"}, {"ring_tag": "<next>"}):
        with pytest.raises(
            mc.ConfigError, match="is a setting of spelling=\"plain\", got 'gemini'"
        ):
            mc.Polygons(spelling="gemini", **setting)
    with pytest.raises(mc.ConfigError, match="spelling must be one of 'plain', 'simpleseg'"):
        mc.Polygons(spelling="vistallm")
    with pytest.raises(mc.LabelError, match="holds '<'"):
        FLORENCE.encode(MASK, "a<b")
    assert FLORENCE.vocabulary()[:4] == ["<poly>", "</poly>", "<sep>", "<loc_0>"]
    assert set(FLORENCE.meanings()) == set(FLORENCE.vocabulary())
    assert (GEMINI.vocabulary(), GEMINI.meanings(), GEMINI.tags()) == ([], {}, ())


def test_nothing_nests_without_end():
    for text in ("[" * 100_000, "[{" * 50_000, '{"a":' * 50_000, "[" * 20 + "1" + "]" * 20):
        for codec in (SIMPLE, GEMINI):
            assert codec.recover(text).regions == []


def test_ids_go_by_way_of_the_text():
    from tests.vocabularies import fresh

    for codec in SPELLED:
        tokenizer = fresh("byte-level")
        mc.extend_tokenizer(codec, tokenizer)
        tokens = mc.TokenCodec(codec, tokenizer)
        ids = tokens.encode(MASK, "dog")
        assert tokens.decode(ids) == codec.decode(codec.encode(MASK, "dog"))
        assert len(tokens.spans(ids)) == 1
