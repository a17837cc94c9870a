r"""Naive twins: what the released Text4Seg scripts do, in our own words.

As fast or slow as those are: Pillow resizes, every cell gets its label as a string, Python
loops compare neighbours. A descriptor is runs of ``label *count`` joined by ``| ``, rows joined
by ``\n ``, and a newline at the end, which `maskcodec.RRLE` calls ``dialect="text4seg"``. No
script for B-SD was released; its twin goes about it in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.uint8]
    Labels = npt.NDArray[np.str_]

BACKGROUND = "others"
LONGEST_BRICK = 63


def encode_rrle(mask: Mask, label: str, size: int) -> str:
    """A mask, uint8 (height, width), as R-RLE text of size x size cells without tags."""
    lines = []
    for row in _label_grid(mask, label, size):
        runs = []
        start = 0
        for column in range(1, size):
            if row[column] != row[column - 1]:
                runs.append(f"{row[start]} *{column - start}")
                start = column
        runs.append(f"{row[start]} *{size - start}")
        lines.append("| ".join(runs))
    return "\n ".join(lines) + "\n"


def encode_bsd(mask: Mask, label: str, size: int) -> str:
    """A mask, uint8 (height, width), as B-SD text; at least one cell must be left of it."""
    grid = _label_grid(mask, label, size)
    ys, xs = np.where(grid == label)
    x1, y1, x2, y2 = xs.min(), ys.min(), xs.max(), ys.max()
    lines = []
    for row in grid[y1 : y2 + 1, x1 : x2 + 1]:
        bricks = []
        start = 0
        for column in range(1, len(row)):
            if row[column] != row[column - 1] or column - start == LONGEST_BRICK:
                bricks.append(_brick(row[start] == label, column - start))
                start = column
        bricks.append(_brick(row[start] == label, len(row) - start))
        lines.append("".join(bricks))
    rows = "\n".join(lines)
    return f"<ref>{label}</ref><box>[[{x1} {y1} {x2} {y2}]]</box><seg>{rows}</seg>"


def decode_rrle(text: str, label: str, size: int, shape: tuple[int, int]) -> Mask:
    """R-RLE text without tags as a mask, uint8 `shape` (height, width)."""
    cells: list[str] = []
    for line in text.strip("\n").split("\n "):
        for run in line.split("| "):
            name, count = run.split(" *")
            cells.extend([name] * int(count))
    flat = "|".join(cells)  # the scripts go through the text without run lengths
    numbers = [1 if name.strip() == label else 0 for name in flat.split("|")]
    grid = np.reshape(numbers, (size, size)).astype(np.uint8)
    height, width = shape
    return np.array(Image.fromarray(grid).resize((width, height), Image.Resampling.NEAREST))


def _label_grid(mask: Mask, label: str, size: int) -> Labels:
    image = Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST)
    labels = [label if value > 0 else BACKGROUND for value in np.array(image).flatten()]
    return np.reshape(labels, (size, size))


def _brick(foreground: bool, count: int) -> str:
    return f"<fg{count}>" if foreground else f"<bg{count}>"
