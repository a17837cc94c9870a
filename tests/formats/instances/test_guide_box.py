"""Boxes under a guide: what is remembered for a state is what may come in it."""

import re

import numpy as np
import pytest

import maskcodec as mc
from tests.formats.guides import cells, tags, until, vocab_of
from tests.vocabularies import TRAINED

pytestmark = pytest.mark.usefixtures("_forget")

CODECS = [mc.BSD(grid=(35, 130)), mc.Scanlines(bins=130), mc.Scanlines(bins=1000)]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", TRAINED)
def test_what_may_come_is_whatever_a_step_takes(name, codec):
    tokens = cells(name, codec)
    guide = tokens.guide(start=until(tokens, 2))
    rng = np.random.default_rng(0)
    box_end = tags(tokens)[3]
    digits = re.compile("[0-9\\[\\] Ġ▁#]+|<0x(2|3|5).>")
    spelled = [n for token, n in vocab_of(tokens).items() if digits.fullmatch(token)]
    for walk in range(12):
        state, last = guide.start(), None
        while last != box_end:
            options = guide.options(state).tolist()
            if walk < 4:
                assert options == sorted(n for n in [*spelled, box_end] if takes(guide, state, n))
            last = int(rng.choice(options))
            state = guide.step(state, last)


def takes(guide, state, number):
    try:
        guide.step(state, number)
    except mc.DecodeError:
        return False
    return True
