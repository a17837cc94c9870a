"""Processors of Qwen2-VL and its kin for images only, which need no torchvision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import transformers
from transformers.utils.hub import cached_file

from maskcodec.errors import ConfigError, VocabError
from maskcodec.tokenizers.any_tokenizer import code_file

if TYPE_CHECKING:
    import os

_HUB = ("cache_dir", "force_download", "local_files_only", "token", "revision", "subfolder")
_VIDEO_CONFIG = "video_preprocessor_config.json"


class ImageOnlyProcessor(transformers.ProcessorMixin):
    """The processor of Qwen2-VL, Qwen2.5-VL, Qwen3-VL or InternVL, without its video processor.

    The families' own processors need a video processor, which needs torchvision. This one is an
    instance of the family's class and differs in nothing else. It saves the video processor's
    settings, too: ``transformers.AutoProcessor`` loads the family's own processor from the folder
    if torchvision is installed.

    Parameters
    ----------
    image_processor
        The family's image processor, for example ``transformers.Qwen2VLImageProcessorPil()``.
    tokenizer
        The family's tokenizer, with its image tokens.
    chat_template
        The Jinja template that makes a conversation one text. None: the tokenizer's.
    image_seq_length
        The number of tokens for a tile of an image; only InternVL uses it.
    family
        The ``model_type`` of the model's config: ``"qwen2_vl"``, ``"qwen2_5_vl"``,
        ``"qwen3_vl"`` or ``"internvl"``.

    Raises
    ------
    ConfigError
        The family is unknown.

    Examples
    --------
    Usually you load one: ``ImageOnlyProcessor.from_pretrained("Qwen/Qwen2-VL-7B-Instruct")``.

    >>> from maskcodec.hf import ImageOnlyProcessor
    >>> ImageOnlyProcessor(None, None, family="bert")
    Traceback (most recent call last):
      ...
    maskcodec.errors.ConfigError: family must be one of qwen2_vl, qwen2_5_vl, qwen3_vl, internvl; \
got 'bert'
    """

    video_processor_type: ClassVar[str]

    def __new__(cls, *args: Any, family: str = "qwen2_vl", **kwargs: Any) -> ImageOnlyProcessor:
        """An instance of the family's subclass of this class."""
        del args, kwargs
        return super().__new__(_family(family) if cls is ImageOnlyProcessor else cls)

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        chat_template: str | None = None,
        image_seq_length: int = 256,
        *,
        family: str = "qwen2_vl",
    ) -> None:
        del family  # `__new__` has chosen the class by it
        if chat_template is None:
            chat_template = tokenizer.chat_template
        super().__init__(  # type: ignore[no-untyped-call]
            image_processor,
            tokenizer,
            chat_template=chat_template,
            image_seq_length=image_seq_length,
        )
        self.video_settings: dict[str, Any] | None = None

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any
    ) -> ImageOnlyProcessor:
        """Load the processor of a checkpoint, or of a folder that a family's processor wrote.

        Parameters
        ----------
        pretrained_model_name_or_path
            A folder, or a model's name on the Hub.
        **kwargs
            Options of ``transformers.ProcessorMixin.from_pretrained``. The checkpoint's code runs
            only with ``trust_remote_code=True``.

        Raises
        ------
        ConfigError
            Neither ``config.json`` nor ``processor_config.json`` names a family.
        VocabError
            The checkpoint wants to run its own code.
        """
        place = pretrained_model_name_or_path
        kwargs.setdefault("trust_remote_code", False)  # else a checkpoint with code asks at stdin
        hub = {key: kwargs[key] for key in _HUB if key in kwargs}
        settings, _ = cls.get_processor_dict(place, **hub)
        if cls is ImageOnlyProcessor:
            return _family_at(place, settings, hub).from_pretrained(place, **kwargs)
        try:
            processor: ImageOnlyProcessor = super().from_pretrained(place, **kwargs)
        except ValueError as error:
            if kwargs["trust_remote_code"] or not (named := code_file(Path(place))):
                raise
            raise VocabError(
                f"the processor in {place} wants to run Python code of its own ({named} has an "
                '"auto_map"), which is not run unless you pass trust_remote_code=True'
            ) from error
        video = settings.get("video_processor") or _read(place, hub)
        processor.video_settings = video
        return processor

    def to_dict(self) -> dict[str, Any]:
        """The content of ``processor_config.json``, with the video processor's settings.

        These are the settings that the processor was loaded with, or else the image processor's.
        """
        saved: dict[str, Any] = super().to_dict()
        images = saved["image_processor"]
        shared = ["patch_size", "temporal_patch_size", "merge_size", "image_mean", "image_std"]
        if self.video_processor_type == "InternVLVideoProcessor":
            shared.append("size")  # the other families use it for all frames together
        saved["video_processor"] = self.video_settings or {
            "video_processor_type": self.video_processor_type,
            **{key: images[key] for key in shared if key in images},
        }
        return saved


# The names of the next classes are written into the folders that they save.
class Qwen2VLProcessor(ImageOnlyProcessor, transformers.Qwen2VLProcessor):
    """The processor of Qwen2-VL."""

    video_processor_type = "Qwen2VLVideoProcessor"


class Qwen2_5_VLProcessor(ImageOnlyProcessor, transformers.Qwen2_5_VLProcessor):  # noqa: N801
    """The processor of Qwen2.5-VL."""

    video_processor_type = "Qwen2VLVideoProcessor"


class Qwen3VLProcessor(ImageOnlyProcessor, transformers.Qwen3VLProcessor):
    """The processor of Qwen3-VL."""

    video_processor_type = "Qwen3VLVideoProcessor"


class InternVLProcessor(ImageOnlyProcessor, transformers.InternVLProcessor):
    """The processor of InternVL's checkpoints for transformers (their names end in ``-hf``)."""

    video_processor_type = "InternVLVideoProcessor"


_FAMILIES: dict[str, type[ImageOnlyProcessor]] = {
    "qwen2_vl": Qwen2VLProcessor,
    "qwen2_5_vl": Qwen2_5_VLProcessor,
    "qwen3_vl": Qwen3VLProcessor,
    "internvl": InternVLProcessor,
}


def _family(name: object) -> type[ImageOnlyProcessor]:
    if not isinstance(name, str) or name not in _FAMILIES:
        raise ConfigError(f"family must be one of {', '.join(_FAMILIES)}; got {name!r}")
    return _FAMILIES[name]


def _family_at(
    place: str | os.PathLike[str], settings: dict[str, Any], hub: dict[str, Any]
) -> type[ImageOnlyProcessor]:
    """The class for a checkpoint."""
    named = settings.get("processor_class")
    for family in _FAMILIES.values():
        if family.__name__ == named:
            return family
    config = _read(place, hub, "config.json") or {}
    model_type = config.get("model_type")
    if model_type in _FAMILIES:
        return _FAMILIES[model_type]
    raise ConfigError(
        f"{place}: processor_config.json names the processor {named!r} and config.json the model "
        f"{model_type!r}; expected one of {', '.join(_FAMILIES)}. Other models need no image-only "
        "processor: use transformers.AutoProcessor"
    )


def _read(
    place: str | os.PathLike[str], hub: dict[str, Any], name: str = _VIDEO_CONFIG
) -> dict[str, Any] | None:
    """Read one of a checkpoint's JSON files; None if the file is missing."""
    found = cached_file(place, name, _raise_exceptions_for_missing_entries=False, **hub)
    return None if found is None else json.loads(Path(found).read_text(encoding="utf-8"))
