"""Step through notebooks as a reader does: JupyterLab in a browser, Run All Cells, look.

All cells are run, as JupyterLab does it, long ones too; --without slow leaves out cells so marked.
The notebooks are a copy, so what is stored in the repository stays. The last line says
`N passed, N failed`.
"""
import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import checks
from playwright.sync_api import Browser, Error, Page, sync_playwright
from playwright.sync_api import TimeoutError as TooLong

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SETTINGS = {  # all cells are on the page, and nothing of the network appears over it
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

# In the page. `panel` is the open notebook.
OPEN = """async path => {
    await jupyterapp.restored;
    const open = {path, factory: "Notebook"};
    window.panel = await jupyterapp.commands.execute("docmanager:open", open);
    await panel.context.ready;
    await panel.sessionContext.ready;
    jupyterapp.shell.activateById(panel.id);
    await jupyterapp.commands.execute("notebook:clear-all-cell-outputs");
}"""
RUN = """() => {
    window.ended = false;
    const run = jupyterapp.commands.execute("notebook:run-all-cells");
    run.finally(() => { window.ended = true; });
}"""
IDLE = "() => ended && panel.sessionContext.session?.kernel?.status === 'idle'"
FOUND = """() => {
    const text = selector => [...document.querySelectorAll(selector)].map(x => x.innerText);
    const images = [...panel.node.querySelectorAll(".jp-OutputArea-output img")];
    return {
        cells: panel.content.model.sharedModel.cells.map(cell => cell.toJSON()),
        pictures: images.filter(x => x.naturalWidth && x.clientWidth && x.clientHeight).length,
        over: text(".jp-Dialog, .Toastify__toast"),
        written: text(".jp-OutputArea-output"),
    };
}"""
CLOSE = "async () => { await panel.sessionContext.shutdown(); }"


def copy_repository(
    target: Path,  # new folder
    without: set[str],  # marks of cells to leave out, such as slow
) -> None:
    "Everything that is committed, with the notebooks as they are to be run."
    for path in checks.committed():
        copy = target / path.relative_to(checks.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        if path.suffix == ".ipynb" and without:
            content = json.loads(copy.read_text(encoding="utf-8"))
            content["cells"] = [
                cell for cell in content["cells"] if not without & marks("".join(cell["source"]))
            ]
            copy.write_text(json.dumps(content), encoding="utf-8")
    for name, values in SETTINGS.items():
        file = target / f".lab/settings/@jupyterlab/{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values), encoding="utf-8")


def marks(
    source: str,  # of a cell
) -> set[str]:
    "The directives of a cell, such as slow in `#| slow`."
    return set(re.findall(r"^#\s*\|\s*(\w+)", source, re.M))


@contextlib.contextmanager
def jupyter_lab(
    folder: Path,  # copy of the repository
) -> Iterator[str]:  # its address, with the token for it
    "JupyterLab on a free port of this machine alone, apart from the user's own settings."
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, own = secrets.token_hex(), folder / ".lab"
    environment = os.environ | {
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
        "LF2_CACHE": str(own / "cache"),
        "PYTHONPATH": str(folder),  # the copy's lf2, which the last cell of a notebook exports
    }
    environment.pop("IN_TEST", None)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser",
               "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
               f"--ServerApp.root_dir={folder}"]
    with open(folder / ".lab/log", "w") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            with contextlib.suppress(urllib.error.URLError):
                urllib.request.urlopen(f"{address}/api").close()
                break
            if server.poll() is not None:
                sys.exit((folder / ".lab/log").read_text())
            time.sleep(0.1)
        yield f"{address}/lab?token={token}&reset"  # no tab of an earlier page is opened again
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def pictures_in(
    cells: list[dict],  # of a notebook
) -> int:
    "How many outputs are pictures."
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return sum(any(kind.startswith("image/") for kind in x.get("data", {})) for x in outputs)


def complaints_of(
    found: dict,  # what `FOUND` found on the page
    stored: int,  # pictures in the repository's notebook
) -> list[str]:
    "What a reader should not have to see."
    complaints = [f"over the page: {text}" for text in found["over"]]
    complaints += [text for text in found["written"] if "Error displaying widget" in text]
    for number, cell in enumerate(found["cells"]):
        if cell["cell_type"] != "code" or not "".join(cell["source"]).strip():
            continue
        if cell["execution_count"] is None:
            complaints.append(f"cell {number} was not run")
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                complaints.append(f"cell {number}: {output['ename']}: {output['evalue']}")
            if output.get("name") == "stderr":
                complaints.append(f"cell {number}, stderr: {''.join(output['text']).strip()}")
    if found["pictures"] < stored:
        complaints.append(f"{found['pictures']} pictures are to be seen, {stored} are stored")
    return complaints


def step_through(
    page: Page,  # an empty one
    address: str,  # of JupyterLab
    name: str,  # of the notebook, from the repository's root
    limit: float,  # seconds for its cells
) -> dict:  # what `FOUND` found
    "Open, clear, run all, wait for the kernel, look."
    page.goto(address)
    page.wait_for_function("() => window.jupyterapp", timeout=60_000)
    page.evaluate(OPEN, name)
    page.evaluate(RUN)
    page.wait_for_function(IDLE, timeout=1000 * limit)
    page.wait_for_timeout(500)  # until the last picture is laid out
    return page.evaluate(FOUND)


def try_notebook(
    browser: Browser,
    address: str,
    notebook: Path,  # in the repository
    limit: float,  # seconds
    pictures: Path | None,  # folder for a picture of the page
) -> tuple[list[str], dict]:  # complaints, and what was found
    "One notebook in a page of its own."
    name = notebook.relative_to(checks.ROOT).as_posix()
    stored = pictures_in(json.loads(notebook.read_text(encoding="utf-8"))["cells"])
    page, found = browser.new_page(viewport={"width": 1280, "height": 1600}), {}
    try:
        found = step_through(page, address, name, limit)
        complaints = complaints_of(found, stored)
    except TooLong:
        complaints = [f"it was not done after {limit:.0f} s"]
    except Error as error:
        complaints = [str(error)]
    if pictures:
        image = page.locator(".jp-OutputArea-output img").first
        with contextlib.suppress(Error):
            image.scroll_into_view_if_needed(timeout=1000)
        page.screenshot(path=pictures / f"{name.replace('/', '_')}.png")
    with contextlib.suppress(Error):
        page.evaluate(CLOSE)
    page.close()
    return complaints, found


def main() -> int:  # exit code
    "Command line."
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="only these; default: all")
    parser.add_argument("--limit", type=float, default=900, help="seconds for one notebook")
    parser.add_argument("--without", default="", help="leave out cells marked so: 'slow cuda'")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each page")
    options = parser.parse_args()
    notebooks = [path.resolve() for path in options.notebooks] or checks.notebooks()
    for path in notebooks:
        if not path.is_file() or checks.ROOT not in path.parents:
            parser.error(f"no such notebook in this repository: {path}")
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # takes JupyterLab down with it
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch).resolve()
        copy_repository(folder, set(options.without.split()))
        program = next(filter(None, map(shutil.which, BROWSERS)), None)  # None: playwright's own
        browser = playwright.chromium.launch(executable_path=program)
        with jupyter_lab(folder) as address:
            for path in notebooks:
                start = time.monotonic()
                complaints, found = try_notebook(
                    browser, address, path, options.limit, options.pictures
                )
                word, seconds = "FAIL" if complaints else "ok", time.monotonic() - start
                name = path.relative_to(checks.ROOT).as_posix()
                code = sum(cell["cell_type"] == "code" for cell in found.get("cells", []))
                seen = f"{code} cells, {found.get('pictures', 0)} pictures"
                print(f"{word:4} {seconds:6.1f} s  {name}  ({seen})", flush=True)
                for complaint in complaints:
                    print("       " + complaint.replace("\n", "\n       "), flush=True)
                failed += bool(complaints)
        browser.close()
    print(f"{len(notebooks) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
