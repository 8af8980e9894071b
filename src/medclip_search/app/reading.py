"""How one tab reads its answers: the page, their order, opened stacks, and what was judged."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from medclip_search.search.changes import Changes
from medclip_search.search.engine import DEEPEST
from medclip_search.search.facets import Facets
from medclip_search.search.hits import Hits
from medclip_search.search.sort import Sort
from medclip_search.state import Judgement

PAGE = 24
"""How many figures a page of answers shows."""

Question = tuple[str, tuple[str, ...], tuple[float, ...], int]
"""A search's key, its filters, and the version of the library that was asked."""

MOST_UNDONE = 50
"""So many gestures can be undone, one by one."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How the answers are laid out, as chosen in the headline."""

    sort: Sort = "relevance"
    group: str = ""


def pages(hits: Hits) -> int:
    """How many pages of answers there are, of which these are one."""
    return -(-min(hits.ranked, DEEPEST) // PAGE)


@dataclass(slots=True)
class Reading:
    """One tab's way through the answers to one question; no more than one page is kept.

    ``begun`` counts how often it began anew, at the first page or elsewhere.
    ``undoable`` holds what each gesture judged, the last one last; ``changed`` what the last
    one did. ``judged`` is the page that was judged, until its successor is there.
    ``entered`` tells, until its answers are there, that the page was turned to from an opened case:
    from the page before (1) or from the one behind (-1).
    """

    question: Question = ("", (), (), 0)
    laid: Arrangement = Arrangement()
    begun: int = 0
    page: int = 1
    entered: int = 0
    unfolded: set[str] = field(default_factory=lambda: set[str]())
    undoable: list[tuple[Judgement, ...]] = field(
        default_factory=lambda: list[tuple[Judgement, ...]]()
    )
    judged: Hits | None = None
    changed: Changes | None = None
    facets: Facets | None = None

    @classmethod
    def current(cls) -> Reading:
        """This tab's, made at the first run."""
        if "reading" not in st.session_state:
            st.session_state["reading"] = cls()
        reading = st.session_state["reading"]
        assert isinstance(reading, cls)
        return reading

    def follow(self, question: Question, laid: Arrangement) -> None:
        """Begin anew where another question is asked; at the first page where it is laid anew.

        What was judged of the same words and images can still be undone when they are narrowed.
        """
        if question != self.question:
            fresh = Reading(question, laid, self.begun + 1)
            if question[0] == self.question[0]:
                fresh.undoable = self.undoable
            for name in self.__slots__:
                setattr(self, name, getattr(fresh, name))
        elif laid != self.laid:
            self.laid, self.begun = laid, self.begun + 1
            self.page, self.changed = 1, None
            self.unfolded.clear()

    def go_to(self, page: int) -> None:
        """Turn to a page otherwise than by the pages' own widget, which then begins there."""
        self.page, self.begun = page, self.begun + 1

    def go_on(self, by: int) -> None:
        """Go from an opened case to the next page (1), or to the one before (-1)."""
        self.go_to(self.page + by)
        self.entered = by
        if self.judged is not None:  # told of the page that was judged alone
            self.judged = self.changed = None

    def judge(self, gesture: tuple[Judgement, ...], page: Hits) -> None:
        """Remember what was judged, to undo it and to tell what it changed."""
        self.undoable = [*self.undoable[1 - MOST_UNDONE :], gesture]
        self.judged = page
