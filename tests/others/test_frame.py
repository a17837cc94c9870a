"""Coordinate frames: what numbers mean, and which they seem to be."""

import pytest

import maskcodec as mc

SHAPE = (480, 640)


def test_frames_are_values():
    assert mc.Frame.thousand == mc.Frame("thousand")
    assert mc.Frame.thousand.y_first == mc.Frame("thousand", "yx")
    assert mc.Frame.pixels.scale(SHAPE) == SHAPE
    assert mc.Frame.thousand.scale(None) == (1000, 1000)
    assert mc.Frame.unit.scale(None) == (1, 1)
    assert mc.Frame.resized(280, 364).scale(SHAPE) == (280, 364)
    assert len({mc.Frame.pixels, mc.Frame.thousand, mc.Frame.unit, mc.Frame("unit")}) == 3


@pytest.mark.parametrize(
    ("shape", "limits", "size"),
    [
        ((480, 640), {"min_pixels": 3136}, (476, 644)),
        ((480, 640), {"max_pixels": 200_704}, (364, 504)),
        ((10, 20), {"min_pixels": 3136}, (56, 84)),
        ((10, 2000), {"max_pixels": 100_000}, (28, 1988)),
        ((5000, 5000), {"max_pixels": 1_003_520}, (980, 980)),
        ((480, 640), {"min_pixels": 65_536, "factor": 32}, (480, 640)),
    ],
)
def test_resized_is_what_qwens_processor_makes(shape, limits, size):
    assert mc.Frame.resized(*shape, **limits).size == size


def test_it_is_the_processors_own_size():
    module = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl")
    smart_resize = getattr(module, "smart_resize", None) or pytest.skip("is elsewhere")
    for shape in ((480, 640), (33, 1000), (2000, 1333), (100, 100), (28, 28)):
        for fewest, most in ((3136, 1_003_520), (200_704, 401_408)):
            own = mc.Frame.resized(*shape, min_pixels=fewest, max_pixels=most).size
            assert own == smart_resize(*shape, min_pixels=fewest, max_pixels=most), shape


@pytest.mark.parametrize(
    ("frame", "points", "shape", "said"),
    [
        (mc.Frame.thousand, [(0.1, 0.9), (0.3, 0.4)], None, "they seem to be Frame.unit"),
        (mc.Frame.pixels, [(0.1, 0.9), (0.3, 0.4)], SHAPE, "they seem to be Frame.unit"),
        (mc.Frame.thousand, [(1, 1)], None, ""),
        (mc.Frame.thousand, [(100, 1200)], (2000, 3000), "they seem to be Frame.pixels"),
        (mc.Frame.thousand, [(100, 1200)], None, "pixels of a resized image"),
        (mc.Frame.thousand, [(100, 1005)], None, ""),
        (mc.Frame.unit, [(0.5, 700)], None, "they seem to be Frame.thousand"),
        (mc.Frame.unit, [(20, 300)], SHAPE, "they seem to be Frame.pixels"),
        (mc.Frame.pixels, [(470, 630)], SHAPE, "y seems to come first"),
        (mc.Frame.pixels.y_first, [(470, 630)], SHAPE, "x seems to come first"),
        (mc.Frame.pixels, [(900, 900)], SHAPE, "they seem to be Frame.thousand"),
        (mc.Frame.pixels, [(1900, 900)], SHAPE, "pixels of a resized image"),
        (mc.Frame.resized(280, 364), [(600, 470)], SHAPE, "they seem to be Frame.pixels"),
        (mc.Frame.resized(280, 364), [(360, 279)], SHAPE, ""),
        (mc.Frame.unit, [], None, ""),
    ],
)
def test_a_frame_that_cannot_be_right_says_which_it_may_be(frame, points, shape, said):
    doubt = frame.doubt(points, shape)
    assert (said in doubt) if said else doubt == ""
    assert not doubt or doubt.startswith("coordinates reach to x = ")


def test_a_doubt_is_a_problem_of_the_answer():
    text = '[{"bbox_2d": [0.1, 0.2, 0.3, 0.4], "label": "dog"}]'
    (problem,) = mc.read(text).problems
    assert (problem.reason, problem.action) == ("frame", "read them as they were said to be")
    assert mc.read(text, frame=mc.Frame.unit).problems == []
    polygon = "[[[100, 200], [900, 200], [500, 700]]]"
    assert "frame" in [problem.reason for problem in mc.read(polygon).problems]
    found = mc.read(polygon, source="simpleseg", frame=mc.Frame.thousand)
    assert found.problems == []
    assert found.regions[0].rings == (((100, 200), (900, 200), (500, 700)),)
    turned = mc.read(polygon, source="simpleseg", frame=mc.Frame.thousand.y_first)
    assert turned.regions[0].rings == (((200, 100), (700, 500), (200, 900)),)
    pixels = mc.read(polygon, source="simpleseg", frame=mc.Frame.pixels, shape=(1000, 2000))
    assert pixels.regions[0].rings == (((50, 200), (450, 200), (250, 700)),)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mc.Frame("percent"),
            "frame must be one of 'pixels', 'resized', 'thousand', 'unit'",
        ),
        (lambda: mc.Frame("unit", "zx"), "axes must be one of 'xy', 'yx', got 'zx'"),
        (lambda: mc.Frame("resized"), "a frame of a resized image has its size, no other one has"),
        (lambda: mc.Frame("unit", size=(1, 1)), "a frame of a resized image has its size"),
    ],
)
def test_what_is_no_frame_is_refused(call, message):
    with pytest.raises(mc.ConfigError, match=message):
        call()
