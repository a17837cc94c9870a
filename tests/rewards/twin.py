"""The reward by its formulas, on painted masks, with every way to match tried."""

from __future__ import annotations

from itertools import permutations
from math import ceil, hypot
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

import maskcodec as mc

if TYPE_CHECKING:
    from collections.abc import Iterator

WEIGHTS = {"iou": 4, "boundary": 1, "box": 1, "label": 1, "format": 2, "length": 1}


def edge(mask: np.ndarray) -> np.ndarray:
    """The pixels that have a neighbour of four which is not set, or none."""
    return mask & ~ndimage.binary_erosion(mask)


def near(pixels: np.ndarray, reach: int) -> np.ndarray:
    square = np.ones((3, 3), bool)
    return ndimage.binary_dilation(pixels, square, iterations=reach) if reach else pixels


def boundary(first: np.ndarray, second: np.ndarray) -> float:
    if not (first.any() and second.any()):
        return 0.0
    reach = ceil(0.008 * hypot(*first.shape))
    edges = edge(first), edge(second)
    precision = (edges[0] & near(edges[1], reach)).sum() / edges[0].sum()
    recall = (edges[1] & near(edges[0], reach)).sum() / edges[1].sum()
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero(mask)
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def box_iou(a: Any, b: Any) -> float:
    both = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (a, b)]
    return both / (sum(areas) - both)


def rewards(
    codec: Any, answer: str, wanted: list[tuple[str, np.ndarray]], words: int = 64
) -> Iterator[dict[str, float]]:
    """What a reward may say: one for each of the best ways to match."""
    found = codec.recover(answer)
    names = "iou", "boundary", "box", "label", "format", "length"
    if not found.regions:
        right = not found.problems and not wanted
        yield dict.fromkeys((*names, "total"), float(right))
        return
    longest = 0
    if wanted:
        labels, masks = zip(*wanted, strict=True)
        longest = 2 * len(mc.BSD(grid=codec.grid, sampling="keep").encode_many(masks, labels))
    whole = {
        "format": 1 / (1 + len(found.problems)),
        "length": min(1, (longest + 4 * words) / len(answer)),
    }
    pairs = {}
    for i, region in enumerate(found.regions):
        for j, (label, pixels) in enumerate(wanted):
            mask = pixels.astype(bool)
            drawn = region.mask(mask.shape).astype(bool)
            pairs[i, j] = {
                "iou": (drawn & mask).sum() / (drawn | mask).sum(),
                "boundary": boundary(drawn, mask),
                "box": box_iou(region.box_pixels(mask.shape), box_of(mask)),
                "label": float(region.label.strip().lower() == label.lower()),
            }
    rows, columns = len(found.regions), len(wanted)
    ways = (
        [*zip(order, range(columns), strict=True)]
        if rows >= columns
        else [*zip(range(rows), order, strict=True)]
        for order in permutations(range(max(rows, columns)), min(rows, columns))
    )
    scored = []
    for way in ways:
        parts = {name: sum(pairs[p][name] for p in way) / max(rows, columns) for name in names[:4]}
        gain = 5 * parts["iou"] + parts["box"] + parts["label"]
        scored.append((gain, {**parts, **whole}))
    best = max(gain for gain, _ in scored)
    for gain, parts in scored:
        if gain > best - 1e-9:
            total = sum(WEIGHTS[name] * parts[name] for name in names) / sum(WEIGHTS.values())
            yield {**parts, "total": total}
