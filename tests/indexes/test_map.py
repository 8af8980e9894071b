"""The map of a space: neighbours stay neighbours, and it moves only when it must."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from medclip_search.indexes.map import MapIndex, build_map
from medclip_search.indexes.map.files import read_description
from medclip_search.indexes.vectors.cosine import Cosine
from tests.indexes.vector_cases import Half, clustered

KEYS = np.arange(600) * 3 + 1  # with holes, as after removals


@pytest.fixture(scope="module")
def rows() -> Half:
    return clustered(600, 32)


@pytest.fixture(scope="module")
def first(rows: Half, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("map") / "first"
    make(folder, rows, KEYS)
    return folder


def make(folder: Path, rows: Half, keys: NDArray[np.int64], **options: Any) -> MapIndex:
    folder.mkdir()
    cosine = Cosine(np.zeros(rows.shape[1], dtype=np.float32))
    build_map(rows, keys, folder, space="s", embeddings="s-1.f16", cosine=cosine, **options)
    return MapIndex.open(folder)


def directions(rows: Half) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


def test_neighbours_stay_neighbours(rows: Half, first: Path) -> None:
    places = MapIndex.open(first).positions(KEYS)
    kept = trustworthiness(directions(rows), places, n_neighbors=10)
    flat = PCA(2).fit_transform(directions(rows))
    anyhow = np.random.default_rng(0).permutation(places)
    assert kept > 0.9
    assert kept > trustworthiness(directions(rows), flat, n_neighbors=10) + 0.03
    assert kept > trustworthiness(directions(rows), anyhow, n_neighbors=10) + 0.3
    assert places.min() >= 0
    assert places.max() <= 1
    assert np.ptp(places, axis=0).max() == pytest.approx(1, abs=1e-5)


def test_the_same_rows_give_the_same_bytes(rows: Half, first: Path, tmp_path: Path) -> None:
    make(tmp_path / "again", rows, KEYS)
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (first / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


@pytest.mark.parametrize("engine", ["faiss", "numpy"])
def test_what_was_not_sampled_stands_at_its_neighbours_median(
    rows: Half, tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "numpy":
        monkeypatch.setitem(sys.modules, "faiss", None)
    found = make(tmp_path / "m", rows, KEYS, sample=150)
    anchors = np.load(tmp_path / "m" / "anchors.npy")
    places = np.load(tmp_path / "m" / "anchor_places.npy")
    assert len(anchors) == found.describe()["projected"] == 150
    assert found.describe()["cases"] == len(found) == 600
    axes = np.load(tmp_path / "m" / "components.npy").astype(np.float64)
    squares = ((directions(rows) @ axes)[:, None] - anchors[None]) ** 2
    nearest = np.argsort(squares.sum(axis=2), axis=1)
    sampled = squares.sum(axis=2).min(axis=1) < 1e-8
    assert sampled.sum() >= 150
    expected = np.median(places[nearest[:, :5]], axis=1)
    got = found.positions(KEYS)
    np.testing.assert_allclose(got[~sampled], expected[~sampled], atol=1e-5)
    np.testing.assert_allclose(got[sampled], places[nearest[sampled, 0]], atol=1e-5)
    assert trustworthiness(directions(rows), got, n_neighbors=10) > 0.85


def test_a_few_new_cases_move_no_other(rows: Half, first: Path, tmp_path: Path) -> None:
    more = np.concatenate([rows, rows[:50]])
    keys = np.concatenate([KEYS, KEYS[-1] + 1 + np.arange(50)])
    keys[[5, 6]] = -1
    old, now = MapIndex.open(first), make(tmp_path / "u", more, keys, previous=first)
    kept = KEYS[7:]
    np.testing.assert_array_equal(now.positions(kept), old.positions(kept))
    assert np.isnan(now.positions(KEYS[[5, 6]])).all()
    assert len(now) == 648
    # What is new stands among what is like it: each is the picture of another.
    apart = np.linalg.norm(now.positions(keys[600:]) - old.positions(KEYS[:50]), axis=1)
    assert np.median(apart) < 0.05
    third = make(tmp_path / "v", more, keys, previous=tmp_path / "u")
    np.testing.assert_array_equal(third.positions(keys[7:]), now.positions(keys[7:]))


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        (np.where(np.arange(600) % 4 == 0, -1, KEYS), {}),  # a quarter has gone
        (KEYS, {"space": "other"}),
        (KEYS, {"embeddings": "s-2.f16"}),
    ],
    ids=["much has gone", "another space", "another file"],
)
def test_a_map_of_something_else_is_made_anew(
    rows: Half, first: Path, tmp_path: Path, keys: NDArray[np.int64], options: dict[str, Any]
) -> None:
    (tmp_path / "m").mkdir()
    about: dict[str, Any] = {"space": "s", "embeddings": "s-1.f16"} | options
    cosine = Cosine(np.zeros(32, dtype=np.float32))
    build_map(rows, keys, tmp_path / "m", cosine=cosine, previous=first, **about)
    live = int(np.count_nonzero(keys >= 0))
    description = read_description(tmp_path / "m")
    assert (description.projected_live, description.space) == (live, about["space"])


def test_a_map_that_cannot_be_read_is_made_anew(rows: Half, first: Path, tmp_path: Path) -> None:
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "map.json").write_text("{")
    made = make(tmp_path / "m", rows, KEYS, previous=tmp_path / "torn")
    np.testing.assert_array_equal(made.positions(KEYS), MapIndex.open(first).positions(KEYS))


@settings(deadline=None)
@given(box=st.tuples(*[st.floats(-0.2, 1.2)] * 2, *[st.floats(0, 1.4)] * 2))
def test_an_area_holds_what_stands_in_it(
    first: Path, box: tuple[float, float, float, float]
) -> None:
    index = MapIndex.open(first)
    x, y, width, height = box
    expected = {
        int(key)
        for key, (px, py) in zip(KEYS, index.positions(KEYS).tolist(), strict=True)
        if x <= px <= x + width and y <= py <= y + height
    }
    found = index.within(box, int(KEYS[-1]) + 5)
    assert len(found) == KEYS[-1] + 5
    assert set(np.flatnonzero(found).tolist()) == expected


def test_some_are_a_fair_share_and_the_same_each_time(rows: Half, first: Path) -> None:
    index = MapIndex.open(first)
    assert index.some().tolist() == KEYS.tolist()
    few, more = index.some(50), index.some(200)
    assert len(few) == 50
    assert len(more) == 200
    assert set(few.tolist()) <= set(more.tolist())
    assert abs(np.mean(more) - np.mean(KEYS)) < 150  # neither the first nor the last of 1,800
    allowed = np.zeros(KEYS[-1] + 1, dtype=bool)
    allowed[KEYS[::2]] = True
    assert index.some(10_000, allowed).tolist() == KEYS[::2].tolist()
    assert set(index.some(50, allowed).tolist()) <= set(KEYS[::2].tolist())


@pytest.mark.parametrize(
    "odd",
    [
        np.ones((25, 8), np.float16),
        np.zeros((25, 8), np.float16),
        np.linspace(-1, 1, 25, dtype=np.float16)[:, None],
        clustered(20, 4),
    ],
    ids=["all alike", "no direction", "one dimension", "as few as can be"],
)
def test_odd_spaces_have_a_map_too(odd: Half, tmp_path: Path) -> None:
    found = make(tmp_path / "m", odd, np.arange(len(odd)))
    places = found.positions(np.arange(len(odd)))
    assert np.isfinite(places).all()
    assert places.min() >= 0
    assert places.max() <= 1
    assert np.isnan(found.positions([len(odd), -1])).all()
