"""The tray in the sidebar: which one, its favourites with their thumbnails, the way to its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.gallery import Act, Card, gallery
from medclip_search.app.pages import link_to
from medclip_search.app.session import Session
from medclip_search.app.theme import plain
from medclip_search.errors import CaseNotFoundError, MedClipError, StateError
from medclip_search.server.shared import Shared
from medclip_search.state import LOCAL_USER, TakenOut

_UNDO = "tray-undo"


@dataclass(frozen=True, slots=True)
class Undo:
    """What was done to a tray, in words, and what that took out of it."""

    told: str
    taken: TakenOut


def tray(shared: Shared, library: Library, session: Session) -> None:
    """Draw the current tray: a click opens a case, a star takes it out."""
    try:
        entries = shared.state.tray(LOCAL_USER, library.id)
        st.subheader(f"Tray ({len(entries)})" if entries else "Tray", anchor=False)
        chooser(shared, library, label="Stars go into", key="tray-beside")
    except StateError as error:
        st.error(str(error))
        return
    undo_bar(shared, library)
    if not entries:
        st.caption("Put figures here with the star on a card. They stay when you close the page.")
        return
    link_to("Trays", "Notes, order, exports", ":material/edit_note:")
    cards = [_card(library, entry.case_id) for entry in entries]

    def heard(act: Act, case_id: str, on: bool) -> None:
        if act == "open":
            session.opened, session.from_tray = case_id, True
        else:
            star(shared, library, session, case_id, on)

    gallery(
        cards,
        key="tray",
        label="Figures in the tray",
        on_gesture=heard,
        layout="rows",
        acts=("star",),
    )


def chooser(shared: Shared, library: Library, *, label: str, key: str) -> str:
    """Let the user choose the current tray, or type the name of a new one; gives its name."""
    state = shared.state
    current = state.current_tray(LOCAL_USER, library.id)
    # Names alone: the browser sends back what it shows, and a count that has changed meanwhile
    # would come back as a new tray's name.
    names = list(state.trays(LOCAL_USER, library.id)) or [current]

    def chosen() -> None:
        name = st.session_state[key]
        with telling_troubles():
            if name not in state.trays(LOCAL_USER, library.id):
                name = state.create_tray(LOCAL_USER, library.id, name)
            state.choose_tray(LOCAL_USER, library.id, name)
            forget_undo()

    st.session_state[key] = current  # chosen here, on the other page or in another tab
    st.selectbox(
        label,
        names,
        key=key,
        accept_new_options=True,
        on_change=chosen,
        help="Choose a tray, or type the name of a new one",
    )
    if trouble := st.session_state.pop("tray-trouble", None):
        st.error(plain(trouble))
    return current


def star(shared: Shared, library: Library, session: Session, case_id: str, on: bool) -> None:
    """Put a case into the tray (``on``), or take it out, where it is not so already."""
    try:
        forget_undo()
        if on:
            shared.state.add_to_tray(LOCAL_USER, library.id, case_id)
            return
        taken = shared.state.remove_from_tray(LOCAL_USER, library.id, case_id)
        if taken is not None and taken.noted:
            remember_undo(Undo("Taken out, with its note", taken))
    except MedClipError as error:
        session.troubles = [str(error)]


class telling_troubles:  # noqa: N801  (read as a word of the sentence it stands in)
    """Whatever goes wrong inside is told by the next ``chooser`` that is drawn, in a sentence."""

    def __enter__(self) -> None:
        st.session_state.pop("tray-trouble", None)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if isinstance(error, MedClipError):
            st.session_state["tray-trouble"] = str(error)
        return isinstance(error, MedClipError)


def remember_undo(undo: Undo) -> None:
    """Offer to take back what was done last."""
    st.session_state[_UNDO] = undo


def forget_undo() -> None:
    """Something else was done."""
    st.session_state.pop(_UNDO, None)


def undo_bar(
    shared: Shared, library: Library, otherwise: Callable[[], object] = lambda: None
) -> None:
    """What was done last, and a button that takes it back; or something else in its place."""
    undo = st.session_state.get(_UNDO)
    if not isinstance(undo, Undo):
        otherwise()
        return

    def take_back() -> None:
        with telling_troubles():
            # The gesture alone: what another tab put into the tray meanwhile stays.
            shared.state.put_back(LOCAL_USER, library.id, undo.taken)
            shared.state.choose_tray(LOCAL_USER, library.id, undo.taken.tray)
            forget_undo()

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(undo.told), width="content")
        st.button("Undo", key="undo-tray", icon=":material/undo:", on_click=take_back)


def _card(library: Library, case_id: str) -> Card:
    try:
        return Card(case_id, library.case(case_id), star=True)
    except CaseNotFoundError:
        return Card(case_id, None, star=True)
