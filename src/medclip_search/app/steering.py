"""The bar that steers: what was liked and disliked, what that changed, undo, and start over."""

from __future__ import annotations

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.gallery import Act, Card, gallery
from medclip_search.app.reading import Reading
from medclip_search.app.session import Session
from medclip_search.app.theme import plain
from medclip_search.errors import CaseNotFoundError, StateError
from medclip_search.search.hits import Hits
from medclip_search.server.shared import Shared
from medclip_search.state import LOCAL_USER, Feedback


def judged_here(shared: Shared, library: Library, session: Session) -> Feedback:
    """What was judged of this search, of the cases that the library still has.

    Raises ``StateError`` and ``LibraryError``.
    """
    feedback = shared.state.feedback(LOCAL_USER, library.id, session.key())
    if not feedback:
        return feedback
    there = {case.id for case in library.cases([*feedback.likes, *feedback.dislikes])}
    likes, dislikes = (
        tuple(one for one in ids if one in there) for ids in (feedback.likes, feedback.dislikes)
    )
    return Feedback(likes, dislikes)


def judge(
    shared: Shared,
    library: Library,
    session: Session,
    page: Hits,
    case_id: str,
    liked: bool,
    on: bool,
) -> None:
    """Like or dislike a case (``on``), or take that back, where it is not so already."""
    try:
        before = shared.state.feedback(LOCAL_USER, library.id, session.key())
        if on == (case_id in (before.likes if liked else before.dislikes)):
            return  # said in another tab meanwhile
        given = liked if on else None
        said = shared.state.give_feedback(LOCAL_USER, library.id, session.key(), case_id, given)
        Reading.current().judge((said,), page)
    except StateError as error:
        session.troubles = [str(error)]


def steering(shared: Shared, library: Library, session: Session, feedback: Feedback) -> None:
    """Draw the bar, at the foot of the window, where anything was judged."""
    reading = Reading.current()
    if not feedback and not reading.undoable:
        return
    page = session.answers[1] if session.answers else Hits(())

    def heard(act: Act, case_id: str, on: bool) -> None:
        if act == "open":
            session.opened = case_id
        else:
            judge(shared, library, session, page, case_id, act == "like", on)

    def undo() -> None:
        # The gesture alone: what another tab judged of the same search meanwhile stays.
        last = reading.undoable[-1]
        try:
            shared.state.take_back(LOCAL_USER, library.id, session.key(), last)
        except StateError as error:
            session.troubles = [str(error)]
            return
        reading.undoable = reading.undoable[:-1]
        reading.judged = page

    def start_over() -> None:
        try:
            gone = shared.state.clear_feedback(LOCAL_USER, library.id, session.key())
        except StateError as error:
            session.troubles = [str(error)]
            return
        reading.judge(gone, page)

    with st.container(horizontal=True, vertical_alignment="center", key="steering", border=True):
        if feedback:
            gallery(
                _judged(library, feedback),
                key="judged",
                label="Figures judged",
                on_gesture=heard,
                layout="strip",
                acts=("like", "dislike"),
            )
        with st.container(key="changes"):
            said = _said(feedback)
            if reading.changed is not None:
                said += f" {plain(str(reading.changed))}"
            st.markdown(said, width="stretch")
        if reading.undoable:
            st.button(
                "Undo",
                icon=":material/undo:",
                help="Take the last like or dislike back",
                on_click=undo,
            )
        if feedback:
            st.button(
                "Start over",
                icon=":material/restart_alt:",
                help="Forget the likes and dislikes of this search",
                on_click=start_over,
            )


def _said(feedback: Feedback) -> str:
    if not feedback:
        return "No likes and dislikes."
    told = [
        f"{len(ids)} {word}{'s' if len(ids) > 1 else ''}"
        for ids, word in ((feedback.likes, "like"), (feedback.dislikes, "dislike"))
        if ids
    ]
    return f"Re-ranked by {' and '.join(told)}."


def _judged(library: Library, feedback: Feedback) -> list[Card]:
    found = []
    for case_id in (*feedback.likes, *feedback.dislikes):
        try:
            case = library.case(case_id)
        except CaseNotFoundError:
            continue
        liked = case_id in feedback.likes
        found.append(Card(case_id, case, like=liked, dislike=not liked))
    return found
