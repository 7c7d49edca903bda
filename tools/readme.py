"Build README.md from nbs/index.ipynb, without quarto; --check only says whether it is up to date."
import posixpath
import re
import sys
from pathlib import Path

import nbformat
from execnb.nbio import nb2str
from nbconvert import MarkdownExporter
from nbdev.process import NBProcessor
from nbdev.processors import filter_stream_, hide_, hide_line, rm_export, strip_ansi
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
INDEX = "nbs/index.ipynb"
PICTURES = "images/readme_"  # how the names of its pictures begin
CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.M | re.S)
LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)\s#]+)")


def relative_links(
    text: str,  # Markdown
) -> list[str]:
    "The targets of relative links, those in code left out."
    prose = CODE.split(text)[::2]
    return [found[2] for part in prose for found in LINK.finditer(part)]


def move_links(
    text: str,  # Markdown whose links start at nbs/
) -> str:  # the same, with links that start at the repository
    "Relative links, as they have to read one folder up."
    parts = CODE.split(text)
    folder = posixpath.dirname(INDEX)
    for i in range(0, len(parts), 2):  # every other part is code
        parts[i] = LINK.sub(
            lambda found: found[1] + posixpath.normpath(posixpath.join(folder, found[2])),
            parts[i],
        )
    return "".join(parts)


def build() -> dict[str, bytes]:
    "The files that nbs/index.ipynb makes: README.md and its pictures."
    shown = [strip_ansi, hide_line, filter_stream_, rm_export, hide_]
    notebook = NBProcessor(ROOT / INDEX, procs=shown, process=True).nb
    notebook.metadata["language_info"] = {"name": "python"}  # colours the code on GitHub
    descriptions = {}  # how a picture's name begins -> what it shows
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = move_links(cell.source)
        if cell.directives_.get("echo:") == ["false"]:
            cell.metadata["transient"] = {"remove_source": True}
        descriptions[f"{PICTURES}{i}_"] = " ".join(cell.directives_.get("fig-alt:", []))
        cell.source = re.sub(r"\A(\s*#\s*\|.*\n?)+", "", cell.source)
    names = Config()
    names.ExtractOutputPreprocessor.output_filename_template = (
        PICTURES + "{cell_index}_{index}{extension}"
    )
    body, resources = MarkdownExporter(config=names).from_notebook_node(
        nbformat.reads(nb2str(notebook), as_version=4)
    )
    for name, description in descriptions.items():
        body = body.replace(f"![png]({name}", f"![{description}]({name}")
    body = re.sub(r"^[ \t]+$", "", body, flags=re.M)
    body = re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"
    return {"README.md": body.encode(), **resources["outputs"]}


def differences() -> list[str]:
    "What is not as nbs/index.ipynb builds it."
    if not (ROOT / INDEX).is_file():
        return [f"{INDEX} is missing"]
    built = build()
    old = {path.relative_to(ROOT).as_posix() for path in ROOT.glob(PICTURES + "*")}
    return [
        f"{name} is not what {INDEX} builds: make readme"
        for name in sorted(built.keys() | old)
        if not (ROOT / name).is_file() or (ROOT / name).read_bytes() != built.get(name)
    ]


def write() -> None:
    "Write README.md and its pictures, and remove pictures that are no longer in it."
    built = build()
    for path in ROOT.glob(PICTURES + "*"):
        if path.relative_to(ROOT).as_posix() not in built:
            path.unlink()
    for name, content in built.items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_bytes(content)


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("usage: python tools/readme.py [--check]")
    if sys.argv[1:]:
        found = differences()
        print("\n".join(found) or "README.md is up to date")
        sys.exit(bool(found))
    write()
