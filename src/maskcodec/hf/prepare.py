"""Prepare a model and a tokenizer for learning a codec."""

from __future__ import annotations

import logging
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from maskcodec.errors import ConfigError, VocabError
from maskcodec.hf.embeddings import set_rows, untouched, word_shares
from maskcodec.messages import check_choice, check_codec
from maskcodec.text.codec import check_rows, check_same_codec, file_beside, load
from maskcodec.tokenizers.any_tokenizer import AnyTokenizer
from maskcodec.tokenizers.extension import extend_tokenizer
from maskcodec.tokenizers.pretrained import PREPARED
from maskcodec.tokens import TokenCodec

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from maskcodec.text.codec import Codec

Init = Literal["semantic", "mean"]


def prepare_model(
    model: Any,
    codec: Codec,
    tokenizer: Any,
    *,
    init: Init = "semantic",
    out: str | os.PathLike[str] | None = None,
    processor: Any = None,
    rows: str | os.PathLike[str] | None = None,
) -> TokenCodec:
    """Extend a tokenizer by a codec's tokens and give them rows in the model, in place.

    Rows are added only if they are missing; padding rows with the new ids are used, and no row is
    removed. Rows of both matrices are set by id; tied matrices stay tied. Tokens that the tokenizer
    had before keep their rows, unless these are padding: zero, or equal to a row of no token. The
    model's config notes the words whose rows this function has set, so that a second call changes
    nothing, also after training.

    Parameters
    ----------
    model
        A model of transformers with a language model's head, in any floating-point type, on any
        device, before peft or a trainer wraps it.
    codec
        The codec to learn: any codec.
    tokenizer
        The model's tokenizer; may be a bare ``tokenizers.Tokenizer``.
    init
        The first values of new rows. ``"semantic"``: for bricks, the mean of the pieces of
        "foreground", "background" or "end of row" and of their number; for location tokens, of
        "location" and their number; for tags, of "start of box" and the like. ``"mean"``: the mean
        of all rows. Small random numbers, always the same, are added.
    out
        A folder for a checkpoint that other programs load: codec, tokenizer, model and generation
        config, and the processor if there is one. The folder must be empty or not exist. It gets
        its name when it is complete. The model gets this name, too, so that adapters refer to it.
    processor
        The model's processor; its tokenizer must be `tokenizer`. Only written to `out`.
    rows
        The folder or file of the rows to learn. It is an error if their ``maskcodec.json`` has
        another codec. Without that file, the rows are accepted and a note is logged.

    Returns
    -------
    Codec and tokenizer, for training and for reading answers.

    Raises
    ------
    TypeError
        The model, the tokenizer or the codec has another type.
    ConfigError
        The model has no head, is wrapped by peft, or its weights cannot be set. The processor has
        another tokenizer. The folder is not empty. Or the rows, or the checkpoint of the model or
        the tokenizer, have another codec.
    FileNotFoundError
        The folder or file of `rows` does not exist.
    VocabError
        The codec and the tokenizer do not fit together, or the rows belong to other ids.

    Examples
    --------
    ::

        model = AutoModelForImageTextToText.from_pretrained("Qwen/Qwen2.5-VL-7B-Instruct")
        processor = AutoProcessor.from_pretrained("Qwen/Qwen2.5-VL-7B-Instruct")
        tokens = prepare_model(
            model, mc.Scanlines(), processor.tokenizer, out="prepared", processor=processor
        )
    """
    check_choice(init, Init, "init")
    heads = _matrices(model)
    check_codec(codec)
    if processor is not None and getattr(processor, "tokenizer", None) is not tokenizer:
        raise ConfigError(
            "the processor has another tokenizer, which would lack the codec's tokens; pass "
            "tokenizer=processor.tokenizer"
        )
    _check_origins(model, tokenizer, codec, rows)
    folder = None if out is None else _free_folder(out)
    had = [head.weight.shape[0] for head in heads]
    before = set(AnyTokenizer(tokenizer).vocabulary().values())
    extension = extend_tokenizer(codec, tokenizer, embedding_rows=max(had))
    tokens = TokenCodec(codec, tokenizer)
    prepared = _prepared(model, tokens.words)
    if min(had) < extension.rows:
        model.resize_token_embeddings(extension.rows, mean_resizing=False)  # rows are set below
    _tell_size(model, extension.rows)
    new = {i: w for w, i in tokens.words.items() if w not in prepared or i >= min(had)}
    kept: set[str] = set()
    for head, count in zip(_matrices(model), had, strict=True):
        kept |= _initialise(head, count, tokens, new, before, init)
    meanings = codec.meanings()  # a model may have had tags and location tokens before
    bricks = [word for word in kept.difference(codec.tags()) if meanings[word][0] != "location"]
    if bricks:
        logging.getLogger("maskcodec").warning(
            "the tokenizer had %d of the codec's bricks before, whose rows look trained and were "
            "kept; if they never were, start from the model's own tokenizer",
            len(bricks),
        )
    setattr(model.config, PREPARED, {**prepared, **tokens.words})
    if folder is not None:
        _write(folder, model, tokens, processor)
    return tokens


def _check_origins(
    model: Any, tokenizer: Any, codec: Codec, rows: str | os.PathLike[str] | None
) -> None:
    """Refuse rows or a checkpoint of another codec."""
    if rows is not None:
        check_rows(rows, codec, "the codec given")
    for name in {getattr(of, "name_or_path", "") for of in (model, tokenizer)}:
        file = file_beside(name) if name and Path(name).is_dir() else None
        if file is not None:
            check_same_codec(codec, "the codec given", load(file), str(file))


def _matrices(model: Any) -> list[Any]:
    """The layers that embed ids and that score ids: one if they are tied, else two."""
    if not hasattr(model, "get_input_embeddings") or not hasattr(model, "config"):
        raise TypeError(f"model must be one of transformers, got {type(model).__name__}")
    if hasattr(model, "peft_config"):
        raise ConfigError(
            "the model has an adapter already; prepare the model first, then add the adapter"
        )
    layers = model.get_input_embeddings(), model.get_output_embeddings()
    if layers[1] is None:
        raise ConfigError(
            f"{type(model).__name__} has no language model's head, so it cannot write; load it as "
            "AutoModelForImageTextToText or AutoModelForCausalLM"
        )
    for layer in layers:
        if layer.weight.device.type == "meta" or not layer.weight.is_floating_point():
            raise ConfigError(
                f"the embedding weights are {layer.weight.dtype} on {layer.weight.device}, whose "
                "rows cannot be set; load the model whole and unquantised, and quantise afterwards"
            )
    return list(layers[:1] if layers[0].weight is layers[1].weight else layers)


def _prepared(model: Any, words: Mapping[str, int]) -> dict[str, int]:
    """The words whose rows are set already, by the model's config."""
    prepared: dict[str, int] = dict(getattr(model.config, PREPARED, None) or {})
    by_id = {i: word for word, i in prepared.items()}
    for word, i in words.items():
        if prepared.get(word, i) != i or by_id.get(i, word) != word:
            there = word if word in prepared else by_id[i]
            raise VocabError(
                f"the model was prepared with {there!r} at id {prepared[there]}, where this "
                f"tokenizer has {word!r} at id {i}; load the tokenizer that was written with it"
            )
    return prepared


def _initialise(
    head: Any, rows: int, tokens: TokenCodec, new: dict[int, str], before: set[int], init: Init
) -> set[str]:
    """Set the new rows of a matrix that had ``rows`` rows; return the words whose rows it keeps."""
    size = head.weight.shape[0]
    named = before.intersection(range(rows))
    unnamed = [i for i in range(rows) if i not in before and i not in new]
    there = [i for i in new if i in named]
    blank = untouched(head.weight, there, unnamed)
    fresh = [i for i in new if i not in named or i in blank]
    trained = sorted(named.difference(fresh))
    shares: dict[int, dict[int, float]] = {i: {} for i in range(rows, size)}
    shares |= {i: {} for i in fresh}
    if init == "semantic":
        made_of = word_shares(tokens.codec, AnyTokenizer(tokens.tokenizer), set(trained))
        shares |= {i: made_of[new[i]] for i in fresh}
    set_rows(head, dict(sorted(shares.items())), trained)
    return {new[i] for i in there if i not in blank}


def _tell_size(model: Any, rows: int) -> None:
    """Write the number of rows into the configs that have it."""
    for config in model.config, model.config.get_text_config():
        if hasattr(config, "vocab_size"):
            config.vocab_size = rows


def _free_folder(out: str | os.PathLike[str]) -> Path:
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder} is there already, and a checkpoint is not written over anything; delete it "
            "or choose another folder"
        )
    return folder


def _write(folder: Path, model: Any, tokens: TokenCodec, processor: Any) -> None:
    """Write all files into a temporary folder beside `folder`, and rename it at the end."""
    parent = folder.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{folder.name}-") as work:
        made = Path(work) / "made"
        made.mkdir()
        model.save_pretrained(made)
        if processor is not None:
            processor.save_pretrained(made)
            images = getattr(processor, "image_processor", None)
            if images is not None:  # transformers 5 writes it into processor_config.json only
                images.save_pretrained(made)
        tokens.save(made)
        if folder.is_dir():
            with suppress(OSError):  # a link, a mount or the working directory: filled below
                folder.rmdir()
        if folder.is_dir():
            for path in made.iterdir():
                shutil.move(path, folder / path.name)
        else:
            made.rename(folder)
    model.name_or_path = model.config._name_or_path = str(folder)
