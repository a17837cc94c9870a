"""Options, fixtures and the Hypothesis profiles of all tests."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the network; read when the library is imported
PURE = os.environ.get("NUMBA_DISABLE_JIT") == "1"

_common = {
    "deadline": None,  # the first call of a kernel compiles it
    "derandomize": True,  # the same examples on every machine
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("compiled", max_examples=40, **_common)
settings.register_profile("checked", max_examples=20, **_common)
settings.register_profile("pure", max_examples=25, **_common)
settings.register_profile("thorough", max_examples=5000, **_common)
PROFILE = os.environ.get("MASKCODEC_PROFILE", "pure" if PURE else "compiled")
settings.load_profile(PROFILE)
if PROFILE == "checked":
    # The others call every kernel, with stranger arrays: these call codecs as files, commands and
    # models do.
    collect_ignore = [
        *("cli", "hf", "pictures", "report", "serve"),
        *(f"formats/{name}/test_grammar.py" for name in ("bsd", "scanlines")),
        "tokenizers/test_vocabularies.py",
        *(f"test_{name}.py" for name in ("docs", "lengths", "public_api")),
        *(
            f"data/test_{name}.py"
            for name in (
                *("build", "build_command", "coco_source", "engines", "jsonfile", "labelmaps"),
                *("panoptic", "plain_pickle", "reasoning_sources", "refer", "rows", "rows_labels"),
                "sources",
            )
        ),
    ]


def pytest_collection_finish() -> None:
    """Whoever counts garbage passes over what was imported, such as the whole of torch."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-golden",
        action="store_true",
        help="write tests/golden anew; a change there is a change of a format",
    )


@pytest.fixture
def write_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--write-golden"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real annotations, which is not part of the project."""
    default = ROOT.parent / "shared" / "data"
    folder = Path(os.environ.get("MASKCODEC_DATA", default))
    if not folder.is_dir():
        pytest.skip("no real annotations here; MASKCODEC_DATA names their folder")
    return folder


@pytest.fixture(scope="session")
def compiled() -> None:
    """For tests of what compiled code does or costs."""
    if PURE:
        pytest.skip("runs without the compiler")


@pytest.fixture(scope="session", autouse=True)
def _unsynced() -> Iterator[None]:
    """Nothing waits for the disk: no test pulls the plug."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _file: None)
        yield
