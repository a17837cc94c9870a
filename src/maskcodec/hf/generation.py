"""Ask a model for masks: whole answers, or regions while the model writes them."""

from __future__ import annotations

import queue
from threading import Event, Thread, current_thread
from typing import TYPE_CHECKING, Any

from maskcodec.answers import Answer, Progress, progress
from maskcodec.errors import ConfigError
from maskcodec.hf.job import Job, as_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maskcodec.formats.instances.stream import MaskStream
    from maskcodec.tokenizers.guide import Colours, Guide
    from maskcodec.tokens import TokenCodec


def generate(
    model: Any,
    processor: Any,
    image: Any,
    question: Any,
    tokens: TokenCodec,
    *,
    constrain: bool | Guide = True,
    labels: Iterable[str] | None = None,
    instances: int | None = None,
    colours: Colours = "any",
    free_text: bool = True,
    **options: Any,
) -> Any:
    """Ask a model about an image, and read the masks of its answer.

    Parameters
    ----------
    model
        A model of transformers, or wrapped by peft, on any device. It generates in evaluation mode.
    processor
        The model's processor, with the tokenizer of `tokens` and a chat template.
    image
        A Pillow image, a uint8 array (height, width, 3) or (height, width), or a file's path; or a
        list of them.
    question
        The question, without the image token; or a list of questions. All questions are one batch.
        Pass lists of the same length, one question about several images, or several questions
        about one image.
    tokens
        The codec that the model has learned, with its tokenizer.
    constrain
        Whether the model may only choose ids that decode. Or a guide, for other options than those
        below; make it once, with ``ends=`` if the model's answers end with other ids than the
        tokenizer's.
    labels, instances, colours, free_text
        The options of `TokenCodec.guide`; R-RLE and I-RLE need labels. The guides of the last four
        sets of options are kept.
    **options
        Options of ``model.generate``, such as ``num_beams``, ``do_sample``, ``temperature`` or
        ``generation_config``. Without a ``generation_config``: greedy search, at most 1,024 new
        ids, and no repetition penalty, since the rows of a mask repeat.

    Returns
    -------
    An `Answer`, or a list of them if images or questions are a list.

    Raises
    ------
    ConfigError
        An option asks for something that this function does itself, or the codec has no guide for
        these options.
    VocabError
        The processor's tokenizer or the model lacks the codec's tokens, or the question holds the
        image token.
    MaskError, TypeError, OSError
        A file is not an image, or images and questions do not fit each other.
    """
    images, questions, several = as_pairs(image, question)
    chosen = constrain, labels, instances, colours, free_text
    job = Job(model, processor, images, questions, tokens, chosen, options)
    answers = job.run()
    return answers if several else answers[0]


def stream(
    model: Any,
    processor: Any,
    image: Any,
    question: str,
    tokens: TokenCodec,
    *,
    constrain: bool | Guide = True,
    labels: Iterable[str] | None = None,
    instances: int | None = None,
    colours: Colours = "any",
    free_text: bool = True,
    **options: Any,
) -> Iterator[Progress]:
    """Ask a model about an image, and show each row of a mask when it is written.

    The model runs in a thread. The thread ends when the iterator is exhausted, closed or collected
    as garbage. An error in the thread is raised here.

    Parameters
    ----------
    model, processor, image, question, tokens
        As in `generate`, but one image and one question.
    constrain, labels, instances, colours, free_text, **options
        As in `generate`.

    Yields
    ------
    A `Progress` when a row or a region ends, and a last one with the whole answer.

    Raises
    ------
    ConfigError
        The codec is neither scanlines nor B-SD with bricks. There are several questions. Or there
        are beams, whose answers change until their end.
    Others
        As in `generate`.

    Examples
    --------
    ::

        for shown in stream(model, processor, "photo.jpg", "Segment the dog.", tokens):
            draw(shown.index_map)
        print(shown.answer.regions)
    """
    images, questions, several = as_pairs(image, question)
    if several:
        raise ConfigError("stream takes one image and one question; generate takes lists of them")
    chosen = constrain, labels, instances, colours, free_text
    job = Job(model, processor, images, questions, tokens, chosen, options)
    return _shown(job, tokens.stream())


def _shown(job: Job, words: MaskStream) -> Iterator[Progress]:
    """Run a job in a thread, and yield its progress."""
    if job.beams:
        raise ConfigError("stream cannot show beams, whose answers change until their end")
    events: queue.SimpleQueue[int | list[Answer] | BaseException] = queue.SimpleQueue()
    stop = Event()

    def work() -> None:
        try:
            events.put(job.run(events.put, stop.is_set))
        except BaseException as error:  # `follow` raises it
            events.put(error)

    def follow() -> Iterator[Progress]:
        thread = Thread(target=work, name="maskcodec.hf.stream", daemon=True)
        thread.start()
        try:
            while True:
                event = events.get()
                if isinstance(event, BaseException):
                    raise event
                if isinstance(event, list):
                    yield progress(words, event[0])
                    return
                if words.push(event).row_ended:
                    yield progress(words)
        finally:
            stop.set()
            if thread is not current_thread():  # the thread may collect this iterator as garbage
                thread.join()

    return follow()
