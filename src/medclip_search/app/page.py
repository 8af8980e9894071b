"""The app's one page. Streamlit runs this script for every tab and every gesture."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.app.ask import search_bar
from medclip_search.app.case_view import open_case
from medclip_search.app.filters import filters
from medclip_search.app.results import results
from medclip_search.app.session import Session
from medclip_search.app.theme import PAGE_STYLE
from medclip_search.app.tray import tray
from medclip_search.app.welcome import welcome
from medclip_search.errors import MedClipError
from medclip_search.server.shared import current


def main() -> None:
    """Draw the page: filters and tray beside, the search bar, then answers or examples."""
    # An icon of our own: Streamlit would fetch a named one from a server on the internet.
    icon = Path(__file__).with_name("icon.svg")
    st.set_page_config(page_title="MedClip Search", page_icon=str(icon), layout="wide")
    st.html(f'{PAGE_STYLE}<div class="medclip-notice" role="note">{NOT_FOR_DIAGNOSIS}</div>')
    shared, session = current(), Session.current()
    try:
        library = shared.library()
        with st.sidebar:
            where = filters(shared, library)
            tray(shared, library, session)
        pictures: int = shared.remember("pictures", lambda: library.info()["images"])
    except MedClipError as error:
        st.error(str(error))
        return
    _brand(len(library), pictures=pictures > 0)
    search_bar(shared, library, session, where, pictures=pictures > 0)
    if not results(shared, library, session, where):
        welcome(shared, library, session)
    if session.opened is not None:
        # Opened once: a dialog that was closed is not to come back at the next run.
        opened, session.opened = session.opened, None
        open_case(shared, library, session, opened)


def _brand(cases: int, *, pictures: bool) -> None:
    if pictures:
        by = "found by words, by image, or by both"
        figures = "1 figure" if cases == 1 else f"{cases:,} figures"
    else:
        by = "found by words"
        figures = "1 case" if cases == 1 else f"{cases:,} cases"
    st.html(f'<div class="medclip-brand"><h1>MedClip Search</h1><span>{figures}, {by}</span></div>')


main()
