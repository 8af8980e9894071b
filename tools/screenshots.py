"""Photograph the app for the documentation: a served library, a real browser, two questions.

    python tools/screenshots.py LIBRARY [--out docs] [--image FILE] [--words WORDS] [--scheme dark]

Writes ``demo_screenshot.png`` (words) and, with ``--image``, ``demo_image_screenshot.png``.
"""

from __future__ import annotations

import argparse
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

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

SIZE = ViewportSize(width=1280, height=800)
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
        chooser.value.set_files(image)
        expect(bar.get_by_text(image.name[:8])).to_be_visible(timeout=PATIENCE)
    bar.locator("textarea").fill(words)
    bar.locator("textarea").press("Enter")
    cards = page.locator('[role=list][aria-label="Figures found"] .card')
    expect(cards.first.locator("img")).to_have_class("loaded", timeout=PATIENCE)
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)


def main() -> None:
    """Parse the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("library", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--image", type=Path)
    parser.add_argument("--words", default="chest CT")
    parser.add_argument("--scheme", choices=("light", "dark"), default="dark")
    given = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no chromium: apt-get install chromium")
    with served(given.library) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        for name, words, image in (
            ("demo_screenshot", given.words, None),
            ("demo_image_screenshot", "", given.image),
        ):
            if not words and image is None:
                continue
            page = browser.new_page(viewport=SIZE, color_scheme=given.scheme)
            page.goto(address)
            ask(page, words, image)
            page.screenshot(path=given.out / f"{name}.png")
            print(given.out / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
