"""Ids to masks: the reading half of `TokenCodec`."""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from maskcodec._anytokenizer import AnyTokenizer
from maskcodec._labelcodec import LabelCodec
from maskcodec._lazy import idreading
from maskcodec.bricks import BSD
from maskcodec.codec import Codec
from maskcodec.errors import ConfigError, VocabError
from maskcodec.region import RecoveredRegions
from maskcodec.vocab import BrickVocab, check_rows_end, inside, read_vocab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec._arrays import Index
    from maskcodec._guide import Colours, Guide
    from maskcodec.stream import MaskStream


class TokenReader:
    """What `TokenCodec` does with ids; use that."""

    def __init__(self, codec: Codec, tokenizer: Any, *, ignore: Iterable[int | str] = ()) -> None:
        if not isinstance(codec, Codec):
            raise TypeError(f"codec must be one of maskcodec's codecs, got {codec!r}")
        self.codec = codec
        self.tokenizer = tokenizer
        self._ignore = tuple(ignore)
        self._any = AnyTokenizer(tokenizer)
        self._vocab = read_vocab(self._any, codec, self._ignore)
        self._text_codec = codec
        self._breaks: re.Pattern[str] | None = None
        if isinstance(codec, BSD) and codec.row_separator and not self._keeps_newlines():
            check_rows_end(codec, False)
            self._text_codec = dataclasses.replace(codec, row_separator="")
        elif isinstance(codec, LabelCodec) and codec.by_row and not self._keeps_newlines():
            # A count is one number: what follows it without a bar begins a row.
            behind = rf" *(?:\||{re.escape(codec.seg[1])}|$)"
            self._breaks = re.compile(rf"(\* *[0-9]+) (?!{behind})")
        self._reader: idreading.BrickReader | None = None
        if isinstance(codec, BSD) and isinstance(self._vocab, BrickVocab):
            self._reader = idreading.BrickReader(codec, self._any, self._vocab)

    @property
    def words(self) -> dict[str, int]:
        """The tags and bricks, and their ids."""
        return dict(self._vocab.words)

    def decode(self, ids: Any) -> Any:
        """What ids describe, strictly; padding and the end of the text are passed over.

        Parameters
        ----------
        ids
            (n,), integer: an array, a list, a tensor of any device.

        Returns
        -------
        What the codec's `decode` returns: a list of `Region`, or a `LabelGrid`.

        Raises
        ------
        DecodeError, TruncatedError
            As the codec's `decode`. For B-SD with bricks ``position`` is an index into `ids`; for
            the others into ``text(ids)``.
        VocabError
            The ids are not one-dimensional.
        TypeError
            They are not integers.
        """
        numbers = idreading.as_ids(ids)
        if self._reader is None:
            return self._text_codec.decode(self._read_text(numbers))
        regions = self._reader.read(numbers)
        return self._reader.reading(numbers, strict=True)[0] if regions is None else regions

    def recover(self, ids: Any) -> Any:
        """Whatever can be drawn of any ids at all, and what was wrong with them.

        Returns
        -------
        What the codec's `recover` returns: `RecoveredRegions`, or a `RecoveredGrid`. Positions are
        those of `decode`.

        Raises
        ------
        VocabError, TypeError
            What is given is not ids.
        """
        numbers = idreading.as_ids(ids)
        if self._reader is None:
            return self._text_codec.recover(self._read_text(numbers))
        regions = self._reader.read(numbers)
        if regions is None:
            return RecoveredRegions(*self._reader.reading(numbers, strict=False))
        return RecoveredRegions(regions, [])

    def text(self, ids: Any) -> str:
        """The text of ids as the tokenizer has it, without padding and the end of the text."""
        numbers = idreading.as_ids(ids)
        kept = numbers[~idreading.padding(numbers, self._vocab)]
        return idreading.text_of(kept, self._any, self._vocab)

    def stream(self) -> MaskStream:
        """A decoder for ids that come one by one, as a model writes them.

        Raises
        ------
        ConfigError
            The codec is not B-SD with bricks.

        Examples
        --------
        ::

            stream = tokens.stream()
            for id_ in answer:
                if stream.push(id_).row_ended:
                    show(stream.canvas)
            regions = stream.regions
        """
        from maskcodec.stream import MaskStream

        if self._reader is None or not isinstance(self._vocab, BrickVocab):
            raise ConfigError(f"there are streams for B-SD with bricks, got {self.codec!r}")
        return MaskStream(self._reader, self._vocab, self.codec.canvas)

    def guide(
        self,
        *,
        colours: Colours = "any",
        instances: int | None = None,
        labels: Iterable[str] | None = None,
        start: Any = (),
        ends: int | Iterable[int] | None = None,
        free_text: bool = True,
    ) -> Guide:
        """An automaton that says which ids may come next, so that the answer decodes strictly.

        Free text goes on until an instance begins; in one, only what the format has. Made in
        about half a second for a vocabulary of 150,000: make it once and use it for all answers.

        It holds an answer to what decodes, not to an end: text goes on as long as a model likes.
        With ``labels`` and no free text, and for B-SD with ``instances``, its length has a bound.

        Parameters
        ----------
        colours
            ``"alternate"``: no brick of the same colour behind another, unless that has 63 cells;
            in R-RLE and I-RLE, no label twice in a row.
        instances
            The most instances there may be.
        labels
            The labels to choose from; by default any. R-RLE and I-RLE need them; their background
            is always one.
        start
            Ids of the answer that are there already, such as those of ``<ref>dog</ref>``; what
            `Guide.allowed` is asked for comes behind them.
        ends
            Further ids that end an answer, besides the tokenizer's own: the ``eos_token_id`` of a
            model's generation config, which is one, several or None.
        free_text
            Whether words may stand around masks. Without them an answer is its masks, one behind
            the other and at least one, and then its end; before them, at most a space.

        Raises
        ------
        ConfigError
            The codec is neither B-SD with bricks nor R-RLE or I-RLE, or an option does not fit it;
            there is no free text, and no id that ends an answer.
        LabelError
            A label would break the text.
        VocabError
            The vocabulary cannot spell what may come, or not in a known way; an end is below 0.
        DecodeError
            `start` is no beginning of an answer.
        """
        from maskcodec.guide import make_guide

        if isinstance(labels, str):
            raise TypeError(f"labels must be several str, got one: {labels!r}")
        chosen = None if labels is None else list(labels)
        begun = idreading.as_ids(start)
        several = ends if isinstance(ends, Iterable) else () if ends is None else (ends,)
        stops = [operator.index(number) for number in several]
        if min(stops, default=0) < 0:
            raise VocabError(f"ends must be ids, 0 or more, got {min(stops)}")
        options: dict[str, Any] = {
            "colours": colours,
            "instances": instances,
            "labels": chosen,
            "start": begun,
            "ends": stops,
            "free_text": free_text,
        }
        guide = make_guide(self.codec, self._any, self._vocab, **options)
        guide.made_by = self, options
        return guide

    def grammar(self, box: Sequence[int]) -> str:
        """What comes behind a box that is known, ``<seg>`` to ``</seg>``, as an EBNF of token ids.

        In the notation of xgrammar, ``Token(id)``, for engines that take a grammar rather than a
        guide. On the canvas a box that the model writes itself needs the guide: its width decides
        what follows, which no context-free grammar can hold. In the box frame the first row does,
        and the grammar is the same for every box.

        Parameters
        ----------
        box
            (x1, y1, x2, y2) in cells, or in the box frame in bins, both corners inside.

        Raises
        ------
        ConfigError
            The codec is not B-SD with bricks.
        MaskError
            The box does not lie on the canvas.
        TypeError
            It is not four integers.
        """
        from maskcodec.grammar import box_grammar

        if not isinstance(self.codec, BSD) or not isinstance(self._vocab, BrickVocab):
            raise ConfigError(f"there are grammars for B-SD with bricks, got {self.codec!r}")
        return box_grammar(self.codec, self._vocab, box)

    def _read_text(self, numbers: Index) -> str:
        """The text of ids as the codec reads it: with the newlines that a tokenizer may drop."""
        text = self.text(numbers)
        return self._breaks.sub(r"\1\n", text) if self._breaks else text

    def _keeps_newlines(self) -> bool:
        before, after = self.codec.tags()[-2:]
        ids = inside(self._any, before, "1\n1", after)
        return ids is None or "\n" in self._any.decode(ids)
