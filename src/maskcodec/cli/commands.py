"""The app of the command line, with all commands."""

from typing import Annotated

import typer

from maskcodec import __version__
from maskcodec.cli.ask import ask
from maskcodec.cli.build import build
from maskcodec.cli.convert import convert
from maskcodec.cli.decode import decode
from maskcodec.cli.demo import demo
from maskcodec.cli.encode import encode
from maskcodec.cli.evaluate import evaluate
from maskcodec.cli.report import report
from maskcodec.cli.show import show
from maskcodec.cli.tasks import eval_tasks
from maskcodec.cli.tokens import tokens

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
    """Turn segmentation masks into text for multimodal language models, and back.

    \b
    Start with:
      maskcodec demo
      maskcodec encode mask.png --label "black dog" --out answer.txt
      maskcodec decode answer.txt --shape 480x640 --out decoded.png
    """


app.command()(demo)
app.command()(encode)
app.command()(decode)
app.command()(convert)
app.command()(show)
app.command()(tokens)
app.command()(build)
app.command()(ask)
app.command("eval")(evaluate)
app.command()(report)
app.command("eval-tasks")(eval_tasks)
