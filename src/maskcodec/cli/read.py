"""What the command line reads: masks, photos, texts, names, COCO annotations."""

from __future__ import annotations

import io
import json
import operator
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import typer
from PIL import Image, ImageOps

from maskcodec.errors import MaskCodecError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from maskcodec._arrays import Mask

MOST_PIXELS = 1 << 27  # of an image whose size is only a claim: --shape, COCO's "height"
STDIN = "-"

_GREY_MODES = ("1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N")
_COCO_HINT = "reading polygons needs pycocotools, which is missing: pip install 'maskcodec[coco]'"


class InputError(MaskCodecError):
    """Something that the user named cannot be read, or is not what it should be."""


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


def read_bytes(name: str) -> bytes:
    """A file's bytes, or those of standard input for ``-``."""
    if name == STDIN:
        return typer.get_binary_stream("stdin").read()
    return Path(name).read_bytes()


def read_mask(name: str) -> npt.NDArray[Any]:
    """A mask or label map: any image with one whole number a pixel.

    Raises
    ------
    InputError
        It is no image, or one with colours.
    """
    image = _opened(name)
    if image.mode not in _GREY_MODES:
        raise InputError(
            f"{_shown(name)} has colours (mode {image.mode}), a mask has one number a pixel; "
            "convert it first, for example Image.open(...).convert('L')"
        )
    return np.asarray(image)


def read_photo(path: Path) -> Image.Image:
    """A photo as RGB, turned upright as its camera says."""
    return _opened(str(path), lambda image: ImageOps.exif_transpose(image).convert("RGB"))


def read_text(argument: str) -> tuple[str, bool]:
    """The text that an argument stands for, and whether it is the argument itself.

    ``-`` is standard input, an existing file is read, anything else is the text.
    """
    if argument != STDIN and not _exists(argument):
        return argument, True
    return _decoded(argument).replace("\r\n", "\n"), False


def read_json(path: Path) -> Any:
    """A JSON file's content.

    Raises
    ------
    InputError
        It is not JSON.
    """
    text = _decoded(str(path))
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: numbers of thousands of digits
        raise InputError(f"{path} is not JSON that can be read: {error}") from error


def read_names(path: Path) -> dict[int, str]:
    """The name of each value: ``{"1": "dog"}``, or a list by value, null for none.

    Raises
    ------
    InputError
        It is something else.
    """
    content = read_json(path)
    if isinstance(content, list):
        content = {str(n): name for n, name in enumerate(content) if name is not None}
    names: dict[int, str] = {}
    for value, name in content.items() if isinstance(content, dict) else ():
        try:
            names[int(value)] = name
        except ValueError:
            raise InputError(f"{path}: a value is a whole number, got {value[:40]!r}") from None
        if not isinstance(name, str):
            raise InputError(f"{path}: the name of value {value} is a string, got {name!r:.60}")
    if not names:
        raise InputError(f'{path} names no value; expected {{"1": "dog", ...}} or ["dog", ...]')
    return names


def read_coco(path: Path, image_id: str) -> CocoImage:
    """One image of a COCO annotation file, with its instances as masks.

    Raises
    ------
    InputError
        It is no such file, has no such image, or a segmentation cannot be drawn.
    """
    content = read_json(path)
    parts = {}
    for key in ("images", "annotations"):
        part = content.get(key) if isinstance(content, dict) else None
        if not isinstance(part, list) or not all(isinstance(entry, dict) for entry in part):
            raise InputError(f"{path} is no COCO annotation file: it has no list {key!r}")
        parts[key] = part
    found = [entry for entry in parts["images"] if str(entry.get("id")) == image_id]
    if not found:
        ids = [str(entry.get("id")) for entry in parts["images"]]
        some = f"it has {len(ids)}, for example {', '.join(ids[:5])}" if ids else "it has none"
        raise InputError(f"{path} has no image with the id {image_id!r}; {some}")
    shape = _image_shape(found[0], f"{path}: image {image_id}")
    categories = content.get("categories")
    known = [c for c in categories if isinstance(c, dict)] if isinstance(categories, list) else []
    names = {str(entry.get("id")): str(entry.get("name")) for entry in known}
    labels, masks = [], []
    for entry in parts["annotations"]:
        if str(entry.get("image_id")) == image_id:
            where = f"{path}: annotation {entry.get('id')}"
            masks.append(_segmentation(entry.get("segmentation"), shape, where))
            category = str(entry.get("category_id"))
            labels.append(names.get(category, f"category {category}"))
    return CocoImage(shape, labels, masks)


def _decoded(name: str) -> str:
    try:
        return read_bytes(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{_shown(name)} is not UTF-8 text: {error}") from error


def _opened(
    name: str, finish: Callable[[Image.Image], Image.Image] = lambda image: image
) -> Image.Image:
    data = read_bytes(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(data))
            image.load()
            return finish(image)
        except Exception as error:  # Pillow's readers raise many kinds on broken files
            reason = f": {error}" if str(error) and "BytesIO" not in str(error) else ""
            raise InputError(f"{_shown(name)} is not an image that can be read{reason}") from error


def _shown(name: str) -> str:
    return "standard input" if name == STDIN else name


def _exists(argument: str) -> bool:
    try:
        return bool(argument) and Path(argument).exists()
    except (OSError, ValueError):  # too long for a path, or with a null character
        return False


def _image_shape(entry: dict[str, Any], where: str) -> tuple[int, int]:
    try:
        height, width = operator.index(entry["height"]), operator.index(entry["width"])
    except (KeyError, TypeError):
        raise InputError(f'{where} has no "height" and "width"') from None
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise InputError(f"{where} claims {height} x {width} pixels")
    return height, width


def _segmentation(value: Any, shape: tuple[int, int], where: str) -> Mask:
    """COCO's three kinds: polygons, counts, and counts packed into a string."""
    if isinstance(value, dict):
        counts: Any = value.get("counts")
        if isinstance(counts, str):
            counts = _unpacked(counts)
        whole = isinstance(counts, list) and all(type(n) is int and n >= 0 for n in counts)
        if whole and value.get("size") == list(shape) and sum(counts) == shape[0] * shape[1]:
            flat = np.repeat(np.arange(len(counts)) % 2, counts).astype(np.uint8)
            return np.ascontiguousarray(flat.reshape(shape[::-1]).T)
        raise InputError(f"{where} has an RLE that does not fill {shape[0]} x {shape[1]} pixels")
    if not isinstance(value, list):
        raise InputError(f"{where} has no segmentation; masks are needed, not only boxes")
    far = 2 * max(shape)  # pycocotools allocates by the length of an outline
    for ring in value:
        numbers = isinstance(ring, list) and all(type(n) in (int, float) for n in ring)
        if not numbers or len(ring) < 6 or len(ring) % 2 or not all(-far < n < far for n in ring):
            raise InputError(f"{where}: a polygon is [x1, y1, x2, y2, x3, y3, ...] in the image")
    return _drawn(value, shape) if value else np.zeros(shape, np.uint8)


def _drawn(rings: list[list[float]], shape: tuple[int, int]) -> Mask:
    try:
        import pycocotools.mask as coco
    except ImportError:
        raise InputError(_COCO_HINT) from None
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
