"""From Enter to cards: how long the app takes in a real browser, beside its stages.

    python -m benchmarks.app_latency LIBRARY [--searches 60] [--words FILE]

Chromium types words (the library's own examples and pairs of words of its captions, or a line each
of FILE); from the key until the first cards of the new answer are in the page, and until all
pictures in sight are drawn, is measured by the page's own clock. Beside these: the search by itself
in this process, and the same over the REST API. Browser and server share the machine.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.app_browser import begin, finish, launched, opened, questions
from benchmarks.library_argument import library_at
from benchmarks.served import served
from medclip_search import Library, Query

FIELDS = ("modality", "region", "corpus", "licence_class", "year")


def by_itself(path: Path, asked: Sequence[str]) -> list[float]:
    with Library.open(path) as library:
        queries = [Query(text=words, facets=FIELDS) for words in asked]
        return [library.search(one, 24, start=0).milliseconds for one in queries]


def over_rest(address: str, words: str) -> float:
    body = {"words": words, "k": 24, "start": 0, "facets": FIELDS}
    headers = {"Content-Type": "application/json"}
    asking = urllib.request.Request(f"{address}/api/v1/search", json.dumps(body).encode(), headers)
    began = time.perf_counter()
    with urllib.request.urlopen(asking) as answer:
        answer.read()
    return (time.perf_counter() - began) * 1000


def in_browser(address: str, asked: Sequence[str]) -> list[tuple[float, float]]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        page = opened(browser, address)
        taken = []
        for words in asked:
            begin(page, words)
            taken.append(finish(page))
        browser.close()
    return taken


def told(name: str, taken: Sequence[float]) -> str:
    p50, p95 = np.quantile(taken, [0.5, 0.95])
    return f"{name:34} p50 {p50:5.0f} ms   p95 {p95:5.0f} ms   ({len(taken)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library", type=library_at)
    parser.add_argument("--searches", type=int, default=60)
    parser.add_argument("--words", type=Path, help="a query a line")
    given = parser.parse_args()
    if given.words is None:
        asked = questions(given.library, given.searches + 1)
    else:
        lines = given.words.read_text("utf-8").splitlines()
        asked = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    print(told("the search by itself, with counts", by_itself(given.library, asked)))
    with served(given.library) as (address, _):
        print(told("the same over REST", [over_rest(address, words) for words in asked]))
        # The first search of a tab draws the grid for the first time: it is told apart.
        first, *others = in_browser(address, asked)
    print(told("Enter to cards", [cards for cards, _ in others]))
    print(told("Enter to all pictures in sight", [pictures for _, pictures in others]))
    print(f"the tab's first search: {first[0]:.0f} ms to cards")


if __name__ == "__main__":
    main()
