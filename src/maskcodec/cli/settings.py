"""Turn options into a codec, grids and sizes."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeAlias, get_args

import typer

from maskcodec.cli import options
from maskcodec.cli.read import read_json
from maskcodec.errors import ConfigError, within
from maskcodec.files.images import MOST_CLAIMED
from maskcodec.text.codec import FILE_NAME, codec_ids, from_config, get_codec

AnyCodec: TypeAlias = Any  # a `Codec`; its attributes tell what else it can do

DEFAULT = "scanlines"  # the codec if --codec is missing


def chosen_codec(
    *,
    name: options.CodecOption = None,
    grid: options.GridOption = None,
    sampling: options.SamplingOption = None,
    rows: options.RowsOption = None,
    columns: options.ColumnsOption = None,
    points: options.PointsOption = None,
    bins: options.BinsOption = None,
    coordinates: options.CoordinatesOption = None,
    bricks: options.BricksOption = None,
    row_separator: options.SeparatorOption = None,
    dialect: options.DialectOption = None,
    background: options.BackgroundOption = None,
    config: options.ConfigOption = None,
) -> AnyCodec:
    """The codec that the options describe; None means that an option was not given."""
    settings: dict[str, Any] = {key: one for key, one in locals().items() if one is not None}
    if grid is not None:
        settings["grid"] = parsed_grid(grid)
    if row_separator is not None:
        settings["row_separator"] = "\n" * (row_separator == "newline")
    if config is not None:
        extra = [_FLAGS[key] for key in settings if key != "config"]
        if extra:
            raise typer.BadParameter(
                f"{', '.join(extra)} and --config exclude each other: the file says all of it"
            )
        path = config / FILE_NAME if config.is_dir() else config
        try:
            return from_config(read_json(path))
        except ConfigError as error:
            raise within(str(path), error) from error
    name = settings.pop("name", DEFAULT)
    try:
        default: AnyCodec = get_codec(name)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint="--codec") from None
    known = _fields(default)
    for key in settings:
        if key not in known:
            flags = ", ".join(_FLAGS[field] for field in known if field in _FLAGS)
            raise typer.BadParameter(
                f"{default.codec_id} has no such setting; it has {flags}; "
                f"--codec {_having(key)} has it",
                param_hint=_FLAGS[key],
            )
    try:
        return get_codec(name, **settings)
    except ConfigError as error:
        flag = _FLAGS.get(error.setting or "")
        raise typer.BadParameter(str(error), param_hint=flag) from None


_FLAGS: dict[str, str] = {
    name: get_args(option)[1].default  # Typer keeps the option's first name there
    for name, option in inspect.get_annotations(chosen_codec).items()
    if name != "return"
}


def with_codec(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of `chosen_codec` instead of its parameter `codec`."""
    shared = inspect.signature(chosen_codec).parameters

    @functools.wraps(command)
    def run(**given: Any) -> None:
        asked = {name: given.pop(name) for name in shared}
        command(codec=chosen_codec(**asked), **given)

    own = dict(inspect.signature(command, eval_str=True).parameters)
    del own["codec"]
    every = [*own.values(), *shared.values()]
    every = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in every]
    vars(run)["__signature__"] = inspect.Signature(every)
    run.__annotations__ = {option.name: option.annotation for option in every}
    return run


def parsed_grid(text: str) -> int | tuple[int, int]:
    """Parse cells: ``64`` or ``48x64``, rows x columns."""
    if re.fullmatch("[0-9]{1,9}", text):
        return int(text)
    return _pair(text, "--grid", "64, or 48x64 for rows x columns")


def parsed_shape(text: str) -> tuple[int, int]:
    """Parse an image's size in pixels, ``480x640``, as (height, width)."""
    height, width = _pair(text, "--shape", "480x640, height x width")
    if not 1 <= height * width <= MOST_CLAIMED:
        raise typer.BadParameter(
            f"an image has 1 .. {MOST_CLAIMED} pixels, got {text!r}", param_hint="--shape"
        )
    return height, width


def _pair(text: str, option: str, expected: str) -> tuple[int, int]:
    match = re.fullmatch("([0-9]{1,9})[xX]([0-9]{1,9})", text)
    if not match:
        raise typer.BadParameter(f"expected {expected}, got {text!r}", param_hint=option)
    return int(match[1]), int(match[2])


def _fields(codec: AnyCodec) -> list[str]:
    return [field.name for field in dataclasses.fields(codec)]


def _having(setting: str) -> str:
    """The names of the codecs that have a setting, joined for a message."""
    ids = [name for name in codec_ids() if setting in _fields(get_codec(name))]
    names = list(dict.fromkeys(name.rpartition("/")[0] for name in ids))
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
