"""Masks as token ids, and token ids as masks."""

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
    bricks skip the text; the other formats write and read it.

    Parameters
    ----------
    codec
        Any codec.
    tokenizer
        Of transformers (``PreTrainedTokenizerBase``) or tokenizers (``Tokenizer``), extended by
        `extend_tokenizer`. It is not copied; do not extend it further.
    ignore
        Further tokens or ids around an answer, which readers skip. Readers always skip the ids of
        transformers for padding, beginning and end of a text; all special tokens of a bare
        ``tokenizers.Tokenizer`` except the one for unknown words; and -100, a trainer's mark for
        "no loss".

    Raises
    ------
    VocabError
        A tag or brick is not exactly one id, or the tokenizer cannot write a coordinate; the
        message names it and the way out.
    TypeError
        `codec` is not a codec, or `tokenizer` is of neither library.

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
        """Write a mask, or with an image-wise codec a label map, as ids.

        Parameters
        ----------
        image, labels, shape, threshold
            As in the codec's `encode`: a mask or an annotation's ``segmentation``.
        lost
            What to do with a mask or labels that have pixels but no cell: ``"raise"``, or
            ``"drop"``, which leaves them out and logs a warning.

        Returns
        -------
        int64 array (n,), owned by the caller. Equal to
        ``tokenizer.encode(codec.encode(image, labels), add_special_tokens=False)``.

        Raises
        ------
        As in the codec's `encode`; also
        LabelError
            The tokenizer would not keep a tag beside this label whole, or readers would skip a
            token of the label.
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
        """Write several instances of one image as the ids of one text, as in `BSD.encode_many`.

        Parameters and errors are those of `encode_batch`; the result is its ``ids``. Also

        Raises
        ------
        ConfigError
            The codec is image-wise: it has no instances.
        MaskError
            The masks have different sizes.
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
        """Write many masks, each as a separate text.

        Scanlines and B-SD with bricks write all masks in one compiled call; other threads can run
        in the meantime.

        Parameters
        ----------
        masks
            (N, height, width), bool or integer, any memory order; uint8 or bool in C order is
            fastest. Or a list of masks of any sizes, or of annotations' ``segmentation``.
        labels
            N labels.
        shape
            (height, width) of all images, or a list with one for each. Polygons need it.
        threshold
            The least value of a set pixel, for masks of more than two values; see the codec's
            `encode`.
        lost
            What to do with masks or labels that have pixels but no cell: ``"raise"``, or
            ``"drop"``, which leaves them out and logs one warning with the indices.

        Returns
        -------
        ids
            int64 (n,): all ids, one mask after another.
        offsets
            int64 (N + 1,): mask i has ``ids[offsets[i]:offsets[i + 1]]``. If the codec has
            instances, an empty mask and a dropped mask have no ids.

        Raises
        ------
        MaskError, LostMaskError, LabelError, TypeError
            As in the codec's `encode`; the message names the mask's index.
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
        """The id that ends an answer; empty if the tokenizer does not know it."""
        end = self._any.end()
        return () if end is None else (end,)

    @property
    def special(self) -> list[str]:
        """The tags and bricks that are special tokens: ``skip_special_tokens=True`` erases them."""
        added, words = self._any.added(), self._binding.vocab.words
        return [word for word, i in words.items() if i in added and added[i].special]

    def longest(
        self, *, instances: int | None = None, labels: Iterable[str] | None = None
    ) -> int | None:
        """The most ids that the masks of an answer take under a guide, without words around them.

        Returns None if there is no maximum: `instances` is None, or the codec needs `labels` and
        they are None. If an instance may have any label, the label counts 32 ids.

        Parameters
        ----------
        instances, labels
            As in `guide`.

        Raises
        ------
        ConfigError, LabelError
            As in `guide`.

        Examples
        --------
        ::

            most = tokens.longest(instances=2, labels=["dog"])  # for max_new_tokens or max_tokens
        """
        return self._binding.longest(_options(instances=instances, labels=labels))

    def decode(self, ids: Any) -> Any:
        """Read ids strictly; skips padding, and beginning and end of the text.

        Parameters
        ----------
        ids
            (n,), integer: an array, a list, a tensor on any device.

        Returns
        -------
        The result of the codec's `decode`: a list of `Region`, or a `LabelGrid`.

        Raises
        ------
        DecodeError, TruncatedError
            As in the codec's `decode`. If the codec has bricks, ``position`` is an index into
            `ids`, else into ``text(ids)``.
        VocabError
            The ids are not one-dimensional.
        TypeError
            The ids are not integers.
        """
        return self._binding.decode(ids)

    def recover(self, ids: Any) -> Any:
        """Read any ids: draws what it can, and lists the problems.

        Returns
        -------
        The result of the codec's `recover`: `RecoveredRegions`, or a `RecoveredGrid`. Positions
        are those of `decode`.

        Raises
        ------
        VocabError, TypeError
            The ids are not one-dimensional, or not integers.
        """
        return self._binding.recover(ids)

    def text(self, ids: Any) -> str:
        """The text of ids, as the tokenizer decodes it, without padding and the end of the text."""
        return self._binding.text(ids)

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without the special tokens that the tokenizer puts around texts."""
        return self._any.encode(text)

    def spans(self, ids: Any) -> list[tuple[int, int]]:
        """The place of each region of `recover` in ids: (start, stop), stop excluded.

        It goes from the region's first tag to its last, or to where the region breaks off. All
        regions of an image-wise text lie between its two tags. If the codec has no tags, the place
        is all ids.
        """
        return self._binding.spans(as_ids(ids).tolist())

    def stream(self) -> MaskStream:
        """A decoder that takes ids one by one, while a model writes them.

        Raises
        ------
        ConfigError
            The codec has no stream.

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

        Outside instances it allows free text, inside an instance only the format. It takes about
        half a second to make for a vocabulary of 150,000: make it once, and use it for all
        answers.

        A guide does not limit the length of free text. With ``labels`` and ``instances``, and
        without free text, the length of an answer has a bound.

        Parameters
        ----------
        colours
            ``"alternate"``: no brick follows a brick of the same colour, unless that one has 63
            cells; in R-RLE and I-RLE, no label comes twice in a row.
        instances
            The most instances of an answer; None for any number.
        labels
            The allowed labels; by default any. R-RLE and I-RLE need them, and always allow the
            background's label, too.
        start
            Ids at the beginning of the answer that are already there, such as those of
            ``<ref>dog</ref>``. Pass only the ids behind them to `Guide.allowed`.
        ends
            Further ids that end an answer, besides the tokenizer's own: the ``eos_token_id`` of a
            model's generation config, which is one id, several or None.
        free_text
            Whether words may come around masks. Without free text, an answer is at least one
            mask, and then its end; at most one space may come before the masks.

        Raises
        ------
        ConfigError
            The codec has no guide, an option does not fit the codec, or there is no free text and
            no id that ends an answer.
        LabelError
            A label would break the text.
        VocabError
            The vocabulary cannot spell the answer, or spells it in an unknown way; an id of `ends`
            is below 0.
        DecodeError
            `start` does not begin an answer.
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
        """The answers that `guide` allows, as a grammar of token ids for a serving engine.

        The grammar describes a whole answer; or, with `box`, only the part behind a known box,
        ``<seg>`` to ``</seg>``. In B-SD, the numbers of a box give the length of its rows:
        xgrammar can keep this length only if the box is known.

        Parameters
        ----------
        dialect
            ``"xgrammar"``: an EBNF with ``Token(id)``. ``"llguidance"``: a Lark grammar with
            ``<[id]>``.
        instances, labels, free_text
            As in `guide`. The grammar does not contain the id that ends an answer: the engine
            knows it.
        box
            (x1, y1, x2, y2) in cells, for B-SD; both corners are inside. Leave out `instances`,
            `labels` and `free_text` with it.

        Raises
        ------
        ConfigError
            The codec has no grammar, or none in this dialect without a box; or an option does not
            fit the codec or the box.
        LabelError
            A label would break the text.
        VocabError
            The vocabulary cannot spell the answer, or spells it in an unknown way.
        MaskError
            The box does not lie on the canvas.
        TypeError
            The box is not four integers.
        """
        options = _options(instances=instances, labels=labels, free_text=free_text)
        if box is not None and options != GuideOptions():
            raise ConfigError(
                "instances, labels and free_text say what comes before a box; behind a box that is "
                "given there are only its rows, so leave them out"
            )
        return self._binding.grammar(options, dialect=dialect, box=box)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write codec and tokenizer to a folder; creates a missing folder. `load` reads them back.

        The codec becomes ``maskcodec.json``; the tokenizer's library writes the tokenizer. `ignore`
        is not written: pass it to `load` again. Returns the folder's path.

        Raises
        ------
        VocabError
            The saved tokenizer gives other ids: its library did not write all settings.
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
        """Load a codec and a tokenizer from a folder of `save` or of a checkpoint.

        Raises
        ------
        FileNotFoundError
            The codec or the tokenizer is missing.
        ConfigError, VocabError
            The codec or the tokenizer cannot be read, or they do not fit together.
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
        """Load the codec and the tokenizer of a checkpoint, for training or inference.

        Parameters
        ----------
        name
            A checkpoint's folder, its name on the Hub such as ``"Qwen/Qwen2.5-VL-7B-Instruct"``,
            or the path of a ``tokenizer.json``. Files on this machine come first. Code of a
            checkpoint never runs.
        codec
            The codec; by default the one in the checkpoint's ``maskcodec.json``. If the checkpoint
            has no ``maskcodec.json``, the loaded tokenizer gets the codec's tokens. The
            checkpoint's files do not change.
        ignore
            As in `TokenCodec`.

        Raises
        ------
        ConfigError
            There is no such checkpoint, it has no ``maskcodec.json`` and `codec` is None, or its
            own codec has other settings: the message names these.
        VocabError
            The tokenizer cannot be read, or the codec's tokens do not fit into it.

        Examples
        --------
        ::

            tokens = TokenCodec.from_pretrained("Qwen/Qwen2.5-VL-7B-Instruct", mc.Scanlines())
            tokens = TokenCodec.from_pretrained("merged")  # a folder that training wrote
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
