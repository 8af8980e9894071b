"""The tray in the sidebar: favourites with their thumbnails, to keep and to take along."""

from __future__ import annotations

import streamlit as st

from medclip_search.api import Library
from medclip_search.app import exports
from medclip_search.app.gallery import Act, Card, gallery
from medclip_search.app.session import Session
from medclip_search.errors import CaseNotFoundError, StateError
from medclip_search.server.shared import Shared
from medclip_search.state import LOCAL_USER


def tray(shared: Shared, library: Library, session: Session) -> None:
    """Draw the tray: a click opens a case, a star takes it out, two buttons export it."""
    try:
        entries = shared.state.tray(LOCAL_USER, library.id)
    except StateError as error:
        st.error(str(error))
        return
    st.subheader(f"Tray ({len(entries)})" if entries else "Tray", anchor=False)
    if not entries:
        st.caption("Put figures here with the star on a card. They stay when you close the page.")
        return
    cards = [_card(library, entry.case_id) for entry in entries]

    def heard(act: Act, case_id: str) -> None:
        if act == "open":
            session.opened = case_id
        else:
            toggle(shared, library, session, case_id)

    gallery(
        cards,
        key="tray",
        label="Figures in the tray",
        on_gesture=heard,
        layout="rows",
        acts=("star",),
    )
    cases = [card.case for card in cards if card.case is not None]
    with st.container(horizontal=True):
        for kind, content in (("CSV", exports.to_csv), ("JSON", exports.to_json)):
            st.download_button(
                kind,
                data=content(cases),
                file_name=f"medclip-tray.{kind.lower()}",
                mime="text/csv" if kind == "CSV" else "application/json",
                icon=":material/download:",
                on_click="ignore",
                disabled=not cases,
                help=f"Save the tray's captions, links and licences as {kind}",
            )


def toggle(shared: Shared, library: Library, session: Session, case_id: str) -> None:
    """Put a case into the tray, or take it out where it is in already."""
    try:
        if not shared.state.remove_from_tray(LOCAL_USER, library.id, case_id):
            shared.state.add_to_tray(LOCAL_USER, library.id, case_id)
    except StateError as error:
        session.troubles = [str(error)]


def _card(library: Library, case_id: str) -> Card:
    try:
        return Card(case_id, library.case(case_id), star=True)
    except CaseNotFoundError:
        return Card(case_id, None, star=True)
