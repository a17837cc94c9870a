"""What every codec does, whatever its format; `test_codec.py` runs it over all of them."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import numpy as np

import maskcodec as mc


def check_is_a_value(codec: mc.Codec) -> None:
    for other in (
        copy.deepcopy(codec),
        pickle.loads(pickle.dumps(codec)),
        eval(repr(codec), vars(mc)),
    ):
        assert other == codec
        assert hash(other) == hash(codec)
    assert codec != object()
    try:
        setattr(codec, dataclasses.fields(codec)[0].name, 7)
    except AttributeError:
        return
    raise AssertionError("a codec must not change")


def check_config(codec: mc.Codec, folder) -> None:
    config = codec.get_config()
    assert config["id"] == codec.codec_id
    assert json.loads(json.dumps(config)) == config
    assert mc.from_config(json.loads(json.dumps(config))) == codec
    assert mc.get_codec(config.pop("id"), **config) == codec
    path = codec.save(folder)
    assert path.name == "maskcodec.json"
    assert mc.load(folder) == mc.load(path) == codec
    assert sorted(p.name for p in folder.iterdir()) == ["maskcodec.json"]


def check_lossless(codec: mc.Codec, cells: np.ndarray) -> None:
    """A mask of the grid's own size comes back, from the text alone and from amid other text."""
    text = codec.encode(cells, "black dog")
    assert text == codec.encode(cells, " black dog\n")
    scale = 1 if isinstance(codec, mc.Scanlines) else 3  # columns that are no pixels' share
    shape = tuple(scale * side for side in cells.shape)
    for answer in (text, f"Sure, here it is: {text} Anything else?"):
        decoded = codec.decode(answer)
        found, problems = codec.recover(answer)
        assert found == decoded
        assert problems == []
        if isinstance(decoded, mc.LabelGrid):
            mask = decoded.mask("black dog", shape)
            assert codec.encode_grid(decoded) == text
        else:
            mask = np.zeros(shape, np.uint8)
            if decoded:
                mask = decoded[0].mask(shape, method="nearest")
            assert codec.encode_regions(decoded) == text
            assert codec.decode(codec.encode_regions(decoded)) == decoded
        assert np.array_equal(mask, np.kron(cells, np.ones((scale, scale), np.uint8)))


def check_strict_and_recover_agree(codec: mc.Codec, text: str) -> None:
    found, problems = codec.recover(text)
    try:
        decoded = codec.decode(text)
    except mc.DecodeError as error:
        assert (error.reason, error.position) in {p[1::-1] for p in problems}
        assert isinstance(error, mc.TruncatedError) == (error.reason == "truncated")
    else:
        assert problems == []
        assert decoded == found
