"""Masks as token ids and back, without the text between."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from maskcodec._anytokenizer import AnyTokenizer, load_saved
from maskcodec._brickids import bounds
from maskcodec._inputs import as_mask, as_masks
from maskcodec._lazy import idwriter
from maskcodec._reading import warn_dropped
from maskcodec._tokenreader import TokenReader
from maskcodec.bricks import BSD, Lost
from maskcodec.codec import load as load_codec
from maskcodec.codec import lost_labels_message, lost_message
from maskcodec.errors import ConfigError, LabelError, LostMaskError, MaskError, VocabError
from maskcodec.grid import check_choice
from maskcodec.runs import as_image_size
from maskcodec.vocab import BrickVocab

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from maskcodec._arrays import Index
    from maskcodec.codec import Codec


class TokenCodec(TokenReader):
    """A codec together with a tokenizer: masks to ids and ids to masks.

    The ids are exactly those that the tokenizer makes of the codec's text. B-SD with bricks is
    written and read without that text; the other formats go through it.

    Parameters
    ----------
    codec
        Any codec.
    tokenizer
        Of transformers (``PreTrainedTokenizerBase``) or tokenizers (``Tokenizer``), extended by
        `extend_tokenizer`. It is kept, not copied, and must not be extended further.
    ignore
        Further tokens or ids that stand around an answer and are passed over when reading.
        Passed over anyway: what transformers knows as padding, beginning and end of a text; all
        special tokens of a bare ``tokenizers.Tokenizer``; and -100, a trainer's mark for "no loss".

    Raises
    ------
    VocabError
        A tag or brick is not exactly one id, or the tokenizer cannot write a coordinate; the
        message says which, and what to do.
    TypeError
        It is no codec, or no tokenizer.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from tokenizers import Tokenizer, models, pre_tokenizers, decoders
    >>> pieces = ["[UNK]", "[", "]", "dog", *map(str, range(10))]
    >>> model = models.WordPiece({piece: k for k, piece in enumerate(pieces)}, unk_token="[UNK]")
    >>> tokenizer = Tokenizer(model)
    >>> tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    >>> tokenizer.decoder = decoders.WordPiece()
    >>> codec = mc.BSD(grid=4)
    >>> added = mc.extend_tokenizer(tokenizer, codec)
    >>> tokens = mc.TokenCodec(codec, tokenizer)
    >>> ids = tokens.encode([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], "dog")
    >>> tokenizer.decode(ids)
    '<ref> dog </ref> <box> [ [ 1 1 2 2 ] ] </box> <seg> <fg2> <bg1> <fg1> </seg>'
    >>> tokens.decode(ids)[0].cells.tolist()
    [[1, 1], [0, 1]]
    """

    def __init__(self, codec: Codec, tokenizer: Any, *, ignore: Iterable[int | str] = ()) -> None:
        super().__init__(codec, tokenizer, ignore=ignore)
        self._writer: idwriter.BrickWriter | None = None
        vocab = self._vocab
        if isinstance(codec, BSD) and isinstance(vocab, BrickVocab) and vocab.tables is not None:
            self._writer = idwriter.BrickWriter(codec, self._any, vocab)

    def encode(
        self,
        image: Any,
        labels: Any,
        *,
        shape: tuple[int, int] | None = None,
        lost: Lost | None = None,
    ) -> Index:
        """A mask, or for the image-wise codecs a label map, as ids.

        Parameters
        ----------
        image, labels, shape
            As the codec's `encode` takes them: a mask or an annotation's ``segmentation``.
        lost
            What to do with a mask that has pixels but no cell left, ``"raise"`` or ``"drop"``; by
            default what the codec's `encode` does.

        Returns
        -------
        int64 array (n,), owned by the caller: what
        ``tokenizer.encode(codec.encode(image, labels), add_special_tokens=False)`` returns.

        Raises
        ------
        As the codec's `encode`; also
        LabelError
            The tokenizer would swallow a tag beside this label.
        """
        if self._writer is None:
            settings = {} if lost is None else {"lost": lost}
            text = cast("Any", self.codec).encode(image, labels, shape=shape, **settings)
            return self._from_text(text, labels)
        if lost is not None:
            check_choice(lost, Lost, "lost")
        pixels = as_mask(image, shape)
        ids = self._writer.one(pixels, labels)
        if len(ids) == 0:  # lost, or empty to begin with: the codec knows what to say
            cast("BSD", self.codec).encode(pixels, labels, lost=lost or "raise")
        return ids

    def encode_many(
        self,
        masks: Iterable[Any],
        labels: Iterable[str],
        *,
        shape: tuple[int, int] | None = None,
        lost: Lost = "raise",
        dropped: list[int] | None = None,
    ) -> Index:
        """Several instances of one image as the ids of one text, as `BSD.encode_many` writes it.

        Parameters and errors are those of `encode_batch`, of which this is the first half; also

        Raises
        ------
        ConfigError
            The codec is image-wise: it has no instances.
        """
        if not isinstance(self.codec, BSD):
            raise ConfigError(
                f"{self.codec.codec_id} writes one text for a whole image and has no instances; "
                "use encode, or encode_batch for several images"
            )
        size = None if shape is None else as_image_size(shape, "shape")
        return self.encode_batch(masks, labels, shape=size, lost=lost, dropped=dropped)[0]

    def encode_batch(
        self,
        masks: Any,
        labels: Iterable[str],
        *,
        shape: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
        lost: Lost | None = None,
        dropped: list[int] | None = None,
    ) -> tuple[Index, Index]:
        """Many masks at once, each as a text of its own; for B-SD in one compiled call.

        Other threads run meanwhile.

        Parameters
        ----------
        masks
            (N, height, width), bool or integer, any memory order; uint8 or bool in C order is the
            fastest. Or a list of masks of any sizes, or of annotations' ``segmentation``.
        labels
            N labels.
        shape
            (height, width) of all images, or of each one in a list, which polygons need.
        lost
            What to do with a mask that has pixels but no cell left, ``"raise"`` or ``"drop"``; by
            default what the codec's `encode` does.
        dropped
            With ``lost="drop"``, a list that receives the indices of the masks lost. Without it a
            warning goes to the logger ``maskcodec``.

        Returns
        -------
        ids
            int64 (n,): all ids, one mask after another.
        offsets
            int64 (N + 1,): mask i has ``ids[offsets[i]:offsets[i + 1]]``. For B-SD an empty mask
            has none.

        Raises
        ------
        MaskError, LostMaskError, LabelError, TypeError
            As the codec's `encode`; the message gives the mask's index.
        """
        drop = (lost or ("raise" if isinstance(self.codec, BSD) else "drop")) == "drop"
        check_choice(lost or "drop", Lost, "lost")
        images = masks if isinstance(masks, np.ndarray) else list(masks)
        names = [labels] if isinstance(labels, str) else list(labels)
        if isinstance(labels, str) or len(names) != len(images):
            count = "one str" if isinstance(labels, str) else str(len(names))
            raise MaskError(f"there must be a label for each mask, got {len(images)} and {count}")
        instances = isinstance(self.codec, BSD)
        maps = [not (instances or isinstance(name, str)) for name in names]
        stack = as_masks(images, shape, maps)
        if self._writer is not None:
            ids, offsets = self._writer.many(stack, names)
            empty = np.flatnonzero(np.diff(offsets) == 0).tolist()
            gone = {i: [names[i]] for i in empty if stack[i].any()}
        else:
            pairs = [self._through_text(m, name) for m, name in zip(stack, names, strict=True)]
            rows = [row for row, _ in pairs]
            ids, offsets = np.concatenate([np.empty(0, np.int64), *rows]), bounds(rows)
            gone = {index: lost_here for index, (_, lost_here) in enumerate(pairs) if lost_here}
        for index, those in gone.items():
            where = f"mask {index}" if len(stack) > 1 else "mask"
            if isinstance(self.codec, BSD):
                message = lost_message(self.codec, where, names[index], stack[index])
            else:
                message = f"{where}: {lost_labels_message(self.codec, those)}"
            if not drop:
                raise LostMaskError(f'{message}; sampling="keep" keeps it, lost="drop" drops it')
            if dropped is None:
                warn_dropped(message)
        if dropped is not None:
            dropped.extend(gone)
        return ids, offsets

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write codec and tokenizer to a folder, made if it is missing; `load` reads them back.

        The codec is ``maskcodec.json``; the tokenizer is what its library writes. `ignore` is not
        written: hand it to `load` again. Returns the folder's path.

        Raises
        ------
        VocabError
            The tokenizer does not come back as it was: what its library writes lacks a setting.
        """
        path = self.codec.save(folder).parent
        self._any.save(path)
        again = AnyTokenizer(load_saved(path))
        text = f"a black dog: {self.codec.tags()[0]}black dog{self.codec.tags()[1]}\n12"
        before, after = self._any.encode(text), again.encode(text)
        if before != after:
            raise VocabError(
                f"the tokenizer saved in {path} makes {after} of {text!r}, where this one makes "
                f"{before}: {type(self.tokenizer).__name__} does not write all of its settings; "
                "use tokenizer.backend_tokenizer, which is written whole"
            )
        return path

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], *, ignore: Iterable[int | str] = ()
    ) -> TokenCodec:
        """The codec and the tokenizer that `save` wrote, or that stand in a checkpoint together.

        Raises
        ------
        FileNotFoundError
            One of them is not there.
        ConfigError, VocabError
            One of them cannot be read, or they do not fit together.
        """
        return cls(load_codec(folder), load_saved(Path(folder)), ignore=ignore)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.codec, self.tokenizer, self._ignore)

    def __repr__(self) -> str:
        return f"<TokenCodec {self.codec!r} with {type(self.tokenizer).__name__}>"

    def _through_text(self, mask: Any, label: Any) -> tuple[Index, list[Any]]:
        """The ids of a mask, and the labels of it that were lost."""
        gone: list[Any] = []
        codec = self.codec
        if isinstance(codec, BSD):
            text = codec.encode_many([mask], [label], lost="drop", dropped=gone)
        else:
            text = cast("Any", codec).encode(mask, label, lost="drop", dropped=gone)
        return self._from_text(text, label), gone

    def _from_text(self, text: str, labels: Any) -> Index:
        ids = self._any.encode(text)
        for tag in self.codec.tags():
            if text.count(tag) != ids.count(self._vocab.words[tag]):
                raise LabelError(
                    f"{labels!r:.200} does not leave {tag!r} whole: one of the tokenizer's added "
                    "tokens swallows a part of it; remove or replace the label"
                )
        passed_over = self._vocab.ignored.intersection(ids)
        if passed_over:
            token = self._any.decode([min(passed_over)])
            raise LabelError(
                f"{labels!r:.200} holds {token!r}, which stands around answers and is passed over "
                "when they are read; remove or replace it"
            )
        return np.array(ids, np.int64)


def _rebuilt(codec: Codec, tokenizer: Any, ignore: tuple[int | str, ...]) -> TokenCodec:
    return TokenCodec(codec, tokenizer, ignore=ignore)
