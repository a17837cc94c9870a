"""The one decorator of kernels, which defers the compiler to the first call of one of them.

`import maskcodec` must stay cheap: training code imports it in every worker, and a program that
only configures a codec never compiles. So a file of kernels imports NumPy and this module alone.
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
    """Leave a stub, which at its first call compiles all kernels of its file.

    They take the place of the stubs in their module. Call kernels as attributes of the module:
    a stub that was imported by its name stays in between, and costs more than some kernels do.
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
    """Constants that Numba takes for numbers: it compiles a helper anew for every literal."""
    return cast("list[int]", [np.int64(value) for value in values])


def _compile(module: str, names: dict[str, Any]) -> None:
    """Put the compiled kernels of a module in the place of their stubs."""
    with _compiling:  # another thread may have done so in the meantime
        if functions := _waiting.get(module):
            # At once: when a kernel is compiled, Numba looks up those that it calls.
            names.update({function.__name__: _compiled(function) for function in functions})
            del _waiting[module]


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled at the first call, and kept on disk where a folder can be written."""
    import numba

    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no place for a cache, as in a read-only install
        compiled = numba.njit(nogil=True)(function)
    return cast("Callable[..., Any]", compiled)
