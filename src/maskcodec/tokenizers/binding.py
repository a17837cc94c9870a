"""A codec with a tokenizer, for `TokenCodec`: any format, by way of its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from maskcodec.errors import ConfigError, DecodeError, LabelError, LostMaskError, VocabError, within
from maskcodec.masks.arrays import bounds
from maskcodec.tokenizers.vocab import as_ids, inside, padding, read_vocab, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.formats.instances.stream import MaskStream
    from maskcodec.masks.arrays import Index
    from maskcodec.masks.inputs import Rows
    from maskcodec.text.codec import Codec
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
    from maskcodec.tokenizers.grammar import Dialect
    from maskcodec.tokenizers.guide import Guide, GuideOptions

    Each: TypeAlias = tuple[Index, Index, dict[int, LostMaskError]]


class Binding:
    """A codec with a tokenizer: writes and reads ids by way of the codec's text.

    A format with more, such as ids without text, a stream, a guide or a grammar, has its own
    subclass, which its `Codec.bind` returns. Parameters and errors are those of `TokenCodec`.

    Parameters
    ----------
    codec, tokenizer
        The codec and its tokenizer.
    ignore
        Further tokens or ids around an answer, which readers skip.
    """

    def __init__(
        self, codec: Codec, tokenizer: AnyTokenizer, ignore: Iterable[int | str] = ()
    ) -> None:
        self.codec = codec
        self.tokenizer = tokenizer
        self.vocabulary = tokenizer.vocabulary()
        self.vocab = read_vocab(codec, tokenizer, self.vocabulary, ignore)

    @property
    def rows(self) -> Rows | None:
        """A function from an image's size to the rows of pixels that are sampled; None for all."""
        return None

    def encode(self, image: Any, labels: Any, **options: Any) -> Index:
        """The ids of a mask or a label map; takes the options of the codec's `encode`."""
        return self._from_text(cast("Any", self.codec).encode(image, labels, **options), labels)

    def encode_each(self, masks: Any, labels: Sequence[Any]) -> Each:
        """The ids of masks, the offsets of each mask's ids, and the errors of lost masks by index.

        ``masks`` comes from `as_masks`.
        """
        rows = [np.empty(0, np.int64)]
        gone: dict[int, LostMaskError] = {}
        for index, (mask, label) in enumerate(zip(masks, labels, strict=True)):
            text, error = self._write(mask, label, f"mask {index}" if len(labels) > 1 else "mask")
            rows.append(self._from_text(text, label))
            if error is not None:
                gone[index] = error
        return np.concatenate(rows), bounds(rows[1:]), gone

    def decode(self, ids: Any) -> Any:
        """Read ids strictly."""
        return self.codec.decode(self.text(ids))

    def recover(self, ids: Any) -> Any:
        """Read any ids: returns what can be drawn, and the problems."""
        return self.codec.recover(self.text(ids))

    def text(self, ids: Any) -> str:
        """The text of ids, as the tokenizer decodes it, without padding."""
        numbers = as_ids(ids)
        return text_of(numbers[~padding(numbers, self.vocab)], self.tokenizer, self.vocab)

    def spans(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """The place of each region of `recover` in ids: for all, between the last two tags."""
        if not self.codec.tags():
            return [(0, len(ids))] * len(self.recover(ids).regions)
        opening, closing = (self.vocab.words[tag] for tag in self.codec.tags()[-2:])
        start = next((at for at, number in enumerate(ids) if number == opening), 0)
        stop = next((at for at in range(start, len(ids)) if ids[at] == closing), len(ids) - 1)
        return [(start, stop + 1)] * len(self.recover(ids).regions)

    def longest(self, options: GuideOptions) -> int | None:  # noqa: ARG002
        """The most ids that an answer's masks take under a guide; None if there is no maximum."""
        return None

    def stream(self) -> MaskStream:
        """A decoder that takes ids one by one."""
        raise ConfigError(
            f"there are streams for B-SD with bricks, scanlines and polygons, got {self.codec!r}"
        )

    def guide(self, options: GuideOptions) -> Guide:  # noqa: ARG002
        """A guide: an automaton that says which ids may come next."""
        raise ConfigError(
            "there are guides for B-SD with bricks, for scanlines, polygons, R-RLE and I-RLE, got "
            f"{self.codec!r}"
        )

    def grammar(
        self,
        options: GuideOptions,  # noqa: ARG002
        *,
        dialect: Dialect,  # noqa: ARG002
        box: Sequence[int] | None,  # noqa: ARG002
    ) -> str:
        """The grammar of a guide's answers, or of the rest of an answer behind a known box."""
        raise ConfigError(
            f"there are grammars for B-SD with bricks, scanlines and polygons, got {self.codec!r}"
        )

    def _write(self, mask: Any, label: Any, where: str) -> tuple[str, LostMaskError | None]:
        """A mask as text without lost labels or masks, and the error that names these, or None."""
        try:
            return self.codec.encode(mask, label), None
        except LostMaskError as error:
            text = self.codec.encode(mask, label, lost="drop")
            return text, within(where, error)

    def _from_text(self, text: str, labels: Any) -> Index:
        ids = self.tokenizer.encode(text)
        for tag in self.codec.tags():
            if text.count(tag) != ids.count(self.vocab.words[tag]):
                raise LabelError(
                    f"{labels!r:.200} does not leave {tag!r} whole: one of the tokenizer's added "
                    "tokens swallows a part of it; remove or replace the label"
                )
        passed_over = self.vocab.ignored.intersection(ids)
        if passed_over:
            token = self.tokenizer.decode([min(passed_over)])
            raise LabelError(
                f"{labels!r:.200} holds {token!r}, which stands around answers and is passed over "
                "when they are read; remove or replace it"
            )
        numbers = np.array(ids, np.int64)
        try:
            self.decode(numbers)
        except DecodeError as error:
            raise VocabError(
                f"the tokenizer does not keep the text of {labels!r:.200}: its ids cannot be read "
                f"({error}); use a codec with tokens of its own, or another tokenizer"
            ) from error
        return numbers

    def _keeps_newlines(self) -> bool:
        before, after = self.codec.tags()[-2:]
        ids = inside(self.tokenizer, before, "1\n1", after)
        return ids is None or "\n" in self.tokenizer.decode(ids)
