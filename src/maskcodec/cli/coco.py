"""COCO annotation files: what they hold, and their segmentations as masks."""

from __future__ import annotations

import operator
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskcodec.cli.read import MOST_PIXELS, InputError, read_json
from maskcodec.lengths import refcoco_sized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from maskcodec._arrays import Mask

_HINT = "reading polygons needs pycocotools, which is missing: pip install 'maskcodec[coco]'"


class CocoImage(NamedTuple):
    """One image of a COCO annotation file.

    Attributes
    ----------
    shape
        (height, width).
    labels
        The category of each instance.
    masks
        uint8 (height, width) of 0 and 1 for each instance.
    """

    shape: tuple[int, int]
    labels: list[str]
    masks: list[Mask]


class Instance(NamedTuple):
    """One instance of a COCO annotation file, not drawn yet.

    Attributes
    ----------
    where
        The file and the annotation, for messages.
    segmentation
        As the file has it: polygons, or run lengths.
    shape
        The image's (height, width).
    label
        Its category.
    crowd
        Whether it stands for a group.
    alike
        How many instances of its category the image has, itself among them, without crowds.
    """

    where: str
    segmentation: Any
    shape: tuple[int, int]
    label: str = "object"
    crowd: bool = False
    alike: int = 1

    def mask(self) -> Mask:
        """Its pixels: uint8 (height, width), C-contiguous, 0 and 1.

        Raises
        ------
        InputError
            The segmentation is none, or does not fit the image.
        """
        return drawn(self.segmentation, self.shape, self.where)


def read_image(path: Path, image_id: str) -> CocoImage:
    """One image of a COCO annotation file, with its instances as masks.

    Raises
    ------
    InputError
        It is no such file, has no such image, or a segmentation cannot be drawn.
    """
    images, annotations, names = _parts(path)
    found = [entry for entry in images if str(entry.get("id")) == image_id]
    if not found:
        ids = [str(entry.get("id")) for entry in images]
        some = f"it has {len(ids)}, for example {', '.join(ids[:5])}" if ids else "it has none"
        raise InputError(f"{path} has no image with the id {image_id!r}; {some}")
    shape = _shape(found[0], f"{path}: image {image_id}")
    labels, masks = [], []
    for entry in annotations:
        if str(entry.get("image_id")) == image_id:
            masks.append(drawn(entry.get("segmentation"), shape, _where(path, entry)))
            labels.append(_label(entry, names))
    return CocoImage(shape, labels, masks)


def read_instances(path: Path) -> list[Instance]:
    """All instances of a COCO annotation file, in its order.

    Raises
    ------
    InputError
        It is no such file, or an instance belongs to no image of it.
    """
    images, annotations, names = _parts(path)
    by_id = {str(entry.get("id")): entry for entry in images}
    kinds = [(str(entry.get("image_id")), str(entry.get("category_id"))) for entry in annotations]
    crowds = [bool(entry.get("iscrowd")) for entry in annotations]
    alike = Counter(kind for kind, crowd in zip(kinds, crowds, strict=True) if not crowd)
    shapes: dict[str, tuple[int, int]] = {}
    found = []
    for entry, kind, crowd in zip(annotations, kinds, crowds, strict=True):
        where, image = _where(path, entry), kind[0]
        if image not in by_id:
            raise InputError(f"{where} belongs to image {image}, which the file does not list")
        if image not in shapes:
            shapes[image] = _shape(by_id[image], f"{path}: image {image}")
        label = _label(entry, names)
        segmentation = entry.get("segmentation")
        found.append(Instance(where, segmentation, shapes[image], label, crowd, alike[kind]))
    return found


def labelled_masks(
    instances: Iterable[Instance], label: str = "{}", *, everything: bool = False
) -> Iterator[tuple[Mask, str]]:
    """Instances with their labels, drawn one at a time.

    Parameters
    ----------
    instances
        What to draw.
    label
        What to call one; ``{}`` stands for its category.
    everything
        All of them, not only those that `maskcodec.lengths.refcoco_sized` lets through.

    Raises
    ------
    InputError
        A segmentation is none, or does not fit its image.
    """
    for one in instances:
        if everything or (not one.crowd and one.alike >= 2):  # before it is drawn
            mask = one.mask()
            area = int(np.count_nonzero(mask))
            if everything or refcoco_sized(area, one.shape, one.alike, crowd=one.crowd):
                yield mask, label.replace("{}", one.label)


def drawn(segmentation: Any, shape: tuple[int, int], where: str) -> Mask:
    """A segmentation of one of COCO's three kinds: polygons, counts, counts packed into a string.

    Parameters
    ----------
    segmentation
        As the file has it.
    shape
        The image's (height, width).
    where
        What to call it in messages.

    Returns
    -------
    uint8 (height, width), C-contiguous, 0 and 1.

    Raises
    ------
    InputError
        It is none of them, or does not fit the image.
    """
    if isinstance(segmentation, dict):
        counts: Any = segmentation.get("counts")
        if isinstance(counts, str):
            counts = _unpacked(counts)
        whole = isinstance(counts, list) and all(type(n) is int and n >= 0 for n in counts)
        pixels = shape[0] * shape[1]
        if whole and segmentation.get("size") == list(shape) and sum(counts) == pixels:
            flat = np.repeat(np.arange(len(counts)) % 2, counts).astype(np.uint8)
            return np.ascontiguousarray(flat.reshape(shape[::-1]).T)
        raise InputError(f"{where} has an RLE that does not fill {shape[0]} x {shape[1]} pixels")
    if not isinstance(segmentation, list):
        raise InputError(f"{where} has no segmentation; masks are needed, not only boxes")
    far = 2 * max(shape)  # pycocotools allocates by the length of an outline
    for ring in segmentation:
        numbers = isinstance(ring, list) and all(type(n) in (int, float) for n in ring)
        if not numbers or len(ring) < 6 or len(ring) % 2 or not all(-far < n < far for n in ring):
            raise InputError(f"{where}: a polygon is [x1, y1, x2, y2, x3, y3, ...] in the image")
    return _filled(segmentation, shape) if segmentation else np.zeros(shape, np.uint8)


def _parts(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str]]:
    """A file's images and annotations, and the names of its categories by id."""
    content = read_json(path)
    parts = []
    for key in ("images", "annotations"):
        part = content.get(key) if isinstance(content, dict) else None
        if not isinstance(part, list) or not all(isinstance(entry, dict) for entry in part):
            raise InputError(f"{path} is no COCO annotation file: it has no list {key!r}")
        parts.append(part)
    categories = content.get("categories")
    known = [c for c in categories if isinstance(c, dict)] if isinstance(categories, list) else []
    return parts[0], parts[1], {str(c.get("id")): str(c.get("name")) for c in known}


def _where(path: Path, entry: dict[str, Any]) -> str:
    return f"{path}: annotation {entry.get('id')}"


def _label(entry: dict[str, Any], names: dict[str, str]) -> str:
    category = str(entry.get("category_id"))
    return names.get(category, f"category {category}")


def _shape(entry: dict[str, Any], where: str) -> tuple[int, int]:
    try:
        height, width = operator.index(entry["height"]), operator.index(entry["width"])
    except (KeyError, TypeError):
        raise InputError(f'{where} has no "height" and "width"') from None
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise InputError(f"{where} claims {height} x {width} pixels")
    return height, width


def _filled(rings: list[list[float]], shape: tuple[int, int]) -> Mask:
    try:
        import pycocotools.mask as coco
    except ImportError:
        raise InputError(_HINT) from None
    mask: Mask = coco.decode(coco.merge(coco.frPyObjects(rings, *shape)))
    return np.ascontiguousarray(mask)


def _unpacked(text: str) -> list[int]:
    """COCO's compressed counts: five bits a character, differences to the count before last."""
    counts: list[int] = []
    number, bits = 0, 0
    for character in text:
        code = ord(character) - 48
        number |= (code & 31) << bits
        bits += 5
        if not 0 <= code < 64 or bits > 60:
            return [-1]
        if not code & 32:
            number -= (code & 16) << 1 << (bits - 5)
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number, bits = 0, 0
    return counts if bits == 0 else [-1]
