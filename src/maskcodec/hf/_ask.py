"""Images and questions as what a model's `generate` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.errors import MaskError, VocabError
from maskcodec.files.photos import as_picture
from maskcodec.hf._answers import adds_special

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.tokens import TokenCodec


def as_pairs(image: Any, question: Any) -> tuple[list[Any], list[str], bool]:
    """Images, as many questions, and whether several were asked; one goes with all others.

    Raises
    ------
    MaskError
        There are several of both, but not equally many, or none.
    TypeError
        A question is not a str.
    """
    images = list(image) if isinstance(image, (list, tuple)) else None
    questions = list(question) if isinstance(question, (list, tuple)) else None
    count = len(images if images is not None else questions if questions is not None else [0])
    asked = [question] * count if questions is None else questions
    shown = [image] * count if images is None else images
    if not count or len(asked) != len(shown):
        raise MaskError(
            "image and question must be one each, or lists of the same length, got "
            f"{len(shown)} and {len(asked)}"
        )
    for one in asked:
        if not isinstance(one, str):
            raise TypeError(f"question must be a str or a list of them, got {type(one).__name__}")
    return shown, asked, images is not None or questions is not None


def model_inputs(processor: Any, images: Sequence[Any], questions: Sequence[str]) -> Any:
    """The tensors of some prompts, padded on the left, on the CPU.

    Raises
    ------
    TypeError, MaskError
        An image is none.
    VocabError
        A question holds the text that stands for an image.
    """
    pictures = [as_picture(image) for image in images]
    prompts = [_prompt(processor, question) for question in questions]
    return processor(
        images=pictures,
        text=prompts,
        padding=True,
        padding_side="left",
        add_special_tokens=adds_special(processor.tokenizer, prompts[0]),
        return_tensors="pt",
    )


def check_tokenizer(processor: Any, model: Any, tokens: TokenCodec) -> None:
    """Refuse a processor or a model that does not know the codec's tokens.

    Raises
    ------
    TypeError
        The processor has no tokenizer, or the model cannot generate.
    VocabError
        A tag or brick has another id in it, or no row in the model.
    """
    tokenizer: Any = getattr(processor, "tokenizer", None)
    if not hasattr(tokenizer, "convert_tokens_to_ids"):
        raise TypeError(
            "processor must be one of transformers, with a tokenizer, got "
            f"{type(processor).__name__}"
        )
    if not hasattr(model, "generate"):
        raise TypeError(f"model must have a method generate, got {type(model).__name__}")
    have = tokenizer.get_vocab()
    for word, number in tokens.words.items():
        if have.get(word) != number:
            raise VocabError(
                f"{word!r} is id {number} in tokens and {have.get(word)} in the processor's "
                "tokenizer; pass a TokenCodec of processor.tokenizer, or the processor that was "
                "saved with it"
            )
    rows, most = model.get_input_embeddings().weight.shape[0], max(tokens.words.values())
    if rows <= most:
        raise VocabError(
            f"the model has {rows} embedding rows, but the codec's tokens go up to id {most}; "
            "prepare_model adds what is missing"
        )


def _prompt(processor: Any, question: str) -> str:
    mark = getattr(processor, "image_token", None)
    if mark and mark in question:
        raise VocabError(
            f"the question {question[:80]!r} holds {mark!r}, which stands for an image; remove it"
        )
    content = [{"type": "image"}, {"type": "text", "text": question}]
    chat = [{"role": "user", "content": content}]
    prompt: str = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    return prompt
