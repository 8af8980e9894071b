"""The state database's schema, and the steps that bring an older one up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from medclip_search.errors import StateError

APPLICATION_ID = 0x4D43_5354  # "MCST": tells this file from any other SQLite database

STEPS: Sequence[Sequence[str]] = (
    (
        """CREATE TABLE tray (
            id INTEGER PRIMARY KEY,
            user TEXT NOT NULL,
            library TEXT NOT NULL,
            name TEXT NOT NULL,
            UNIQUE (user, library, name)
        )""",
        # AUTOINCREMENT, so that the order of adding survives removal of the last entry.
        """CREATE TABLE tray_entry (
            position INTEGER PRIMARY KEY AUTOINCREMENT,
            tray INTEGER NOT NULL REFERENCES tray (id) ON DELETE CASCADE,
            case_id TEXT NOT NULL,
            added TEXT NOT NULL,
            UNIQUE (tray, case_id)
        )""",
        """CREATE TABLE feedback (
            user TEXT NOT NULL,
            library TEXT NOT NULL,
            query TEXT NOT NULL,
            case_id TEXT NOT NULL,
            liked INTEGER NOT NULL CHECK (liked IN (0, 1)),
            given TEXT NOT NULL,
            PRIMARY KEY (user, library, query, case_id)
        ) WITHOUT ROWID""",
    ),
    (
        "ALTER TABLE tray_entry ADD COLUMN note TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tray_entry ADD COLUMN place INTEGER NOT NULL DEFAULT 0",
        "UPDATE tray_entry SET place = position",
        """CREATE TABLE current_tray (
            user TEXT NOT NULL,
            library TEXT NOT NULL,
            tray INTEGER NOT NULL REFERENCES tray (id) ON DELETE CASCADE,
            PRIMARY KEY (user, library)
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE search (
            user TEXT NOT NULL,
            library TEXT NOT NULL,
            question TEXT NOT NULL,
            asked TEXT NOT NULL,
            at TEXT NOT NULL,
            PRIMARY KEY (user, library, question)
        ) WITHOUT ROWID""",
        "CREATE TABLE no_history (user TEXT PRIMARY KEY) WITHOUT ROWID",
    ),
)
"""Step ``n`` (from 0) takes schema version ``n`` to ``n + 1``."""

VERSION = len(STEPS)


def migrate(database: sqlite3.Connection, name: str) -> None:
    """Bring the database to ``VERSION``, step by step, in one transaction.

    Raises ``StateError`` where it was written by a newer program, or is somebody else's.
    """
    if _version(database, name) == VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have migrated meanwhile.
        for step in STEPS[_version(database, name) :]:
            for statement in step:
                database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _version(database: sqlite3.Connection, name: str) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (version or application or tables):
        raise StateError(
            f"{name}: not a state database of medclip-search; "
            "move it away, or set MEDCLIP_STATE to another folder"
        )
    if version > VERSION:
        raise StateError(
            f"{name}: written by a newer medclip-search (schema {version}, this one knows "
            f"{VERSION}); upgrade medclip-search, or set MEDCLIP_STATE to another folder"
        )
    return int(version)
