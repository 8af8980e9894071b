"""The state database as a file: opened, locked, written to in transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import platformdirs

from medclip_search.errors import StateError
from medclip_search.state import schema

_PATIENCE = 10.0  # seconds to wait for another process's write


def default_folder() -> Path:
    """``MEDCLIP_STATE``, else the platform's user-state folder."""
    chosen = os.environ.get("MEDCLIP_STATE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_state_dir("medclip-search", appauthor=False))


class Database:
    """One SQLite file, for several threads and several processes at once."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self._database = database
        self._lock = threading.RLock()

    @classmethod
    def open(cls, folder: str | Path | None = None) -> Self:
        """Open the database in ``folder`` (default: ``default_folder()``), making both if new."""
        home = Path(folder) if folder is not None else default_folder()
        path = home / "state.sqlite"
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            database = sqlite3.connect(
                path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from None
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("PRAGMA secure_delete = ON")  # what is forgotten leaves no bytes
            schema.migrate(database, str(path))
        except sqlite3.Error as error:
            database.close()
            raise _unusable(path, error) from None
        except StateError:
            database.close()
            raise
        return cls(path, database)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._database
            except sqlite3.Error as error:
                raise _unusable(self.path, error) from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is written, or nothing."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                raise _unusable(self.path, error) from None

    def _forget_log(self) -> None:
        """Empty the write-ahead log, which may hold what was deleted.

        Where another process is reading, the last one to close the database does it.
        """
        with self._reading() as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def now() -> str:
    """This moment in UTC, as the database writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _unusable(path: Path, error: Exception) -> StateError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StateError(
        f"{path}: the state database cannot be used ({reason}); "
        "set MEDCLIP_STATE to a folder that can be written to"
    )
