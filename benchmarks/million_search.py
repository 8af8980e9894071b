"""Searching a large library: by words, and the whole way over HTTP, each beside its target.

    python -m benchmarks.million_search DIR/library      (benchmarks.large_library makes one)

Words are 2 to 5 of one caption, vectors those of images that are not in the library. In this
process: the default query by words down to the ids of the best 100, beside bm25s and Lucene on the
same captions, where they are installed. Then of a server in a process of its own: from its start to
its first answer; words and a vector, fused, 24 cards with what is known of them and five fields
counted (as the app asks: pages that fit together, lists 1,000 deep), one at a time; its private
memory after thousands of searches of all kinds; and 32 clients at once on this same machine. Last,
the engine's steps of the same searches, one by one, in this process. The library's files are held
in memory all the while, where the system lets them be (``page_cache``): the page cache is warm.
"""

from __future__ import annotations

import argparse
import random
import re
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bm25s_rival, lucene_rival
from benchmarks.clip_like import ClipLike
from benchmarks.engine_stages import print_steps, watched
from benchmarks.large_library import FACETS, SPACE
from benchmarks.library_argument import library_at
from benchmarks.machine import machine
from benchmarks.page_cache import held
from benchmarks.served import Client, served
from benchmarks.stages import memory
from benchmarks.targets import beside, spread
from medclip_search import Library, Query
from medclip_search.library.generation import Generation
from medclip_search.search.asked import Asked
from medclip_search.search.depth import depth_of
from medclip_search.search.encoding import Encoded
from medclip_search.search.expand import expansion
from medclip_search.search.function_words import silent
from medclip_search.search.known_item import known_item_first
from medclip_search.search.reading import read_texts
from medclip_search.search.together import Once

TOP = 100
CARDS = 24
CLIENTS = 32
_WARM_UP = 20

Asking = dict[str, Any]


def questions(library: Path, count: int) -> list[str]:
    """Two to five words of one caption each, some of them telling."""
    chance = random.Random(7)
    generation = Generation.open(library)
    live = np.flatnonzero(generation.columns.live).tolist()
    asked: list[str] = []
    while len(asked) < count:
        key = chance.choice(live)
        words = re.findall(r"[a-z]{3,}", generation.cases([key])[key].caption.lower())
        some = " ".join(chance.sample(words, min(len(words), chance.randrange(2, 6))))
        if len(some.split()) > 1 and set(generation.text.terms(some)) - silent():
            asked.append(some)
    generation.close()
    return asked


def ids_by_words(generation: Generation, words: str) -> list[str]:
    """The ids of the best 100, as ``search.engine`` ranks them, without their cards."""
    query, _ = read_texts(generation, Query(text=words))
    expanded = [Once(partial(expansion, generation, query, text, None)) for text in query.text]
    nothing = Encoded([{} for _ in query.text], [], [])
    asked = Asked(generation, query, nothing, expanded, [])
    depth = depth_of(asked, TOP, None, steered=False)
    lists, keys, scores = asked.ranking(depth, None)
    best = known_item_first(generation, query, lists, keys, scores).keys[:TOP].tolist()
    ids = generation.ids_of(best)
    return [ids[key] for key in best]


def words_alone(library: Path, asked: Sequence[str], rival: bool) -> None:
    """Print what words take in this process, and what bm25s and Lucene take."""
    generation = Generation.open(library)
    taken = [timed(lambda words=words: ids_by_words(generation, words)) for words in asked]
    print(f"words, {TOP} ids: {spread(taken[_WARM_UP:], 6, 25)}")
    if rival:
        cases = ((case.id, case.caption) for _, case in generation.catalogue.all_cases())
        print(f"  {bm25s_rival.compare(cases, asked, TOP)}", flush=True)
        print(f"  {lucene_rival.compare(library, asked, TOP)}", flush=True)
    generation.close()


def timed(work: Any) -> float:
    """The milliseconds that it takes."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def whole(words: str, vector: Sequence[float]) -> Asking:
    """What the app asks by words and an image, here its vector."""
    return {
        **{"words": words, "vector": vector, "space": SPACE, "facets": list(FACETS)},
        **{"k": CARDS, "start": 0},
    }


def in_process(library: Path, asked: Sequence[Asking]) -> None:
    """Print the steps of the whole search."""
    each, spent = [], []
    with Library.open(library) as opened:
        for at, one in enumerate(asked):
            query = Query(one["words"], vector=one["vector"], space=SPACE, facets=FACETS)
            with watched() as steps:
                took = opened.search(query, CARDS, 0).milliseconds
            if at >= _WARM_UP:
                each.append(steps.milliseconds)
                spent.append(took)
    print(f"words and vector in this process: {spread(spent)}; by the engine's steps:")
    print_steps(each, spent)


def over_http(client: Client, asked: Sequence[Asking]) -> None:
    """Print what the whole search takes from a client's request to its answer, read."""
    taken, inside = [], []
    for one in asked:
        began = time.perf_counter()
        answer = client.search(one)
        taken.append(1000 * (time.perf_counter() - began))
        inside.append(answer["milliseconds"])
    print(f"words and vector over HTTP, {CARDS} cards, counts: {spread(taken[_WARM_UP:], 20, 60)}")
    outside = np.array(taken) - inside
    print(f"  of which HTTP and JSON: {spread(outside[_WARM_UP:].tolist())}")


def mixed(asked: Sequence[Asking], liked: Sequence[str], count: int) -> list[Asking]:
    """Searches of all kinds in turn: words, vectors, both, filters, likes, a further page."""
    kinds: list[Asking] = []
    for at in range(count):
        one = asked[at % len(asked)]
        vector = {"vector": one["vector"], "space": SPACE}
        kinds.append(
            (
                {"words": one["words"], "facets": list(FACETS)},
                one,
                {**vector, "where": [f"random<{5 * 10 ** (at % 4)}"]},
                {"words": one["words"], "where": ["modality=CT", "year=2010..2020"]},
                {"where": ["region=thorax"], "facets": list(FACETS)},
                {"words": one["words"], "like": [liked[at % len(liked)]]},
                {"words": one["words"], "start": CARDS},
                {"like": [liked[at % len(liked)]], "start": 0},
            )[at % 8]
            | {"k": CARDS}
        )
    return kinds


def growth(client: Client, pid: int, asked: Sequence[Asking]) -> None:
    """Print the server's memory, before and after searches of all kinds."""
    before = memory(pid)["RssAnon"]
    for one in asked:
        client.search(one)
    after = memory(pid)
    print(
        f"private memory of the server: {before:,.0f} MB before, after {len(asked):,} mixed "
        f"searches {beside(after['RssAnon'], 'MB', most=800)}; pages mapped from files "
        f"{after['RssFile']:,.0f} MB"
    )


def at_once(address: str, asked: Sequence[str], each: int) -> None:
    """Print how 32 clients fare that ask by words, one search after another each."""
    taken: list[list[float]] = [[] for _ in range(CLIENTS)]

    def ask(number: int) -> None:
        client = Client(address)
        for at in range(each):
            words = asked[(number * each + at) % len(asked)]
            began = time.perf_counter()
            client.search({"words": words, "k": CARDS})
            taken[number].append(1000 * (time.perf_counter() - began))
        client.close()

    threads = [threading.Thread(target=ask, args=[number]) for number in range(CLIENTS)]
    began = time.perf_counter()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    pace = CLIENTS * each / (time.perf_counter() - began)
    every = [milliseconds for own in taken for milliseconds in own]
    if len(every) < CLIENTS * each:
        raise SystemExit("a client was refused; see above")
    print(
        f"{CLIENTS} clients at once, words, {CARDS} cards: "
        f"{beside(pace, 'a second', least=100)}, {spread(every, p99=500)}"
    )


def first_answer(library: Path, one: Mapping[str, Any]) -> float:
    """The seconds from the start of the server to its first answer."""
    began = time.perf_counter()
    with served(library) as (address, _):
        client = Client(address)
        client.search(one)
        seconds = time.perf_counter() - began
        client.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library", type=library_at)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--mixed", type=int, default=10_000, help="searches before memory is told")
    parser.add_argument("--each", type=int, default=50, help="searches of each client at once")
    parser.add_argument("--no-rival", action="store_true", help="leave bm25s and Lucene out")
    given = parser.parse_args()
    print(machine("uvicorn", "bm25s"))
    count = given.queries + _WARM_UP
    words = questions(given.library, count)
    vectors = ClipLike().images(count, 0)[0].astype(np.float32).tolist()
    asked = [whole(*pair) for pair in zip(words, vectors, strict=True)]
    with Library.open(given.library) as opened:
        print(f"{len(opened):,} cases")
        liked = [hit.id for one in words[:50] for hit in opened.search(Query(text=one), 1)]
    with held(given.library) as told:
        print(told)
        words_alone(given.library, words, not given.no_rival)
        started = min(first_answer(given.library, asked[0]) for _ in range(3))
        print(f"start of the server to its first answer, best of 3: {beside(started, 's', most=2)}")
        with served(given.library) as (address, pid):
            client = Client(address)
            over_http(client, asked)
            growth(client, pid, mixed(asked, liked, given.mixed))
            client.close()
            at_once(address, words, given.each)
        in_process(given.library, asked)


if __name__ == "__main__":
    main()
