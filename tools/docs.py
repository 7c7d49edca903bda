"Build the documentation site into _docs/html; warnings, such as a dead link, make it fail."
import re
import shutil
import sys

import checks
from sphinx.cmd.build import main as sphinx

BUILT = checks.ROOT / "_docs"
SITE = BUILT / "html"  # what is published
LOADED = r'<(?:script|img|iframe|link rel="stylesheet")[^>]* (?:src|href)="(?:https?:)?//[^"]+"'


def main() -> int:  # exit code
    "Have Sphinx build the site from the repository itself, and check that it works offline."
    shutil.rmtree(BUILT, ignore_errors=True)
    folders = ["-c", checks.ROOT / "docs", "-d", BUILT / "doctrees", checks.ROOT, SITE]
    if code := sphinx(["--quiet", "--fail-on-warning", "--keep-going", *map(str, folders)]):
        return code
    shutil.copyfile(SITE / "README.html", SITE / "index.html")
    pages = {page: page.read_text(encoding="utf-8") for page in SITE.rglob("*.html")}
    loaded = [f"{page.relative_to(SITE)} needs the network: {tag}"
              for page, text in pages.items() for tag in re.findall(LOADED, text)]
    print("\n".join([*loaded, f"{len(pages)} pages in _docs/html"]))
    return 1 if loaded else 0


if __name__ == "__main__":
    sys.exit(main())
