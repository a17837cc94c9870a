"""The processor for SGLang: ``--enable-custom-logit-processor --disable-overlap-schedule``.

`maskcodec.serve.request` names it in requests made with ``constrain="processor"``. Only the server
imports this module, since it needs SGLang; maskcodec must be installed there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from maskcodec.errors import ConfigError
from maskcodec.serve.processors import NAME, Guides, hold, version

try:
    from sglang.srt.runtime_context import get_server_args
    from sglang.srt.sampling.custom_logit_processor import CustomLogitProcessor
except ImportError as error:
    raise ImportError(
        "maskcodec.serve.sglang needs custom logit processors as SGLang 0.5.23 has them, and does "
        f"not find them in {version('sglang')}: {error}"
    ) from error

_WALK = "maskcodec_walk"  # key in a request's options for the state of its answer


class MaskProcessor(CustomLogitProcessor):  # type: ignore[misc]
    """Holds answers to valid masks, for requests whose ``custom_params`` has ``maskcodec``."""

    def __call__(self, logits: Any, custom_param_list: list[Any] | None = None) -> Any:
        """Set forbidden ids to -inf in the logits (rows, columns), and return them."""
        rows = {}
        for row, params in enumerate(custom_param_list or ()):
            if not params or NAME not in params or "__req__" not in params:
                continue
            ids = params["__req__"].output_ids
            walk = params.get(_WALK)
            if walk is None or walk.count > len(ids):
                walk = params[_WALK] = _guides().walk(params[NAME])
            options = walk.options(ids[walk.count :])
            if options is not None:
                rows[row] = options
        if rows:
            hold(logits, rows)
        return logits


@lru_cache(maxsize=1)
def _guides() -> Guides:
    settings = get_server_args()
    if not settings.disable_overlap_schedule:
        raise ConfigError(
            "maskcodec.serve.sglang must know all ids of an answer, and SGLang's overlapping "
            "schedule tells them a step late; start the server with --disable-overlap-schedule"
        )
    return Guides(settings.model_path)
