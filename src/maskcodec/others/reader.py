"""A source of answers in a codec's place, where only reading is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maskcodec.others.read import ForeignAnswer, read

if TYPE_CHECKING:
    from maskcodec.others.read import Source


@dataclass(frozen=True)
class SourceReader:
    """What `read` makes of the answers of one source.

    Parameters
    ----------
    source
        As `read` has it.
    codec
        That of a ``"maskcodec"`` answer.
    """

    source: Source
    codec: Any = None

    @property
    def codec_id(self) -> str:
        """The source."""
        return self.source

    def get_config(self) -> dict[str, Any]:
        """What was read, for a report."""
        return {"source": self.source}

    def is_words(self, text: str) -> bool:  # noqa: ARG002
        """Whether a text that is broken is words alone: nobody says so of other models' texts."""
        return False

    def recover(self, text: str, shape: tuple[int, int] | None = None) -> ForeignAnswer:
        """The regions of an answer, and what was wrong with it."""
        return read(text, source=self.source, shape=shape, codec=self.codec)
