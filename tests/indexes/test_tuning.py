"""How many lists a search scans is measured when the index is built, told, and kept by updates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medclip_search.indexes.vectors import VectorIndex
from medclip_search.indexes.vectors.tuning import ENOUGH, TRIED
from tests.indexes.vector_cases import Half, build, clustered, oracle


def even(count: int, dimension: int, seed: int = 0) -> Half:
    """Rows without any clusters: neighbours lie in many lists."""
    noise = np.random.default_rng(seed).standard_normal((count, dimension))
    return noise.astype(np.float16)


def recall_at_ten(index: VectorIndex, rows: Half, queries: Half) -> float:
    shares = []
    for query in queries.astype(np.float32):
        true = oracle(rows, np.arange(len(rows)), query, 10, centred=False)[0]
        shares.append(np.isin(true, index.search(query, 10)[0]).mean())
    return float(np.mean(shares))


@pytest.mark.parametrize("kind", [clustered, even])
def test_as_many_lists_are_scanned_as_it_takes(tmp_path: Path, kind: object) -> None:
    rows = clustered(12_000, 32) if kind is clustered else even(12_000, 32)
    other = clustered(100, 32, seed=4) if kind is clustered else even(100, 32, seed=4)
    index = build(tmp_path / "i", rows, engine="faiss", centred=False)
    about = index.describe()
    assert about["probes"] in (*TRIED, about["lists"])
    assert about["recall@10"] >= ENOUGH or about["probes"] == min(max(TRIED), about["lists"])
    assert recall_at_ten(index, rows, other) >= about["recall@10"] - 0.02


def test_scattered_vectors_take_more_lists_than_clustered_ones(tmp_path: Path) -> None:
    probes = [
        build(tmp_path / name, rows, engine="faiss", centred=False).describe()["probes"]
        for name, rows in (("a", clustered(12_000, 64)), ("b", even(12_000, 64)))
    ]
    assert probes[0] < probes[1]


def test_an_update_keeps_what_was_measured(tmp_path: Path) -> None:
    rows = clustered(12_000, 32)
    first = build(tmp_path / "a", rows, engine="faiss", centred=False)
    more = np.concatenate((rows, clustered(100, 32, seed=3)))
    second = build(tmp_path / "b", more, engine="faiss", centred=False, previous=tmp_path / "a")
    told = ("lists", "probes", "recall@10")
    assert [second.describe()[one] for one in told] == [first.describe()[one] for one in told]


def test_a_handful_of_rows_can_be_indexed(tmp_path: Path) -> None:
    rows = clustered(5, 32)
    index = build(tmp_path / "i", rows, engine="faiss", centred=False)
    assert len(index.search(rows[0].astype(np.float32), 10)[0]) == 5
