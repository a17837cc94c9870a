"""Fixtures of more than one file here."""

import pytest

from maskcodec.data import open_source
from tests.data.builds import made, samples
from tests.datasets import write


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    made(samples(), out, val_fraction=0.3)
    return out


@pytest.fixture
def opened(tmp_path):
    """Open some content as a source that is one JSON file."""

    def open_it(content, name="coco", **options):
        return open_source(name, write(tmp_path / "a.json", content), **options)

    return open_it
