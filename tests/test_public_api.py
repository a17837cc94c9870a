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

# What each module may import of the package; arrows point one way.
LAYERS = [
    {"errors"},
    {"_arrays"},
    {"kernels", "_files"},
    {"_imagefiles"},
    {"grid", "_reading"},
    {"runs", "_polygons"},
    {"frame"},
    {"region"},
    {"labelgrid"},
    {"coco"},
    {"_inputs"},
    {"codec"},
    {"spelling"},
    {"_textwriter", "_rowfaults"},
    {"_instances", "_descriptor"},
    {"_labelcodec"},
    {"bricks", "labels"},
    {"_anytokenizer"},
    {"_boxids"},
    {"_brickids"},
    {"vocab", "tokenizer"},
    {"_brickvocab"},
    {"_idreading", "_idwriter", "_spelled"},
    {"stream", "grammar", "_boxguide", "_rowguide", "_guide", "_binding"},
    {"_brickguide", "_gridguide"},
    {"_brickbinding", "_labelbinding"},
    {"tokens"},
    {"__init__"},
]


def imports(path):
    """The modules of the package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "maskcodec":
            found |= {alias.name for alias in node.names if (SOURCE / f"{alias.name}.py").exists()}
            found |= {
                "__init__" for alias in node.names if not (SOURCE / f"{alias.name}.py").exists()
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("maskcodec."):
            name = node.module.removeprefix("maskcodec.")
            found.add("kernels" if name.startswith("kernels.") else name)
        elif isinstance(node, ast.Import):
            found |= {"__init__" for alias in node.names if alias.name.split(".")[0] == "maskcodec"}
    return found


def core_imports(name):
    """What a module of the core imports of the package, or a folder beyond itself."""
    folder = SOURCE / name
    files = folder.glob("*.py") if folder.is_dir() else [SOURCE / f"{name}.py"]
    return set().union(*map(imports, files)) - {name}


def test_the_core_imports_downwards_only():
    level = {name: k for k, names in enumerate(LAYERS) for name in names}
    later = {"_anytokenizer", "_binding", "_brickbinding", "_labelbinding"}  # with a tokenizer
    type_only = {"bricks": later, "_labelcodec": later}
    for name, k in level.items():
        for other in core_imports(name) - type_only.get(name, set()):
            assert level[other] < k, (name, other)


def test_the_core_needs_nothing_above_it():
    modules = {path.stem for path in SOURCE.glob("*.py")} | {"kernels"}
    core = set().union(*LAYERS)
    assert core < modules
    for name in core:
        assert not core_imports(name) & (modules - core), name


def test_metrics_need_only_the_core():
    order = ["tally", "overlap", "masks", "boxes", "classes", "__init__"]
    assert {path.stem for path in (SOURCE / "metrics").glob("*.py")} == set(order)
    for k, name in enumerate(order):
        allowed = set().union(*LAYERS[:-1], (f"metrics.{lower}" for lower in order[:k]))
        assert imports(SOURCE / "metrics" / f"{name}.py") <= allowed, name


def test_models_need_only_the_core():
    order = [
        {"_rows", "_rowmatch", "_prompts", "_images", "answer", "processing"},
        {"_conversation", "_samimage", "_likelihood", "constrain"},
        {"_answers"},
        {"_ask", "collate"},
        {"_job"},
        {"generation", "refining", "prepare", "lora"},
        {"__init__"},
    ]
    assert {path.stem for path in (SOURCE / "hf").glob("*.py")} == set().union(*order)
    allowed = set().union(*LAYERS)
    for names in order:
        for name in names:
            assert imports(SOURCE / "hf" / f"{name}.py") <= allowed, name
        allowed |= {f"hf.{name}" for name in names}


def test_names_for_models_are_imported_when_they_are_asked_for():
    code = """
import sys, json, maskcodec.hf as hf
print(json.dumps([hf.__all__ == sorted(hf._HOMES), "torch" in sys.modules]))
"""
    assert fresh(code) == [True, False]


def test_models_say_what_is_missing():
    code = """
import sys, json
sys.modules["peft"] = sys.modules["torch"] = None
import maskcodec.hf as hf
try:
    hf.lora_config
except ImportError as error:
    print(json.dumps(str(error)))
"""
    assert fresh(code) == "maskcodec.hf needs torch, which is missing: pip install 'maskcodec[hf]'"
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


def test_pictures_need_no_command_line():
    for name in ("figure.py", "_lettering.py", "demo/__init__.py"):
        assert not {other for other in imports(SOURCE / name) if other.startswith("cli")}


def test_a_format_never_imports_another_format():
    assert "labels" not in imports(SOURCE / "bricks.py") | imports(SOURCE / "_instances.py")
    assert "bricks" not in imports(SOURCE / "labels.py") | imports(SOURCE / "_labelcodec.py")


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
