"""A COCO annotation file of any size, to see how long it takes and how much memory.

The same arguments give the same file. Five annotations to an image: of twenty, fourteen are
polygons, up to three each, five are compressed run lengths, and one is a crowd, whose run lengths
are not compressed. Written as it is made: no more than one annotation is held.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pycocotools.mask as coco
from rich.console import Console
from rich.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

SHAPE = 480, 640
CATEGORIES = 80
CROWDED = 5  # annotations to an image
CORNERS = 8, 60  # of a polygon
SIZES = 6, 260  # pixels from an object's middle to its edge


def outline(random: np.random.Generator) -> list[float]:
    """A star-shaped polygon inside the image, with coordinates as COCO has them."""
    count = int(random.integers(*CORNERS))
    angles = np.sort(random.uniform(0, 2 * np.pi, count))
    radius = np.exp(random.uniform(*np.log(SIZES))) * random.uniform(0.6, 1, count)
    middle = random.uniform(0, SHAPE[1]), random.uniform(0, SHAPE[0])
    xs = np.clip(middle[0] + radius * np.cos(angles), 0, SHAPE[1])
    ys = np.clip(middle[1] + radius * np.sin(angles), 0, SHAPE[0])
    points: list[float] = np.stack([xs, ys], axis=1).round(2).ravel().tolist()
    return points


def counts(mask: npt.NDArray[np.uint8]) -> list[int]:
    """Run lengths that are not compressed."""
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=np.uint8(0), append=1 - flat[-1]))
    lengths: list[int] = np.diff(edges, prepend=0).tolist()
    return lengths


def annotation(number: int, random: np.random.Generator) -> dict[str, Any]:
    """One annotation; its number decides its kind and its image."""
    polygons = [outline(random) for _ in range(1 + int(random.integers(10) >= 8) * 2)]
    parts = coco.frPyObjects(polygons, *SHAPE)
    rle = coco.merge(parts)
    crowd = number % 20 == 19
    segmentation: Any = polygons
    if crowd:
        segmentation = {"size": list(SHAPE), "counts": counts(coco.decode(rle))}
    elif number % 10 >= 7:
        segmentation = {"size": list(SHAPE), "counts": rle["counts"].decode()}
    return {
        "id": number + 1,
        "image_id": number // CROWDED + 1,
        "category_id": int(random.integers(CATEGORIES)) + 1 if number % 2 else 1,
        "iscrowd": int(crowd),
        "area": float(coco.area(rle)),
        "bbox": coco.toBbox(rle).tolist(),
        "segmentation": segmentation,
    }


def parts(count: int, seed: int = 0) -> Iterator[str]:
    """A file of that many annotations, piece by piece: one for each annotation."""
    random = np.random.default_rng(seed)
    height, width = SHAPE
    images = (
        {"id": k, "height": height, "width": width, "file_name": f"{k:012}.jpg"}
        for k in range(1, -(-count // CROWDED) + 1)
    )
    names = ({"id": k, "name": f"category {k}"} for k in range(1, CATEGORIES + 1))
    yield '{"images": ['
    yield from listed(images)
    yield '], "categories": ['
    yield from listed(names)
    yield '], "annotations": ['
    yield from listed(annotation(number, random) for number in range(count))
    yield "]}\n"


def listed(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """What stands between the brackets of a list in JSON."""
    for number, entry in enumerate(entries):
        yield ",\n" * (number > 0) + json.dumps(entry)


def main() -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("--annotations", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    options = parser.parse_args()
    if options.annotations < 0:
        parser.error("--annotations must be at least 0")
    console = Console(stderr=True)
    with (
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
        options.out.open("w", encoding="utf-8") as file,
    ):
        file.writelines(
            progress.track(
                parts(options.annotations, options.seed),
                total=options.annotations * (CROWDED + 1) // CROWDED + CATEGORIES,
                description="writing",
            )
        )
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
