"""docs/api.md: every public name, made from signatures and docstrings."""

import importlib
import inspect
import re

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "api.md"
HEAD = """# API

Every public name with its parameters, what it returns, and the first line of its docstring.
Look here for a name or an order of parameters that you half remember; those behind `*` are given by
name. Type `help(mc.Region.mask)` for the whole of a docstring.

`Mask`, `Cells` and `Index` are arrays of uint8, int32 and int64.
`pytest tests/test_api.py --write-golden` writes this page.
"""
ROOMS = (
    "maskcodec",
    "maskcodec.coco",
    "maskcodec.metrics",
    "maskcodec.rewards",
    "maskcodec.data",
    "maskcodec.hf",
    "maskcodec.serve",
)


def call(name, thing):
    """A name with its parameters, their defaults, and what it returns."""
    try:
        signature = inspect.signature(thing)
    except ValueError:  # of an exception that takes what every exception takes
        return name
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    shown = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return f"{name}{shown}" if isinstance(thing, type) else f"{name}{shown}{returned(thing)}"


def returned(function):
    return f" -> {inspect.signature(function).return_annotation}"


def members(kind, bases):
    """The lines of a class's methods and properties that are ours and not those of its bases."""
    for name in sorted(dir(kind)):
        value = inspect.getattr_static(kind, name)
        own = getattr(value, "fget", None) or getattr(value, "__func__", value)
        ours = (getattr(own, "__module__", None) or "").startswith("maskcodec")
        known = any(inspect.getattr_static(base, name, None) is value for base in bases)
        if ours and not known and not name.startswith("_") and not isinstance(value, kind):
            shown = f".{name}{returned(own)}" if isinstance(value, property) else None
            yield shown or call(f".{name}", own), inspect.getdoc(own)


def rows(room, name):
    """The lines of a name: its own, and of a class what it has."""
    thing = getattr(room, name)
    if isinstance(thing, dict):
        yield name, f"By name: {', '.join(thing)}."
    if not callable(thing):
        return
    yield call(name, thing), inspect.getdoc(thing)
    if isinstance(thing, type) and not issubclass(thing, Exception):
        public = [getattr(room, other) for other in room.__all__]
        bases = [base for base in thing.__mro__[1:] if base in public]
        yield from members(thing, bases)
        if bases:
            names = ", ".join(f"`{base.__name__}`" for base in bases)
            yield "...", f"And what it does not change of {names}."


def page():
    """The page as it should be."""
    lines = [HEAD]
    for name in ROOMS:
        room = importlib.import_module(name)
        lines += [f"## {name}", "", "| name | what it is |", "| --- | --- |"]
        for public in room.__all__:
            for shown, said in rows(room, public):
                first = (said or "").partition("\n")[0]
                lines.append(
                    "| `{}` | {} |".format(*(x.replace("|", r"\|") for x in (shown, first)))
                )
        lines.append("")
    return "\n".join(lines)


def test_the_page_of_the_api_is_up_to_date(write_golden):
    for needed in ("torch", "transformers", "peft"):
        pytest.importorskip(needed, reason="maskcodec.hf needs it")
    made = page()
    if write_golden:
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text("utf-8") == made, "pytest tests/test_api.py --write-golden writes it"


def test_every_line_of_the_api_says_something():
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert len(lines) > 100
    for line in lines:
        assert re.fullmatch(r"\| `.+` \| .+\. \|", line), line


def test_every_module_has_a_page_of_reference():
    for room in ROOMS:
        page = ROOT / "docs" / "reference" / f"{room.removeprefix('maskcodec.')}.md"
        assert f".. automodule:: {room}\n" in page.read_text("utf-8")
