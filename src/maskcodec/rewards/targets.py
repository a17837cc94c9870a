"""What an answer should show: read once for all answers of a group, and remembered by value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskcodec import coco
from maskcodec.errors import MaskError
from maskcodec.formats.labels.label_grid import LabelGrid
from maskcodec.masks.arrays import as_painted_size
from maskcodec.masks.runs import united
from maskcodec.messages import brief, sides
from maskcodec.rewards.drawn import Edge, Measured, edge_of, measured
from maskcodec.text.codec import unique
from maskcodec.text.problems import check_label
from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.masks.runs import RunMask
    from maskcodec.text.codec import Codec
    from maskcodec.tokens import TokenCodec

MOST_PIXELS = 1 << 26  # of a target's image: its edge is drawn
_HELD = 1 << 23  # words of 64 bits that are remembered
_SHAPE = '[{"label": "dog", "segmentation": {"size": [height, width], "counts": ...}}, ...]'


class Target(NamedTuple):
    """One object that an answer should show.

    Attributes
    ----------
    label
        As labels are compared.
    mask, edge
        Its pixels, of which there is at least one.
    """

    label: str
    mask: Measured
    edge: Edge


class Targets(NamedTuple):
    """All that an answer should show.

    Attributes
    ----------
    objects
        The objects; none where the right answer is nothing.
    characters, ids
        How long the codec's own text of them is; no ids without a tokenizer.
    """

    objects: tuple[Target, ...]
    characters: int
    ids: int

    @property
    def size(self) -> int:
        """How many words of 64 bits it takes to remember them."""
        masks = sum(3 * one.edge.pixels.size + len(one.mask.ends) for one in self.objects)
        return masks + 100


def read_targets(given: Any, codec: Codec, tokens: TokenCodec | None) -> Targets:
    """Targets, checked.

    Parameters
    ----------
    given
        As `MaskReward.__call__` takes them.
    codec, tokens
        How the codec writes them; it loses no mask. For an image-wise codec, targets of one label
        are one.

    Raises
    ------
    MaskError, LabelError, TypeError
        As `MaskReward.__call__` has it.
    """
    found: list[tuple[str, RunMask]] = []
    for number, one in enumerate(_listed(given)):
        what = f"target {number}"
        if not isinstance(one, Mapping) or not {"label", "segmentation"} <= set(one):
            raise TypeError(f"{what} must be an object as in {_SHAPE}, got {brief(one)}")
        label = check_label(one["label"])
        runs = coco.read(one["segmentation"], what=f"the segmentation of {what}")
        as_painted_size(runs.shape, f"the image of {what}")
        if found and runs.shape != found[0][1].shape:
            raise MaskError(
                f"{what} is of an image of {sides(runs.shape)} pixels, height x width, but target "
                f"0 of one of {sides(found[0][1].shape)}; the targets of an answer are of one image"
            )
        if runs.shape[0] * runs.shape[1] > MOST_PIXELS:
            raise MaskError(
                f"{what} is of an image of {sides(runs.shape)} pixels, height x width; rewards "
                f"take up to {MOST_PIXELS:,} pixels: give the masks at a smaller size"
            )
        found.append((label, runs))
    found = [pair for pair in found if pair[1].any()]
    if not codec.has_instances:
        found = _by_label(found)
    objects = []
    for label, runs in found:
        mask = measured(runs)
        objects.append(Target(as_compared(label), mask, edge_of(mask)))
    return Targets(tuple(objects), *_lengths(found, codec, tokens))


class Remembered:
    """Targets that were read: a group's answers have the same ones, and so have later epochs'."""

    def __init__(self) -> None:
        self._found: dict[Any, Targets] = {}
        self._held = 0

    def __call__(self, given: Any, codec: Codec, tokens: TokenCodec | None) -> Targets:
        """As `read_targets`, of which equal ones before are asked first."""
        key = _key_of(given)
        if key is None:
            return read_targets(given, codec, tokens)
        found = self._found.get(key)
        if found is None:
            found = read_targets(given, codec, tokens)
            if self._held + found.size > _HELD:
                self._found, self._held = {}, 0
            self._found[key] = found
            self._held += found.size
        return found

    def __reduce__(self) -> tuple[type[Remembered], tuple[()]]:
        """Another process begins with nothing."""
        return Remembered, ()


def as_compared(label: str) -> str:
    """A label without what makes no difference: case, and how much white space."""
    return " ".join(label.casefold().split())


def _key_of(given: Any) -> Any:
    """What equal targets have in common, and others not; None where that is not known."""
    if isinstance(given, str):
        return given
    if type(given) is not list:
        return None
    try:
        parts = [(one["label"], one["segmentation"]) for one in given]
        key = tuple((label, *_exact(rle["size"]), *_exact(rle["counts"])) for label, rle in parts)
        hash(key)
    except (TypeError, KeyError):
        return None
    return key


def _exact(value: Any) -> tuple[Any, ...]:
    """Text or numbers by their value and type: 1, 1.0 and True are equal in Python."""
    return (value,) if isinstance(value, (str, bytes)) else (*value, None, *map(type, value))


def _listed(given: Any) -> Iterable[Any]:
    if isinstance(given, (str, bytes)):
        try:
            given = json.loads(given, object_pairs_hook=unique)
        except (ValueError, RecursionError) as error:
            raise MaskError(
                f"targets must be a list, or JSON of one, {_SHAPE}; got {brief(given)}: {error}"
            ) from None
    if not isinstance(given, (list, tuple)):
        raise TypeError(f"targets must be a list, or JSON of one, {_SHAPE}; got {brief(given)}")
    return given


def _by_label(found: list[tuple[str, RunMask]]) -> list[tuple[str, RunMask]]:
    labels = dict.fromkeys(label for label, _ in found)
    return [(label, united([runs for own, runs in found if own == label])) for label in labels]


def _lengths(
    found: list[tuple[str, RunMask]], codec: Codec, tokens: TokenCodec | None
) -> tuple[int, int]:
    """How many characters, and ids, the codec's own text has; ``"keep"`` loses no mask."""
    if not found:
        return 0, 0
    labels, masks = [label for label, _ in found], [runs for _, runs in found]
    drawer: Any = codec
    if codec.has_instances:
        text = drawer.encode_many(masks, labels)
        return len(text), 0 if tokens is None else len(tokens.encode_many(masks, labels))
    cells = np.zeros(codec.canvas, np.int32)
    for number, runs in enumerate(masks, 1):
        cells[runs.cells(codec.canvas, "keep") != 0] = number
    text = drawer.encode_grid(LabelGrid(cells, (drawer.background, *labels)))
    return len(text), 0 if tokens is None else len(AnyTokenizer(tokens.tokenizer).encode(text))
