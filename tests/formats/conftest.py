"""Fixtures of more than one file here."""

import pytest


@pytest.fixture(scope="module")
def _forget():
    """Give back what a file's tests of guides share: those of real vocabularies take gigabytes."""
    yield
    from tests.formats import guides

    guides.forget()
