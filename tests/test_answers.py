"""What an answer has, without a model."""

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.answers import Answer

SHAPE = (40, 60)
REGIONS = [
    mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 0]], canvas=(4, 4)),
    mc.Region("", (0, 0, 0, 0), [[1]], canvas=(4, 4)),
]


def answer(regions, scores):
    return Answer("", (), regions, scores, [], finished=True)


def test_an_answer_has_masks():
    masks = answer(REGIONS, [0.5, 1]).masks(SHAPE, method="smooth")
    assert masks.dtype == np.uint8
    assert np.array_equal(masks, [one.mask(SHAPE, method="smooth") for one in REGIONS])
    assert answer([], []).masks(SHAPE).shape == (0, *SHAPE)
    with pytest.raises(mc.MaskError, match="shape must be two integers of at least 1"):
        answer([], []).masks((0, 4))


def test_an_answer_is_shown_with_its_scores():
    photo = Image.new("RGB", (600, 400))
    shown = answer(REGIONS, [0.5, 1]).show(photo)
    assert shown == mc.draw(photo, REGIONS, labels=["dog 0.50", "1.00"])
    assert shown != mc.draw(photo, REGIONS)
    with pytest.raises(mc.MaskError, match="a label for each region, got 2 and 1"):
        mc.draw(photo, REGIONS, labels=["dog"])


def test_generate_wants_a_codec_with_its_tokenizer():
    pytest.importorskip("torch")
    from maskcodec.hf import generate

    message = r"tokens must be a maskcodec.TokenCodec, got BSD.*; TokenCodec\(codec, processor"
    with pytest.raises(TypeError, match=message):
        generate(None, None, Image.new("RGB", (4, 4)), "Where?", mc.BSD())
