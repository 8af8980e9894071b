"""Photograph the app for the documentation: a served library, a real browser, its main states.

    python tools/screenshots.py LIBRARY [--out docs/screenshots] [--image FILE] [--words WORDS]

Writes ``STATE-SIZE-THEME.jpg`` for each state (an empty page, answers to words and to an image, a
like, an opened case, trays, the library, help), at a desk's size, a tablet's, and a desk's at 200 %
zoom, in the dark theme and the light one. Only of a library whose pictures may be shown to anybody.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright

SIZES = {
    "desk": (ViewportSize(width=1280, height=800), 1),
    "tablet": (ViewportSize(width=820, height=1180), 1),
    "zoomed": (ViewportSize(width=640, height=400), 2),  # a desk's screen at 200 %
}
SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
PATIENCE = 60_000  # milliseconds


@contextmanager
def served(library: Path) -> Iterator[str]:
    """Serve a library with an empty state of its own; gives the address."""
    code = "import sys; from medclip_search.server.main import serve; serve(sys.argv[1], port=0)"
    with tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(library)],
            env=os.environ | {"MEDCLIP_STATE": state},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit("the server did not start")
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def ask(page: Page, words: str, image: Path | None = None) -> None:
    """Ask by words, by image, or both, and wait for the pictures."""
    bar = page.get_by_test_id("stChatInput")
    expect(bar).to_be_visible(timeout=PATIENCE)
    if image is not None:
        with page.expect_file_chooser() as chooser:
            bar.locator("button").first.click()
        with page.expect_event("requestfinished", lambda request: "upload_file" in request.url):
            chooser.value.set_files(image)
        expect(bar.get_by_text(image.name[:8])).to_be_visible(timeout=PATIENCE)
        page.wait_for_timeout(500)  # the bar hears of it a moment later
    bar.locator("textarea").fill(words)
    bar.locator("textarea").press("Enter")
    expect(cards(page).locator("img").first).to_have_class("loaded", timeout=PATIENCE)


def cards(page: Page) -> Locator:
    """The cards of the answers."""
    return page.locator('[role=list][aria-label="Figures found"] .card')


def settled(page: Page) -> None:
    """Wait until nothing loads or moves."""
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)


def liked(page: Page) -> None:
    """Like the second answer."""
    cards(page).nth(1).get_by_role("button", name=re.compile("^More like this")).click()
    expect(page.get_by_text(re.compile("Re-ranked by 1 like"))).to_be_visible(timeout=PATIENCE)


def opened(page: Page) -> None:
    """Open the second answer, once it is in the tray."""
    cards(page).nth(1).get_by_role("button", name=re.compile("^Put into the tray")).click()
    cards(page).nth(1).locator(".figure").click()
    expect(page.get_by_role("dialog")).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(2500)


def photograph(
    browser: Browser,
    address: str,
    given: argparse.Namespace,
    size: str,
    scheme: Literal["dark", "light"],
) -> None:
    """All states, at one size and in one theme."""
    viewport, scale = SIZES[size]
    page = browser.new_page(viewport=viewport, color_scheme=scheme, device_scale_factor=scale)

    def keep(state: str) -> None:
        settled(page)
        path = given.out / f"{state}-{size}-{scheme}.jpg"
        page.screenshot(path=path, type="jpeg", quality=78)
        print(path, flush=True)

    page.goto(address)
    expect(page.get_by_text("Try some words")).to_be_visible(timeout=PATIENCE)
    keep("empty")
    ask(page, given.words)
    keep("words")
    liked(page)
    keep("liked")
    opened(page)
    keep("case")
    for name in ("trays", "library", "help"):
        page.goto(f"{address}/{name}")
        page.wait_for_timeout(3000)
        keep(name)
    if given.image:
        page.goto(address)
        ask(page, "", given.image)
        keep("image")
    page.close()


def main() -> None:
    """Parse the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("library", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/screenshots"))
    parser.add_argument("--image", type=Path)
    parser.add_argument("--words", default="chest CT")
    given = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no chromium: apt-get install chromium")
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        for size, scheme in itertools.product(SIZES, SCHEMES):
            with served(given.library) as address:  # anew: what was liked before is kept
                photograph(browser, address, given, size, scheme)
        browser.close()


if __name__ == "__main__":
    main()
