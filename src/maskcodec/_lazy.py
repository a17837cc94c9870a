"""The modules that bring the compiler, imported by the first call that needs one.

`import maskcodec` must stay cheap: training code imports it in every worker, and whoever only
configures a codec never compiles. An ``import`` inside each function costs a microsecond a call.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["descriptor", "idreading", "idwriter", "instances", "kernels"]


class _Lazy:
    """Stands for a module until one of its names is used, and keeps the names it was asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value


if TYPE_CHECKING:
    from maskcodec import _descriptor as descriptor
    from maskcodec import _idreading as idreading
    from maskcodec import _idwriter as idwriter
    from maskcodec import _instances as instances
    from maskcodec import _kernels as kernels
else:
    descriptor = _Lazy("maskcodec._descriptor")
    idreading = _Lazy("maskcodec._idreading")
    idwriter = _Lazy("maskcodec._idwriter")
    instances = _Lazy("maskcodec._instances")
    kernels = _Lazy("maskcodec._kernels")
