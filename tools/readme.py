"Build README.md from nbs/index.ipynb, without quarto."
import posixpath
import re
from pathlib import Path

import nbformat
from execnb.nbio import nb2str
from nbconvert import MarkdownExporter
from nbdev.process import NBProcessor
from nbdev.processors import hide_, hide_line, strip_ansi
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
INDEX = "nbs/index.ipynb"
PICTURES = "images/readme_"  # how the names of its pictures begin
CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.M | re.S)
LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)\s#]+)")


def relative_links(
    text: str,  # Markdown
) -> list[str]:
    "Return the targets of relative links, except those in code."
    prose = CODE.split(text)[::2]
    return [found[2] for part in prose for found in LINK.finditer(part)]


def move_links(
    text: str,  # Markdown whose links start at nbs/
) -> str:  # the same, with links that start at the repository
    "Rewrite relative links as they have to read one folder up."
    parts = CODE.split(text)
    folder = posixpath.dirname(INDEX)

    def move(found: re.Match) -> str:
        return found[1] + posixpath.normpath(posixpath.join(folder, found[2]))

    parts[::2] = [LINK.sub(move, part) for part in parts[::2]]
    return "".join(parts)


def shown(
    path: Path,  # of a notebook
) -> nbformat.NotebookNode:
    "Read a notebook as a reader wants it: without hidden cells and the lines that steer nbdev."
    notebook = NBProcessor(path, procs=[strip_ansi, hide_line, hide_], process=True).nb
    marks = [cell.get("directives_") or {} for cell in notebook.cells]
    content = nbformat.reads(nb2str(notebook), as_version=4)
    for cell, mark in zip(content.cells, marks, strict=True):
        if mark.get("echo:") == ["false"] or "hide_input" in mark:
            cell.metadata["tags"] = ["remove-input"]
        if alternative := mark.get("fig-alt:"):
            cell.metadata["mystnb"] = {"image": {"alt": " ".join(alternative)}}
        cell.source = re.sub(r"\A(\s*#\s*\|.*\n?)+", "", cell.source)
    content.cells = [cell for cell, mark in zip(content.cells, marks, strict=True)
                     if "default_exp" not in mark]
    return content


def build() -> dict[str, bytes]:
    "Make README.md and its pictures from nbs/index.ipynb."
    notebook = shown(ROOT / INDEX)
    notebook.metadata["language_info"] = {"name": "python"}  # colours the code on GitHub
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = move_links(cell.source)
    options = Config()
    options.ExtractOutputPreprocessor.output_filename_template = (
        PICTURES + "{cell_index}_{index}{extension}"
    )
    options.TagRemovePreprocessor = Config(enabled=True, remove_input_tags={"remove-input"})
    body, resources = MarkdownExporter(config=options).from_notebook_node(notebook)
    for i, cell in enumerate(notebook.cells):
        alternative = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        body = body.replace(f"![png]({PICTURES}{i}_", f"![{alternative}]({PICTURES}{i}_")
    body = re.sub(r"^[ \t]+$", "", body, flags=re.M)
    body = re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"
    return {"README.md": body.encode(), **resources["outputs"]}


def differences() -> list[str]:
    "Return what is not as nbs/index.ipynb builds it."
    built = build()
    old = {path.relative_to(ROOT).as_posix() for path in ROOT.glob(PICTURES + "*")}
    return [
        f"{name} is not what {INDEX} builds: make readme"
        for name in sorted(built.keys() | old)
        if not (ROOT / name).is_file() or (ROOT / name).read_bytes() != built.get(name)
    ]


def write() -> None:
    "Write README.md and its pictures, and remove pictures that are no longer in it."
    for path in ROOT.glob(PICTURES + "*"):
        path.unlink()
    for name, content in build().items():
        (ROOT / name).write_bytes(content)


if __name__ == "__main__":
    write()
