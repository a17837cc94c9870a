"""The decorator of kernels, which starts the compiler at the first call of a kernel.

`import maskcodec` must stay cheap: training code imports it in every worker, and a program that
only configures a codec never compiles. So a file of kernels only imports NumPy and this module.
"""

from __future__ import annotations

from collections import defaultdict
from functools import wraps
from threading import RLock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

_waiting: defaultdict[str, list[Callable[..., Any]]] = defaultdict(list)  # by their module
_compiling = RLock()


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Replace a function by a stub, which compiles all kernels of its file at its first call.

    The compiled kernels replace the stubs in their module. Call kernels as attributes of the
    module: a stub that was imported by its name remains, and takes longer than some kernels.
    """
    module, names, name = function.__module__, function.__globals__, function.__name__
    _waiting[module].append(function)

    @wraps(function)
    def stub(*args: P.args, **kwargs: P.kwargs) -> R:
        if names[name] is stub:
            _compile(module, names)
        compiled: Callable[P, R] = names[name]
        return compiled(*args, **kwargs)

    return stub


def numbers(*values: int) -> list[int]:
    """Constants that Numba takes for numbers: for each literal it would compile a helper again."""
    return cast("list[int]", [np.int64(value) for value in values])


def _compile(module: str, names: dict[str, Any]) -> None:
    """Replace the stubs of a module by the compiled kernels."""
    with _compiling:  # another thread may have done this already
        if functions := _waiting.get(module):
            # All at once: to compile a kernel, Numba looks up the kernels that it calls.
            names.update({function.__name__: _compiled(function) for function in functions})
            del _waiting[module]


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled at its first call, and cached on disk if a folder can be written."""
    import numba

    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder for a cache, as in a read-only install
        compiled = numba.njit(nogil=True)(function)
    return cast("Callable[..., Any]", compiled)
