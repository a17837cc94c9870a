"""The options of the command line, for Typer."""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import typer

from maskcodec.formats.labels.codec import Dialect
from maskcodec.formats.scanlines.codec import Coordinates
from maskcodec.masks.frame import BoxSampling
from maskcodec.masks.grid import Method
from maskcodec.text.codec import Lost

OutputKind: TypeAlias = Literal["mask", "masks", "index", "overlay"]


def _option(*names: str, text: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=text, metavar=metavar)


def _setting(*names: str, text: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel="Codec settings")


MasksArgument: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        help="Masks to encode: PNG, BMP, TIFF or .npy files, folders, patterns such as "
        "'masks/*.png', or - for standard input. A .json file holds COCO annotations: add "
        "--image-id.",
        metavar="MASK...",
    ),
]
TextArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="The text to decode: a file, - for standard input, or the text itself. A .jsonl file "
        'holds many texts, {"text": "..."} a line, with "height" and "width" or --shape.'
    ),
]
LabelOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--label",
        "-l",
        text="The label of a mask with two values; {} becomes the file's name without its ending.",
        metavar="TEXT",
    ),
]
ThresholdOption: TypeAlias = Annotated[
    int | None,
    _option(
        "--threshold",
        text="Set the pixels of at least this value; for masks of more than two values, such as "
        "grey edges: 128 for 0 .. 255.",
        metavar="N",
    ),
]
NamesOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--names",
        "-n",
        text='Name the values of a label map: JSON, {"1": "dog", ...} or a list from 0; a table; '
        "or a name a line.",
        metavar="FILE",
    ),
]
TextOutOption: TypeAlias = Annotated[
    Path | None,
    _option("--out", "-o", text="Write the text to a file. Default: stdout.", metavar="FILE"),
]
LostOption: TypeAlias = Annotated[
    Lost, _option("--lost", text="Raise an error for an object too small for any cell, or drop it.")
]
ShapeOption: TypeAlias = Annotated[
    str | None,
    _option("--shape", "-s", text="Size of the image in pixels: 480x640.", metavar="HEIGHTxWIDTH"),
]
PhotoOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--image",
        "-i",
        text="Draw on this photo and take its size: PNG, JPEG, BMP, WebP or TIFF.",
        metavar="FILE",
    ),
]
DecodedOption: TypeAlias = Annotated[
    Path | None,
    _option("--out", "-o", text="Image to write. Default: decoded.png.", metavar="FILE"),
]
JsonOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--json",
        text="Write labels, boxes in pixels, COCO run lengths and problems as JSON Lines; - for "
        "standard output. Writes no image unless --out or --as is given.",
        metavar="FILE",
    ),
]
AnswerOption: TypeAlias = Annotated[
    str | None,
    _option("--answer", "-a", text="Key of the text in each line. Default: text.", metavar="NAME"),
]
SourcesArgument: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        help="Datasets: name:path or name:path,option=value,... docs/datasets.md lists the names "
        "and options.",
        metavar="SOURCE...",
    ),
]
KeyOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--key",
        "-k",
        text="Key of the id in each line. Default: id, or idx if a line has no id.",
        metavar="NAME",
    ),
]
AnswerTextOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--answer",
        "-a",
        text="Key of the answer's text in each line. Default: text, or the mask if a line has no "
        "text.",
        metavar="NAME",
    ),
]
AllowMissingOption: TypeAlias = Annotated[
    bool,
    _option(
        "--allow-missing",
        text="Score only the ids that both files have. Default: refuse files whose ids differ.",
    ),
]
ImagesOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--images",
        text="Folder of the photos. Default: the records' own paths, or the PNGs' folder.",
        metavar="DIR",
    ),
]
StartOption: TypeAlias = Annotated[
    int, typer.Option("--start", help="Number of the first record, from 0.", min=0, metavar="N")
]
PictureOption: TypeAlias = Annotated[
    Path, _option("--out", "-o", text="Image to write.", metavar="FILE")
]
KindOption: TypeAlias = Annotated[
    OutputKind | None,
    _option(
        "--as",
        text="Write one mask, masks for the regions, an index image with a value for each region, "
        "or an overlay picture. Default: overlay with --image, mask for up to one region, else "
        "index.",
    ),
]
NamesOutOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--names-out",
        text="Write the labels of an index image's values, as JSON for encode --names.",
        metavar="FILE",
    ),
]
RecoverOption: TypeAlias = Annotated[
    bool, _option("--recover", text="Draw the readable part of a broken text, list its problems.")
]
MethodOption: TypeAlias = Annotated[
    Method | None,
    _option(
        "--method",
        text="Paint cells as rectangles (nearest), smoothly between their centres, or by a contour "
        "through the ends of runs. Default: contour for scanlines, nearest for the others.",
    ),
]
CodecOption: TypeAlias = Annotated[
    str | None,
    _setting(
        "--codec",
        "-c",
        text="Codec: scanlines, b-sd, i-sd, i-rle, r-rle or polygons, or a full id such as b-sd/1. "
        "Default: scanlines.",
        metavar="NAME",
    ),
]
GridOption: TypeAlias = Annotated[
    str | None,
    _setting(
        "--grid",
        "-g",
        text="b-sd, i-sd, i-rle, r-rle: cells a side, such as 64, or rows x columns: 48x64. "
        "Default: 64 for b-sd, 16 for the others.",
        metavar="CELLS",
    ),
]
RowsOption: TypeAlias = Annotated[
    int | None,
    _setting("--rows", text="scanlines: most rows of a box, 1 to 63. Default: 11.", metavar="N"),
]
ColumnsOption: TypeAlias = Annotated[
    int | None,
    _setting("--columns", text="scanlines: columns of a row, 1 to 63. Default: 63.", metavar="N"),
]
PointsOption: TypeAlias = Annotated[
    int | None,
    _setting(
        "--points", text="polygons: most vertices of a mask, 4 to 4096. Default: 24.", metavar="N"
    ),
]
BinsOption: TypeAlias = Annotated[
    int | None,
    _setting(
        "--bins",
        text="scanlines, polygons: values of a coordinate, 1 to 1024, from 2 for polygons. "
        "Default: 1000.",
        metavar="N",
    ),
]
CoordinatesOption: TypeAlias = Annotated[
    Coordinates | None,
    _setting(
        "--coordinates",
        text="scanlines, polygons: write coordinates in digits, or in location tokens such as "
        "<loc281>. Default: digits.",
        metavar="NAME",
    ),
]
SamplingOption: TypeAlias = Annotated[
    BoxSampling | None,
    _setting(
        "--sampling",
        text="Set a cell by one pixel (nearest); if at least half is covered (area, not "
        "scanlines); as area, but without losing an object (keep); or with edges moved nearer to "
        "the mask (best, scanlines only). Default: keep for scanlines, nearest for the others.",
        metavar="NAME",
    ),
]
BricksOption: TypeAlias = Annotated[
    bool | None,
    _setting(
        "--bricks/--no-bricks",
        text="b-sd: write bricks as <fg12>, or as fg12 without added tokens. Default: bricks.",
    ),
]
SeparatorOption: TypeAlias = Annotated[
    Literal["newline", "none"] | None,
    _setting(
        "--row-separator",
        text="b-sd: separator between rows, newline or none. Default: newline.",
        metavar="NAME",
    ),
]
DialectOption: TypeAlias = Annotated[
    Dialect | None,
    _setting(
        "--dialect",
        text="r-rle: spelling, maskcodec or that of Text4Seg's checkpoints (text4seg). "
        "Default: maskcodec.",
        metavar="NAME",
    ),
]
BackgroundOption: TypeAlias = Annotated[
    str | None,
    _setting(
        "--background",
        text="i-sd, i-rle, r-rle: label of all other cells. Default: others.",
        metavar="LABEL",
    ),
]
ConfigOption: TypeAlias = Annotated[
    Path | None,
    _setting("--config", text="Read all settings from a maskcodec.json.", metavar="FILE"),
]
