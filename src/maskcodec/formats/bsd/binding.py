"""B-SD with a tokenizer: its rows as ids, as a stream, under a guide, and as a grammar."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from maskcodec.formats.bsd.grammar import answer_grammar, box_grammar, check_holds_boxes
from maskcodec.formats.bsd.guide_rows import SumGuide
from maskcodec.formats.bsd.stream import RowStream
from maskcodec.formats.instances.binding import BrickBinding, InstanceBinding
from maskcodec.tokenizers.guide import guide_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.formats.bsd.codec import BSD
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
    from maskcodec.tokenizers.grammar import Dialect
    from maskcodec.tokenizers.guide import GuideOptions


class PlainBinding(InstanceBinding):
    """The ids of B-SD's text without bricks of its own."""

    def __init__(
        self, codec: BSD, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()
    ) -> None:
        super().__init__(codec, tokenizer, ignore)
        self.reading = codec if self._keeps_newlines() else replace(codec, row_separator="")


class BSDBinding(BrickBinding):
    """The ids of B-SD with bricks."""

    codec: BSD

    def stream(self) -> RowStream:
        """A decoder for ids that come one by one."""
        return RowStream(self._reader, self.bricks)

    def grammar(self, options: GuideOptions, *, dialect: Dialect, box: Sequence[int] | None) -> str:
        """What the guide allows as a grammar, or of it what comes behind a box that is known."""
        if box is not None:
            return box_grammar(self.codec, self.bricks, box, dialect)
        check_holds_boxes(dialect)
        return answer_grammar(
            self.codec,
            self.bricks,
            guide_words(options, self.tokenizer, self.vocab),
            options,
            self._labels(options),
            dialect=dialect,
        )

    def _read_as(self) -> BSD:
        return self.codec if self.bricks.separated else replace(self.codec, row_separator="")

    def _rows(self, options: GuideOptions) -> SumGuide:
        return SumGuide(self.codec, self.bricks, alternate=options.colours == "alternate")
