"Use the page of `lf2 explore` as a person would, in a headless Chromium without a network."
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from lf2.synthetic.domains import DOMAINS, write_domain

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIZES = {"wide": (1280, 1000), "narrow": (390, 844)}  # a laptop, a telephone
# A container allows no sandbox. No name is resolved, so no other machine can be reached.
FLAGS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def use(page: Page, picture: Path) -> None:
    "Pick a query and a result, upload an image, find one by name, use the switches."
    galleries = page.locator(".block:has(> .gallery-container)")
    picks, query, before, after = (galleries.nth(place) for place in range(4))
    title, camera = page.locator("h3"), re.compile(r"camera \d+")
    picks.locator("button").nth(4).click()
    expect(before.locator("button")).to_have_count(10)
    expect(after.locator("button")).to_have_count(10)
    after.locator("button").nth(3).click()
    expect(title).to_contain_text("Query and result")
    page.set_input_files("input[type=file]", picture)  # of the gallery: it finds itself
    expect(query).not_to_contain_text(camera)
    expect(after.locator("button").first).to_contain_text("1.00")
    page.get_by_label("Find by number or name").fill(picture.name)
    page.get_by_label("Find by number or name").press("Enter")
    expect(picks.locator("button")).to_have_count(1)
    picks.locator("button").click()
    expect(query).to_contain_text(camera)
    own = camera.search(query.inner_text())[0]
    page.get_by_label("not counted").check()
    expect(after.get_by_text("–").first).to_be_visible()
    expect(after).to_contain_text(own)
    page.get_by_label("Only other cameras").check()
    expect(after).not_to_contain_text(own)
    expect(page.locator("[data-testid=matplotlib] img")).to_have_count(2)
    broken = "images => images.filter(x => x.complete && !x.naturalWidth).length"
    assert page.locator("img").evaluate_all(broken) == 0, "an image does not load"
    clipped = "texts => texts.filter(x => x.scrollWidth > x.clientWidth).length"
    assert page.locator(".caption-label").evaluate_all(clipped) == 0, "a caption is clipped"
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= page.viewport_size["width"], f"the page is {wide} pixels wide"


def try_page(browser: Browser, url: str, folder: Path) -> None:
    "Use the page in both sizes. It may request nothing from elsewhere, or complain."
    expect.set_options(timeout=60_000)
    for name, (width, height) in SIZES.items():
        page = browser.new_page(viewport={"width": width, "height": height})
        requests, errors = [], []
        page.on("request", lambda request, kept=requests: kept.append(request.url))
        page.on("console", lambda x, kept=errors: x.type == "error" and kept.append(x.text))
        page.goto(url)
        use(page, min(folder.glob("a/query/*.png")))
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        elsewhere = [x for x in requests if not x.startswith((url, "data:", "blob:"))]
        assert not elsewhere + errors, f"requests elsewhere {elsewhere}, errors {errors}"
        print(f"ok   {name}: {len(requests)} requests, all to the page's own server")


if __name__ == "__main__":
    if not (program := next(filter(None, map(shutil.which, NAMES)), None)):
        sys.exit(print(f"skipped: no browser ({', '.join(NAMES)})"))
    folder = Path(tempfile.mkdtemp(prefix="lf2_browse_"))
    small = replace(DOMAINS["arcade"], train_identities=2, test_identities=16, distractors=6)
    command = [sys.executable, "-m", "lf2", "explore", "data/example/target", "--init"]
    command += ["data/example/source", "--gallery", f"folder:{write_domain(small, folder / 'a')}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, **pipes)
    try:
        url = [process.stdout.readline() for _ in range(2)][1].partition(" shows it")[0]
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
            try_page(chromium, url, folder)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[0]
        assert (process.returncode, said) == (0, ""), f"exit code {process.returncode}, {said}"
    finally:
        process.terminate()
    print(f"ok   Ctrl-C ends it, with exit code 0. Look at {folder}/*.png")
