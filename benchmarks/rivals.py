"""Rivals on the same data in one run: build, memory, latency, recall, filtered recall and disk.

    python -m benchmarks.large_library DIR --rows 200000
    python -m benchmarks.rivals DIR/library

Our two indexes beside FAISS HNSW, USearch, and the way of biomedica-index: ChromaDB for vectors,
bm25s for captions (``rival_indexes`` says how each is set). Rivals that are not installed are
named and left out. Each is built in a process of its own, by as many threads as it likes, and asked
in another, which is bound to one processor: private memory (RssAnon) is what that process grew by
from before it opened the index until all was answered, the rival's own code included; mapped
(RssFile), what it read of files. Asked one query at a time, of images that are not in the library;
the truth is exact. A rival may miss less by looking further: each gets, for every way of asking,
the least width at which it finds 0.99 for other queries, or else the one that finds most.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.apart import apart
from benchmarks.clip_like import ClipLike
from benchmarks.large_library import SHARES
from benchmarks.library_argument import library_at
from benchmarks.machine import machine
from benchmarks.million_search import questions
from benchmarks.million_vectors import Floats, K, Keys, Opened, recall, truth
from benchmarks.rival_indexes import CAPTIONS, VECTORS, Captions, Filter, Vectors
from benchmarks.stages import memory

Clock = Callable[[], float]

WANTED = 0.99
KEPT = ("5 %", "0.5 %")
_TRIED = 100  # queries by which the width is chosen
_WARM_UP = 20


@dataclass(frozen=True)
class Asked:
    """How an index answered one way of asking."""

    recall: float
    p50: float  # ms
    p99: float
    width: int


@dataclass(frozen=True)
class Memory:
    """What a process grew by, in MB."""

    private: float
    mapped: float


def built(library: Path, kind: type[Vectors] | type[Captions], folder: Path, clock: Clock) -> float:
    """The seconds that it takes to write an index."""
    opened = Opened.of(library)
    began = clock()
    kind.build(opened, folder)
    return clock() - began


def vectors_asked(
    library: Path,
    kind: type[Vectors],
    folder: Path,
    queries: Floats,
    true: dict[str, Keys],
    clock: Clock,
) -> tuple[dict[str, Asked], Memory]:
    """How a built index answers each way of asking; the first queries choose its width."""
    _one_processor()
    opened = Opened.of(library)
    ways = filters(opened)
    with growth() as grown:
        index = kind(opened, folder)
        answered = {}
        for way, passing in ways.items():
            width = _width(index, queries[:_TRIED], true[way][:_TRIED], passing)
            answers, taken = _answers(index, queries[_TRIED:], width, passing, clock)
            p50, p99 = np.quantile(taken, [0.5, 0.99])
            answered[way] = Asked(recall(answers, true[way][_TRIED:]), p50, p99, width)
        held = grown()
    return answered, held


def captions_asked(
    library: Path, kind: type[Captions], folder: Path, asked: list[str], clock: Clock
) -> tuple[float, float, Memory]:
    """Median and 99th percentile in milliseconds, and the memory, of a built index."""
    _one_processor()
    Opened.of(library)  # as much as is open while vectors are asked for
    taken = []
    with growth() as grown:
        index = kind(folder)
        for words in asked:
            began = clock()
            index.search(words, K)
            taken.append(1000 * (clock() - began))
        held = grown()
    p50, p99 = np.quantile(taken[_WARM_UP:], [0.5, 0.99])
    return p50, p99, held


def filters(opened: Opened) -> dict[str, Filter | None]:
    """The ways of asking: without a filter, and by those that keep few."""
    ways: dict[str, Filter | None] = {"all": None}
    for field, how in (("random", "chance"), ("place", "kind")):
        for share in KEPT:
            ways[f"{share} by {how}"] = Filter.of(opened, field, SHARES[share])
    return ways


@contextmanager
def growth() -> Iterator[Callable[[], Memory]]:
    """Tells, when asked, how much more memory the process has than at first."""
    before = memory()

    def grown() -> Memory:
        now = memory()
        return Memory(*(now[name] - before[name] for name in ("RssAnon", "RssFile")))

    yield grown


def _one_processor() -> None:
    """Bind this process, and every thread that a rival starts in it, to one processor."""
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    faiss.omp_set_num_threads(1)


def _width(index: Vectors, queries: Floats, true: Keys, passing: Filter | None) -> int:
    """The least width that finds what is wanted, or that which finds most."""
    best, chosen = -1.0, index.widths[0]
    for width in index.widths if len(index.widths) > 1 else ():
        found = recall(_answers(index, queries, width, passing)[0], true)
        if found > best:
            best, chosen = found, width
        if found >= WANTED:
            break
    return chosen


def _answers(
    index: Vectors,
    queries: Floats,
    width: int,
    passing: Filter | None,
    clock: Clock = time.perf_counter,
) -> tuple[list[Keys], list[float]]:
    for query in queries[:_WARM_UP]:
        index.search(query, K, width, passing)
    answers, taken = [], []
    for query in queries:
        began = clock()
        answers.append(index.search(query, K, width, passing))
        taken.append(1000 * (clock() - began))
    return answers, taken


def size(folder: Path) -> float:
    """MB of all files in it."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / 1e6


def installed(kinds: dict[str, Any]) -> Iterator[Any]:
    """Those that can be tried; the others are named."""
    for name, kind in kinds.items():
        if kind.package is not None and importlib.util.find_spec(kind.package) is None:
            print(f"{name} is not installed (pip install {kind.package}): not compared")
        else:
            yield kind


def compare_vectors(library: Path, count: int, clock: Clock) -> None:
    """Print a table of what each index of vectors takes, and one of how it answers."""
    opened = Opened.of(library)
    queries = ClipLike().images(_TRIED + count, 0)[0].astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    ways = filters(opened)
    passing = {way: None if one is None else one.cases for way, one in ways.items()}
    true = truth(opened, queries, passing)
    rows = opened.rows.nbytes / 1e6
    opened.generation.close()
    kinds, tells = list(installed(VECTORS)), []
    print("\n| vectors | build | private memory | mapped | disk | filter |")
    print("|---|---|---|---|---|---|")
    for kind in kinds:
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            seconds = apart(built, library, kind, Path(folder), clock)
            answered, held = apart(vectors_asked, library, kind, Path(folder), queries, true, clock)
            disk = size(Path(folder)) + (rows if kind.reads_rows else 0)
        print(
            f"| {kind.name} | {seconds:,.0f} s | {held.private:,.0f} MB | {held.mapped:,.0f} MB "
            f"| {disk:,.0f} MB | {kind.filters} |",
            flush=True,
        )
        shown = (
            f"{one.recall:.4f}, {one.p50:.2f} ms, {one.p99:.2f} ms"
            + (f" ({one.width:,})" if one.width else "")
            for one in answered.values()
        )
        tells.append(f"| {kind.name} | {' | '.join(shown)} |")
    print(f"\nRecall@{K}, p50, p99 of one query at a time (width):\n")
    print(f"| vectors | {' | '.join(passing)} |\n|---|{'---|' * len(passing)}")
    print("\n".join(tells))


def compare_captions(library: Path, count: int, clock: Clock) -> None:
    """Print a table of what each index of captions takes, and how long an answer does."""
    asked = questions(library, count + _WARM_UP)
    kinds = list(installed(CAPTIONS))
    print(f"\n| captions, best {K} | build | private memory | mapped | disk | p50 | p99 |")
    print("|---|---|---|---|---|---|---|")
    for kind in kinds:
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            seconds = apart(built, library, kind, Path(folder), clock)
            p50, p99, held = apart(captions_asked, library, kind, Path(folder), asked, clock)
            disk = size(Path(folder))
        print(
            f"| {kind.name} | {seconds:,.0f} s | {held.private:,.0f} MB | {held.mapped:,.0f} MB "
            f"| {disk:,.0f} MB | {p50:.2f} ms | {p99:.2f} ms |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library", type=library_at)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument(
        "--processor-time",
        action="store_const",
        const=time.process_time,
        default=time.perf_counter,
        dest="clock",
        help="of all threads, instead of the clock's, where the machine is busy with other work",
    )
    given = parser.parse_args()
    print(machine("usearch", "chromadb", "bm25s"))
    opened = Opened.of(given.library)
    told = "clock" if given.clock is time.perf_counter else "processor"
    print(
        f"{len(opened.rows):,} × {opened.rows.shape[1]} vectors and captions, page cache warm; "
        f"asked on one processor; seconds of the {told}"
    )
    opened.generation.close()
    compare_vectors(given.library, given.queries, given.clock)
    compare_captions(given.library, given.queries, given.clock)


if __name__ == "__main__":
    main()
