"""Keep a model's answer decodable: apply a guide to the scores of each step of `generate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
import transformers

from maskcodec.errors import ConfigError, DecodeError, VocabError
from maskcodec.messages import plural
from maskcodec.tokenizers.guide import END, Guide

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.guide import State

    Ids = npt.NDArray[np.int64]

_PLAIN = torch.contiguous_format
_DEARER = 2  # the time to copy a row and blank it later, divided by the time to blank it now
_REMEMBERED = 8  # lists of forbidden ids; each is at most as long as a vocabulary
# By guide: the columns that are forbidden. They are slow to compute and never change.
_FORBIDDEN: WeakKeyDictionary[Guide, dict[Any, tuple[Index, torch.Tensor]]] = WeakKeyDictionary()


class MaskLogitsProcessor(transformers.LogitsProcessor):
    """Sets the scores of all ids that would break an answer to minus infinity.

    Use it as ``model.generate(..., logits_processor=[MaskLogitsProcessor(guide)])``, or in your own
    loop that adds one id to each row before each call. Greedy search, sampling and beams work:
    beams change places and are found again by their ids. Pass ``beams=True`` if beams are sampled.
    Assisted decoding does not work: it adds several ids at once.

    The first call has the prompt, padding included. Rows that have ended may only go on with ids
    that end or surround an answer. Columns beyond the vocabulary, which padded embeddings have, are
    never allowed.

    One processor serves many generations, one after another: it recognises a new one by its ids.
    Call `reset` first if the new prompts begin with the last prompts.

    Parameters
    ----------
    guide
        A guide that `TokenCodec.guide` returns. Pass ``ends=`` there if the model's answers end
        with other ids than the tokenizer's. Several processors may share a guide.
    inplace
        Whether to save the time for new tensors (rows, columns): the call may write to the scores
        that come in, and the next call overwrites the scores that it returned. Not for
        ``generate(output_scores=True)`` or ``output_logits=True``, which keep them.
    beams
        Whether a row may go on with a forbidden id, and then counts as ended. A beam search with
        more beams than allowed ids fills up with such rows, of probability 0. If False, such a row
        is an error: the loop does not use the scores.

    Raises
    ------
    TypeError
        The guide has another type.

    Examples
    --------
    >>> import maskcodec as mc, torch
    >>> from maskcodec.hf import MaskLogitsProcessor
    >>> from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    >>> letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    >>> tokenizer = Tokenizer(models.BPE({letter: k for k, letter in enumerate(letters)}, []))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    >>> tokenizer.decoder = decoders.ByteLevel()
    >>> codec = mc.BSD(grid=4)
    >>> rows = mc.extend_tokenizer(codec, tokenizer).rows
    >>> processor = MaskLogitsProcessor(mc.TokenCodec(codec, tokenizer).guide())
    >>> ids = tokenizer.encode("Where is the dog?").ids  # the prompt
    >>> answer = tokenizer.encode("<ref>dog</ref><box>[[1").ids
    >>> for number in answer:
    ...     scores = processor(torch.tensor([ids]), torch.zeros(1, rows))
    ...     assert scores[0, number] == 0  # allowed
    ...     ids.append(number)
    >>> scores = processor(torch.tensor([ids]), torch.zeros(1, rows))
    >>> tokenizer.decode(scores[0].isfinite().nonzero()[:, 0].tolist())  # the only id
    ' '
    """

    supports_continuous_batching = False

    def __init__(self, guide: Guide, *, inplace: bool = False, beams: bool = False) -> None:
        if not isinstance(guide, Guide):
            raise TypeError(
                f"guide must be what TokenCodec.guide() returns, got {type(guide).__name__}"
            )
        self.guide = guide
        self._inplace = inplace
        self._beams = beams
        self._own: torch.Tensor | None = None
        self._written: tuple[torch.Tensor, list[int]] = torch.empty(0), []
        self.reset()

    def reset(self) -> None:
        """Forget the generation so far: the next call has the prompts of another one."""
        self._prompt: Ids = np.empty((0, 0), np.int64)
        self._length = 0  # of the rows of the last call
        self._states: dict[bytes, State] = {}  # of their answers, by the answers' ids

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Keep the scores of the allowed ids; set all others to minus infinity.

        Parameters
        ----------
        input_ids
            (rows, n), integer, on any device: the prompts, and the ids chosen since.
        scores
            (rows, columns), floating point, on any device; at least as many columns as ids.

        Returns
        -------
        A tensor of the same shape, type and device; a new one, unless ``inplace``.

        Raises
        ------
        DecodeError
            A row goes on with a forbidden id (reason ``"not-allowed"``), and ``beams`` is False;
            ``position`` counts from the end of the prompt.
        ConfigError
            The rows begin with the known prompts, but are not the last rows and one more id.
        VocabError
            There are too few columns for the allowed ids, or the shapes do not fit each other.
        """
        if input_ids.ndim != 2 or scores.ndim != 2 or len(input_ids) != len(scores):
            raise VocabError(
                "input_ids must be (rows, n) and scores (rows, columns), got "
                f"{tuple(input_ids.shape)} and {tuple(scores.shape)}"
            )
        ids = as_rows(input_ids)
        if self._goes_on(ids):
            answers = ids[:, self._prompt.shape[1] :]
            states = [self._after(row, ids) for row, ids in enumerate(answers)]
        else:
            self._prompt, answers = ids.copy(), ids[:, :0]
            states = [self.guide.start()] * len(ids)
        self._length = ids.shape[1]
        self._states = {row.tobytes(): state for row, state in zip(answers, states, strict=True)}
        return self._masked(scores, [self.guide.options(state) for state in states])

    def _goes_on(self, ids: Ids) -> bool:
        """Whether the rows are those of the last call, in any order, and one more id."""
        known, length = self._prompt, self._prompt.shape[1]
        prompts = ids[:, :length]
        if not len(known) or ids.shape[1] <= length:
            return False
        if not np.array_equal(prompts, known):  # but the rows may have changed places
            before = {row.tobytes() for row in known}
            if not all(row.tobytes() in before for row in prompts):
                return False
        answers = (row.tobytes() for row in ids[:, length:-1])
        if ids.shape[1] != self._length + 1 or not all(
            answer in self._states for answer in answers
        ):
            raise ConfigError(
                f"the rows have {plural(ids.shape[1], 'id')} and begin with the prompts of "
                f"{plural(length, 'id')} that the generation so far began with, but they are not "
                f"those of the last call, {plural(self._length, 'id')}, and one more; call reset() "
                "before another generation, and add one id a call to a row"
            )
        return True

    def _after(self, row: int, answer: Ids) -> State:
        state, number = self._states[answer[:-1].tobytes()], int(answer[-1])
        if state[0] == END:
            return state  # a framework pads the row with any id
        try:
            return self.guide.step(state, number)
        except DecodeError as error:
            if self._beams or number in self.guide.after:  # something else stopped the row
                return (END,)
            raise DecodeError(
                f"row {row}: {error.message}", len(answer) - 1, error.reason, error.unit
            ) from None

    def _masked(self, scores: torch.Tensor, options: Sequence[Index]) -> torch.Tensor:
        columns = scores.shape[1]
        largest = max((ids[-1] for ids in options), default=-1)
        if largest >= columns:
            raise VocabError(
                f"scores have {columns} columns, but id {largest} may come: the model has too few "
                "rows for the tokenizer; prepare_model, or model.resize_token_embeddings, adds them"
            )
        few: list[int] = []
        many: list[int] = []
        for row, ids in enumerate(options):
            (few if 2 * len(ids) <= columns else many).append(row)
        blank = len(few) > _DEARER * len(many)
        where = _on(_flat([options[row] for row in few], few, columns), scores)
        kept = scores.reshape(-1).index_select(0, where)
        if blank:
            masked = self._blank(scores, where, many)
            for row in many:
                masked[row] = scores[row]
        else:
            own = self._inplace and scores.is_contiguous()
            masked = scores if own else scores.clone(memory_format=_PLAIN)
            for row in few:
                masked[row].fill_(-torch.inf)
        masked.view(-1).index_copy_(0, where, kept)
        denied = [self._others(options[row], scores) for row in many]
        if len(many) == len(options) > 0 and all(others is denied[0] for others in denied):
            return masked.index_fill_(1, denied[0], -torch.inf)  # the usual case in free text
        for row, others in zip(many, denied, strict=True):
            masked[row].index_fill_(0, others, -torch.inf)
        return masked

    def _blank(self, like: torch.Tensor, where: torch.Tensor, rows: list[int]) -> torch.Tensor:
        """Scores that are all minus infinity: a new tensor, or the tensor of the last call.

        ``where`` holds the flat indices that will be written, ``rows`` the whole rows. They are
        kept, so that the next call can blank them again.
        """
        blank = self._own
        if blank is None or _kind(blank) != _kind(like):
            blank = like.new_full(like.shape, -torch.inf)
        else:
            before, whole = self._written
            blank.view(-1).index_fill_(0, before, -torch.inf)
            for row in whole:
                blank[row].fill_(-torch.inf)
        self._written = where, rows
        self._own = blank if self._inplace else None
        return blank

    def _others(self, ids: Index, like: torch.Tensor) -> torch.Tensor:
        """The columns that are not among the ids."""
        forbidden = _FORBIDDEN.setdefault(self.guide, {})
        key = id(ids), like.shape[1], like.device
        known = forbidden.get(key)
        if known is None or known[0] is not ids:
            mask = np.ones(like.shape[1], np.bool_)
            mask[ids] = False
            if len(forbidden) >= _REMEMBERED:
                forbidden.clear()
            with torch.inference_mode(False):  # a later call may be outside inference mode
                known = forbidden[key] = ids, _on(np.flatnonzero(mask), like)
        return known[1]


def as_rows(ids: torch.Tensor) -> Ids:
    """Ids on any device as an array, int64 (rows, n); it may share the tensor's memory."""
    return np.asarray(ids.detach().cpu().numpy(), np.int64)


def _kind(scores: torch.Tensor) -> tuple[Any, ...]:
    return scores.shape, scores.dtype, scores.device


def _flat(options: Sequence[Index], rows: list[int], columns: int) -> Ids:
    """The flat indices of the ids of some rows, in one array."""
    if not rows:
        return np.empty(0, np.int64)
    starts = np.array(rows, np.int64) * columns
    return np.concatenate(options) + np.repeat(starts, [len(ids) for ids in options])


def _on(numbers: npt.NDArray[np.int64], like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(numbers).to(like.device)
