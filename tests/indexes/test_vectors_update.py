"""An index brought up to date answers as one built afresh, or is built afresh."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from medclip_search.indexes.vectors import Engine, VectorIndex, index
from tests.indexes.vector_cases import Half, build, clustered, oracle, recall

QUERIES = clustered(20, 64, seed=1).astype(np.float32)


@pytest.fixture(scope="module")
def rows() -> Half:
    return clustered(5000, 64)


@pytest.fixture(scope="module")
def first(rows: Half, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first") / "i"
    build(folder, rows[:4000], engine="faiss")
    return folder


def fitted(folder: Path) -> int:
    """How many rows the lists were fitted to: 4000 where those of ``first`` were kept."""
    return int(json.loads((folder / "index.json").read_text())["fitted"])


def assert_as_good_as_new(updated: VectorIndex, fresh: VectorIndex) -> None:
    shares = []
    for query in QUERIES:
        found, scores = updated.search(query, 10)
        truth, _ = fresh.search(query, 10)
        np.testing.assert_array_equal(fresh.score(query, found), scores)
        shares.append(recall(found, truth.tolist()))
    assert np.mean(shares) >= 0.98
    assert updated.size == fresh.size


def test_added_and_dead_rows(rows: Half, first: Path, tmp_path: Path) -> None:
    keys = np.arange(5000)
    keys[::5] = -1
    updated = build(tmp_path / "u", rows, keys, engine="faiss", previous=first)
    assert fitted(tmp_path / "u") == 4000
    fresh = build(tmp_path / "f", rows, keys)
    assert_as_good_as_new(updated, fresh)
    for query in QUERIES:
        assert (updated.search(query, 200)[0] % 5 != 0).all()
    added = updated.search(rows[4321].astype(np.float32), 1)
    assert added[0].tolist() == [4321]


def test_update_of_an_update(rows: Half, first: Path, tmp_path: Path) -> None:
    build(tmp_path / "u", rows[:4500], engine="faiss", previous=first)
    keys = np.arange(5000)
    keys[4100:4200] = -1
    last = build(tmp_path / "v", rows, keys, engine="faiss", previous=tmp_path / "u")
    assert fitted(tmp_path / "v") == 4000
    assert_as_good_as_new(last, build(tmp_path / "f", rows, keys))


def test_only_deaths_cost_no_second_copy(rows: Half, first: Path, tmp_path: Path) -> None:
    keys = np.arange(4000)
    keys[17] = -1
    updated = build(tmp_path / "u", rows[:4000], keys, engine="faiss", previous=first)
    assert (tmp_path / "u" / "ivf.faiss").samefile(first / "ivf.faiss")
    assert 17 not in updated.search(rows[17].astype(np.float32), 10)[0]
    assert_as_good_as_new(updated, build(tmp_path / "f", rows[:4000], keys))


def test_a_filter_meets_added_and_dead_rows(
    rows: Half, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "MATCHING_VALUES", 0)
    keys = np.arange(5000)
    keys[::7] = -1
    updated = build(tmp_path / "u", rows, keys, engine="faiss", previous=first)
    allowed = np.arange(5000) % 2 == 0
    shares = []
    for query in QUERIES:
        found = updated.search(query, 10, allowed)[0]
        assert ((found % 2 == 0) & (found % 7 != 0)).all()
        shares.append(recall(found, oracle(rows, keys, query, 10, allowed)[0]))
    assert np.mean(shares) >= 0.98


@pytest.mark.parametrize("engine", ["exact", "faiss"])
def test_the_order_of_equal_pictures_has_no_history(
    rows: Half, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One library grew in steps, one was built at once in another order: same ids, same ranks."""
    monkeypatch.setattr(index, "MATCHING_VALUES", 0)
    rows = rows[:3000].copy()
    copies = np.random.default_rng(3).choice(3000, 100, replace=False)
    rows[copies] = rows[copies[0]]

    def ranked(name: str, ids: NDArray[np.int64], first: int) -> list[list[int]]:
        """The ids found, where the case ``key`` has the id, and the row, numbered ``ids[key]``."""
        before, now = tmp_path / name / "1", tmp_path / name / "2"
        build(before, rows[ids][:first], engine=engine, centred=False)
        last = build(now, rows[ids], engine=engine, centred=False, previous=before)
        order, allowed = ids.astype(np.int32), ids % 2 == 1
        query, nowhere = rows[copies[0]].astype(np.float32), np.zeros(64, np.float32)
        return [
            ids[last.search(vector, 30, mask, order)[0]].tolist()
            for vector in (query, nowhere)
            for mask in (None, allowed)
        ]

    grown = ranked("grown", np.random.default_rng(4).permutation(3000), 2500)
    at_once = ranked("at once", np.random.default_rng(5).permutation(3000), 3000)
    assert grown == at_once
    odd = np.sort(copies[copies % 2 == 1])
    assert grown == [
        np.sort(copies)[:30].tolist(),
        odd[:30].tolist(),
        list(range(30)),
        list(range(1, 60, 2)),
    ]


def test_update_is_deterministic(rows: Half, first: Path, tmp_path: Path) -> None:
    for name in "ab":
        build(tmp_path / name, rows, engine="faiss", previous=first)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_previous_is_left_as_it_was(rows: Half, first: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    build(tmp_path / "u", rows, engine="faiss", previous=first)
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before


def test_grown_by_half_is_built_afresh(first: Path, rows: Half, tmp_path: Path) -> None:
    more = np.concatenate([rows[:4000], clustered(2100, 64, seed=8)])
    build(tmp_path / "u", more, engine="faiss", previous=first)
    assert fitted(tmp_path / "u") == 6100


def test_moved_mean_is_built_afresh(first: Path, rows: Half, tmp_path: Path) -> None:
    more = np.concatenate([rows[:4000], rows[4000:] + np.float16(2)])
    updated = build(tmp_path / "u", more, engine="faiss", previous=first)
    assert fitted(tmp_path / "u") == 5000
    assert_as_good_as_new(updated, build(tmp_path / "f", more))


def test_many_deaths_are_built_afresh(first: Path, rows: Half, tmp_path: Path) -> None:
    keys = np.arange(4000)
    keys[np.random.default_rng(0).random(4000) < 0.4] = -1
    build(tmp_path / "u", rows[:4000], keys, engine="faiss", previous=first)
    assert fitted(tmp_path / "u") == np.count_nonzero(keys >= 0)


def test_row_that_came_back_is_built_afresh(rows: Half, tmp_path: Path) -> None:
    keys = np.arange(4000)
    keys[5] = -1
    build(tmp_path / "a", rows[:4000], keys, engine="faiss")
    back = build(tmp_path / "b", rows[:4000], engine="faiss", previous=tmp_path / "a")
    assert fitted(tmp_path / "b") == 4000
    assert back.search(rows[5].astype(np.float32), 1)[0].tolist() == [5]


@pytest.mark.parametrize("centred", [False, True])
def test_another_kind_of_previous_is_no_use(rows: Half, tmp_path: Path, centred: bool) -> None:
    build(tmp_path / "a", rows[:4000], engine="exact" if centred else "faiss")
    updated = build(tmp_path / "b", rows, engine="faiss", previous=tmp_path / "a", centred=centred)
    assert fitted(tmp_path / "b") == 5000
    assert_as_good_as_new(updated, build(tmp_path / "f", rows, centred=centred))


def test_missing_previous_is_no_error(rows: Half, tmp_path: Path) -> None:
    build(tmp_path / "u", rows[:600], engine="faiss", previous=tmp_path / "nowhere")
    assert fitted(tmp_path / "u") == 600
