"""ms-swift: ``--external_plugins .../for_swift.py --reward_funcs mask``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swift.rewards import ORM, orms

from maskcodec.rewards.folder import load, scored

if TYPE_CHECKING:
    from collections.abc import Sequence


class Mask(ORM):  # type: ignore[misc]
    """The reward of the folder that the environment variable ``MASKCODEC`` names."""

    def __call__(
        self,
        completions: Sequence[str],
        targets: Sequence[Any] | None = None,
        response_token_ids: Sequence[Any] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """The totals of some answers; None for a row that asks for no masks.

        Ids are read where ms-swift has them and the folder has a tokenizer: those of the last turn,
        whose text is the completion.

        Raises
        ------
        ConfigError
            The rows have no column ``targets``, or nothing says which codec answers are written
            with.
        """
        ids = None if response_token_ids is None else [*map(_last, response_token_ids)]
        found = scored(load(), completions, ids, targets)
        return [None if parts is None else parts["total"] for parts in found]


def _last(turns: Any) -> Any:
    """The ids of the last turn, of several lists or of one; None where there are none."""
    last = turns[-1] if turns and isinstance(turns[-1], (list, tuple)) else turns
    return last or None


orms["mask"] = Mask
