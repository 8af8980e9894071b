"""Recent searches: newest first, once each, bounded, and gone without a trace when forgotten."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.state import LOCAL_USER, PastSearch, State
from medclip_search.state.history import LONGEST_SEARCH, MOST_SEARCHES
from medclip_search.state.schema import APPLICATION_ID, STEPS

LIBRARY = "library-one"


def kept(state: State, library: str = LIBRARY) -> list[PastSearch]:
    return list(state.searches(LOCAL_USER, library))


def test_searches_come_back_newest_first_after_a_restart(tmp_path: Path) -> None:
    full = PastSearch(
        words=("Nodule", "spiculated"),
        not_words=("calcified",),
        cases=("a/1",),
        not_cases=("b",),
        where=('modality="CT","MR"', "year=2010..2015"),
        weights={"words": [2.0, 1.0], "image": [0.5]},
    )
    with State.open(tmp_path) as state:
        assert state.keep_search(LOCAL_USER, LIBRARY, PastSearch(words=("cyst",)))
        assert state.keep_search(LOCAL_USER, LIBRARY, full)
        assert state.keep_search(LOCAL_USER, "library-two", PastSearch(cases=("x",)))
    with State.open(tmp_path) as state:
        assert kept(state) == [full, PastSearch(words=("cyst",))]
        assert kept(state, "library-two") == [PastSearch(cases=("x",))]
        assert state.searches("somebody", LIBRARY) == ()


def test_what_asks_the_same_is_kept_once_as_asked_last(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        first = PastSearch(words=("Nodule",), where=("modality=CT",))
        last = PastSearch(words=("nodule",), where=("modality=MR",), weights={"words": [2.0]})
        for one in (first, PastSearch(words=("cyst",)), last):
            state.keep_search(LOCAL_USER, LIBRARY, one)
        assert kept(state) == [last, PastSearch(words=("cyst",))]
        state.keep_search(LOCAL_USER, LIBRARY, PastSearch(words=("nodule",), not_words=("cyst",)))
        assert len(kept(state)) == 3


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2 * MOST_SEARCHES), max_size=3 * MOST_SEARCHES))
def test_the_last_ones_are_kept_and_no_more(numbers: list[int]) -> None:
    with TemporaryDirectory() as folder, State.open(folder) as state:
        for number in numbers:
            state.keep_search(LOCAL_USER, LIBRARY, PastSearch(words=(f"word {number}",)))
        newest = list(dict.fromkeys(f"word {number}" for number in reversed(numbers)))
        assert [one.words[0] for one in kept(state)] == newest[:MOST_SEARCHES]


def test_nothing_and_what_is_too_long_is_not_kept(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        assert not state.keep_search(LOCAL_USER, LIBRARY, PastSearch())
        long = PastSearch(words=("w" * LONGEST_SEARCH,))
        assert not state.keep_search(LOCAL_USER, LIBRARY, long)
        assert kept(state) == []


def _bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def test_forgotten_searches_leave_no_byte(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.keep_search(LOCAL_USER, LIBRARY, PastSearch(words=("sesamoiditis",)))
        state.keep_search(LOCAL_USER, "library-two", PastSearch(words=("other",)))
        assert b"sesamoiditis" in _bytes(tmp_path)
        assert state.forget_searches(LOCAL_USER, LIBRARY) == 1
        assert b"sesamoiditis" not in _bytes(tmp_path)
        assert kept(state, "library-two")
        assert state.forget_searches(LOCAL_USER) == 1
        assert not kept(state, "library-two")


def test_one_may_have_none_kept(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        assert state.keeps_searches(LOCAL_USER)
        state.keep_search(LOCAL_USER, LIBRARY, PastSearch(words=("before",)))
        state.set_keep_searches(LOCAL_USER, False)
        assert kept(state) == []
        assert not state.keep_search(LOCAL_USER, LIBRARY, PastSearch(words=("while",)))
    with State.open(tmp_path) as state:
        assert not state.keeps_searches(LOCAL_USER)
        assert state.keeps_searches("somebody")
        state.set_keep_searches(LOCAL_USER, True)
        assert state.keep_search(LOCAL_USER, LIBRARY, PastSearch(words=("after",)))
        assert kept(state) == [PastSearch(words=("after",))]


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_database_gains_a_history(tmp_path: Path, version: int) -> None:
    with sqlite3.connect(tmp_path / "state.sqlite") as old:
        for step in STEPS[:version]:
            for statement in step:
                old.execute(statement)
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute(f"PRAGMA user_version = {version}")
        old.execute(
            "INSERT INTO feedback VALUES (?, ?, 'q', 'x', 1, '2026')", (LOCAL_USER, LIBRARY)
        )
    old.close()
    with State.open(tmp_path) as state:
        assert state.feedback(LOCAL_USER, LIBRARY, "q").likes == ("x",)
        assert state.keep_search(LOCAL_USER, LIBRARY, PastSearch(words=("cyst",)))
