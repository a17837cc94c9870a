"""Masks as token ids and back, without the text between."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import ConfigError, MaskError, VocabError
from maskcodec.files.masks import opened_mask
from maskcodec.masks.inputs import as_masks, check_one_size
from maskcodec.masks.runs import as_image_size
from maskcodec.messages import check_choice, check_codec, plural
from maskcodec.text.codec import FILE_NAME, Lost, check_same_codec
from maskcodec.text.codec import load as load_codec
from maskcodec.text.problems import warn_dropped
from maskcodec.tokenizers.any_tokenizer import AnyTokenizer, load_saved
from maskcodec.tokenizers.binding import Binding
from maskcodec.tokenizers.extension import extend_tokenizer
from maskcodec.tokenizers.guide import GuideOptions
from maskcodec.tokenizers.pretrained import checkpoint_file, load_tokenizer
from maskcodec.tokenizers.vocab import as_ids

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from maskcodec.formats.instances.stream import MaskStream
    from maskcodec.masks.arrays import Index
    from maskcodec.text.codec import Codec
    from maskcodec.tokenizers.grammar import Dialect
    from maskcodec.tokenizers.guide import Colours, Guide


class TokenCodec:
    """A codec together with a tokenizer: masks to ids and ids to masks.

    The ids are exactly those that the tokenizer makes of the codec's text. Scanlines and B-SD with
    bricks are written and read without that text; the other formats go through it.

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
    >>> added = mc.extend_tokenizer(codec, tokenizer)
    >>> tokens = mc.TokenCodec(codec, tokenizer)
    >>> ids = tokens.encode([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], "dog")
    >>> tokenizer.decode(ids)
    '<ref> dog </ref> <box> [ [ 1 1 2 2 ] ] </box> <seg> <fg2> <bg1> <fg1> </seg>'
    >>> tokens.decode(ids)[0].cells.tolist()
    [[1, 1], [0, 1]]
    """

    def __init__(self, codec: Codec, tokenizer: Any, *, ignore: Iterable[int | str] = ()) -> None:
        check_codec(codec)
        self.codec = codec
        self.tokenizer = tokenizer
        self._ignore = ignore if isinstance(ignore, (str, bytes)) else tuple(ignore)
        self._any = AnyTokenizer(tokenizer)
        bound = codec.bind(self._any, self._ignore)
        self._binding: Binding = bound or Binding(codec, self._any, self._ignore)

    def encode(
        self,
        image: Any,
        labels: Any,
        *,
        shape: tuple[int, int] | None = None,
        threshold: int | None = None,
        lost: Lost = "raise",
    ) -> Index:
        """A mask, or for the image-wise codecs a label map, as ids.

        Parameters
        ----------
        image, labels, shape, threshold
            As the codec's `encode` takes them: a mask or an annotation's ``segmentation``.
        lost
            What to do with a mask or labels that have pixels but no cell left: ``"raise"``, or
            ``"drop"``, which leaves them out and logs a warning.

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
        check_choice(lost, Lost, "lost")
        options: dict[str, Any] = {} if threshold is None else {"threshold": threshold}
        return self._binding.encode(image, labels, shape=shape, lost=lost, **options)

    def encode_many(
        self,
        masks: Iterable[Any],
        labels: Iterable[str],
        *,
        shape: tuple[int, int] | None = None,
        threshold: int | None = None,
        lost: Lost = "raise",
    ) -> Index:
        """Several instances of one image as the ids of one text, as `BSD.encode_many` writes it.

        Parameters and errors are those of `encode_batch`, of which this is the first half; also

        Raises
        ------
        ConfigError
            The codec is image-wise: it has no instances.
        MaskError
            The masks are not of one size.
        """
        if not self.codec.has_instances:
            raise ConfigError(
                f"{self.codec.codec_id} writes one text for a whole image and has no instances; "
                "use encode, or encode_batch for several images"
            )
        size = None if shape is None else as_image_size(shape, "shape")
        return self._encode_each(masks, labels, size, threshold, lost, one_image=True)[0]

    def encode_batch(
        self,
        masks: Any,
        labels: Iterable[str],
        *,
        shape: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
        threshold: int | None = None,
        lost: Lost = "raise",
    ) -> tuple[Index, Index]:
        """Many masks at once, each as a text of its own; instances in one compiled call.

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
        threshold
            Where to cut masks of more than two values, as the codec's `encode` has it.
        lost
            What to do with masks or labels that have pixels but no cell left: ``"raise"``, or
            ``"drop"``, which leaves them out and logs one warning with the indices.

        Returns
        -------
        ids
            int64 (n,): all ids, one mask after another.
        offsets
            int64 (N + 1,): mask i has ``ids[offsets[i]:offsets[i + 1]]``. Where the codec has
            instances, an empty mask and one that was dropped have none.

        Raises
        ------
        MaskError, LostMaskError, LabelError, TypeError
            As the codec's `encode`; the message gives the mask's index.
        """
        return self._encode_each(masks, labels, shape, threshold, lost)

    def _encode_each(
        self,
        masks: Any,
        labels: Iterable[str],
        shape: Any,
        threshold: int | None,
        lost: Lost,
        *,
        one_image: bool = False,
    ) -> tuple[Index, Index]:
        check_choice(lost, Lost, "lost")
        instances = self.codec.has_instances
        images = masks if isinstance(masks, np.ndarray) else [*map(opened_mask, masks)]
        names = [labels] if isinstance(labels, str) else list(labels)
        if isinstance(labels, str) or len(names) != len(images):
            count = "one str" if isinstance(labels, str) else str(len(names))
            raise MaskError(f"there must be a label for each mask, got {len(images)} and {count}")
        maps = [not (instances or isinstance(name, str)) for name in names]
        stack = as_masks(images, shape, maps, threshold, self._binding.rows)
        if one_image:
            check_one_size(stack)
        ids, offsets, gone = self._binding.encode_each(stack, names)
        if gone and lost == "raise":
            raise next(iter(gone.values()))
        if gone:
            what = "mask" if instances else "label map"
            or_labels = "" if instances else ", or labels of them"
            warn_dropped(f"{len(gone)} of {plural(len(names), what)}{or_labels}", gone)
        return ids, offsets

    @property
    def words(self) -> dict[str, int]:
        """The tags and bricks, and their ids."""
        return dict(self._binding.vocab.words)

    @property
    def ends(self) -> tuple[int, ...]:
        """The id that ends an answer, or none where the tokenizer does not know it."""
        end = self._any.end()
        return () if end is None else (end,)

    @property
    def special(self) -> list[str]:
        """The tags and bricks that are special tokens, which decoders leave out of a text."""
        added, words = self._any.added(), self._binding.vocab.words
        return [word for word, i in words.items() if i in added and added[i].special]

    def longest(
        self, *, instances: int | None = None, labels: Iterable[str] | None = None
    ) -> int | None:
        """The most ids that the masks of an answer take under a guide, without words around them.

        None where there is no most: the number of instances is not given, or the codec needs
        labels and has none. A label that is not given counts 32 ids.

        Parameters
        ----------
        instances, labels
            As `guide` has them.

        Raises
        ------
        ConfigError, LabelError
            As `guide`.

        Examples
        --------
        ::

            most = tokens.longest(instances=2, labels=["dog"])  # of max_new_tokens, max_tokens
        """
        return self._binding.longest(_options(instances=instances, labels=labels))

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
            As the codec's `decode`. With bricks ``position`` is an index into `ids`; for
            the others into ``text(ids)``.
        VocabError
            The ids are not one-dimensional.
        TypeError
            They are not integers.
        """
        return self._binding.decode(ids)

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
        return self._binding.recover(ids)

    def text(self, ids: Any) -> str:
        """The text of ids as the tokenizer has it, without padding and the end of the text."""
        return self._binding.text(ids)

    def ids(self, text: str) -> list[int]:
        """The ids that the tokenizer makes of a text, without those that it puts around texts."""
        return self._any.encode(text)

    def spans(self, ids: Any) -> list[tuple[int, int]]:
        """Where in ids each region that `recover` finds stands: (start, stop), stop excluded.

        From its first tag to its last, or to where it stops; all regions of an image-wise text
        stand between its two tags.
        """
        return self._binding.spans(as_ids(ids).tolist())

    def stream(self) -> MaskStream:
        """A decoder for ids that come one by one, as a model writes them.

        Raises
        ------
        ConfigError
            The codec has no bricks.

        Examples
        --------
        ::

            stream = tokens.stream()
            for id_ in answer:
                if stream.push(id_).row_ended:
                    show(stream.index_map)
            regions = stream.regions
        """
        return self._binding.stream()

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
        With ``labels`` and no free text, and with ``instances``, its length has a bound.

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
            The codec has no bricks and is neither R-RLE nor I-RLE, or an option does not fit it;
            there is no free text, and no id that ends an answer.
        LabelError
            A label would break the text.
        VocabError
            The vocabulary cannot spell what may come, or not in a known way; an end is below 0.
        DecodeError
            `start` is no beginning of an answer.
        """
        several = ends if isinstance(ends, Iterable) else () if ends is None else (ends,)
        options = _options(
            labels=labels,
            colours=colours,
            instances=instances,
            start=tuple(as_ids(start).tolist()),
            ends=tuple(map(operator.index, several)),
            free_text=free_text,
        )
        guide = self._binding.guide(options)
        guide.made_by = self, options
        return guide

    def grammar(
        self,
        *,
        dialect: Dialect = "xgrammar",
        instances: int | None = None,
        labels: Iterable[str] | None = None,
        free_text: bool = True,
        box: Sequence[int] | None = None,
    ) -> str:
        """What `guide` allows, as a grammar of token ids for an engine that runs it itself.

        A whole answer, or what comes behind a box that is known, ``<seg>`` to ``</seg>``. In B-SD
        the numbers of a box decide how long its rows are: xgrammar can hold these only if the box
        is known.

        Parameters
        ----------
        dialect
            ``"xgrammar"``: an EBNF with ``Token(id)``. ``"llguidance"``: a Lark grammar with
            ``<[id]>``.
        instances, labels, free_text
            As `guide` has them. What ends an answer is not in the grammar: the engine knows it.
        box
            (x1, y1, x2, y2) in cells, for B-SD; both corners inside. Labels, instances and text
            are not in the grammar of what comes behind it.

        Raises
        ------
        ConfigError
            The codec has no grammar, or not in this dialect without a box; an option does not fit
            it.
        LabelError
            A label would break the text.
        VocabError
            The vocabulary cannot spell what may come, or not in a known way.
        MaskError
            The box does not lie on the canvas.
        TypeError
            It is not four integers.
        """
        options = _options(instances=instances, labels=labels, free_text=free_text)
        if box is not None and options != GuideOptions():
            raise ConfigError(
                "instances, labels and free_text say what comes before a box; behind a box that is "
                "given there are only its rows, so leave them out"
            )
        return self._binding.grammar(options, dialect=dialect, box=box)

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
        opening, closing = self.codec.tags()[:2] or ("", "")
        text = f"a black dog: {opening}black dog{closing}\n12"
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

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        codec: Codec | None = None,
        *,
        ignore: Iterable[int | str] = (),
    ) -> TokenCodec:
        """The codec and the tokenizer of a checkpoint, for training and inference alike.

        Parameters
        ----------
        name
            A checkpoint's folder, or its name on the Hub such as ``"Qwen/Qwen2.5-VL-7B-Instruct"``;
            the path of a ``tokenizer.json`` does as well. What is on this machine is taken first.
            Code of a checkpoint is never run.
        codec
            The codec, whose tokens the tokenizer gets if it lacks them; the checkpoint is not
            changed. By default the one of the checkpoint's ``maskcodec.json``.
        ignore
            As `TokenCodec` has it.

        Raises
        ------
        ConfigError
            There is no such checkpoint, it has no ``maskcodec.json`` and no codec is given, or its
            own codec is another one: the message names the settings that differ.
        VocabError
            The tokenizer cannot be read, or the codec's tokens do not fit into it.

        Examples
        --------
        ::

            tokens = TokenCodec.from_pretrained("Qwen/Qwen2.5-VL-7B-Instruct", mc.Scanlines())
            tokens = TokenCodec.from_pretrained("merged")  # what training has written
        """
        file = checkpoint_file(name, FILE_NAME, download=codec is None)
        own = None if file is None else load_codec(file)
        chosen = own if codec is None else codec
        if chosen is None:
            raise ConfigError(
                f"{str(name)!r} has no maskcodec.json that says which codec it was trained with; "
                "pass codec=, such as Scanlines()"
            )
        tokenizer = load_tokenizer(name)
        if own is None:
            extend_tokenizer(chosen, tokenizer)
        else:
            check_same_codec(chosen, "the codec given", own, str(file))
        return cls(chosen, tokenizer, ignore=ignore)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.codec, self.tokenizer, self._ignore)

    def __repr__(self) -> str:
        return f"<TokenCodec {self.codec!r} with {type(self.tokenizer).__name__}>"


def _options(*, labels: Iterable[str] | None, **others: Any) -> GuideOptions:
    if isinstance(labels, str):
        raise TypeError(f"labels must be several str, got one: {labels!r}")
    return GuideOptions(labels=None if labels is None else tuple(labels), **others)


def _rebuilt(codec: Codec, tokenizer: Any, ignore: tuple[int | str, ...]) -> TokenCodec:
    return TokenCodec(codec, tokenizer, ignore=ignore)
