"""`maskcodec report`: write answers or rows as one HTML page."""

from __future__ import annotations

import math
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskcodec.cli import messages, options, settings
from maskcodec.cli.evaluate import KINDS, check_targets
from maskcodec.cli.read import InputError
from maskcodec.cli.records import UNKNOWN, Viewer
from maskcodec.cli.scoring import Comparison, Scores
from maskcodec.errors import MaskError, SourceError
from maskcodec.masks.runs import united
from maskcodec.messages import plural
from maskcodec.metrics.answers import Figures, measured, read_answer
from maskcodec.pictures.figure import fitted_sides
from maskcodec.report.cards import Card, Turn
from maskcodec.report.page import SIDE, Figure, Page
from maskcodec.tokenizers.extension import extend_tokenizer
from maskcodec.tokenizers.pretrained import bare_tokenizer, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maskcodec.cli.records import Record
    from maskcodec.cli.scoring import Scored, Target
    from maskcodec.masks.grid import Method
    from maskcodec.masks.runs import RunMask
    from maskcodec.metrics.answers import Measured
    from maskcodec.metrics.overlap import Overlap
    from maskcodec.report.cards import Kind
    from maskcodec.report.page import Photo
    from maskcodec.text.regions import Region

_MOST = 20_000  # cards on a page
_QUESTIONS = "question", "query", "expression", "caption", "prompt", "sentence"
_LABELS, _SOURCES = ("label", "category"), ("source", "dataset")


@messages.reported
@settings.with_codec
def report(
    codec: settings.AnyCodec,
    what: Annotated[
        str,
        typer.Argument(
            help="Rows or a dataset, as in show; with TARGETS, a model's answers, as in eval.",
            metavar="WHAT",
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Argument(
            help="Targets of the answers, as in eval: COCO annotations (.json) or lines (.jsonl).",
            metavar="[TARGETS]",
            show_default=False,
        ),
    ] = None,
    path: Annotated[
        Path, typer.Option("--out", "-o", help="Page to write.", metavar="FILE")
    ] = Path("report.html"),
    images: options.ImagesOption = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            "--tokenizer",
            "-t",
            help="Count the answers' tokens with this tokenizer: a name on the Hub, a folder, or a "
            "tokenizer.json. Default: count characters.",
            metavar="NAME",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", help="Most cards on the page.", min=1, max=_MOST, metavar="N")
    ] = 2000,
    start: options.StartOption = 0,
    key: options.KeyOption = None,
    answer: options.AnswerTextOption = None,
    allow_missing: options.AllowMissingOption = False,
    names: options.NamesOption = None,
    method: options.MethodOption = None,
) -> None:
    """Write answers or rows as one HTML page, which needs no server and no network.

    Each card has the photo with target, answer and cells, the question, and the text with its
    problems marked. The page filters by label, source, size and kind of answer, and sorts by IoU
    and length.

    With TARGETS, the page has the figures of eval for all answers, also if it has fewer cards.

    \b
    Examples:
      maskcodec report rows --images photos
      maskcodec report predictions.jsonl targets.jsonl --images photos --out report.html
      maskcodec report predictions.jsonl instances_val2017.json --tokenizer checkpoint
    """
    messages.checked_output(path, (".html", ".htm"))
    if truth is not None:
        check_targets(truth)
    for option, given in ("--key", key), ("--answer", answer), ("--allow-missing", allow_missing):
        if given and truth is None:
            raise typer.BadParameter("it is for answers with TARGETS", param_hint=option)
    if truth is None:
        with messages.wait("Reading"):
            viewer = Viewer(what, codec, images=images, names=names, method=method, side=SIDE)
        viewer.check_codec(codec)
        maker = _Maker(what, viewer.codec, tokenizer, method, Figures())
        for record in messages.steps(viewer.each(start, count), "Drawing"):
            maker.add_record(record)
        maker.missing, notes = viewer.missing, list[str]()
    else:
        scores = Scores(codec, answer, method)
        maker = _Maker(f"{what} against {truth}", codec, tokenizer, method, scores.figures)
        pairs = Comparison(Path(what), truth, key=key, scores=scores, allow_missing=allow_missing)
        for number, scored in enumerate(pairs):  # all pairs count for the figures
            if start <= number < start + count:
                maker.add_answer(scored, images)
        notes = scores.notes(pairs.ids)
        if (samples := scores.figures.samples) > len(maker.page):
            notes.append(
                f"the figures are of {samples:,} answers; --count and --start choose cards"
            )
    if not len(maker.page):
        raise InputError(f"{what} has no record {start}: it has fewer")
    if maker.missing:
        notes.append(
            f"{plural(len(maker.missing), 'photo')} cannot be read, so that the masks are on a "
            f"plain ground; --images names their folder: {maker.missing[0]}"
        )
    path.write_text(maker.html(notes), "utf-8")
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    messages.wrote(path, f"{plural(len(maker.page), 'card')}, {size}; open it in a browser")
    for note in notes:
        messages.note(note)


class _Maker:
    """Makes cards of records and scored answers.

    Parameters
    ----------
    title
        The title of the page.
    codec, method
        How answers are decoded, and how cells become pixels.
    tokenizer
        Counts the answers' tokens; None counts characters.
    figures
        The figures of the answers. Rows with targets are added to it here.
    """

    def __init__(
        self,
        title: str,
        codec: settings.AnyCodec,
        tokenizer: str | None,
        method: Method | None,
        figures: Figures,
    ) -> None:
        self._codec, self._method, self._figures = codec, method, figures
        self._counter: Any = None
        if tokenizer is not None:
            with messages.wait("Reading the vocabulary"):
                self._counter = bare_tokenizer(load_tokenizer(tokenizer))
                extend_tokenizer(codec, self._counter)
        unit = "characters" if tokenizer is None else "tokens"
        self.page = Page(title, f"{codec.codec_id}, cells {codec.cells_text()}", unit)
        self.missing: list[str] = []

    def add_record(self, record: Record) -> None:
        """Add the card of a row, or of a dataset's record."""
        regions = [one for found in record.after for one in found]
        turns = record.turns or [Turn(*said) for said in record.said]
        card = Card(
            name=record.name,
            source=record.source,
            turns=turns,
            regions=regions,
            targets=record.targets,
            kind=_kind(turns, bool(regions)),
            thumb=(record.photo.height, record.photo.width),
            tokens=self._length(turns),
            remark="" if any(turn.problems for turn in turns) else record.remark,
            method=self._method,
        )
        if record.image:
            photo = self.page.photo(record.image, lambda: record.photo)
            card = card._replace(photo=photo.number)
        if record.before is not None:
            card = card._replace(
                targets=list(zip(record.labels, record.before, strict=True)),
                lost=sum(not found for found in record.after),
                iou=sum(record.ious) / len(record.ious) if record.ious else None,
                remark="" if record.ious else record.remark,  # the remark repeats the IoU
            )
        elif record.targets is not None:
            try:
                found = self._measured(record, [mask for _, mask in record.targets])
                card = card._replace(iou=found.iou, lost=_lost(found.overlap))
            except MaskError as error:
                card = card._replace(remark=str(error))
        self.page.add(card)

    def add_answer(self, scored: Scored, images: Path | None) -> None:
        """Add the card of an answer beside its target."""
        target, overlap = scored.target, scored.found.overlap
        entry = {**scored.row.entry, **target.entry}
        asked, label, source = (_text(entry, names) for names in (_QUESTIONS, _LABELS, _SOURCES))
        turns = [Turn("user", asked)] if asked else []
        regions: list[Region | RunMask] = [] if scored.mask is None else [scored.mask]
        if scored.said is not None:
            regions = [*scored.said.regions]
            turns.append(Turn("assistant", scored.text, scored.said.problems))
        photo = self._photo(target, images) if target.image else None
        shape = target.shape or (photo.shape if photo else UNKNOWN)
        card = Card(
            name=scored.row.key,
            source=source or str(PurePath(target.image).parent).strip("."),
            turns=turns,
            regions=regions,
            targets=[] if target.mask is None else [(label, target.mask)],
            kind="mask" if scored.said is None else _kind(turns, overlap.prediction > 0),
            photo=photo.number if photo else None,
            thumb=photo.thumb if photo else fitted_sides(shape, least=SIDE, most=SIDE),
            iou=scored.iou,
            tokens=self._length(turns),
            lost=_lost(overlap),
            method=self._method,
        )
        self.page.add(card)

    def html(self, notes: Sequence[str]) -> str:
        """The page, with the tables of `maskcodec eval` if there are figures."""
        figures = self._figures
        rows, counts = list[Figure](), list[Figure]()
        if figures.samples:
            for name, (value, of) in figures.compute().items():
                shown = "-" if math.isnan(value) else f"{value:.4f}"
                rows.append(Figure(name, shown, f"{of:,}"))
            for kind, words in KINDS.items():
                shown = f"{figures.counts[kind]:,}"
                counts.append(Figure(words, shown, f"{figures.share(kind):.1%}"))
        return self.page.html(rows, counts, notes)

    def _measured(self, record: Record, targets: list[RunMask]) -> Measured:
        """Measure the last answer of a row, and add it to the figures."""
        last = next(turn for turn in reversed(record.turns) if turn.role == "assistant")
        said = read_answer(self._codec, last.text)
        wanted = united(targets) if targets else None
        found, _ = measured(said, wanted, shape=record.shape or UNKNOWN, method=self._method)
        self._figures.add(found)
        return found

    def _photo(self, target: Target, images: Path | None) -> Photo | None:
        """The photo of a target; if it cannot be read, None and an entry in `missing`."""
        try:
            found = self.page.photo(target.image, lambda: target.photo(images))
            target.check_photo(found.shape)
        except SourceError as error:
            self.missing.append(str(error))
            return None
        return found

    def _length(self, turns: Sequence[Turn]) -> int | None:
        """The length of the answers in tokens or characters, None without answers."""
        texts = [turn.text for turn in turns if turn.role == "assistant"]
        if self._counter is None:
            return sum(map(len, texts)) if texts else None
        found = self._counter.encode_batch(texts, add_special_tokens=False)
        return sum(len(one.ids) for one in found) if texts else None


def _kind(turns: Sequence[Turn], shown: bool) -> Kind:
    """How the answers decode; `shown` says whether they show a region."""
    if not any(turn.role == "assistant" for turn in turns):
        return ""
    if not any(turn.problems for turn in turns):
        return "valid"
    return "recovered" if shown else "broken"


def _lost(overlap: Overlap) -> int:
    """1 if there is a target and the answer is empty, else 0."""
    return int(overlap.target > 0 and not overlap.prediction)


def _text(entry: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first text among the named members of a line, or ""."""
    return next((entry[name] for name in names if isinstance(entry.get(name), str)), "")
