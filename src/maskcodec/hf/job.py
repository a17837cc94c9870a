"""One run of a model's `generate` for some images and questions, and its answers."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from maskcodec.answers import Answer, read_answer
from maskcodec.errors import ConfigError, MaskError, VocabError
from maskcodec.files.photos import as_picture
from maskcodec.hf.answer_spans import adds_special
from maskcodec.hf.constrain import MaskLogitsProcessor
from maskcodec.hf.likelihood import Likelihood, Watch
from maskcodec.messages import brief
from maskcodec.tokenizers.guide import Guide
from maskcodec.tokens import TokenCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from maskcodec.tokenizers.guide import Colours

# Defaults of generation. Many checkpoints ask for a repetition penalty, which would bend the rows
# of a mask; and 20 new ids, the usual default, are too few for a mask.
_DEFAULTS = {"max_new_tokens": 1024, "do_sample": False, "repetition_penalty": 1.0}
_OURS = "return_dict_in_generate", "output_scores", "output_logits"


def as_pairs(image: Any, question: Any) -> tuple[list[Any], list[str], bool]:
    """Pair images with questions; say whether the caller passed a list.

    One image goes with all questions, and one question with all images.

    Raises
    ------
    MaskError
        Two lists have different lengths, or a list is empty.
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
    """The tensors of the prompts, padded on the left, on the CPU.

    Raises
    ------
    TypeError, MaskError
        An image has another type or shape, or cannot be read.
    VocabError
        A question holds the image token.
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
        A tag or brick has another id in the processor's tokenizer, or no row in the model.
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


class Job:
    """Prompts, and everything that a model needs to answer them.

    Parameters
    ----------
    model, processor, tokens
        As in `generate`.
    images, questions
        Two sequences of the same length.
    chosen
        ``constrain``, ``labels``, ``instances``, ``colours`` and ``free_text`` of `generate`.
    options
        The other options of `generate`.

    Attributes
    ----------
    beams
        Whether a question has several beams.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        images: Sequence[Any],
        questions: Sequence[str],
        tokens: TokenCodec,
        chosen: tuple[bool | Guide, Iterable[str] | None, int | None, Colours, bool],
        options: dict[str, Any],
    ) -> None:
        if not isinstance(tokens, TokenCodec):
            raise TypeError(
                f"tokens must be a maskcodec.TokenCodec, got {brief(tokens)}; "
                "TokenCodec(codec, processor.tokenizer) makes one"
            )
        check_tokenizer(processor, model, tokens)
        self._model = model
        given = options.get("generation_config")
        config: Any = copy.deepcopy(given or model.generation_config)
        settings: dict[str, Any] = {} if given else dict(_DEFAULTS)
        if options.get("max_length"):
            settings["max_new_tokens"] = None
        settings |= {name: value for name, value in options.items() if name != "generation_config"}
        _check({**config.to_dict(), **settings})
        self._options = config.update(**settings)  # the options that a configuration lacks
        self._tell_ends(config, processor.tokenizer)
        self._config = config
        self.beams = (config.num_beams or 1) > 1
        self._guide = _guide(tokens, self._ends, *chosen)
        self._tokens = tokens
        self._count = len(questions)
        inputs = model_inputs(processor, images, questions)
        self._inputs = inputs.to(model.device, model.dtype)

    def _tell_ends(self, config: Any, tokenizer: Any) -> None:
        """Set the ids that end an answer, the tokenizer's among them, and the id that pads."""
        usual = self._model.generation_config
        ends = usual.eos_token_id if config.eos_token_id is None else config.eos_token_id
        listed = ends if isinstance(ends, (list, tuple)) else [ends]
        given = (*listed, tokenizer.eos_token_id)
        self._ends = sorted({n for n in given if n is not None and n >= 0})  # -1 means no id
        # `_read` cuts off the padding, so prefer an id that no answer has.
        pads = tokenizer.pad_token_id, config.pad_token_id, usual.pad_token_id, *self._ends
        self._pad = next((pad for pad in pads if pad is not None), None)
        config.eos_token_id, config.pad_token_id = self._ends or None, self._pad

    def run(
        self, push: Callable[[int], Any] = int, stopped: Callable[[], bool] = bool
    ) -> list[Answer]:
        """Generate the answers; push each id of the first, and end all when `stopped` is true."""
        model, options = self._model, dict(self._options)
        likelihood = Likelihood(self._count)
        options["logits_processor"] = [
            likelihood,
            *(options.get("logits_processor") or ()),
            *([self._constraint(self._guide)] if self._guide else ()),
        ]
        options["stopping_criteria"] = [
            Watch(likelihood, push, stopped),
            *(options.get("stopping_criteria") or ()),
        ]
        training = [module for module in model.modules() if module.training]
        model.eval()
        try:
            rows = model.generate(**self._inputs, generation_config=self._config, **options)
        finally:
            for module in training:  # only these: frozen parts may have been in evaluation mode
                module.training = True
        prompt = self._inputs["input_ids"].shape[1]
        return [
            self._read(row, likelihood, group)
            for group, row in enumerate(rows[:, prompt:].tolist())
        ]

    def _constraint(self, guide: Guide) -> MaskLogitsProcessor:
        return MaskLogitsProcessor(guide, inplace=True, beams=self.beams)

    def _read(self, ids: list[int], likelihood: Likelihood, group: int) -> Answer:
        stop = next((at for at, number in enumerate(ids) if number in self._ends), None)
        ids = ids[:stop]
        while stop is None and ids and ids[-1] == self._pad:  # another criterion ended the answer
            ids.pop()
        logs = likelihood.logs(group, ids)
        return read_answer(self._tokens, ids, logs, stop is not None)


def _check(options: dict[str, Any]) -> None:
    """Refuse options that change the result of ``model.generate``."""
    asked = [name for name in _OURS if options.get(name)]
    if (options.get("num_return_sequences") or 1) > 1:
        asked.append("num_return_sequences")
    if asked:
        raise ConfigError(f"generate returns one Answer for each question; leave {asked[0]} out")


def _guide(
    tokens: TokenCodec,
    ends: Sequence[int],
    constrain: bool | Guide,
    labels: Iterable[str] | None,
    instances: int | None,
    colours: Colours,
    free_text: bool,
) -> Guide | None:
    if isinstance(constrain, Guide) or not constrain:
        if (labels, instances, colours, free_text) != (None, None, "any", True):
            raise ConfigError(
                "labels, instances, colours and free_text belong to constrain=True; a guide of "
                "one's own has them already, and without one nothing is constrained"
            )
        return constrain or None
    if isinstance(labels, str):
        raise TypeError(f"labels must be several str, got one: {labels!r}")
    names = None if labels is None else tuple(labels)
    words = set(tokens.words.values())
    others = tuple(number for number in ends if number not in words)
    return _made(tokens, names, instances, colours, free_text, others)


@lru_cache(maxsize=4)
def _made(
    tokens: TokenCodec,
    labels: tuple[str, ...] | None,
    instances: int | None,
    colours: Colours,
    free_text: bool,
    ends: tuple[int, ...],
) -> Guide:
    return tokens.guide(
        labels=labels, instances=instances, colours=colours, free_text=free_text, ends=ends
    )
