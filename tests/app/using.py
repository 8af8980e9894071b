"""How the tests use the page: ask, wait, and read what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, Request, expect

LONG = 20_000  # milliseconds: two cores may be shared with other work


@contextmanager
def uploading(page: Page, files: int) -> Iterator[None]:
    """Wait at the end until so many files have reached the server."""
    kept: list[object] = []

    def keep(request: Request) -> None:
        if "upload_file" in request.url:
            kept.append(request)

    page.on("requestfinished", keep)
    yield
    bar = page.get_by_test_id("stChatInput")
    expect(bar.get_by_role("button", name="Remove")).to_have_count(files, timeout=LONG)
    while len(kept) < files:
        page.wait_for_timeout(50)
    page.wait_for_timeout(200)  # the bar hears of it a moment later
    page.remove_listener("requestfinished", keep)


def ask(page: Page, words: str = "", *files: Path) -> None:
    bar = page.get_by_test_id("stChatInput")
    if files:
        with uploading(page, len(files)):
            with page.expect_file_chooser() as chooser:
                bar.locator("button").first.click()
            chooser.value.set_files(files)
    bar.locator("textarea").fill(words)
    bar.locator("textarea").press("Enter")


def cards(page: Page) -> Locator:
    return page.locator('[role=list][aria-label="Figures found"] .card')


def captions(page: Page) -> list[str]:
    expect(cards(page).first).to_be_visible(timeout=LONG)
    return cards(page).locator(".text").all_text_contents()


def headline(page: Page) -> Locator:
    return page.get_by_text(re.compile(r"^(The best )?\d+ figures? · \d+ ms$"))


def chip(page: Page, name: str) -> Locator:
    """What is being searched: words, or an image by its file's name."""
    return page.locator('[class*="st-key-chip-"]').filter(has_text=name)


def found(page: Page, words: str) -> list[str]:
    """Ask and wait for the answers; gives their captions."""
    ask(page, words)
    expect(chip(page, f"“{words}”")).to_be_visible(timeout=LONG)
    expect(headline(page)).to_be_visible(timeout=LONG)
    return captions(page)


def press_all(buttons: Locator, count: int) -> None:
    """Press the first so many, one after the other, sooner than any of them is answered."""
    buttons.evaluate_all(
        """(all, count) =>
            all.slice(0, count).forEach((one, i) => setTimeout(() => one.click(), 20 * i))""",
        count,
    )
