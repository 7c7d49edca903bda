"Use the page of `lf2 explore` as a person would, in a headless Chromium."
import argparse
import io
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from lf2.synthetic.domains import DOMAINS, write_domain

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIZES = {"wide": (1280, 1000), "narrow": (390, 844)}  # a laptop, a telephone
# No sandbox, because a container lets none be made; no name is looked up but this machine's own.
FLAGS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def serve(
    place: Path,  # of a synthetic domain
    log: BinaryIO,  # takes what goes wrong
) -> tuple[subprocess.Popen, str]:  # the command, and where its page is
    "The committed run's page on that place."
    command = [sys.executable, "-m", "lf2", "explore", "data/example/target"]
    command += ["--init", "data/example/source", "--gallery", f"folder:{place}", "--device", "cpu"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    for line in process.stdout:
        if found := re.match("(http://[^ ]+) shows it", line):
            return process, found[1]
    raise SystemExit(f"lf2 explore ended with exit code {process.wait()}")


def use(
    page: Page,  # of the size to try
    url: str,
    picture: Path,  # an image file of the gallery
) -> None:
    "Choose, compare, search, drop, go back. An `AssertionError` says what is not as it should be."
    lists, tiles = page.locator(".list"), page.locator("#comparison td img")
    page.goto(url)
    expect(page.locator("#handful button")).to_have_count(48)
    thumb = page.locator("#handful button").nth(4)  # a query out of the handful
    chosen = thumb.get_attribute("data-query")
    thumb.click()
    expect(thumb).to_have_attribute("aria-current", "true")
    expect(page.locator(".query figcaption b")).to_have_text(f"Query {chosen}")
    expect(lists).to_have_count(2)
    for place in (0, 1):
        expect(lists.nth(place).locator("[data-result]")).to_have_count(10)
    # image, before, g, g+u, g+l; before, after; the bars of these two
    expect(tiles).to_have_count(2 * (1 + 4 + 2) + 2)

    third = lists.nth(1).locator("[data-result]").nth(2)  # another result
    number = third.get_attribute("data-result")
    third.click()
    title = page.locator("#comparison h2")
    expect(title).to_contain_text(re.compile(rf"Query and result {number}\b"))
    assert page.url.endswith(f"#{chosen}/{number}"), page.url

    page.fill("#text", picture.name)  # a search by name
    expect(page.locator("#handful button")).to_have_count(1)
    page.locator("#handful button").click()
    expect(page.locator(".query figcaption")).to_contain_text(picture.name)
    page.set_input_files("#file", picture)  # the same as a file: it finds itself
    expect(page.locator(".query figcaption")).to_contain_text("the image that was dropped")
    expect(lists.nth(1).locator("span").first).to_contain_text("1.00")
    expect(page.locator("#comparison th").last).to_have_text("after 1.00")
    page.set_input_files("#file", __file__)  # no image
    expect(page.locator(".problem")).to_contain_text("it is not an image")
    page.go_back()
    expect(page.locator(".query figcaption")).to_contain_text(picture.name)
    page.check("#ignored")  # what the scores do not count
    expect(page.locator(".list .ignored").first).to_be_visible()
    page.uncheck("#ignored")
    expect(page.locator(".list .ignored")).to_have_count(0)
    broken = "images => images.filter(x => x.complete && !x.naturalWidth).length"
    assert page.locator("main img").evaluate_all(broken) == 0, "a picture does not load"
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], f"the page is {width} pixels wide"


def listen(
    page: Page,
) -> tuple[list[str], list[str]]:  # addresses, and messages of the browser; both grow
    "Record what a page requests, and what the browser says of it."
    requests: list[str] = []
    messages: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    return requests, messages


def try_page(
    browser,  # of playwright
    url: str,
    place: Path,  # of the synthetic domain
    pictures: Path | None,  # folder for pictures of the page
) -> None:
    "The page in all sizes; it may ask nobody but its own server, and complain of nothing."
    for name, (width, height) in SIZES.items():
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        requests, messages = listen(page)
        use(page, url, min((place / "query").glob("*.png")))
        outside = [x for x in requests if not x.startswith((url, "data:"))]
        assert not outside, f"the page asks for {outside}"
        # the file that is no image is answered with 400, which browsers report
        complaints = [x for x in messages if "400 (Bad Request)" not in x]
        assert not complaints, f"the browser says {complaints}"
        print(f"ok   {name}: {width} × {height}, {len(requests)} requests, all to its own server")
        if pictures:
            page.goto(f"{url}#40")
            page.reload()
            expect(page.locator("#comparison td img").last).to_be_visible()
            page.wait_for_load_state("networkidle")
            shot = Image.open(io.BytesIO(page.screenshot(full_page=name == "narrow")))
            shot = shot.convert("RGB")
            palette = shot.quantize(256, Image.Quantize.FASTOCTREE)  # half of the bytes
            shot = shot.quantize(palette=palette)  # dithered
            shot.save(pictures / f"{name}.png", optimize=True)
        page.close()


def main() -> int:  # exit code
    "Serve a page, use it, end it with Ctrl-C."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, help="folder for two pictures of the whole arcade")
    options = parser.parse_args()
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        print(f"skipped: no browser ({', '.join(NAMES)})")
        return 0
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    arcade = DOMAINS["arcade"]
    if not options.pictures:
        arcade = replace(arcade, train_identities=2, test_identities=16, distractors=6, junk=6)
    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "log"), "w+b") as log:
        place = Path(write_domain(arcade, Path(folder, "arcade")))
        process, url = serve(place, log)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
                try_page(browser, url, place, options.pictures)
                browser.close()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0, "Ctrl-C is how the page is meant to end"
            log.seek(0)
            assert not (said := log.read().decode()), f"lf2 explore says {said}"
        finally:
            process.kill()
            process.wait()
    print("ok   Ctrl-C ends it, with exit code 0 and without a word of complaint")
    return 0


if __name__ == "__main__":
    sys.exit(main())
