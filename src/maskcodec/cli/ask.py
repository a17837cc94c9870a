"""`maskcodec ask`: ask a model behind a server, and show its answer as text and picture."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from maskcodec import TokenCodec, draw, serve
from maskcodec.answers import Answer, Progress
from maskcodec.cli import messages, options
from maskcodec.cli.read import InputError
from maskcodec.errors import ServerError
from maskcodec.files.photos import as_picture
from maskcodec.messages import few, plural
from maskcodec.serve.requests import Constrain, Server

if TYPE_CHECKING:
    from PIL import Image

_PAUSE = 0.5  # seconds at least between two pictures of --follow


@messages.reported
def ask(
    question: Annotated[str, typer.Argument(help="Question about the image.")],
    server: Annotated[
        str,
        typer.Option(
            "--server", help="Server's address, such as http://localhost:8000.", metavar="URL"
        ),
    ],
    image: Annotated[
        Path,
        typer.Option("--image", "-i", help="Photo: PNG, JPEG, BMP, WebP or TIFF.", metavar="FILE"),
    ],
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label", "-l", help="Allow this label; repeatable. Default: any.", metavar="TEXT"
        ),
    ] = None,
    instances: Annotated[
        int | None,
        typer.Option("--instances", help="Most masks. Default: any.", min=0, metavar="N"),
    ] = None,
    free_text: Annotated[
        bool, typer.Option("--words/--no-words", help="Allow words around masks.")
    ] = True,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer",
            "-t",
            help="Folder with the model's tokenizer and maskcodec.json. Default: the folder that "
            "the server loaded the model from.",
            metavar="DIR",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="Model's name. Default: the server's only model.", metavar="N"
        ),
    ] = None,
    engine: Annotated[Server, typer.Option("--engine", help="Engine of the server.")] = "vllm",
    constrain: Annotated[
        Constrain,
        typer.Option(
            "--constrain",
            help="Hold the answer to valid masks by a grammar, by maskcodec's processor in the "
            "server, or not at all.",
        ),
    ] = "grammar",
    path: options.PictureOption = Path("answer.png"),
    follow: Annotated[
        bool, typer.Option("--follow", help="Redraw the picture while the answer comes.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Server's API key.", envvar="MASKCODEC_API_KEY", metavar="KEY"),
    ] = None,
) -> None:
    """Ask a model behind vLLM or SGLang, print its answer and draw the masks on the photo.

    \b
    Examples:
      maskcodec ask --server http://localhost:8000 --image photo.jpg "Segment the dog"
      maskcodec ask --server http://localhost:8000 --image photo.jpg "Segment the dog" --follow
    """
    messages.checked_output(path)
    photo = as_picture(image)
    try:
        with messages.wait("Asking for the model"):
            listed = serve.served(server, key=key)
    except ImportError as error:
        raise InputError(str(error)) from None
    name = next(iter(listed)) if model is None else model
    if name not in listed or (model is None and len(listed) > 1):
        raise InputError(f"the server has {plural(len(listed), 'model')}: {few(listed)}; --model")
    tokens = _tokens(name, Path(listed[name]), folder)
    body = serve.request(
        question,
        image,
        tokens,
        labels=labels or None,
        instances=instances,
        free_text=free_text,
        server=engine,
        constrain=constrain,
        model=name,
        stream=True,
    )
    show = _Redrawn(photo, path) if follow else None
    try:
        with messages.wait("Waiting for the answer"):
            answer = serve.ask(server, body, tokens, key=key, follow=show)
    except ServerError as error:
        if error.answer is not None:
            _report(error.answer, photo, path)
        raise
    _report(answer, photo, path)
    if not answer.finished:
        messages.note("the answer was cut off at the most tokens that it may have")


def _tokens(name: str, loaded_from: Path, folder: Path | None) -> TokenCodec:
    """The codec and the tokenizer of a model; a folder that also holds the model is checked."""
    found = folder or loaded_from
    if folder is None and not found.is_dir():
        raise InputError(
            f"the server loaded {name!r} from {str(found)!r}, which is no folder here; --tokenizer "
            "names one with the model's tokenizer and maskcodec.json"
        )
    return serve.check(found) if (found / "config.json").exists() else TokenCodec.load(found)


def _report(answer: Answer, photo: "Image.Image", path: Path) -> None:
    """Print an answer, and draw it."""
    text = answer.text
    typer.echo(messages.printable(text, keep="\n") if messages.is_terminal() else text)
    shape = photo.height, photo.width
    if answer.regions:
        areas = [int(np.count_nonzero(region.mask(shape))) for region in answer.regions]
        messages.print_regions(answer.regions, areas, shape)
    if answer.problems:
        messages.print_problems(answer.problems)
    labels = [region.label for region in answer.regions]
    messages.save(answer.show(photo), path, labels)
    messages.wrote(path, f"the photo with {plural(len(labels), 'mask')}")


class _Redrawn:
    """Draws the answer so far; replaces the file at once, so that viewers see whole pictures."""

    def __init__(self, photo: "Image.Image", path: Path) -> None:
        self._photo, self._path, self._next = photo, path, 0.0

    def __call__(self, now: Progress) -> None:
        if time.monotonic() < self._next:
            return
        half = self._path.with_stem(f"{self._path.stem}.part")
        draw(self._photo, now.regions).save(half)
        os.replace(half, self._path)  # noqa: PTH105
        self._next = time.monotonic() + _PAUSE
