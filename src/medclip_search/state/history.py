"""Recent searches: what a user asked of a library, newest first, unless they want none kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from medclip_search.state.database import Database, now

MOST_SEARCHES = 50
"""So many searches are kept for a user and a library."""

LONGEST_SEARCH = 4000
"""A search that takes more characters than this, as JSON, is not kept."""


@dataclass(frozen=True, slots=True)
class PastSearch:
    """What was asked, in the terms of ``Query``: never a picture, nor the name of one.

    ``cases`` and ``not_cases`` are ids of cases whose figures were asked with; ``weights`` is as
    in ``Query.weights``, over words and cases.
    """

    words: tuple[str, ...] = ()
    not_words: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    not_cases: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    weights: Mapping[str, Sequence[float]] = field(default_factory=lambda: dict[str, list[float]]())

    def __bool__(self) -> bool:
        return bool(self.words or self.not_words or self.cases or self.not_cases or self.where)

    def question(self) -> str:
        """What makes two searches the same: all but how it was narrowed and weighed."""
        plain = replace(
            self, words=tuple(one.casefold() for one in self.words), where=(), weights={}
        )
        return _text(plain)


class History(Database):
    """The searches of every user, for every library, by the library's id.

    Every method may raise ``StateError``.
    """

    def searches(self, user: str, library: str) -> tuple[PastSearch, ...]:
        """A user's last searches of a library, newest first."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT asked FROM search WHERE user = ? AND library = ? "
                "ORDER BY at DESC, question",
                (user, library),
            ).fetchall()
        return tuple(_search(asked) for (asked,) in rows)

    def keep_search(self, user: str, library: str, search: PastSearch) -> bool:
        """Remember a search as the newest; false where the user wants none kept, or it is long.

        It takes the place of an earlier one that asked the same, narrowed or weighed otherwise.
        """
        asked = _text(search)
        if not search or len(asked) > LONGEST_SEARCH or not self.keeps_searches(user):
            return False
        with self._writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO search (user, library, question, asked, at) "
                "VALUES (?, ?, ?, ?, ?)",
                (user, library, search.question(), asked, now()),
            )
            database.execute(
                "DELETE FROM search WHERE user = ?1 AND library = ?2 AND question NOT IN (SELECT "
                "question FROM search WHERE user = ?1 AND library = ?2 "
                "ORDER BY at DESC, question LIMIT ?3)",
                (user, library, MOST_SEARCHES),
            )
        return True

    def forget_searches(self, user: str, library: str | None = None) -> int:
        """Forget a user's searches, of one library or of all; tells how many there were.

        Nothing of them stays in the database's files.
        """
        with self._writing() as database:
            gone = database.execute(
                "DELETE FROM search WHERE user = ?1 AND (?2 IS NULL OR library = ?2)",
                (user, library),
            )
        self._forget_log()
        return gone.rowcount

    def keeps_searches(self, user: str) -> bool:
        """Whether a user's searches are kept: yes, unless they said otherwise."""
        with self._reading() as database:
            found = database.execute("SELECT 1 FROM no_history WHERE user = ?", (user,)).fetchone()
        return found is None

    def set_keep_searches(self, user: str, keep: bool) -> None:
        """Keep a user's searches from now on, or keep none and forget those there are."""
        with self._writing() as database:
            if keep:
                database.execute("DELETE FROM no_history WHERE user = ?", (user,))
            else:
                database.execute("INSERT OR IGNORE INTO no_history (user) VALUES (?)", (user,))
        if not keep:
            self.forget_searches(user)


def _text(search: PastSearch) -> str:
    said = {name: value for name, value in asdict(search).items() if value}
    return json.dumps(said, ensure_ascii=False)


def _search(asked: str) -> PastSearch:
    said = json.loads(asked)
    texts = {name: tuple(said.get(name, ())) for name in PastSearch.__slots__ if name != "weights"}
    return PastSearch(**texts, weights=said.get("weights", {}))
