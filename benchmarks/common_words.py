"""Whether captions are still found where very common words only put in order what others find.

    python -m benchmarks.common_words DIR/library      (benchmarks.large_library makes one)

A library of more captions than ``COMMON`` is not walked through for its function words
(``indexes.text.index``). Captions are asked for here by 4 to 8 of their words, such words among
them, by the default query: how many are among the first 10 and 100, the mean reciprocal rank, and
the time; with all words walked through, as the search does it, and looking at fewer and at more
cases.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np

from benchmarks.library_argument import library_at
from benchmarks.machine import machine
from benchmarks.million_search import TOP, ids_by_words
from benchmarks.page_cache import held
from benchmarks.targets import spread
from medclip_search.indexes.text import compiling, index
from medclip_search.library.generation import Generation
from medclip_search.search.function_words import silent

FIRST = 10


def fragments(generation: Generation, count: int) -> list[tuple[str, str]]:
    """Some words of a caption, telling and common ones, and the id of its case."""
    chance = random.Random(11)
    live = np.flatnonzero(generation.columns.live).tolist()
    found: list[tuple[str, str]] = []
    for _ in range(100 * count):
        key = chance.choice(live)
        case = generation.cases([key])[key]
        words = re.findall(r"[a-z]{3,}", case.caption.lower())
        some = " ".join(chance.sample(words, min(len(words), chance.randrange(4, 9))))
        terms = set(generation.text.terms(some))
        frequent = {one for one in terms if generation.text.document_frequency(one) > _common()}
        if terms - silent() and frequent & silent():
            found.append((some, case.id))
            if len(found) == count:
                return found
    raise SystemExit("too few captions have words as common; make the library larger")


def _common() -> int:
    return compiling.COMMON


@contextmanager
def looking_at(most: int | None) -> Iterator[None]:
    """Common words put so many more cases in order than are asked for; ``None``: all words find."""
    with (
        patch.object(index, "LOOKED_AT", most or 0),
        patch.object(index, "LOOKED_AT_EACH", most or 0),
        patch.object(compiling, "COMMON", compiling.COMMON if most is not None else 1 << 62),
        patch.object(index, "FEW", index.FEW if most is not None else 0),
    ):
        yield


def report(name: str, generation: Generation, asked: Sequence[tuple[str, str]]) -> None:
    """Print a line of what is found and how soon."""
    ranks, taken = [], []
    for words, wanted in asked:
        began = time.perf_counter()
        found = ids_by_words(generation, words)
        taken.append(1000 * (time.perf_counter() - began))
        ranks.append(found.index(wanted) + 1 if wanted in found else np.inf)
    rank = np.array(ranks)
    print(
        f"{name:22} among the first {FIRST} {(rank <= FIRST).mean():.4f}, {TOP} "
        f"{(rank <= TOP).mean():.4f}; MRR {(1 / rank).mean():.4f}; {spread(taken)}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library", type=library_at)
    parser.add_argument("--captions", type=int, default=600)
    given = parser.parse_args()
    print(machine())
    generation = Generation.open(given.library)
    asked = fragments(generation, given.captions)
    print(f"{generation.text.size:,} captions, of which {len(asked)} are asked for")
    with held(given.library) as told:
        print(told)
        with looking_at(None):
            report("all words walked", generation, asked)
        report("as the search does it", generation, asked)
        for most in (32, 512):
            with looking_at(most):
                report(f"looking at {most} more", generation, asked)
    generation.close()


if __name__ == "__main__":
    main()
