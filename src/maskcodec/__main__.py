"""``python -m maskcodec``: the command line."""

from maskcodec.cli import app

if __name__ == "__main__":
    app(prog_name="maskcodec")
