"""Coarse masks made finer by SAM: Text4Seg's way, and SAMRefiner's."""

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

_ROUNDS = {"text4seg": 2, "samrefiner": 5}  # what the two have published
_LEAST = {"text4seg": 0, "samrefiner": 1}
_EXAMPLE = 'SamModel.from_pretrained("facebook/sam-vit-base")'


class Refined(NamedTuple):
    """A mask as SAM drew it.

    Attributes
    ----------
    mask
        bool (height, width) of the image, owned by the caller.
    score
        The IoU that SAM expects the mask to have, about 0 .. 1, or 0 where SAM drew nothing and
        the coarse mask stands.
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
    """Coarse masks of one image, drawn anew by SAM 1 along the image's edges.

    The image is looked at once, whatever the number of objects and rounds. ``"text4seg"`` gives
    SAM 10 points inside the object, 10 outside and the coarse mask, and feeds the logits that come
    out back (the released scripts of arXiv 2410.09855). ``"samrefiner"`` gives it the pixel deepest
    inside, the one farthest outside in the box, the box, and the mask with logits that fall from
    the first towards the border, takes the best of SAM's three masks by the IoU that SAM expects,
    and does it all again with that (arXiv 2502.06756, without its growing of boxes).

    Parameters
    ----------
    model
        SAM 1: a `transformers.SamModel` on any device in any float type; or a checkpoint's folder
        or name, which is then loaded by each call.
    image
        What the regions were found in, as `generate` takes it: a Pillow image, a uint8 array
        (height, width, 3) or (height, width), or a file's path. Turned by its Exif, so that masks
        have the shape that viewers show.
    regions
        For each object a `maskcodec.Region`, or whatever the codecs take for a mask of the
        image's size.
    processor
        The checkpoint's `SamProcessor` or image processor. Not needed: all checkpoints of SAM 1
        have the same, and without one neither torchvision is, nor does an image become too narrow.
    how
        ``"text4seg"`` or ``"samrefiner"``.
    rounds
        ``"text4seg"``: how often logits are fed back, at least 0, by default 2. ``"samrefiner"``:
        how often SAM is asked, at least 1, by default 5.
    seed
        Where the points of ``"text4seg"`` lie, at least 0. An object's points are the same
        whatever other objects there are.
    batch_size
        How many objects SAM draws at a time, at least 1.

    Returns
    -------
    A `Refined` for each object, in order. An object never becomes empty: where SAM leaves nothing
    of it in a round, what was there before stands. A mask that is empty to begin with stays so.

    Raises
    ------
    ConfigError
        A setting is out of range, a checkpoint cannot be loaded or is not SAM 1's, or model and
        processor do not fit together.
    MaskError
        An image or a mask has another shape than it should.
    TypeError
        The model is none of SAM 1, or something else is of the wrong kind.
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
    """SAM, and what it has seen of an image."""

    sam: SamModel
    embedding: torch.Tensor
    batch_size: int

    @torch.no_grad()
    def __call__(
        self, prompts: Sequence[Prompt], *, several: bool
    ) -> list[tuple[torch.Tensor, float]]:
        """The logits that SAM draws for each prompt, float32 (low, low), and their expected IoU.

        `several` has SAM draw some masks for each, of which the best is taken.
        """
        answers: dict[int, tuple[torch.Tensor, float]] = {}
        alike: dict[int, list[int]] = {}  # a batch has one number of points: padding is looked at
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
    """What SAM drew, or what was there before where it drew nothing."""
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
        # Looked at first: SamModel would fill what a checkpoint of another kind lacks at random.
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
