"""The names, the layers and the cost of the import."""

import ast
import json
import os
import subprocess
import sys

import pytest

import maskcodec as mc
from tests.conftest import ROOT

SOURCE = ROOT / "src" / "maskcodec"

# What a room, or a file of the root, may import: whatever stands behind it. Rooms on one level are
# strangers, and so are the formats.
ARROWS = """
cli > rewards data hf serve report > metrics answers > pictures tokens coco lengths others > formats
> tokenizers text > files masks > kernels messages > errors
"""
LEVELS = [level.split() for level in ARROWS.split(">")][::-1]


def imports(path):
    """The modules that a file imports of the package, wherever in it, and not for types alone."""
    found, nodes = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "maskcodec" for alias in node.names), path
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "maskcodec":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}".removeprefix("maskcodec.")
                outer = node.module.partition(".")[2] or "__init__"
                found.add(inner if module_file(inner).exists() else outer)
    return found


def module_file(name):
    base = SOURCE.joinpath(*name.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
)


def test_rooms_import_downwards_only():
    level = {room: k for k, rooms in enumerate(LEVELS) for room in rooms}
    rooms = {name.split(".")[0] for name in MODULES} - {"__init__", "__main__"}
    assert rooms == set(level)
    for name in MODULES:
        room = name.split(".")[0]
        for other in imports(module_file(name)) if room in level else ():
            if other == "__init__":  # names that all may use: of the core, or the version
                assert level[room] > level["tokens"], name
            elif other.split(".")[0] != room:
                assert level[other.split(".")[0]] < level[room], (name, other)


def test_a_format_never_imports_another_format():
    for name in MODULES:
        if name.startswith("formats."):
            others = {other for other in imports(module_file(name)) if other.startswith("formats.")}
            own = {name.split(".")[1], "instances"}  # what formats of instances share
            assert {other.split(".")[1] for other in others} <= own, name
            if name.startswith("formats.instances"):
                assert {other.split(".")[1] for other in others} <= {"instances"}, name


def test_imports_have_no_circle():
    after = {name: imports(module_file(name)) for name in MODULES}
    while ready := {name for name, others in after.items() if not others & set(after)}:
        after = {name: others for name, others in after.items() if name not in ready}
    assert not after


def test_names_for_models_are_imported_when_they_are_asked_for():
    code = """
import sys, json, maskcodec.hf as hf
print(json.dumps([hf.__all__ == sorted(hf._HOMES), "torch" in sys.modules]))
"""
    assert fresh(code) == [True, False]


@pytest.mark.parametrize("package", ["maskcodec", "maskcodec.hf"])
def test_names_that_come_later_are_listed(package):
    code = f"""
import sys, json, {package} as package
print(json.dumps([*set(package.__all__) - set(dir(package)), "torch" in sys.modules]))
"""
    assert fresh(code) == [False]


def test_models_say_what_is_missing():
    code = """
import sys, json
sys.modules["peft"] = None
import maskcodec.hf as hf
try:
    hf.lora_config
except ImportError as error:
    print(json.dumps(str(error)))
"""
    assert (
        fresh(code) == "maskcodec.hf needs peft, which is missing: "
        "pip install 'maskcodec[hf]', in a checkout '.[hf]'"
    )
    code = """
import json, maskcodec.hf as hf
try:
    hf.nothing
except AttributeError as error:
    print(json.dumps(str(error)))
"""
    assert fresh(code) == "module 'maskcodec.hf' has no attribute 'nothing'"


def test_metrics_load_no_compiler():
    code = """
import sys, json, maskcodec.metrics
print(json.dumps([name in sys.modules for name in ("numba", "pycocotools", "PIL")]))
"""
    assert fresh(code) == [False] * 3


def test_public_names_exist_and_are_documented():
    assert mc.__all__ == sorted(
        mc.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name)
    )
    for name in mc.__all__:
        assert getattr(mc, name).__doc__, name
        for member, value in (
            vars(getattr(mc, name)).items() if isinstance(getattr(mc, name), type) else []
        ):
            if callable(value) and not member.startswith("_"):
                assert value.__doc__, (name, member)


def fresh(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return json.loads(done.stdout)


def test_import_loads_numpy_and_nothing_heavier():
    loaded = fresh("import sys, json, maskcodec; print(json.dumps(sorted(sys.modules)))")
    assert "numpy" in loaded
    for heavy in [
        "numba",
        "PIL",
        "typer",
        "rich",
        "click",
        "tokenizers",
        "transformers",
        "torch",
        "pycocotools",
        "pandas",
        "matplotlib",
    ]:
        assert heavy not in loaded


def test_names_for_tokenizers_come_when_they_are_asked_for():
    code = """
import sys, json, maskcodec as mc
before = "maskcodec.tokens" in sys.modules
mc.TokenCodec
print(json.dumps([before, "maskcodec.tokens" in sys.modules, "numba" in sys.modules]))
"""
    assert fresh(code) == [False, True, False]
    with pytest.raises(AttributeError, match="module 'maskcodec' has no attribute 'nothing'"):
        mc.nothing  # noqa: B018


def test_configuring_a_codec_loads_no_compiler():
    code = """
import sys, json, maskcodec as mc
mc.from_config(mc.BSD().get_config()), mc.RRLE()
print(json.dumps("numba" in sys.modules))
"""
    assert fresh(code) is False


def test_import_costs_at_most_60_ms_more_than_numpy(tmp_path):
    """Of the processor's time, with bytecode, which an installation has."""
    code = """
import time, json, numpy
began = time.process_time()
import maskcodec
print(json.dumps(time.process_time() - began))
"""
    bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    assert any(fresh(code, **bytecode) < 0.06 for _ in range(3))  # the first one writes it


def test_the_version_is_the_packages():
    from importlib.metadata import version

    assert mc.__version__ == version("maskcodec")


@pytest.mark.parametrize(
    "name",
    [
        "ConfigError",
        "MaskError",
        "LostMaskError",
        "LabelError",
        "VocabError",
        "SourceError",
        "BuildError",
        "DecodeError",
    ],
)
def test_errors_form_one_tree(name):
    error = getattr(mc, name)
    assert issubclass(error, mc.MaskCodecError)
    assert issubclass(error, ValueError)


def test_the_package_is_its_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "maskcodec", "--version"], check=True, capture_output=True, text=True
    )
    assert done.stdout == f"maskcodec {mc.__version__}\n"
