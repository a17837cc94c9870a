"""What a fresh process pays: imports and first calls, each measured in a subprocess."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Times = npt.NDArray[np.float64]

_IMPORT = """
import time
start = time.perf_counter()
import {module}
print([time.perf_counter() - start])
"""
_FIRST_CALLS = """
import time
import numpy as np
import maskcodec as mc
mask = np.zeros((480, 640), np.uint8)
mask[100:300, 200:500] = 1
codec = mc.BSD(grid=64)
times = [time.perf_counter()]
text = codec.encode(mask, "dog")
times.append(time.perf_counter())
region = codec.decode(text)[0]
times.append(time.perf_counter())
region.mask((480, 640))
times.append(time.perf_counter())
print([times[k + 1] - times[k] for k in range(3)])
"""


def import_times(modules: tuple[str, ...], repeats: int, tick: Callable[[], None]) -> list[Times]:
    """How long each module takes to import, in turns: milliseconds, float64 (repeats,) each."""
    times = np.empty((repeats, len(modules)))
    for turn in range(repeats):
        for k, module in enumerate(modules):
            times[turn, k] = _run(_IMPORT.format(module=module))[0]
        tick()
    return list(times.T)


def first_calls(repeats: int, tick: Callable[[], None]) -> tuple[Times, Times]:
    """The first encode, decode and mask of a process, with a cold and with a warm Numba cache.

    Returns
    -------
    Two arrays, milliseconds, float64 (repeats, 3). Every turn has a fresh cache folder.
    """
    cold, warm = np.empty((repeats, 3)), np.empty((repeats, 3))
    for turn in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            cold[turn] = _run(_FIRST_CALLS, NUMBA_CACHE_DIR=folder)
            warm[turn] = _run(_FIRST_CALLS, NUMBA_CACHE_DIR=folder)
        tick()
    return cold, warm


def _run(code: str, **environment: str) -> Times:
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env={**os.environ, **environment}, check=True, capture_output=True, text=True
    )
    return 1000 * np.array(json.loads(done.stdout))
