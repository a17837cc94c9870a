"""The inputs of SAM: the image in its square; points, boxes and coarse masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import distance_transform_edt  # exact, and in compiled code
from torch.nn import functional as F  # noqa: N812

from maskcodec.errors import ConfigError
from maskcodec.messages import sides

if TYPE_CHECKING:
    import numpy.typing as npt
    from transformers import SamModel

    Bools: TypeAlias = npt.NDArray[np.bool_]
    Floats: TypeAlias = npt.NDArray[np.float32]

POINTS = 20  # Text4Seg: half of them inside, half outside
LOGIT = float(np.log(0.999 / 0.001))  # Text4Seg: the logit of a cell inside the coarse mask
STRENGTH = 30.0  # SAMRefiner: the logit at the peak; -30 outside
GAMMA = 4.0  # SAMRefiner: how steeply the logits fall from the peak to the object's border
_TINY = 1e-6  # of a cell: a smaller share is rounding
_MEAN = np.array((0.485, 0.456, 0.406), np.float32)  # every checkpoint of SAM 1 has these
_STD = np.array((0.229, 0.224, 0.225), np.float32)


class Prompt(NamedTuple):
    """The prompt for one object.

    Attributes
    ----------
    points
        float32 (n, 2): x and y in pixels of the square, n at least 1.
    labels
        int64 (n,): 1 inside the object, 0 outside.
    box
        float32 (4,): x1, y1, x2, y2 in pixels of the square, or None.
    mask
        float32 (low, low): logits.
    """

    points: torch.Tensor
    labels: torch.Tensor
    box: torch.Tensor | None
    mask: torch.Tensor


class Square:
    """The square that SAM sees: the image in its upper left corner, and padding around it.

    Parameters
    ----------
    shape
        (height, width) of the image.
    inner
        (height, width) of the image in the square; the longer one is `side`.
    side
        The square's side in pixels, 1024 for released checkpoints.
    low
        The side of SAM's masks in cells, 256 for released checkpoints. The cells cover the whole
        square, padding included.
    """

    def __init__(self, shape: tuple[int, int], inner: tuple[int, int], side: int, low: int) -> None:
        self.shape, self.inner, self.side, self.low = shape, inner, side, low
        # Areas, since torch's interpolation with antialias loses an image that becomes 1 wide.
        self._rows, self._columns = self._weights(0), self._weights(1)
        self._covered = torch.outer(self._rows.sum(1), self._columns.sum(1))

    def points(self, ys: npt.ArrayLike, xs: npt.ArrayLike) -> torch.Tensor:
        """Points of the image, in pixels with the upper left edges at 0, as SAM takes them: x, y.

        SAM adds half a pixel to its input, so half a pixel is subtracted here.
        """
        (height, width), (inner_height, inner_width) = self.shape, self.inner
        x = np.asarray(xs, np.float64) * inner_width / width - 0.5
        y = np.asarray(ys, np.float64) * inner_height / height - 0.5
        return torch.from_numpy(np.stack([x, y], -1).astype(np.float32))

    def shares(self, values: npt.NDArray[np.bool_] | Floats) -> torch.Tensor:
        """The mean of an image's values in each cell, float32 (low, low); 0 in the padding."""
        sums = self._rows @ torch.from_numpy(values.astype(np.float32)) @ self._columns.T
        return sums / self._covered.clamp(min=_TINY)

    @property
    def covered(self) -> torch.Tensor:
        """The cells that the image covers, at least in part: bool (low, low)."""
        return self._covered > _TINY

    def painted(self, logits: torch.Tensor) -> Bools:
        """The mask of logits (low, low) in the image: bool (height, width)."""
        side, (inner_height, inner_width) = self.side, self.inner
        large = F.interpolate(logits[None, None], (side, side), mode="bilinear")
        large = large[..., :inner_height, :inner_width]
        found = F.interpolate(large, self.shape, mode="bilinear")[0, 0] > 0
        return found.cpu().numpy()

    def _weights(self, axis: int) -> torch.Tensor:
        """How much of each cell each row or column of the image covers: (low, pixels)."""
        size = self.shape[axis]
        scale = self.inner[axis] / size * self.low / self.side  # cells that a pixel covers
        edges, cells = np.arange(size + 1) * scale, np.arange(self.low)[:, None]
        ends, starts = np.minimum(edges[1:], cells + 1), np.maximum(edges[:-1], cells)
        return torch.from_numpy(np.maximum(ends - starts, 0).astype(np.float32))


def scattered(mask: Bools, square: Square, seed: int) -> Prompt:
    """Text4Seg's prompt: random points inside and outside the mask, and the mask.

    There are fewer points if the inside or the outside has fewer pixels. The padding gets logits of
    0, as in the released script.
    """
    rng = np.random.default_rng(seed)
    inside, outside = (
        rng.choice(pixels, min(POINTS // 2, len(pixels)), replace=False)
        for pixels in (np.flatnonzero(mask), np.flatnonzero(~mask))
    )
    ys, xs = np.divmod(np.concatenate([inside, outside]), mask.shape[1])
    labels = torch.arange(len(ys)) < len(inside)
    logits = (2 * square.shares(mask) - 1) * LOGIT * square.covered
    return Prompt(square.points(ys + 0.5, xs + 0.5), labels.long(), None, logits)


def central(mask: Bools, square: Square) -> Prompt:
    """SAMRefiner's prompt: the pixel deepest inside, the pixel of the box farthest outside, the
    box, and the mask with logits that fall from the first pixel to the object's border.

    There is no point outside if the object fills its box.
    """  # noqa: D205
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    box = mask[top:bottom, left:right]
    inside, outside = _depths(mask, (top, left, bottom, right)), distance_transform_edt(~box)
    peaks = [np.unravel_index(np.argmax(inside), box.shape)]
    if outside.any():
        peaks.append(np.unravel_index(np.argmax(outside), box.shape))
    ys, xs = np.transpose(peaks)
    points = square.points(top + ys + 0.5, left + xs + 0.5)
    corners = square.points([top, bottom], [left, right]).flatten()
    # A Gaussian of the depth, not of the position, as in the released script.
    falling = np.zeros(mask.shape, np.float32)
    steepness = min(GAMMA / box.sum(), 1.0)
    falling[top:bottom, left:right] = box * np.exp(-((inside - inside.max()) ** 2) * steepness)
    shares = square.shares(mask)
    # An object smaller than half a cell gets the cells that it fills best.
    within = square.covered & (shares >= shares.max().clamp(max=0.5))
    logits = torch.where(within, square.shares(falling) / shares.clamp(min=_TINY), -1.0)
    labels = torch.tensor([1, 0][: len(peaks)])
    return Prompt(points, labels, corners, STRENGTH * logits)


def _depths(mask: Bools, box: tuple[int, int, int, int]) -> npt.NDArray[np.float64]:
    """The distance of each pixel of a mask's tight box to the nearest unset pixel, in pixels.

    The outside of the image does not count, unless all pixels are set. One pixel around the box is
    enough: other pixels outside are farther away.
    """
    top, left, bottom, right = box
    above, before = min(top, 1), min(left, 1)
    part = mask[top - above : bottom + 1, left - before : right + 1]
    if part.all():
        part, above, before = np.pad(part, 1), above + 1, before + 1
    depths: npt.NDArray[np.float64] = distance_transform_edt(part)
    return depths[above : above + bottom - top, before : before + right - left]


def seen(picture: Image.Image, sam: SamModel, processor: Any) -> tuple[Square, torch.Tensor]:
    """Make the square that SAM sees, and its pixels: float32 (1, 3, side, side)."""
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
