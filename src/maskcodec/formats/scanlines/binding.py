"""Scanlines with a tokenizer: their rows as a stream and under a guide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.formats.instances.binding import BrickBinding
from maskcodec.formats.scanlines.guide_rows import EdgeGuide
from maskcodec.formats.scanlines.stream import ScanlineStream

if TYPE_CHECKING:
    from maskcodec.formats.scanlines.codec import Scanlines
    from maskcodec.tokenizers.guide import GuideOptions


class ScanlineBinding(BrickBinding):
    """The ids of scanlines."""

    codec: Scanlines

    def stream(self) -> ScanlineStream:
        """A decoder for ids that come one by one."""
        return ScanlineStream(self._reader, self.bricks)

    def _rows(self, options: GuideOptions) -> EdgeGuide:
        return EdgeGuide(self.codec, self.bricks, alternate=options.colours == "alternate")
