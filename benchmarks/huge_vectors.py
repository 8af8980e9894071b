"""24 million vectors, really on disk, searched on a machine whose memory they do not fit.

    python -m benchmarks.huge_vectors --folder DIR [--rows 24000000] [--until rows|index]

Wanted are about 30 GB of disk at 24 million rows of 512 numbers. The rows (``huge_rows``) and then
the project's own index over them are made in DIR, as a library's build makes it; what is there is
gone on with. Then the index is asked, one query at a time, by images and by words that are not
among the rows, and compared with the exact cosines of all queries with all rows, which are found in
one pass and kept. Asked are

- *cold*: with no page of any file in memory, each query for the first time;
- *warm*: once more, though rows that do not all fit into memory stay as the system keeps them;
- *warmed by others*: other queries of the same kind, each for the first time.

Beside it stands the exact scan of a sample of the rows, extrapolated. To take the memory of
searching by itself, run it again once the index is there.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_like import ClipLike
from benchmarks.huge_rows import known_rows, map_rows, row_bytes, write_rows
from benchmarks.machine import machine
from benchmarks.stages import Stages
from benchmarks.targets import beside, spread
from medclip_search.encoders.base import Space
from medclip_search.indexes.vectors import VectorIndex, build_vector_index
from medclip_search.indexes.vectors.half import Half, blocks
from medclip_search.terminal import bars

K = 10
RECALL, P50, MEMORY = 0.97, 25, 3000  # MB

_INDEX_BYTES = 192  # a row, at 512 dimensions: code, twice while built, number, key, length, list
_SPARE = 1 << 30
_BLOCK = 32_768
_SPACE = "clip-like"

Floats = NDArray[np.float32]
Keys = NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """Where everything lies, and how much of it there is to be."""

    folder: Path
    count: int
    source: ClipLike

    @property
    def rows(self) -> Path:
        return self.folder / "rows.f16"

    @property
    def index(self) -> Path:
        return self.folder / "index"

    def mapped(self) -> Half:
        return map_rows(self.rows, self.count, self.source)

    def opened(self) -> VectorIndex:
        return VectorIndex.open(self.index, self.mapped())


def look_at_disk(place: Place) -> None:
    """Say how much is wanted and free; exits where it does not fit."""
    place.folder.mkdir(parents=True, exist_ok=True)
    there = sum(one.stat().st_size for one in place.folder.rglob("*") if one.is_file())
    wanted = place.count * (row_bytes(place.source) + _INDEX_BYTES) + _SPARE
    free = shutil.disk_usage(place.folder).free
    said = (
        f"{place.folder}: {wanted / 1e9:,.1f} GB wanted, {there / 1e9:,.1f} there, "
        f"{free / 1e9:,.1f} free"
    )
    if wanted > there + free:
        raise SystemExit(f"{said}; free some, or name another --folder or fewer --rows")
    print(said, flush=True)


def make_rows(place: Place) -> None:
    """The rows that lack."""
    known = known_rows(place.rows, place.count, place.source, bars)
    if known == place.count:
        print("rows: all are there already", flush=True)
        return
    began = time.perf_counter()
    write_rows(place.rows, known, place.count, place.source, bars)
    spent = time.perf_counter() - began
    pace = (place.count - known) / spent
    print(
        f"rows: {known:,} were there; the others took {spent:,.0f} s, {pace:,.0f} a second, "
        "until they were flushed",
        flush=True,
    )


def make_index(place: Place) -> None:
    """The index of a library's build; a build that was stopped begins anew."""
    told = place.index / "built.txt"
    if not told.exists():
        shutil.rmtree(place.index, ignore_errors=True)
        place.index.mkdir()
        began = time.perf_counter()
        with Stages() as stages:
            build_vector_index(
                place.mapped(),
                np.arange(place.count),
                place.index,
                space=Space(_SPACE, place.source.dimension),
                engine="faiss",
            )
        spent = time.perf_counter() - began
        part = place.index / "built.part"
        part.write_text(
            f"index: built in {spent:,.0f} s, private memory "
            f"{beside(stages.peak, 'MB', most=MEMORY)}; "
            f"{_size(place.index) / 1e9:,.2f} GB beside {_size(place.rows) / 1e9:,.2f} GB of rows"
        )
        part.rename(told)
    print(told.read_text(), flush=True)


def truth(place: Place, queries: Floats) -> Keys:
    """The numbers of the K rows nearest to each query, (q, K), by exact cosines; kept on disk."""
    kept = place.folder / "truth.npz"
    if kept.exists():
        with np.load(kept) as known:
            if int(known["rows"]) == place.count and np.array_equal(known["queries"], queries):
                return np.asarray(known["truth"])
    directions = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    best = faiss.ResultHeap(len(queries), K, keep_max=True)
    rows = place.mapped()
    with bars("exact truth", place.count, "row") as advance:
        for start in range(0, place.count, _BLOCK):
            found = np.empty((min(_BLOCK, place.count - start), rows.shape[1]), np.float32)
            for part, wide in blocks(rows[start : start + _BLOCK]):
                np.divide(wide, np.linalg.norm(wide, axis=1, keepdims=True), out=found[part])
            cosines, numbers = faiss.knn(
                directions, found, min(K, len(found)), metric=faiss.METRIC_INNER_PRODUCT
            )
            best.add_result(cosines, numbers + start)
            advance(len(found))
    best.finalize()
    np.savez(kept, rows=place.count, queries=queries, truth=best.I)
    return np.asarray(best.I)


def forget_pages(place: Place) -> None:
    """Drop the files' pages from memory; what is mapped would stay, so nothing may be."""
    gc.collect()
    for one in (place.rows, *place.index.iterdir()):
        with one.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ask(index: VectorIndex, queries: Floats) -> tuple[list[Keys], list[float]]:
    """The answers to each query, and the milliseconds that each took."""
    answers, taken = [], []
    for query in queries:
        began = time.perf_counter()
        answers.append(index.search(query, K)[0])
        taken.append(1000 * (time.perf_counter() - began))
    return answers, taken


def recall(answers: Sequence[Keys], true: Keys) -> float:
    return float(
        np.mean([np.isin(t, found).mean() for t, found in zip(true, answers, strict=True)])
    )


def report(place: Place, count: int) -> None:
    """Print what asking gives, by images and by words."""
    others = place.source.pairs(2 * count, 0)
    asked = {
        name: each.astype(np.float32)
        for name, each in zip(("images", "words"), others, strict=True)
    }
    true = truth(place, np.concatenate([each[:count] for each in asked.values()]))
    expected = dict(zip(asked, np.split(true, 2), strict=True))
    forget_pages(place)
    with Stages() as stages:
        began = time.perf_counter()
        index = place.opened()
        index.search(asked["images"][0], K)
        first = time.perf_counter() - began
        print(f"opened cold, to its first answer: {first:.2f} s; {index.describe()}")
        for name, queries in asked.items():
            _, cold = ask(index, queries[:count])
            answers, warm = ask(index, queries[:count])
            _, fresh = ask(index, queries[count:])
            print(
                f"{name:7} recall@{K} {beside(recall(answers, expected[name]), least=RECALL)}; "
                f"cold {spread(cold)}; warm {spread(warm, P50)}; "
                f"warmed by others {spread(fresh, P50)}",
                flush=True,
            )
    print(f"private memory while searching: {beside(stages.peak, 'MB', most=MEMORY)}")


def report_scan(place: Place, sample: int, scans: int) -> None:
    """The bound: what the exact scan of a sample takes, extrapolated to all rows."""
    sample = min(sample, place.count)
    rows = place.mapped()[:sample]
    queries = place.source.images(scans, 0)[0].astype(np.float32)
    with tempfile.TemporaryDirectory(dir=place.folder) as name:
        space = Space(_SPACE, place.source.dimension)
        build_vector_index(rows, np.arange(sample), Path(name), space=space, engine="exact")
        _, taken = ask(VectorIndex.open(Path(name), rows), queries)
    each = float(np.median(taken))
    print(
        f"exact scan: p50 {each:,.0f} ms for {sample:,} rows in memory, "
        f"so {each * place.count / sample / 1000:,.2f} s for all if they were"
    )


def _size(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(one.stat().st_size for one in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=24_000_000)
    parser.add_argument("--queries", type=int, default=300, help="of images, and as many of words")
    parser.add_argument("--sample", type=int, default=1_000_000, help="rows of the exact scan")
    parser.add_argument("--scans", type=int, default=10, help="how often they are scanned")
    parser.add_argument("--until", choices=("rows", "index", "answers"), default="answers")
    given = parser.parse_args()
    if given.rows < 1000:
        parser.error(f"--rows {given.rows}: give at least 1000")
    place = Place(given.folder, given.rows, ClipLike())
    print(machine())
    print(f"{place.count:,} × {place.source.dimension}, float16")
    try:
        look_at_disk(place)
        make_rows(place)
        if given.until != "rows":
            make_index(place)
        if given.until == "answers":
            report(place, given.queries)
            report_scan(place, given.sample, given.scans)
    except KeyboardInterrupt:
        raise SystemExit("stopped; the same command goes on") from None


if __name__ == "__main__":
    main()
