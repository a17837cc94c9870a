"""The image as SAM 1 sees it: resized, normalized, and padded to a square."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from maskcodec.errors import ConfigError
from maskcodec.hf._prompts import Square
from maskcodec.masks.arrays import sides

if TYPE_CHECKING:
    from transformers import SamModel

_MEAN = np.array((0.485, 0.456, 0.406), np.float32)  # every checkpoint of SAM 1 has these
_STD = np.array((0.229, 0.224, 0.225), np.float32)


def seen(picture: Image.Image, sam: SamModel, processor: Any) -> tuple[Square, torch.Tensor]:
    """The square that SAM sees, and its pixels: float32 (1, 3, side, side)."""
    config: Any = sam.config
    side = config.vision_config.image_size
    low = 4 * config.prompt_encoder_config.image_embedding_size
    shape = picture.height, picture.width
    if processor is not None:
        pixels, inner = _processed(picture, processor, side)
    else:
        inner_height, inner_width = (
            max(1, int(length * side / max(shape) + 0.5)) for length in shape
        )
        small = picture.resize((inner_width, inner_height), Image.Resampling.BILINEAR)
        values = (np.asarray(small, np.float32) / 255 - _MEAN) / _STD
        pixels, inner = torch.zeros(1, 3, side, side), (inner_height, inner_width)
        pixels[0, :, :inner_height, :inner_width] = torch.from_numpy(values).permute(2, 0, 1)
    return Square(shape, inner, side, low), pixels


def _processed(
    picture: Image.Image, processor: Any, side: int
) -> tuple[torch.Tensor, tuple[int, int]]:
    name, size = type(processor).__name__, sides((picture.height, picture.width))
    try:
        made = processor(images=picture, return_tensors="pt")
        pixels, (inner,) = made["pixel_values"], made["reshaped_input_sizes"]
    except (KeyError, TypeError) as error:
        raise TypeError(
            f"processor must be a SamProcessor or the image processor in it, got {name}; "
            "None, the default, needs none"
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"processor {name} cannot take an image of {size} pixels: {error}; processor=None can"
        ) from error
    if pixels.shape != (1, 3, side, side):
        raise ConfigError(
            f"processor {name} makes images of shape {tuple(pixels.shape)}, but the model takes "
            f"{(1, 3, side, side)}: the two are of different checkpoints"
        )
    return pixels, (int(inner[0]), int(inner[1]))
