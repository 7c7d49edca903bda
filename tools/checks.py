"What has to hold between the notebooks, the package and the files around them."
import ast
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path

import readme
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parent.parent
OUTPUT_LIMIT = 300_000  # bytes of stored outputs in one notebook
FILE_LIMIT = 800_000  # bytes of one committed file
UNNUMBERED = ("figures", "quickstart")  # folders of notebooks that export nothing
SUBPACKAGES = ("apps", "experiments", "figures", "peers", "synthetic")  # of lf2, beside the core
NOT_IN_CORE = ("matplotlib", "jinja2")  # slow to import, and only figures and pages need them
MARKER = "lf2/py.typed"


def settings() -> dict[str, str]:
    "settings.ini, where the project's facts stand."
    parser = ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    return dict(parser["DEFAULT"])


def notebooks() -> list[Path]:
    "Every notebook: the numbered ones in reading order, index, then those that export nothing."
    folder = ROOT / "nbs"
    found = [
        path
        for path in folder.rglob("*.ipynb")
        if not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    ]
    return sorted(found, key=lambda path: (path.parent != folder, path))


def cells(
    notebook: Path,
    kind: str = "code",  # "code" or "markdown"
) -> list[str]:
    "The source of each cell of one kind."
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def run_python(
    program: str,  # source
    folder: Path,  # where it runs
    *arguments: str,
) -> subprocess.CompletedProcess:
    "Another Python; without nbdev's mark of a test, under which it exports nothing."
    environment = {name: value for name, value in os.environ.items() if name != "IN_TEST"}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


# --- sync -----------------------------------------------------------------------------------------

EXPORT_AND_CLEAN = """
from nbdev.clean import nbdev_clean
from nbdev.doclinks import nbdev_export
nbdev_export.__wrapped__()
nbdev_clean.__wrapped__()
"""


def package(root: Path) -> dict[str, bytes]:
    "Every file of lf2/ under `root` and its bytes."
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted((root / "lf2").rglob("*"))
        if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)
    }


def sync() -> list[str]:
    "The notebooks are clean, and exporting them gives exactly what stands in lf2/."
    complaints = []
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        shutil.copyfile(ROOT / "settings.ini", copy / "settings.ini")
        for notebook in notebooks():
            target = copy / notebook.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(notebook, target)
        done = run_python(EXPORT_AND_CLEAN, copy)
        if done.returncode:
            return [f"the notebooks cannot be exported:\n{done.stderr}"]
        for notebook in notebooks():
            name = notebook.relative_to(ROOT)
            if notebook.read_bytes() != (copy / name).read_bytes():
                complaints.append(f"{name} is not clean: make export")
        exported, present = package(copy), package(ROOT)
    if present.pop(MARKER, None) != b"":  # no notebook can write it
        complaints.append(f"{MARKER} has to be there, and empty: it says that lf2 is typed")
    for name in sorted(exported.keys() | present.keys()):
        if name not in present:
            complaints.append(f"{name} is missing, its notebook was not exported: make export")
        elif name not in exported:
            complaints.append(f"{name} comes from no notebook: delete it")
        elif exported[name] != present[name]:
            complaints.append(f"{name} differs from its notebook: edit the notebook, make export")
    return complaints


# --- order ----------------------------------------------------------------------------------------


def module_of(
    dotted: str,  # such as lf2.figures.plots.save_figure
) -> str:  # such as figures.plots
    "Return the module of a dotted name, without the package."
    names = dotted.split(".")[1:]
    return ".".join(names[: 2 if names[0] in SUBPACKAGES else 1])


def imported(
    source: str,  # of one cell
) -> set[str]:
    "The modules of lf2 that a cell imports, however it says so."
    found = set()
    # a cell may hold %magics and !commands
    for node in ast.walk(ast.parse(TransformerManager().transform_cell(source))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # a relative import can only mean the package that the notebook is exported to
            parts = (["lf2"] if node.level else []) + ([node.module] if node.module else [])
            base = ".".join(parts)
            packages = {"lf2", *(f"lf2.{name}" for name in SUBPACKAGES)}
            inner = {f"{base}.{alias.name}" for alias in node.names}
            found |= inner if base in packages else {base}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {word.value for word in node.args[:1] if isinstance(word, ast.Constant)}
    modules = {module_of(name) for name in found if str(name).startswith("lf2.")}
    return {name for name in modules if not name.startswith("__")}  # lf2.__version__ is no module


def order() -> list[str]:
    "A notebook imports only lower-numbered ones; those in folders come last."
    complaints = []
    defined = {}  # module -> its notebook
    numbers = {}  # number -> its notebook
    for notebook in notebooks():
        name = notebook.relative_to(ROOT / "nbs").as_posix()
        numbered = re.fullmatch(r"(\d\d)_(\w+)\.ipynb", name)
        if not numbered and notebook.parent.name not in UNNUMBERED and name != "index.ipynb":
            complaints.append(f"{name} has no number: NN_name.ipynb says where it is read")
        if numbered and numbers.setdefault(numbered[1], name) != name:
            complaints.append(f"{name} has the same number as {numbers[numbered[1]]}")
        modules = set()
        for source in cells(notebook):
            exported = re.search(r"^#\s*\|\s*default_exp\s+(\S+)", source, re.M)
            modules |= {exported[1]} if exported else set()
            try:
                used = imported(source)
            except SyntaxError as error:
                complaints.append(f"{name} has a cell that is no Python: {error}")
                continue
            for module in sorted(used - defined.keys()):
                complaints.append(f"{name} imports lf2.{module}, which no earlier notebook exports")
        stem = numbered[2] if numbered else ""  # __main__ is main
        allowed = {stem, f"__{stem}__", *(f"{package}.{stem}" for package in SUBPACKAGES)}
        for module in sorted(modules - allowed):
            complaints.append(f"{name} exports lf2.{module}: NN_name.ipynb may export lf2.name")
        defined |= dict.fromkeys(modules, name)
    return complaints


# --- standalone -----------------------------------------------------------------------------------

IMPORT_EACH_WITHOUT = """
import importlib, json, sys

class Without:
    "A finder that finds everything but some packages, as if they were not installed."
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            return None
        return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):  # versions of what is installed are asked of finders, too
        return getattr(self.finder, name)

modules, blocked, not_in_core = json.loads(sys.argv[1])
sys.meta_path = [Without(finder) for finder in sys.meta_path]
failed = []
for name in modules:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed.append(f"import {name}: {type(error).__name__}: {error}")
    for heavy in sys.modules.keys() & not_in_core if name.count(".") < 2 else ():
        not_in_core.remove(heavy)
        failed.append(f"import {name} imports {heavy}, which only subpackages may do")
print(json.dumps(failed))
"""


def requirements(
    key: str,  # of settings.ini
) -> set[str]:
    "The names of required distributions, in one spelling."
    words = shlex.split(settings()[key])
    return {re.match(r"[\w.-]+", word)[0].lower().replace("_", "-") for word in words}


def standalone() -> list[str]:
    """Import every module with the core requirements alone.

    No module may import nbdev's family, and none of the core (lf2.loop, for example) matplotlib or
    jinja2.
    """
    core = requirements("requirements")
    keys = [key for key in settings() if key.endswith("_requirements")]
    extra = set().union(*map(requirements, keys)) - core
    blocked = {
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if extra & {name.lower().replace("_", "-") for name in distributions}
    }
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "lf2").rglob("*.py")}
    names = {path.relative_to(ROOT).with_suffix("").as_posix() for path in sources}
    modules = sorted(name.removesuffix("/__init__").replace("/", ".") for name in names)
    modules.sort(key=lambda name: name.count("."))  # the core first, before anything imports more
    arguments = json.dumps([modules, sorted(blocked), NOT_IN_CORE])
    done = run_python(IMPORT_EACH_WITHOUT, ROOT, arguments)
    if done.returncode:
        return [done.stderr]
    complaints = json.loads(done.stdout.splitlines()[-1])
    for path, source in sources.items():
        # also inside functions, where the import above does not get to
        for word in re.findall(r"^\s*(?:import|from)\s+(nbdev|fastcore|execnb)\b", source, re.M):
            complaints.append(f"{path.relative_to(ROOT)} imports {word}, a development tool")
    return complaints


WITHOUT_JUPYTEXT = """
import runpy, sys

sys.modules["jupytext"] = None
runpy.run_path("tools/notebook.py", run_name="__main__")
"""


def extras() -> list[str]:
    "tools/notebook.py says in one line how to get what it needs."
    said = run_python(WITHOUT_JUPYTEXT, ROOT).stderr.strip()
    right = "jupytext is not installed" in said and "[dev]" in said and "\n" not in said
    return [] if right else [said]


# --- ruff and mypy --------------------------------------------------------------------------------


def errors_of(
    tool: str,  # a module of the development requirements
    *arguments: str,
) -> list[str]:
    "Run a tool that reads the code, and return the lines that it prints when it finds an error."
    done = subprocess.run(
        [sys.executable, "-m", tool, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    if f"No module named {tool}" in done.stderr:
        return [f"{tool} is not installed: run 'pip install -e \".[dev]\"'"]
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


def style() -> list[str]:
    "Return what ruff complains about in package, tools and notebooks (ruff.toml)."
    return errors_of("ruff", "check", "--output-format", "concise", "lf2", "tools", "nbs")


def types() -> list[str]:
    "Return what mypy complains about in the package (mypy.ini)."
    return errors_of("mypy")


# --- files ----------------------------------------------------------------------------------------

# Written so that this line does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|work|tmp|root|Users|mnt|var/folders)/[\w.]")
NEVER = {".jpg", ".jpeg", ".bmp", ".pth", ".pt", ".ckpt"}  # photographs and weights
EXAMPLE_LIMIT = 800_000  # bytes of the run that the figures are made from


def committed() -> list[Path]:
    "What git tracks, and what it would add."
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = {name for name in listed.stdout.decode().split("\0") if name}
    return [ROOT / name for name in sorted(names) if (ROOT / name).is_file()]


def texts(
    content,  # of a notebook, or a part of it
) -> Iterator[str]:
    "All that is text in a notebook, pictures left out."
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for key, value in content.items():
            if not key.startswith("image/"):
                yield from texts(value)
    elif isinstance(content, list):
        if all(isinstance(part, str) for part in content):
            yield "".join(content)
        else:
            for part in content:
                yield from texts(part)


def paths() -> list[str]:
    "No committed file names a folder of somebody's machine."
    complaints = []
    for path in committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # not text
            continue
        parts = texts(json.loads(text)) if path.suffix == ".ipynb" else [text]
        for line in "\n".join(parts).splitlines():
            if MACHINE_PATH.search(line):
                complaints.append(f"{path.relative_to(ROOT)}: {line.strip()[:100]}")
    return complaints


def sizes() -> list[str]:
    "No photograph, no weights, nothing large."
    complaints = []
    for path in committed():
        name = path.relative_to(ROOT)
        if path.suffix.lower() in NEVER:
            complaints.append(f"{name}: photographs and weights are never committed")
        elif path.stat().st_size > FILE_LIMIT:
            complaints.append(f"{name} has {path.stat().st_size} bytes, over {FILE_LIMIT}")
    weights = [path for path in committed() if path.suffix == ".safetensors"]
    example = ROOT / "data" / "example"
    complaints += [
        f"{path.relative_to(ROOT)}: weights are committed in data/example alone"
        for path in weights if example not in path.parents
    ]
    size = sum(path.stat().st_size for path in committed() if example in path.parents)
    if size > EXAMPLE_LIMIT:
        complaints.append(f"data/example has {size} bytes, over {EXAMPLE_LIMIT}")
    return complaints


def outputs() -> list[str]:
    "Stored outputs are small, and hold no error, warning or progress bar."
    complaints = []
    for notebook in notebooks():
        name = notebook.relative_to(ROOT)
        content = json.loads(notebook.read_text(encoding="utf-8"))
        stored = [output for cell in content["cells"] for output in cell.get("outputs", [])]
        size = len(json.dumps(stored))
        if size > OUTPUT_LIMIT:
            complaints.append(f"{name} stores {size} bytes of outputs, over {OUTPUT_LIMIT}")
        for output in stored:
            if output["output_type"] == "error":
                complaints.append(f"{name} stores an error: {output['evalue']}")
            if output.get("name") == "stderr":
                first = "".join(output["text"]).strip()[:100]
                complaints.append(f"{name} stores a warning or a progress bar: {first}")
    return complaints


# --- documents ------------------------------------------------------------------------------------


def links() -> list[str]:
    "Every relative link of a document leads to a committed file."
    complaints = []
    known = set(committed())
    known |= {parent for path in known for parent in path.parents}
    documents = [path for path in known if path.suffix == ".md"]
    sources = {path: path.read_text(encoding="utf-8") for path in documents}
    sources |= {notebook: "\n\n".join(cells(notebook, "markdown")) for notebook in notebooks()}
    for path, text in sorted(sources.items()):
        for target in readme.relative_links(text):
            if Path(os.path.normpath(path.parent / target)) not in known:
                complaints.append(f"{path.relative_to(ROOT)} links to {target}, which is not there")
    return complaints


CHECKS = {
    "notebooks and lf2/ are in step": sync,
    "notebooks import only earlier ones": order,
    "README.md is what nbs/index.ipynb builds": readme.differences,
    "lf2 needs its core requirements only": standalone,
    "tools/notebook.py says how to get what it needs": extras,
    "ruff passes": style,
    "mypy passes": types,
    "no path of one machine": paths,
    "no large file, no photograph": sizes,
    "stored outputs are small and quiet": outputs,
    "links lead somewhere": links,
}


def complaints_of(check: Callable[[], list[str]]) -> list[str]:
    "What a check finds wrong; that it cannot be carried out is one more thing wrong."
    try:
        return check()
    except Exception:
        return [traceback.format_exc()]


if __name__ == "__main__":
    found = {name: complaints_of(check) for name, check in CHECKS.items()}
    for name, complaints in found.items():
        print("\n       ".join([f"{'FAIL' if complaints else 'ok':4} {name}", *complaints]))
    sys.exit(any(found.values()))
