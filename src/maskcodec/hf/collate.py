"""Make batches of rows: conversations about images, as tensors, with a loss on the answers only."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch

from maskcodec.errors import ConfigError, SourceError
from maskcodec.hf.answer_spans import adds_special, encoded, marked_spans, render, token_spans
from maskcodec.hf.conversation import Pictures, read_row
from maskcodec.messages import check_choice, plural
from maskcodec.text.codec import check_rows, file_beside, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from maskcodec.hf.answer_spans import Rendered
    from maskcodec.hf.conversation import Conversation
    from maskcodec.text.codec import Codec
    from maskcodec.tokens import TokenCodec

TooLong: TypeAlias = Literal["raise", "cut"]
Side: TypeAlias = Literal["left", "right"]

_IGNORED = -100  # torch's cross_entropy ignores it


@dataclass(frozen=True, slots=True)
class Collator:
    """Makes tensors of rows: the ``data_collator`` of any trainer on transformers.

    It takes the rows that ``maskcodec build`` writes, and tells their format by their fields:
    ``messages`` and ``images`` (ms-swift, LLaMA-Factory), ``prompt``, ``completion`` and ``images``
    (TRL), ``conversations`` and ``image`` (LLaVA). The trainer must pass whole rows:
    ``TrainingArguments(remove_unused_columns=False)``.

    The loss covers the assistant's answers in all turns, and the special token that ends each. It
    covers no header, question or image. With TRL's rows it covers the answers in the completion. If
    a template does not end its answers, as LLaVA-1.5's, the tokenizer's ``eos_token`` is inserted.

    Parameters
    ----------
    processor
        A processor with a chat template, a tokenizer and an image processor, for example from
        ``transformers.AutoProcessor`` or `ImageOnlyProcessor`.
    max_length
        The most tokens of a row, image tokens included, at least 1; None for no limit.
    too_long
        The treatment of a longer row. ``"raise"``: a mask that is cut off teaches the model to draw
        half of it. ``"cut"``: cut the row's end. This raises, too, if it would cut an image or
        leave nothing of the first answer.
    folder
        The folder that the images' relative paths begin at. Absolute paths and paths with ``..``
        are followed. The files must be PNG, JPEG, BMP, WebP or TIFF.
    padding_side
        The side on which shorter rows are filled up. Images, loss and positions do not change.
    codec
        The model's codec, or the `TokenCodec` that `prepare_model` returned. Only used with `rows`.
        By default the codec of the folder that the tokenizer was loaded from.
    rows
        The folder or file that the rows come from. It is an error if its ``maskcodec.json``, which
        ``maskcodec build`` writes, has another codec. Without that file, the rows are accepted and
        a note is logged.

    Raises
    ------
    ConfigError
        The processor lacks something, a setting does not exist, or the rows have another codec than
        the model.
    FileNotFoundError
        The folder or file of `rows` does not exist.

    Examples
    --------
    >>> from maskcodec.hf import Collator
    >>> Collator(None)
    Traceback (most recent call last):
      ...
    maskcodec.errors.ConfigError: a processor has apply_chat_template, tokenizer and \
image_processor; got NoneType without apply_chat_template
    """

    processor: Any
    _: KW_ONLY
    max_length: int | None = None
    too_long: TooLong = "raise"
    folder: str | Path = "."
    padding_side: Side = "right"
    codec: Codec | TokenCodec | None = None
    rows: str | Path | None = None

    def __post_init__(self) -> None:
        for name in ("apply_chat_template", "tokenizer", "image_processor"):
            if getattr(self.processor, name, None) is None:
                raise ConfigError(
                    "a processor has apply_chat_template, tokenizer and image_processor; got "
                    f"{type(self.processor).__name__} without {name}"
                )
        if self.processor.tokenizer.pad_token is None:
            raise ConfigError(
                "the tokenizer has no token to fill rows up with; set tokenizer.pad_token, for "
                "example to tokenizer.eos_token"
            )
        if self.max_length is not None and self.max_length < 1:
            raise ConfigError(f"max_length must be at least 1, or None, got {self.max_length}")
        check_choice(self.too_long, TooLong, "too_long")
        check_choice(self.padding_side, Side, "padding_side")
        if self.rows is not None:
            self._check_rows(self.rows)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Make a batch.

        Parameters
        ----------
        rows
            N rows, at least one.

        Returns
        -------
        The processor's tensors: ``input_ids`` and ``attention_mask``, int64 (N, length),
        ``pixel_values`` and others. And ``labels``, int64 (N, length): the ids to learn, -100
        elsewhere.

        Raises
        ------
        TypeError
            A row or an image has another type.
        SourceError
            A row has no known layout, an image is missing or cannot be read, a text holds the
            image token, or a row is too long.
        ConfigError
            The answers cannot be found in the chat template's text.
        """
        if not rows:
            raise SourceError("a batch needs at least one row, got none")
        names = [f"row {k} of the batch" for k in range(len(rows))]
        pictures = Pictures(Path(self.folder))
        said = [read_row(row, name) for row, name in zip(rows, names, strict=True)]
        for one, name in zip(said, names, strict=True):
            self._check_texts(one, name)
        images = [
            [pictures.load(image, name) for image in one.images]
            for one, name in zip(said, names, strict=True)
        ]
        texts = [render(self.processor, one, name) for one, name in zip(said, names, strict=True)]
        batch = self._processed([text.text for text in texts], images)
        ids = batch["input_ids"]
        labels = torch.full_like(ids, _IGNORED)
        lengths = batch["attention_mask"].sum(1).tolist()
        for k, length in enumerate(lengths):
            row = ids[k, :length].tolist()
            spans = self._spans(said[k], texts[k], images[k], row, names[k])
            for start, stop in spans:
                labels[k, start:stop] = ids[k, start:stop]
            lengths[k] = self._cut(row, texts[k].text, spans, bool(images[k]), names[k])
        batch["labels"] = labels
        return self._placed(batch, lengths)

    def _check_rows(self, rows: str | Path) -> None:
        """Refuse rows of another codec than the model's."""
        codec: Any = getattr(self.codec, "codec", self.codec)
        whose = "the model's codec"
        if codec is None:
            name = getattr(self.processor.tokenizer, "name_or_path", "")
            file = file_beside(name) if name and Path(name).is_dir() else None
            if file is None:
                raise ConfigError(
                    "the tokenizer comes from no folder with a maskcodec.json, so that rows= has "
                    "nothing to be compared with; pass codec="
                )
            codec, whose = load(file), str(file)
        check_rows(rows, codec, whose)

    def _check_texts(self, said: Conversation, where: str) -> None:
        """Refuse texts with the image token, which the processor would take for another image."""
        mark = getattr(self.processor, "image_token", None)
        for k, message in enumerate(said.messages):
            if mark and any(mark in part.get("text", "") for part in message["content"]):
                raise SourceError(
                    f"{where}, message {k}: the text holds {mark!r}, which stands for an image in "
                    "this model's prompts; remove it"
                )

    def _processed(self, texts: list[str], images: list[list[Image.Image]]) -> dict[str, Any]:
        """The processor's tensors of texts and images, padded on the right."""
        nested: Any = images
        if not all(images):  # not every processor takes empty lists
            nested = [image for own in images for image in own]
        return dict(
            self.processor(
                text=texts,
                **({"images": nested} if nested else {}),
                padding=True,
                padding_side="right",
                return_tensors="pt",
                add_special_tokens=adds_special(self.processor.tokenizer, texts[0]),
            )
        )

    def _spans(
        self,
        said: Conversation,
        text: Rendered,
        images: list[Image.Image],
        ids: list[int],
        where: str,
    ) -> list[tuple[int, int]]:
        """The spans of the ids to learn."""
        if text.spans is None:
            return marked_spans(self.processor, said, images, ids, where)

        def length(beginning: str, count: int) -> int:
            made = self._processed([beginning], [images[:count]])
            return int(made["input_ids"].shape[1])

        return token_spans(self.processor, text, ids, length, where)

    def _cut(
        self, ids: list[int], text: str, spans: list[tuple[int, int]], has_image: bool, where: str
    ) -> int:
        """The number of a row's ids to keep."""
        most = self.max_length
        if most is None or len(ids) <= most:
            return len(ids)
        says = f"{where} has {plural(len(ids), 'token')}, but max_length is {most}"
        advice = "raise max_length, or have the image processor make fewer pixels of an image"
        if self.too_long == "raise":
            raise SourceError(
                f"{says}; {advice}, or leave the row out (too_long='cut' would cut its answer)"
            )
        # Behind the last image, the ids equal those of the text: count them from the end.
        tokens = encoded(self.processor.tokenizer, text)
        same = 0
        while same < min(len(tokens), len(ids)) and tokens[-1 - same] == ids[-1 - same]:
            same += 1
        if has_image and most <= len(ids) - same:
            raise SourceError(f"{says}, which would cut an image; {advice}")
        if most <= spans[0][0]:
            raise SourceError(f"{says}, which would leave nothing of the answer; {advice}")
        return most

    def _placed(self, batch: dict[str, Any], lengths: list[int]) -> dict[str, Any]:
        """The batch with each row cut to its length and padded on `padding_side`."""
        ids = batch["input_ids"]
        width = max(lengths)
        fill = {"input_ids": self.processor.tokenizer.pad_token_id, "labels": _IGNORED}
        of_images = self.processor.image_processor.model_input_names
        for name, value in batch.items():
            if name in of_images or getattr(value, "shape", ())[:2] != ids.shape:
                continue
            value = value[:, :width].clone()  # noqa: PLW2901
            for row, length in zip(value, lengths, strict=True):
                row[length:] = fill.get(name, 0)
                if self.padding_side == "left":
                    row[:] = row.roll(width - length, 0)
            batch[name] = value
        return batch
