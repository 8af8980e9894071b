"""Columns: masks, counts and order against plain Python over the same cases."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case, ImageSource, Value
from medclip_search.indexes.columns import Columns, build_columns, update_columns

IMAGE = ImageSource(Path("/images/a.png"))


def columns_of(folder: Path, cases: dict[int, Case]) -> Columns:
    folder.mkdir(parents=True, exist_ok=True)
    build_columns(cases.items(), folder)
    return Columns.open(folder)


def keys(mask: np.ndarray[Any, Any]) -> list[int]:
    return [int(key) for key in np.flatnonzero(mask)]


CASES = {
    2: Case("b", "roco", "A chest", IMAGE, "PMC1", "CC BY", "commercial", 2010, "CT", "chest"),
    3: Case("a", "roco", "", IMAGE, year=2015, modality="MR", keywords=("lung", "Lung", "node")),
    5: Case("Z", "own", "Foot", cuis=("C1", "C2"), metadata={"Age": 45, "year": "old", "Sex": "F"}),
    7: Case("é", "own", "A", IMAGE, year=2010, metadata={"Age": "7", "Sex": "f", "Cut": "x, a"}),
    8: Case("zz", "own", "B", metadata={"Age": 45.0, "Sex": "M", "Seen": True}),
}  # fmt: skip


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Columns:
    return columns_of(tmp_path_factory.mktemp("columns"), CASES)


def test_opened_columns_outlive_their_files(tmp_path: Path) -> None:
    def answers(opened: Columns) -> list[object]:
        masks = [opened.equals("modality", "CT"), opened.between("year", 2010, None)]
        masks += [opened.present("keyword"), opened.equals("Age", 45), opened.live]
        found: list[object] = [keys(mask) for mask in masks]
        for field in opened.fields():
            found += [opened.counts(field), opened.all_values(field, 3), opened.is_numeric(field)]
        return [*found, opened.order.tolist(), opened.cases]

    expected = answers(columns_of(tmp_path / "c", CASES))
    reader = Columns.open(tmp_path / "c")
    shutil.rmtree(tmp_path / "c")
    assert answers(reader) == expected


def test_order_is_by_code_points_and_holes_are_dead(columns: Columns) -> None:
    assert columns.size == 9
    assert keys(columns.live) == [2, 3, 5, 7, 8]
    assert sorted([2, 3, 5, 7, 8], key=lambda key: columns.order[key]) == [5, 3, 2, 8, 7]
    assert columns.cases == 5


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("modality", "ct", [2]),
        ("Modality", "CT", [2]),
        ("modality", "C", []),
        ("year", 2010, [2, 7]),
        ("year", "2010", [2, 7]),
        ("year", "2010.0", [2, 7]),
        ("metadata.year", "OLD", [5]),
        ("age", "45", [5, 8]),
        ("metadata.Age", 7, [7]),
        ("Sex", "F", [5, 7]),
        ("Cut", "X,  A", [7]),
        ("Seen", "true", [8]),
        ("keyword", "LUNG", [3]),
        ("cui", "c2", [5]),
        ("has_image", "no", [5, 8]),
        ("has_caption", True, [2, 5, 7, 8]),
        ("region", "foot", []),
        ("licence_class", "commercial", [2]),
    ],
)
def test_equals(columns: Columns, field: str, value: Value, expected: list[int]) -> None:
    assert keys(columns.equals(field, value)) == expected


def test_between_and_present(columns: Columns) -> None:
    assert keys(columns.between("year", 2011, None)) == [3]
    assert keys(columns.between("year", None, 2010)) == [2, 7]
    assert keys(columns.between("Age", 7, 44)) == [7]
    assert keys(columns.between("modality", 0, 9)) == []
    assert keys(columns.present("keyword")) == [3]
    assert keys(columns.present("Sex")) == [5, 7, 8]
    assert keys(columns.present("licence")) == [2]


def test_counts_most_frequent_first(columns: Columns) -> None:
    assert list(columns.counts("year").items()) == [(2010, 2), (2015, 1)]
    assert columns.counts("corpus") == {"own": 3, "roco": 2}
    assert columns.counts("keyword", columns.equals("modality", "MR")) == {
        "Lung": 1,
        "lung": 1,
        "node": 1,
    }
    assert columns.counts("corpus", columns.equals("year", 2010)) == {"own": 1, "roco": 1}


def test_values_of_a_case(columns: Columns) -> None:
    assert columns.value("Sex", 7) == "f"
    assert columns.value("Sex", 2) is None
    assert columns.all_values("cui", 5) == ["C1", "C2"]
    codes = columns.codes("modality")
    assert columns.decode("modality", int(codes[3])) == "MR"
    assert codes[5] == -1


def test_fields_and_those_unknown(columns: Columns) -> None:
    assert columns.fields()[len(columns.built_in) :] == [
        *("Age", "Cut", "Seen", "Sex", "metadata.year")
    ]
    assert columns.is_numeric("Age")
    assert not columns.is_numeric("Sex")
    with pytest.raises(KeyError):
        columns.equals("nothing", "x")


def test_pictures_without_captions(columns: Columns, tmp_path: Path) -> None:
    assert columns.captionless is not None
    assert keys(columns.captionless) == [3]
    assert columns_of(tmp_path, {1: CASES[2]}).captionless is None


def test_an_empty_library_has_its_fields(tmp_path: Path) -> None:
    columns = columns_of(tmp_path, {})
    assert columns.size == 0
    assert columns.counts("modality") == {}
    assert keys(columns.equals("year", "2010")) == []
    assert keys(columns.between("year", 1, 2)) == []
    assert keys(columns.present("cui")) == []
    assert columns.fields() == list(columns.built_in)


def test_more_cases_than_a_batch(tmp_path: Path) -> None:
    count = 70_000
    columns = columns_of(
        tmp_path,
        {k: Case(str(k), "c", metadata={"n": k % 40_000, "t": f"t{k}"}) for k in range(count)},
    )
    assert keys(columns.equals("n", 39_999)) == [39_999]
    assert keys(columns.equals("n", 7)) == [7, 40_007]
    assert keys(columns.equals("t", "T69999")) == [69_999]
    assert columns.order.tolist() == np.argsort(np.argsort([str(k) for k in range(count)])).tolist()


def test_nothing_but_the_columns_is_left(tmp_path: Path) -> None:
    columns_of(tmp_path, CASES)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


VALUES = st.one_of(
    st.sampled_from(["CT", "ct", "MR", "a,b", "10", "1e3", "é", "É", " x  y ", "nan", "\ud800"]),
    st.text(max_size=4),
    st.integers(-5, 5),
    st.floats(),
    st.booleans(),
    st.none(),
)


def folded(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = str(value).encode("utf-8", "replace").decode()
    return " ".join(text.replace("\0", " ").split()).casefold()


@settings(max_examples=150, deadline=None)
@given(
    rows=st.dictionaries(st.integers(0, 30), VALUES, min_size=1, max_size=20), low=st.floats(-5, 5)
)
def test_any_metadata(rows: dict[int, Value], low: float) -> None:
    cases = {key: Case(f"id{key}", metadata={"x": value}) for key, value in rows.items()}
    held = {key: value for key, value in rows.items() if value is not None and value != ""}
    with TemporaryDirectory() as folder:
        columns = columns_of(Path(folder), cases)
        if not held:
            assert "x" not in columns.fields()
            return
        assert keys(columns.present("x")) == sorted(held)
        flags = all(isinstance(value, bool) for value in held.values())
        for value in held.values():
            if flags or isinstance(value, bool):
                continue
            same = [key for key, other in held.items() if folded(other) == folded(value)]
            assert keys(columns.equals("x", value)) == sorted(same)
        counted = Counter(columns.counts("x").values())
        assert sum(n * c for n, c in counted.items()) == len(held)
        numbers = {}
        for key, value in held.items():
            try:
                number = math.nan if isinstance(value, bool) else float(value)
            except ValueError:
                continue
            if math.isfinite(number):
                numbers[key] = number
        assert keys(columns.between("x", low, None)) == sorted(
            k for k, n in numbers.items() if n >= low
        )


ANY_VALUE = st.one_of(
    st.sampled_from(["a", "A", "b", "é", "12", "x\0y", "a ", "\U0001f600", "\uffff"]),
    st.integers(-3, 3),
    st.sampled_from([0.5, 1.0, 45.0, float("nan")]),
    st.booleans(),
    st.none(),
)
ANY_CASE = st.builds(
    lambda caption, image, region, year, keywords, metadata: Case(
        "?", "roco", caption, image, region=region, year=year, keywords=keywords, metadata=metadata
    ),
    st.sampled_from(["", "A chest"]),
    st.sampled_from([None, IMAGE]),
    st.sampled_from([None, "chest", "Chest", "head"]),
    st.sampled_from([None, 1999, 2010]),
    st.lists(st.sampled_from(["lung", "Lung", "node", "a", "zz"]), max_size=3).map(tuple),
    st.dictionaries(st.sampled_from(["Age", "Sex", "corpus"]), ANY_VALUE, max_size=3),
)
ANY_CASES = st.dictionaries(st.integers(0, 12), ANY_CASE, max_size=8)


def with_ids(cases: dict[int, Case]) -> dict[int, Case]:
    """Each has the id that its key stands for, in another order than the keys."""
    return {
        key: replace(case, id="Zaßé0b"[key % 6] * (1 + key // 6)) for key, case in cases.items()
    }


@settings(max_examples=300, deadline=None)
@given(ANY_CASES, ANY_CASES, st.sets(st.integers(0, 12), max_size=6))
def test_an_update_is_the_same_as_reading_all_cases_again(
    before: dict[int, Case], more: dict[int, Case], removed: set[int]
) -> None:
    old, new = with_ids(before), with_ids(more)
    now = {key: case for key, case in (old | new).items() if key not in removed}
    changed = sorted({*new, *removed})
    with TemporaryDirectory() as temporary:
        folders = [Path(temporary) / name for name in ("before", "updated", "anew")]
        for folder in folders:
            folder.mkdir()
        build_columns(old.items(), folders[0])
        build_columns(sorted(now.items()), folders[2])
        fresh = {key: now[key] for key in changed if key in now}
        kept = {key: case.id for key, case in old.items() if key not in changed}
        update_columns(folders[0], folders[1], changed, fresh.items(), kept.__getitem__)
        for name in ("columns.json", "columns.bin"):
            assert (folders[1] / name).read_bytes() == (folders[2] / name).read_bytes()
