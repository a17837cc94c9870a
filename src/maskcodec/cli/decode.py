"""`maskcodec decode`: turn texts into masks, pictures or JSON."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from maskcodec.cli import messages, options, read, settings
from maskcodec.cli.hints import decode_or_tell, other_options
from maskcodec.cli.read import InputError
from maskcodec.data._jsonfile import lines, shown
from maskcodec.data._jsontext import parsed
from maskcodec.errors import MaskCodecError, within
from maskcodec.files.images import MOST_CLAIMED
from maskcodec.files.photos import as_picture
from maskcodec.messages import plural
from maskcodec.pictures.figure import drawable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.errors import Problem
    from maskcodec.masks.grid import Method
    from maskcodec.text.regions import Region

_OUT = Path("decoded.png")
_WAIT = "Decoding (the very first time, this also compiles)"


@messages.reported
@settings.with_codec
def decode(
    codec: settings.AnyCodec,
    text: options.TextArgument,
    shape: options.ShapeOption = None,
    image: options.PhotoOption = None,
    path: options.DecodedOption = None,
    kind: options.KindOption = None,
    names_out: options.NamesOutOption = None,
    json_out: options.JsonOption = None,
    answer_name: options.AnswerOption = None,
    recover: options.RecoverOption = False,
    method: options.MethodOption = None,
) -> None:
    """Turn a text into masks and list its regions, or turn many texts into JSON Lines.

    \b
    Examples:
      maskcodec decode answer.txt --shape 480x640 --out mask.png
      maskcodec decode answer.txt --image photo.jpg --out overlay.jpg
      maskcodec decode answer.txt --shape 480x640 --codec b-sd
      maskcodec decode - --shape 480x640 --recover
      maskcodec decode answers.jsonl --shape 480x640 --json masks.jsonl --recover
    """
    many = text.lower().endswith(".jsonl")
    if many and (path, kind, names_out, image) != (None,) * 4:
        raise typer.BadParameter(
            "many texts become JSON: leave out --out, --as, --names-out, --image"
        )
    if answer_name is not None and not many:
        raise typer.BadParameter("it is for a .jsonl file", param_hint="--answer")
    if json_out is not None and str(json_out) != read.STDIN:
        messages.checked_output(json_out, (), option="--json")
    if names_out is not None:
        if kind not in (None, "index"):
            raise typer.BadParameter(f"--as {kind} has no values to name", param_hint="--names-out")
        messages.checked_output(names_out, (), option="--names-out")
        kind = "index"
    size = None if shape is None else settings.parsed_shape(shape)
    if many:
        _decode_lines(codec, Path(text), size, json_out, answer_name or "text", recover, method)
        return
    draws = json_out is None or (path, kind) != (None, None)
    if kind is None and image is not None:
        kind = "overlay"
    path = path or _OUT
    if draws:
        messages.checked_output(path, exact=kind != "overlay")
    photo = None if image is None else as_picture(image)
    if photo is not None:
        if size not in (None, (photo.height, photo.width)):
            raise typer.BadParameter(
                f"{messages.printable(str(image))} has {photo.height} x {photo.width} pixels, got "
                f"{shape!r}; leave it out",
                param_hint="--shape",
            )
        size = photo.height, photo.width
        photo = drawable(photo)
    if size is None:
        raise typer.BadParameter("give --shape, the size of the image, or --image")
    answer, typed = read.read_text(text)
    has_tag = any(tag in answer for tag in codec.tags())
    if typed and codec.tags() and not has_tag and (codec.has_instances or codec.is_words(answer)):
        raise InputError(
            f"there is no file {answer[:60]!r}, and as a text it has no mask: expected is "
            f"{codec.tags()[0]}; - reads a text from standard input"
        )
    with messages.wait(_WAIT):
        regions, problems = decode_or_tell(codec, answer, recover=recover)
    areas = [int(np.count_nonzero(mask)) for mask in messages.paint(regions, size, method)]
    if kind is None:
        kind = "mask" if len(regions) < 2 else "index"
    if not draws:
        pass
    elif kind == "overlay":
        messages.write_overlay(path, photo, regions, size, method)
    elif kind == "masks":
        messages.write_masks(path, regions, size, method)
    elif kind == "mask":
        messages.write_mask(path, regions, size, method)
    else:
        messages.write_index(path, regions, areas, size, method)
    if names_out is not None:
        names = {str(number): r.label for number, r in enumerate(regions, 1) if r.label}
        names_out.write_text(json.dumps(names, ensure_ascii=False, indent=2) + "\n", "utf-8")
        messages.wrote(names_out, plural(len(names), "name"))
    if json_out is not None:
        _write_lines(json_out, [_plain(regions, problems, size, method)])
    if json_out is None or str(json_out) != read.STDIN:
        if regions:
            messages.print_regions(regions, areas, size)
        if recover:
            messages.print_problems(problems)
    if not regions:
        messages.note("the text shows nothing")
    if recover and problems and (flags := other_options(codec, answer)):
        messages.note(f"all of the text can be read with {flags}")


def _decode_lines(
    codec: settings.AnyCodec,
    path: Path,
    size: tuple[int, int] | None,
    out: Path | None,
    name: str,
    recover: bool,
    method: "Method | None",
) -> None:
    """Decode the texts of a JSON Lines file; writes lines that keep their other plain fields."""
    rows: list[dict[str, Any]] = []
    broken = 0
    for *_, number, line in messages.steps(lines(path), "Decoding"):
        where = f"{path}, line {number}"
        entry = parsed(line, where)
        if not isinstance(entry, dict) or not isinstance(entry.get(name), str):
            kind = shown(entry.get(name)) if isinstance(entry, dict) else shown(entry)
            raise InputError(
                f'{where} must be an object with a text for its "{name}", got {kind}; --answer '
                "says what it is called"
            )
        own = read.size_of(where, entry) or size
        if own is None:
            raise InputError(f'{where} needs "height" and "width", or --shape for all lines')
        read.checked_claim(own, where, MOST_CLAIMED)
        try:
            regions, problems = decode_or_tell(codec, entry[name], recover=recover)
        except MaskCodecError as error:
            raise within(where, error) from error
        broken += bool(problems)
        kept = {key: value for key, value in entry.items() if _is_plain(value) and key != name}
        rows.append({**kept, **_plain(regions, problems, own, method)})
    _write_lines(out or Path(read.STDIN), rows)
    if broken:
        messages.note(f"{plural(broken, 'text')} of {len(rows):,} had problems, as each line says")


def _plain(
    regions: "Sequence[Region]",
    problems: "Sequence[Problem]",
    shape: tuple[int, int],
    method: "Method | None",
) -> dict[str, Any]:
    """The regions and problems of a text as plain data for JSON."""
    found = [
        {
            "label": region.label,
            "box": list(region.box_pixels(shape)),
            "segmentation": region.coco_rle(shape, method=method, text=True),
        }
        for region in regions
    ]
    return {"regions": found, "problems": [problem._asdict() for problem in problems]}


def _write_lines(path: Path, rows: "Sequence[dict[str, Any]]") -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if str(path) == read.STDIN:
        typer.echo(text, nl=False)
    else:
        path.write_text(text, "utf-8")
        messages.wrote(path, plural(len(rows), "line"))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float))
