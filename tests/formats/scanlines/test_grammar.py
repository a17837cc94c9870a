"""Grammars of scanlines: what two engines make of them is what a guide allows, and decodes."""

from functools import cache

import numpy as np
import pytest

import maskcodec as mc
from tests.conftest import PROFILE, PURE
from tests.formats.engines import DIALECTS, ENGINES, walk
from tests.vocabularies import fresh, wrapped

ENDS = "<|im_end|>", "</s>", "<eos>", "[SEP]"
OPTIONS = [
    {},
    {"free_text": False},
    {"labels": ("dog", "black dog", "dog house", "犬")},
    {"instances": 2, "labels": ("dog",), "free_text": False},
    {"instances": 1},
    {"instances": 0},
]
NAMES = ["byte-level", "joined", "unigram", "word-piece", "metaspace", "mistral", "tekken"]
WALKS = 1000 if PROFILE == "thorough" else 3 if PURE else 6


class Made:
    """A codec with one tokenizer that has an end, and what engines make of its grammars."""

    def __init__(self, name, **settings):
        codec = mc.Scanlines(**settings)
        bare = fresh(name)
        mc.extend_tokenizer(codec, bare)
        self.vocabulary = bare.get_vocab()
        self.end = next(self.vocabulary[end] for end in ENDS if end in self.vocabulary)
        tokenizer = wrapped(bare, eos_token=bare.id_to_token(self.end))
        self.tokens = mc.TokenCodec(codec, tokenizer)
        words = self.tokens.words
        self.closing = [words[tag] for tag in codec.tags()] + [self.end]
        self.closing += [words[f"<end:{n}>"] for n in range(codec.columns + 1)]

    @cache  # noqa: B019 - there are few of them, and they stay
    def engine(self, dialect):
        return ENGINES[dialect](self.vocabulary, [self.end])

    @cache  # noqa: B019
    def compiled(self, dialect, **options):
        return self.engine(dialect).compiled(self.tokens.grammar(dialect=dialect, **options))

    @cache  # noqa: B019
    def guide(self, **options):
        return self.tokens.guide(**options)


made = cache(Made)
CASES = [(name, {"bins": 40}, n) for n, name in enumerate(NAMES)]
CASES += [
    ("byte-level", {"coordinates": "tokens", "bins": 12, "rows": 2}, n) for n in range(len(OPTIONS))
]
CASES += [("byte-level", {}, n) for n in range(len(OPTIONS))]
CASES += [("metaspace", {"bins": 1, "rows": 1, "columns": 1}, 1), ("joined", {"bins": 107}, 1)]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("name", "settings", "option"), CASES)
def test_an_engine_allows_what_the_guide_allows_and_it_decodes(name, settings, option, dialect):
    one = made(name, **settings)
    options = OPTIONS[option % len(OPTIONS)]
    engine, guide = one.engine(dialect), one.guide(**options)
    rng = np.random.default_rng(option)
    counts = set()
    for _ in range(WALKS):
        matcher = engine.matcher(one.compiled(dialect, **options))
        ids = walk(matcher, guide, rng, one.closing, one.end)
        counts.add(len(one.tokens.decode(ids)))
    most = options.get("instances")
    assert max(counts) <= (100 if most is None else most)
    assert min(counts) >= (not options.get("free_text", True))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_behind_a_box_that_is_known_there_are_its_rows(dialect):
    one = made("byte-level")
    engine, words = one.engine(dialect), one.tokens.words
    matcher = engine.matcher(one.compiled(dialect, box=(1, 2, 3, 4)))
    for word in ("<seg>", "<bg:5>", "<end:9>", "</seg>"):
        assert words[word] in matcher.allowed()
        assert matcher.accepts(words[word])


def test_what_has_no_grammar():
    tokens = made("byte-level").tokens
    with pytest.raises(mc.ConfigError, match=r"^dialect must be one of 'xgrammar', 'llguidance'"):
        tokens.grammar(dialect="gbnf")
    with pytest.raises(mc.MaskError, match=r"^box .* does not lie on a canvas of 1,000 rows"):
        tokens.grammar(box=(0, 0, 1000, 0))
    with pytest.raises(mc.ConfigError, match=r"^instances, labels and free_text say what comes"):
        tokens.grammar(box=(0, 0, 1, 0), labels=["dog"])
