"""The documentation site: `sphinx-build -W docs OUT` writes it."""

import inspect
import json
import re
import sys

from myst_parser.sphinx_ import Parser
from sphinx.util.nodes import make_refnode

import maskcodec

project = "maskcodec"
version = release = maskcodec.__version__
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown", ".ipynb": "notebook"}
nitpick_ignore = {("py:obj", name) for name in ("transformers.SamModel", "SamProcessor")}

nitpicky = True
default_role = "py:obj"  # a name in backticks in a docstring is a reference, and is checked
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
numpydoc_show_class_members = False
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "maskcodec"
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 8,
    "navbar_persistent": ["search-button"],
    "navigation_depth": 2,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
}

_parameters = set()  # of everything that has a docstring; they are in backticks, too


def note_parameters(app, what, name, thing, options, lines):  # noqa: ARG001
    """Collect the parameters that docstrings may speak of."""
    try:
        _parameters.update(inspect.signature(thing).parameters)
    except (TypeError, ValueError):  # not a callable, or one of C
        _parameters.update(getattr(thing, "__annotations__", ()))


def link_pages(app, what, name, thing, options, lines):  # noqa: ARG001
    """Make links of the pages that docstrings name."""
    lines[:] = [re.sub(r"``docs/([\w/-]+)\.md``", r":doc:`/\1`", line) for line in lines]


def resolve(app, env, node, content):
    """Link a name that one object ends with; parameters, types and shared names are text."""
    if node["refdomain"] != "py":
        return None
    target = node["reftarget"]
    module, _, last = target.rpartition(".")
    if hasattr(sys.modules.get(module), last):  # a name of two modules has one page
        target = last
    objects = env.domains["py"].objects
    found = [name for name in objects if name.endswith(f".{target}")]
    if len(found) == 1:
        docname, anchor, *_ = objects[found[0]]
        return make_refnode(app.builder, node["refdoc"], docname, anchor, content, found[0])
    is_type = node["reftype"] != "obj"  # of a signature
    return content if found or is_type or last in _parameters else None


class Notebook(Parser):
    """Notebooks with the outputs that they hold, as Markdown."""

    supported = ("notebook",)

    def parse(self, inputstring, document):
        """Parse a notebook's JSON."""
        cells = json.loads(inputstring)["cells"]
        super().parse("\n\n".join(part for cell in cells for part in as_markdown(cell)), document)


def as_markdown(cell):
    """The text of a cell, and what it printed or drew."""
    source = "".join(cell["source"])
    yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
    for output in cell.get("outputs", ()):
        data = output.get("data", {"text/plain": output.get("text", "")})
        if "image/png" in data:
            url = f"data:image/png;base64,{''.join(data['image/png']).strip()}"
            yield f"![The picture that this cell draws]({url})"
        else:
            yield "```text\n{}\n```".format("".join(data["text/plain"]).rstrip())


def setup(app):
    """Sphinx calls this."""
    app.add_source_parser(Notebook)
    app.connect("autodoc-process-docstring", note_parameters)
    app.connect("autodoc-process-docstring", link_pages)
    app.connect("missing-reference", resolve)
