"Build wheel and sdist, install each as a user would, and use it; or try the oldest requirements."
import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALONG = {"LICENSE", "README.md", "settings.ini", "setup.py"}  # needed to build from an sdist
SIZE = "--backbone tiny --weights none --height 64 --width 32"
SHORT = "--epochs 1 --iterations 2 --identities 4 --bn-group-size 0 --workers 0"
PRETRAIN = f"pretrain --source synthetic:courtyard {SIZE} {SHORT} --output source"
ADAPT = f"adapt --target synthetic:arcade --init source --clusters 40 {SHORT} --output target"

IMPORT_ALL = """
import importlib, pkgutil, sys
import lf2
assert lf2.__file__.startswith(sys.prefix), f"{lf2.__file__} is not the installed one"
modules = pkgutil.walk_packages(lf2.__path__, "lf2.")
names = [module.name for module in modules if module.name != "lf2.__main__"]
for name in names:
    importlib.import_module(name)
print(len(names), "modules")
"""


def settings() -> dict[str, str]:
    "settings.ini, where the project's facts stand."
    parser = ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    return dict(parser["DEFAULT"])


def run(
    *words: str | Path,  # a program and its arguments
    folder: Path,  # where it runs
    code: int = 0,  # that it has to end with
    quiet: bool = True,  # keep its output for the return value, and for the message when it fails
) -> str:  # what it printed
    "Run a program outside the checkout's own environment."
    outer = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "IN_TEST")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    environment |= {"LF2_CACHE": str(folder / "cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    output, errors = (subprocess.PIPE, subprocess.STDOUT) if quiet else (None, None)
    command = [str(word) for word in words]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=output, stderr=errors, text=True
    )
    printed = done.stdout or ""
    if done.returncode != code:
        raise SystemExit(f"{shlex.join(command)} ended with {done.returncode}:\n{printed[-4000:]}")
    return printed


def environment(
    folder: Path,  # to be made
) -> Path:  # of its Python
    "A new environment with pip and nothing else."
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def copy_tree(
    target: Path,  # to be made
) -> Path:
    "The files that git tracks or would add, and none that happen to lie about."
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


def build(
    scratch: Path,
) -> tuple[Path, Path]:  # wheel, sdist
    "Both packages, the wheel from the sdist, as an index would be given them."
    python = environment(scratch / "builder")
    run(python, "-m", "pip", "install", "-qq", "build", folder=scratch)
    tree = copy_tree(scratch / "tree")
    run(python, "-m", "build", "--outdir", scratch / "dist", tree, folder=scratch)
    (wheel,), (sdist,) = ((scratch / "dist").glob(kind) for kind in ("*.whl", "*.tar.gz"))
    return wheel, sdist


def check_contents(
    wheel: Path,
    sdist: Path,
) -> None:
    "All modules in both, what an sdist is built from in the sdist, and no notebook in the wheel."
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "lf2").rglob("*.py")}
    modules.add("lf2/py.typed")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    if missing := (ALONG | modules) - held:
        raise SystemExit(f"{sdist.name} lacks {', '.join(sorted(missing))}")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    information = {name for name in held if ".dist-info/" in name}
    if different := (held - information) ^ modules:
        raise SystemExit(f"{wheel.name} differs in {', '.join(sorted(different))}")
    if not any(name.endswith("/LICENSE") for name in information):
        raise SystemExit(f"{wheel.name} lacks LICENSE")
    print(f"ok   contents: {len(modules)} files of lf2 in both, LICENSE, README.md, settings.ini")


def use(
    package: Path,  # wheel or sdist
    python: Path,  # of an environment that may hold the other one
    folder: Path,  # to be made, for what is written
) -> None:
    "Install it without and with its extra `cpu`, and go once through both stages."
    folder.mkdir()
    pip = (python, "-m", "pip")
    lf2 = python.with_name("lf2" + python.suffix)
    run(*pip, "uninstall", "-qq", "-y", "lf2", "faiss-cpu", "numba", folder=folder)
    run(*pip, "install", "-qq", package, folder=folder)
    print(f"ok   {package.name}: {run(python, '-c', IMPORT_ALL, folder=folder).strip()} imported")
    run(*pip, "check", folder=folder)
    assert "usage: lf2 COMMAND" in run(lf2, "--help", folder=folder)
    run(lf2, *PRETRAIN.split(), folder=folder)
    said = run(lf2, *ADAPT.split(), folder=folder, code=2)
    assert "lf2[cpu]" in said, said
    print(f"ok   {package.name}: without faiss, lf2 adapt names the extra to install")
    run(*pip, "install", "-qq", f"{package}[cpu]", folder=folder)
    run(*pip, "check", folder=folder)
    assert "arcade" in run(lf2, "inspect", "synthetic:arcade", folder=folder)
    assert "The run lies in target" in run(lf2, *ADAPT.split(), "--overwrite", folder=folder)
    print(f"ok   {package.name}[cpu]: inspect, pretrain, adapt; pip check finds no conflict")


def lowest(
    keys: tuple[str, ...],  # of settings.ini
) -> list[str]:  # such as numpy==1.26
    "The lower bounds of requirements, as pip's constraints."
    words = [word for key in keys for word in settings()[key].split()]
    found = (re.match(r"([\w.-]+)>=([\w.]+)", word) for word in words)
    return [f"{match[1]}=={match[2]}" for match in found if match]


def try_oldest(
    scratch: Path,
    notebooks: list[str],  # to test; empty: all that have a number
) -> None:
    "Every requirement of the package at its lower bound, and the notebooks' tests with them."
    tree, python = copy_tree(scratch / "tree"), environment(scratch / "oldest")
    bounds = lowest(("requirements", "cpu_requirements"))
    (scratch / "bounds.txt").write_text("\n".join(bounds))
    pip = (python, "-m", "pip")
    constraints = ("-c", scratch / "bounds.txt")
    run(*pip, "install", "-qq", *constraints, "--editable", f"{tree}[dev]", folder=scratch)
    run(*pip, "check", folder=scratch)
    print(f"Python {sys.version.split()[0]} with {' '.join(bounds)}", flush=True)
    chosen = notebooks or sorted(f"nbs/{path.name}" for path in (tree / "nbs").glob("[0-9]*.ipynb"))
    run(python, "tools/test.py", *chosen, folder=tree, quiet=False)


def main() -> int:  # exit code
    "Build, install, use; or try the oldest."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--oldest", nargs="*", metavar="NOTEBOOK",
        help="test these notebooks, or all with a number, with the oldest allowed versions",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if options.oldest is not None:
            try_oldest(scratch, options.oldest)
            return 0
        packages = build(scratch)
        check_contents(*packages)
        python = environment(scratch / "user")
        for package, name in zip(packages, ("wheel", "sdist"), strict=True):
            use(package, python, scratch / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
