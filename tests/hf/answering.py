"""Tiny models, made once, and what makes them say what a test wants."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

import maskcodec as mc
from tests.tiny_models import tiny_model, tiny_processor, tiny_tokenizer

pytest.importorskip("torch", reason="torch is not installed: maskcodec[hf]")
pytest.importorskip("transformers", reason="transformers is not installed: maskcodec[hf]")


CODECS = {
    "canvas": (mc.BSD(grid=4), {}),
    "scanlines": (mc.Scanlines(rows=3, columns=4, bins=12), {"instances": 2}),
    "places": (mc.Scanlines(rows=3, bins=12, coordinates="tokens"), {"instances": 2}),
    "r-rle": (mc.RRLE(grid=3), {"labels": ["dog", "sky"]}),
    "i-rle": (mc.IRLE(grid=3), {"labels": ["dog", "sky"]}),
}
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
MASK = np.pad(np.ones((2, 3), np.uint8), 1)
QUESTION = "Please draw the mask of: the dog"

seeds = st.integers(0, 2**32 - 1)


def few(part=8):
    return settings(max_examples=max(settings().max_examples // part, 3))


@cache
def tokenizer_of(kind):
    tokenizer = tiny_tokenizer(kind)
    for codec, _ in CODECS.values():
        mc.extend_tokenizer(codec, tokenizer)
    return tokenizer


@cache
def tokens_of(kind, name):
    return mc.TokenCodec(CODECS[name][0], tokenizer_of(kind))


@cache
def guide_of(kind, name, **options):
    return tokens_of(kind, name).guide(**{**CODECS[name][1], **options})


@cache
def model_of(kind):
    model = tiny_model(kind)
    rows = model.get_input_embeddings().weight.shape[0]
    model.resize_token_embeddings(max(rows, len(tokenizer_of(kind)) + 7), mean_resizing=False)
    return model


@cache
def processor_of(kind):
    return tiny_processor(kind, tokenizer_of(kind))


class Leaning:
    """A head that adds something to a model's logits while this lasts, the model's own for all."""

    def __init__(self, model, change):
        self.model, self.change = model, change

    def __enter__(self):
        head = self.model.get_output_embeddings()
        self.hook = head.register_forward_hook(lambda *called: self.change(called[-1]))

    def __exit__(self, *error):
        self.hook.remove()


def towards(tokens, strength=8.0, end=2.0):
    """Leans towards tags, so that a random model draws at all, and to the end behind them."""
    favoured = [tokens.words[tag] for tag in tokens.codec.tags()]

    def change(logits):
        logits = logits.clone()
        logits[..., favoured] += strength
        logits[..., tokens.tokenizer.eos_token_id] += end
        return logits

    return change


class Script:
    """Writes given ids, one a step, whatever the model thinks; the same in each row."""

    def __init__(self, ids):
        self.ids, self.at = ids, 0

    def __call__(self, logits):
        logits = logits.clone()
        logits[:, -1, self.ids[min(self.at, len(self.ids) - 1)]] += 50
        self.at += 1
        return logits


def text_ids(tokens, text):
    return tokens.tokenizer.encode(text, add_special_tokens=False)
