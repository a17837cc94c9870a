"""`maskcodec convert`: write answers and rows in another codec's text."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any

import typer

from maskcodec.cli import messages, options
from maskcodec.cli.read import InputError, size_of
from maskcodec.cli.settings import AnyCodec, parsed_shape
from maskcodec.data._jsonfile import lines, shown
from maskcodec.data._jsontext import parsed
from maskcodec.errors import ConfigError, LostMaskError, MaskError
from maskcodec.masks.runs import RunMask, united
from maskcodec.messages import plural
from maskcodec.metrics import measure
from maskcodec.others.read import SOURCES
from maskcodec.others.reader import SourceReader
from maskcodec.others.regions import BoxRegion
from maskcodec.text.codec import file_beside, get_codec, load
from maskcodec.text.regions import Region


@messages.reported
def convert(
    answers: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help='JSON Lines: {"text": "...", "height": 480, "width": 640}, or rows with '
            '"messages", whose assistant texts are converted.',
        ),
    ],
    path: Annotated[Path, typer.Argument(metavar="OUT", help="JSON Lines file to write.")],
    origin: Annotated[
        str,
        typer.Option(
            "--from",
            help=f"Source of the answers: {', '.join(SOURCES)}; or a codec's name, or a folder "
            "with a maskcodec.json.",
            metavar="SOURCE",
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--to",
            help="Codec to write: its name, or a folder with a maskcodec.json.",
            metavar="CODEC",
        ),
    ],
    answer: Annotated[
        str, typer.Option("--answer", "-a", help="Key of the text in each line.", metavar="NAME")
    ] = "text",
    shape: options.ShapeOption = None,
    label: Annotated[
        str, typer.Option("--label", "-l", help="Label for masks that have none.")
    ] = "object",
) -> None:
    """Write answers or rows as the text of another codec, and report losses.

    Masks are painted and encoded again; the command reports the IoU between old and new. Boxes
    without a mask are left out and counted. Words around masks are left out.

    \b
    Examples:
      maskcodec convert answers.jsonl ours.jsonl --from gemini-3 --to scanlines
      maskcodec convert rows.jsonl polygons.jsonl --from b-sd --to polygons
      maskcodec convert text4seg.jsonl ours.jsonl --from text4seg --to checkpoint --shape 480x640
    """
    messages.checked_output(path, (), option="OUT")
    size = None if shape is None else parsed_shape(shape)
    codec = _codec(target, "--to")
    if not codec.has_instances:
        raise typer.BadParameter(
            f"{codec.codec_id} writes a grid of labels and has no instances", param_hint="--to"
        )
    made = _Made(_source(origin, answers), codec, answer, size, label)
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        try:
            with messages.wait("Converting"):
                file.writelines(made.lines(answers))
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
    made.report(path)


class _Made:
    """Converts lines, and counts losses."""

    def __init__(
        self, source: Any, codec: AnyCodec, answer: str, shape: tuple[int, int] | None, label: str
    ) -> None:
        self.source, self.codec, self.answer = source, codec, answer
        self.shape, self.label = shape, label
        self.ious: list[float] = []
        self.texts = self.broken = self.boxes = self.lost = 0

    def lines(self, path: Path) -> Iterator[str]:
        """The lines of a file, converted."""
        for *_, number, line in lines(path):
            where = f"{path}, line {number}"
            entry = parsed(line, where)
            if not isinstance(entry, dict):
                raise InputError(f"{where} must be an object, one a line, got {shown(entry)}")
            shape = size_of(where, entry) or self.shape
            if isinstance(entry.get(self.answer), str):
                entry[self.answer] = self._text(where, entry[self.answer], shape)
            elif isinstance(entry.get("messages"), list):
                for turn in entry["messages"]:
                    said = turn.get("content") if isinstance(turn, dict) else None
                    if isinstance(said, str) and turn.get("role") == "assistant":
                        turn["content"] = self._text(where, said, shape, keep=True)
            else:
                raise InputError(
                    f'{where} has no text called "{self.answer}" and no "messages"; --answer says '
                    "what it is called"
                )
            yield json.dumps(entry, ensure_ascii=False) + "\n"

    def report(self, path: Path) -> None:
        """Print the counts of written and lost texts, masks and regions."""
        messages.wrote(path, f"{plural(self.texts, 'text')} as {self.codec.codec_id}")
        if self.ious:
            mean = sum(self.ious) / len(self.ious)
            messages.note(
                f"{plural(len(self.ious), 'mask')}: mean IoU {mean:.3f}, worst "
                f"{min(self.ious):.3f}, of what the new text draws with what the old one did"
            )
        for count, what, said in (
            (self.broken, "broken text", "read as far as it goes"),
            (self.boxes, "region", "left out: a box has no mask"),
            (self.lost, "mask", "left out: no cell or no pixel of it is left"),
        ):
            if count:
                messages.note(f"{plural(count, what)} {said}")

    def _text(
        self, where: str, text: str, shape: tuple[int, int] | None, *, keep: bool = False
    ) -> str:
        """A text as the target codec writes it; `keep` returns a text without masks unchanged."""
        found = self.source.recover(text)
        self.texts += 1
        self.broken += bool(found.problems)
        if keep and not found.regions:
            return text
        masks, names = list[RunMask](), list[str]()
        for region in found.regions:
            mask = self._mask(where, region, shape)
            if mask is not None:
                masks.append(mask)
                names.append(region.label or self.label)
        kept = [(m, n) for m, n in zip(masks, names, strict=True) if self._trip(where, m, n)]
        return str(self.codec.encode_many([m for m, _ in kept], [n for _, n in kept]))

    def _mask(self, where: str, region: Region, shape: tuple[int, int] | None) -> RunMask | None:
        if isinstance(region, BoxRegion):
            self.boxes += 1
            return None
        own = getattr(region, "own", None)
        size = own.shape if shape is None and own is not None else shape
        if size is None:
            raise InputError(
                f'{where} needs "height" and "width", or --shape: masks are compared in pixels'
            )
        try:
            return region.runs(size)
        except MaskError as error:
            raise InputError(f"{where}: {error}") from error

    def _trip(self, where: str, mask: RunMask, name: str) -> bool:
        """Whether the codec keeps a mask; records the IoU of the mask and its decoded regions."""
        try:
            regions = self.codec.decode(self.codec.encode(mask, name))
        except LostMaskError:
            regions = []
        except ValueError as error:
            raise InputError(f"{where}: {error}") from error
        if not regions:
            self.lost += 1
            return False
        again = united([region.runs(mask.shape) for region in regions])
        self.ious.append(measure(again, mask).iou)
        return True


def _source(name: str, path: Path) -> Any:
    """The reader of the answers: a codec, or a `SourceReader`."""
    if name == "maskcodec":
        file = file_beside(path)
        if file is None:
            raise InputError(f"no maskcodec.json is beside {path}; --from takes the codec's name")
        return load(file)
    return SourceReader(name) if name in SOURCES else _codec(name, "--from")  # type: ignore[arg-type]


def _codec(name: str, option: str) -> AnyCodec:
    if Path(name).exists():
        return load(name)
    try:
        return get_codec(name)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
