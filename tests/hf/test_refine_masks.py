"""Coarse masks made finer by SAM: what is made of its answer, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")
pytest.importorskip("scipy", reason="needs scipy")

import maskcodec as mc  # noqa: E402
from maskcodec.hf import refine  # noqa: E402
from tests.hf.sam import disc, picture, tiny_sam  # noqa: E402

# ---------------------------------------------------------------------------- what comes in and out


@pytest.mark.parametrize("how", ["text4seg", "samrefiner"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 900), (900, 1), (300, 2)])
def test_tiny_and_oblong_images(sam, how, shape):
    corner = np.zeros(shape, bool)
    corner[-1, -1] = True
    masks = [np.ones(shape, bool), corner, np.zeros(shape, bool)]
    found = refine(sam, picture(*shape), masks, how=how)
    for one, mask in zip(found, masks, strict=True):
        assert one.mask.shape == shape
        assert one.mask.any() == mask.any()
    assert found[2].score == 0


def test_regions_and_every_kind_of_mask(sam):
    mask = np.zeros((48, 64), bool)
    mask[12:36, 16:48] = True
    region = mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 1]], canvas=(4, 4))
    assert (region.mask((48, 64)) == mask).all()
    boxed = mc.Region("dog", (1, 1, 2, 2), [[1]], canvas=(4, 4), frame="box")
    rle = mc.coco.RunMask.from_mask(mask)
    kinds = [region, boxed, mask, mask.astype(np.uint8) * 255, rle, Image.fromarray(mask)]
    kinds += [torch.from_numpy(mask), region.coco_rle((48, 64)), mask.tolist()]
    found = refine(sam, picture(48, 64), kinds, rounds=0)
    for one in found[1:]:
        assert (one.mask == found[0].mask).mean() > 0.99
    assert len(refine(sam, picture(48, 64), np.stack([mask, mask]), rounds=0)) == 2
    assert refine(sam, picture(48, 64), []) == []
    assert refine(sam, picture(48, 64), iter([])) == []


def test_images_of_every_kind(sam, asked):
    grey = picture(20, 30)[..., 0]
    mask = [disc(20, 30)]
    for image in (
        grey,
        Image.fromarray(grey),
        np.stack([grey] * 3, 2),
        Image.fromarray(grey).convert("RGBA"),
        Image.fromarray(grey).convert("P"),
    ):
        refine(sam, image, mask, rounds=0)
    for image in asked["images"][1:]:
        assert torch.equal(image, asked["images"][0])


def test_an_image_is_turned_as_its_exif_says(sam, tmp_path):
    photo = Image.fromarray(picture(20, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    photo.save(tmp_path / "photo.png", exif=exif)
    region = mc.Region("dog", (0, 0, 1, 0), [[1, 1]], canvas=(2, 2))
    (found,) = refine(sam, tmp_path / "photo.png", [region])
    (same,) = refine(sam, np.rot90(np.asarray(photo), -1), [region])
    assert found.mask.shape == (30, 20)
    assert (found.mask == same.mask).all()


@pytest.mark.parametrize("how", ["text4seg", "samrefiner"])
def test_an_object_never_becomes_empty(how):
    sam = tiny_sam()
    mask = disc(48, 64)
    sam.mask_decoder.register_forward_hook(
        lambda _, _args, output: (-output[0].abs() - 1, output[1])
    )
    found = refine(sam, picture(48, 64), [mask, ~mask], how=how)
    assert (found[0].mask == mask).all()
    assert (found[1].mask == ~mask).all()
    assert [one.score for one in found] == [0, 0]


def test_an_object_that_a_later_round_loses_keeps_the_earlier_one():
    sam = tiny_sam()
    mask, calls = disc(48, 64), []

    def answered(_, _args, output):
        calls.append(1)
        return torch.full_like(output[0], 1.0 if len(calls) == 1 else -1.0), output[1]

    sam.mask_decoder.register_forward_hook(answered)
    (found,) = refine(sam, picture(48, 64), [mask], how="samrefiner")
    assert len(calls) == 5
    assert found.mask.all()
    assert found.score != 0


# ---------------------------------------------------------------------------------- what is refused


def test_a_wrong_model_is_named(tmp_path):
    image, masks = picture(9, 9), [np.eye(9, dtype=bool)]
    with pytest.raises(TypeError, match=r"a transformers.SamModel, got None; SAM 2, .*from_pret"):
        refine(None, image, masks)
    with pytest.raises(TypeError, match=r"model must be SAM 1, .* got Linear;"):
        refine(torch.nn.Linear(1, 1), image, masks)
    with pytest.raises(TypeError, match=r"got SamVisionModel;"):
        refine(transformers.SamVisionModel(tiny_sam().config.vision_config), image, masks)
    with pytest.raises(mc.ConfigError, match=r"model '.*nothing' cannot be loaded: .* Expected is"):
        refine(tmp_path / "nothing", image, masks)
    (tmp_path / "config.json").write_text('{"model_type": "sam2"}')
    with pytest.raises(mc.ConfigError, match=r"is of the kind 'sam2', expected 'sam': SAM 2, SAM"):
        refine(tmp_path, image, masks)
    (tmp_path / "config.json").write_text('{"model_type": "sam"}')
    with pytest.raises(mc.ConfigError, match=r"cannot be loaded: .* of a checkpoint of SAM 1, or"):
        refine(str(tmp_path), image, masks)


def test_sam_2_and_3_are_named():
    for name in "Sam2Model", "Sam3Model":
        if hasattr(transformers, name):
            model = object.__new__(getattr(transformers, name))
            with pytest.raises(TypeError, match=f"got {name}; SAM 2, SAM 3 and others take other"):
                refine(model, picture(9, 9), [np.eye(9, dtype=bool)])


def test_a_checkpoint_is_loaded_by_its_folder(sam, tmp_path):
    sam.save_pretrained(tmp_path)
    mask = disc(20, 30)
    (found,) = refine(tmp_path, picture(20, 30), [mask])
    (again,) = refine(sam, picture(20, 30), [mask])
    assert (found.mask == again.mask).all()
    assert found.score == again.score


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"how": "sam"}, mc.ConfigError, "how must be one of 'text4seg', 'samrefiner', got 'sam'"),
        ({"rounds": -1}, mc.ConfigError, "rounds must be at least 0, got -1"),
        ({"how": "samrefiner", "rounds": 0}, mc.ConfigError, "rounds must be at least 1, got 0"),
        ({"rounds": 1.5}, TypeError, "rounds must be an integer, got 1.5"),
        ({"seed": -1}, mc.ConfigError, "seed must be at least 0, got -1"),
        ({"batch_size": 0}, mc.ConfigError, "batch_size must be at least 1, got 0"),
        ({"processor": 5}, TypeError, "processor must be a SamProcessor or .* got int; None, the"),
        ({"processor": lambda **_: {}}, TypeError, "processor must be a SamProcessor .* function;"),
    ],
)
def test_settings_that_do_not_exist_are_named(sam, settings, error, message):
    with pytest.raises(error, match=message):
        refine(sam, picture(9, 9), [np.eye(9, dtype=bool)], **settings)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (None, TypeError, "image must be a Pillow image, a uint8 array or a path, got NoneType"),
        ("nothing.png", OSError, "nothing.png"),
        (np.zeros((9, 9, 3)), TypeError, "image must be uint8, 0 .. 255, got float64"),
        (np.zeros((3, 9, 9), np.uint8), mc.MaskError, r"3\) or .*, got shape \(3, 9, 9\)"),
        (np.zeros(9, np.uint8), mc.MaskError, r"got shape \(9,\)"),
        (np.zeros((0, 9, 3), np.uint8), mc.MaskError, r"got shape \(0, 9, 3\)"),
        (Image.new("RGB", (0, 9)), mc.MaskError, "image must have pixels, got 9 x 0"),
        (Image.new("I;16", (9, 9)), TypeError, "has the mode I;16, expected 8 bits a channel"),
        (Image.new("F", (9, 9)), TypeError, "has the mode F"),
    ],
)
def test_what_is_no_image_is_named(sam, image, error, message):
    with pytest.raises(error, match=message):
        refine(sam, image, [np.eye(9, dtype=bool)])


@pytest.mark.parametrize(
    ("regions", "error", "message"),
    [
        (None, TypeError, "regions must be a list of regions or masks, got None"),
        ("dog", TypeError, "regions must be a list of regions or masks, got 'dog'"),
        (mc.Region("dog", (0, 0, 0, 0), [[1]], canvas=(4, 4)), TypeError, "got <Region 'dog'"),
        (mc.BSD().recover(""), TypeError, "got RecoveredRegions; pass its .regions"),
        (np.eye(9, dtype=bool), mc.MaskError, r"one mask \(height, width\); .* \[mask\]"),
        ([np.eye(8, dtype=bool)], mc.MaskError, "region 0 has 8 x 8 pixels, .* the image 9 x 9"),
        ([np.eye(9)], TypeError, "region 0 must be bool or an integer type, got float64; thresh"),
        ([np.eye(9, dtype=bool), None], TypeError, "region 1 must be a mask or a segmentation"),
    ],
)
def test_what_is_no_mask_is_named(sam, regions, error, message):
    with pytest.raises(error, match=message):
        refine(sam, picture(9, 9), regions)
