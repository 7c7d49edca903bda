"What has to hold between the notebooks, the package and the files around them."
import ast
import hashlib
import importlib.metadata
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from configparser import ConfigParser
from functools import partial
from itertools import pairwise
from pathlib import Path

import readme
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parent.parent
OUTPUT_LIMIT = 300_000  # bytes of stored outputs in one notebook
FILE_LIMIT = 800_000  # bytes of one committed file, and of the example run
UNNUMBERED = ("figures", "quickstart")  # folders of notebooks that export nothing
EXAMPLE = "data/example/"  # the run that the figures are made from
NEVER = (".jpg", ".jpeg", ".bmp", ".pth", ".pt", ".ckpt")  # photographs and weights


def settings() -> dict[str, str]:
    "Read settings.ini."
    parser = ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    return dict(parser["DEFAULT"])


def notebooks() -> list[Path]:
    "List every notebook: the numbered ones in reading order, index, then those in folders."
    folder = ROOT / "nbs"
    found = (path for path in folder.rglob("*.ipynb") if "checkpoints" not in str(path))
    return sorted(found, key=lambda path: (path.parent != folder, path))


def cells(
    notebook: Path,
    kind: str = "code",  # "code" or "markdown"
) -> list[str]:
    "Read the source of each cell of one kind."
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def exported(notebook: Path) -> list[str]:
    "Find the modules of lf2 that a notebook exports."
    return re.findall(r"^#\s*\|\s*default_exp\s+(\S+)", "\n".join(cells(notebook)), re.M)


def run(
    *words: str,  # a program and its arguments
    folder: Path = ROOT,
) -> subprocess.CompletedProcess:
    "Run a program without nbdev's mark of a test, under which it exports nothing."
    environment = {name: value for name, value in os.environ.items() if name != "IN_TEST"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def committed() -> list[str]:
    "List what git tracks, and what it would add."
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    return sorted(name for name in set(listed.split("\0")) if (ROOT / name).is_file())


# --- notebooks and package ------------------------------------------------------------------------

EXPORT_AND_CLEAN = """
from nbdev.clean import nbdev_clean
from nbdev.doclinks import nbdev_export
nbdev_export.__wrapped__()
nbdev_clean.__wrapped__()
"""


def sync() -> list[str]:
    "Check that the notebooks are clean, and that exporting them gives exactly lf2/."
    here = {name: (ROOT / name).read_bytes() for name in committed()
            if name.startswith(("nbs/", "lf2/")) and not name.startswith("lf2/templates/")}
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        written = {name: here[name] for name in here if name.startswith("nbs/")}
        written["settings.ini"] = (ROOT / "settings.ini").read_bytes()
        written["lf2/py.typed"] = b""  # no notebook can write it
        for name, content in written.items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(content)
        done = run(sys.executable, "-c", EXPORT_AND_CLEAN, folder=copy)
        if done.returncode:
            return [f"the notebooks cannot be exported:\n{done.stderr}"]
        made = {path.relative_to(copy).as_posix(): path.read_bytes()
                for top in ("nbs", "lf2") for path in (copy / top).rglob("*") if path.is_file()}
    names = sorted(here.keys() | made.keys())
    return [f"{name} is not what the notebooks export: edit the notebook, then make export"
            for name in names if here.get(name) != made.get(name)]


def page_of_a_run() -> list[str]:
    "Check that the package has the notebook of a run, which is executed for the page."
    here, packaged = (
        [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
        for text in ((ROOT / folder / "run.ipynb").read_text(encoding="utf-8")
                     for folder in ("nbs/figures", "lf2/templates"))
    )
    return [] if here == packaged else ["lf2/templates/run.ipynb is an older copy: make export"]


def imported(
    source: str,  # of one cell, which may hold %magics and !commands
) -> set[str]:
    "Find the modules that a cell imports, and the names that it imports from them."
    found = set()
    for node in ast.walk(ast.parse(TransformerManager().transform_cell(source))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def order() -> list[str]:
    "Check that a notebook imports only lower-numbered ones, and exports a module of its name."
    complaints, numbers = [], set()
    exports = {path: exported(path) for path in notebooks()}
    later = {f"lf2.{module}" for modules in exports.values() for module in modules}
    for notebook, modules in exports.items():
        name = notebook.relative_to(ROOT / "nbs").as_posix()
        numbered = re.fullmatch(r"(\d\d)_(\w+)\.ipynb", name)
        if numbered and numbered[1] in numbers:
            complaints.append(f"{name} has the number of another notebook")
        elif numbered:
            numbers.add(numbered[1])
        elif notebook.parent.name not in UNNUMBERED and name != "index.ipynb":
            complaints.append(f"{name} has no number: NN_name.ipynb says where it is read")
        later -= {f"lf2.{module}" for module in modules}
        for module in modules:
            if not numbered or module.rpartition(".")[2].strip("_") != numbered[2]:
                complaints.append(f"{name} exports lf2.{module}: NN_name.ipynb exports lf2.name")
        for source in cells(notebook):
            for module in sorted(imported(source) & later):
                complaints.append(f"{name} imports {module}, which a later notebook exports")
    return complaints


IMPORT_EACH_WITHOUT = """
import importlib, json, sys

modules, blocked, heavy = json.loads(sys.argv[1])
sys.modules |= dict.fromkeys(blocked)  # importing them fails, as if they were not installed
for name in modules:
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(f"import {name}: {type(error).__name__}: {error}")
    if name.count(".") < 2 and (found := sys.modules.keys() & heavy):
        print(f"import {name} imports {found}, which only subpackages may do")
        heavy = []
"""


def requirements(
    key: str,  # of settings.ini
) -> set[str]:
    "Read the names of required distributions, in one spelling."
    words = shlex.split(settings()[key])
    return {re.match(r"[\w.-]+", word)[0].lower().replace("_", "-") for word in words}


def standalone() -> list[str]:
    """Import every module with the core requirements alone.

    None of the core (lf2.loop, for example) may import matplotlib or jinja2, which are slow.
    """
    # not those of the site: joblib looks for "sphinx" among the imported modules
    keys = [key for key in settings() if key.endswith("_requirements") and key[:4] != "docs"]
    extra = set().union(*map(requirements, keys)) - requirements("requirements")
    blocked = [
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if extra & {name.lower().replace("_", "-") for name in distributions}
    ]
    names = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "lf2").rglob("*.py")]
    modules = [".".join(name.parts).removesuffix(".__init__") for name in names]
    modules.sort(key=lambda name: (name.count("."), name))  # the core first
    arguments = json.dumps([modules, blocked, ["matplotlib", "jinja2"]])
    done = run(sys.executable, "-c", IMPORT_EACH_WITHOUT, arguments)
    return (done.stdout + (done.stderr if done.returncode else "")).splitlines()


def errors_of(
    tool: str,  # a module of the development requirements
    *arguments: str,
) -> list[str]:
    "Run a tool that reads the code, and return the lines that it prints when it finds an error."
    done = run(sys.executable, "-m", tool, *arguments)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


# --- files ----------------------------------------------------------------------------------------

# Written so that this line does not match itself; a notebook writes a new line as \n.
MACHINE_PATH = r"(^|[^[:alnum:]_.~-]|\\n)/(home|work|tmp|root|Users|mnt|var/folders)/[[:alnum:]_.]"


def paths() -> list[str]:
    "Check that no committed file names a folder of somebody's machine."
    lines = run("git", "grep", "--untracked", "-InE", MACHINE_PATH).stdout.splitlines()
    return [line[:150] for line in lines]


def sizes() -> list[str]:
    "Check that there is no photograph, no weights but the example's, and nothing large."
    complaints, example = [], 0
    for name in committed():
        size = (ROOT / name).stat().st_size
        example += size if name.startswith(EXAMPLE) else 0
        weights = name.endswith(".safetensors") and not name.startswith(EXAMPLE)
        if weights or name.lower().endswith(NEVER):
            complaints.append(f"{name}: photographs and weights are never committed")
        elif size > FILE_LIMIT:
            complaints.append(f"{name} has {size} bytes, over {FILE_LIMIT}")
    return complaints + [f"{EXAMPLE} has over {FILE_LIMIT} bytes"] * (example > FILE_LIMIT)


def outputs() -> list[str]:
    "Check that stored outputs are small, and hold no error, warning or progress bar."
    complaints = []
    for notebook in notebooks():
        name = notebook.relative_to(ROOT)
        content = json.loads(notebook.read_text(encoding="utf-8"))
        stored = [output for cell in content["cells"] for output in cell.get("outputs", [])]
        if (size := len(json.dumps(stored))) > OUTPUT_LIMIT:
            complaints.append(f"{name} stores {size} bytes of outputs, over {OUTPUT_LIMIT}")
        for output in stored:
            if output["output_type"] == "error" or output.get("name") == "stderr":
                said = output.get("evalue") or "".join(output.get("text", ""))
                complaints.append(f"{name} stores an error or a warning: {said:.100}")
    return complaints


def example() -> str:
    "Compute a fingerprint of the files of the example run."
    files = [ROOT / name for name in committed() if name.startswith(EXAMPLE)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def outdated() -> list[str]:
    """Check that notebooks that load the example run were executed with its present files.

    `tools/notebook.py run` stores its fingerprint; a notebook without one is not checked.
    """
    present = example()
    stored = {
        notebook: json.loads(notebook.read_text(encoding="utf-8"))["metadata"].get("example")
        for notebook in notebooks()
    }
    return [
        f"{notebook.relative_to(ROOT)} shows an older example run: tools/notebook.py run it"
        for notebook, fingerprint in stored.items() if fingerprint not in (None, present)
    ]


def links() -> list[str]:
    "Check that every relative link of a document leads to a committed file."
    files = {ROOT / name for name in committed()}
    known = files | {parent for path in files for parent in path.parents}
    sources = {path: path.read_text(encoding="utf-8") for path in files if path.suffix == ".md"}
    sources |= {notebook: "\n\n".join(cells(notebook, "markdown")) for notebook in notebooks()}
    return [
        f"{path.relative_to(ROOT)} links to {target}, which is not there"
        for path, text in sorted(sources.items())
        for target in readme.relative_links(text)
        if Path(os.path.normpath(path.parent / target)) not in known
    ]


def reading_path() -> list[Path]:
    "List the notebooks of the reading path: the first list of docs/contents.md."
    text = (ROOT / "docs/contents.md").read_text(encoding="utf-8")
    return [ROOT / f"{name}.ipynb" for name in re.findall(r"^/(\S+)$", text.split("```")[1], re.M)]


def path_links() -> list[str]:
    "Check that README and the \"Next\" links follow the reading path."
    path = reading_path()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    arrows = next((line for line in text.splitlines() if " → [" in line), "")
    listed = [ROOT / target for target in readme.relative_links(arrows)]
    complaints = [] if listed == path else ["README.md has another reading path: nbs/index.ipynb"]
    for notebook, following in pairwise(path):
        link = Path(os.path.relpath(following, notebook.parent)).as_posix()
        text = "\n".join(cells(notebook, "markdown"))
        ends = re.findall(r"^\*\*Next:\*\* .*?\]\((\S+?)\)", text, re.M)
        if ends != [link]:
            complaints.append(f"{notebook.name} needs one line **Next:** [title]({link})")
    return complaints


CHECKS = {
    "notebooks and lf2/ are in step": sync,
    "the package has the notebook of a run": page_of_a_run,
    "notebooks import only earlier ones": order,
    "README.md is what nbs/index.ipynb builds": readme.differences,
    "lf2 needs its core requirements only": standalone,
    "ruff passes": partial(
        errors_of, "ruff", "check", "--output-format", "concise", "lf2", "tools", "nbs", "docs",
    ),
    "mypy passes": partial(errors_of, "mypy"),
    "no path of one machine": paths,
    "no large file, no photograph": sizes,
    "stored outputs are small and quiet": outputs,
    "stored outputs show the present example": outdated,
    "links lead somewhere": links,
    "one reading path": path_links,
}


def complaints_of(check: Callable[[], list[str]]) -> list[str]:
    "Return what a check finds wrong; that it cannot be carried out is one more thing wrong."
    try:
        return check()
    except Exception:
        return [traceback.format_exc()]


if __name__ == "__main__":
    found = {name: complaints_of(check) for name, check in CHECKS.items()}
    for name, complaints in found.items():
        print("\n       ".join([f"{'FAIL' if complaints else 'ok':4} {name}", *complaints]))
    sys.exit(any(found.values()))
