"""Use a source of other models' answers in place of a codec, for reading only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maskcodec.others.read import ForeignAnswer, read

if TYPE_CHECKING:
    from maskcodec.others.read import Source


@dataclass(frozen=True)
class SourceReader:
    """Reads the answers of one source by `read`.

    Parameters
    ----------
    source
        As in `read`.
    codec
        The codec of ``"maskcodec"`` answers, else None.
    """

    source: Source
    codec: Any = None

    @property
    def codec_id(self) -> str:
        """The name of the source."""
        return self.source

    def get_config(self) -> dict[str, Any]:
        """The configuration, for a report."""
        return {"source": self.source}

    def is_words(self, text: str) -> bool:  # noqa: ARG002
        """Whether a broken text is only words; always False for other models' texts."""
        return False

    def recover(self, text: str, shape: tuple[int, int] | None = None) -> ForeignAnswer:
        """The regions of an answer, and its problems."""
        return read(text, source=self.source, shape=shape, codec=self.codec)
