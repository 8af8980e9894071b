"""The page one searches on: filters and tray beside, the search bar, then answers or examples."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.address import follow_address, write_address
from medclip_search.app.ask import search_bar
from medclip_search.app.case_view import open_case
from medclip_search.app.filters import filters, filters_in_force
from medclip_search.app.query_view import open_query_image
from medclip_search.app.results import results
from medclip_search.app.session import Session
from medclip_search.app.tray import tray
from medclip_search.app.welcome import welcome
from medclip_search.errors import MedClipError, StateError
from medclip_search.search.facets import Facets
from medclip_search.server.shared import Shared, current
from medclip_search.state import LOCAL_USER


def search_page() -> None:
    """Draw it; where the library cannot be read, a sentence says so."""
    shared, session = current(), Session.current()
    try:
        library = shared.library()
        with st.sidebar:
            narrowing = st.container(key="narrow")
            tray(shared, library, session)
        pictures: int = shared.remember("pictures", lambda: library.info()["images"])
    except MedClipError as error:
        st.error(str(error))
        return
    follow_address(shared, library, session)
    _brand(len(library), pictures=pictures > 0)
    where = filters_in_force()
    search_bar(shared, library, session, where, pictures=pictures > 0)
    answered = results(shared, library, session, where)
    if not answered:
        welcome(shared, library, session)
    with narrowing:
        filters(shared, library, answered if isinstance(answered, Facets) else None)
    write_address(session)
    _keep(shared, library, session, where)
    if session.opened is not None:
        # Opened once: a dialog that was closed is not to come back at the next run.
        opened, session.opened = session.opened, None
        open_case(shared, library, session, opened)
    elif session.opened_image is not None:
        image, session.opened_image = session.opened_image, None
        open_query_image(session, image)


def _keep(shared: Shared, library: Library, session: Session, where: tuple[str, ...]) -> None:
    """Remember a search that was answered, once."""
    past = session.past(where)
    if past and past != session.kept and session.answers is not None:
        session.kept = past
        with suppress(StateError):  # the tray beside says what is wrong
            shared.state.keep_search(LOCAL_USER, library.id, past)


def _brand(cases: int, *, pictures: bool) -> None:
    if pictures:
        by = "found by words, by image, or by both"
        figures = "1 figure" if cases == 1 else f"{cases:,} figures"
    else:
        by = "found by words"
        figures = "1 case" if cases == 1 else f"{cases:,} cases"
    st.html(f'<div class="medclip-brand"><h1>MedClip Search</h1><span>{figures}, {by}</span></div>')
