"""Of many lists, rows find theirs by a graph, and searches find the rows there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medclip_search.indexes.vectors import faiss_ivf
from medclip_search.indexes.vectors.files import LISTS
from tests.indexes.vector_cases import build, clustered, oracle, recall


@pytest.mark.parametrize("centred", [False, True])
def test_rows_that_a_graph_put_into_lists_are_found_there(
    centred: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = clustered(12_000, 64)
    build(tmp_path / "all", rows, engine="faiss", centred=centred)
    monkeypatch.setattr(faiss_ivf, "_GRAPH_LISTS", 100)
    index = build(tmp_path / "graph", rows, engine="faiss", centred=centred)
    assert index.describe()["lists"] > 100
    every, found = (np.load(tmp_path / name / LISTS) for name in ("all", "graph"))
    assert np.mean(every == found) > 0.98
    queries = clustered(50, 64, seed=1).astype(np.float32)
    shares = [
        recall(
            index.search(query, 10)[0],
            oracle(rows, np.arange(len(rows)), query, 10, centred=centred)[0],
        )
        for query in queries
    ]
    assert np.mean(shares) > 0.98
    build(tmp_path / "again", rows, engine="faiss", centred=centred)
    for one in (tmp_path / "graph").iterdir():
        assert one.read_bytes() == (tmp_path / "again" / one.name).read_bytes(), one.name


def test_a_library_with_a_graph_is_added_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss_ivf, "_GRAPH_LISTS", 100)
    rows = clustered(12_000, 64)
    build(tmp_path / "first", rows[:11_900], engine="faiss")
    index = build(tmp_path / "second", rows, engine="faiss", previous=tmp_path / "first")
    assert index.size == 12_000
    for number in (0, 11_899, 11_900, 11_999):
        assert index.search(rows[number].astype(np.float32), 1)[0].tolist() == [number]


def test_lists_that_hold_rows_take_many_more_by_a_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss_ivf, "_GRAPH_LISTS", 100)
    rows = clustered(12_000, 64)
    build(tmp_path / "first", rows[:8_500], engine="faiss")
    index = build(tmp_path / "second", rows, engine="faiss", previous=tmp_path / "first")
    before, after = (np.load(tmp_path / name / LISTS) for name in ("first", "second"))
    assert (after[:8_500] == before).all()
    assert (after[8_500:] >= 0).all()
    for number in range(0, 12_000, 100):
        assert index.search(rows[number].astype(np.float32), 1)[0].tolist() == [number]


@pytest.mark.parametrize(
    ("rows", "dimension", "lists"),
    [(3, 512, 1), (100_000, 512, 512), (1_600_000, 512, 2048), (24_000_000, 512, 8192)],
)
def test_lists_grow_with_the_root_of_the_rows(rows: int, dimension: int, lists: int) -> None:
    assert faiss_ivf.list_count(rows, dimension) == lists
