"""What is told beside the measures: what was left out, and what the searches said."""

from __future__ import annotations

import re
from collections import Counter

from medclip_search.search.hits import Hits

_QUOTED = re.compile("“[^”]*”(?:, “[^”]*”)*|: [^:]*\\.$")
"""What a note quotes of one query: in quotation marks, or behind a colon."""
_NUMBER = re.compile(r"\b\d+\b")


class Notes:
    """Plain sentences. Those of searches are counted, without words and numbers."""

    def __init__(self) -> None:
        self._own: dict[str, None] = {}
        self._heard: Counter[str] = Counter()
        self._searches = 0

    def add(self, line: str) -> None:
        self._own[line] = None

    def hear(self, hits: Hits) -> None:
        self._searches += 1
        self._heard.update({_plain(note) for note in hits.notes})

    def lines(self) -> tuple[str, ...]:
        searches = [
            note if count == self._searches else f"{count} of {self._searches} queries: {note}"
            for note, count in self._heard.most_common()
        ]
        return (*self._own, *searches)


def _plain(note: str) -> str:
    """A note without what it quotes, and without numbers."""
    note = _QUOTED.sub(lambda found: ": …" if found[0][0] == ":" else "“…”", note)
    return _NUMBER.sub("…", note)
