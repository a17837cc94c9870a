"""A tiny SAM, and objects for it to refine."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")
pytest.importorskip("scipy", reason="needs scipy")

from maskcodec.hf.sam_prompts import Square  # noqa: E402

LOGIT = np.log(999)


def tiny_sam(side=128):
    """A SAM of a few thousand random weights."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    vision = {
        "hidden_size": 16,
        "output_channels": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": side,
        "window_size": 4,
        "global_attn_indexes": [],
        "num_pos_feats": 8,
        "mlp_dim": 16,
    }
    prompt = {"hidden_size": 16, "image_size": side, "mask_input_channels": 4}
    decoder = {
        "hidden_size": 16,
        "mlp_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 8,
        "iou_head_depth": 2,
    }
    config = transformers.SamConfig(
        vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder
    )
    model = transformers.SamModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(0, 0.02 if "vision" in name else 1)  # or every mask is empty, or full
    return model


def obedient_sam(side=128):
    """A SAM that draws its mask prompt, as one of three masks or as the only one."""
    sam, told = tiny_sam(side), []

    def drawn(_, _args, output):
        masks = told[-1]
        expected = 0.5 + masks.mean((2, 3)) / 100  # below that of no other mask
        several = output[1].shape[2] > 1
        if not several:
            return masks[:, None], expected[:, None]
        at = torch.arange(len(masks)) % 3 if len(masks) > 1 else torch.tensor([2])
        logits, scores = -torch.ones_like(output[0]), torch.zeros_like(output[1])
        for i, k in enumerate(at):
            logits[i, 0, k], scores[i, 0, k] = masks[i, 0], expected[i, 0]
        return logits, scores

    sam.prompt_encoder.register_forward_pre_hook(
        lambda _, _args, kwargs: told.append(kwargs["input_masks"]), with_kwargs=True
    )
    sam.mask_decoder.register_forward_hook(drawn)
    return sam


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def disc(height, width, y=0.5, x=0.5, radius=0.25):
    ys, xs = np.mgrid[:height, :width]
    far = (ys + 0.5 - y * height) ** 2 + (xs + 0.5 - x * width) ** 2
    return far <= (radius * min(height, width)) ** 2


def square_of(shape, side=1024):
    inner = tuple(max(1, int(length * side / max(shape) + 0.5)) for length in shape)
    return Square(shape, inner, side, side // 4)


def cell_shares(mask, square, fine=8):
    """What `Square.shares` has, looked up at 8 x 8 points of each cell."""
    places = (np.arange(square.low * fine) + 0.5) / fine * square.side / square.low
    pixels = [
        np.floor(places * size / inner).astype(int)
        for size, inner in zip(mask.shape, square.inner, strict=True)
    ]
    inside = [index < size for index, size in zip(pixels, mask.shape, strict=True)]
    ys, xs = (index.clip(0, size - 1) for index, size in zip(pixels, mask.shape, strict=True))
    set_ = (mask[ys][:, xs] & inside[0][:, None] & inside[1]).reshape(square.low, fine, -1, fine)
    seen = np.outer(*(one.reshape(-1, fine).sum(1) for one in inside))
    return set_.sum((1, 3)) / np.maximum(seen, 1), seen > 0


SHAPES = [
    (480, 640),
    (640, 480),
    (1024, 1024),
    (50, 50),
    (820, 1230),
    (37, 1000),
    (1000, 37),
    (3, 5),
    (1, 1),
    (1, 4000),
    (4000, 2),
]


def bar(height, width):
    """A rectangle off the middle, of a pixel at least."""
    mask = np.zeros((height, width), bool)
    mask[
        height // 5 : height // 5 + max(1, height // 2), width // 2 : width // 2 + width // 4 + 1
    ] = 1
    return mask
