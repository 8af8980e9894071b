"""A large library's vectors on a GPU: FAISS's IVF there, beside the index as the search uses it.

    python -m benchmarks.gpu_vectors DIR/library      (benchmarks.large_library makes one)

FAISS's own index (`IVF,SQfp16`: as many lists as ours, rows in float16) and its exact scan of the
same rows are put on the first GPU that FAISS finds, and asked for the best 10 by images that are
not in the library: one at a time, and many at once (by all cores, where there is no GPU). Of its
lists as few are looked at as find what ours finds. Where FAISS finds no GPU, all of it is done by
the processor, and says so.

The PyPI wheel of FAISS knows no GPU; one that does (``pip install faiss-gpu-cu12``, for Linux) goes
into an environment of its own in its place, for both are the module ``faiss``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from benchmarks.clip_like import ClipLike
from benchmarks.library_argument import library_at
from benchmarks.machine import machine
from benchmarks.million_vectors import Floats, K, Keys, Opened, ask, recall, truth
from benchmarks.page_cache import held
from benchmarks.rival_indexes import directions
from medclip_search.indexes.vectors.faiss_ivf import list_count

_SAMPLE = 50  # rows a list
_MOST_PROBES = 2048  # a GPU looks at no more lists
_WARM_UP = 20
_SEED = 0


@dataclass(frozen=True)
class Asked:
    """What asking took: recall@10, milliseconds of one query (median), queries a second at once."""

    recall: float
    one: float
    at_once: float


def on_device(index: Any) -> Any:
    """An empty index where it is to be: on the first GPU, if FAISS finds one."""
    if not faiss_gpus():
        return index
    options = faiss.GpuClonerOptions()
    options.useFloat16 = True
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index, options)


def faiss_gpus() -> int:
    """How many GPUs FAISS finds; none by a wheel that knows of none."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0


def ivf(opened: Opened) -> Any:
    """FAISS's lists, fitted to a sample and filled; its numbers are case keys."""
    lists = list_count(opened.index.size, opened.rows.shape[1])
    kind = f"IVF{lists},SQfp16"
    made = faiss.index_factory(opened.rows.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    index = on_device(made)
    index.cp.min_points_per_centroid = 1
    chance = np.random.default_rng(_SEED)
    count = min(len(opened.rows), _SAMPLE * lists)
    chosen = np.sort(chance.choice(len(opened.rows), count, replace=False))
    sample = opened.rows[chosen].astype(np.float32)
    index.train(sample / np.linalg.norm(sample, axis=1, keepdims=True))
    for keys, rows in directions(opened):
        index.add_with_ids(rows, keys)
    return index


def exact(opened: Opened) -> Any:
    """FAISS's scan of all rows; its numbers are those of the rows."""
    dimension = opened.rows.shape[1]
    if faiss_gpus():
        index = on_device(faiss.IndexFlatIP(dimension))
    else:
        half = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexScalarQuantizer(dimension, half, faiss.METRIC_INNER_PRODUCT)
        index.train(next(directions(opened))[1])
    for _, rows in directions(opened):
        index.add(rows)
    return index


def asked(index: Any, queries: Floats, true: Keys, keys: Keys | None = None) -> Asked:
    """Ask FAISS; ``keys`` are those of its rows, where these are its numbers."""

    def search(some: Floats) -> Keys:
        rows: Keys = index.search(some, K)[1]
        return rows if keys is None else keys[rows]

    cores = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # as ours is searched: others may have the other cores
    for query in queries[:_WARM_UP]:
        search(query[None])
    answers, taken = [], []
    for query in queries:
        began = time.perf_counter()
        answers.append(search(query[None])[0])
        taken.append(1000 * (time.perf_counter() - began))
    faiss.omp_set_num_threads(cores)
    search(queries)
    began = time.perf_counter()
    search(queries)
    spent = time.perf_counter() - began
    return Asked(recall(answers, true), float(np.median(taken)), len(queries) / spent)


def enough(index: Any, queries: Floats, true: Keys, wanted: float) -> tuple[int, Asked]:
    """The fewest lists, of powers of two, that find so much, and what asking then takes."""
    for probes in _doubled(min(index.nlist, _MOST_PROBES)):
        index.nprobe = probes
        found = recall([*index.search(queries, K)[1]], true)
        if found >= wanted:
            break
    return probes, asked(index, queries, true)


def _doubled(most: int) -> Iterator[int]:
    probes = 1
    while probes < most:
        yield probes
        probes *= 2
    yield most


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library", type=library_at)
    parser.add_argument("--queries", type=int, default=500, help="as many as are asked at once")
    given = parser.parse_args()
    print(machine())
    opened = Opened.of(given.library)
    queries = ClipLike().images(given.queries, 0)[0].astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    true = truth(opened, queries, {"": None})[""]
    with held(given.library) as told:
        print(told)
        answers, taken = ask(opened, opened.index, queries, None, _WARM_UP)
    ours = Asked(recall(answers, true), float(np.median(taken)), 1000 / float(np.mean(taken)))
    where = "a GPU" if faiss_gpus() else "the processor: FAISS finds no GPU"
    print(f"{len(opened.rows):,} × {opened.rows.shape[1]}; FAISS's own indexes are on {where}")
    print("\n|  | recall@10 | one at a time, p50 | at once | built |")
    print("|---|---|---|---|---|")
    _row("MedClip Search", ours, "–", " by one core")
    began = time.perf_counter()
    index = ivf(opened)
    built = time.perf_counter() - began
    probes, found = enough(index, queries, true, ours.recall)
    _row(f"FAISS IVF, {probes} of {index.nlist:,} lists", found, f"{built:,.0f} s")
    del index
    began = time.perf_counter()
    index = exact(opened)
    built = time.perf_counter() - began
    _row("FAISS, all rows", asked(index, queries, true, opened.keys), f"{built:,.0f} s")
    opened.generation.close()


def _row(name: str, found: Asked, built: str, how: str = "") -> None:
    print(
        f"| {name} | {found.recall:.4f} | {found.one:.2f} ms | {found.at_once:,.0f} a second{how} "
        f"| {built} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
