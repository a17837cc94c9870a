"""The command line's options, as Typer takes them."""

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
        help="Masks: PNG, BMP, TIFF or .npy; - reads standard input. Or a folder, or a pattern: "
        "'masks/*.png'. A name that ends in .json is one of COCO annotations: give --image-id.",
        metavar="MASK...",
    ),
]
TextArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="A file with the text; - for standard input; or the text itself. A name that ends in "
        '.jsonl is one of many: {"text": "..."} a line, with "height" and "width" or --shape.'
    ),
]
LabelOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--label",
        "-l",
        text="What a mask of two values shows; {} is the file's name.",
        metavar="TEXT",
    ),
]
ThresholdOption: TypeAlias = Annotated[
    int | None,
    _option(
        "--threshold",
        text="Set what is at least this in a mask of more than two values, such as one with grey "
        "edges: 128 for 0 .. 255.",
        metavar="N",
    ),
]
NamesOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--names",
        "-n",
        text='What the values of a label map show: JSON, {"1": "dog", ...} or a list from 0; or a '
        "table, or a name a line.",
        metavar="FILE",
    ),
]
TextOutOption: TypeAlias = Annotated[
    Path | None,
    _option("--out", "-o", text="Write the text to a file, not to stdout.", metavar="FILE"),
]
LostOption: TypeAlias = Annotated[
    Lost, _option("--lost", text="An object too small for any cell is an error, or left out.")
]
ShapeOption: TypeAlias = Annotated[
    str | None,
    _option("--shape", "-s", text="The size of the image in pixels.", metavar="HEIGHTxWIDTH"),
]
PhotoOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--image",
        "-i",
        text="The photo to draw on, which also has the size: PNG, JPEG, BMP, WebP or TIFF.",
        metavar="FILE",
    ),
]
DecodedOption: TypeAlias = Annotated[
    Path | None,
    _option("--out", "-o", text="The image to write. Default: decoded.png.", metavar="FILE"),
]
JsonOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--json",
        text="Write what the text shows as JSON Lines, - for standard output: labels, boxes in "
        "pixels, COCO run lengths, problems. Without --out and --as, no image is written then.",
        metavar="FILE",
    ),
]
AnswerOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--answer", "-a", text="What the text is called in lines. Default: text.", metavar="NAME"
    ),
]
SourcesArgument: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        help="Datasets, name:path or name:path,option=value,... The names and their options are in "
        "docs/datasets.md.",
        metavar="SOURCE...",
    ),
]
KeyOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--key",
        "-k",
        text="What the id is called in lines. Default: id, or where there is none idx.",
        metavar="NAME",
    ),
]
AnswerTextOption: TypeAlias = Annotated[
    str | None,
    _option(
        "--answer",
        "-a",
        text="What the text of an answer is called. Default: text, or where there is none the mask "
        "counts.",
        metavar="NAME",
    ),
]
AllowMissingOption: TypeAlias = Annotated[
    bool,
    _option(
        "--allow-missing",
        text="Score only what both files have, instead of refusing files whose ids differ.",
    ),
]
ImagesOption: TypeAlias = Annotated[
    Path | None,
    _option(
        "--images",
        text="The folder of the photos. Default: where the records say, or beside the PNGs.",
        metavar="DIR",
    ),
]
StartOption: TypeAlias = Annotated[
    int, typer.Option("--start", help="The first record, from 0.", min=0, metavar="N")
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
    Method | None,
    _option(
        "--method",
        text="How cells become pixels: as rectangles, smooth between their centres, or by a "
        "contour through the ends of their rows. Default: contour for scanlines, else nearest.",
    ),
]
CodecOption: TypeAlias = Annotated[
    str | None,
    _setting(
        "--codec",
        "-c",
        text="scanlines, b-sd, i-sd, i-rle or r-rle, or a full id such as b-sd/1. "
        "Default: scanlines.",
        metavar="NAME",
    ),
]
GridOption: TypeAlias = Annotated[
    str | None,
    _setting(
        "--grid",
        "-g",
        text="b-sd, i-sd, i-rle, r-rle: cells per image, such as 64, or 48x64 for rows x columns. "
        "Default: 64 for b-sd, 16 for the others.",
        metavar="CELLS",
    ),
]
RowsOption: TypeAlias = Annotated[
    int | None,
    _setting(
        "--rows", text="scanlines: the most rows of a box, 1 to 63. Default: 11.", metavar="N"
    ),
]
ColumnsOption: TypeAlias = Annotated[
    int | None,
    _setting(
        "--columns", text="scanlines: the columns of a row, 1 to 63. Default: 63.", metavar="N"
    ),
]
PointsOption: TypeAlias = Annotated[
    int | None,
    _setting(
        "--points",
        text="polygons: the most vertices of a mask, 4 to 4096. Default: 24.",
        metavar="N",
    ),
]
BinsOption: TypeAlias = Annotated[
    int | None,
    _setting(
        "--bins",
        text="scanlines, polygons: parts of each side of the image for coordinates, 1 to 1024. "
        "Default: 1000.",
        metavar="N",
    ),
]
CoordinatesOption: TypeAlias = Annotated[
    Coordinates | None,
    _setting(
        "--coordinates",
        text="scanlines, polygons: coordinates in digits, or in location tokens <loc281>. "
        "Default: digits.",
        metavar="NAME",
    ),
]
SamplingOption: TypeAlias = Annotated[
    BoxSampling | None,
    _setting(
        "--sampling",
        text="How pixels become cells: nearest, one pixel a cell; area, at least half covered (not "
        "scanlines); keep, as area but loses no object; best, moves edges nearer to the mask "
        "(scanlines only). "
        "Default: keep for scanlines, nearest for the others.",
        metavar="NAME",
    ),
]
BricksOption: TypeAlias = Annotated[
    bool | None,
    _setting(
        "--bricks/--no-bricks",
        text="b-sd: rows of <fg12>, or of fg12, which needs no added tokens. Default: bricks.",
    ),
]
SeparatorOption: TypeAlias = Annotated[
    Literal["newline", "none"] | None,
    _setting(
        "--row-separator",
        text="b-sd: what stands between rows, newline or none. Default: newline.",
        metavar="NAME",
    ),
]
DialectOption: TypeAlias = Annotated[
    Dialect | None,
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
        "--background",
        text="i-sd, i-rle, r-rle: the label of everything else. Default: others.",
        metavar="LABEL",
    ),
]
ConfigOption: TypeAlias = Annotated[
    Path | None,
    _setting("--config", text="A maskcodec.json, instead of the other settings.", metavar="FILE"),
]
