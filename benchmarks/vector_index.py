"""Recall and latency of the FAISS index against the exact scan, alone and under filters.

    python -m benchmarks.vector_index                              100,000 × 512
    python -m benchmarks.vector_index --rows 1600000               as many as PMC-OA
    python -m benchmarks.vector_index --dimension 1280 --centred   as `compact` has them
    python -m benchmarks.vector_index --thresholds                 where each engine is the faster

The vectors are those of ``benchmarks/clip_like.py``; the queries are 200 other images of the same
distribution, asked one at a time. Filters keep a share of the rows: at random, or whole kinds (and
a part of one), so that most queries lie far from everything that may be found.
Recall@10 is the share of the exact scan's first ten that FAISS finds. Exits 1 below 0.98.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_like import KINDS, ClipLike
from medclip_search.encoders.base import Space
from medclip_search.indexes.vectors import Engine, VectorIndex, build_vector_index, index

Flags = NDArray[np.bool_]
LEAST_RECALL = 0.98
SHARES = (0.5, 0.05, 0.005)


def make_rows(
    source: ClipLike, count: int, path: Path
) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Rows in a memory-mapped file, and the kind of each."""
    rows = np.memmap(path, dtype=np.float16, mode="w+", shape=(count, source.dimension))
    kind = np.empty(count, dtype=np.int64)
    start = 0
    for vectors, kinds in source.blocks(count):
        part = slice(start, start + len(vectors))
        rows[part], kind[part] = vectors, kinds
        start += len(vectors)
    rows.flush()
    return rows, kind


def build(
    rows: NDArray[np.float16], folder: Path, engine: Engine, space: Space
) -> tuple[VectorIndex, float, float]:
    """The index, the seconds it took, and its megabytes on disk."""
    folder.mkdir()
    started = time.perf_counter()
    build_vector_index(rows, np.arange(len(rows)), folder, space=space, engine=engine)
    seconds = time.perf_counter() - started
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return VectorIndex.open(folder, rows), seconds, megabytes


def ask(
    found: VectorIndex, queries: NDArray[np.float32], k: int, allowed: Flags | None
) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """Answers, and milliseconds each, after three queries to warm up."""
    for query in queries[:3]:
        found.search(query, k, allowed)
    answers, times = [], []
    for query in queries:
        started = time.perf_counter()
        answers.append(found.search(query, k, allowed)[0])
        times.append(1000 * (time.perf_counter() - started))
    return answers, np.array(times)


def recall(found: list[NDArray[np.int64]], truth: list[NDArray[np.int64]]) -> float:
    """Mean share of the true answers that were found."""
    pairs = zip(found, truth, strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in pairs]))


def correlated(kind: NDArray[np.int64], share: float, seed: int) -> Flags:
    """Whole kinds in a seeded order, and part of the last, up to the share."""
    order = np.random.default_rng(seed).permutation(KINDS)
    place = np.empty(KINDS, dtype=np.int64)
    place[order] = np.arange(KINDS)
    kept = np.zeros(len(kind), dtype=np.bool_)
    kept[np.argsort(place[kind], kind="stable")[: round(share * len(kind))]] = True
    return kept


def filters(kind: NDArray[np.int64]) -> dict[str, Flags | None]:
    """No filter, and each share at random and in whole kinds."""
    made: dict[str, Flags | None] = {"none": None}
    for share in SHARES:
        rng = np.random.default_rng(1)
        made[f"{share:.1%} random"] = rng.random(len(kind)) < share
        made[f"{share:.1%} kinds"] = correlated(kind, share, seed=2)
    return made


def spread(times: NDArray[np.float64]) -> str:
    """Median and 99th percentile in milliseconds."""
    return f"{np.median(times):8.2f} {np.quantile(times, 0.99):8.2f}"


def compare(options: argparse.Namespace, folder: Path) -> bool:
    """Print the main table; tells whether every recall is high enough."""
    source = ClipLike(options.dimension)
    rows, kind = make_rows(source, options.rows, folder / "rows.f16")
    queries = source.images(options.queries, 0)[0].astype(np.float32)
    space = Space("synthetic", options.dimension, centred=options.centred)
    exact, exact_seconds, _ = build(rows, folder / "exact", "exact", space)
    faiss, faiss_seconds, megabytes = build(rows, folder / "faiss", "faiss", space)
    print(f"{options.rows} × {options.dimension}, centred {options.centred}, k {options.k}")
    print(f"exact built in {exact_seconds:.1f} s; FAISS in {faiss_seconds:.1f} s, ", end="")
    print(f"{megabytes:.0f} MB beside {rows.nbytes / 1e6:.0f} MB of rows: {faiss.describe()}")
    started = time.perf_counter()
    VectorIndex.open(folder / "faiss", rows)
    print(f"opened in {1000 * (time.perf_counter() - started):.1f} ms")
    print(f"{'filter':16} {'recall':>7} {'p50':>8} {'p99':>8} ms {'exact p50':>9} {'p99':>8} ms")
    good = True
    for name, allowed in filters(kind).items():
        truth, slow = ask(exact, queries, options.k, allowed)
        answers, fast = ask(faiss, queries, options.k, allowed)
        reached = recall(answers, truth)
        good &= reached >= LEAST_RECALL
        print(f"{name:16} {reached:7.4f} {spread(fast)}    {spread(slow)}", flush=True)
    return good


def thresholds(options: argparse.Namespace, folder: Path) -> None:
    """Print both engines' latency by size, and both ways to filter by the number that match."""
    for dimension in (512, 1280):
        source = ClipLike(dimension)
        space = Space("synthetic", dimension, centred=dimension == 1280)
        queries = source.images(options.queries, 0)[0].astype(np.float32)
        print(
            f"\n{dimension} dimensions\n{'rows':>8} {'values':>7} {'exact p50':>9} {'p99':>8} ms ",
            end="",
        )
        print(f"{'FAISS p50':>9} {'p99':>8} ms {'recall':>7} {'built in':>9}")
        for count in (8192, 16384, 32768, 65536, 131072):
            here = folder / f"{dimension}-{count}"
            here.mkdir()
            rows, kind = make_rows(source, count, here / "rows.f16")
            exact, _, _ = build(rows, here / "exact", "exact", space)
            faiss, seconds, _ = build(rows, here / "faiss", "faiss", space)
            truth, slow = ask(exact, queries, options.k, None)
            answers, fast = ask(faiss, queries, options.k, None)
            print(
                f"{count:8} 2^{np.log2(count * dimension):4.1f} {spread(slow)}     {spread(fast)} "
                f"{recall(answers, truth):10.4f} {seconds:7.1f} s",
                flush=True,
            )
        print(f"{'matching':>8} of {count}: both ways to answer under a filter of kinds")
        for matching in (1024, 2048, 4096, 8192, 16384, 32768, 65536):
            allowed = correlated(kind, matching / count, seed=2)
            truth, slow = ask(exact, queries, options.k, allowed)
            answers, fast = _all_by_faiss(faiss, queries, options.k, allowed)
            print(
                f"{matching:8} 2^{np.log2(matching * dimension):4.1f} {spread(slow)}     "
                f"{spread(fast)} {recall(answers, truth):10.4f}",
                flush=True,
            )


def _all_by_faiss(
    found: VectorIndex, queries: NDArray[np.float32], k: int, allowed: Flags
) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    before = index.MATCHING_VALUES
    index.MATCHING_VALUES = 0
    try:
        return ask(found, queries, k, allowed)
    finally:
        index.MATCHING_VALUES = before


def main() -> None:
    """Parse the options, make a temporary folder, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--centred", action="store_true", help="subtract the mean, as compact does")
    parser.add_argument("--thresholds", action="store_true", help="print the tables of thresholds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.thresholds:
            thresholds(options, Path(folder))
        elif not compare(options, Path(folder)):
            sys.exit(1)


if __name__ == "__main__":
    main()
