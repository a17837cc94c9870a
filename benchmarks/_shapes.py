"""Drawn scenes of a few coloured shapes, and questions that mean exactly one of them."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from maskcodec.data import Instance, Sample

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

SIDE = 128  # pixels of an image, each way
COLOURS = {
    "red": (220, 50, 47),
    "green": (60, 160, 60),
    "blue": (50, 90, 220),
    "yellow": (235, 200, 50),
}
KINDS = "circle", "square", "triangle"
PLACES = "on the left", "on the right", "at the top", "at the bottom"
EXPRESSIONS = [
    f"the {colour} {kind}{place}"
    for colour in COLOURS
    for kind in KINDS
    for place in ("", *(f" {place}" for place in PLACES))
]
_RADIUS = 11, 27  # pixels from a shape's middle to its farthest edge, without the latter
_APART = 28  # pixels between two shapes of which one is on the left, or at the top
_TWINS = 0.4  # the share of scenes that have two of a kind
_YS, _XS = np.mgrid[:SIDE, :SIDE]


class Shape(NamedTuple):
    """One shape: what it is, and where, in pixels."""

    colour: str
    kind: str
    x: int
    y: int
    radius: int

    @property
    def name(self) -> str:
        """What it is called where it is the only one of its kind."""
        return f"the {self.colour} {self.kind}"

    def mask(self) -> Mask:
        """Its pixels: bool (`SIDE`, `SIDE`)."""
        dx, dy = _XS - self.x, _YS - self.y
        if self.kind == "circle":
            return dx**2 + dy**2 <= self.radius**2
        if self.kind == "square":
            half = round(self.radius * 0.85)
            return (abs(dx) <= half) & (abs(dy) <= half)
        return (2 * abs(dx) <= dy + self.radius) & (dy <= self.radius)


@dataclass(frozen=True, slots=True)
class Scene:
    """An image, its shapes, and a question about the first of them."""

    image: Image.Image
    shapes: tuple[Shape, ...]
    expression: str

    def counts(self) -> dict[str, Any]:
        """The run lengths of the shape that is meant, as COCO has them."""
        flat = np.concatenate([[False], self.shapes[0].mask().T.ravel()])
        edges = np.flatnonzero(flat[1:] != flat[:-1])
        lengths = np.diff(edges, prepend=0, append=SIDE * SIDE)
        return {"size": [SIDE, SIDE], "counts": lengths.tolist()}

    def sample(self, key: str) -> Sample:
        """What `maskcodec.data` makes a row of; the image has no name."""
        meant = Instance(label=self.expression, segmentation=self.counts())
        return Sample(
            key=key,
            image="",
            shape=(SIDE, SIDE),
            task="expression",
            query=self.expression,
            instances=(meant,),
        )


def scene(*seed: int) -> Scene:
    """The scene of a seed, the same one on every machine."""
    random = np.random.default_rng(seed)
    twins = random.random() < _TWINS
    while True:
        shapes = _shapes(random, twins=twins)
        expression = _expression(random, shapes, twins=twins)
        if expression is not None:
            return Scene(_drawn(random, shapes), shapes, expression)


def _shapes(random: np.random.Generator, *, twins: bool) -> tuple[Shape, ...]:
    """Two to four shapes that do not touch; only the first two may be of a kind."""
    names = [(colour, kind) for colour in COLOURS for kind in KINDS]
    chosen = random.permutation(len(names))[: int(random.integers(2, 5))]
    wanted = [names[k] for k in chosen]
    if twins:
        wanted[1] = wanted[0]
    shapes: list[Shape] = []
    for colour, kind in wanted:
        for _ in range(20):  # then there is no room, and the scene has fewer
            radius = int(random.integers(*_RADIUS))
            x, y = random.integers(radius + 1, SIDE - radius - 1, 2).tolist()
            one = Shape(colour, kind, x, y, radius)
            if all(_clear(one, other) for other in shapes):
                shapes.append(one)
                break
    return tuple(shapes)


def _clear(one: Shape, other: Shape) -> bool:
    gap = max(abs(one.x - other.x), abs(one.y - other.y))
    return gap > one.radius + other.radius + 2


def _expression(
    random: np.random.Generator, shapes: tuple[Shape, ...], *, twins: bool
) -> str | None:
    """What the first shape is called; None where no words tell it from the second."""
    first = shapes[0]
    if not twins:
        return first.name
    if len(shapes) < 2 or shapes[1].name != first.name:
        return None  # there was no room for its twin
    across, down = shapes[1].x - first.x, shapes[1].y - first.y
    right = [PLACES[0] if across > 0 else PLACES[1]] * (abs(across) >= _APART)
    right += [PLACES[2] if down > 0 else PLACES[3]] * (abs(down) >= _APART)
    return f"{first.name} {random.choice(right)}" if right else None


def _drawn(random: np.random.Generator, shapes: tuple[Shape, ...]) -> Image.Image:
    """The shapes on grey, with a little noise on all of it."""
    pixels = np.full((SIDE, SIDE, 3), random.integers(90, 226), np.float64)
    for one in shapes:
        pixels[one.mask()] = np.array(COLOURS[one.colour]) + random.normal(0, 10, 3)
    pixels += random.normal(0, 6, (SIDE, SIDE, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write_refer(folder: Path, scenes: dict[str, list[Scene]]) -> None:
    """Write scenes by split as a folder in REFER's layout, its images in ``images``."""
    (folder / "images").mkdir(parents=True)
    images, annotations, refs = [], [], []
    number = 0
    for split, some in scenes.items():
        for one in some:
            number += 1
            name = f"{number:06}.png"
            one.image.save(folder / "images" / name)
            images.append({"id": number, "file_name": name, "height": SIDE, "width": SIDE})
            annotations.append(
                {"id": number, "image_id": number, "segmentation": [one.counts()], "iscrowd": 0}
            )
            refs.append(
                {
                    "ref_id": number,
                    "ann_id": number,
                    "image_id": number,
                    "split": split,
                    "sentences": [{"sent_id": number, "sent": one.expression}],
                }
            )
    tables = {"images": images, "annotations": annotations, "categories": []}
    (folder / "instances.json").write_text(json.dumps(tables), encoding="utf-8")
    (folder / "refs(drawn).p").write_bytes(pickle.dumps(refs, 0))
