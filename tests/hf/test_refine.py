"""Coarse masks made finer by SAM: what it is asked."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")
pytest.importorskip("scipy", reason="needs scipy")

import maskcodec as mc  # noqa: E402
from maskcodec.hf import refine  # noqa: E402
from maskcodec.hf.sam_prompts import central, scattered  # noqa: E402
from tests.hf.sam import (  # noqa: E402
    LOGIT,
    SHAPES,
    bar,
    cell_shares,
    disc,
    obedient_sam,
    picture,
    square_of,
    tiny_sam,
)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mask_lies_where_the_images_pixels_lie(shape):
    square = square_of(shape)
    for mask in disc(*shape, 0.3, 0.6), bar(*shape), np.ones(shape, bool):
        shares, covered = cell_shares(mask, square)
        found = square.shares(mask).numpy()
        assert found.shape == (256, 256)
        assert (square.covered.numpy() == covered).all()
        assert (found[~covered] == 0).all()
        assert found.min() >= 0
        assert found.max() <= 1 + 1e-5
        apart = np.abs(found - shares)[covered]
        assert apart.max() < 0.1
        if mask.any() and min(shape) > 30:
            for steps in np.mgrid[:256, :256]:
                middles = [(steps * values).sum() / values.sum() for values in (found, shares)]
                assert abs(middles[0] - middles[1]) < 0.1


@pytest.mark.parametrize("shape", SHAPES)
def test_the_prompt_of_a_mask_is_drawn_as_that_mask(shape):
    square = square_of(shape)
    mask = disc(*shape, 0.4, 0.6, 0.4)
    mask[shape[0] // 2, shape[1] // 2] = True
    for prompt in scattered(mask, square, 0), central(mask, square):
        drawn = square.painted(prompt.mask)
        assert drawn.shape == shape
        assert drawn.dtype == bool
        if min(shape) > 30:
            assert (drawn & mask).sum() / (drawn | mask).sum() > 0.8
        else:
            assert (drawn == mask).mean() > 0.8


@pytest.mark.parametrize("shape", SHAPES)
def test_points_are_the_middles_of_pixels_and_boxes_their_edges(shape):
    square = square_of(shape)
    (height, width), (inner_height, inner_width) = shape, square.inner
    corners = square.points([0, height], [0, width]).numpy() + 0.5  # as SAM adds it
    assert np.allclose(corners, [[0, 0], [inner_width, inner_height]])
    mask = np.zeros(shape, bool)
    y, x = height // 3, 2 * width // 3
    mask[y, x] = True
    prompt = central(mask, square)
    point = np.array([(x + 0.5) * inner_width / width, (y + 0.5) * inner_height / height])
    assert np.allclose(prompt.points + 0.5, [point], atol=1e-3)
    assert prompt.labels.tolist() == [1]
    box = np.array([x, y, x + 1, y + 1]) * ([inner_width / width, inner_height / height] * 2)
    assert np.allclose(prompt.box + 0.5, box, atol=1e-3)


def test_text4segs_logits_are_6_9_and_0_in_the_padding():
    mask = disc(480, 640)
    logits = scattered(mask, square_of(mask.shape), 0).mask.numpy()
    assert np.isclose(logits[96, 128], LOGIT)
    assert np.isclose(logits[0, 0], -LOGIT)
    assert np.isclose(logits[191, 255], -LOGIT)
    assert (logits[192:] == 0).all()
    assert logits.dtype == np.float32


def test_samrefiners_logits_fall_from_the_peak_and_are_minus_30_outside():
    mask = disc(480, 640)
    prompt = central(mask, square_of(mask.shape))
    logits = prompt.mask.numpy()
    x, y = ((prompt.points[0].numpy() + 0.5) / 4).astype(int)
    assert 29 < logits[y, x] <= 30
    assert (logits[192:] == -30).all()
    assert logits[0, 0] == -30
    inside = logits[y, x : x + 46]  # the radius is 120 pixels, 48 cells
    assert (np.diff(inside) <= 0).all()
    assert inside[0] - inside[-1] > 18
    # depth 1 at the border, about 120 at the peak; a quarter of the area is 11,300
    assert abs(inside[-1] - 30 * np.exp(-(115**2) * 4 / mask.sum())) < 1


def test_text4segs_points_are_twenty_pixels_in_and_outside():
    mask = disc(48, 64, 0.3, 0.7, 0.2)
    square = square_of(mask.shape, 128)
    prompt = scattered(mask, square, 5)
    xs, ys = ((prompt.points.numpy() + 0.5) / 2).T  # 128 / 64
    assert prompt.labels.tolist() == [1] * 10 + [0] * 10
    assert (mask[ys.astype(int), xs.astype(int)] == prompt.labels.numpy()).all()
    assert np.allclose(ys % 1, 0.5)
    assert np.allclose(xs % 1, 0.5)
    assert len(set(zip(xs, ys, strict=True))) == 20
    assert torch.equal(prompt.points, scattered(mask, square, 5).points)
    assert not torch.equal(prompt.points, scattered(mask, square, 6).points)
    assert prompt.box is None


@pytest.mark.parametrize(
    ("filled", "inside", "outside"), [(1, 1, 10), (7, 7, 10), (93, 10, 7), (100, 10, 0)]
)
def test_text4seg_has_no_more_points_than_there_are_pixels(filled, inside, outside):
    mask = (np.arange(100) < filled).reshape(10, 10)
    prompt = scattered(mask, square_of(mask.shape), 0)
    assert prompt.labels.tolist() == [1] * inside + [0] * outside


def naive_depths(mask):
    """How far each pixel is from one that is not set, if there is one."""
    free = np.argwhere(~mask)
    depths = np.zeros(mask.shape)
    for y, x in np.argwhere(mask):
        depths[y, x] = np.sqrt(((free - (y, x)) ** 2).sum(1).min())
    return depths


def test_samrefiners_points_are_the_peaks_of_the_distances():
    rng = np.random.default_rng(0)
    for _ in range(25):
        shape = tuple(rng.integers(1, 14, 2))
        mask = rng.random(shape) < rng.choice([0.1, 0.5, 0.9])
        mask[tuple(rng.integers(0, shape))] = True
        if mask.all():
            continue
        prompt = central(mask, square_of(shape))
        scale = np.array(square_of(shape).inner) / shape
        found = np.floor((prompt.points.numpy()[:, ::-1] + 0.5) / scale + 1e-4).astype(int)
        depths = naive_depths(mask)
        assert depths[tuple(found[0])] == depths.max()
        ys, xs = np.where(mask)
        outside = np.zeros(shape)
        box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        outside[box] = naive_depths(~mask)[box]
        if outside.any():
            assert outside[tuple(found[1])] == outside.max()
        assert prompt.labels.tolist() == ([1, 0] if outside.any() else [1])


def test_the_peak_of_a_full_mask_is_its_middle():
    prompt = central(np.ones((5, 7), bool), square_of((5, 7)))
    # Pixels (2, 2), (2, 3) and (2, 4) are as deep: the first of them.
    assert np.allclose(prompt.points + 0.5, [[2.5 * 1024 / 7, 2.5 * 731 / 5]], atol=1e-2)
    assert 29.9 < prompt.mask.max() <= 30


def test_an_object_smaller_than_a_cell_has_the_one_that_it_fills_best():
    mask = np.zeros((4000, 4000), bool)
    mask[2001, 1003] = True
    logits = central(mask, square_of(mask.shape)).mask
    assert (logits > 0).nonzero().tolist() == [[128, 64]]


def test_text4seg_asks_three_times_and_feeds_logits_back(sam, asked):
    masks = [disc(48, 64), disc(48, 64, 0.3, 0.2), disc(48, 64, 0.7, 0.8, 0.1)]
    found = refine(sam, picture(48, 64), masks)
    assert len(asked["images"]) == 1
    assert len(asked["prompts"]) == len(asked["answers"]) == 3
    for prompt, (logits, scores) in zip(asked["prompts"], asked["answers"], strict=True):
        assert prompt["input_masks"].shape == (3, 1, 32, 32)
        assert prompt["input_points"].shape == (3, 1, 20, 2)
        assert prompt["input_boxes"] is None
        assert logits.shape == (3, 1, 1, 32, 32)
        assert scores.shape == (3, 1, 1)
        assert torch.equal(prompt["input_points"], asked["prompts"][0]["input_points"])
    for earlier, later in zip(asked["answers"], asked["prompts"][1:], strict=False):
        assert torch.equal(earlier[0][:, 0], later["input_masks"])
    square = square_of((48, 64), 128)
    for i, one in enumerate(found):
        assert (one.mask == square.painted(asked["answers"][-1][0][i, 0, 0])).all()
        assert one.score == asked["answers"][-1][1][i].item()


def test_samrefiner_asks_five_times_and_takes_the_best_of_three(sam, asked):
    mask = disc(48, 64)
    (found,) = refine(sam, picture(48, 64), [mask], how="samrefiner")
    assert len(asked["images"]) == 1
    assert len(asked["prompts"]) == 5
    square = square_of((48, 64), 128)
    for prompt, (logits, scores) in zip(asked["prompts"], asked["answers"], strict=True):
        expected = central(mask, square)
        assert torch.equal(prompt["input_points"][0, 0], expected.points)
        assert torch.equal(prompt["input_labels"][0, 0], expected.labels)
        assert torch.equal(prompt["input_boxes"][0, 0], expected.box)
        assert torch.equal(prompt["input_masks"][0, 0], expected.mask)
        assert scores.shape == (1, 1, 3)
        mask = square.painted(logits[0, 0, scores[0, 0].argmax()])
        score = scores.max().item()
    assert (found.mask == mask).all()
    assert found.score == score


@pytest.mark.parametrize(("how", "rounds", "calls"), [("text4seg", 0, 1), ("samrefiner", 1, 1)])
def test_rounds_are_counted(sam, asked, how, rounds, calls):
    refine(sam, picture(9, 9), [np.eye(9, dtype=bool)], how=how, rounds=rounds)
    assert len(asked["prompts"]) == calls


@pytest.mark.parametrize("how", ["text4seg", "samrefiner"])
def test_several_objects_are_as_one_by_one(sam, asked, how):
    rng = np.random.default_rng(0)
    masks = [disc(60, 40, *rng.random(2), rng.uniform(0.05, 0.6)) for _ in range(7)]
    full, line = np.ones((60, 40), bool), np.zeros((60, 40), bool)
    line[3, 4:9] = True  # fewer points than the others
    masks += [full, line, np.zeros((60, 40), bool)]
    image = picture(60, 40)
    together = refine(sam, image, masks, how=how, batch_size=3)
    assert max(len(prompt["input_points"]) for prompt in asked["prompts"]) <= 3
    alone = [refine(sam, image, [mask], how=how)[0] for mask in masks]
    for one, other in zip(together, alone, strict=True):
        assert (one.mask == other.mask).mean() > 0.99  # sums of another order
        assert one.score == pytest.approx(other.score, abs=1e-3)
    assert all(one.score != 0 for one in together[:-1])


@pytest.mark.parametrize("how", ["text4seg", "samrefiner"])
@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (300, 200), (128, 128), (90, 400)])
def test_each_object_gets_its_own_answer(how, shape):
    rng = np.random.default_rng(0)
    masks = [disc(*shape, *rng.random(2), rng.uniform(0.2, 0.6)) for _ in range(7)]
    masks.insert(3, np.ones(shape, bool))
    masks.insert(5, np.zeros(shape, bool))
    masks.insert(6, bar(*shape))
    found = refine(obedient_sam(), picture(*shape), masks, how=how, batch_size=2, rounds=1)
    for one, mask in zip(found, masks, strict=True):
        ious = [(one.mask & other).sum() / max((one.mask | other).sum(), 1) for other in masks]
        assert max(ious) > 0.6 or not mask.any()
        assert (masks[int(np.argmax(ious))] == mask).all() or not mask.any()
    assert not found[5].mask.any()
    assert len({one.score for one in found}) > 7


def test_without_a_processor_the_image_is_what_the_processor_makes_of_it(sam, asked):
    transformers_processor = getattr(transformers, "SamImageProcessorPil", None)
    if transformers_processor is None:
        pytest.skip("this transformers has no SamImageProcessorPil")
    processor = transformers_processor(
        size={"longest_edge": 128}, pad_size={"height": 128, "width": 128}
    )
    masks = [disc(75, 100)]
    image = np.asarray(Image.fromarray(picture(6, 8)).resize((100, 75)))
    (own,) = refine(sam, image, masks)
    (theirs,) = refine(sam, image, masks, processor=processor)
    assert asked["images"][0].shape == (1, 3, 128, 128)
    assert torch.allclose(asked["images"][0], asked["images"][1], atol=1e-5)
    assert (own.mask == theirs.mask).mean() > 0.99
    narrow = picture(1, 4000)
    assert refine(sam, narrow, [np.ones((1, 4000), bool)])[0].mask.shape == (1, 4000)
    with pytest.raises(mc.ConfigError, match=r"cannot take an image of 1 x 4000 pixels: .*=None"):
        refine(sam, narrow, [np.ones((1, 4000), bool)], processor=processor)
    with pytest.raises(mc.ConfigError, match=r"makes images of shape \(1, 3, 1024, 1024\), but"):
        refine(sam, image, masks, processor=transformers_processor())


def test_at_the_real_size(asked):
    sam = tiny_sam(1024)
    masks = [disc(90, 120), disc(90, 120, 0.2, 0.9)]
    prompts = []
    sam.prompt_encoder.register_forward_pre_hook(
        lambda _, _args, kwargs: prompts.append(kwargs["input_masks"].shape), with_kwargs=True
    )
    for how in "text4seg", "samrefiner":
        found = refine(sam, picture(90, 120), masks, how=how, rounds=1)
        assert [one.mask.shape for one in found] == [(90, 120)] * 2
    assert set(prompts) == {(2, 1, 256, 256)}
    assert not asked["images"]


@pytest.mark.parametrize("how", ["text4seg", "samrefiner"])
@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_any_float_type(how, dtype):
    sam = tiny_sam().to(getattr(torch, dtype))
    found = refine(sam, picture(30, 20), [disc(30, 20)], how=how, rounds=1)
    assert found[0].mask.dtype == bool
    assert isinstance(found[0].score, float)
    assert np.isfinite(found[0].score)


def test_it_leaves_the_model_as_it_was(sam):
    before = {name: weight.clone() for name, weight in sam.state_dict().items()}
    refine(sam, picture(9, 9), [np.eye(9, dtype=bool)])
    assert not sam.training
    assert all(torch.equal(before[name], weight) for name, weight in sam.state_dict().items())
    assert all(weight.grad is None for weight in sam.parameters())
