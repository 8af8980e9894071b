"""Catalogues are migrated step by step, and newer ones are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from medclip_search.errors import LibraryTooNewError
from medclip_search.library.schema import STEPS, migrate, version_of

LATER = (*STEPS, "ALTER TABLE cases ADD COLUMN doi TEXT", "CREATE TABLE notes (text TEXT)")


def test_each_step_is_taken_once_and_in_order() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, "x")
    assert version_of(connection) == len(STEPS)
    migrate(connection, "x", LATER)
    migrate(connection, "x", LATER)
    assert version_of(connection) == len(LATER)
    connection.execute("SELECT doi FROM cases")
    connection.execute("SELECT text FROM notes")
    connection.close()


def test_a_step_that_fails_leaves_the_version_before_it() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    steps = (*LATER[:-1], "CREATE TABLE notes (text TEXT); SELECT * FROM no_such_table")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, "x", steps)
    assert version_of(connection) == len(LATER) - 1
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'notes'").fetchall()
    connection.close()


def test_a_newer_catalogue_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, "x", LATER)
    with pytest.raises(LibraryTooNewError, match=r"my\.sqlite.*pip install --upgrade"):
        migrate(connection, "my.sqlite")
    connection.close()
