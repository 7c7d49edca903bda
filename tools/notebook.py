"Work on a notebook without a browser: as text, run in place, or run as a reader would."
import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from execnb.nbio import read_nb, write_nb
from execnb.shell import CaptureShell
from fastcore.xtras import working_directory
from jupytext.combine import combine_inputs_with_outputs
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbdev.clean import clean_nb
from nbdev.config import get_config
from nbdev.process import NBProcessor

PERCENT = {"extension": ".py", "format_name": "percent"}
ROOT = Path(__file__).resolve().parents[1]
KERNEL = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}


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


def merge(
    text: Path,
) -> Path:  # the notebook beside it
    "Take X.py into X.ipynb: cells left alone keep id and output, edited ones lose the output."
    notebook, before = text.with_suffix(".ipynb"), {}
    content = jupytext.read(text, fmt="py:percent")
    if notebook.exists():
        old = jupytext.read(notebook)
        before = {cell.id: cell.source for cell in old.cells}
        content = combine_inputs_with_outputs(content, old, fmt=PERCENT)
    for cell in content.cells:
        cell.source, cell.metadata = cell.source.rstrip(), {}
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = cell.outputs if before.get(cell.get("id")) == cell.source else []
    content.metadata, content.nbformat_minor = KERNEL, 5  # the first with cell ids
    nbformat.write(content, notebook)
    write_nb(read_nb(notebook), notebook)  # once more, in nbdev's way of writing
    return notebook


def run(
    notebook: Path,
    flags: set[str],  # cells marked so are run, too
) -> Path:
    "Execute a notebook where it is and store clean outputs; stop at the first error."
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
    write_nb(content, notebook)
    return notebook


def pictures(content) -> int:
    "Count the outputs of a notebook that have a picture."
    stored = [output for cell in content.cells for output in cell.get("outputs", [])]
    return sum(any(kind.startswith("image/") for kind in x.get("data", {})) for x in stored)


def step(
    notebook: Path,
    without: set[str],  # marks of cells that are left out, such as slow
    limit: int,  # seconds for a cell
) -> list[str]:  # what a reader should not have to see
    "Run all cells from top to bottom in a new kernel, slow ones too; what is stored stays."
    content = nbformat.read(notebook, as_version=4)
    shown = pictures(content)
    content.cells = [cell for cell in content.cells
                     if not without & set(re.findall(r"^#\s*\|\s*(\w+)", cell.source, re.M))]
    folder = {"metadata": {"path": str(notebook.parent)}}
    try:
        NotebookClient(content, timeout=limit, resources=folder).execute()
    except (CellExecutionError, CellTimeoutError) as error:
        return [str(error)]
    said = [output.text for cell in content.cells for output in cell.get("outputs", [])
            if output.get("name") == "stderr"]
    fewer = pictures(content) < shown and not without
    return said + [f"{pictures(content)} pictures are shown, {shown} are stored"] * fewer


def step_all(notebooks: list[Path], without: set[str], limit: int) -> int:  # exit code
    "Step through notebooks, and print `N passed, N failed`."
    failed = 0
    with tempfile.TemporaryDirectory() as cache:
        # Exporting does nothing in a test.
        os.environ |= {"IN_TEST": "1", "LF2_CACHE": cache, "PYTHONPATH": str(ROOT)}
        for notebook in notebooks:
            start = time.monotonic()
            complaints = step(notebook, without, limit)
            word, seconds = "FAIL" if complaints else "ok", time.monotonic() - start
            print(f"{word:4} {seconds:6.1f} s  {notebook.name}", flush=True)
            print("\n".join(complaints), end="\n" * bool(complaints), flush=True)
            failed += bool(complaints)
    print(f"{len(notebooks) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main() -> int:  # exit code
    "Command line."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["text", "merge", "run", "step"])
    parser.add_argument("files", nargs="+", type=Path, help="X.ipynb, or X.py to merge")
    parser.add_argument("--flags", default="", help="run: also cells marked so: 'slow cuda'")
    parser.add_argument("--force", action="store_true", help="text: overwrite newer text")
    parser.add_argument("--without", default="", help="step: leave out cells marked so")
    parser.add_argument("--limit", type=int, default=900, help="step: seconds for a cell")
    options = parser.parse_args()
    suffix = ".py" if options.command == "merge" else ".ipynb"
    files = [file.resolve() for file in options.files]
    for file in files:
        if file.suffix != suffix or not file.is_file():
            parser.error(f"{options.command} takes an existing {suffix} file, not {file}")
    if options.command == "step":
        return step_all(files, set(options.without.split()), options.limit)
    for file in files:
        if options.command == "text":
            done = to_text(file, options.force)
        elif options.command == "merge":
            done = merge(file)
        else:
            done = run(file, set(options.flags.split()))
        print(done.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
