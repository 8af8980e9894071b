"""Trays: named lists of cases in an order of the user's, each with a note."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from medclip_search.errors import TrayExistsError, TrayNotFoundError, UsageError
from medclip_search.state.database import Database, now

DEFAULT_TRAY = "Favourites"
"""What the first tray is called, if nobody gave it a name."""

MOST_NAME = 80
MOST_NOTE = 2000
"""Characters of a tray's name, and of a note."""

_OF = "tray IN (SELECT id FROM tray WHERE user = ? AND library = ? AND name = ?)"


@dataclass(frozen=True, slots=True)
class TrayEntry:
    """One case in a tray, when it was put there (UTC), and the user's note on it."""

    case_id: str
    added: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry as the database holds it."""

    position: int
    place: int
    case_id: str
    added: str
    note: str


@dataclass(frozen=True, slots=True)
class _Copied:
    """An entry that a copy made (``new``), or gave its note to, in the tray it went into."""

    position: int
    note: str
    new: bool


@dataclass(frozen=True, slots=True)
class TakenOut:
    """What one gesture took out of a tray, for ``Trays.put_back``; always true."""

    tray: str
    rows: tuple[_Row, ...]
    copied: _Copied | None = None

    @property
    def noted(self) -> bool:
        """Whether notes went with it."""
        return any(row.note for row in self.rows)


class Trays(Database):
    """Trays of every user, for every library, by the library's id.

    A tray not named is the current one, which each user chooses for each library. A tray is made by
    putting something into it. Case ids are kept as they are: one that has vanished from its library
    is still listed. Every method may raise ``StateError``; those that name a tray raise
    ``UsageError`` for what cannot be a name.
    """

    def trays(self, user: str, library: str) -> dict[str, int]:
        """A user's trays of a library, oldest first, and how many cases each holds."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT name, (SELECT count(*) FROM tray_entry WHERE tray = tray.id) FROM tray "
                "WHERE user = ? AND library = ? ORDER BY id",
                (user, library),
            ).fetchall()
        return dict(rows)

    def current_tray(self, user: str, library: str) -> str:
        """The tray chosen last; without a choice the oldest, or ``DEFAULT_TRAY``."""
        with self._reading() as database:
            return _current(database, user, library)

    def choose_tray(self, user: str, library: str, name: str) -> None:
        """Make a tray the current one; raises ``TrayNotFoundError``."""
        with self._writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO current_tray (user, library, tray) VALUES (?, ?, ?)",
                (user, library, _key(database, user, library, name)),
            )

    def create_tray(self, user: str, library: str, name: str) -> str:
        """Make an empty tray; gives its name as kept. Raises ``TrayExistsError``."""
        name = tray_name(name)
        with self._writing() as database:
            if not _make(database, user, library, name):
                raise _exists(name)
        return name

    def rename_tray(self, user: str, library: str, name: str, new: str) -> str:
        """Call a tray otherwise; gives its name as kept.

        Raises ``TrayNotFoundError`` or ``TrayExistsError``.
        """
        new = tray_name(new)
        with self._writing() as database:
            key = _key(database, user, library, name)
            try:
                database.execute("UPDATE tray SET name = ? WHERE id = ?", (new, key))
            except sqlite3.IntegrityError:
                raise _exists(new) from None
        return new

    def delete_tray(self, user: str, library: str, name: str) -> TakenOut | None:
        """Delete a tray with what is in it; ``None`` where there was none."""
        of = (user, library, name)
        with self._writing() as database:
            rows = _rows(database, of)
            deleted = database.execute(
                "DELETE FROM tray WHERE user = ? AND library = ? AND name = ?", of
            )
            return TakenOut(name, rows) if deleted.rowcount else None

    def tray(self, user: str, library: str, name: str | None = None) -> list[TrayEntry]:
        """The cases of a tray in their order; empty where there is no such tray."""
        with self._reading() as database:
            name = name if name is not None else _current(database, user, library)
            rows = database.execute(
                f"SELECT case_id, added, note FROM tray_entry WHERE {_OF} ORDER BY place, position",
                (user, library, name),
            ).fetchall()
        return [
            TrayEntry(case_id, datetime.fromisoformat(added), note) for case_id, added, note in rows
        ]

    def put_tray(self, user: str, library: str, name: str, entries: Sequence[TrayEntry]) -> str:
        """Make a tray hold these entries and no others, in this order; gives its name as kept.

        Of entries with the same case the first counts. Raises ``UsageError`` for too long a note.
        """
        name = tray_name(name)
        first: dict[str, TrayEntry] = {}
        for entry in entries:
            first.setdefault(entry.case_id, entry)
        kept = [(one.case_id, one.added.isoformat(), tray_note(one.note)) for one in first.values()]
        with self._writing() as database:
            _make(database, user, library, name)
            key = _key(database, user, library, name)
            database.execute("DELETE FROM tray_entry WHERE tray = ?", (key,))
            database.executemany(
                "INSERT INTO tray_entry (tray, place, case_id, added, note) VALUES (?, ?, ?, ?, ?)",
                [(key, place, *row) for place, row in enumerate(kept)],
            )
        return name

    def add_to_tray(
        self, user: str, library: str, case_id: str, name: str | None = None, note: str = ""
    ) -> bool:
        """Put a case at the end of a tray (made if new); false where it was there already."""
        note = tray_note(note)
        wanted = tray_name(name) if name is not None else None
        with self._writing() as database:
            wanted = wanted if wanted is not None else _current(database, user, library)
            _make(database, user, library, wanted)
            key = _key(database, user, library, wanted)
            return _append(database, key, case_id, note)

    def remove_from_tray(
        self, user: str, library: str, case_id: str, name: str | None = None
    ) -> TakenOut | None:
        """Take a case out of a tray, with its note; ``None`` where it was not there."""
        with self._writing() as database:
            name = name if name is not None else _current(database, user, library)
            rows = _take_out(database, (user, library, name), case_id)
            return TakenOut(name, rows) if rows else None

    def put_back(self, user: str, library: str, taken: TakenOut) -> None:
        """Put what was taken out where it was, in the tray as it is now (made if new).

        What came into the tray meanwhile stays. A case that is there again keeps its place, and its
        note if it has one. Of a case that was moved, what that did in the other tray is taken back,
        unless it was noted otherwise or put there anew since.
        """
        with self._writing() as database:
            _make(database, user, library, taken.tray)
            key = _key(database, user, library, taken.tray)
            for row in taken.rows:
                # With its own position, which no other entry is ever given, it sorts as it did.
                database.execute(
                    "INSERT OR IGNORE INTO tray_entry (position, tray, place, case_id, added, note)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (row.position, key, row.place, row.case_id, row.added, row.note),
                )
                _note_where_none(database, key, row.case_id, row.note)
            if (copied := taken.copied) is not None:
                database.execute(
                    "DELETE FROM tray_entry WHERE position = ? AND note = ?"
                    if copied.new
                    else "UPDATE tray_entry SET note = '' WHERE position = ? AND note = ?",
                    (copied.position, copied.note),
                )

    def note_in_tray(
        self, user: str, library: str, case_id: str, note: str, name: str | None = None
    ) -> bool:
        """Set the note on a case (``""`` takes it away); false where the case is not there.

        Raises ``UsageError`` for a note longer than ``MOST_NOTE``.
        """
        note = tray_note(note)
        with self._writing() as database:
            name = name if name is not None else _current(database, user, library)
            noted = database.execute(
                f"UPDATE tray_entry SET note = ? WHERE case_id = ? AND {_OF}",
                (note, case_id, user, library, name),
            )
            return noted.rowcount > 0

    def place_in_tray(
        self, user: str, library: str, case_id: str, place: int, name: str | None = None
    ) -> bool:
        """Move a case to a place of its tray, counted from 0; false where it is not there.

        A place beyond the ends is the end.
        """
        with self._writing() as database:
            name = name if name is not None else _current(database, user, library)
            return _place(database, (user, library, name), case_id, lambda _: place)

    def step_in_tray(
        self, user: str, library: str, case_id: str, by: int, name: str | None = None
    ) -> bool:
        """Move a case by so many places from where it is, up where negative; as ``place_in_tray``.

        Steps add up, however late each is heard of.
        """
        with self._writing() as database:
            name = name if name is not None else _current(database, user, library)
            return _place(database, (user, library, name), case_id, lambda place: place + by)

    def copy_to_tray(
        self, user: str, library: str, case_id: str, to: str, name: str | None = None
    ) -> bool:
        """Put a case of a tray into another (made if new) with its note; false if not there.

        Where it is in the other already it keeps its place there, and its note if it has one.
        """
        to = tray_name(to)
        with self._writing() as database:
            name = name if name is not None else _current(database, user, library)
            return _copy(database, (user, library, name), case_id, to)[0]

    def move_to_tray(
        self, user: str, library: str, case_id: str, to: str, name: str | None = None
    ) -> TakenOut | None:
        """As ``copy_to_tray``, and take it out of the first; ``None`` where it is not there."""
        to = tray_name(to)
        with self._writing() as database:
            name = name if name is not None else _current(database, user, library)
            of = (user, library, name)
            there, copied = _copy(database, of, case_id, to)
            if not there:
                return None
            return TakenOut(name, _take_out(database, of, case_id) if to != name else (), copied)


def tray_name(text: str) -> str:
    """A name as it is kept: one line. Raises ``UsageError`` for what cannot be one.

    Names stand in addresses and are made file names of: no strokes, and not dots alone.
    """
    name = " ".join(text.split())
    if not name:
        raise UsageError("a tray needs a name; give it one of a letter or more")
    if len(name) > MOST_NAME:
        raise UsageError(f"a tray's name has at most {MOST_NAME} characters; shorten it")
    if not name.isprintable() or "/" in name or "\\" in name or not name.strip("."):
        raise UsageError(f"{name!a} cannot be a tray's name; use letters, without / and \\")
    return name


def tray_note(text: str) -> str:
    """A note as it is kept: plain text in lines. Raises ``UsageError`` for one too long."""
    lines = "\n".join(text.splitlines()).strip()
    note = "".join(c for c in lines if c in "\n\t" or c.isprintable())
    if len(note) > MOST_NOTE:
        raise UsageError(f"a note has at most {MOST_NOTE:,} characters; shorten it")
    return note


def _current(database: sqlite3.Connection, user: str, library: str) -> str:
    chosen = database.execute(
        "SELECT name FROM tray LEFT JOIN current_tray ON current_tray.tray = tray.id "
        "WHERE tray.user = ? AND tray.library = ? "
        "ORDER BY current_tray.tray IS NULL, tray.id LIMIT 1",
        (user, library),
    ).fetchone()
    return str(chosen[0]) if chosen else DEFAULT_TRAY


def _key(database: sqlite3.Connection, user: str, library: str, name: str) -> int:
    found = database.execute(
        "SELECT id FROM tray WHERE user = ? AND library = ? AND name = ?", (user, library, name)
    ).fetchone()
    if found is None:
        raise TrayNotFoundError(f"{name}: there is no such tray; see 'medclip-search tray list'")
    return int(found[0])


def _make(database: sqlite3.Connection, user: str, library: str, name: str) -> bool:
    made = database.execute(
        "INSERT OR IGNORE INTO tray (user, library, name) VALUES (?, ?, ?)", (user, library, name)
    )
    return made.rowcount > 0


def _append(database: sqlite3.Connection, tray: int, case_id: str, note: str) -> bool:
    added = database.execute(
        "INSERT OR IGNORE INTO tray_entry (tray, place, case_id, added, note) "
        "SELECT ?1, coalesce(max(place) + 1, 0), ?2, ?3, ?4 FROM tray_entry WHERE tray = ?1",
        (tray, case_id, now(), note),
    )
    return added.rowcount > 0


def _note_where_none(database: sqlite3.Connection, tray: int, case_id: str, note: str) -> bool:
    noted = database.execute(
        "UPDATE tray_entry SET note = ? WHERE tray = ? AND case_id = ? AND note = ''",
        (note, tray, case_id),
    )
    return noted.rowcount > 0


def _place(
    database: sqlite3.Connection,
    of: tuple[str, str, str],
    case_id: str,
    to: Callable[[int], int],
) -> bool:
    """Move a case of a tray to where ``to`` says, of where it is; false where it is not there."""
    rows = database.execute(
        f"SELECT position, case_id FROM tray_entry WHERE {_OF} ORDER BY place, position", of
    ).fetchall()
    at = next((place for place, (_, kept) in enumerate(rows) if kept == case_id), None)
    if at is None:
        return False
    order = [position for position, _ in rows]
    moved = order.pop(at)
    order.insert(min(max(to(at), 0), len(order)), moved)
    database.executemany(
        "UPDATE tray_entry SET place = ? WHERE position = ?", list(enumerate(order))
    )
    return True


def _rows(database: sqlite3.Connection, of: tuple[str, str, str]) -> tuple[_Row, ...]:
    found = database.execute(
        f"SELECT position, place, case_id, added, note FROM tray_entry WHERE {_OF}", of
    )
    return tuple(_Row(*row) for row in found)


def _take_out(
    database: sqlite3.Connection, of: tuple[str, str, str], case_id: str
) -> tuple[_Row, ...]:
    rows = tuple(row for row in _rows(database, of) if row.case_id == case_id)
    database.executemany(
        "DELETE FROM tray_entry WHERE position = ?", [(row.position,) for row in rows]
    )
    return rows


def _copy(
    database: sqlite3.Connection, of: tuple[str, str, str], case_id: str, to: str
) -> tuple[bool, _Copied | None]:
    """Whether the case is there, and what copying it changed in the other tray."""
    found = database.execute(
        f"SELECT note FROM tray_entry WHERE case_id = ? AND {_OF}", (case_id, *of)
    ).fetchone()
    if found is None:
        return False, None
    note = str(found[0])
    user, library, _ = of
    _make(database, user, library, to)
    target = _key(database, user, library, to)
    new = _append(database, target, case_id, note)
    if not (new or _note_where_none(database, target, case_id, note)):
        return True, None
    (position,) = database.execute(
        "SELECT position FROM tray_entry WHERE tray = ? AND case_id = ?", (target, case_id)
    ).fetchone()
    return True, _Copied(position, note, new)


def _exists(name: str) -> TrayExistsError:
    return TrayExistsError(f"{name}: there is such a tray already; give it another name")
