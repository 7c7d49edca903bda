"Build wheel and sdist, install each as a user would, and use it; or try the oldest requirements."
import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZE = "--backbone tiny --weights none --height 64 --width 32"
SHORT = "--epochs 1 --iterations 2 --identities 4 --bn-group-size 0 --workers 0"
PRETRAIN = f"lf2 pretrain --source synthetic:courtyard {SIZE} {SHORT} --output source"
ADAPT = f"lf2 adapt --target synthetic:arcade --init source --clusters 40 {SHORT} --output target"
LIST = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "lf2"]
IMPORT_ALL = """
import importlib, pkgutil, sys
import lf2
from pathlib import Path
assert lf2.__file__.startswith(sys.prefix), f"{lf2.__file__} is not the installed one"
for module in pkgutil.walk_packages(lf2.__path__, "lf2."):
    if module.name != "lf2.__main__":
        importlib.import_module(module.name)
for path in Path(lf2.__file__).parent.rglob("*"):
    if path.is_file() and "__pycache__" not in path.parts:
        print(path.relative_to(Path(lf2.__file__).parents[1]).as_posix())
"""


class Environment:
    "A new environment with pip and nothing else, apart from the checkout's own."

    def __init__(self, folder: Path):
        venv.create(folder / "venv", with_pip=True, symlinks=True)
        outer = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "IN_TEST")
        self.folder = folder
        self.variables = {name: os.environ[name] for name in os.environ if name not in outer} | {
            "PATH": f"{folder}/venv/bin:{os.environ['PATH']}", "LF2_CACHE": f"{folder}/cache"}

    def run(self, command: str, *more: str, code: int = 0) -> str:  # what it printed
        "Run a command that has to end with an exit code."
        words = [*shlex.split(command), *more]
        done = subprocess.run(words, cwd=self.folder, env=self.variables, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != code:
            raise SystemExit(f"{shlex.join(words)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout


def use(package: Path) -> None:  # wheel or sdist
    "Install it without and with its extra `cpu`, and go once through both stages."
    with tempfile.TemporaryDirectory() as folder:
        user = Environment(Path(folder))
        user.run(f"pip install -qq {package}")
        files = set(user.run("python -c", IMPORT_ALL).split())
        listed = subprocess.check_output(LIST, cwd=ROOT, text=True)  # all that a wheel needs
        if different := files ^ set(listed.split()):
            raise SystemExit(f"{package.name} differs in {', '.join(sorted(different))}")
        assert "usage: lf2 COMMAND" in user.run("lf2 --help")
        user.run(PRETRAIN)
        assert "lf2[cpu]" in user.run(ADAPT, code=2), "faiss is missing, and lf2 does not say so"
        user.run(f"pip install -qq {package}[cpu]")
        user.run("pip check")
        assert "arcade" in user.run("lf2 inspect synthetic:arcade")
        user.run(f"{ADAPT} --overwrite")
    print(f"ok   {package.name}: {len(files)} files, pretrain, adapt; no conflict", flush=True)


def try_oldest(folder: Path, notebooks: list[str]) -> None:
    "Test notebooks with every requirement of the package at its lower bound."
    text = (ROOT / "settings.ini").read_text(encoding="utf-8")
    lines = re.findall(r"^(?:cpu_)?requirements = (.*)", text, re.M)
    bounds = "\n".join(" ".join(lines).split()).replace(">=", "==")
    (folder / "bounds.txt").write_text(bounds)
    oldest = Environment(folder)
    oldest.run(f"pip install -qq -c bounds.txt --editable {ROOT}[dev]")
    oldest.run("pip check")
    oldest.folder = ROOT
    numbered = [str(path) for path in sorted((ROOT / "nbs").glob("[0-9]*.ipynb"))]
    print(oldest.run("python tools/test.py", *(notebooks or numbered)))


def main() -> None:
    "Build, install, use; or try the oldest."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--oldest", nargs="*", metavar="NOTEBOOK",
        help="test these notebooks, or all with a number, with the oldest allowed versions",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.oldest is not None:
            return try_oldest(folder, options.oldest)
        builder = Environment(folder)
        builder.run("pip install -qq build")
        builder.run(f"python -m build --outdir dist {ROOT}")  # the wheel from the sdist
        for package in sorted((folder / "dist").iterdir()):
            use(package)


if __name__ == "__main__":
    sys.exit(main())
