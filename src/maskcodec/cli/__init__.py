"""The command line. `maskcodec --help` says what it does."""

from maskcodec.cli.commands import app

__all__ = ["app"]
