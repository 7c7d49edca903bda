"Sphinx's configuration of the site that tools/docs.py builds."
import ast
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

settings = ConfigParser(delimiters=["="])
settings.read(Path(__file__).parent.parent / "settings.ini", encoding="utf-8")
facts = settings["DEFAULT"]
project, author, version = facts["title"], facts["author"], facts["version"]
copyright = facts["copyright"]

highlight_language = "none"  # of text that names no language
extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = []
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


# --- comments beside parameters and fields --------------------------------------------------------


def comments_of(
    source: str,
) -> dict[int, str]:  # line, from 1 -> the comment on it
    "Every comment, without its sign."
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {x.start[0]: x.string.lstrip("# ") for x in tokens if x.type == tokenize.COMMENT}


def parameters(
    node: ast.AST,  # of a function or a class
) -> Iterator[tuple[str, ast.AST]]:  # name, and what stands on its line
    "What may have a comment: a function's parameters, or a class's fields."
    if isinstance(node, ast.ClassDef):
        for part in node.body:
            if isinstance(part, ast.AnnAssign):
                yield part.target.id, part
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                yield from parameters(part)
    else:
        found = node.args
        for argument in (*found.posonlyargs, *found.args, *found.kwonlyargs):
            yield argument.arg, argument
        if found.vararg:
            yield "*" + found.vararg.arg, found.vararg


def documents(
    function_or_class,
) -> dict[str, str]:  # parameter or field -> its comment; "return" -> that of what is returned
    "Read the comments beside parameters, as fastcore calls docments."
    try:
        source = textwrap.dedent(inspect.getsource(function_or_class))
    except (OSError, TypeError):  # made while the program runs, or not in Python
        return {}
    node, comments = ast.parse(source).body[0], comments_of(source)
    if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):  # such as a lambda
        return {}
    returned = getattr(node, "returns", None)  # the last thing on its line, so it has the comment
    returned = comments.pop(returned.end_lineno, "") if returned else ""
    found = {name: comments.get(part.lineno, "") for name, part in parameters(node)}
    return {name: comment for name, comment in [*found.items(), ("return", returned)] if comment}


def constants(
    module,
) -> dict[str, str]:  # name -> the comment beside it, "" where there is none
    "What a module names and exports beside functions and classes."
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
    lines[:] = [as_rst(line) for line in lines]
    if what == "module":  # autodoc passes over what has no docstring of its own
        for constant, comment in constants(thing).items():
            lines += ["", f".. py:data:: {constant}", "", f"   {as_rst(comment)}"]
    if what not in ("function", "method", "class", "exception"):
        return
    bases = thing.__mro__[::-1] if what == "class" else [thing]  # fields are inherited
    found = {}
    for base in bases:
        found |= documents(base) if base.__module__.startswith("lf2") else {}
    for parameter, comment in found.items():
        field = "returns" if parameter == "return" else f"param {as_rst(parameter)}"
        lines += ["", f":{field}: {as_rst(comment)}"]


def leave_out(app, what, name, thing, skip, options) -> bool | None:
    "A class's fields are described with its parameters."
    routine = inspect.isroutine(thing) or isinstance(thing, (property, type))
    return True if what == "class" and not routine else None


# --- formulas -------------------------------------------------------------------------------------


def write_formula(translator, node) -> None:
    "TeX as MathML."
    block = node.tagname == "math_block"
    try:
        formula = tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        logging.getLogger(__name__).warning("%s: %s", node.astext(), error, location=node)
        raise SkipNode from None
    translator.body.append(f'<div class="formula">{formula}</div>' if block else formula)
    raise SkipNode


def setup(app) -> None:
    "Called by Sphinx."
    app.connect("autodoc-process-docstring", add_comments)
    app.connect("autodoc-skip-member", leave_out)
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
