"""Several named trays: chosen, ordered, noted, renamed; each keeps to itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.errors import TrayExistsError, TrayNotFoundError, UsageError
from medclip_search.state import DEFAULT_TRAY, LOCAL_USER, State, TakenOut, schema
from medclip_search.state.trays import MOST_NAME, MOST_NOTE

WHERE = (LOCAL_USER, "library-one")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path / "state") as opened:
        yield opened


def ids(state: State, name: str | None = None) -> list[str]:
    return [entry.case_id for entry in state.tray(*WHERE, name)]


def test_the_chosen_tray_survives_a_restart_and_is_what_is_meant_without_a_name(
    tmp_path: Path,
) -> None:
    with State.open(tmp_path) as state:
        assert state.current_tray(*WHERE) == DEFAULT_TRAY
        state.add_to_tray(*WHERE, "a")
        state.create_tray(*WHERE, "  Lung \n nodules ")
        assert state.current_tray(*WHERE) == DEFAULT_TRAY
        state.choose_tray(*WHERE, "Lung nodules")
        state.add_to_tray(*WHERE, "b")
    with State.open(tmp_path) as state:
        assert state.current_tray(*WHERE) == "Lung nodules"
        assert ids(state) == ["b"]
        assert ids(state, DEFAULT_TRAY) == ["a"]
        assert state.trays(*WHERE) == {DEFAULT_TRAY: 1, "Lung nodules": 1}
        assert state.current_tray("ada", WHERE[1]) == DEFAULT_TRAY
        assert state.delete_tray(*WHERE, "Lung nodules")
        assert state.current_tray(*WHERE) == DEFAULT_TRAY


def test_renaming_keeps_the_cases_the_choice_and_the_place(state: State) -> None:
    for name in ("one", "two"):
        state.add_to_tray(*WHERE, f"in {name}", name)
    state.choose_tray(*WHERE, "one")
    assert state.rename_tray(*WHERE, "one", "Chest ") == "Chest"
    assert state.current_tray(*WHERE) == "Chest"
    assert list(state.trays(*WHERE)) == ["Chest", "two"]
    assert ids(state) == ["in one"]
    with pytest.raises(TrayExistsError, match="two"):
        state.rename_tray(*WHERE, "Chest", "two")
    with pytest.raises(TrayExistsError):
        state.create_tray(*WHERE, "two")
    with pytest.raises(TrayNotFoundError, match="nobody"):
        state.choose_tray(*WHERE, "nobody")
    with pytest.raises(TrayNotFoundError, match="nobody"):
        state.rename_tray(*WHERE, "nobody", "new")


@pytest.mark.parametrize("name", ["", " \n", "a/b", "a\\b", "..", "x\x00", "x" * (MOST_NAME + 1)])
def test_what_cannot_be_a_name_is_refused_in_one_line(state: State, name: str) -> None:
    state.create_tray(*WHERE, "tray")
    for call in (
        lambda: state.create_tray(*WHERE, name),
        lambda: state.rename_tray(*WHERE, "tray", name),
        lambda: state.add_to_tray(*WHERE, "a", name),
        lambda: state.put_tray(*WHERE, name, []),
        lambda: state.copy_to_tray(*WHERE, "a", name),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert list(state.trays(*WHERE)) == ["tray"]


def test_notes_are_plain_text_of_bounded_length(state: State) -> None:
    state.add_to_tray(*WHERE, "a", note=" first\r\nsecond\x07\u2028third ")
    assert state.tray(*WHERE)[0].note == "first\nsecond\nthird"
    assert state.note_in_tray(*WHERE, "a", "=<b>é</b>")
    assert state.tray(*WHERE)[0].note == "=<b>é</b>"
    assert not state.note_in_tray(*WHERE, "nobody", "x")
    with pytest.raises(UsageError, match="2,000"):
        state.note_in_tray(*WHERE, "a", "x" * (MOST_NOTE + 1))
    assert state.tray(*WHERE)[0].note == "=<b>é</b>"
    state.note_in_tray(*WHERE, "a", "")
    assert state.tray(*WHERE)[0].note == ""


def test_of_entries_with_one_case_the_first_is_put(state: State) -> None:
    for case_id in "abc":
        state.add_to_tray(*WHERE, case_id, "T", f"note on {case_id}")
    state.place_in_tray(*WHERE, "c", 0, "T")
    kept = state.tray(*WHERE, "T")
    state.put_tray(*WHERE, "U", [*kept, replace(kept[0], note="again")])
    assert state.tray(*WHERE, "U") == kept


def taken(one: TakenOut | None) -> TakenOut:
    assert one is not None
    return one


def test_what_was_taken_out_is_put_back_amid_what_came_and_went_meanwhile(state: State) -> None:
    for case_id in "abcde":
        state.add_to_tray(*WHERE, case_id, "T", f"note on {case_id}")
    state.place_in_tray(*WHERE, "e", 1, "T")
    before = state.tray(*WHERE, "T")
    assert [entry.case_id for entry in before] == list("aebcd")
    for case_id in "aebcd":
        state.put_back(*WHERE, taken(state.remove_from_tray(*WHERE, case_id, "T")))
        assert state.tray(*WHERE, "T") == before
    last = taken(state.remove_from_tray(*WHERE, "d", "T"))
    amid = taken(state.remove_from_tray(*WHERE, "b", "T"))
    state.add_to_tray(*WHERE, "new", "T")
    state.remove_from_tray(*WHERE, "a", "T")
    state.note_in_tray(*WHERE, "c", "another", "T")
    for one in (amid, last, last):
        state.put_back(*WHERE, one)
    assert ids(state, "T") == ["e", "b", "c", "d", "new"]
    assert [entry.note for entry in state.tray(*WHERE, "T")[1:4]] == [
        *("note on b", "another", "note on d")
    ]


def test_what_was_put_there_again_keeps_its_own_note(state: State) -> None:
    for case_id, note in (("a", "mine"), ("b", "other")):
        state.add_to_tray(*WHERE, case_id, "T", note)
    gone = [taken(state.remove_from_tray(*WHERE, case_id, "T")) for case_id in "ab"]
    state.add_to_tray(*WHERE, "b", "T", "since")
    state.add_to_tray(*WHERE, "a", "T")
    for one in gone:
        state.put_back(*WHERE, one)
    assert [(e.case_id, e.note) for e in state.tray(*WHERE, "T")] == [("b", "since"), ("a", "mine")]


def test_a_tray_that_was_deleted_comes_back_with_what_was_put_into_it_since(state: State) -> None:
    for case_id in "abc":
        state.add_to_tray(*WHERE, case_id, "T", f"note on {case_id}")
    state.place_in_tray(*WHERE, "c", 0, "T")
    before = state.tray(*WHERE, "T")
    state.put_back(*WHERE, taken(state.delete_tray(*WHERE, "T")))
    assert state.tray(*WHERE, "T") == before
    gone = taken(state.delete_tray(*WHERE, "T"))
    state.add_to_tray(*WHERE, "new", "T")
    state.put_back(*WHERE, gone)
    assert {e.case_id: e.note for e in state.tray(*WHERE, "T")} == {
        "new": "",
        **{case_id: f"note on {case_id}" for case_id in "abc"},
    }
    state.create_tray(*WHERE, "empty")
    state.put_back(*WHERE, taken(state.delete_tray(*WHERE, "empty")))
    assert state.trays(*WHERE) == {"T": 4, "empty": 0}


def test_a_move_is_taken_back_in_both_trays_and_nothing_else(state: State) -> None:
    for case_id in "abcd":
        state.add_to_tray(*WHERE, case_id, "from", f"note on {case_id}")
    state.add_to_tray(*WHERE, "b", "to")
    state.add_to_tray(*WHERE, "c", "to", "theirs")
    before = {name: state.tray(*WHERE, name) for name in ("from", "to")}
    moved = {case_id: taken(state.move_to_tray(*WHERE, case_id, "to", "from")) for case_id in "abc"}
    for case_id in "cba":
        state.put_back(*WHERE, moved[case_id])
    assert {name: state.tray(*WHERE, name) for name in ("from", "to")} == before
    # What was written there since is not lost with it.
    moved = {case_id: taken(state.move_to_tray(*WHERE, case_id, "to", "from")) for case_id in "ab"}
    state.note_in_tray(*WHERE, "a", "since", "to")
    state.note_in_tray(*WHERE, "b", "since", "to")
    state.add_to_tray(*WHERE, "new", "to")
    for one in moved.values():
        state.put_back(*WHERE, one)
    assert state.tray(*WHERE, "from") == before["from"]
    assert [(e.case_id, e.note) for e in state.tray(*WHERE, "to")] == [
        ("b", "since"),
        ("c", "theirs"),
        ("a", "since"),
        ("new", ""),
    ]


def test_copies_take_the_note_along_and_spare_what_is_there(state: State) -> None:
    state.add_to_tray(*WHERE, "a", "from", "mine")
    state.add_to_tray(*WHERE, "b", "from", "other")
    state.add_to_tray(*WHERE, "b", "to", "theirs")
    assert state.copy_to_tray(*WHERE, "a", "to", "from")
    assert state.move_to_tray(*WHERE, "b", "to", "from")
    assert not state.move_to_tray(*WHERE, "nobody", "to", "from")
    assert [(e.case_id, e.note) for e in state.tray(*WHERE, "to")] == [
        ("b", "theirs"),
        ("a", "mine"),
    ]
    assert ids(state, "from") == ["a"]
    assert state.move_to_tray(*WHERE, "a", "from", "from")
    assert ids(state, "from") == ["a"]


letters = st.sampled_from("abcde")
places = st.integers(-2, 7) | st.just(10**30)
acts = st.sampled_from(["add", "remove", "place", "step", "move"])
steps = st.lists(st.tuples(acts, letters, places))


@settings(max_examples=40, deadline=None)
@given(steps)
def test_order_is_as_in_a_list(done: list[tuple[str, str, int]]) -> None:
    one: list[str] = []
    two: list[str] = []
    with TemporaryDirectory() as folder, State.open(folder) as state:
        state.create_tray(*WHERE, "one")
        for what, case_id, place in done:
            if what == "add":
                assert state.add_to_tray(*WHERE, case_id) == (case_id not in one)
                one += [case_id] if case_id not in one else []
            elif what == "remove":
                assert bool(state.remove_from_tray(*WHERE, case_id)) == (case_id in one)
                one = [kept for kept in one if kept != case_id]
            elif what == "place":
                assert state.place_in_tray(*WHERE, case_id, place) == (case_id in one)
                if case_id in one:
                    one.remove(case_id)
                    one.insert(min(max(place, 0), 8), case_id)
            elif what == "step":
                assert state.step_in_tray(*WHERE, case_id, place) == (case_id in one)
                if case_id in one:
                    at = one.index(case_id)
                    one.remove(case_id)
                    one.insert(min(max(at + place, 0), 8), case_id)
            elif state.move_to_tray(*WHERE, case_id, "two"):
                one.remove(case_id)
                two += [case_id] if case_id not in two else []
            assert ids(state, "one") == one
            assert ids(state, "two") == two


def test_a_state_of_the_first_schema_keeps_its_trays_in_order(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "state.sqlite")
    for statement in schema.STEPS[0]:
        database.execute(statement)
    database.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    database.execute("PRAGMA user_version = 1")
    database.execute("INSERT INTO tray VALUES (1, ?, ?, 'Favourites')", WHERE)
    for position, case_id in enumerate("cab", start=1):
        added = f"2026-11-2{position}T00:00:00+00:00"
        database.execute("INSERT INTO tray_entry VALUES (?, 1, ?, ?)", (position, case_id, added))
    database.commit()
    database.close()
    with State.open(tmp_path) as state:
        assert ids(state) == ["c", "a", "b"]
        state.add_to_tray(*WHERE, "d")
        state.place_in_tray(*WHERE, "b", 0)
        assert ids(state) == ["b", "c", "a", "d"]
