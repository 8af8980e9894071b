"""Of many lists, rows find theirs by a graph, and searches find the rows there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from medclip_search.indexes.vectors import faiss_ivf
from medclip_search.indexes.vectors.cosine import Cosine
from medclip_search.indexes.vectors.files import IVF, LISTS
from tests.indexes.vector_cases import Half, Keys, build, clustered, oracle, recall


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


@pytest.mark.parametrize("known", [11_900, 8_500], ids=["few", "many"])
def test_a_library_with_a_graph_is_added_to(
    known: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss_ivf, "_GRAPH_LISTS", 100)
    rows = clustered(12_000, 64)
    build(tmp_path / "first", rows[:known], engine="faiss")
    index = build(tmp_path / "second", rows, engine="faiss", previous=tmp_path / "first")
    assert index.size == 12_000
    before, after = (np.load(tmp_path / name / LISTS) for name in ("first", "second"))
    assert (after[:known] == before).all()
    assert (after[known:] >= 0).all()
    for number in (known - 1, known, 11_999, *range(0, 12_000, 100)):
        assert index.search(rows[number].astype(np.float32), 1)[0].tolist() == [number]


def by_faiss(index: Any, rows: Half, added: Keys, cosine: Cosine, _: Path) -> None:
    """Add rows to the lists that a graph finds as FAISS does it, in memory."""
    graph = index._graph()
    for numbers in faiss_ivf._steps(rows, added):
        rotated = index._rotation.apply(faiss_ivf._directions(rows, numbers, cosine))
        lists = graph.search(rotated, 1)[1]
        each = map(faiss.swig_ptr, (rotated, numbers, lists))
        index._ivf.add_core(len(numbers), *each)
    index._index.ntotal = index._ivf.ntotal


def test_rows_lie_in_lists_as_faiss_lays_them_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss_ivf, "_GRAPH_LISTS", 100)
    monkeypatch.setattr(faiss_ivf, "_ADDED_VALUES", 64 * 1000)  # in several steps
    rows = clustered(60, 64)[np.arange(12_000) % 60]  # which leave lists empty
    rows[7] = np.inf
    for name in ("ours", "theirs"):
        build(tmp_path / name / "first", rows[:8_500], engine="faiss")
        build(tmp_path / name / "second", rows, engine="faiss", previous=tmp_path / name / "first")
        monkeypatch.setattr(faiss_ivf.IvfIndex, "_add_many", by_faiss)
    assert len(np.unique(np.load(tmp_path / "ours/second" / LISTS))) < 100
    for step in ("first", "second"):
        ours, theirs = (tmp_path / name / step for name in ("ours", "theirs"))
        assert (ours / IVF).read_bytes() == (theirs / IVF).read_bytes()
        assert {one.name for one in ours.iterdir()} == {one.name for one in theirs.iterdir()}


@pytest.mark.parametrize(
    ("rows", "dimension", "lists"),
    [(3, 512, 1), (100_000, 512, 512), (1_600_000, 512, 2048), (24_000_000, 512, 8192)],
)
def test_lists_grow_with_the_root_of_the_rows(rows: int, dimension: int, lists: int) -> None:
    assert faiss_ivf.list_count(rows, dimension) == lists
