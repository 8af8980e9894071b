"""The answers: a grid of cards, likes and dislikes that re-rank it, and more on request."""

from __future__ import annotations

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.gallery import Act, Card, gallery
from medclip_search.app.session import MOST, PAGE, Session
from medclip_search.app.theme import plain
from medclip_search.app.tray import toggle
from medclip_search.errors import MedClipError, StateError
from medclip_search.search.hits import Hits
from medclip_search.server.shared import Shared
from medclip_search.state import LOCAL_USER, Feedback


def results(shared: Shared, library: Library, session: Session, where: tuple[str, ...]) -> bool:
    """Search and draw the answers; false where nothing is asked."""
    key = session.key()
    try:
        feedback = shared.state.feedback(LOCAL_USER, library.id, key)
        starred = {entry.case_id for entry in shared.state.tray(LOCAL_USER, library.id)}
        hits = _search(shared, library, session, where, feedback, starred)
    except MedClipError as error:
        st.error(str(error))
        return True
    if hits is None:
        return False
    _headline(shared, library, session, hits, feedback)
    _called(session, hits)
    if not hits:
        st.info("No figure matches. Try other words, or take a filter away.")
        return True

    def heard(act: Act, case_id: str) -> None:
        if act == "open":
            session.opened = case_id
        elif act == "star":
            toggle(shared, library, session, case_id)
        else:
            before = feedback.likes if act == "like" else feedback.dislikes
            liked = None if case_id in before else act == "like"
            try:
                shared.state.give_feedback(LOCAL_USER, library.id, key, case_id, liked)
            except StateError as error:
                session.troubles = [str(error)]

    gallery(
        [
            Card(
                hit.id,
                hit.case,
                rank=hit.rank,
                why=hit.why,
                carries=hit.carries(),
                star=hit.id in starred,
                like=hit.id in feedback.likes,
                dislike=hit.id in feedback.dislikes,
            )
            for hit in hits
        ],
        key="results",
        label="Figures found",
        on_gesture=heard,
    )
    _more(session, hits)
    return True


def _search(
    shared: Shared,
    library: Library,
    session: Session,
    where: tuple[str, ...],
    feedback: Feedback,
    starred: set[str],
) -> Hits | None:
    """The hits, searched for anew only where the question or the library has changed.

    A star alone changes nothing: figures do not move while they are being kept.
    """
    query = session.query(where, feedback, sorted(starred))
    if query is None:
        session.answers = None
        return None
    asked = (session.key(), where, feedback, session.shown, shared.version)
    if session.answers is None or session.answers[0] != asked:
        session.answers = (asked, library.search(query, session.shown))
    return session.answers[1]


def _headline(
    shared: Shared, library: Library, session: Session, hits: Hits, feedback: Feedback
) -> None:
    key = session.key()
    with st.container(horizontal=True, vertical_alignment="center", key="headline"):
        figures = "1 figure" if len(hits) == 1 else f"{len(hits)} figures"
        if len(hits) == session.shown:
            figures = f"The best {figures}"
        st.markdown(f"**{figures}** · {hits.milliseconds:.0f} ms", width="content")
        if feedback:
            said = [
                f"{len(ids)} {word}{'s' if len(ids) > 1 else ''}"
                for ids, word in ((feedback.likes, "like"), (feedback.dislikes, "dislike"))
                if ids
            ]
            st.markdown(f"re-ranked by {' and '.join(said)}", width="content")
            st.button(
                "Forget likes and dislikes",
                icon=":material/undo:",
                type="tertiary",
                help="Forget the likes and dislikes of this search",
                on_click=shared.state.clear_feedback,
                args=(LOCAL_USER, library.id, key),
            )
    if hits.notes:
        st.caption(" ".join(plain(note) for note in hits.notes))


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


def _more(session: Session, hits: Hits) -> None:
    if len(hits) < session.shown:
        return
    if session.shown >= MOST:
        st.caption(f"The first {MOST} figures are shown. Add words or filters to see others.")
        return

    def more() -> None:
        session.shown += PAGE

    st.button("More figures", icon=":material/expand_more:", on_click=more, width="stretch")
