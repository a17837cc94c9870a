"""Convert and check a user's arrays: each becomes one kind of array, or an exact error."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.kernels import sampling as k
from maskcodec.messages import brief

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    Mask: TypeAlias = npt.NDArray[np.uint8]
    Cells: TypeAlias = npt.NDArray[np.int32]
    Index: TypeAlias = npt.NDArray[np.int64]
    IntegerArray: TypeAlias = npt.NDArray[np.bool_ | np.integer[Any]]


MOST_SIDE = 1 << 20  # pixels a side of a painted image: painting takes memory for each
_UINT8 = np.dtype(np.uint8)
_FIRST_ROW: Index = np.zeros(1, np.int64)


def as_pixels(value: Any, what: str = "mask") -> IntegerArray:
    """A mask or label map as a two-dimensional bool or integer array; arrays are not copied.

    Takes arrays of any memory order, nested lists, Pillow images and CPU tensors.
    """
    if hasattr(value, "filled"):
        raise TypeError(f"{what} must not be a masked array; fill it first, with .filled(0)")
    try:
        array = value if isinstance(value, np.ndarray) else np.asarray(value)
    except ValueError as error:
        raise MaskError(f"{what} cannot be read as an array: {error}") from error
    except (TypeError, RuntimeError) as error:
        raise TypeError(f"{what} {_unread(value)}: {error}") from error
    if array.dtype.kind not in "bui":
        hint = "; threshold it first, for example mask > 0.5" if array.dtype.kind == "f" else ""
        raise TypeError(f"{what} must be bool or an integer type, got {array.dtype}{hint}")
    if array.ndim != 2:
        hint = _other_sides(array.shape, what)
        raise MaskError(f"{what} must be (height, width), got shape {array.shape}{hint}")
    if array.size == 0:
        raise MaskError(f"{what} must have at least one pixel, got shape {array.shape}")
    return array


def _unread(value: Any) -> str:
    """The reason why NumPy cannot read a value; for a tensor, also the call that helps."""
    if not hasattr(value, "detach"):
        return "cannot be read as an array"
    device, dtype = str(getattr(value, "device", "cpu")), str(getattr(value, "dtype", ""))
    calls = ".detach()" * bool(getattr(value, "requires_grad", False))
    calls += ".cpu()" * (device != "cpu")
    calls += ".float()" * dtype.endswith("bfloat16")
    cut = " > 0.5, or > 0 for logits" if "float" in dtype else ""
    grad = ", which requires gradients" * bool(getattr(value, "requires_grad", False))
    return f"is a tensor of {dtype} on {device}{grad}; pass mask{calls}{cut}"


def _other_sides(shape: tuple[int, ...], what: str) -> str:
    """A hint for an array that is not two-dimensional, or ``""``."""
    if len(shape) > 2 and all(side == 1 for side in shape[:-2]):
        one = f"mask[{', '.join('0' * (len(shape) - 2))}]"
        each = f"[{one} for mask in masks]" if what[-1].isdigit() else one
        return f"; it is a stack of one mask, pass {each}"
    if len(shape) == 3 and shape[2] == 1:
        return "; it has one channel, pass mask[..., 0]"
    if len(shape) == 3:
        return "; a colour image needs .convert('L') first, a stack of masks goes one by one"
    return ""


def as_two_values(
    pixels: IntegerArray, what: str = "mask", threshold: int | None = None
) -> IntegerArray:
    """A mask in which every nonzero pixel is set; not copied if it is one already.

    With two values, the background is 0, or the smaller value if neither is 0. With one value, all
    pixels are set unless it is 0. With `threshold`, pixels of at least this value are set.

    Raises
    ------
    MaskError
        The mask has more than two values and there is no threshold; or the threshold is above 1
        and the mask has only 0 and 1, or only 1; or the threshold is below 1.
    TypeError
        The threshold is not an integer.
    """
    if pixels.dtype.kind == "b":
        return pixels
    if threshold is not None:
        return _cut(pixels, as_threshold(threshold), what)
    if is_plain(pixels) and first_mixed(pixels[None]) < 0:
        return pixels
    least, most = pixels.min(), pixels.max()
    if np.any((pixels != least) & (pixels != most)):
        raise MaskError(_many_values(pixels, what))
    if least in (most, 0):
        return pixels
    return np.not_equal(pixels, 0 if most == 0 else least, order="C")


def first_mixed(masks: IntegerArray, rows: Index | None = None) -> int:
    """The index of the first plain mask (N, height, width) with two nonzero values, or -1.

    With `rows`, only these rows are checked, for a caller that reads no others. A mask without a
    0 in these rows counts as well, since its background is unknown.
    """
    pixels = masks.view(np.uint8)
    if rows is None:
        return k.first_mixed(pixels.reshape(len(masks), 1, -1), _FIRST_ROW, False)
    return k.first_mixed(pixels, rows, True)


def as_threshold(value: Any) -> int:
    """A checked threshold: an integer of at least 1."""
    try:
        threshold = operator.index(value)
    except TypeError:
        raise TypeError(f"threshold must be an integer, got {brief(value)}") from None
    if threshold < 1:
        raise MaskError(f"threshold must be at least 1, got {brief(threshold)}: 0 is never set")
    return threshold


def _cut(pixels: IntegerArray, threshold: int, what: str) -> IntegerArray:
    if threshold > 1 and pixels.max() == 1 and pixels.min() >= 0:
        raise MaskError(
            f"{what} has no value but 0 and 1, so that threshold={threshold} would leave nothing "
            "of it; leave the threshold out"
        )
    return np.greater_equal(pixels, threshold, order="C")


def _many_values(pixels: IntegerArray, what: str) -> str:
    values = np.unique(pixels)
    least, most = int(values[0]), int(values[-1])
    middle = max(1, least + (most - least + 1) // 2)
    return (
        f"{what} has {len(values):,} values, {least} to {most}, and a mask has two; it looks like "
        f"an antialiased or JPEG mask: cut it with mask >= {middle}, or threshold={middle} where "
        "there is one; of a label map, a mask is label_map == value"
    )


def as_bytes(mask: IntegerArray) -> Mask:
    """The mask for the kernels: C-contiguous writable uint8; nonzero is set."""
    if is_plain(mask):
        return mask.view(np.uint8)
    return np.not_equal(mask, 0, order="C").view(np.uint8)


def is_plain(array: IntegerArray) -> bool:
    """True if the kernels can read the array without a copy: one byte a pixel, C-contiguous.

    It must also be writable, since any other kind of array would compile the kernels again.
    """
    return array.itemsize == 1 and array.flags.carray


def as_size(value: Any, what: str) -> tuple[int, int]:
    """Two positive integers in the order (height, width) or (rows, columns)."""
    try:
        first, second = value
        first, second = operator.index(first), operator.index(second)
    except TypeError:
        raise TypeError(f"{what} must be two integers, got {brief(value)}") from None
    except ValueError:
        raise MaskError(f"{what} must be two integers, got {brief(value)}") from None
    if first < 1 or second < 1:
        raise MaskError(f"{what} must be two integers of at least 1, got {brief(value)}")
    return first, second


def as_painted_size(value: Any, what: str) -> tuple[int, int]:
    """A size (height, width) of at most 2**20 pixels a side, for painting."""
    height, width = as_size(value, what)
    if max(height, width) > MOST_SIDE:
        raise MaskError(f"{what} is {height} x {width}; a side has up to {MOST_SIDE:,} pixels")
    return height, width


def as_out(out: Mask | None, shape: tuple[int, int]) -> Mask:
    """The caller's output array after a check, or a new array."""
    if out is None:
        return np.empty(shape, np.uint8)
    if not isinstance(out, np.ndarray) or out.dtype != _UINT8:
        raise TypeError(f"out must be a uint8 array, got {getattr(out, 'dtype', type(out))}")
    if out.shape != shape or not out.flags.carray:
        raise MaskError(
            f"out must be a writable C-contiguous array of shape {shape}, got shape {out.shape}, "
            f"C-contiguous {out.flags.c_contiguous}, writable {out.flags.writeable}"
        )
    return out


def packed(parts: Iterable[str]) -> tuple[Mask, Index]:
    """Several strings as UTF-8, one after another, and their `bounds`."""
    data = [part.encode() for part in parts]
    return np.frombuffer(bytearray(b"".join(data)), np.uint8), bounds(data)


def bounds(rows: Sequence[Sequence[int] | Index]) -> Index:
    """The offset of each list in their concatenation, and its length: int64 (n + 1,)."""
    return np.cumsum([0, *map(len, rows)]).astype(np.int64)
