"""`maskcodec encode`: masks, label maps and the annotations of an image as text."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from maskcodec.cli import options, read, say, settings
from maskcodec.cli.coco import CocoFile
from maskcodec.cli.codecs import encode_any, encode_image
from maskcodec.data._names import read_names

_WAIT = "Encoding (the very first time, this also compiles)"


@say.reported
@settings.with_codec()
def encode(
    codec: settings.AnyCodec,
    mask: options.MaskArgument,
    label: options.LabelOption = None,
    names: options.NamesOption = None,
    image_id: Annotated[
        str | None,
        typer.Option(
            "--image-id",
            help="Of COCO annotations, the image whose instances are written, labelled by their "
            "categories. scanlines and b-sd write them in the file's order; the others draw small "
            "ones upon large ones.",
            metavar="ID",
        ),
    ] = None,
    path: options.TextOutOption = None,
    lost: options.LostOption = "raise",
) -> None:
    """Turn a mask, a label map or an image's COCO annotations into text.

    A file whose name ends in .json holds annotations, any other an image.

    The text goes to standard output as it is, everything else to standard error. On a terminal,
    characters that it would obey are shown as escapes.

    \b
    Examples:
      maskcodec encode mask.png --label "black dog"
      maskcodec encode mask.png --label "black dog" --sampling best
      maskcodec encode map.png --names names.json --codec r-rle --grid 32
      maskcodec encode instances_val2017.json --image-id 139
    """
    _check_usage(mask, label, names, image_id)
    if path is not None:
        say.checked_output(path, ())
    if image_id is not None:
        found = CocoFile(Path(mask)).image(image_id)
        with say.wait(_WAIT):
            text, dropped, covered = encode_image(codec, found, lost)
        for name in covered:
            say.note(f"smaller instances cover {name!r}: no cell of the grid is left to it")
    else:
        pixels = read.read_mask(mask)
        named = {} if names is None else read_names(names)
        _compare(set(np.unique(pixels).tolist()) - {0}, label, set(named))
        with say.wait(_WAIT):
            text, dropped = encode_any(codec, pixels, named if label is None else label, lost)
    for name in dropped:
        say.note(f"dropped {name!r}: no cell of {codec.cells_name()} is left of it")
    if not text:
        say.note("there is nothing to encode, so the text is empty")
    if path is None and say.is_terminal():
        shown = say.printable(text, keep="\n")
        typer.echo(shown)
        if shown != text:
            say.note("characters that a terminal obeys are shown as escapes; --out writes them")
    elif path is None:
        typer.echo(text.encode(), nl=False)
    else:
        path.write_bytes(text.encode())
        say.wrote(path, f"{len(text)} characters")


def _check_usage(mask: str, label: str | None, names: Path | None, image_id: str | None) -> None:
    """Refuse a call that does not say what is to be encoded, or says it twice."""
    if mask.lower().endswith(".json"):
        if image_id is None:
            raise typer.BadParameter(
                f"{say.printable(mask)} holds annotations: name the image", param_hint="--image-id"
            )
        if label is not None or names is not None:
            given = "--label" if names is None else "--names"
            raise typer.BadParameter(
                f"{given} and --image-id exclude each other: annotations have their categories"
            )
    elif image_id is not None:
        raise typer.BadParameter(
            f"it is for COCO annotations, a .json file, got {mask!r}", param_hint="--image-id"
        )
    elif (label is None) == (names is None):
        raise typer.BadParameter("give --label for a mask, or --names for a label map")


def _compare(seen: set[int], label: str | None, named: set[int]) -> None:
    """Mention values of an image that one label puts together, or that no name is for."""
    if label is not None and len(seen) > 1:
        say.note(f"all {len(seen)} values but 0 count as {label!r}; --names tells them apart")
    nameless = sorted(seen - named) if label is None else []
    if nameless:
        say.note(
            f"without a name, so left out: {', '.join(map(str, nameless[:10]))}"
            f"{' ...' if len(nameless) > 10 else ''}"
        )
