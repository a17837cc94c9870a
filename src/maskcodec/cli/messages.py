"""The output of the command line: messages, tables, masks, pictures."""

from __future__ import annotations

import functools
import logging
import os
import sys
import traceback
from contextlib import contextmanager, nullcontext
from stat import S_ISDIR
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeAlias, TypeVar

import numpy as np
import typer
from PIL import Image
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    track,
)
from rich.table import Table
from rich.text import Text

from maskcodec.cli.read import InputError
from maskcodec.errors import MaskCodecError, Way
from maskcodec.messages import plural, sides
from maskcodec.pictures.figure import (
    MOST_DRAWN,
    colour_of,
    compared,
    drawable,
    drawn_shape,
    fitted,
    fitted_mask,
    palette,
    panels,
    plain,
    with_legend,
)
from maskcodec.pictures.lettering import unlettered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from maskcodec.errors import Problem
    from maskcodec.masks.arrays import Mask
    from maskcodec.masks.grid import Method
    from maskcodec.text.regions import Region

P = ParamSpec("P")
T = TypeVar("T")
Shape: TypeAlias = tuple[int, int]  # (height, width)

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_STEP = 1 << 18  # bytes between two updates of a progress bar
_NAMED = 5  # most letters that a message names
_WORDS = {"label", "codec", "reason", "what was wrong", "what was drawn"}


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """A command that prints a message and exits with code 1 on bad data, without a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        logger, notes = logging.getLogger("maskcodec"), _Notes()
        logger.addHandler(notes)
        try:
            command(*args, **kwargs)
        except (BrokenPipeError, typer.BadParameter, typer.Abort, typer.Exit):
            raise  # Typer prints them; behind a broken pipe nobody reads
        except (MaskCodecError, ModuleNotFoundError, OSError, UnicodeError) as error:
            message = error.said(option) if isinstance(error, MaskCodecError) else str(error)
            if isinstance(error, OSError) and error.filename is not None:
                message = f"{error.filename}: {error.strerror}"
            typer.secho(f"error: {printable(message)}", err=True, fg=typer.colors.RED)
            raise typer.Exit(1) from None
        except Exception:  # a bug, whose message may hold text of a file
            typer.echo(printable(traceback.format_exc(), keep="\n"), err=True)
            raise typer.Exit(1) from None
        finally:
            logger.removeHandler(notes)

    return run


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())


def option(way: Way) -> str:
    """A way out of an error, as an option of the command line."""
    return " ".join(filter(None, (f"--{way.setting.replace('_', '-')}", way.value, way.does)))


def note(message: str) -> None:
    """Print a note on stderr."""
    typer.secho(f"note: {printable(message)}", err=True, fg=typer.colors.YELLOW)


def wrote(path: Path, what: str) -> None:
    """Print on stderr that a file was written, and its content."""
    typer.echo(f"wrote {printable(f'{path}: {what}')}", err=True)


def wait(what: str) -> AbstractContextManager[object]:
    """Show a spinner on a terminal during work of unknown length."""
    return err.status(what) if _animated() else nullcontext()


def steps(items: Iterable[T], what: str, count: int | None = None) -> Iterable[T]:
    """The items, with a progress bar on a terminal; pass `count` if they have no length."""
    return track(items, _safe(what), count, console=err, transient=True, disable=not _animated())


@contextmanager
def progress(
    what: str, total: int, column: ProgressColumn | None = None
) -> Iterator[Callable[[int], object]]:
    """A function to call with the number of newly done items; shows a bar on a terminal."""
    if not _animated():
        yield lambda _: None
        return
    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn()),
        *(column or MofNCompleteColumn(), TimeElapsedColumn()),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(_safe(what), total=total)
        yield lambda number: bar.advance(task, number)


def reading(found: Iterable[T], path: Path, stop: Callable[[T], int]) -> Iterator[T]:
    """The items of a file, with a progress bar on a terminal; `stop` returns where an item ends."""
    size, done = path.stat().st_size if path.is_file() else 0, 0
    with progress(f"Reading {path.name}", size, DownloadColumn()) as advance:
        for one in found:
            yield one
            if stop(one) - done > _STEP:
                advance(stop(one) - done)
                done = stop(one)


def _animated() -> bool:
    """Whether stderr is a terminal; with ``FORCE_COLOR``, Rich takes a log for one."""
    return err.is_terminal and err.file.isatty()


def _safe(text: str) -> str:
    """A text in which Rich finds no markup."""
    return escape(printable(text))


def printable(text: str, keep: str = "") -> str:
    """A text of a file or a model, safe to print on a terminal.

    Characters that a terminal obeys become escapes such as ``\\x1b``: control characters, those
    that change the direction of writing, those without a width, and line breaks, which would forge
    lines of output. Characters in `keep` stay.
    """
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def new_table(title: str, *columns: str) -> Table:
    """An empty table: words are left-aligned, numbers right-aligned."""
    table = Table(title=_safe(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        justify: Literal["left", "right"] = "left" if column in _WORDS else "right"
        table.add_column(column, justify=justify, overflow="fold")
    return table


def coloured(label: str, number: int) -> Text:
    """A label in its colour on pictures; `number` counts from 1."""
    red, green, blue = colour_of(number - 1)
    return Text(printable(label) or "(no label)", style=f"rgb({red},{green},{blue})")


def print_regions(regions: Sequence[Region], areas: Sequence[int], shape: Shape) -> None:
    """Print a table of decoded regions; `areas` are in pixels of the image's `shape`."""
    table = new_table("Regions", "value", "label", "box x1 y1 x2 y2", "cells", "of the image")
    for number, (region, area) in enumerate(zip(regions, areas, strict=True), 1):
        share = f"{area / (shape[0] * shape[1]):.2%}"
        corners = " ".join(map(str, region.box))
        cells = str(np.count_nonzero(region.cells))
        table.add_row(str(number), coloured(region.label, number), corners, cells, share)
    out.print(table)


def print_problems(problems: Sequence[Problem]) -> None:
    """Print a table of a text's problems."""
    table = new_table("Problems", "position", "reason", "what was wrong", "what was drawn")
    for problem in problems:
        words = (problem.reason, problem.message, problem.action)
        table.add_row(str(problem.position), *(Text(printable(word)) for word in words))
    out.print(table)


def checked_output(
    path: Path,
    endings: tuple[str, ...] = (".png", ".jpg", ".jpeg"),
    *,
    exact: bool = False,
    option: str = "--out",
) -> Path:
    """Check the path of a file to write before any work, and return it.

    Refuses a name without one of the `endings`, and a file that cannot be written. Empty `endings`
    allow any name. `exact` allows .png alone, since the other formats change a mask's values.
    """
    endings = (".png",) if exact else endings
    if endings and path.suffix.lower() not in endings:
        why = " for masks, since others change their values" if exact else ""
        raise typer.BadParameter(
            f"the name must end in {', '.join(endings)}{why}, got {str(path)!r}", param_hint=option
        )
    try:
        wrong = _fault(path)
    except (OSError, RuntimeError, ValueError) as error:  # a long name, a loop of links, a null
        wrong = str(error.strerror if isinstance(error, OSError) else error)
    if wrong:
        raise typer.BadParameter(f"{str(path)!r} cannot be written: {wrong}", param_hint=option)
    return path


def _fault(path: Path) -> str | None:
    """Why a file cannot be written, found without touching it."""
    try:
        is_folder = S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        above = path.resolve().parent  # a link may lead to a file that does not exist yet
        if not above.is_dir():
            return f"there is no folder {str(above)!r}"
        return None if os.access(above, os.W_OK | os.X_OK) else "its folder may not be changed"
    if is_folder:
        return "it is a folder"
    return None if os.access(path, os.W_OK) else "it may not be changed"


def write_mask(path: Path, regions: Sequence[Region], shape: Shape, method: Method | None) -> None:
    """Write one mask of all regions."""
    mask = np.zeros(shape, np.uint8)
    for painted in paint(regions, shape, method):
        mask |= painted
    Image.fromarray(mask * 255).save(path)
    wrote(path, f"a mask of {shape[0]} x {shape[1]} pixels, 255 where set, else 0")


def write_masks(path: Path, regions: Sequence[Region], shape: Shape, method: Method | None) -> None:
    """Write a mask for each region; the file's name ends in its row number in the table."""
    names = [path.with_stem(f"{path.stem}-{number + 1}") for number in range(len(regions))]
    for name in names:
        checked_output(name, exact=True)
    masks = paint(regions, shape, method)
    for name, region, painted in zip(names, regions, masks, strict=True):
        Image.fromarray(painted * 255).save(name)
        wrote(name, f"a mask of {region.label!r}, 255 where set, else 0")


def write_index(
    path: Path, regions: Sequence[Region], areas: Sequence[int], shape: Shape, method: Method | None
) -> None:
    """Write a label map as PNG with each region's number: in colours, or 16 bits above 255 regions.

    Small regions cover large ones, so that few are hidden.
    """
    if len(regions) > 65535:
        raise InputError(f"an index image holds up to 65535 regions, got {len(regions)}")
    order = sorted(range(len(regions)), key=lambda number: -areas[number])
    index = np.zeros(shape, np.uint16)
    for number, painted in zip(
        order, paint([regions[n] for n in order], shape, method), strict=True
    ):
        index[painted != 0] = number + 1
    hidden = int(sum(areas) - np.count_nonzero(index))
    picture = Image.fromarray(index)
    if len(regions) < 256:
        picture = Image.fromarray(index.astype(np.uint8))
        picture.putpalette(bytes(part for colour in [(0, 0, 0), *palette(255)] for part in colour))
    picture.save(path)
    wrote(path, f"an index of {shape[0]} x {shape[1]} pixels, values as in the table, else 0")
    if hidden:
        note(
            f"regions overlap, which hides {plural(hidden, 'pixel')} of larger ones; --as masks "
            "keeps them"
        )


def write_overlay(
    path: Path,
    photo: Image.Image | None,
    regions: Sequence[Region],
    size: Shape,
    method: Method | None,
) -> None:
    """Draw the regions on the photo or on a plain ground; large ones are scaled down."""
    shape = drawn_shape(size)
    ground = plain(shape) if photo is None else drawable(photo)
    labels = [printable(region.label) for region in regions]
    drawn = compared(ground, [paint(regions, shape, method)], labels)
    save(with_legend(drawn.pictures[0], drawn.legend), path, labels)
    wrote(path, f"the decoded regions over {sides(shape)} pixels")
    if shape != size:
        note(
            f"the picture is smaller than the image of {sides(size)} pixels: up to "
            f"{MOST_DRAWN:,} are drawn; --as index or masks has all"
        )


def write_comparison(
    path: Path,
    photo: Image.Image,
    labels: Sequence[str],
    masks: tuple[Iterable[Mask], Iterable[Mask]],
    remark: str,
) -> None:
    """Draw masks before and after encoding on a photo, side by side, numbered as in the table.

    The photo may have another size than the masks.
    """
    small = fitted(photo)
    sides = [(fitted_mask(mask, small.size) for mask in side) for side in masks]
    names = [printable(label) for label in labels]
    drawn = compared(small, sides, names)
    titles = ("Original", plural(len(labels), "instance")), ("Decoded", remark)
    titled = [(*title, picture) for title, picture in zip(titles, drawn.pictures, strict=True)]
    save(panels(titled, legend=drawn.legend), path, names)
    wrote(path, "the annotations before and after")


def save(picture: Image.Image, path: Path, texts: Iterable[str]) -> None:
    """Write a picture, and note letters of its texts that no font has."""
    picture.save(path, optimize=True)
    if lacking := unlettered(texts):
        some = ", ".join(map(repr, lacking[:_NAMED]))
        more = f" and {len(lacking) - _NAMED} more" * (len(lacking) > _NAMED)
        note(
            f"no font here has {some}{more}, so the picture shows "
            f"{ascii(lacking[0])[1:-1]} and the like: fonts such as Noto Sans CJK have more"
        )


def paint(regions: Sequence[Region], shape: Shape, method: Method | None) -> Iterator[Mask]:
    """The mask of each region; all use one array, which the next mask overwrites."""
    mask = np.empty(shape, np.uint8)
    for region in steps(regions, "Painting"):
        yield region.mask(shape, method=method, out=mask)
