"Sphinx's configuration of the site that tools/docs.py builds."
import ast
import contextlib
import inspect
import io
import os
import re
import sys
import textwrap
import tokenize
from pathlib import Path
from urllib.parse import unquote

import nbformat
from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import checks
import readme

facts = checks.settings()
project, author, version = facts["title"], facts["author"], facts["version"]
copyright = facts["copyright"]

root_doc = "README"
include_patterns = [
    "*.md", "data/*.md", "data/results/*/README.md", "data/results/official/PLAN.md",
    "docs/guides/*.md", "docs/reference/*.md",
    "nbs/[0-9]*.ipynb", "nbs/quickstart/*.ipynb", "nbs/figures/*.ipynb",
]
exclude_patterns = [".*", "_*", "data/reid", "data/weights", "runs", "shared"]
highlight_language = "none"  # of text that names no language
extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "off"  # what is stored is shown
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_typehints_description_target = "documented"
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_title = facts["title"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {
    "show_navbar_depth": 1,
    "navbar_persistent": [],  # the search is in the side bar
    "use_download_button": False,
    "use_fullscreen_button": False,
}
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_math_renderer = "mathml"  # by the browser itself: the site needs no network


# --- pages ----------------------------------------------------------------------------------------

MODULE = """# lf2.{module}

Explained and tested in [its notebook](/{notebook}).

```{{eval-rst}}
.. automodule:: lf2.{module}
   :members:
   :undoc-members:
```
"""


def write_reference(app) -> None:
    "Write a page for each module, which autodoc fills in, and one with the help of each command."
    from lf2 import cli

    os.environ["COLUMNS"] = "88"
    page = ["# Commands", "", "```text", cli.usage(), "```", ""]
    for command in cli.COMMANDS:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            cli.main([command, "--help"])
        plain = re.sub(r"\x1b\[[\d;]*m", "", said.getvalue()).strip("\n")
        page += [f"## lf2 {command}", "", "```text", plain, "```", ""]
    folder = checks.ROOT / "docs/reference"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    (folder / "commands.md").write_text("\n".join(page), encoding="utf-8")
    for notebook in checks.notebooks():
        for module in checks.exported(notebook):
            if module != "__main__":  # importing that one would run the command
                name = notebook.relative_to(checks.ROOT).as_posix()
                text = MODULE.format(module=module, notebook=name)
                (folder / f"{notebook.stem}.md").write_text(text, encoding="utf-8")


def edit_links(text: str) -> str:  # Markdown
    "Lead links to what has another name here: the index, the notebooks, a notebook's anchors."

    def anchor(found: re.Match) -> str:  # JupyterLab keeps capitals and signs, Sphinx does not
        return found[1] + re.sub(r"[^\w-]", "", unquote(found[2]).lower())

    parts = readme.CODE.split(text)
    for i in range(0, len(parts), 2):  # every other part is code
        part = re.sub(r"\]\([^)\s]*index\.ipynb", "](/README.md", parts[i])
        part = part.replace("](nbs)", "](#where-to-start)")
        parts[i] = re.sub(r"(\]\([^)\s:]*#)([^)\s]+)", anchor, part)
    return "".join(parts)


def edit_source(app, name: str, source: list[str]) -> None:
    "Hide from a notebook what steers nbdev, and give the first page the table of contents."
    path = Path(app.env.doc2path(name))
    if path.suffix == ".ipynb":
        notebook = readme.shown(path)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = edit_links(cell.source)
        source[0] = nbformat.writes(notebook)
    elif "reference" not in path.parts:
        source[0] = edit_links(source[0])
    if name == root_doc:
        source[0] += (Path(__file__).parent / "contents.md").read_text(encoding="utf-8")


# --- comments beside parameters and fields --------------------------------------------------------


def comments_of(
    source: str,
) -> dict[int, str]:  # line, from 1 -> the comment on it
    "Read every comment, without its sign."
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {x.start[0]: x.string.lstrip("# ") for x in tokens if x.type == tokenize.COMMENT}


def documents(
    function_or_class,
) -> dict[str, str]:  # parameter or field -> its comment; "return" -> that of what is returned
    "Read the comments beside parameters, as fastcore calls docments."
    try:
        source = textwrap.dedent(inspect.getsource(function_or_class))
    except (OSError, TypeError):  # made while the program runs, or not in Python
        return {}
    node, comments, lines = ast.parse(source).body[0], comments_of(source), {}
    functions = [node]
    if isinstance(node, ast.ClassDef):
        lines = {x.target.id: x.lineno for x in node.body if isinstance(x, ast.AnnAssign)}
        functions = [x for x in node.body if getattr(x, "name", "") == "__init__"]
    for function in functions:
        if isinstance(function, ast.FunctionDef):  # not a lambda
            if function.returns:  # the last thing on its line, so it has the comment
                lines["return"] = function.returns.end_lineno
            found = [x for x in ast.walk(function.args) if isinstance(x, ast.arg)]
            lines = {x.arg: x.lineno for x in found if x.lineno != lines.get("return")} | lines
    return {name: comments[line] for name, line in lines.items() if comments.get(line)}


def constants(
    module,
) -> dict[str, str]:  # name -> the comment beside it, "" where there is none
    "Find what a module exports beside functions and classes."
    source = inspect.getsource(module)
    comments, found = comments_of(source), {}
    for node in ast.parse(source).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        for name in [target.id for target in targets if isinstance(target, ast.Name)]:
            if name in getattr(module, "__all__", ()):
                found[name] = comments.get(node.lineno) or comments.get(node.end_lineno, "")
    return found


def as_rst(
    text: str,  # a docstring or comment in Markdown
) -> str:
    "Code and flags between double backticks, and nothing else with a meaning."
    parts = re.split(r"`([^`]+)`|(?<!\S)(--[a-z-]+)", text)
    prose = [re.sub(r"([\\*|_`])", r"\\\1", part) for part in parts[::3]]
    code = [rf"\ ``{one or other}``\ " for one, other in zip(parts[1::3], parts[2::3], strict=True)]
    pairs = zip(prose, [*code, ""], strict=True)
    return "".join(map("".join, pairs))  # code between blanks that are not shown


def add_comments(app, what, name, thing, options, lines: list[str]) -> None:
    "Put the comments where autodoc looks for descriptions."
    example = next((i for i, line in enumerate(lines) if line.startswith("lf2 ")), len(lines))
    code = [f"   {line}" for line in lines[example:]]  # commands that end a docstring
    lines[:] = [as_rst(line) for line in lines[:example]] + ["::", "", *code] * bool(code)
    if what == "module":  # autodoc passes over what has no docstring of its own
        for constant, comment in constants(thing).items():
            lines += ["", f".. py:data:: {constant}", "", f"   {as_rst(comment)}"]
    if what not in ("function", "method", "class", "exception"):
        return
    found: dict[str, str] = {}
    for base in thing.__mro__[::-1] if what == "class" else [thing]:  # fields are inherited
        found |= documents(base) if base.__module__.startswith("lf2") else {}
    for parameter, comment in found.items():
        field = "returns" if parameter == "return" else f"param {as_rst(parameter)}"
        lines += ["", f":{field}: {as_rst(comment)}"]


def leave_out(app, what, name, thing, skip, options) -> bool | None:
    "Leave out a class's fields, which are described with its parameters."
    routine = inspect.isroutine(thing) or isinstance(thing, (property, type))
    return True if what == "class" and not routine else None


KNOWN_TEX = {  # what docutils cannot read -> what it can
    r"\\[bB]igg?[lr]?(?![a-zA-Z])": "", r"\\dots(?![a-zA-Z])": r"\\ldots",
    "½": r"\\frac12", "¾": r"\\frac34", r"frac(\d)(\d)": r"frac{\1}{\2}",
}


def write_formula(translator, node) -> None:
    "Write TeX as MathML."
    block, text = node.tagname == "math_block", node.astext()
    for pattern, known in KNOWN_TEX.items():
        text = re.sub(pattern, known, text)
    try:
        formula = tex2mathml(text, as_block=block)
    except MathError as error:
        logging.getLogger(__name__).warning("%s: %s", node.astext(), error, location=node)
        raise SkipNode from None
    translator.body.append(f'<div class="formula">{formula}</div>' if block else formula)
    raise SkipNode


def setup(app) -> None:
    "Connect the functions above; called by Sphinx."
    app.connect("builder-inited", write_reference)
    app.connect("source-read", edit_source)
    app.connect("autodoc-process-docstring", add_comments)
    app.connect("autodoc-skip-member", leave_out)
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
