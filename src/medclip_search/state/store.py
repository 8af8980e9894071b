"""The state database: one SQLite file, shared by threads and by processes."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import platformdirs

from medclip_search.errors import StateError
from medclip_search.state import schema

LOCAL_USER = "local"
"""Who uses the program where nobody logs in."""

DEFAULT_TRAY = "Favourites"

_PATIENCE = 10.0  # seconds to wait for another process's write


@dataclass(frozen=True, slots=True)
class TrayEntry:
    """One case in a tray, and when it was put there (UTC)."""

    case_id: str
    added: datetime


@dataclass(frozen=True, slots=True)
class Feedback:
    """The cases a user liked and disliked for one query, oldest first."""

    likes: tuple[str, ...] = ()
    dislikes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.likes or self.dislikes)


def default_folder() -> Path:
    """``MEDCLIP_STATE``, else the platform's user-state folder."""
    chosen = os.environ.get("MEDCLIP_STATE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_state_dir("medclip-search", appauthor=False))


class State:
    """Trays and feedback of every user, for every library, by the library's id.

    Case ids are kept as they are: one that has vanished from its library is still listed, and
    the caller shows it as gone. Safe for use by several threads and several processes at once.
    Every method raises ``StateError`` where the database cannot be used.
    """

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

    # Trays

    def trays(self, user: str, library: str) -> list[str]:
        """The names of a user's trays of a library, oldest first."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT name FROM tray WHERE user = ? AND library = ? ORDER BY id", (user, library)
            ).fetchall()
        return [name for (name,) in rows]

    def tray(self, user: str, library: str, name: str = DEFAULT_TRAY) -> list[TrayEntry]:
        """The cases of a tray in the order they were added; empty where there is no such tray."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT case_id, added FROM tray_entry JOIN tray ON tray.id = tray_entry.tray "
                "WHERE user = ? AND library = ? AND name = ? ORDER BY position",
                (user, library, name),
            ).fetchall()
        return [TrayEntry(case_id, datetime.fromisoformat(added)) for case_id, added in rows]

    def add_to_tray(self, user: str, library: str, case_id: str, name: str = DEFAULT_TRAY) -> bool:
        """Put a case at the end of a tray (made if new); false where it was there already."""
        with self._writing() as database:
            database.execute(
                "INSERT OR IGNORE INTO tray (user, library, name) VALUES (?, ?, ?)",
                (user, library, name),
            )
            added = database.execute(
                "INSERT OR IGNORE INTO tray_entry (tray, case_id, added) "
                "SELECT id, ?, ? FROM tray WHERE user = ? AND library = ? AND name = ?",
                (case_id, _now(), user, library, name),
            )
            return added.rowcount > 0

    def remove_from_tray(
        self, user: str, library: str, case_id: str, name: str = DEFAULT_TRAY
    ) -> bool:
        """Take a case out of a tray; false where it was not there."""
        with self._writing() as database:
            removed = database.execute(
                "DELETE FROM tray_entry WHERE case_id = ? AND tray IN "
                "(SELECT id FROM tray WHERE user = ? AND library = ? AND name = ?)",
                (case_id, user, library, name),
            )
            return removed.rowcount > 0

    def delete_tray(self, user: str, library: str, name: str = DEFAULT_TRAY) -> bool:
        """Delete a tray with what is in it; false where there was none."""
        with self._writing() as database:
            deleted = database.execute(
                "DELETE FROM tray WHERE user = ? AND library = ? AND name = ?",
                (user, library, name),
            )
            return deleted.rowcount > 0

    # Feedback

    def feedback(self, user: str, library: str, query: str) -> Feedback:
        """What a user said of the answers to a query (``query`` is any key the caller chose)."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT case_id, liked FROM feedback "
                "WHERE user = ? AND library = ? AND query = ? ORDER BY given, case_id",
                (user, library, query),
            ).fetchall()
        return Feedback(
            likes=tuple(case_id for case_id, liked in rows if liked),
            dislikes=tuple(case_id for case_id, liked in rows if not liked),
        )

    def all_feedback(self, library: str) -> dict[str, Feedback]:
        """What was said of the answers to every search of a library, by user and query's key."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT user, query, case_id, liked FROM feedback WHERE library = ? "
                "ORDER BY user, query, given, case_id",
                (library,),
            ).fetchall()
        found: dict[str, Feedback] = {}
        for user, query, case_id, liked in rows:
            said = found.get(key := f"{user}:{query}", Feedback())
            if liked:
                found[key] = replace(said, likes=(*said.likes, case_id))
            else:
                found[key] = replace(said, dislikes=(*said.dislikes, case_id))
        return found

    def give_feedback(
        self, user: str, library: str, query: str, case_id: str, liked: bool | None
    ) -> None:
        """Like (true) or dislike (false) a case for a query; ``None`` takes the word back."""
        with self._writing() as database:
            if liked is None:
                database.execute(
                    "DELETE FROM feedback "
                    "WHERE user = ? AND library = ? AND query = ? AND case_id = ?",
                    (user, library, query, case_id),
                )
            else:
                database.execute(
                    "INSERT INTO feedback (user, library, query, case_id, liked, given) "
                    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user, library, query, case_id) "
                    "DO UPDATE SET liked = excluded.liked, given = excluded.given",
                    (user, library, query, case_id, int(liked), _now()),
                )

    def clear_feedback(self, user: str, library: str, query: str) -> None:
        """Forget what a user said of the answers to a query."""
        with self._writing() as database:
            database.execute(
                "DELETE FROM feedback WHERE user = ? AND library = ? AND query = ?",
                (user, library, query),
            )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._database
            except sqlite3.Error as error:
                raise _unusable(self.path, error) from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _unusable(path: Path, error: Exception) -> StateError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StateError(
        f"{path}: the state database cannot be used ({reason}); "
        "set MEDCLIP_STATE to a folder that can be written to"
    )
