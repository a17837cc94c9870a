"""Fuzzers: hostile inputs made from a seed, and the contract of what reads them.

A target is a module with a function ``case(rng, folder)``. It makes one input from the random
numbers, writes what it needs to the empty folder, and runs it. It returns what came out, in a few
words each, which are counted; any exception is a fault. A case depends on the target's name, the
seed and its number only, so that each can be run alone.
"""

from __future__ import annotations

import random
import shutil
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = "pickles", "json_structure", "pngs", "streams", "answers"


class FaultError(AssertionError):
    """A contract was broken: which one, and how to see it again."""


def run_case(target: str, seed: int, number: int, folder: Path) -> list[str]:
    """What came out of one case; the folder is empty before and after.

    Raises
    ------
    FaultError
        The case found a fault, which is its cause.
    """
    case = import_module(f"{__name__}.{target}").case
    try:
        return case(random.Random(f"{target} {seed} {number}"), folder)
    except Exception as error:
        raise FaultError(
            f"{type(error).__name__}: {error}\n"
            f"again: python -m tests.fuzz {target} --seed {seed} --case {number}"
        ) from error
    finally:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
