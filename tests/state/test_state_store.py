"""Trays and feedback: kept, ordered, apart from each other, and shared safely."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.errors import StateError
from medclip_search.state import LOCAL_USER, Feedback, State
from medclip_search.state.database import default_folder
from medclip_search.state.schema import VERSION

LIBRARY = "library-one"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path / "state") as opened:
        yield opened


def ids(state: State, user: str = LOCAL_USER, library: str = LIBRARY) -> list[str]:
    return [entry.case_id for entry in state.tray(user, library)]


def test_tray_keeps_the_order_of_adding_across_a_restart(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        for case_id in ("c", "a", "b"):
            assert state.add_to_tray(LOCAL_USER, LIBRARY, case_id)
        assert not state.add_to_tray(LOCAL_USER, LIBRARY, "a")
    with State.open(tmp_path) as state:
        assert ids(state) == ["c", "a", "b"]
        entries = state.tray(LOCAL_USER, LIBRARY)
        assert [e.added for e in entries] == sorted(e.added for e in entries)
        assert all(e.added.tzinfo is not None for e in entries)
        assert state.remove_from_tray(LOCAL_USER, LIBRARY, "b")
        assert not state.remove_from_tray(LOCAL_USER, LIBRARY, "b")
        state.add_to_tray(LOCAL_USER, LIBRARY, "b")
        state.remove_from_tray(LOCAL_USER, LIBRARY, "c")
        state.add_to_tray(LOCAL_USER, LIBRARY, "c")
        assert ids(state) == ["a", "b", "c"]


def test_users_libraries_and_trays_are_apart(state: State) -> None:
    state.add_to_tray("ada", LIBRARY, "1")
    state.add_to_tray("bob", LIBRARY, "2")
    state.add_to_tray("ada", "library-two", "3")
    state.add_to_tray("ada", LIBRARY, "4", name="Teaching, Ümläute & 中文")
    assert ids(state, "ada") == ["1"]
    assert ids(state, "bob") == ["2"]
    assert ids(state, "ada", "library-two") == ["3"]
    assert state.trays("ada", LIBRARY) == {"Favourites": 1, "Teaching, Ümläute & 中文": 1}
    assert state.delete_tray("ada", LIBRARY, "Favourites")
    assert not state.delete_tray("ada", LIBRARY, "Favourites")
    assert [e.case_id for e in state.tray("ada", LIBRARY, "Favourites")] == []
    assert [e.case_id for e in state.tray("ada", LIBRARY, "Teaching, Ümläute & 中文")] == ["4"]


def test_feedback_is_by_query_and_can_be_taken_back(state: State) -> None:
    state.give_feedback(LOCAL_USER, LIBRARY, "q1", "x", True)
    state.give_feedback(LOCAL_USER, LIBRARY, "q1", "y", False)
    state.give_feedback(LOCAL_USER, LIBRARY, "q2", "x", False)
    assert state.feedback(LOCAL_USER, LIBRARY, "q1") == Feedback(likes=("x",), dislikes=("y",))
    state.give_feedback(LOCAL_USER, LIBRARY, "q1", "x", False)
    assert state.feedback(LOCAL_USER, LIBRARY, "q1") == Feedback(dislikes=("y", "x"))
    state.give_feedback(LOCAL_USER, LIBRARY, "q1", "y", None)
    assert state.feedback(LOCAL_USER, LIBRARY, "q1") == Feedback(dislikes=("x",))
    state.clear_feedback(LOCAL_USER, LIBRARY, "q1")
    assert not state.feedback(LOCAL_USER, LIBRARY, "q1")
    assert state.feedback(LOCAL_USER, LIBRARY, "q2").dislikes == ("x",)


def test_a_judgement_is_taken_back_and_no_other(state: State) -> None:
    where = (LOCAL_USER, LIBRARY, "q")
    first = state.give_feedback(*where, "x", True)
    state.give_feedback(*where, "y", False)
    turned = state.give_feedback(*where, "x", False)
    state.take_back(*where, [first])  # judged otherwise since
    assert state.feedback(*where) == Feedback(dislikes=("y", "x"))
    state.take_back(*where, [turned])
    assert state.feedback(*where) == Feedback(likes=("x",), dislikes=("y",))
    state.give_feedback(*where, "z", True)
    gone = state.clear_feedback(*where)
    state.give_feedback(*where, "z", False)
    state.give_feedback(*where, "new", True)
    state.take_back(*where, gone)
    assert set(state.feedback(*where).likes) == {"x", "new"}
    assert set(state.feedback(*where).dislikes) == {"y", "z"}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.text(st.characters(exclude_categories=["Cs"]), max_size=4))
    )
)
def test_a_tray_is_an_ordered_set(steps: list[tuple[bool, str]]) -> None:
    expected: dict[str, None] = {}
    with TemporaryDirectory() as folder, State.open(folder) as state:
        for add, case_id in steps:
            if add:
                assert state.add_to_tray(LOCAL_USER, LIBRARY, case_id) == (case_id not in expected)
                expected.setdefault(case_id)
            else:
                assert bool(state.remove_from_tray(LOCAL_USER, LIBRARY, case_id)) == (
                    case_id in expected
                )
                expected.pop(case_id, None)
            assert ids(state) == list(expected)


def test_many_threads_share_one_state(state: State) -> None:
    def work(n: int) -> None:
        for i in range(20):
            state.add_to_tray(LOCAL_USER, LIBRARY, f"{n}-{i}")
            state.give_feedback(LOCAL_USER, LIBRARY, "q", f"{n}-{i}", bool(i % 2))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids(state)) == sorted(f"{n}-{i}" for n in range(8) for i in range(20))
    assert len(state.feedback(LOCAL_USER, LIBRARY, "q").likes) == 80


def _write(folder: Path, n: int) -> None:
    with State.open(folder) as state:
        for i in range(20):
            state.add_to_tray(LOCAL_USER, LIBRARY, f"{n}-{i}")


def test_several_processes_make_and_write_one_database(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(tmp_path / "new", n)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    with State.open(tmp_path / "new") as state:
        assert sorted(ids(state)) == sorted(f"{n}-{i}" for n in range(4) for i in range(20))


def test_a_newer_database_is_refused_in_one_line_and_left_alone(tmp_path: Path) -> None:
    State.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "state.sqlite") as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    with pytest.raises(StateError, match="newer medclip-search") as caught:
        State.open(tmp_path)
    assert "\n" not in str(caught.value)
    database = sqlite3.connect(tmp_path / "state.sqlite")
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
    database.close()


@pytest.mark.parametrize("content", [b"not a database at all, but long enough" * 40, b"S" * 4096])
def test_a_damaged_database_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.sqlite").write_bytes(content)
    with pytest.raises(StateError, match="MEDCLIP_STATE"):
        State.open(tmp_path)
    assert (tmp_path / "state.sqlite").read_bytes() == content


def test_somebody_elses_database_is_not_written_to(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "state.sqlite")
    database.execute("CREATE TABLE theirs (x)")
    database.commit()
    database.close()
    with pytest.raises(StateError, match="not a state database"):
        State.open(tmp_path)


def test_a_file_where_the_folder_should_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be used"):
        State.open(tmp_path / "file")


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_the_folder_is_the_users_own(tmp_path: Path) -> None:
    State.open(tmp_path / "deep" / "state").close()
    assert stat.S_IMODE((tmp_path / "deep" / "state").stat().st_mode) == 0o700


def test_the_folder_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDCLIP_STATE", str(tmp_path / "mine"))
    with State.open() as state:
        assert state.path == tmp_path / "mine" / "state.sqlite"
    monkeypatch.delenv("MEDCLIP_STATE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert "medclip-search" in str(default_folder())
