"""The app in a real browser, for the benchmarks: served, asked, timed by the page's clock."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, ViewportSize, expect

from medclip_search import Library

SIZE = ViewportSize(width=1280, height=800)
PATIENCE = 60_000  # milliseconds

# From Enter to the first cards of the next answer, and to all pictures in sight. The list of
# cards lies in a shadow root of its own.
_WATCH = """
() => {
    const inside = (root) => {
        for (const one of root.querySelectorAll("*")) {
            if (one.matches('[aria-label="Figures found"]')) return one;
            const found = one.shadowRoot && inside(one.shadowRoot);
            if (found) return found;
        }
        return null;
    };
    const drawn = (list) => [...list.querySelectorAll("img")].every((image) => {
        const box = image.getBoundingClientRect();
        const seen = box.top < innerHeight && box.bottom > 0;
        return !seen || image.hidden || image.classList.contains("loaded");
    });
    window.watch = () => {
        const shown = (list) => JSON.stringify(list?.shown ?? null);
        const before = shown(inside(document));
        window.answer = new Promise((done, fail) => {
            setTimeout(() => fail(new Error("no new answer was drawn")), 60000);
            addEventListener("keydown", function began(event) {
                if (event.key !== "Enter") return;
                removeEventListener("keydown", began, true);
                const start = performance.now();
                let list = inside(document), cards = null;
                const look = () => {
                    if (!list?.isConnected) list = inside(document);
                    const fresh = list && shown(list) !== before && list.children.length;
                    if (cards === null && fresh) cards = performance.now() - start;
                    if (cards !== null && drawn(list)) done([cards, performance.now() - start]);
                    else requestAnimationFrame(look);
                };
                look();
            }, true);
        });
    };
}
"""


def launched(playwright: Playwright) -> Browser:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("no chromium: apt-get install chromium")
    return playwright.chromium.launch(
        executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
    )


def opened(browser: Browser, address: str) -> Page:
    """A tab of its own, with the app in it."""
    page = browser.new_context(viewport=SIZE).new_page()
    page.goto(address)
    expect(page.get_by_test_id("stChatInput")).to_be_visible(timeout=PATIENCE)
    page.evaluate(_WATCH)
    return page


def begin(page: Page, words: str) -> None:
    """Type the words and press Enter, without waiting for the answer."""
    bar = page.get_by_test_id("stChatInput").locator("textarea")
    bar.fill(words)
    page.evaluate("window.watch()")
    bar.press("Enter")


def finish(page: Page) -> tuple[float, float]:
    """Wait for the answer; the milliseconds to its cards, and to its pictures in sight."""
    cards, pictures = page.evaluate("window.answer")
    return float(cards), float(pictures)


def questions(path: Path, count: int) -> list[str]:
    """Words to ask, none of them twice: the library's examples, then pairs out of captions."""
    chance = random.Random(3)
    with Library.open(path) as library:
        asked = list(library.examples())
        captions = [case.caption for _, case in zip(range(4000), library.cases(), strict=False)]
    while len(asked) < count:
        words = re.findall(r"[a-z]{4,}", chance.choice(captions).lower())
        if len(words) > 1:
            asked.append(" ".join(chance.sample(words, 2)))
            asked = list(dict.fromkeys(asked))
    return asked[:count]
