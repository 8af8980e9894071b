"""Catalogues are migrated step by step, and newer ones are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from medclip_search.errors import LibraryTooNewError
from medclip_search.library.catalogue import Catalogue
from medclip_search.library.schema import STEPS, VIEWS, migrate, row_table, version_of

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


@pytest.mark.parametrize("version", range(1, len(STEPS)))
def test_a_published_catalogue_of_an_older_version_is_read_as_it_lies(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "000001.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, "x", STEPS[:version])
    connection.executescript(
        "INSERT INTO facts VALUES ('encoder', 'compact');"
        "INSERT INTO sources VALUES (1, 'roco', '{}', '/data');"
        "INSERT INTO cases (key, id, source, source_id, caption, image_path, keywords, cuis, "
        "metadata, origins, signature, seen) "
        "VALUES (7, 'a', 1, 'a', 'CT of the head', 'a.png', '[]', '[]', '{}', '{}', x'00', 1);"
        "INSERT INTO append_files VALUES ('compact', 'embeddings/compact-1.f16', 2560);"
        "INSERT INTO spaces (number, name, encoder, fingerprint, dimension, embeds_words, centred) "
        "VALUES (1, 'compact', 'compact', 'f', 1280, 0, 1);" + row_table(1)
    )
    connection.close()
    before = path.read_bytes()
    catalogue = Catalogue.open_snapshot(path)
    case = catalogue.cases([7])[7]
    assert case.image is not None
    assert (case.caption, case.image.path, case.image.member) == (
        "CT of the head",
        Path("/data/a.png"),
        None,
    )
    (space,) = catalogue.spaces()
    assert (space.space.holds, space.space.joint, space.rows) == ("images", "", 1)
    assert catalogue.settings()
    assert [(one.key, one.mark) for one in catalogue.image_cases()] == [(7, None)]
    assert not catalogue.image_was_deleted(7)
    catalogue.close()
    assert path.read_bytes() == before


def test_every_older_version_can_be_shown() -> None:
    assert len(VIEWS) == len(STEPS) - 1
