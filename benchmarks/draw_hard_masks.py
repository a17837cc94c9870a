"""Draw what scanlines make of masks that are hard for them: thin, diagonal, holed, of many parts.

Beside each mask is what the paper's canvas of 64 x 64 cells, and scanlines of 11 and 24 rows draw
of it, with the IoU. Writes docs/images/scanlines.png.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import maskcodec as mc
from _common import DOCS

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.uint8]

PICTURE = DOCS / "images" / "scanlines.png"
SHAPE = 240, 320
CODECS = {
    "B-SD, 64 x 64 cells": mc.BSD(sampling="keep"),
    "scanlines, 11 rows": mc.Scanlines(),
    "scanlines, 11 rows, best": mc.Scanlines(sampling="best"),
    "scanlines, 24 rows, best": mc.Scanlines(rows=24, sampling="best"),
}
MISSED, ADDED, BOTH = (0.84, 0.37, 0.0), (0.0, 0.45, 0.70), (0.25, 0.25, 0.25)


def hard_masks() -> dict[str, Mask]:
    """Some masks, drawn by formulas."""
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    y, x = ys - 119.5, xs - 159.5
    far = np.hypot(x, y)
    angle = np.arctan2(y, x)
    pole = np.abs(0.6 * x + y) < 4
    found = {
        "a thin diagonal": pole & (np.abs(x) < 130),
        "a ring": (far < 90) & (far > 55),
        "a fork": (np.abs(y) < 6) & (np.abs(x) < 120)
        | ((x > 0) & (x < 120) & (np.abs(np.abs(y) - 40) < 5))
        | ((np.abs(x) < 6) & (np.abs(y) < 45)),
        "many parts": (np.cos(x / 9) + np.cos(y / 9) > 1.1) & (far < 105),
        "a star": far < 55 + 40 * np.cos(5 * angle),
        "a letter": (np.abs(x) < 70)
        & (np.abs(y) < 80)
        & ((np.abs(np.abs(x) - 55) < 15) | (np.abs(y) < 12)),
    }
    return {name: mask.astype(np.uint8) for name, mask in found.items()}


def coloured(mask: Mask, drawn: Mask) -> npt.NDArray[np.float64]:
    """What is in both, in one, and in the other, on white."""
    picture = np.ones((*mask.shape, 3))
    picture[(mask & drawn) != 0] = BOTH
    picture[(mask & ~drawn & 1) != 0] = MISSED
    picture[(drawn & ~mask & 1) != 0] = ADDED
    return picture


def main() -> None:
    """Draw and write the picture."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    masks = hard_masks()
    figure = Figure(figsize=(12, 2.05 * len(masks)), layout="constrained")
    rows = figure.subplots(len(masks), len(CODECS) + 1, squeeze=False)
    for axes, (name, mask) in zip(rows, masks.items(), strict=True):
        axes[0].imshow(coloured(mask, mask))
        axes[0].set_title(name, fontsize=10, loc="left")
        for one, (title, codec) in zip(axes[1:], CODECS.items(), strict=True):
            (region,) = codec.decode(codec.encode(mask, "object"))
            drawn = region.mask(mask.shape)
            iou = (mask & drawn).sum() / (mask | drawn).sum()
            one.imshow(coloured(mask, drawn))
            one.set_title(f"{title}: IoU {iou:.2f}", fontsize=9, loc="left")
        for one in axes:
            one.set_xticks([])
            one.set_yticks([])
    patches = [
        Patch(color=colour, label=label)
        for colour, label in ((BOTH, "drawn"), (MISSED, "missed"), (ADDED, "too much"))
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(PICTURE, dpi=100)
    print(f"wrote {PICTURE.name}")


if __name__ == "__main__":
    main()
