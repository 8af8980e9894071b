"""The vector index answers as brute force does, whatever is dead, filtered, equal or missing."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medclip_search.errors import LibraryDamagedError
from medclip_search.indexes.vectors import Engine, VectorIndex, index
from medclip_search.indexes.vectors.faiss_ivf import IvfIndex, _choose
from medclip_search.indexes.vectors.files import IVF
from medclip_search.indexes.vectors.half import BEYOND, blocks
from tests.indexes.vector_cases import Flags, Half, Keys, build, clustered, oracle, recall

QUERIES = clustered(20, 64, seed=1).astype(np.float32)


@pytest.fixture(scope="module")
def rows() -> Half:
    return clustered(6000, 64)


@pytest.fixture(scope="module")
def keys(rows: Half) -> Keys:
    """Not the row numbers, and with gaps."""
    return np.random.default_rng(5).permutation(9000)[: len(rows)].astype(np.int64)


@pytest.fixture(scope="module", params=["raw", "centred"])
def centred(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "centred")


@pytest.fixture(scope="module")
def exact(
    rows: Half, keys: Keys, centred: bool, tmp_path_factory: pytest.TempPathFactory
) -> VectorIndex:
    return build(tmp_path_factory.mktemp("exact") / "i", rows, keys, centred=centred)


@pytest.fixture(scope="module")
def faiss(
    rows: Half, keys: Keys, centred: bool, tmp_path_factory: pytest.TempPathFactory
) -> VectorIndex:
    folder = tmp_path_factory.mktemp("faiss") / "i"
    return build(folder, rows, keys, centred=centred, engine="faiss")


def masks(keys: Keys, rows: Half) -> dict[str, Flags]:
    """By case key: at random, and one side of the space only."""
    rng = np.random.default_rng(7)
    sided = np.zeros(9000, dtype=np.bool_)
    sided[keys[rows[:, 0] > np.quantile(rows[:, 0], 0.8)]] = True
    return {"half": rng.random(9000) < 0.5, "fifth": rng.random(9000) < 0.2, "sided": sided}


@pytest.mark.parametrize("k", [1, 10, 300])
def test_exact_scan_is_brute_force(
    exact: VectorIndex, rows: Half, keys: Keys, centred: bool, k: int
) -> None:
    for query in QUERIES:
        truth, cosines = oracle(rows, keys, query, k, centred=centred)
        found, scores = exact.search(query, k)
        assert found.tolist() == truth
        np.testing.assert_allclose(scores, cosines, atol=2e-7)


@pytest.mark.parametrize("name", ["half", "fifth", "sided"])
def test_exact_scan_filters(
    exact: VectorIndex, rows: Half, keys: Keys, centred: bool, name: str
) -> None:
    allowed = masks(keys, rows)[name]
    for query in QUERIES[:5]:
        truth, _ = oracle(rows, keys, query, 10, allowed, centred=centred)
        assert exact.search(query, 10, allowed)[0].tolist() == truth


@pytest.mark.parametrize("name", ["none", "half", "fifth", "sided"])
def test_faiss_finds_what_the_scan_finds(
    exact: VectorIndex,
    faiss: VectorIndex,
    rows: Half,
    keys: Keys,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index, "MATCHING_VALUES", 0)
    allowed = masks(keys, rows).get(name)
    assert faiss.describe()["engine"] == "faiss"
    shares = []
    for query in QUERIES:
        truth, scores = exact.search(query, 10, allowed)
        found, found_scores = faiss.search(query, 10, allowed)
        assert len(found) == 10
        assert allowed is None or allowed[found].all()
        np.testing.assert_array_equal(found_scores, faiss.score(query, found))
        np.testing.assert_array_equal(exact.score(query, found), found_scores)
        assert (np.diff(found_scores) <= 0).all()
        shares.append(recall(found, truth.tolist()))
        if shares[-1] == 1:
            np.testing.assert_array_equal(found, truth)
            np.testing.assert_array_equal(found_scores, scores)
    assert np.mean(shares) >= 0.98


@pytest.mark.parametrize("engine", ["exact", "faiss"])
def test_dead_rows_are_never_found(rows: Half, keys: Keys, engine: Engine, tmp_path: Path) -> None:
    some = keys.copy()
    some[::3] = -1
    opened = build(tmp_path / "i", rows, some, engine=engine)
    assert opened.size == 4000
    for query in QUERIES[:5]:
        assert opened.search(query, 10)[0].tolist() == oracle(rows, some, query, 10)[0]
    assert np.isnan(opened.score(QUERIES[0], keys[::3])).all()
    assert np.isfinite(opened.score(QUERIES[0], keys[1::3])).all()
    assert opened.vector(int(keys[0])) is None


@pytest.mark.parametrize("engine", ["exact", "faiss"])
@pytest.mark.parametrize("centred", [False, True])
def test_zero_and_broken_rows_break_nothing(engine: Engine, centred: bool, tmp_path: Path) -> None:
    rows = clustered(500, 64)
    rows[3], rows[4, 7], rows[5, 0], rows[6, 1] = 0, np.nan, np.inf, -np.inf
    rows[8], rows[9] = 65504, np.finfo(np.float16).smallest_subnormal
    keys = np.arange(500, dtype=np.int64)
    opened = build(tmp_path / "i", rows, engine=engine, centred=centred)
    assert opened.size == 497
    found = np.isfinite(opened.score(QUERIES[0], np.arange(3, 8)))
    assert found.tolist() == [True, False, False, False, True]
    truth, cosines = oracle(rows, keys, QUERIES[0], 500, centred=centred)
    found, scores = opened.search(QUERIES[0], 500)
    assert len(found) == 497
    assert set(found.tolist()) == set(truth)
    np.testing.assert_allclose(scores, cosines, atol=1e-6)


@pytest.mark.parametrize("count", [5, 900, 5000])
def test_typical_is_the_mean_cosine(count: int, tmp_path: Path) -> None:
    rows = clustered(count, 16)
    keys = np.arange(count)
    keys[1] = -1  # a row that died
    opened = build(tmp_path / "i", rows, keys, centred=False)
    for query in clustered(4, 16, seed=5).astype(np.float32):
        scores = oracle(rows, keys, query, count, centred=False)[1]
        assert opened.typical(query) == pytest.approx(
            scores.mean(), abs=0.02 if count > 1024 else 1e-6
        )
    centred = build(tmp_path / "c", rows)
    assert centred.typical(rows[0].astype(np.float32)) == 0


def test_zero_row_scores_zero(tmp_path: Path) -> None:
    rows = clustered(5, 8)
    rows[2] = 0
    opened = build(tmp_path / "i", rows, centred=False)
    assert opened.score(np.ones(8, dtype=np.float32), [2])[0] == 0


@pytest.mark.parametrize("engine", ["exact", "faiss"])
def test_query_without_a_direction(rows: Half, engine: Engine, tmp_path: Path) -> None:
    opened = build(tmp_path / "i", rows[:600], engine=engine, centred=False)
    found, scores = opened.search(np.zeros(64, dtype=np.float32), 4)
    assert found.tolist() == [0, 1, 2, 3]
    assert not scores.any()
    broken = np.full(64, np.nan, dtype=np.float32)
    assert len(opened.search(broken, 4)[0]) == 0
    assert np.isnan(opened.score(broken, [1, 2])).all()


@pytest.mark.parametrize("engine", ["exact", "faiss"])
def test_one_centred_row_is_still_found(engine: Engine, tmp_path: Path) -> None:
    rows = clustered(1, 16)
    opened = build(tmp_path / "i", rows, np.array([5]), engine=engine)
    found, scores = opened.search(rows[0].astype(np.float32), 10)
    assert (found.tolist(), scores.tolist()) == ([5], [0.0])


@pytest.mark.parametrize("engine", ["auto", "faiss"])
@pytest.mark.parametrize("count", [0, 3])
def test_nothing_live(count: int, engine: Engine, tmp_path: Path) -> None:
    rows = clustered(count, 16)
    opened = build(tmp_path / "i", rows, np.full(count, -1), engine=engine)
    assert opened.size == 0
    assert len(opened.search(np.ones(16), 10)[0]) == 0
    assert len(opened.search(np.ones(16), 10, np.zeros(0, dtype=np.bool_))[0]) == 0
    assert opened.vector(0) is None


@pytest.mark.parametrize("engine", ["exact", "faiss"])
def test_equal_scores_are_ordered_by_key(engine: Engine, tmp_path: Path) -> None:
    """Copies of one picture, more than fit, lie anywhere among others."""
    rows = clustered(3000, 64)
    rng = np.random.default_rng(3)
    copies = np.sort(rng.choice(3000, 100, replace=False))
    rows[copies] = rows[copies[0]]
    keys = rng.permutation(3000).astype(np.int64)
    opened = build(tmp_path / "i", rows, keys, engine=engine)
    found, scores = opened.search(rows[copies[0]].astype(np.float32), 30)
    assert len(set(scores.tolist())) == 1
    assert found.tolist() == np.sort(keys[copies])[:30].tolist()


@pytest.mark.parametrize("engine", ["exact", "faiss"])
def test_asking_for_more_than_there_is(rows: Half, engine: Engine, tmp_path: Path) -> None:
    opened = build(tmp_path / "i", rows[:700], engine=engine)
    assert sorted(opened.search(QUERIES[0], 10_000)[0].tolist()) == list(range(700))
    few = np.zeros(700, dtype=np.bool_)
    few[[3, 600]] = True
    assert sorted(opened.search(QUERIES[0], 10, few)[0].tolist()) == [3, 600]
    assert len(opened.search(QUERIES[0], 10, np.zeros(700, dtype=np.bool_))[0]) == 0
    assert len(opened.search(QUERIES[0], 0)[0]) == 0


def test_cosines_between_cases(exact: VectorIndex, rows: Half, keys: Keys) -> None:
    a, b = keys[:3], np.concatenate([keys[5:800], [-1, 8_999_999], keys[1:2]])
    found = exact.pairwise(a, b)
    assert found.shape == (3, 798)
    assert np.isnan(found[:, 795:797]).all()
    for row, key in enumerate(a):
        raw = exact.vector(int(key))
        assert raw is not None
        np.testing.assert_array_equal(raw, rows[row].astype(np.float32))
        np.testing.assert_allclose(found[row], exact.score(raw, b), atol=2e-7)
    assert found[1, -1] == pytest.approx(1)
    assert exact.pairwise(a, []).shape == (3, 0)
    assert np.isnan(exact.pairwise([-5], a)).all()


def test_wrong_dimension_is_a_mistake_of_the_caller(exact: VectorIndex) -> None:
    with pytest.raises(ValueError, match="64 numbers"):
        exact.search(np.ones(65), 3)


@pytest.mark.parametrize("engine", ["exact", "faiss"])
def test_building_twice_gives_the_same_bytes(
    rows: Half, keys: Keys, engine: Engine, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        build(tmp_path / name, rows, keys, engine=engine)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert ("ivf.faiss" in files) == (engine == "faiss")
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_scores_do_not_depend_on_the_order_of_rows(rows: Half, tmp_path: Path) -> None:
    """A build that was interrupted may have its rows in another order."""
    order = np.random.default_rng(2).permutation(len(rows))
    first = build(tmp_path / "a", rows)
    second = build(tmp_path / "b", rows[order], order.astype(np.int64))
    for query in QUERIES[:5]:
        for one, other in zip(first.search(query, 50), second.search(query, 50), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("engine", ["exact", "faiss"])
def test_an_opened_index_outlives_its_files(rows: Half, engine: Engine, tmp_path: Path) -> None:
    """A writer that purges old generations takes nothing from a reader."""
    build(tmp_path / "old", rows[:5900], engine=engine)
    keys = np.arange(6000)
    keys[::9] = -1  # some of what is in the lists is dead
    last = build(tmp_path / "i", rows, keys, engine=engine, previous=tmp_path / "old")
    allowed = keys % 2 == 0

    def answers(opened: VectorIndex) -> list[object]:
        found = [opened.search(query, 10, mask) for query in QUERIES for mask in (None, allowed)]
        return [[array.tolist() for array in pair] for pair in found] + [
            opened.describe(),
            np.nan_to_num(opened.pairwise([1, 2, 5999], keys)).tolist(),
            opened.score(QUERIES[0], keys[1:9]).tolist(),
        ]

    reader, expected = VectorIndex.open(tmp_path / "i", rows), answers(last)
    assert reader.describe()["engine"] == engine
    shutil.rmtree(tmp_path / "old")
    shutil.rmtree(tmp_path / "i")
    assert answers(reader) == expected


def test_searching_in_threads(faiss: VectorIndex) -> None:
    alone = [faiss.search(query, 10)[0].tolist() for query in QUERIES]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: faiss.search(query, 10)[0].tolist(), [*QUERIES] * 10))
    assert found == alone * 10


def test_automatic_engine_follows_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clustered(600, 64)
    assert build(tmp_path / "small", rows, engine="auto").describe()["engine"] == "exact"
    from medclip_search.indexes.vectors import building

    monkeypatch.setattr(building, "EXACT_VALUES", 599 * 64)
    assert build(tmp_path / "large", rows, engine="auto").describe()["engine"] == "faiss"
    dead = np.arange(600)
    dead[0] = -1
    assert build(tmp_path / "dead", rows, dead, engine="auto").describe()["engine"] == "exact"


def test_without_faiss_numpy_answers(
    rows: Half, keys: Keys, faiss: VectorIndex, exact: VectorIndex, tmp_path: Path, centred: bool
) -> None:
    """An index built with FAISS, opened where FAISS cannot be imported; and one built there."""
    build(tmp_path / "i", rows, keys, engine="faiss", centred=centred)
    rows.tofile(tmp_path / "rows")
    np.save(tmp_path / "queries", QUERIES)
    np.save(tmp_path / "keys", keys)
    allowed = masks(keys, rows)["half"]
    np.save(tmp_path / "allowed", allowed)
    program = """
import json, sys
sys.modules["faiss"] = None
import numpy as np
from pathlib import Path
from medclip_search.encoders.base import Space
from medclip_search.indexes.vectors import VectorIndex, build_vector_index, building
here = Path(sys.argv[1])
rows = np.memmap(here / "rows", dtype=np.float16, mode="r").reshape(-1, 64)
queries, allowed = np.load(here / "queries.npy"), np.load(here / "allowed.npy")
building.EXACT_VALUES = 0
(here / "made").mkdir()
space = Space("synthetic", 64, centred=sys.argv[2] == "True")
keys = np.load(here / "keys.npy")
build_vector_index(rows, keys, here / "made", space=space, previous=here / "i")
found = [VectorIndex.open(here / name, rows) for name in ("i", "made")]
assert all(one.describe()["engine"] == "exact" for one in found)
answers = [[[a.tolist() for a in one.search(query, 10, mask)]
            for query in queries for mask in (None, allowed)] for one in found]
assert answers[0] == answers[1]
print(json.dumps(answers[0]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), str(centred)],
        capture_output=True,
        text=True,
        check=True,
    )
    answers = iter(json.loads(done.stdout))
    shares = []
    for query in QUERIES:
        for mask in (None, allowed):
            found, scores = next(answers)
            expected = exact.search(query, 10, mask)
            assert found == expected[0].tolist()
            assert scores == expected[1].tolist()
            shares.append(recall(faiss.search(query, 10, mask)[0], found))
    assert np.mean(shares) >= 0.98


@pytest.mark.parametrize("name", ["index.json", "mean.npy", "keys.npy", "rows.npy", "ivf.faiss"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_damaged_files_are_one_line(rows: Half, name: str, damage: str, tmp_path: Path) -> None:
    build(tmp_path / "i", rows[:600], engine="faiss")
    path = tmp_path / "i" / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(LibraryDamagedError, match="run medclip-search verify") as raised:
        VectorIndex.open(tmp_path / "i", rows[:600])
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_other_rows_are_refused(rows: Half, tmp_path: Path) -> None:
    build(tmp_path / "i", rows[:600])
    with pytest.raises(LibraryDamagedError, match="600 × 64 rows"):
        VectorIndex.open(tmp_path / "i", rows[:599])


def test_every_float16_is_widened_exactly() -> None:
    every = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(-1, 32)
    wide = np.concatenate([block.copy() for _, block in blocks(every)])
    numbers = np.isfinite(every)
    np.testing.assert_array_equal(wide[numbers], every[numbers].astype(np.float32))
    assert (np.abs(wide[~numbers]) >= BEYOND).all()
    assert (np.abs(wide[numbers]) < BEYOND).all()


def test_lists_far_from_the_query_are_scanned_where_only_they_match() -> None:
    """Of 2,000 lists only the last ten hold what may be found; empty ones cost no probe."""
    matches = np.zeros(2000, dtype=np.int64)
    matches[-10:] = 50
    assert np.flatnonzero(_choose(matches, live=1_000_000, probes=128)).tolist() == list(
        range(1990, 2000)
    )
    even = _choose(np.full(2000, 25), live=1_000_000, probes=128)  # one row in twenty matches
    assert 128 * 4 < even.sum() < 128 * 5
    assert even[: even.sum()].all()


@st.composite
def libraries(draw: st.DrawFn) -> tuple[Half, Keys, Flags | None, int]:
    """Few small rows, many of them equal; keys in any order, some dead; a filter or none."""
    count, dimension = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    value = st.sampled_from([-2.0, -1.0, 0.0, 1.0, 3.0])
    cells = st.lists(value, min_size=count * dimension, max_size=count * dimension)
    rows = np.array(draw(cells), dtype=np.float16).reshape(count, dimension)
    keys = np.array(draw(st.lists(st.integers(0, 30), min_size=count, max_size=count, unique=True)))
    keys[draw(st.lists(st.integers(0, count - 1), max_size=count))] = -1
    flags = st.lists(st.booleans(), min_size=31, max_size=31).map(np.array)
    return rows, keys, draw(st.none() | flags), draw(st.integers(0, 14))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(library=libraries(), centred=st.booleans())
def test_any_keys_and_masks(
    library: tuple[Half, Keys, Flags | None, int],
    centred: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rows, keys, allowed, k = library
    opened = build(tmp_path_factory.mktemp("any") / "i", rows, keys, centred=centred)
    query = np.arange(1, rows.shape[1] + 1, dtype=np.float32)
    found, scores = opened.search(query, k, allowed)
    wanted = {int(key) for key in keys if key >= 0 and (allowed is None or allowed[key])}
    assert len(found) == len(set(found.tolist())) == min(k, len(wanted))
    assert set(found.tolist()) <= wanted
    np.testing.assert_allclose(
        scores, oracle(rows, keys, query, k, allowed, centred=centred)[1], atol=1e-5
    )
    pairs = list(zip((-scores).tolist(), found.tolist(), strict=True))
    assert pairs == sorted(pairs)
    every = np.arange(-1, 40)
    known = np.isfinite(opened.score(query, every))
    np.testing.assert_array_equal(known, np.isin(every, keys[keys >= 0]))
    every = every[known]
    np.testing.assert_array_equal(opened.score(query, found), scores)
    assert np.isfinite(opened.pairwise(every, every)).all()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no file that is always full")
def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    rows = clustered(2000, 64)
    build(tmp_path / "index", rows, engine="faiss")
    index = IvfIndex.read(tmp_path / "index" / IVF, mapped=False)
    with pytest.raises(OSError, match="No space left") as told:
        index.write(Path("/dev/full"))
    assert told.value.errno == errno.ENOSPC
