"""Prepare, train and run models of Hugging Face transformers that draw masks; refine the masks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskcodec.answers import Answer, Progress
    from maskcodec.hf.collate import Collator
    from maskcodec.hf.constrain import MaskLogitsProcessor
    from maskcodec.hf.generation import generate, stream
    from maskcodec.hf.lora import lora_config
    from maskcodec.hf.prepare import prepare_model
    from maskcodec.hf.processing import ImageOnlyProcessor
    from maskcodec.hf.refining import Refined, refine

__all__ = [
    "Answer",
    "Collator",
    "ImageOnlyProcessor",
    "MaskLogitsProcessor",
    "Progress",
    "Refined",
    "generate",
    "lora_config",
    "prepare_model",
    "refine",
    "stream",
]

_HOMES = {  # imported on first use: refining masks needs no peft
    "Answer": ".answers",
    "Collator": "collate",
    "ImageOnlyProcessor": "processing",
    "MaskLogitsProcessor": "constrain",
    "Progress": ".answers",
    "Refined": "refining",
    "generate": "generation",
    "lora_config": "lora",
    "prepare_model": "prepare",
    "refine": "refining",
    "stream": "generation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f".{_HOMES[name]}", __name__)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("maskcodec"):
            raise
        raise ImportError(
            f"maskcodec.hf needs {error.name}, which is missing: "
            "pip install 'maskcodec[hf]', in a checkout '.[hf]'"
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
