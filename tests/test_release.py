"""tools/release: what keeps a checkout from being released."""

import re
import shutil
import subprocess
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest

import maskcodec as mc
from tests.conftest import ROOT

LOADER = SourceFileLoader("release", str(ROOT / "tools" / "release"))
release = module_from_spec(spec_from_loader("release", LOADER))
LOADER.exec_module(release)
CHANGELOG = "# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2026-11-28\n\n### Added\n- All.\n"


@pytest.fixture
def checkout(tmp_path):
    """A checkout that is ready to be released as 1.2.3."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    package = tmp_path / "src" / "maskcodec"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "1.2.3"\n', encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.3\n", encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    urls = '[project]\n[project.urls]\nRepository = "https://example.org"\n'
    (tmp_path / "pyproject.toml").write_text(urls, encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    git(tmp_path, "tag", "v1.2.3")
    return tmp_path


def git(folder, *arguments):
    who = ["-c", "user.name=tests", "-c", "user.email=tests@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def commit(folder):
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "all")


def test_a_checkout_that_is_ready_has_no_problems(checkout):
    assert release.problems(checkout) == []


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("src/maskcodec/__init__.py", '__version__ = "1.3"\n', "expected a version such as 1.2.3"),
        ("src/maskcodec/__init__.py", '__version__ = "1.2.4"\n', "write `version: 1.2.4`"),
        ("CITATION.cff", "cff-version: 1.2.0\n", r"the version \[\]; write `version: 1.2.3`"),
        ("CHANGELOG.md", "# Changelog\n\n## 1.2.3 - 2026-11-28\n", "begin with .*Unreleased`; add"),
        ("CHANGELOG.md", "## Unreleased\n- One.\n", "changes under `## Unreleased`; write"),
        ("CHANGELOG.md", "## Unreleased\n", r"has \[\] below .* expected `1.2.3 - YYYY-MM-DD`"),
        ("CHANGELOG.md", "## Unreleased\n## 1.2.3\n", r"has \['1.2.3'\] below Unreleased"),
        ("pyproject.toml", "[project]\n", "names no Repository"),
    ],
)
def test_what_is_missing_is_named(checkout, file, text, said):
    (checkout / file).write_text(text, encoding="utf-8")
    commit(checkout)
    git(checkout, "tag", "--force", "v1.2.3")
    found = release.problems(checkout)
    assert any(re.search(said, problem) for problem in found), found


def test_the_tag_must_be_on_this_commit(checkout):
    (checkout / "new.txt").write_text("new", encoding="utf-8")
    assert release.problems(checkout) == ["there are changes that are not committed: `git status`"]
    commit(checkout)
    (problem,) = release.problems(checkout)
    assert problem.startswith("the tag v1.2.3 is on another commit")
    git(checkout, "tag", "--delete", "v1.2.3")
    assert release.problems(checkout) == [
        "the tag v1.2.3 is missing: `git tag -a v1.2.3 -m v1.2.3`"
    ]


def test_this_checkout_has_one_version_and_an_unreleased_section():
    cited = re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    assert cited == [mc.__version__]
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_metadata_has_what_an_index_shows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for version in ("3.11", "3.12", "3.13"):
        assert f"Programming Language :: Python :: {version}" in project["classifiers"]
    assert project["urls"]
    for name in mc.codec_ids():
        assert name.partition("/")[0] in project["description"].lower()
