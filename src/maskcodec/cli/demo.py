"""`maskcodec demo`: encode and decode a scene with every codec."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from rich.text import Text

from maskcodec.cli import messages, options
from maskcodec.cli.codecs import decode_any, encode_any
from maskcodec.cli.settings import AnyCodec
from maskcodec.formats.scanlines.codec import Scanlines
from maskcodec.masks.grid import Method
from maskcodec.metrics import measure
from maskcodec.pictures.demo import Scene, scene
from maskcodec.pictures.figure import compared, draw_cells, panels
from maskcodec.text.codec import codec_ids, get_codec
from maskcodec.text.regions import Region

_CANVAS = 64
_METHODS: tuple[Method, ...] = "nearest", "contour"
_SHOWN: tuple[tuple[str, str, Method], ...] = (
    ("scanlines/1", "scanlines", "contour"),
    ("b-sd/1", "B-SD, the paper's canvas", "nearest"),
)


class RoundTrip(NamedTuple):
    """A scene encoded and decoded by one codec."""

    cells: str  # the codec's number of cells, in words
    text: str
    runs: int  # in the text; labels or vertices if it has no runs
    regions: list[Region]  # in the order of the scene's objects
    # by the method that paints regions, the IoU of each region and its object
    ious: dict[Method, list[float]]


@messages.reported
def demo(path: options.PictureOption = Path("maskcodec-demo.png")) -> None:
    """Encode a scene as text with every codec, and decode it again. Needs no file.

    \b
    Example:
      maskcodec demo --out scene.png
    """
    messages.checked_output(path)
    picture = scene()
    trips, left_out = dict[str, RoundTrip](), list[str]()
    for codec_id in messages.steps(codec_ids(), "Encoding and decoding"):
        try:
            trips[codec_id] = _round_trip(_with_canvas(codec_id), picture)
        except ModuleNotFoundError as error:
            left_out.append(f"{codec_id} is left out: {error}")
    heads = "codec", "cells", "characters", "runs", "IoU", "IoU, contour"
    table = messages.new_table("One scene, there and back", *heads)
    for codec_id, trip in sorted(trips.items(), key=lambda item: -len(item[1].text)):
        quality = [f"{np.mean(trip.ious[method]):.3f}" for method in _METHODS]
        table.add_row(codec_id, trip.cells, f"{len(trip.text):,}", f"{trip.runs:,}", *quality)
    messages.out.print(table)
    for why in left_out:
        messages.note(why)
    label = "black dog"
    text = Scanlines().encode(picture.masks()[picture.labels.index(label)], label)
    messages.out.print(f"The {label} as scanlines, {len(text)} characters:\n")
    messages.out.print(Text(text, style="cyan"), soft_wrap=True)
    _drawn(picture, trips, text).save(path, optimize=True)
    messages.wrote(path, "the scene, and what is left of it in scanlines and on the paper's canvas")


def _with_canvas(codec_id: str) -> AnyCodec:
    """A codec with its default settings; a grid of labels has B-SD's number of cells."""
    codec = get_codec(codec_id)
    return codec if codec.has_instances else get_codec(codec_id, grid=_CANVAS)


def _round_trip(codec: AnyCodec, picture: Scene) -> RoundTrip:
    """Encode and decode a scene, and measure the regions painted by each method."""
    text, _ = encode_any(codec, picture.label_map, dict(enumerate(picture.labels, 1)))
    bricks = re.findall("<(?:fg|bg|end):?[0-9]+>", text)
    regions, _ = decode_any(codec, text)
    vertices = sum(len(ring) for region in regions for ring in getattr(region, "rings", ()))
    runs = len(bricks) or vertices or text.count("*") or text.count("|") + 1
    regions.sort(key=lambda region: picture.labels.index(region.label))
    pairs = list(zip(picture.masks(), regions, strict=True))
    ious = {
        method: [measure(region, mask, method=method).iou for mask, region in pairs]
        for method in _METHODS
    }
    return RoundTrip(codec.cells_text(), text, runs, regions, ious)


def _drawn(picture: Scene, trips: Mapping[str, RoundTrip], caption: str) -> Image.Image:
    """Draw the scene and its masks, and below them the regions of two codecs side by side."""
    height, width = shape = picture.shape
    sides: list[Sequence[np.typing.ArrayLike]] = [picture.masks()]
    remarks = [[""] * len(picture.labels)]
    cells, heads = [], []
    for codec_id, name, method in _SHOWN:
        trip = trips[codec_id]
        sides.append([region.mask(shape, method=method) for region in trip.regions])
        remarks.append([f"{iou:.2f}" for iou in trip.ious[method]])
        remark = f"{trip.cells}, {len(trip.text):,} characters"
        cells.append((f"Cells of {name}", remark, draw_cells(trip.regions, shape)))
        heads.append(("Decoded from it", f"IoU {np.mean(trip.ious[method]):.2f} on average"))
    before, *after = compared(picture.image, sides, picture.labels, remarks=remarks).pictures
    decoded = [(*head, image) for head, image in zip(heads, after, strict=True)]
    masks = "Masks", f"{len(picture.labels)} labelled objects", before
    image = "Image", f"{height} x {width} pixels", picture.image
    rows = [image, masks, *cells, *decoded]
    return panels(rows, legend=picture.labels, caption=caption)
