"Work on a notebook without a browser: as text, and run in place."
import argparse
import sys
from pathlib import Path

try:
    import jupytext
    import nbformat
    from execnb.nbio import read_nb, write_nb
    from execnb.shell import CaptureShell
    from fastcore.xtras import working_directory
    from jupytext.combine import combine_inputs_with_outputs
    from nbdev.clean import clean_nb
    from nbdev.config import get_config
    from nbdev.process import NBProcessor
except ModuleNotFoundError as missing:
    command = "pip install --use-pep517 --editable '.[dev]'"
    sys.exit(f"{missing.name} is not installed; install it with {command}")

PERCENT = {"extension": ".py", "format_name": "percent"}
KERNEL = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}


def to_text(
    notebook: Path,
    force: bool = False,  # overwrite text that has not been merged
) -> Path:  # the text beside it
    "Write X.py, cell by cell, for X.ipynb."
    text = notebook.with_suffix(".py")
    if text.exists() and text.stat().st_mtime > notebook.stat().st_mtime and not force:
        sys.exit(f"{text} is newer than {notebook}: merge it first, or give --force")
    content = jupytext.read(notebook)
    content.metadata["jupytext"] = {
        "cell_metadata_filter": "-all",
        "notebook_metadata_filter": "-all",
    }
    text.write_text(jupytext.writes(content, "py:percent"), encoding="utf-8")
    return text


def merge(
    text: Path,
) -> Path:  # the notebook beside it
    "Take X.py into X.ipynb: cells left alone keep id and output, edited ones lose the output."
    notebook = text.with_suffix(".ipynb")
    content = jupytext.reads(text.read_text(encoding="utf-8"), "py:percent")
    before = {}  # cell id -> source
    if notebook.exists():
        old = jupytext.read(notebook)
        before = {cell.id: cell.source for cell in old.cells}
        content = combine_inputs_with_outputs(content, old, fmt=PERCENT)
    for cell in content.cells:
        cell.source = cell.source.rstrip()
        cell.metadata = {}
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        if before.get(cell.get("id")) != cell.source:
            cell.outputs = []
    content.metadata = KERNEL
    content.nbformat_minor = 5  # the first with cell ids
    notebook.write_text(nbformat.writes(content) + "\n", encoding="utf-8")
    write_nb(read_nb(notebook), notebook)  # once more, in nbdev's way of writing
    return notebook


def run(
    notebook: Path,
    flags: tuple[str, ...] = (),  # cells marked so are run, too
) -> Path:
    "Execute a notebook where it stands and store clean outputs; stops at the first error."
    notebook = notebook.resolve()
    skipped = set(get_config().tst_flags.split()) - set(flags)
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
    shell = CaptureShell(notebook)
    with working_directory(notebook.parent):
        shell.run_all(content, exc_stop=True, preproc=is_left_out)
    clean_nb(content)
    write_nb(content, notebook)
    return notebook


def main() -> None:
    "Command line."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["text", "merge", "run"])
    parser.add_argument("files", nargs="+", type=Path, help="X.ipynb (text, run) or X.py (merge)")
    parser.add_argument("--flags", default="", help="run: also cells marked so: 'slow cuda'")
    parser.add_argument("--force", action="store_true", help="text: overwrite newer text")
    options = parser.parse_args()
    suffix = ".py" if options.command == "merge" else ".ipynb"
    for file in options.files:
        if file.suffix != suffix or not file.is_file():
            parser.error(f"{options.command} takes an existing {suffix} file, not {file}")
    for file in options.files:
        if options.command == "text":
            done = to_text(file, options.force)
        elif options.command == "merge":
            done = merge(file)
        else:
            done = run(file, tuple(options.flags.split()))
        print(done.name)


if __name__ == "__main__":
    main()
