"""Pictures of what small models have learned: curves, and predictions side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from _asking import mask_of, painted
from maskcodec.data import open_source
from maskcodec.pictures.figure import panels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_COLOURS = "#0072B2", "#E69F00", "#CC79A7", "#007A5A", "#D55E00", "#56B4E9", "#666666"
_SCALE = 2  # of the scenes, to be looked at
_INK = 40, 40, 60  # of masks, which no shape has


def predictions(
    images: Sequence[str], rows: Mapping[str, Sequence[Any]], titles: Sequence[str]
) -> Image.Image:
    """Scenes from left to right: as they are, and below with the masks of each row on them.

    Parameters
    ----------
    images
        Paths.
    rows
        By its name, a mask for each image.
    titles
        What each image was asked for.
    """
    photos = []
    for path in images:
        with Image.open(path) as opened:
            photos.append(np.array(opened.convert("RGB")))
    pictures = [(titles[k], "", _enlarged(photo)) for k, photo in enumerate(photos)]
    for name, masks in rows.items():
        for k, photo in enumerate(photos):
            shown = 255 - (255 - photo) // 3
            shown[masks[k] != 0] = _INK
            pictures.append(("" if k else name, "", _enlarged(shown)))
    return panels(pictures, columns=len(images)).quantize(128)  # the noise makes large files


def _enlarged(pixels: Any) -> Image.Image:
    size = _SCALE * pixels.shape[1], _SCALE * pixels.shape[0]
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)


def pictures(
    codecs: Mapping[str, Any],
    results: Mapping[str, Sequence[Mapping[str, Any]]],
    scenes: Path,
    count: int,
    folder: Path,
) -> None:
    """Draw what the first run of each setting answered, a picture for each split that was asked.

    Parameters
    ----------
    codecs
        By the setting's name.
    results
        What `learn_shapes.learn` returns, by the setting's name.
    scenes
        The folder that the questions are of.
    count
        How many of them.
    folder
        Where to write ``predictions-SPLIT.png``.
    """
    whole = {name: runs[0]["asked"] for name, runs in results.items() if "asked" in runs[0]}
    names = {"learned": "train", "held out": "val"}
    for split in dict.fromkeys(split for asked in whole.values() for split in asked):
        samples: Any = open_source("refer", scenes, split=names[split], images=scenes / "images")
        chosen = list(samples)[:count]
        rows = {"target": [painted(_counts(one)) for one in chosen]}
        for name, asked in whole.items():
            texts = asked[split].get("guided", asked[split]["free"])["texts"]
            rows[f"prediction, {name}"] = [mask_of(codecs[name], text) for text in texts]
        titles = [one.query.removeprefix("the ") for one in chosen]
        sheet = predictions([one.image for one in chosen], rows, titles)
        sheet.save(folder / f"predictions-{split.replace(' ', '-')}.png")


def _counts(sample: Any) -> list[int]:
    (rle,) = sample.instances[0].segmentation
    return rle["counts"]  # type: ignore[no-any-return]


def curves(results: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Draw loss and held-out gIoU against steps, a line for each seed of each setting."""
    from matplotlib.figure import Figure

    looked = any(run["curve"] for runs in results.values() for run in runs)
    figure = Figure(figsize=(9 if looked else 4.5, 4), layout="constrained")
    left, *others = figure.subplots(1, 2 if looked else 1, squeeze=False)[0]
    for number, (name, runs) in enumerate(results.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        for seed, run in enumerate(runs):
            label = name if seed == 0 else None
            if run["losses"]:
                left.plot(*zip(*run["losses"], strict=True), color=colour, linewidth=1)
            for axes in others[: len(run["curve"])]:
                steps, _, ious = zip(*run["curve"], strict=True)
                axes.plot(steps, ious, color=colour, linewidth=1.5, label=label)
    left.set_yscale("log")
    for axes, title in zip([left, *others], ["loss", "gIoU, held out"], strict=False):
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("steps")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    for axes in others:
        axes.legend(frameon=False, fontsize=8)
        axes.set_ylim(0, 1)
    figure.savefig(path, dpi=150)
