"Work on a notebook without a browser: as text, or run in place."
import argparse
import ast
import sys
from pathlib import Path

import jupytext
import nbformat
from execnb.nbio import read_nb, write_nb
from execnb.shell import CaptureShell
from fastcore.xtras import working_directory
from jupytext.combine import combine_inputs_with_outputs
from nbdev.clean import clean_nb
from nbdev.config import get_config
from nbdev.process import NBProcessor

PERCENT = {"extension": ".py", "format_name": "percent"}
KERNEL = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}


def fold(cells: list) -> None:
    "Let JupyterLab fold cells that no reader needs: hidden ones, plots and lists of imports."
    for cell in cells:
        if cell.cell_type == "code":
            code = "\n".join(x for x in cell.source.split("\n") if x[:1] not in ("%", "!"))
            parts = ast.parse(code).body
            imports = all(isinstance(part, (ast.Import, ast.ImportFrom)) for part in parts)
            hidden = cell.source.startswith(("#| hide", "#| echo: false"))
            cell.metadata = {"jupyter": {"source_hidden": True}} if hidden or imports else {}


def to_text(
    notebook: Path,
    force: bool,  # overwrite text that has not been merged
) -> Path:  # the text beside it
    "Write X.py, cell by cell, for X.ipynb."
    text = notebook.with_suffix(".py")
    if text.exists() and text.stat().st_mtime > notebook.stat().st_mtime and not force:
        sys.exit(f"{text} is newer than {notebook}: merge it first, or give --force")
    content = jupytext.read(notebook)
    filters = ("cell_metadata_filter", "notebook_metadata_filter")
    content.metadata["jupytext"] = dict.fromkeys(filters, "-all")
    jupytext.write(content, text, fmt="py:percent")
    return text


def merge(text: Path) -> Path:  # the notebook beside it
    "Take X.py into X.ipynb: cells left alone keep id and output, edited ones lose the output."
    notebook, before, metadata = text.with_suffix(".ipynb"), {}, KERNEL
    content = jupytext.read(text, fmt="py:percent")
    if notebook.exists():
        old = jupytext.read(notebook)
        before, metadata = {cell.id: cell.source for cell in old.cells}, old.metadata
        content = combine_inputs_with_outputs(content, old, fmt=PERCENT)
    for cell in content.cells:
        cell.source, cell.metadata = cell.source.rstrip(), {}
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = cell.outputs if before.get(cell.get("id")) == cell.source else []
    fold(content.cells)
    content.metadata, content.nbformat_minor = metadata, 5  # the first with cell ids
    nbformat.write(content, notebook)
    write_nb(read_nb(notebook), notebook)  # once more, in nbdev's way of writing
    return notebook


def run(
    notebook: Path,
    flags: set[str],  # cells marked so are run, too
) -> Path:
    "Execute a notebook where it is and store clean outputs; stop at the first error."
    import checks  # not earlier, since nbconvert, which it needs, tries to import `notebook`

    skipped = set(get_config().tst_flags.split()) - flags
    marks = {
        cell.id: cell.directives_
        for cell in NBProcessor(notebook, process=True).nb.cells
        if cell.cell_type == "code"
    }

    def is_left_out(cell) -> bool:
        if cell.cell_type != "code" or "nbdev_export(" in cell.source:
            return True
        evaluated = (marks[cell.id].get("eval:") or ["true"])[0].lower() != "false"
        return not evaluated or bool(skipped & marks[cell.id].keys())

    content = read_nb(notebook)
    with working_directory(notebook.parent):
        CaptureShell(notebook).run_all(content, exc_stop=True, preproc=is_left_out)
    clean_nb(content)
    fold(content.cells)
    if checks.EXAMPLE in "".join(cell.source for cell in content.cells):
        content.metadata["example"] = checks.example()
    write_nb(content, notebook)
    return notebook


def main() -> None:
    "Parse the command line, and carry out its command for each file."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["text", "merge", "run"])
    parser.add_argument("files", nargs="+", type=Path, help="X.ipynb, or X.py to merge")
    parser.add_argument("--flags", default="", help="run: also cells marked so: 'slow cuda'")
    parser.add_argument("--force", action="store_true", help="text: overwrite newer text")
    options = parser.parse_args()
    suffix = ".py" if options.command == "merge" else ".ipynb"
    files = [file.resolve() for file in options.files]
    for file in files:
        if file.suffix != suffix or not file.is_file():
            parser.error(f"{options.command} takes an existing {suffix} file, not {file}")
    for file in files:
        if options.command == "text":
            done = to_text(file, options.force)
        elif options.command == "merge":
            done = merge(file)
        else:
            done = run(file, set(options.flags.split()))
        print(done.name)


if __name__ == "__main__":
    main()
