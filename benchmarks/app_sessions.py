"""Many at once, and long sittings: what the app's server takes in time and memory.

    python -m benchmarks.app_sessions LIBRARY [--sessions 20] [--rounds 5] [--searches 500]

So many tabs press Enter at once, round after round, each with other words: p50 and p95 from Enter
to cards, by each page's own clock. The browser shares the machine with the server, and at once most
of the time is the browser's: so the server's own processor time is told too. Then one tab makes so
many searches, every tenth turned to its second page and every twentieth judged; the server's
private memory (RssAnon) is told before, half way, and after.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.app_browser import PATIENCE, begin, finish, launched, opened, questions
from benchmarks.library_argument import library_at
from benchmarks.served import served
from benchmarks.stages import memory


def private(pid: int) -> float:
    """The private memory of a process, in MB."""
    return memory(pid)["RssAnon"]


def worked(pid: int) -> float:
    """The processor time that a process has used, in seconds."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def at_once(pages: Sequence[Page], asked: Sequence[str]) -> list[float]:
    """Enter in every tab, one right after another; the times to cards."""
    for page, words in zip(pages, asked, strict=True):
        begin(page, words)
    return [finish(page)[0] for page in pages]


def sitting(page: Page, asked: Sequence[str]) -> None:
    """Search, and now and then turn a page or judge a figure."""
    cards = page.locator('[role=list][aria-label="Figures found"] .card')
    for at, words in enumerate(asked):
        begin(page, words)
        finish(page)
        second = page.get_by_role("button", name="Page 2", exact=True)
        if at % 10 == 9 and second.count():
            second.click()
            expect(cards.first.locator(".rank")).to_have_text("25", timeout=PATIENCE)
        if at % 20 == 19:
            cards.first.get_by_role("button", name=re.compile("^More like")).click()
            expect(page.locator(".st-key-steering")).to_be_visible(timeout=PATIENCE)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library", type=library_at)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--searches", type=int, default=500)
    given = parser.parse_args()
    many = given.sessions * (given.rounds + 1)
    asked = questions(given.library, many + given.searches)
    with served(given.library) as (address, pid), sync_playwright() as playwright:
        browser = launched(playwright)
        start = private(pid)
        pages = [opened(browser, address) for _ in range(given.sessions)]
        taken: list[float] = []
        before = 0.0
        for turn in range(given.rounds + 1):
            words = asked[turn * given.sessions : (turn + 1) * given.sessions]
            times = at_once(pages, words)
            if turn:
                taken += times
            else:  # each tab's first draws the grid for the first time
                before = worked(pid)
        each = (worked(pid) - before) / len(taken) * 1000
        p50, p95 = np.quantile(taken, [0.5, 0.95])
        print(f"{given.sessions} sessions at once: Enter to cards p50 {p50:.0f}, p95 {p95:.0f} ms")
        print(f"the server's part of the processor: {each:.0f} ms a search")
        print(f"private memory: {start:.0f} MB at first, {private(pid):.0f} MB with all of them")
        for page in pages:
            page.context.close()
        page = opened(browser, address)
        half = given.searches // 2
        sitting(page, asked[many : many + 20])  # what is loaded once is not the session's
        begun = private(pid)
        sitting(page, asked[many + 20 : many + half])
        between = private(pid)
        sitting(page, asked[many + half :])
        print(
            f"{given.searches} searches in one tab: {begun:.0f} MB after 20, {between:.0f} MB "
            f"after {half}, {private(pid):.0f} MB in the end"
        )
        browser.close()


if __name__ == "__main__":
    main()
