"""The state database: what users keep, in one SQLite file, shared by threads and by processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace

from medclip_search.state.database import now
from medclip_search.state.history import History
from medclip_search.state.trays import Trays

LOCAL_USER = "local"
"""Who uses the program where nobody logs in."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """The cases a user liked and disliked for one query, oldest first."""

    likes: tuple[str, ...] = ()
    dislikes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.likes or self.dislikes)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was said of a case, and what had been before: liked, disliked or (``None``) nothing."""

    case_id: str
    before: bool | None
    said: bool | None


class State(Trays, History):
    """Trays, recent searches and feedback of every user, for every library, by the library's id.

    Case ids are kept as they are: one that has vanished from its library is still listed, and
    the caller shows it as gone. Safe for use by several threads and several processes at once.
    Every method raises ``StateError`` where the database cannot be used.
    """

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
    ) -> Judgement:
        """Like (true) or dislike (false) a case for a query; ``None`` takes the word back.

        Gives what this changed, for ``take_back``.
        """
        where = (user, library, query, case_id)
        with self._writing() as database:
            before = _said(database, where)
            _say(database, where, liked)
        return Judgement(case_id, before, liked)

    def clear_feedback(self, user: str, library: str, query: str) -> tuple[Judgement, ...]:
        """Forget what a user said of the answers to a query; gives what, oldest first."""
        with self._writing() as database:
            rows = database.execute(
                "SELECT case_id, liked FROM feedback "
                "WHERE user = ? AND library = ? AND query = ? ORDER BY given, case_id",
                (user, library, query),
            ).fetchall()
            database.execute(
                "DELETE FROM feedback WHERE user = ? AND library = ? AND query = ?",
                (user, library, query),
            )
        return tuple(Judgement(case_id, bool(liked), None) for case_id, liked in rows)

    def take_back(
        self, user: str, library: str, query: str, judgements: Iterable[Judgement]
    ) -> None:
        """Say of each case what had been said before, unless it was judged otherwise since."""
        with self._writing() as database:
            for one in judgements:
                where = (user, library, query, one.case_id)
                if _said(database, where) == one.said:
                    _say(database, where, one.before)


_Where = tuple[str, str, str, str]  # user, library, query, case


def _said(database: sqlite3.Connection, where: _Where) -> bool | None:
    row = database.execute(
        "SELECT liked FROM feedback WHERE user = ? AND library = ? AND query = ? AND case_id = ?",
        where,
    ).fetchone()
    return bool(row[0]) if row else None


def _say(database: sqlite3.Connection, where: _Where, liked: bool | None) -> None:
    if liked is None:
        database.execute(
            "DELETE FROM feedback WHERE user = ? AND library = ? AND query = ? AND case_id = ?",
            where,
        )
    else:
        database.execute(
            "INSERT INTO feedback (user, library, query, case_id, liked, given) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user, library, query, case_id) "
            "DO UPDATE SET liked = excluded.liked, given = excluded.given",
            (*where, int(liked), now()),
        )
