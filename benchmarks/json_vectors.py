"""The way of the lab's prototype: vectors as JSON in SQLite, all of them read before a search.

    python -m benchmarks.json_vectors [--rows 10000] [--extrapolate 1600000]

Every row is a picture's vector of 768 numbers and its caption; they are read into lists of floats,
and compared with the query one by one, as the prototype did. Memory, disk and time a row are
measured in a process of its own, and multiplied: a row's cost does not depend on the others.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sqlite3
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.stages import memory

DIMENSION = 768
QUERIES = 3


def write(path: Path, rows: int) -> None:
    """A table of ``rows`` vectors of random numbers, as single precision prints them."""
    chance = np.random.default_rng(0)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE embeddings (id TEXT PRIMARY KEY, caption TEXT, v TEXT)")
        for row in range(rows):
            vector = json.dumps(chance.normal(size=DIMENSION).astype(np.float32).tolist())
            said = f"Axial CT of the chest, figure {row}"
            connection.execute("INSERT INTO embeddings VALUES (?, ?, ?)", (f"{row}", said, vector))
    connection.close()


def measure(path: Path) -> tuple[float, float, float]:
    """Bytes of private memory and seconds a row to read them all, and seconds a row to search."""
    before = memory()["RssAnon"] * 1024**2
    began = time.perf_counter()
    connection = sqlite3.connect(path)
    known = {
        name: (caption, json.loads(vector))
        for name, caption, vector in connection.execute("SELECT id, caption, v FROM embeddings")
    }
    loaded = time.perf_counter() - began
    held = memory()["RssAnon"] * 1024**2 - before
    queries = np.random.default_rng(1).normal(size=(QUERIES, DIMENSION)).tolist()
    began = time.perf_counter()
    for query in queries:
        sorted(known, key=lambda name: -cosine(query, known[name][1]))[:10]
    searched = (time.perf_counter() - began) / QUERIES
    return held / len(known), loaded / len(known), searched / len(known)


def cosine(one: list[float], other: list[float]) -> float:
    """Of two lists of floats."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))
    return product / lengths


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--extrapolate", type=int, default=1_600_000)
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.sqlite"
        write(path, given.rows)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            held, loaded, searched = pool.submit(measure, path).result()
        size = path.stat().st_size / given.rows
    many = given.extrapolate
    what = f"vectors of {DIMENSION} numbers as JSON in SQLite, {given.rows:,} rows, warm"
    print(f"{what}; at {many:,}:")
    print(f"  on disk        {size / 1e3:6.1f} kB a row   {size * many / 1e9:8.1f} GB")
    print(f"  in memory      {held / 1e3:6.1f} kB a row   {held * many / 1e9:8.1f} GB")
    print(f"  read at start  {loaded * 1e3:6.2f} ms a row   {loaded * many / 60:8.1f} minutes")
    print(f"  a search       {searched * 1e3:6.2f} ms a row   {searched * many / 60:8.1f} minutes")


if __name__ == "__main__":
    main()
