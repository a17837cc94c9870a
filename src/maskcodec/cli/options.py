"""The command line's options, and the codec that they ask for."""

import dataclasses
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import typer

from maskcodec._labelcodec import LabelCodec
from maskcodec.bricks import BSD
from maskcodec.cli.read import MOST_PIXELS, read_json
from maskcodec.codec import FILE_NAME, codec_ids, from_config, get_codec
from maskcodec.errors import ConfigError

AnyCodec: TypeAlias = BSD | LabelCodec

_OPTIONS = ("grid", "sampling", "bricks", "row_separator", "dialect", "background")


class SamplingName(StrEnum):
    """`maskcodec.grid.Sampling` for Typer."""

    NEAREST = "nearest"
    AREA = "area"
    KEEP = "keep"


class MethodName(StrEnum):
    """`maskcodec.grid.Method` for Typer."""

    NEAREST = "nearest"
    SMOOTH = "smooth"


class DialectName(StrEnum):
    """`maskcodec.labels.Dialect` for Typer."""

    MASKCODEC = "maskcodec"
    TEXT4SEG = "text4seg"


class SeparatorName(StrEnum):
    """What stands between the rows of B-SD: a newline cannot be typed well in a shell."""

    NEWLINE = "newline"
    NONE = "none"


class LostName(StrEnum):
    """`maskcodec.bricks.Lost` for Typer."""

    RAISE = "raise"
    DROP = "drop"


class OutputKind(StrEnum):
    """What `maskcodec decode` writes."""

    MASK = "mask"
    MASKS = "masks"
    INDEX = "index"
    OVERLAY = "overlay"


def _option(*names: str, text: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=text, metavar=metavar)


def _setting(*names: str, text: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel="Codec settings")


MaskArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="The mask, an image file; - reads standard input. A name that ends in .json is one of "
        "COCO annotations: give --image-id."
    ),
]
TextArgument: TypeAlias = Annotated[
    str, typer.Argument(help="A file with the text; - for standard input; or the text itself.")
]
AnnotationsArgument: TypeAlias = Annotated[Path, typer.Argument(help="A COCO annotation file.")]
LabelOption: TypeAlias = Annotated[
    str | None,
    _option("--label", "-l", text="What a mask shows, which is all that is not 0.", metavar="TEXT"),
]
NamesOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--names",
        "-n",
        text='What the values of a label map show: JSON, {"1": "dog", ...} or a list from 0.',
        metavar="FILE",
    ),
]
TextOutOption: TypeAlias = Annotated[
    Path | None,
    _option("--out", "-o", text="Write the text to a file, not to stdout.", metavar="FILE"),
]
LostOption: TypeAlias = Annotated[
    LostName | None,
    _option(
        "--lost",
        text="An object too small for any cell is an error, or left out. "
        "Default: raise for b-sd, drop for the others.",
    ),
]
ShapeOption: TypeAlias = Annotated[
    str | None,
    _option("--shape", "-s", text="The size of the image in pixels.", metavar="HEIGHTxWIDTH"),
]
PhotoOption: TypeAlias = Annotated[
    Path | None,
    _option("--image", "-i", text="The photo to draw on, which also has the size.", metavar="FILE"),
]
PictureOption: TypeAlias = Annotated[
    Path, _option("--out", "-o", text="The image to write.", metavar="FILE")
]
KindOption: TypeAlias = Annotated[
    OutputKind | None,
    _option(
        "--as",
        text="What to write: one mask, a mask for each region, an index image with a value for "
        "each, or a picture. Default: overlay with --image, mask for one region, else index.",
    ),
]
NamesOutOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--names-out",
        text="Write what an index image's values are, as JSON for encode --names.",
        metavar="FILE",
    ),
]
RecoverOption: TypeAlias = Annotated[
    bool, _option("--recover", text="Draw what can be drawn of a broken text, and list its faults.")
]
MethodOption: TypeAlias = Annotated[
    MethodName, _option("--method", text="How cells become pixels.")
]
ImageIdOption: TypeAlias = Annotated[
    str, _option("--image-id", text="The image's id in the annotation file.", metavar="ID")
]
CodecOption: TypeAlias = Annotated[
    str | None,
    _setting(
        "--codec",
        "-c",
        text="b-sd, i-sd, i-rle or r-rle, or a full id such as b-sd/1. Default: b-sd.",
        metavar="NAME",
    ),
]
GridOption: TypeAlias = Annotated[
    str | None,
    _setting(
        "--grid",
        "-g",
        text="Cells per image, such as 64, or 48x64 for rows x columns. "
        "Default: 64 for b-sd, 16 for the others.",
        metavar="CELLS",
    ),
]
SamplingOption: TypeAlias = Annotated[
    SamplingName | None,
    _setting(
        "--sampling",
        text="How pixels become cells: nearest, area, or keep, which loses no object. "
        "Default: nearest.",
        metavar="NAME",
    ),
]
BricksOption: TypeAlias = Annotated[
    bool | None,
    _setting(
        "--bricks/--no-bricks",
        text="b-sd: rows of <fg12>, or of fg12, which needs no added tokens.",
    ),
]
SeparatorOption: TypeAlias = Annotated[
    SeparatorName | None,
    _setting(
        "--row-separator",
        text="b-sd: what stands between rows, newline or none. Default: newline.",
        metavar="NAME",
    ),
]
DialectOption: TypeAlias = Annotated[
    DialectName | None,
    _setting(
        "--dialect",
        text="r-rle: maskcodec, or text4seg, which spells as its checkpoints do. "
        "Default: maskcodec.",
        metavar="NAME",
    ),
]
BackgroundOption: TypeAlias = Annotated[
    str | None,
    _setting(
        "--background", text="Not b-sd: what everything else is. Default: others.", metavar="LABEL"
    ),
]
ConfigOption: TypeAlias = Annotated[
    Path | None,
    _setting("--config", text="A maskcodec.json, instead of the other settings.", metavar="FILE"),
]


def chosen_codec(
    *,
    name: str | None = None,
    config: Path | None = None,
    grid: str | None = None,
    sampling: SamplingName | None = None,
    bricks: bool | None = None,
    row_separator: SeparatorName | None = None,
    dialect: DialectName | None = None,
    background: str | None = None,
) -> AnyCodec:
    """The codec that the options describe; those that are None were not given.

    Raises
    ------
    typer.BadParameter
        No such codec, an option that it does not have, or a value that it refuses.
    ConfigError
        The configuration file does not describe a codec.
    """
    settings: dict[str, Any] = {
        "grid": None if grid is None else parsed_grid(grid),
        "sampling": None if sampling is None else sampling.value,
        "bricks": bricks,
        "row_separator": None if row_separator is None else "\n" * (row_separator == "newline"),
        "dialect": None if dialect is None else dialect.value,
        "background": background,
    }
    settings = {key: value for key, value in settings.items() if value is not None}
    if config is not None:
        extra = [_flag(key) for key in (["codec"] if name else []) + list(settings)]
        if extra:
            raise typer.BadParameter(
                f"{', '.join(extra)} and --config exclude each other: the file says all of it"
            )
        path = config / FILE_NAME if config.is_dir() else config
        try:
            return cast("AnyCodec", from_config(read_json(path)))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
    codec_id = _codec_id(name or "b-sd")
    known = [field.name for field in dataclasses.fields(get_codec(codec_id))]
    for key in settings:
        if key not in known:
            options = ", ".join(_flag(field) for field in known if field in _OPTIONS)
            raise typer.BadParameter(
                f"{codec_id} has no such setting; it has {options}", param_hint=_flag(key)
            )
    try:
        return cast("AnyCodec", get_codec(codec_id, **settings))
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None


def parsed_grid(text: str) -> int | tuple[int, int]:
    """Cells per image as they are typed: ``64`` or ``48x64``."""
    if re.fullmatch("[0-9]{1,9}", text):
        return int(text)
    return _pair(text, "--grid", "64, or 48x64 for rows x columns")


def parsed_shape(text: str) -> tuple[int, int]:
    """An image's size as it is typed, (height, width): ``480x640``."""
    height, width = _pair(text, "--shape", "480x640, height x width")
    if not 1 <= height * width <= MOST_PIXELS:
        raise typer.BadParameter(
            f"an image has 1 .. {MOST_PIXELS} pixels, got {text!r}", param_hint="--shape"
        )
    return height, width


def _pair(text: str, option: str, expected: str) -> tuple[int, int]:
    match = re.fullmatch("([0-9]{1,9})[xX]([0-9]{1,9})", text)
    if not match:
        raise typer.BadParameter(f"expected {expected}, got {text!r}", param_hint=option)
    return int(match[1]), int(match[2])


def _flag(setting: str) -> str:
    return "--bricks/--no-bricks" if setting == "bricks" else "--" + setting.replace("_", "-")


def _codec_id(name: str) -> str:
    """The id that a name stands for: itself, or its newest version."""
    versions: dict[str, list[str]] = {}
    for known in codec_ids():
        versions.setdefault(known.rpartition("/")[0], []).append(known)
    if name in versions:
        return max(versions[name], key=lambda known: int(known.rpartition("/")[2]))
    if name in codec_ids():
        return name
    raise typer.BadParameter(
        f"no codec is called {name!r}; there are {', '.join(versions)}", param_hint="--codec"
    )
