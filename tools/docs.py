"Build the documentation site from the notebooks as they are stored, and look at its links."
import contextlib
import io
import json
import os
import posixpath
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import checks
import readme

BUILT = checks.ROOT / "_docs"
SITE = BUILT / "html"  # what is published
CHAPTERS = {  # by the notebook's number
    "Data": range(0, 10),
    "Networks": range(10, 20),
    "Learning signals": range(20, 30),
    "Scoring and labelling": range(30, 35),
    "Runs": range(35, 46),
    "The two stages": range(46, 60),
    "Figures": range(60, 70),
    "Applications": range(70, 80),
    "Experiments": range(80, 90),
    "Command line": range(90, 100),
}
QUICK_STARTS = ["student", "researcher", "engineer"]
GUIDES = [
    "METHOD.md", "CONTRIBUTING.md", "data/README.md", "data/published.md",
    "data/results/gpu/README.md", "CHANGELOG.md",
]


# --- what is on it --------------------------------------------------------------------------------


def notebooks() -> dict[str, list[str]]:
    "Chapter → its notebooks, as paths from the root, in reading order. Every notebook has a place."
    found = {title: [] for title in ["Quick starts", *CHAPTERS, "Results"]}
    for path in checks.notebooks():
        name = path.relative_to(checks.ROOT).as_posix()
        folder, number = path.parent.name, re.match(r"\d\d_", path.name)
        if name == readme.INDEX:  # README.md is made of it, and is the first page
            continue
        if folder == "quickstart":
            title = "Quick starts"
        elif folder == "figures":
            title = "Results"
        else:
            number = int(number[0][:2]) if number else -1
            title = next((title for title, numbers in CHAPTERS.items() if number in numbers), None)
        if title is None:
            sys.exit(f"{name} belongs to no chapter: see CHAPTERS in tools/docs.py")
        found[title].append(name)
    found["Quick starts"].sort(key=lambda name: QUICK_STARTS.index(Path(name).stem))
    return found


def guides() -> list[str]:
    "Documents, as paths from the root: docs/guides/, then those of the repository."
    written = sorted((checks.ROOT / "docs/guides").glob("*.md"))
    return [*(path.relative_to(checks.ROOT).as_posix() for path in written), *GUIDES]


def modules() -> dict[str, str]:
    "Module of lf2 → the notebook that it is exported from, in reading order."
    found = {}
    for path in checks.notebooks():
        source = "\n".join(checks.cells(path))
        exported = re.search(r"^#\s*\|\s*default_exp\s+([\w.]+)", source, re.M)
        if exported and exported[1] != "__main__":  # importing that one would run the command
            found[exported[1]] = path.relative_to(checks.ROOT).as_posix()
    return found


# --- pages ----------------------------------------------------------------------------------------


def move_link(
    target: str,  # relative, of a page
    page: str,  # its path from the root
    wanted: set[str],  # takes files that are no pages but linked to
) -> str:  # as it has to read on the site
    "A link to a page, to a file that is copied beside it, or to the list of the notebooks."
    path, _, anchor = target.partition("#")
    folder = posixpath.dirname(page)
    goal = posixpath.normpath(posixpath.join(folder, path)) if path else page
    if goal in (readme.INDEX, "README.md"):
        goal = "index.md"
    elif goal == "nbs":
        goal = "index.md#the-notebooks"
    elif (checks.ROOT / goal).is_file():
        wanted.add(goal)
    if (path or page).endswith(".ipynb"):  # JupyterLab's anchors keep capitals and signs
        anchor = re.sub(r"[^\w-]", "", unquote(anchor).lower())
    moved = posixpath.relpath(goal, folder or ".") if path else ""
    return moved + (f"#{anchor}" if anchor else "")


def move_links(
    text: str,  # Markdown
    page: str,  # its path from the root
    wanted: set[str],  # takes files that are no pages but linked to
) -> str:
    "All links of a page, those in code left alone."
    link = re.compile(r"(\]\()(?![a-z]+:|/)([^)\s]+)")
    parts = readme.CODE.split(text)
    parts[::2] = [
        link.sub(lambda found: found[1] + move_link(found[2], page, wanted), part)
        for part in parts[::2]
    ]
    return "".join(parts)


def shown_notebook(
    name: str,  # path from the root
    wanted: set[str],  # takes files that are linked to
) -> str:  # JSON
    "A notebook as a reader wants it: without hidden cells and without the lines that steer nbdev."
    content = json.loads((checks.ROOT / name).read_text(encoding="utf-8"))
    shown = []
    for cell in content["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = move_links(source, name, wanted)
        elif cell["cell_type"] == "code":
            steering, code = re.fullmatch(r"((?:\s*#\s*\|[^\n]*\n?)*)(.*)", source, re.S).groups()
            marks = dict(re.findall(r"#\s*\|\s*([\w-]+):?[ \t]*(.*)", steering))
            if {"hide", "default_exp"} & marks.keys():
                continue
            cell["source"] = code
            if marks.get("echo") == "false" or "hide_input" in marks:
                cell["metadata"]["tags"] = ["remove-input"]
            if "fig-alt" in marks:
                cell["metadata"]["mystnb"] = {"image": {"alt": marks["fig-alt"]}}
        shown.append(cell)
    content["cells"] = shown
    return json.dumps(content)


def contents(
    caption: str,
    pages: list[str],
    hidden: bool = True,  # in the side bar alone
) -> str:
    "One part of the table of contents."
    options = f":caption: {caption}\n" + (":hidden:\n" if hidden else "")
    return "\n".join(["```{toctree}", options, *(f"/{page}" for page in pages), "```", ""])


def module_page(
    module: str,
    notebook: str,  # that it is exported from
) -> str:
    "The page of a module: autodoc fills it in."
    return f"""# lf2.{module}

Explained and tested in [its notebook](/{notebook}).

```{{eval-rst}}
.. automodule:: lf2.{module}
   :members:
   :undoc-members:
```
"""


def commands_page() -> str:
    "What every command says when it is asked for help."
    from lf2 import cli

    os.environ["COLUMNS"] = "88"
    page = ["# Commands", "", "```text", cli.usage(), "```", ""]
    for command in cli.COMMANDS:
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
            cli.main([command, "--help"])
        plain = re.sub(r"\x1b\[[\d;]*m", "", told.getvalue())
        page += [f"## lf2 {command}", "", "```text", plain.strip("\n"), "```", ""]
    return "\n".join(page)


def pages() -> dict[str, bytes]:  # path from the root -> content
    "Every page of the site, and every file that one of them links to."
    wanted: set[str] = set()
    found, chapters = {}, notebooks()
    for name in [name for names in chapters.values() for name in names]:
        found[name] = shown_notebook(name, wanted)
    for name in guides():
        text = (checks.ROOT / name).read_text(encoding="utf-8")
        found[name] = move_links(text, name, wanted)
    reference = {f"reference/{module}.md": (module, name) for module, name in modules().items()}
    found |= {page: module_page(*about) for page, about in reference.items()}
    found["reference/commands.md"] = commands_page()
    home = (checks.ROOT / "README.md").read_text(encoding="utf-8")
    listed = [contents(title, names) for title, names in chapters.items() if names]
    listed.append(contents("Guides", guides()))
    listed.append(contents("Reference", ["reference/commands.md", *reference]))
    found["index.md"] = "\n".join([move_links(home, "README.md", wanted), *listed])
    files = {name: (checks.ROOT / name).read_bytes() for name in wanted - found.keys()}
    return files | {name: text.encode() for name, text in found.items()}


# --- links ----------------------------------------------------------------------------------------


class Page(HTMLParser):
    "The links of a page and the anchors that it offers."

    def __init__(self, text: str):
        super().__init__()
        self.links, self.anchors = set(), {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name == "id":
                self.anchors.add(value)


def dead_links(
    site: Path,  # built
) -> tuple[list[str], set[str]]:  # links that lead nowhere; addresses elsewhere, not looked at
    "Whether each link and anchor within the site is there."
    found = [path for path in site.rglob("*.html") if "_static" not in path.parts]  # templates
    built = {path: Page(path.read_text(encoding="utf-8")) for path in found}
    dead, elsewhere = [], set()
    for path, page in sorted(built.items()):
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                elsewhere |= {link} if parts.scheme in ("http", "https", "") else set()
                continue
            goal = path.parent / unquote(parts.path) if parts.path else path
            goal = Path(os.path.normpath(goal))
            known = built[goal].anchors if goal in built else {parts.fragment}
            if not goal.is_file() or unquote(parts.fragment) not in known:
                dead.append(f"{path.relative_to(site)} links to {link}, which is not there")
    return dead, elsewhere


def main() -> int:  # exit code
    "Stage the sources, have Sphinx build them, look at the links."
    from sphinx.cmd.build import main as sphinx

    shutil.rmtree(BUILT, ignore_errors=True)
    staged = BUILT / "source"
    for name, content in pages().items():
        path = staged / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folders = ["-c", checks.ROOT / "docs", "-d", BUILT / "doctrees", staged, SITE]
    if code := sphinx(["--quiet", "--fail-on-warning", *map(str, folders)]):
        return code
    dead, elsewhere = dead_links(SITE)
    print("\n".join(dead + [f"not looked at: {link}" for link in sorted(elsewhere)]))
    count = len(list(SITE.rglob("*.html")))
    print(f"{count} pages in _docs/html, {len(dead)} dead links within them, "
          f"{len(elsewhere)} addresses elsewhere not looked at")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
