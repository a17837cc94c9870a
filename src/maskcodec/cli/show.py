"""`maskcodec show`: draw rows, datasets and annotations."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from maskcodec.cli import messages, options, read, settings
from maskcodec.cli.annotations import CocoFile
from maskcodec.cli.codecs import as_drawn, through
from maskcodec.cli.records import Viewer
from maskcodec.files.images import MOST_CLAIMED
from maskcodec.files.photos import as_picture
from maskcodec.messages import plural
from maskcodec.metrics import measure
from maskcodec.pictures.figure import fitted, plain
from maskcodec.pictures.sheet import Tile, sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.cli.records import Record
    from maskcodec.masks.arrays import Mask
    from maskcodec.masks.grid import Method
    from maskcodec.text.regions import Region

_MOST = 100  # records on a sheet
_WHO = {"user": "Q", "assistant": "A"}


@messages.reported
@settings.with_codec
def show(
    codec: settings.AnyCodec,
    what: Annotated[
        str,
        typer.Argument(
            help="Folder or file of rows that build wrote; COCO, panoptic or GSEval annotations; a "
            "dataset, name:path,option=value, as in build; or a PNG with a number a pixel, or a "
            "folder of them.",
            metavar="WHAT",
        ),
    ],
    image_id: Annotated[
        str | None,
        typer.Option(
            "--image-id",
            help="For COCO annotations: draw this image alone, with a table of its instances.",
            metavar="ID",
        ),
    ] = None,
    image: options.PhotoOption = None,
    images: options.ImagesOption = None,
    names: options.NamesOption = None,
    count: Annotated[
        int, typer.Option("--count", help="Records on the sheet.", min=1, max=_MOST, metavar="N")
    ] = 12,
    start: options.StartOption = 0,
    path: options.PictureOption = Path("show.png"),
    method: options.MethodOption = None,
) -> None:
    """Draw a sheet of images from rows or datasets, with their masks and questions.

    Masks of rows are decoded from their text. Masks of a dataset are drawn before and after the
    codec, side by side.

    \b
    Examples:
      maskcodec show rows
      maskcodec show rows/train/00000.jsonl --images photos --start 12
      maskcodec show gseval:GSEval.jsonl,images=coco
      maskcodec show masks --images photos --names names.json
      maskcodec show instances_val2017.json --image-id 139 --image photo.jpg
    """
    messages.checked_output(path)
    if image_id is not None:
        _show_image(codec, Path(what), image_id, image, path, method)
        return
    if image is not None:
        raise typer.BadParameter("it is for one image: give --image-id", param_hint="--image")
    with messages.wait("Reading"):
        viewer = Viewer(what, codec, images=images, names=names, method=method)
    viewer.check_codec(codec)
    with messages.wait("Drawing (the very first time, this also compiles)"):
        found = viewer.read(start, count)
        tiles = [_tile(record, method) for record in found.records]
    if not tiles:
        raise read.InputError(f"{what} has no record {start}: it has fewer")
    texts = [text for tile in tiles for text in (tile.name, *tile.labels, *tile.lines, tile.remark)]
    messages.save(sheet(tiles), path, texts)
    last = start + len(tiles) - 1
    more = f"; --start {last + 1} shows what follows" if len(tiles) == count else ""
    messages.wrote(path, f"records {start} to {last} of {what}{more}")
    if found.missing:
        messages.note(
            f"{plural(len(found.missing), 'photo')} cannot be read, so that the masks are on a "
            f"plain ground; --images names their folder: {found.missing[0]}"
        )


def _tile(record: "Record", method: "Method | None") -> Tile:
    """The tile of a record; control characters in its words become escapes."""
    shape = record.photo.height, record.photo.width
    sides = [[_painted(regions, shape, method) for regions in record.after]]
    if record.before is not None:
        sides = [[runs.cells(shape) for runs in record.before], *sides]
    said = [f"{_WHO.get(role, role)}: {text}" for role, text in record.said if text]
    return Tile(
        messages.printable(record.name),
        record.photo,
        sides,
        [messages.printable(label) for label in record.labels],
        [messages.printable(line, keep="\n") for line in said],
        messages.printable(record.remark),
    )


def _show_image(
    codec: settings.AnyCodec,
    annotations: Path,
    image_id: str,
    image: Path | None,
    path: Path,
    method: "Method | None",
) -> None:
    """Draw an image of COCO annotations before and after the codec, and print a table."""
    found = as_drawn(codec, CocoFile(annotations).image(image_id))
    read.checked_claim(found.shape, f"{annotations}: image {image_id}", MOST_CLAIMED)
    photo = plain(found.shape) if image is None else as_picture(image)
    if (photo.height, photo.width) != found.shape:
        raise read.InputError(
            f"{image} has {photo.height} x {photo.width} pixels, but image {image_id} is "
            f"annotated with {found.shape[0]} x {found.shape[1]}"
        )
    photo = fitted(photo)
    table = messages.new_table(f"Image {image_id}", "no.", "label", "pixels", "characters", "IoU")
    decoded = []
    ious, lost, length = [], [], 0
    steps = messages.steps(through(codec, found), "Encoding", len(found.masks))
    for runs, label, (text, regions) in zip(found.masks, found.labels, steps, strict=True):
        decoded.append(regions)
        length = len(text)
        own = f"{length:,}" if codec.has_instances else ""  # a grid has one text for all masks
        number, area = len(decoded), runs.area
        quality = "empty"
        if area:
            ious.append(measure(regions, runs, method=method).iou)
            quality = f"{ious[-1]:.3f}" if regions else "lost"
        if quality == "lost":
            lost.append(str(number))
        row = str(number), messages.coloured(label, number), f"{area:,}", own, quality
        table.add_row(*row)
    messages.out.print(table)
    if lost:
        covered = "" if codec.has_instances else "smaller ones may lie there, or "
        messages.note(
            f"no cell of {codec.cells_name()} is left for no. {', '.join(lost)}; {covered}"
            "--sampling keep keeps them"
        )
    mean = f"mean IoU {np.mean(ious):.3f}, " if ious else ""
    remark = f"{mean}{codec.codec_id}, {codec.cells_text()}"
    if not codec.has_instances:
        remark += f", {plural(length, 'character')}"
    before = (runs.mask() for runs in found.masks)
    after = (_painted(regions, found.shape, method) for regions in decoded)
    messages.write_comparison(path, photo, found.labels, (before, after), remark)


def _painted(
    regions: "Sequence[Region]", shape: tuple[int, int], method: "Method | None"
) -> "Mask":
    """The mask of an instance's region, empty if the instance was lost."""
    return regions[0].mask(shape, method=method) if regions else np.zeros(shape, np.uint8)
