"""`maskcodec encode`: turn masks, label maps and an image's annotations into text."""

import glob
import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from maskcodec.cli import messages, options, read, settings
from maskcodec.cli.annotations import CocoFile
from maskcodec.cli.codecs import encode_any, encode_image
from maskcodec.cli.read import InputError
from maskcodec.data._names import read_names
from maskcodec.errors import LabelError, LostMaskError, within
from maskcodec.masks.arrays import as_two_values
from maskcodec.messages import plural
from maskcodec.text.codec import Lost

_ENDINGS = ".png", ".bmp", ".tif", ".tiff", ".npy"  # of masks in folders
_WAIT = "Encoding (the very first time, this also compiles)"


@messages.reported
@settings.with_codec
def encode(
    codec: settings.AnyCodec,
    masks: options.MasksArgument,
    label: options.LabelOption = None,
    names: options.NamesOption = None,
    threshold: options.ThresholdOption = None,
    image_id: Annotated[
        str | None,
        typer.Option(
            "--image-id",
            help="For COCO annotations: encode this image's instances, labelled by their "
            "categories. Codecs with a grid (i-sd, i-rle, r-rle) draw small ones over large ones.",
            metavar="ID",
        ),
    ] = None,
    path: options.TextOutOption = None,
    lost: options.LostOption = "raise",
) -> None:
    """Turn masks, label maps or an image's COCO annotations into text.

    A file whose name ends in .json holds annotations, any other an image. With several files, a
    folder or a pattern, each file becomes a line of JSON: file, label (or labels) and text.

    The text goes to standard output, everything else to standard error. On a terminal, characters
    that it would obey become escapes.

    \b
    Examples:
      maskcodec encode mask.png --label "black dog"
      maskcodec encode mask.png --label "black dog" --sampling best
      maskcodec encode map.png --names names.json --codec r-rle --grid 32
      maskcodec encode masks --label "{}" --out masks.jsonl
      maskcodec encode instances_val2017.json --image-id 139
    """
    files = _files(masks)
    many = files != masks or len(files) > 1
    _check_usage(files, label, names, image_id)
    if threshold is not None and label is None:
        raise typer.BadParameter("it is for a mask with a --label", param_hint="--threshold")
    if path is not None:
        messages.checked_output(path, ())
    named = {} if names is None else read_names(names)
    if many:
        lines = _lines(codec, files, label, named, lost, threshold)
        _write(lines, path, plural(len(files), "line"))
        return
    if image_id is not None:
        found = CocoFile(Path(files[0])).image(image_id)
        with messages.wait(_WAIT):
            text, dropped, covered = encode_image(codec, found, lost)
        for name in covered:
            messages.note(f"smaller instances cover {name!r}: no cell of the grid is left to it")
        _mention(codec, dropped)
    else:
        with messages.wait(_WAIT):
            own = _label(label, files[0])
            text = _encoded(codec, files[0], own, named, lost, threshold)
    if not text:
        messages.note("there is nothing to encode, so the text is empty")
    _write(text, path, plural(len(text), "character"))


def _files(masks: list[str]) -> list[str]:
    """The files of the arguments; those of a folder or a pattern are sorted, at any depth."""
    found: list[str] = []
    for mask in masks:
        path = Path(mask)
        inside = [mask]
        if mask != read.STDIN and path.is_dir():
            inside = sorted(str(one) for one in path.rglob("*") if one.suffix.lower() in _ENDINGS)
            if not inside:
                raise InputError(f"{mask} is a folder without {', '.join(_ENDINGS)}")
        elif not path.exists() and any(sign in mask for sign in "*?["):
            inside = sorted(glob.glob(mask, recursive=True))  # noqa: PTH207, may be absolute
            if not inside:
                raise InputError(f"no file is called like {mask}")
        found += inside
    return found


def _lines(
    codec: settings.AnyCodec,
    files: list[str],
    label: str | None,
    named: dict[int, str],
    lost: Lost,
    threshold: int | None,
) -> str:
    """A line of JSON for each file."""
    lines = []
    for file in messages.steps(files, "Encoding"):
        own = _label(label, file)
        try:
            text = _encoded(codec, file, own, named, lost, threshold, f"{file}: ")
        except (LabelError, LostMaskError) as error:
            raise within(file, error) from error
        said = {"label": own} if own is not None else {"labels": list(named.values())}
        lines.append(json.dumps({"file": file, **said, "text": text}, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)


def _encoded(
    codec: settings.AnyCodec,
    file: str,
    label: str | None,
    named: dict[int, str],
    lost: Lost,
    threshold: int | None,
    where: str = "",
) -> str:
    pixels = read.read_mask(file)
    if label is None:
        _compare(set(np.unique(pixels).tolist()) - {0}, set(named), where)
    else:
        pixels = as_two_values(pixels, file, threshold)
    text, dropped = encode_any(codec, pixels, named if label is None else label, lost)
    _mention(codec, dropped, where)
    return text


def _mention(codec: settings.AnyCodec, dropped: list[str], where: str = "") -> None:
    for name in dropped:
        messages.note(f"{where}dropped {name!r}: no cell of {codec.cells_name()} is left of it")


def _label(label: str | None, file: str) -> str | None:
    """The label of a file: {} becomes the file's name without its ending."""
    return None if label is None else label.replace("{}", Path(file).stem)


def _write(text: str, path: Path | None, what: str) -> None:
    if path is None and messages.is_terminal():
        shown = messages.printable(text, keep="\n")
        typer.echo(shown)
        if shown != text:
            messages.note(
                "characters that a terminal obeys are shown as escapes; --out writes them"
            )
    elif path is None:
        typer.echo(text.encode(), nl=False)
    else:
        path.write_bytes(text.encode())
        messages.wrote(path, what)


def _check_usage(
    files: list[str], label: str | None, names: Path | None, image_id: str | None
) -> None:
    """Refuse options that do not fit the files or each other."""
    annotations = [file for file in files if file.lower().endswith(".json")]
    if annotations and len(files) > 1:
        raise typer.BadParameter(
            f"{messages.printable(annotations[0])} holds annotations: they go alone, with "
            "--image-id"
        )
    if annotations:
        if image_id is None:
            raise typer.BadParameter(
                f"{messages.printable(files[0])} holds annotations: name the image",
                param_hint="--image-id",
            )
        if label is not None or names is not None:
            given = "--label" if names is None else "--names"
            raise typer.BadParameter(
                f"{given} and --image-id exclude each other: annotations have their categories"
            )
    elif image_id is not None:
        raise typer.BadParameter(
            f"it is for COCO annotations, a .json file, got {files[0]!r}", param_hint="--image-id"
        )
    elif (label is None) == (names is None):
        raise typer.BadParameter("give --label for a mask, or --names for a label map")


def _compare(seen: set[int], named: set[int], where: str) -> None:
    """Note values of a label map that have no name."""
    nameless = sorted(seen - named)
    if nameless:
        messages.note(
            f"{where}without a name, so left out: {', '.join(map(str, nameless[:10]))}"
            f"{' ...' if len(nameless) > 10 else ''}"
        )
