"""Small scenes of seven kinds of objects in six colours, each drawn by its seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.uint8]
    Photo = npt.NDArray[np.uint8]

SIDE = 64  # pixels of an image, each way
COLOURS = {
    "red": (220, 50, 47),
    "green": (60, 160, 60),
    "blue": (50, 90, 220),
    "yellow": (235, 200, 50),
    "purple": (150, 60, 170),
    "white": (245, 245, 245),
}
KINDS = "circle", "square", "triangle", "ellipse", "star", "ring", "line"
LABELS = tuple(f"{colour} {kind}" for colour in COLOURS for kind in KINDS)
_RADIUS = 6, 15  # pixels from an object's middle to its farthest edge, without the latter
_YS, _XS = np.mgrid[:SIDE, :SIDE].astype(np.float32)


class Scene(NamedTuple):
    """An image and the object that is asked for.

    Attributes
    ----------
    photo
        uint8 (`SIDE`, `SIDE`, 3).
    label
        One of `LABELS`; no other object of the scene has it.
    mask
        The pixels of the object: uint8 (`SIDE`, `SIDE`), 0 or 1.
    """

    photo: Photo
    label: str
    mask: Mask


def scene(*seed: int) -> Scene:
    """The scene of a seed: two to four objects that do not touch, on noisy grey."""
    random = np.random.default_rng(seed)
    labels = [LABELS[k] for k in random.permutation(len(LABELS))[: random.integers(2, 5)]]
    photo = np.full((SIDE, SIDE, 3), random.integers(70, 200), np.float32)
    circles: list[tuple[float, float, float]] = []
    drawn: list[Mask] = []
    for label in labels:
        circle = _place(random, circles)
        if circle is None:  # there is no room: one object fewer
            continue
        colour, kind = label.split()
        mask = _shape(random, kind, *circle)
        photo[mask] = np.array(COLOURS[colour]) + random.normal(0, 10, 3)
        circles.append(circle)
        drawn.append(mask.astype(np.uint8))
    photo += random.standard_normal((SIDE, SIDE, 1), np.float32) * 6
    return Scene(photo.clip(0, 255).astype(np.uint8), labels[0], drawn[0])


def _place(
    random: np.random.Generator, circles: list[tuple[float, float, float]]
) -> tuple[float, float, float] | None:
    """The middle (x, y) and radius of an object that touches no other. The first finds room."""
    for _ in range(20):
        radius = float(random.uniform(*_RADIUS))
        x, y = random.uniform(radius + 1, SIDE - radius - 1, 2).tolist()
        if all(np.hypot(x - x2, y - y2) > radius + radius2 + 1 for x2, y2, radius2 in circles):
            return x, y, radius
    return None


def _shape(
    random: np.random.Generator, kind: str, x: float, y: float, radius: float
) -> npt.NDArray[np.bool_]:
    """The pixels of a kind of object around a point, at most `radius` away from it."""
    dx, dy = _XS - x, _YS - y
    turn = random.uniform(0, 2 * np.pi)
    if kind == "square":
        return np.maximum(abs(dx), abs(dy)) <= radius * 0.8
    if kind == "triangle":
        return (2 * abs(dx) <= dy + radius) & (dy <= 0.8 * radius)
    if kind == "line":  # a thin diagonal
        slope = random.choice([-1, 1]) * random.uniform(0.6, 1.6)
        off = abs(dy - slope * dx) / np.hypot(1, slope)
        return (off <= random.uniform(0.8, 1.6)) & (np.hypot(dx, dy) <= radius)
    far, angle = np.hypot(dx, dy), np.arctan2(dy, dx) + turn
    if kind == "ellipse":
        flat = random.uniform(0.4, 0.65)
        return np.hypot(np.cos(angle), np.sin(angle) / flat) * far <= radius
    if kind == "star":
        from_tip = abs((angle * 5 / (2 * np.pi)) % 1 - 0.5) * 2  # 1 at a tip, 0 between two
        return far <= radius * (0.42 + 0.58 * from_tip)
    if kind == "ring":  # a blob with a hole
        lobes = int(random.integers(2, 5))
        edge = radius * (0.85 + 0.15 * np.cos(lobes * angle))
        return (far <= edge) & (far > 0.45 * radius)
    return far <= radius
