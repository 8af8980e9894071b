"""Recall and time of a large library's vector index, as the search uses it.

    python -m benchmarks.million_vectors DIR/library      (benchmarks.large_library makes one)

Asked one at a time by vectors that are not in the library: of images, of words, and of images
under filters that keep 50, 5, 0.5 and 0.05 % of the cases, by chance (``random``) or by the kinds
of the vectors (``place``). Beside it stands the exact scan of the same float16 rows, in the same
run; under a filter it scans what passes. Recall@10 is the share of the true ten that is found; the
truth is the cosine of every query with every row, in blocks. The library's files are held in memory
all the while, where the system lets them be (``page_cache``), and 200 other queries come before:
the page cache is warm, and so is the process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.clip_like import ClipLike
from benchmarks.large_library import SHARES, SPACE
from benchmarks.library_argument import library_at
from benchmarks.machine import machine
from benchmarks.page_cache import held
from benchmarks.targets import beside, spread
from medclip_search.indexes.vectors import VectorIndex, build_vector_index
from medclip_search.library.generation import Generation, map_rows
from medclip_search.search.filters import mask, parse_filter

K = 10
_BLOCK = 16_384
_WARM_UP = 200
"""Queries that are not timed: a process meets each page of its files once. Of the scan two, for it
reads the same each time."""
_OTHERS = 1 << 21  # a stream that no library of these benchmarks has

Floats = NDArray[np.float32]
Keys = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Opened:
    """A library's space: its rows, the case key of each, and the index over them."""

    generation: Generation
    rows: NDArray[np.float16]
    keys: Keys

    @classmethod
    def of(cls, library: Path) -> Opened:
        generation = Generation.open(library)
        records = {one.space.name: one for one in generation.catalogue.spaces()}
        if SPACE not in records:
            raise SystemExit(f"{library}: has no space {SPACE}; benchmarks.large_library makes one")
        record = records[SPACE]
        rows = map_rows(library / record.path, record.rows, record.space.dimension)
        return cls(generation, rows, generation.catalogue.keys_of_rows(record))

    @property
    def index(self) -> VectorIndex:
        return self.generation.vectors[SPACE]

    def allowed(self, filter_: str) -> Flags:
        columns = self.generation.columns
        return mask([parse_filter(filter_, columns.fields())], columns)


def truth(opened: Opened, queries: Floats, allowed: Mapping[str, Flags | None]) -> dict[str, Keys]:
    """For each filter the keys of the K rows nearest to each query, (q, K); -1 where too few."""
    directions = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    scores = {name: np.full((len(queries), K), -np.inf, np.float32) for name in allowed}
    found = {name: np.full((len(queries), K), -1, np.int64) for name in allowed}
    for start in range(0, len(opened.rows), _BLOCK):
        keys = opened.keys[start : start + _BLOCK]
        rows = opened.rows[start : start + _BLOCK].astype(np.float32)
        cosines = directions @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T
        for name, passing in allowed.items():
            kept = np.flatnonzero(keys >= 0 if passing is None else (keys >= 0) & passing[keys])
            both = np.hstack([scores[name], cosines[:, kept]])
            ids = np.hstack([found[name], np.broadcast_to(keys[kept], (len(queries), len(kept)))])
            best = np.argpartition(-both, K - 1, axis=1)[:, :K]
            scores[name] = np.take_along_axis(both, best, axis=1)
            found[name] = np.take_along_axis(ids, best, axis=1)
    return found


def ask(
    opened: Opened, index: VectorIndex, queries: Floats, allowed: Flags | None, warm_up: int
) -> tuple[list[Keys], list[float]]:
    """The answers to each query, and the milliseconds that each took; others are asked before."""
    order = opened.generation.columns.order
    answers, taken = [], []
    with threadpool_limits(1, user_api="blas"):  # as `serve` searches
        for query in ClipLike().images(warm_up, _OTHERS)[0].astype(np.float32):
            index.search(query, K, allowed, order)
        for query in queries:
            began = time.perf_counter()
            answers.append(index.search(query, K, allowed, order)[0])
            taken.append(1000 * (time.perf_counter() - began))
    return answers, taken


def recall(answers: Sequence[Keys], true: Keys) -> float:
    """The mean share of the true answers, as many as there are, that were found."""
    shares = [
        np.isin(wanted[wanted >= 0], got).mean()
        for got, wanted in zip(answers, true, strict=True)
        if (wanted >= 0).any()
    ]
    return float(np.mean(shares)) if shares else 1.0


def exact_index(opened: Opened, folder: Path) -> VectorIndex:
    """An index over the same rows that scans them all."""
    space = opened.generation.spaces[SPACE]
    build_vector_index(opened.rows, opened.keys, folder, space=space, engine="exact")
    return VectorIndex.open(folder, opened.rows)


def report(opened: Opened, exact: VectorIndex, count: int, scans: int) -> None:
    """Print a line for each way of asking."""
    filters = {
        f"{share} by {how}": opened.allowed(f"{field}<{below}")
        for share, below in SHARES.items()
        for field, how in (("random", "chance"), ("place", "kind"))
    }
    source = ClipLike()
    images = source.images(count, 0)[0].astype(np.float32)
    words = source.pairs(count, 0)[1].astype(np.float32)
    true = truth(opened, images, {"": None, **filters})
    _line("image", opened, exact, images, None, true[""], scans, (0.99, 1.5, 4))
    known = truth(opened, words, {"": None})[""]
    _line("words", opened, exact, words, None, known, scans, (0.97, 2.5, None))
    for name, passing in filters.items():
        _line(name, opened, exact, images, passing, true[name], scans, (0.99, 10, None))
    began = time.perf_counter()
    for below in SHARES.values():
        opened.allowed(f"random<{below}")
    each = 1000 * (time.perf_counter() - began) / len(SHARES)
    print(f"to find out what passes such a filter takes {each:.2f} ms more")


def _line(
    name: str,
    opened: Opened,
    exact: VectorIndex,
    queries: Floats,
    allowed: Flags | None,
    true: Keys,
    scans: int,
    targets: tuple[float, float, float | None],
) -> None:
    least, p50, p99 = targets
    answers, fast = ask(opened, opened.index, queries, allowed, _WARM_UP)
    _, slow = ask(opened, exact, queries[:scans], allowed, 2)
    print(
        f"{name:16} recall@{K} {beside(recall(answers, true), least=least)}, "
        f"{spread(fast, p50, p99)}; exact {spread(slow)}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library", type=library_at)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument(
        "--scans", type=int, default=40, help="how many queries the scan is timed by"
    )
    given = parser.parse_args()
    print(machine())
    opened = Opened.of(given.library)
    first = ClipLike().images(1, 0)[0][0].astype(np.float32)
    began = time.perf_counter()
    opened.index.search(first, K)
    milliseconds = 1000 * (time.perf_counter() - began)
    print(f"{opened.index.size:,} × {opened.rows.shape[1]}: {opened.index.describe()}")
    print(f"the first query after opening took {milliseconds:.1f} ms")
    with held(given.library) as told, tempfile.TemporaryDirectory() as folder:
        print(told)
        report(opened, exact_index(opened, Path(folder)), given.queries, given.scans)
    opened.generation.close()


if __name__ == "__main__":
    main()
