"""The base class of codecs: a frozen configuration with a versioned id, saved as JSON."""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypeVar, cast

import numpy as np

from maskcodec.errors import ConfigError, LostMaskError, SourceError, Way, within
from maskcodec.files.regular import open_regular
from maskcodec.masks.grid import Sampling
from maskcodec.messages import brief, check_choice
from maskcodec.text.settings import grid_pair

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from maskcodec.masks.arrays import IntegerArray
    from maskcodec.masks.runs import RunMask

Lost: TypeAlias = Literal["raise", "drop"]

FILE_NAME = "maskcodec.json"
_SPLITS = "train", "val"  # folders of rows
_noted: set[str] = set()  # paths of rows that a warning has named
_LARGEST_FILE = 1 << 16  # bytes; a configuration has about 500
_NAMED = 5  # unknown settings that a message lists
_TAGGED = "reference", "box", "segmentation"  # an image-wise codec has only the last
_REGISTRY: dict[str, type[Codec]] = {}


class Codec(ABC):
    """The base class of all codecs: a frozen dataclass that its configuration rebuilds.

    Codecs with equal configurations decode each other's texts, in every later release.
    `codec_id` ends in the format's version; a change of the text gets a new version.

    Attributes
    ----------
    sampling
        How pixels become cells, such as ``"nearest"``.
    """

    __slots__ = ()

    # True if a text has instances, each with a label; False if it is a grid of labels.
    has_instances: ClassVar[bool] = False
    # True if a text gives an instance's box before its cells.
    has_boxes: ClassVar[bool] = False

    sampling: str

    @property
    @abstractmethod
    def codec_id(self) -> str:
        """The format and its version, such as ``"b-sd/1"``."""

    @property
    @abstractmethod
    def canvas(self) -> tuple[int, int]:
        """(rows, columns) of the grid; for boxes, the bins of the image's height and width."""

    def cells_name(self) -> str:
        """The name of the grid in messages about lost masks."""
        rows, columns = self.canvas
        return f"the {rows} x {columns} grid"

    def cells_text(self) -> str:
        """The number of cells in words, such as ``"64 x 64"``."""
        return "{} x {}".format(*self.canvas)

    @abstractmethod
    def encode(
        self,
        image: Any,
        labels: Any,
        /,
        *,
        shape: tuple[int, int] | None = None,
        lost: Lost = "raise",
    ) -> str:
        """Write a mask or a label map as text.

        Raises `LostMaskError` if a mask or label has pixels but no cell, unless ``lost="drop"``.
        """

    @abstractmethod
    def decode(self, text: str, /) -> Any:
        """Read a text strictly: returns a list of regions, or a grid of labels."""

    @abstractmethod
    def recover(self, text: str, /) -> Any:
        """Read any text: returns what can be drawn, and a list of problems."""

    @abstractmethod
    def tags(self) -> tuple[str, ...]:
        """The tags: each opening tag, then its closing tag."""

    @abstractmethod
    def vocabulary(self) -> list[str]:
        """The tags and bricks. A tokenizer must have each as one token."""

    def meanings(self) -> dict[str, tuple[str, int | None]]:
        """The meaning of each word of `vocabulary`: an English phrase, and its number or None.

        The embedding of a new token starts as the mean of those of its phrase and number.
        """
        tags = self.tags()
        said: dict[str, tuple[str, int | None]] = {}
        names = _TAGGED[-len(tags) // 2 :]
        for opening, closing, name in zip(tags[::2], tags[1::2], names, strict=True):
            said |= {opening: (f"start of {name}", None), closing: (f"end of {name}", None)}
        return said

    def reserved(self) -> tuple[str, str]:
        """Two regular expressions: what a label must not contain, and what other words must not."""
        words = "|".join(map(re.escape, self.vocabulary()))
        return words, words

    def is_words(self, text: str) -> bool:  # noqa: ARG002
        """True if a text that does not decode holds no mask, only words, such as a refusal."""
        return False

    def bind(self, tokenizer: Any, ignore: Iterable[int | str] = ()) -> Any:  # noqa: ARG002
        """The format's own ``Binding`` for `maskcodec.TokenCodec`, or None.

        A format returns a binding if it writes ids without text, or has a stream, a guide or a
        grammar. With None, `maskcodec.TokenCodec` goes through the text.
        """
        return None

    def get_config(self) -> dict[str, Any]:
        """The codec as a dict for JSON: ``"id"`` and every setting, defaults included.

        Examples
        --------
        >>> import maskcodec as mc
        >>> mc.RRLE(grid=16).get_config()["id"]
        'r-rle/1'
        >>> mc.from_config(mc.RRLE(grid=16).get_config()) == mc.RRLE(grid=16)
        True
        """
        config: dict[str, Any] = {"id": self.codec_id}
        for field in dataclasses.fields(cast("Any", self)):
            value = getattr(self, field.name)
            config[field.name] = list(value) if isinstance(value, tuple) else value
        return config

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the configuration to ``maskcodec.json`` in a folder; creates a missing folder.

        Returns the file's path. `maskcodec.load` reads it back.
        """
        import json
        from pathlib import Path
        from tempfile import NamedTemporaryFile

        path = Path(folder) / FILE_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        # A process that reads the folder at the same time sees the old file or the new one.
        with NamedTemporaryFile("w", encoding="utf-8", dir=folder, delete=False) as file:
            file.write(json.dumps(self.get_config(), indent=2) + "\n")
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
        return path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GridCodec(Codec):
    """The base class of codecs whose grid covers the whole image.

    Parameters
    ----------
    grid
        (rows, columns) of cells, or one number for both; each 1 .. 1024.
    sampling
        How pixels become cells: ``"nearest"``, ``"area"`` or ``"keep"``.
    """

    grid: int | tuple[int, int] = 64
    sampling: Sampling = "nearest"

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", grid_pair(self.grid))
        check_choice(self.sampling, Sampling, "sampling")

    @property
    def canvas(self) -> tuple[int, int]:
        """(rows, columns) of the grid."""
        return cast("tuple[int, int]", self.grid)  # __post_init__ made it a pair


C = TypeVar("C", bound=Codec)


def register(codec_id: str) -> Callable[[type[C]], type[C]]:
    """Register a class under an id, so that `get_codec` and `from_config` find it.

    Raises
    ------
    ConfigError
        The id is not a name, a slash and a version number, such as ``"b-sd/1"``.
    """
    if not re.fullmatch("[^/]+/[1-9][0-9]{0,5}", codec_id):
        raise ConfigError(
            f"a codec's id is a name and a version, such as 'b-sd/1', got {brief(codec_id)}"
        )

    def enter(codec: type[C]) -> type[C]:
        _REGISTRY[codec_id] = codec
        return codec

    return enter


def codec_ids() -> list[str]:
    """The ids of all codecs, sorted.

    Examples
    --------
    >>> import maskcodec as mc
    >>> mc.codec_ids()
    ['b-sd/1', 'i-rle/1', 'i-sd/1', 'polygons/1', 'r-rle/1', 'scanlines/1']
    """
    return sorted(_REGISTRY)


def get_codec(name: str, /, **settings: Any) -> Codec:
    """Make a codec from its id, such as ``"b-sd/1"``. A name alone means the newest version.

    Settings that you leave out keep their defaults.

    Raises
    ------
    ConfigError
        No codec has this id, the codec has no such setting, or it refuses a setting's value.

    Examples
    --------
    >>> import maskcodec as mc
    >>> mc.get_codec("b-sd", grid=32) == mc.get_codec("b-sd/1", grid=32)
    True
    """
    versions = [codec_id for codec_id in _REGISTRY if codec_id.rpartition("/")[0] == name]
    newest = max(versions, key=lambda codec_id: int(codec_id.rpartition("/")[2]), default=name)
    return _made(newest, settings)


def _made(codec_id: str, settings: Mapping[str, Any]) -> Codec:
    try:
        codec = _REGISTRY[codec_id]
    except (KeyError, TypeError):
        raise ConfigError(
            f"no codec has the id {brief(codec_id)}; known ids: {', '.join(codec_ids())}"
        ) from None
    known = [field.name for field in dataclasses.fields(cast("Any", codec))]
    unknown = sorted(set(settings) - set(known), key=str)
    if unknown:
        raise ConfigError(
            f"{codec_id} has no setting {', '.join(map(brief, unknown[:_NAMED]))}; it has "
            f"{', '.join(known)}"
        )
    return codec(**settings)


def from_config(config: Mapping[str, Any]) -> Codec:
    """Make a codec from its configuration; the inverse of `Codec.get_config`.

    Raises
    ------
    ConfigError
        The configuration is not a mapping, has no ``"id"``, an unknown id, an id without a
        version, or settings that the codec refuses.
    """
    try:
        settings = dict(config)
    except (TypeError, ValueError):
        raise ConfigError(f"a codec's configuration is a mapping, got {brief(config)}") from None
    if "id" not in settings:
        raise ConfigError(f'a codec\'s configuration needs an "id", got {brief(list(settings))}')
    return _made(settings.pop("id"), settings)


def load(folder: str | os.PathLike[str]) -> Codec:
    """Load the codec that `Codec.save` wrote, from its folder or from the file itself.

    Raises
    ------
    FileNotFoundError
        There is no ``maskcodec.json``.
    ConfigError
        The file cannot be read, is not JSON, or does not describe a codec.
    """
    import json
    from pathlib import Path

    path = Path(folder)
    if path.is_dir():
        path = path / FILE_NAME
    try:
        with open_regular(path) as file:
            data = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"there is no {path}; expected is a folder with a {FILE_NAME}, which codec.save writes "
            "into it"
        ) from None
    except SourceError as error:
        raise ConfigError(str(error)) from error
    if len(data) > _LARGEST_FILE:
        raise ConfigError(f"{path} has more than {_LARGEST_FILE:,} bytes: it is no configuration")
    try:
        return from_config(json.loads(data.decode(), object_pairs_hook=unique))
    except ConfigError as error:
        raise within(str(path), error) from error
    except (ValueError, RecursionError) as error:  # also very long numbers and very deep nesting
        raise ConfigError(f"{path} is not JSON that can be read: {error}") from error


def file_beside(path: str | os.PathLike[str]) -> Path | None:
    """The ``maskcodec.json`` of rows or answers, or None.

    It lies in the folder, or beside the file. For a split, such as ``rows/train``, it may also
    lie beside the split's folder.
    """
    from pathlib import Path

    place = Path(path)
    folder = place if place.is_dir() else place.parent
    folders = [folder, folder.parent] if folder.name in _SPLITS else [folder]
    return next((one / FILE_NAME for one in folders if (one / FILE_NAME).is_file()), None)


def check_rows(path: str | os.PathLike[str], codec: Codec, whose: str) -> None:
    """Refuse rows of another codec: compare their ``maskcodec.json``.

    Rows without this file are accepted, with one warning for each path on the logger
    ``maskcodec``.

    Raises
    ------
    ConfigError
        The rows have another codec, or their ``maskcodec.json`` cannot be read.
    FileNotFoundError
        The path does not exist.
    """
    import logging
    from pathlib import Path

    if not Path(path).exists():
        raise FileNotFoundError(f"there are no rows called {str(path)!r}")
    file = file_beside(path)
    if file is not None:
        check_same_codec(load(file), str(file), codec, whose)
    elif str(path) not in _noted:
        _noted.add(str(path))
        logging.getLogger("maskcodec").warning(
            "no maskcodec.json says which codec the rows %s were written with; they are taken as "
            "those of %r. maskcodec build writes one, and so does codec.save(folder)",
            path,
            codec,
        )


def check_same_codec(codec: Codec, whose: str, other: Codec, others: str) -> None:
    """Refuse two codecs whose texts have different meanings; the message names the settings.

    The setting ``sampling`` may differ: it does not change the meaning of a text.

    Raises
    ------
    ConfigError
        The ids or other settings differ.
    """
    first, second = codec.get_config(), other.get_config()
    names = [name for name in {**first, **second} if first.get(name) != second.get(name)]
    names = [name for name in names if name != "sampling"]
    if not names:
        return
    if first["id"] != second["id"]:
        names = ["id"]  # settings of different formats cannot be compared
    one, two = (
        ", ".join(f"{name}={brief(config.get(name))}" for name in names)
        for config in (first, second)
    )
    raise ConfigError(
        f"{whose} and {others} are not the same codec: {one} and {two}; a model reads only what it "
        "was trained with: use the codec of its checkpoint, or train anew"
    )


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict. Refuses repeated keys; Python's reader keeps the last silently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        again = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"an object has the key {brief(again)} twice")
    return found


def lost_message(codec: Codec, where: str, label: str, pixels: IntegerArray | RunMask) -> str:
    """The message for a mask that has pixels but no cell."""
    area = np.count_nonzero(pixels) if isinstance(pixels, np.ndarray) else pixels.area
    return (
        f"{where} ({label!r}) has {area} of {pixels.shape[0]} x "
        f"{pixels.shape[1]} pixels set, but no cell of {codec.cells_name()} is left of "
        f"it with sampling={codec.sampling!r}"
    )


def lost_labels_message(codec: Codec, labels: Sequence[str]) -> str:
    """The message for labels of a label map that have pixels but no cell."""
    return (
        f"{', '.join(map(repr, labels))} has pixels, but no cell of {codec.cells_name()} is "
        f"left of it with sampling={codec.sampling!r}"
    )


def lost_error(codec: Codec, message: str) -> LostMaskError:
    """The error for a lost mask or label, with the settings that avoid it."""
    keeps = codec.sampling != "keep"  # with "keep", a grid may still be too small for all labels
    ways = Way("sampling", "keep", "keeps it"), Way("lost", "drop", "drops it")
    return LostMaskError(message, ways[not keeps :])
