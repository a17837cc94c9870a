"""The command line; `maskcodec --help` lists the commands."""

from maskcodec.cli.commands import app

__all__ = ["app"]
