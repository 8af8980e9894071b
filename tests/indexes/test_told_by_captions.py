"""Captions teach a centred space which of its directions matter; rows and old indexes stay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from medclip_search.indexes.vectors import Engine, VectorIndex, index, is_taught_by
from tests.indexes.vector_cases import Half, build, recall, unit

COUNT = 3000
TOPICS = ("nodule", "fracture", "effusion", "cyst", "stone", "abscess", "mass", "polyp")


@pytest.fixture(scope="module")
def topics() -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(len(TOPICS), size=COUNT)


@pytest.fixture(scope="module")
def rows(topics: NDArray[np.int64]) -> Half:
    """The topic is told by quiet features, among loud ones that tell nothing."""
    rng = np.random.default_rng(1)
    quiet = rng.standard_normal((len(TOPICS), 16))[topics] + rng.standard_normal((COUNT, 16))
    loud = 3 * rng.standard_normal((COUNT, 48))
    found: Half = (5 + np.hstack([quiet, loud])).astype(np.float16)
    return found


@pytest.fixture(scope="module")
def captions(topics: NDArray[np.int64]) -> list[tuple[int, str]]:
    return [(key, f"A {TOPICS[topic]} of case {key}") for key, topic in enumerate(topics)]


@pytest.fixture(scope="module", params=["exact", "faiss"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return "exact" if request.param == "exact" else "faiss"


@pytest.fixture(scope="module")
def folder(
    rows: Half,
    captions: list[tuple[int, str]],
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Taught by the captions of the first two thirds: the rest may ask."""
    found = tmp_path_factory.mktemp("taught") / "i"
    build(found, rows, captions=captions[:2000], engine=engine)
    return found


def asking(rows: Half) -> NDArray[np.float32]:
    return rows[2000::20].astype(np.float32)


def of_one_topic(opened: VectorIndex, rows: Half, topics: NDArray[np.int64]) -> float:
    """The share of answers, taught ones left out, that are of the query's topic."""
    shares = []
    allowed = np.arange(COUNT) >= 2000
    for place, query in enumerate(asking(rows)):
        found, _ = opened.search(query, 11, allowed)
        shares.append(float(np.mean(topics[found[1:]] == topics[2000 + 20 * place])))
    return float(np.mean(shares))


def stretched(folder: Path, rows: Half) -> NDArray[np.float64]:
    """What rows are compared by, written out from the definition."""
    wide = rows.astype(np.float64)
    axes, gains = np.load(folder / "axes.npy"), np.load(folder / "gains.npy")
    matrix = np.eye(wide.shape[1]) + (axes * (np.sqrt(1.0 + gains) - 1)) @ axes.T
    return unit((wide - wide.mean(axis=0)) @ matrix)


def test_pictures_without_captions_are_told_apart_better(
    folder: Path, rows: Half, topics: NDArray[np.int64], tmp_path: Path
) -> None:
    plain = of_one_topic(build(tmp_path / "i", rows), rows, topics)
    assert of_one_topic(VectorIndex.open(folder, rows), rows, topics) > plain + 0.1


def test_half_of_the_likeness_is_what_captions_tell(folder: Path, rows: Half) -> None:
    axes, gains = np.load(folder / "axes.npy"), np.load(folder / "gains.npy")
    np.testing.assert_allclose(axes.T @ axes, np.eye(len(gains)), atol=1e-5)
    assert (gains >= 0).all()
    wide = rows[:2000].astype(np.float64)
    directions = unit(wide - rows.astype(np.float64).mean(axis=0))
    gained = ((directions @ axes) ** 2 @ gains).mean()
    assert gained == pytest.approx(1, abs=1e-3)


def test_answers_are_those_of_brute_force(
    folder: Path, rows: Half, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "MATCHING_VALUES", 0)
    opened = VectorIndex.open(folder, rows)
    every = stretched(folder, rows)
    for allowed in (None, np.arange(COUNT) % 3 == 0):
        shares = []
        for place in range(2000, COUNT, 50):
            cosines = every @ every[place]
            passing = cosines if allowed is None else np.where(allowed, cosines, -2)
            found, scores = opened.search(rows[place].astype(np.float32), 10, allowed)
            np.testing.assert_allclose(scores, cosines[found], atol=3e-7)
            shares.append(recall(found, np.argsort(-passing)[:10].tolist()))
        assert np.mean(shares) >= 0.98


def test_all_ways_of_scoring_agree(folder: Path, rows: Half) -> None:
    opened = VectorIndex.open(folder, rows)
    keys = np.arange(0, COUNT, 40)
    pairs = opened.pairwise(keys[:5], keys)
    for key, row in zip(keys, pairs, strict=False):
        np.testing.assert_allclose(row, opened.score(rows[key].astype(np.float32), keys), atol=2e-7)
    assert (np.abs(pairs) <= 1).all()


def test_it_is_told_and_no_row_is_changed(folder: Path, rows: Half) -> None:
    opened = VectorIndex.open(folder, rows)
    about = opened.describe()
    assert about["taught_by_captions"] == 2000
    assert 0 < about["stretched_along"] <= 64
    vector = opened.vector(7)
    assert vector is not None
    np.testing.assert_array_equal(vector, rows[7].astype(np.float32))


def test_same_captions_same_bytes_whatever_their_order(
    folder: Path, rows: Half, captions: list[tuple[int, str]], engine: Engine, tmp_path: Path
) -> None:
    again = tmp_path / "i"
    build(again, rows, captions=reversed(captions[:2000]), engine=engine)
    for path in folder.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


@pytest.mark.parametrize("lack", ["captions", "sense", "centring"])
def test_where_nothing_can_be_learnt_all_is_as_before(
    rows: Half, captions: list[tuple[int, str]], lack: str, tmp_path: Path
) -> None:
    told = captions[:499] if lack == "captions" else captions[:2000]
    if lack == "sense":
        words = np.random.default_rng(2).permutation([caption for _, caption in told])
        told = [(key, str(word)) for (key, _), word in zip(told, words, strict=True)]
    centred = lack != "centring"
    taught = build(tmp_path / "taught", rows, captions=told, centred=centred)
    plain = build(tmp_path / "plain", rows, centred=centred)
    assert "stretched_along" not in taught.describe()
    for query in asking(rows)[:10]:
        for one, other in zip(taught.search(query, 10), plain.search(query, 10), strict=True):
            np.testing.assert_array_equal(one, other)


def test_many_pictures_of_few_captions_are_few_captions(rows: Half, tmp_path: Path) -> None:
    told = [(key, f"figure {key % 400}") for key in range(COUNT)]
    assert "stretched_along" not in build(tmp_path / "i", rows, captions=told).describe()


def test_captions_of_dead_rows_do_not_teach(
    rows: Half, captions: list[tuple[int, str]], tmp_path: Path
) -> None:
    keys = np.arange(COUNT)
    keys[600:] = -1
    about = build(tmp_path / "i", rows, keys, captions=captions).describe()
    assert about["taught_by_captions"] == 600


def test_a_change_of_captions_is_noticed(
    folder: Path, captions: list[tuple[int, str]], rows: Half, tmp_path: Path
) -> None:
    told = captions[:2000]
    assert is_taught_by(folder, told)
    assert not is_taught_by(folder, [*told[:-1], (1999, "Something else")])
    assert not is_taught_by(folder, captions)
    assert not is_taught_by(folder, [])
    build(tmp_path / "plain", rows)
    assert is_taught_by(tmp_path / "plain", told[:100])
    assert not is_taught_by(tmp_path / "plain", told)


def fitted(folder: Path) -> int:
    return int(json.loads((folder / "index.json").read_text())["fitted"])


def test_lists_are_kept_while_the_directions_stay(
    rows: Half, captions: list[tuple[int, str]], tmp_path: Path
) -> None:
    """Few more captions turn little; other words turn much: the lists are then made anew."""
    build(tmp_path / "a", rows[:2900], captions=captions[:2900], engine="faiss")
    build(tmp_path / "b", rows, captions=captions, engine="faiss", previous=tmp_path / "a")
    assert fitted(tmp_path / "b") == 2900
    opened, every = VectorIndex.open(tmp_path / "b", rows), stretched(tmp_path / "b", rows)
    shares = []
    for place in range(0, COUNT, 50):
        found, scores = opened.search(rows[place].astype(np.float32), 10)
        np.testing.assert_allclose(scores, every[found] @ every[place], atol=3e-7)
        shares.append(recall(found, np.argsort(-every @ every[place])[:10].tolist()))
    assert np.mean(shares) >= 0.98
    build(tmp_path / "c", rows, engine="faiss", previous=tmp_path / "b")
    assert fitted(tmp_path / "c") == COUNT


def test_an_index_from_before_is_read(rows: Half, tmp_path: Path) -> None:
    """Its lengths are single precision, and nothing is said of axes and captions."""
    plain = build(tmp_path / "i", rows)
    expected = [plain.search(query, 5) for query in asking(rows)]
    path = tmp_path / "i" / "index.json"
    said = json.loads(path.read_text())
    for name in ("axes", "coded_axes", "captions", "taught"):
        del said[name]
    path.write_text(json.dumps(said))
    lengths = np.load(tmp_path / "i" / "inverse_lengths.npy").astype(np.float32)
    np.save(tmp_path / "i" / "inverse_lengths.npy", lengths)
    opened = VectorIndex.open(tmp_path / "i", rows)
    for query, (keys, scores) in zip(asking(rows), expected, strict=True):
        found = opened.search(query, 5)
        assert found[0].tolist() == keys.tolist()
        np.testing.assert_allclose(found[1], scores, atol=1e-6)
