"""The answers: a grid of cards, page by page; how they lie, and what likes and dislikes changed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from medclip_search.api import Library
from medclip_search.app.ask import search_with_figure
from medclip_search.app.filters import counted_fields
from medclip_search.app.gallery import Act, Card, gallery
from medclip_search.app.layout import arrangement, headline
from medclip_search.app.reading import PAGE, Arrangement, Reading, pages
from medclip_search.app.session import Session
from medclip_search.app.steering import judge, judged_here, steering
from medclip_search.app.theme import plain
from medclip_search.app.tray import star
from medclip_search.app.waiting import awaited, begun
from medclip_search.errors import MedClipError
from medclip_search.search.changes import changes
from medclip_search.search.engine import DEEPEST
from medclip_search.search.facets import Facets
from medclip_search.search.hits import Hit, Hits
from medclip_search.server.shared import Shared
from medclip_search.state import LOCAL_USER, Feedback


def results(
    shared: Shared, library: Library, session: Session, where: tuple[str, ...]
) -> Facets | bool:
    """Search and draw the answers; their counts, or whether anything is asked."""
    place = st.empty()
    reading = Reading.current()
    narrowed = (*where, str(session.weights()))
    asked = session.key(), narrowed, session.area, shared.version
    laid = arrangement(shared, library)
    reading.follow(asked, laid)
    if session.turn_to is not None:
        reading.go_to(session.turn_to)
        session.turn_to = None
    try:
        feedback, starred = _judged_and_starred(shared, library, session)
        hits = _search(shared, library, session, where, laid, feedback, starred, place)
    except MedClipError as error:
        st.error(str(error))
        return True
    if hits is None:
        return False
    headline(shared, library, hits, reading.facets)
    _called(session, hits)
    if not hits and reading.page == 1:
        st.info("No figure matches. Try other words, or take a filter away.")
        return reading.facets or True

    def heard(act: Act, case_id: str, on: bool) -> None:
        if act == "open":
            session.opened = case_id
        elif act == "search":
            search_with_figure(library, session, case_id)
        elif act == "star":
            star(shared, library, session, case_id, on)
        elif act == "stack":
            reading.unfolded ^= {case_id}
        else:
            judge(shared, library, session, hits, case_id, act == "like", on)

    gallery(
        _cards(library, reading, hits, starred, feedback),
        key="results",
        label="Figures found",
        on_gesture=heard,
        acts=("search", "star", "like", "dislike"),
        page=(str(asked), reading.page),
    )
    _pages(reading, hits)
    steering(shared, library, session, feedback)
    return reading.facets or True


def answers(
    shared: Shared,
    library: Library,
    session: Session,
    where: tuple[str, ...],
    place: DeltaGenerator,
) -> Hits | None:
    """The page of answers that is read, searched for where it was turned to but not drawn yet.

    Raises ``MedClipError``.
    """
    feedback, starred = _judged_and_starred(shared, library, session)
    laid = arrangement(shared, library)
    return _search(shared, library, session, where, laid, feedback, starred, place)


def _judged_and_starred(
    shared: Shared, library: Library, session: Session
) -> tuple[Feedback, set[str]]:
    feedback = judged_here(shared, library, session)
    kept = [entry.case_id for entry in shared.state.tray(LOCAL_USER, library.id)]
    return feedback, {case.id for case in library.cases(kept)} if kept else set[str]()


def _search(
    shared: Shared,
    library: Library,
    session: Session,
    where: tuple[str, ...],
    laid: Arrangement,
    feedback: Feedback,
    starred: set[str],
    place: DeltaGenerator,
) -> Hits | None:
    """The page of hits, searched for anew only where the question or the library has changed.

    A star alone changes nothing: figures do not move while they are being kept. Counts are made
    once for a question: neither pages nor judgements change them.
    """
    reading = Reading.current()
    session.answered = session.key()
    query = session.query(where, feedback, sorted(starred))
    if query is None:
        session.answers = None
        return None
    asked = (reading.question, laid, feedback, reading.page)
    if session.answers is None or session.answers[0] != asked:
        fields = () if reading.facets is not None else counted_fields(shared, library)
        query = replace(query, sort=laid.sort, group=laid.group, facets=fields)
        start = (reading.page - 1) * PAGE
        search = partial(library.search, query, min(PAGE, DEEPEST - start), start=start)
        hits = awaited(begun(session.tasks, asked, search), place)
        reading.facets = reading.facets if hits.facets is None else hits.facets
        if reading.judged is not None:
            reading.changed = changes(reading.judged, hits)
            reading.judged = None
        session.answers = (asked, hits)
    return session.answers[1]


def _cards(
    library: Library, reading: Reading, hits: Hits, starred: set[str], feedback: Feedback
) -> list[Card]:
    """A card for each hit, and after one whose stack is open, for what lies beneath it."""

    def marked(card: Card) -> Card:
        liked, disliked = card.id in feedback.likes, card.id in feedback.dislikes
        return replace(card, star=card.id in starred, like=liked, dislike=disliked)

    found: list[Card] = []
    for hit in hits:
        unfolded = hit.id in reading.unfolded
        found.append(Card.of(hit, unfolded=unfolded))
        if unfolded:
            found += _beneath(library, hit)
    # What is on the page by its own rank is not there twice.
    return [marked(card) for card in {card.id: card for card in reversed(found)}.values()][::-1]


def _beneath(library: Library, hit: Hit) -> list[Card]:
    told = [(one, "Same picture") for one in hit.duplicates]
    told += [(one, "Same article") for one in hit.siblings]
    cases = {case.id: case for case in library.cases([one for one, _ in told])}
    return [Card(one, cases[one], beneath=why) for one, why in told if one in cases]


def _called(session: Session, hits: Hits) -> None:
    """What the figures found are called; a click adds the words to the query."""
    if not hits.suggestions:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="called"):
        st.caption("Figures like it are called", width="content")
        for one in hits.suggestions:
            st.button(
                plain(one.text),
                key=f"called-{one.text}",
                type="tertiary",
                help=f"Search for {plain(one.text)} too",
                on_click=session.ask,
                kwargs={"words": f"{session.words} {one.text}".strip()},
            )


def _pages(reading: Reading, hits: Hits) -> None:
    """The way to other pages, where there are any."""
    count = pages(hits)
    if count < 2:
        return

    key = f"page-{reading.begun}"  # its own wherever reading begins, so that it begins there

    def turn() -> None:
        reading.page = int(st.session_state[key])

    with st.container(horizontal_alignment="center", key="pages"):
        st.pagination(count, default=min(reading.page, count), key=key, on_change=turn)
    if reading.page == count and hits.ranked >= DEEPEST:
        st.caption(f"Pages end at the {DEEPEST:,} best. Add words, or narrow, to see others.")
