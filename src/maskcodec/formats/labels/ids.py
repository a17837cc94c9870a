"""I-SD, I-RLE and R-RLE as ids of their text; a guide for I-RLE and R-RLE, which have counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from maskcodec.errors import ConfigError
from maskcodec.formats.labels.guide import GridGuide
from maskcodec.formats.labels.label_grid import cell_label
from maskcodec.text.codec import lost_error, lost_labels_message
from maskcodec.tokenizers.binding import Binding
from maskcodec.tokenizers.guide import guide_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.errors import LostMaskError
    from maskcodec.formats.labels.base import LabelCodec
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
    from maskcodec.tokenizers.guide import Guide, GuideOptions


class LabelBinding(Binding):
    """The ids of an image-wise codec's text."""

    codec: LabelCodec

    def __init__(
        self, codec: LabelCodec, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()
    ) -> None:
        super().__init__(codec, tokenizer, ignore)
        self._breaks: re.Pattern[str] | None = None
        if codec.by_row and not self._keeps_newlines():
            # A count is one number: text behind it without a bar begins a row.
            behind = rf" *(?:\||{re.escape(codec.seg_tags[1])}|$)"
            self._breaks = re.compile(rf"(\* *[0-9]+) (?!{behind})")

    def decode(self, ids: Any) -> Any:
        """Read the grid of ids, strictly."""
        return self.codec.decode(self._with_newlines(ids))

    def recover(self, ids: Any) -> Any:
        """Read any ids: return a whole grid, and the problems."""
        return self.codec.recover(self._with_newlines(ids))

    def guide(self, options: GuideOptions) -> Guide:
        """The automaton of the ids that may come next."""
        codec = self.codec
        if not codec.counted:
            return super().guide(options)
        if options.labels is None:
            raise ConfigError(
                f"a guide for {codec.codec_id} needs the labels to choose from: labels="
            )
        if options.instances is not None:
            raise ConfigError(f"{codec.codec_id} has no instances to count; leave instances out")
        words = guide_words(options, self.tokenizer, self.vocab)
        labels = [
            codec.background,
            *(cell_label(label, codec.seg_tags) for label in options.labels),
        ]
        return GridGuide(codec, self.vocab, words, options, labels=list(dict.fromkeys(labels)))

    def longest(self, options: GuideOptions) -> int | None:
        """The most ids of a text: a run for every cell, with the longest label."""
        if options.labels is None:
            return None
        codec, (before, between, behind, end) = self.codec, self.codec.marks()
        (rows, columns), run = codec.canvas, (before + "1") * codec.counted
        most = 0
        for label in (codec.background, *options.labels):
            row = between.join([cell_label(label, codec.seg_tags) + run] * columns)
            ids = self.tokenizer.encode(row + (behind if codec.by_row else between))
            most = max(most, rows * len(ids))
        return most + len(self.tokenizer.encode(end)) + len(codec.seg_tags)

    def _write(self, mask: Any, label: Any, where: str) -> tuple[str, LostMaskError | None]:
        grid, gone = self.codec._sample(mask, label, None, None)
        message = f"{where}: {lost_labels_message(self.codec, gone)}"
        return self.codec.encode_grid(grid), lost_error(self.codec, message) if gone else None

    def _with_newlines(self, ids: Any) -> str:
        """The text of ids, with the newlines that the tokenizer dropped."""
        text = self.text(ids)
        return self._breaks.sub(r"\1\n", text) if self._breaks else text
