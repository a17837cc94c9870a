"""Write rows as trainers read them: ms-swift, LLaMA-Factory, TRL and LLaVA."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from maskcodec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.data.rows import Row

FormatName: TypeAlias = Literal["ms-swift", "llama-factory", "trl", "llava"]
Storage: TypeAlias = Literal["jsonl", "parquet"]

Columns: TypeAlias = "dict[str, str | Columns]"  # "text", "texts", or columns of listed objects

_MARK = "<image>"


def trainer_rows(row: Row, name: FormatName, *, targets: bool = False) -> list[dict[str, Any]]:
    """Return a row as a trainer reads it: one row, or for TRL one row for each answer.

    Parameters
    ----------
    row
        A conversation.
    name
        The trainer.
    targets
        Whether to add a column ``targets``: `Message.targets` of the last answer, for TRL of each
        answer.

    Returns
    -------
    Plain data for JSON. The image comes once, before the first question.

    Examples
    --------
    >>> from maskcodec.data.formats import trainer_rows
    >>> from maskcodec.data.rows import Message, Row
    >>> said = Message("user", "Where is the dog?"), Message("assistant", "Nowhere.")
    >>> trainer_rows(Row("mine:1", "1.jpg", said), "llava")[0]["conversations"][0]
    {'from': 'human', 'value': '<image>\\nWhere is the dog?'}
    """
    rows = _trl(row) if name == "trl" else [_llava(row) if name == "llava" else _messages(row)]
    if targets:
        answers = [message for message in row.messages if message.role == "assistant"]
        for one, answer in zip(rows, answers[-len(rows) :], strict=True):
            one["targets"] = answer.targets
    return rows


def dataset_info(name: str, splits: Sequence[str]) -> dict[str, Any]:
    """Return LLaMA-Factory's ``dataset_info.json`` for the folders of some splits."""
    entry = {
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
        },
    }
    return {f"{name}_{split}": {"file_name": split, **entry} for split in splits}


def dataset_card(name: FormatName, *, targets: bool = False) -> str:
    """Return a ``README.md`` that tells ``datasets.load_dataset(FOLDER)`` the columns' types.

    Without it, the types come from the first rows. ``"images": []`` has no type, so rows with an
    image would be refused after a file without images.
    """
    features = _features(_columns(name, targets=targets))
    # JSON is YAML, too.
    info = json.dumps({"dataset_info": {"features": features}}, indent=1)
    return f"---\n{info}\n---\nRows made by maskcodec; `maskcodec.json` is their codec.\n"


def file_bytes(rows: Sequence[dict[str, Any]], name: FormatName, storage: Storage) -> bytes:
    """Return the bytes of a file of a trainer's rows.

    Raises
    ------
    ConfigError
        pyarrow is missing for Parquet.
    """
    if storage == "jsonl":
        return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise ConfigError(
            "Parquet needs pyarrow, which is missing: "
            "pip install 'maskcodec[data]', in a checkout '.[data]'"
        ) from None
    file = io.BytesIO()
    columns = _columns(name, targets=bool(rows) and "targets" in rows[0])
    schema = pyarrow.schema(_arrow(columns))
    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), file)
    return file.getvalue()


def _columns(name: FormatName, *, targets: bool) -> Columns:
    """Return the columns of a trainer's rows, also those that some rows lack."""
    columns: Columns
    if name == "llava":
        columns = {
            "id": "text",
            "image": "text",
            "conversations": {"from": "text", "value": "text"},
        }
    elif name == "trl":
        said: Columns = {"role": "text", "content": {"type": "text", "text": "text"}}
        columns = {"prompt": said, "completion": said, "images": "texts"}
    else:
        columns = {"messages": {"role": "text", "content": "text"}, "images": "texts"}
    return {**columns, "targets": "text"} if targets else columns


def _features(columns: Columns) -> list[dict[str, Any]]:
    kinds = {"text": {"dtype": "string"}, "texts": {"sequence": "string"}}
    return [
        {"name": name, **(kinds[kind] if isinstance(kind, str) else {"list": _features(kind)})}
        for name, kind in columns.items()
    ]


def _arrow(columns: Columns) -> list[tuple[str, Any]]:
    import pyarrow as pa

    kinds = {"text": pa.string(), "texts": pa.list_(pa.string())}
    return [
        (name, kinds[kind] if isinstance(kind, str) else pa.list_(pa.struct(_arrow(kind))))
        for name, kind in columns.items()
    ]


def _messages(row: Row) -> dict[str, Any]:
    """Return a row as ms-swift and LLaMA-Factory read it."""
    said = [{"role": message.role, "content": message.text} for message in row.messages]
    if row.image:
        said[0]["content"] = _MARK + said[0]["content"]
    return {"messages": said, "images": [row.image] if row.image else []}


def _trl(row: Row) -> list[dict[str, Any]]:
    """Return a row for each answer, with the messages before it: TRL learns only the last."""
    said = [
        {"role": message.role, "content": [{"type": "text", "text": message.text}]}
        for message in row.messages
    ]
    if row.image:
        said[0]["content"] = [{"type": "image"}, *said[0]["content"]]
    images = [row.image] if row.image else []
    return [
        {"prompt": said[:answer], "completion": [said[answer]], "images": images}
        for answer in range(1, len(said), 2)
    ]


def _llava(row: Row) -> dict[str, Any]:
    names = {"user": "human", "assistant": "gpt"}
    said = [{"from": names[message.role], "value": message.text} for message in row.messages]
    if not row.image:
        return {"id": row.key, "conversations": said}
    said[0]["value"] = f"{_MARK}\n{said[0]['value']}"
    return {"id": row.key, "image": row.image, "conversations": said}
