"""Refine coarse masks with SAM, as Text4Seg or SAMRefiner does."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from transformers import AutoConfig, SamModel

from maskcodec.errors import ConfigError, MaskError
from maskcodec.files.photos import as_picture
from maskcodec.hf.sam_prompts import Prompt, Square, central, scattered, seen
from maskcodec.masks.inputs import as_mask
from maskcodec.masks.runs import RunMask
from maskcodec.messages import brief, check_choice, sides
from maskcodec.text.regions import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from maskcodec.hf.sam_prompts import Bools

How: TypeAlias = Literal["text4seg", "samrefiner"]

_ROUNDS = {"text4seg": 2, "samrefiner": 5}  # as published
_LEAST = {"text4seg": 0, "samrefiner": 1}
_EXAMPLE = 'SamModel.from_pretrained("facebook/sam-vit-base")'


class Refined(NamedTuple):
    """A mask as SAM drew it.

    Attributes
    ----------
    mask
        bool (height, width) of the image, owned by the caller.
    score
        The IoU that SAM expects for the mask, about 0 .. 1; 0 if SAM drew nothing, so that the
        coarse mask is kept.
    """

    mask: npt.NDArray[np.bool_]
    score: float


def refine(
    model: SamModel | str | os.PathLike[str],
    image: Any,
    regions: Iterable[Any],
    *,
    processor: Any = None,
    how: How = "text4seg",
    rounds: int | None = None,
    seed: int = 0,
    batch_size: int = 16,
) -> list[Refined]:
    """Refine coarse masks of one image with SAM 1, along the image's edges.

    SAM encodes the image once for all objects and rounds.

    ``"text4seg"`` gives SAM 10 points inside the object, 10 points outside and the coarse mask, and
    feeds the resulting logits back (the released scripts of arXiv 2410.09855).

    ``"samrefiner"`` gives SAM the pixel deepest inside the object, the pixel of the box farthest
    outside it, the box, and the mask with logits that fall from the first pixel to the border. It
    takes the best of SAM's three masks by the IoU that SAM expects, and repeats all this with that
    mask (arXiv 2502.06756, without its growing of boxes).

    Parameters
    ----------
    model
        SAM 1: a `transformers.SamModel` on any device in any float type. Or a checkpoint's folder
        or name, which each call loads.
    image
        The image of the regions, as `generate` takes it: a Pillow image, a uint8 array (height,
        width, 3) or (height, width), or a file's path. It is turned by its Exif, so that masks have
        the shape that viewers show.
    regions
        For each object a `maskcodec.Region`, or any mask of the image's size that the codecs take.
    processor
        The checkpoint's `SamProcessor` or image processor. The default, None, fits all checkpoints
        of SAM 1, needs no torchvision, and keeps narrow images at least 1 pixel wide.
    how
        ``"text4seg"`` or ``"samrefiner"``.
    rounds
        ``"text4seg"``: how often logits are fed back, at least 0, by default 2. ``"samrefiner"``:
        how often SAM is asked, at least 1, by default 5.
    seed
        The seed of the points of ``"text4seg"``, at least 0. An object's points do not depend on
        the other objects.
    batch_size
        How many objects SAM draws at a time, at least 1.

    Returns
    -------
    A `Refined` for each object, in order. If SAM leaves nothing of an object in a round, the mask
    before that round is kept. An empty mask stays empty.

    Raises
    ------
    ConfigError
        A setting is out of range, a checkpoint cannot be loaded or is not SAM 1's, or model and
        processor do not fit together.
    MaskError
        An image or a mask has another shape than it should.
    TypeError
        The model is not a SAM 1 model, or another argument has another type.
    OSError
        The image's file cannot be read.
    """
    check_choice(how, How, "how")
    times = _at_least(_LEAST[how], _ROUNDS[how] if rounds is None else rounds, "rounds")
    seed, batch_size = _at_least(0, seed, "seed"), _at_least(1, batch_size, "batch_size")
    picture = as_picture(image)
    masks = _as_masks(regions, (picture.height, picture.width))
    sam = _as_sam(model)
    refined = [Refined(mask, 0.0) for mask in masks]
    drawn = [i for i, mask in enumerate(masks) if mask.any()]
    if not drawn:
        return refined
    square, pixels = seen(picture, sam, processor)
    asked = _Asked(sam, sam.get_image_embeddings(pixels.to(sam.device, sam.dtype)), batch_size)
    found = [refined[i] for i in drawn]
    if how == "text4seg":
        prompts = [scattered(one.mask, square, seed) for one in found]
        for _ in range(times + 1):
            answers = asked(prompts, several=False)
            prompts = [
                prompt._replace(mask=logits)
                for prompt, (logits, _) in zip(prompts, answers, strict=True)
            ]
        found = _kept(found, answers, square)
    else:
        for _ in range(times):
            prompts = [central(one.mask, square) for one in found]
            found = _kept(found, asked(prompts, several=True), square)
    for i, one in zip(drawn, found, strict=True):
        refined[i] = one
    return refined


class _Asked(NamedTuple):
    """SAM with the embedding of an image."""

    sam: SamModel
    embedding: torch.Tensor
    batch_size: int

    @torch.no_grad()
    def __call__(
        self, prompts: Sequence[Prompt], *, several: bool
    ) -> list[tuple[torch.Tensor, float]]:
        """The logits that SAM draws for each prompt, float32 (low, low), and their expected IoU.

        With `several`, SAM draws three masks for each prompt, and the best one is taken.
        """
        answers: dict[int, tuple[torch.Tensor, float]] = {}
        alike: dict[int, list[int]] = {}  # equal numbers of points: SAM would look at padding
        for i, prompt in enumerate(prompts):
            alike.setdefault(len(prompt.points), []).append(i)
        for those in alike.values():
            for begin in range(0, len(those), self.batch_size):
                batch = those[begin : begin + self.batch_size]
                logits, scores = self._batch([prompts[i] for i in batch], several)
                answers |= zip(batch, zip(logits, scores.tolist(), strict=True), strict=True)
        return [answers[i] for i in range(len(prompts))]

    def _batch(self, prompts: list[Prompt], several: bool) -> tuple[torch.Tensor, torch.Tensor]:
        device = self.sam.device
        points, labels, boxes, masks = zip(*prompts, strict=True)
        boxed = [box for box in boxes if box is not None]
        said = self.sam(
            image_embeddings=self.embedding.expand(len(prompts), -1, -1, -1),
            input_points=torch.stack(points)[:, None].to(device),
            input_labels=torch.stack(labels)[:, None].to(device),
            input_boxes=torch.stack(boxed)[:, None].to(device) if boxed else None,
            input_masks=torch.stack(masks)[:, None].to(device, self.sam.dtype),
            multimask_output=several,
        )
        scores, best = said.iou_scores[:, 0].float().max(1)
        return said.pred_masks[torch.arange(len(best)), 0, best].float(), scores


def _kept(
    before: list[Refined], answers: list[tuple[torch.Tensor, float]], square: Square
) -> list[Refined]:
    """The masks that SAM drew; the mask before if SAM drew nothing."""
    after = []
    for old, (logits, score) in zip(before, answers, strict=True):
        mask = square.painted(logits)
        after.append(Refined(mask, score) if mask.any() else old)
    return after


def _as_sam(model: Any) -> SamModel:
    if isinstance(model, SamModel):
        return model
    if not isinstance(model, (str, os.PathLike)):
        got = "None" if model is None else type(model).__name__
        raise TypeError(
            f"model must be SAM 1, a transformers.SamModel, got {got}; SAM 2, SAM 3 and others "
            f"take other prompts. {_EXAMPLE} loads one"
        )
    name = os.fspath(model)
    try:
        # Check first: SamModel fills weights that another kind of checkpoint lacks at random.
        kind = AutoConfig.from_pretrained(name, trust_remote_code=False).model_type
        if kind == "sam":
            loaded: SamModel = SamModel.from_pretrained(name, attn_implementation="sdpa")
            loaded.eval()
            return loaded
    except Exception as error:  # transformers raises many kinds
        raise ConfigError(
            f"model {name!r} cannot be loaded: {error}. Expected is a folder or a name on the Hub "
            f"of a checkpoint of SAM 1, or the model itself: {_EXAMPLE}"
        ) from error
    raise ConfigError(
        f"model {name!r} is of the kind {kind!r}, expected 'sam': SAM 2, SAM 3 and others take "
        f"other prompts. {_EXAMPLE} loads one"
    )


def _as_masks(regions: Any, shape: tuple[int, int]) -> list[Bools]:
    if hasattr(regions, "regions"):
        raise TypeError(f"regions must be a list, got {type(regions).__name__}; pass its .regions")
    if isinstance(regions, (Region, RunMask, str, bytes)) or not isinstance(regions, Iterable):
        raise TypeError(f"regions must be a list of regions or masks, got {brief(regions)}")
    if getattr(regions, "ndim", 3) == 2:
        raise MaskError("regions is one mask (height, width); pass a list of masks, [mask]")
    return [_as_pixels(region, shape, f"region {i}") for i, region in enumerate(regions)]


def _as_pixels(region: Any, shape: tuple[int, int], what: str) -> Bools:
    if isinstance(region, Region):
        return region.mask(shape).astype(np.bool_)
    mask = as_mask(region, None, what)
    if mask.shape != shape:
        raise MaskError(
            f"{what} has {sides(mask.shape)} pixels, height x width, but the image {sides(shape)}"
        )
    return np.not_equal(mask.mask() if isinstance(mask, RunMask) else mask, 0)


def _at_least(least: int, value: Any, what: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, got {brief(value)}") from None
    if number < least:
        raise ConfigError(f"{what} must be at least {least}, got {number}")
    return number
