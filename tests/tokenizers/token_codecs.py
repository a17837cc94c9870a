"""Codecs with tokenizers, and the ways in which they write and read."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

import maskcodec as mc
from tests.strategies import BSD_SETTINGS, SCANLINE_SETTINGS
from tests.vocabularies import NAMES, REAL, TRAINED, tokens

few = settings(max_examples=max(8, settings.default.max_examples // 5))
every_tokenizer = pytest.mark.parametrize("name", NAMES)
every_trained = pytest.mark.parametrize("name", TRAINED)

MASK = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
EXACT = ["byte-level", "joined", "tekken"]  # these give back any text as it was
GRIDS = [(1, 1), (1, 9), (9, 1), (5, 7), (3, 70), (12, 130)]
BRICKS = [
    [mc.BSD(grid=grid, sampling=sampling, **given_settings) for sampling in ("nearest", "keep")]
    for given_settings in BSD_SETTINGS
    for grid in GRIDS
]
SCANLINES = [
    mc.Scanlines(),
    mc.Scanlines(rows=5, columns=7, sampling="nearest", bins=20),
    mc.Scanlines(rows=63, columns=5, bins=1, coordinates="tokens"),
    mc.Scanlines(rows=4, sampling="best", **SCANLINE_SETTINGS[2], bins=1024),
    mc.Scanlines(rows=3, columns=4, bins=130, **SCANLINE_SETTINGS[3]),
    mc.Scanlines(bins=20, coordinates="tokens", sampling="best"),
]
IMAGE_WISE = [
    kind(grid=grid, sampling=sampling)
    for kind in (mc.ISD, mc.IRLE, mc.RRLE)
    for grid in GRIDS[:4]
    for sampling in ("nearest", "keep")
] + [mc.RRLE(grid=grid, dialect="text4seg") for grid in GRIDS[:4]]


def instance_codecs(name):
    """Codecs to draw from: few of them for the real tokenizers, whose tables take long to make."""
    if name in REAL:
        some = [BRICKS[k][0] for k in (5, 16, 27)]
        return st.sampled_from([*some, SCANLINES[0], SCANLINES[5]])
    return st.sampled_from([*(codec for pair in BRICKS for codec in pair), *SCANLINES * 3])


def image_codecs(name):
    return st.sampled_from(IMAGE_WISE[6::8] if name in REAL else IMAGE_WISE)


def bricks_of(name, **given_settings):
    return tokens(name, mc.BSD(grid=(5, 7), **given_settings))


def scanlines_of(name, **given_settings):
    return tokens(name, mc.Scanlines(**{"rows": 5, "columns": 7, **given_settings}))


def same(first, second):
    assert first == second
    assert [region.box for region in first] == [region.box for region in second]


def read_everyway(codec, ids):
    """What `recover` finds, after a comparison with all other ways to read the same ids."""
    ids = np.array(ids, np.int64)
    regions, problems = codec.recover(ids)
    slow, found = codec._binding._reader.reading(ids, strict=False)
    same(regions, slow)
    assert problems == found
    fast = codec._binding._reader.read(ids)
    if fast is not None:
        same(fast, slow)
        assert not problems
    places = [problem.position for problem in problems]
    assert places == sorted(places)
    assert all(0 <= place <= len(ids) for place in places)
    try:
        same(codec.decode(ids), regions)
    except mc.DecodeError as error:
        assert (error.position, error.reason) in {(p.position, p.reason) for p in problems}
        assert isinstance(error, mc.TruncatedError) == (error.reason == "truncated")
        assert str(error).endswith(f"(at id {error.position})")
        assert error.unit == "id"
    else:
        assert not problems
    return regions, problems


def label_text(codec, ids):
    """The text of the first label of an answer, by the tokenizer alone."""
    ids = list(ids)
    first, last = (codec.words[tag] for tag in codec.codec.ref_tags)
    inner = ids[ids.index(first) + 1 : ids.index(last)]
    return codec.tokenizer.decode(inner, skip_special_tokens=False).strip()


def loop(codec, masks, labels):
    rows = [codec.encode(m, label, lost="drop") for m, label in zip(masks, labels, strict=True)]
    return [row.tolist() for row in rows]


def batch(codec, masks, labels, **options):
    ids, offsets = codec.encode_batch(masks, labels, **options)
    assert (ids.dtype, offsets.dtype, ids.flags.owndata) == (np.int64, np.int64, True)
    assert (offsets[0], offsets[-1]) == (0, len(ids))
    return [part.tolist() for part in np.split(ids, offsets[1:-1])] if len(offsets) > 1 else []


def codec_of(name, kind, options):
    """The codec of a route."""
    return (scanlines_of if kind is mc.Scanlines else bricks_of)(name, **options)


ROUTES = [  # with tables and without; by text
    ("byte-level", mc.BSD, {}),
    ("metaspace", mc.BSD, {"sampling": "area"}),
    ("joined", mc.BSD, {"sampling": "keep"}),
    ("unigram", mc.BSD, {"row_separator": ""}),
    ("word-piece", mc.BSD, {}),
    ("byte-level", mc.BSD, {"bricks": False}),
    ("qwen", mc.BSD, BSD_SETTINGS[4]),
    ("byte-level", mc.Scanlines, {"sampling": "nearest"}),
    ("joined", mc.Scanlines, {}),
    ("word-piece", mc.Scanlines, SCANLINE_SETTINGS[1]),
    ("metaspace", mc.Scanlines, {"sampling": "best", "bins": 1024, **SCANLINE_SETTINGS[2]}),
]


def specks(height=480, width=640):
    masks = np.zeros((4, height, width), np.uint8)
    masks[0, 0, 0] = masks[3, 1, 1] = 1
    masks[1, height // 4 : height // 2, width // 4 : width // 2] = 1
    return masks, ["tie", "dog", "nothing", "tie 2"]
