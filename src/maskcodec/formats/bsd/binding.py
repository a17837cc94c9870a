"""B-SD with a tokenizer: its rows as ids, as a stream, under a guide, and as a grammar."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from maskcodec.formats.bsd.grammar import box_grammar
from maskcodec.formats.bsd.guide_rows import SumGuide
from maskcodec.formats.bsd.stream import RowStream
from maskcodec.formats.instances.binding import BrickBinding, InstanceBinding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.formats.bsd.codec import BSD
    from maskcodec.tokenizers.any import AnyTokenizer
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

    def grammar(self, box: Sequence[int]) -> str:
        """What comes behind a box that is known."""
        return box_grammar(self.codec, self.bricks, box)

    def _read_as(self) -> BSD:
        return self.codec if self.bricks.separated else replace(self.codec, row_separator="")

    def _rows(self, options: GuideOptions) -> SumGuide:
        return SumGuide(self.codec, self.bricks, alternate=options.colours == "alternate")
