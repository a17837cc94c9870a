"""Scanlines with a tokenizer: their rows as a stream, under a guide, and as a grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.formats.instances.binding import BrickBinding
from maskcodec.formats.scanlines.grammar import answer_grammar
from maskcodec.formats.scanlines.guide_rows import EdgeGuide
from maskcodec.formats.scanlines.stream import ScanlineStream
from maskcodec.tokenizers.guide import guide_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.formats.scanlines.codec import Scanlines
    from maskcodec.tokenizers.grammar import Dialect
    from maskcodec.tokenizers.guide import GuideOptions


class ScanlineBinding(BrickBinding):
    """The ids of scanlines."""

    codec: Scanlines

    def stream(self) -> ScanlineStream:
        """A decoder for ids that come one by one."""
        return ScanlineStream(self._reader, self.bricks)

    def grammar(self, options: GuideOptions, *, dialect: Dialect, box: Sequence[int] | None) -> str:
        """What the guide allows as a grammar, or of it what comes behind a box that is known."""
        if box is not None:
            self.codec.words().boxes.checked(box)  # it says nothing about its rows
        return answer_grammar(
            self.codec,
            self.bricks,
            guide_words(options, self.tokenizer, self.vocab),
            options,
            self._labels(options),
            dialect=dialect,
            behind_box=box is not None,
        )

    def _rows(self, options: GuideOptions) -> EdgeGuide:
        return EdgeGuide(self.codec, self.bricks, alternate=options.colours == "alternate")
