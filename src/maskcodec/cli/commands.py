"""The command line: try the codecs, turn masks into text and back, look at annotations."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer
from rich.text import Text

from maskcodec import __version__
from maskcodec.cli import messages, options
from maskcodec.cli.ask import ask
from maskcodec.cli.build import build
from maskcodec.cli.codecs import compared_codecs, round_trip
from maskcodec.cli.decode import decode
from maskcodec.cli.encode import encode
from maskcodec.cli.evaluate import evaluate
from maskcodec.cli.show import show
from maskcodec.cli.tasks import eval_tasks
from maskcodec.cli.tokens import tokens
from maskcodec.pictures.demo import scene
from maskcodec.pictures.figure import draw_cells, overlay, panels
from maskcodec.text.codec import get_codec

if TYPE_CHECKING:
    from maskcodec.masks.grid import Method

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"maskcodec {__version__}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Segmentation masks as text for multimodal language models, and back.

    \b
    Start with:
      maskcodec demo
      maskcodec encode mask.png --label "black dog" --out answer.txt
      maskcodec decode answer.txt --shape 480x640 --out decoded.png
    """


@app.command()
@messages.reported
def demo(
    path: options.PictureOption = Path("maskcodec-demo.png"),
    name: Annotated[
        Literal["scanlines", "b-sd"],
        typer.Option("--codec", "-c", help="The codec of the picture."),
    ] = "scanlines",
) -> None:
    """See what the codecs do: a scene becomes text, and masks again. Needs no file.

    \b
    Examples:
      maskcodec demo --out scene.png
      maskcodec demo --codec b-sd
    """
    messages.checked_output(path)
    picture = scene()
    compared = compared_codecs()
    methods: tuple[Method, ...] = "nearest", "contour"
    trips = {
        codec_id: round_trip(compared[codec_id], picture, methods)
        for codec_id in messages.steps(compared, "Encoding and decoding")
    }
    heads = "codec", "cells", "characters", "runs", "IoU", "IoU, contour"
    table = messages.new_table("One scene, there and back", *heads)
    for codec_id, trip in sorted(trips.items(), key=lambda item: -len(item[1].text)):
        quality = [f"{np.mean(trip.ious[method]):.3f}" for method in methods]
        cells = compared[codec_id].cells_text()
        table.add_row(codec_id, cells, f"{len(trip.text):,}", f"{trip.runs:,}", *quality)
    messages.out.print(table)
    label, codec = picture.labels[-1], get_codec(name)
    text = codec.encode(picture.masks()[-1], label)
    messages.out.print(f"The {label} as {codec.codec_id}, {len(text)} characters:\n")
    messages.out.print(Text(text, style="cyan"), soft_wrap=True)
    framed = name == "scanlines"
    method, trip, cells = methods[framed], trips[codec.codec_id], codec.cells_text()
    ious = zip(picture.labels, trip.ious[method], strict=True)
    named = [f"{name} {value:.2f}" for name, value in ious]
    height, width = shape = picture.shape
    decoded = (region.mask(shape, method=method) for region in trip.regions)
    before = overlay(picture.image, picture.masks(), picture.labels)
    after = overlay(picture.image, decoded, named)
    pictures = [
        ("Image", f"{height} x {width} pixels", picture.image),
        ("Masks", f"{len(named)} labelled objects", before),
        ("Cells", f"{cells}, what the text says", draw_cells(trip.regions, shape)),
        ("Decoded", f"{'by contour ' * framed}from the text alone, with IoU", after),
    ]
    caption = text.replace("\n", r"\n")
    panels(pictures, legend=picture.labels, caption=caption).save(path, optimize=True)
    messages.wrote(path, "the scene, its masks, its cells, and what the text says")


app.command()(encode)


app.command()(decode)
app.command()(show)
app.command()(tokens)
app.command()(build)
app.command()(ask)
app.command("eval")(evaluate)
app.command("eval-tasks")(eval_tasks)
