"""docs/quickstart.ipynb: its cells run and show what the notebook says that they show.

They run in this process: a kernel of Jupyter would take longer to start than most of them take.
"""

import ast
import base64
import contextlib
import io
import json

import pytest
from PIL import Image

from tests.conftest import ROOT

NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"


def run(source, names):
    """The outputs of a cell, as a notebook has them."""
    body = ast.parse(source).body
    last = ast.Expression(body.pop().value) if isinstance(body[-1], ast.Expr) else None
    printed, outputs = io.StringIO(), []
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "<notebook>", "exec"), names)
        value = eval(compile(last, "<notebook>", "eval"), names) if last else None
    if text := printed.getvalue():
        lines = text.splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": lines})
    if value is not None:
        assert isinstance(value, Image.Image), "print what is not a picture"
        data = {"image/png": small_png(value)}
        outputs.append({"data": data, "metadata": {}, "output_type": "display_data"})
    return outputs


def small_png(image):
    """A picture of 64 colours: a tenth of what Jupyter would store."""
    file = io.BytesIO()
    image.quantize(64).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def test_the_notebook_runs_and_shows_what_it_says(write_golden, tmp_path, monkeypatch):
    for needed in ("torch", "transformers", "peft"):
        pytest.importorskip(needed, reason="the notebook ends with a model")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names = {"__name__": "__main__"}
    shown = [run("".join(cell["source"]), names) for cell in cells]
    if write_golden:
        for cell, outputs in zip(cells, shown, strict=True):
            cell["outputs"] = outputs
        text = json.dumps(notebook, indent=1, ensure_ascii=False)
        NOTEBOOK.write_text(f"{text}\n", encoding="utf-8")
    assert any(outputs and "data" in outputs[0] for outputs in shown)
    for cell, outputs in zip(cells, shown, strict=True):
        assert list(map(printed, cell["outputs"])) == list(map(printed, outputs))


def printed(output):
    """What an output says; of a picture that it is one, since pixels depend on the fonts."""
    return output.get("text") or sorted(output["data"])


def test_the_notebook_is_small():
    assert NOTEBOOK.stat().st_size < 100_000
