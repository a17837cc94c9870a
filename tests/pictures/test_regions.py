import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.pictures import figure

SHAPE = (120, 160)
DOG = mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 1]], canvas=(4, 4))


def test_regions_are_drawn_on_any_photo(tmp_path):
    pixels = np.full((*SHAPE, 3), 100, np.uint8)
    photo = Image.fromarray(pixels)
    photo.save(tmp_path / "a.png")
    expected = figure.compared(photo, [[DOG.mask(SHAPE)]], ["dog"]).pictures[0]
    for image in pixels, photo, pixels[..., 0], str(tmp_path / "a.png"), tmp_path / "a.png":
        assert mc.draw(image, [DOG]) == expected
    faint = mc.draw(photo, [DOG], opacity=0.1)
    assert faint != expected
    assert photo == Image.fromarray(pixels)
    assert mc.draw(photo, []) == photo


def test_the_way_back_may_be_chosen():
    photo = Image.new("RGB", SHAPE[::-1])
    smooth = figure.compared(photo, [[DOG.mask(SHAPE, method="smooth")]], ["dog"])
    assert mc.draw(photo, [DOG], method="smooth") == smooth.pictures[0]


def test_many_regions_have_a_legend_below():
    photo = Image.new("RGB", SHAPE[::-1])
    drawn = mc.draw(photo, [DOG] * 11)
    assert drawn.height > SHAPE[0]
    assert drawn.width >= SHAPE[1]


def test_what_is_no_picture_or_region_is_refused(tmp_path):
    photo = Image.new("RGB", SHAPE[::-1])
    with pytest.raises(TypeError, match=r"regions must be maskcodec.Region, got 'dog' at 1"):
        mc.draw(photo, [DOG, "dog"])
    with pytest.raises(mc.MaskError, match=r"opacity must be 0 \.\. 1, got 2"):
        mc.draw(photo, [DOG], opacity=2)
    with pytest.raises(TypeError, match="image must be uint8"):
        mc.draw(np.zeros(SHAPE), [DOG])
    (tmp_path / "a.png").write_bytes(b"none")
    with pytest.raises(mc.SourceError, match="is not a PNG"):
        mc.draw(tmp_path / "a.png", [DOG])
