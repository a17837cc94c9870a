import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.text import codec as registry
from tests import contract, strategies

CODECS = [
    *[mc.BSD(grid=9, **settings) for settings in strategies.BSD_SETTINGS],
    mc.BSD(grid=(7, 70), sampling="keep"),
    *[mc.Scanlines(**settings) for settings in strategies.SCANLINE_SETTINGS],
    *[mc.Scanlines(rows=7, columns=12, bins=36, sampling=how) for how in ("nearest", "best")],
    mc.Scanlines(rows=63, columns=9, bins=1024),
    *[mc.Polygons(points=4096, bins=10, **settings) for settings in strategies.POLYGON_SETTINGS],
    *[kind(grid=9) for kind in (mc.ISD, mc.IRLE, mc.RRLE)],
    mc.ISD(grid=(3, 5), background="void", seg_tags=("[SEG]", "[/SEG]")),
    mc.RRLE(grid=(5, 3), dialect="text4seg", sampling="area"),
]


def cells_of(codec):
    """Cells of a size that the codec loses nothing of."""
    if isinstance(codec, mc.Polygons):
        return strategies.cells((codec.bins - 1, codec.bins - 1))
    return strategies.cells(codec.most_cells if codec.has_instances else codec.canvas)


PIECES = {mc.Scanlines: strategies.SCANLINE_PIECES, mc.Polygons: strategies.POLYGON_PIECES}
OTHER_PIECES = strategies.BRICK_PIECES + strategies.LABEL_PIECES
every_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: repr(codec)[:40])


@every_codec
def test_a_codec_is_a_value(codec):
    contract.check_is_a_value(codec)


@every_codec
def test_a_codec_travels_as_json(codec, tmp_path):
    contract.check_config(codec, tmp_path / "new" / "folder")


@every_codec
@given(st.data())
def test_a_codec_is_lossless_between_cells_and_text(codec, data):
    contract.check_lossless(codec, data.draw(cells_of(codec)))


@every_codec
@given(st.data())
def test_strict_and_recover_agree(codec, data):
    text = codec.encode(data.draw(cells_of(codec)), "dog")
    pieces = PIECES.get(type(codec), OTHER_PIECES)
    contract.check_strict_and_recover_agree(codec, data.draw(strategies.mutated(text, pieces)))


def test_every_registered_codec_is_under_contract():
    assert mc.codec_ids() == sorted({codec.codec_id for codec in CODECS})


@pytest.mark.parametrize("grid", [16, (16, 16), [16, 16], np.int32(16), (np.int64(16), 16)])
def test_a_grid_is_one_number_or_two(grid):
    assert mc.BSD(grid=grid) == mc.BSD(grid=16)
    assert mc.BSD(grid=grid).grid == (16, 16)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (0, "grid must be 1 .. 1024 cells a side, got 0"),
        (1025, "grid must be 1 .. 1024 cells a side, got 1025"),
        ((64, -1), r"grid must be 1 .. 1024 cells a side, got \(64, -1\)"),
        (True, "grid must be one or two integers, got True"),
        (64.0, "grid must be one or two integers, got 64.0"),
        ("64", "grid must be one or two integers, got '64'"),
        ((1, 2, 3), r"grid must be one or two integers, got \(1, 2, 3\)"),
    ],
)
def test_what_is_no_grid_is_refused(grid, message):
    for kind in (mc.BSD, mc.RRLE):
        with pytest.raises(mc.ConfigError, match=message):
            kind(grid=grid)


def test_a_grid_is_not_none():
    for kind in (mc.BSD, mc.RRLE):
        with pytest.raises(mc.ConfigError, match="grid must be one or two integers, got None"):
            kind(grid=None)


def test_a_name_is_its_newest_version(monkeypatch):
    assert mc.get_codec("r-rle", grid=4) == mc.RRLE(grid=4)
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    for number in (2, 10, 9):
        mc.register(f"r-rle/{number}")({2: mc.ISD, 10: mc.IRLE, 9: mc.BSD}[number])
    assert mc.get_codec("r-rle") == mc.IRLE()
    assert mc.get_codec("r-rle/1") == mc.RRLE()


def test_an_unknown_sampling_is_refused():
    with pytest.raises(
        mc.ConfigError, match="sampling must be one of 'nearest', 'area', 'keep', got 'cubic'"
    ):
        mc.BSD(sampling="cubic")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mc.get_codec("bsd"),
            "no codec has the id 'bsd'; known ids: b-sd/1, i-rle/1, i-sd/1, polygons/1, r-rle/1, "
            "scanlines/1",
        ),
        (lambda: mc.from_config({"id": "b-sd"}), "no codec has the id 'b-sd'; known ids: b-sd/1"),
        (lambda: mc.register("b-sd"), "a name and a version, such as 'b-sd/1', got 'b-sd'"),
        (lambda: mc.register("b-sd/x"), "a name and a version, such as 'b-sd/1', got 'b-sd/x'"),
        (lambda: mc.get_codec(""), "no codec has the id ''"),
        (lambda: mc.get_codec(["b-sd/1"]), r"no codec has the id \['b-sd/1'\]"),
        (
            lambda: mc.get_codec("b-sd/1", dialect="x"),
            "b-sd/1 has no setting 'dialect'; it has grid, sampling, row_separator, bri",
        ),
        (
            lambda: mc.from_config({"id": "b-sd/1", "codec_id": "x"}),
            "b-sd/1 has no setting 'codec_id'; it has grid",
        ),
        (lambda: mc.from_config({"grid": 64}), r"needs an \"id\", got \['grid'\]"),
        (
            lambda: mc.from_config(["b-sd/1"]),
            r"a codec's configuration is a mapping, got \['b-sd/1'\]",
        ),
        (lambda: mc.from_config({"id": "r-rle/1", "grid": [0, 1]}), "grid must be 1 .. 1024"),
    ],
)
def test_what_is_no_configuration_is_refused(call, message):
    with pytest.raises(mc.ConfigError, match=message):
        call()


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"id": "b-sd/1", "grid": 0}, "grid"),
        ({"id": "b-sd/1", "grid": "x"}, "grid"),
        ({"id": "b-sd/1", "grid": True}, "grid"),
        ({"id": "b-sd/1", "sampling": "best"}, "sampling"),
        ({"id": "b-sd/1", "sampling": "finest"}, "sampling"),
        ({"id": "b-sd/1", "bins": 9}, None),
        ({"id": "b-sd/1", "bricks": 1}, "bricks"),
        ({"id": "b-sd/1", "row_separator": " "}, "row_separator"),
        ({"id": "b-sd/1", "ref_tags": ["<a>"]}, "ref_tags"),
        ({"id": "b-sd/1", "ref_tags": ["<a>", "\ud800"]}, "ref_tags"),
        ({"id": "b-sd/1", "ref_tags": ["<a>", "b" * 101]}, "ref_tags"),
        ({"id": "scanlines/1", "rows": 0}, "rows"),
        ({"id": "scanlines/1", "columns": 64}, "columns"),
        ({"id": "scanlines/1", "bins": 1025}, "bins"),
        ({"id": "scanlines/1", "sampling": "area"}, "sampling"),
        ({"id": "scanlines/1", "coordinates": "bins"}, "coordinates"),
        ({"id": "scanlines/1", "axes": "zx"}, "axes"),
        ({"id": "scanlines/1", "spelling": ["<f{}>", "<b{}>"]}, "spelling"),
        ({"id": "scanlines/1", "location": "<loc>"}, "location"),
        ({"id": "scanlines/1", "location": 3}, "location"),
        ({"id": "polygons/1", "points": 3}, "points"),
        ({"id": "polygons/1", "bins": 1}, "bins"),
        ({"id": "polygons/1", "coordinates": "bins"}, "coordinates"),
        ({"id": "polygons/1", "location": "<loc>"}, "location"),
        ({"id": "polygons/1", "ring_tag": 7}, "ring_tag"),
        ({"id": "polygons/1", "ring_tag": ""}, "ring_tag"),
        ({"id": "i-sd/1", "seg_tags": ["<|>", "</|>"]}, "seg_tags"),
        ({"id": "i-sd/1", "background": "a|b"}, "background"),
        ({"id": "r-rle/1", "dialect": "x"}, "dialect"),
        ({"id": "b-sd/1", "ref_tags": ["<a>", "<a>"]}, None),
        ({"id": "b-sd/9"}, None),
    ],
)
def test_an_error_carries_the_setting_that_is_refused(settings, refused, tmp_path):
    (tmp_path / "maskcodec.json").write_text(json.dumps(settings))
    with pytest.raises(mc.ConfigError) as caught:
        mc.load(tmp_path)
    assert caught.value.setting == refused
    assert pickle.loads(pickle.dumps(caught.value)).setting == refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "maskcodec.json is not JSON that can be read"),
        (b"\xff\xfe", "maskcodec.json is not JSON that can be read"),
        (b'{"grid": ' + b"1" * 5000 + b"}", "maskcodec.json is not JSON that can be read"),
        (b"[" * 60_000, "maskcodec.json is not JSON that can be read"),
        (b"[1]", "maskcodec.json: a codec's configuration is a mapping"),
        (json.dumps({"id": "b-sd/9"}).encode(), "maskcodec.json: no codec has the id 'b-sd/9'"),
    ],
)
def test_a_broken_file_is_named(content, message, tmp_path):
    (tmp_path / "maskcodec.json").write_bytes(content)
    with pytest.raises(mc.ConfigError, match=message):
        mc.load(tmp_path)


def test_a_missing_file_is_the_systems_error(tmp_path):
    message = r"there is no .*maskcodec\.json; expected is a folder with a maskcodec\.json, which"
    with pytest.raises(FileNotFoundError, match=message):
        mc.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no nowhere; expected is a folder"):
        mc.load("nowhere")


def test_several_may_save_the_same_codec_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: mc.BSD().save(tmp_path), range(80)))
    assert mc.load(tmp_path) == mc.BSD()
    assert [path.name for path in tmp_path.iterdir()] == ["maskcodec.json"]
