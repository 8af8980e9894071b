"""Recent searches: to ask again with a click, and to forget."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.address import past_address, restore
from medclip_search.app.filters import FIELDS
from medclip_search.app.session import Session
from medclip_search.app.theme import plain
from medclip_search.errors import StateError
from medclip_search.server.shared import Shared
from medclip_search.state import LOCAL_USER, PastSearch

_SHOWN = 12
_LONGEST = 60


def recent(shared: Shared, library: Library, session: Session) -> None:
    """The way to recent searches beside the chips; nothing where there are none."""
    try:
        searches = shared.state.searches(LOCAL_USER, library.id)
    except StateError:
        return  # the tray beside says what is wrong
    if searches:
        with st.popover("Recent", icon=":material/history:", type="tertiary"):
            _searches(shared, library, session, searches)
            _keeping(shared, library, session, searches)


def recent_on_empty_page(shared: Shared, library: Library, session: Session) -> None:
    """Recent searches where nothing is asked, and whether they are kept."""
    try:
        searches = shared.state.searches(LOCAL_USER, library.id)
        if not searches and shared.state.keeps_searches(LOCAL_USER):
            return
    except StateError:
        return
    st.markdown("##### Recent searches")
    with st.container(horizontal=True, vertical_alignment="center", key="recent"):
        _searches(shared, library, session, searches)
    with st.container(horizontal=True, vertical_alignment="center"):
        _keeping(shared, library, session, searches)


def _searches(
    shared: Shared, library: Library, session: Session, searches: tuple[PastSearch, ...]
) -> None:
    for number, search in enumerate(searches[:_SHOWN]):
        st.button(
            plain(told(search)),
            key=f"recent-{number}",
            on_click=restore,
            args=(shared, library, session, past_address(search)),
        )


def _keeping(
    shared: Shared, library: Library, session: Session, searches: tuple[PastSearch, ...]
) -> None:
    """Forget them; keep none. Words of searches may say more of a patient than one would keep."""
    key = "keep-searches"

    def forget() -> None:
        _try(session, lambda: shared.state.forget_searches(LOCAL_USER, library.id))

    def keep() -> None:
        wanted = bool(st.session_state[key])
        _try(session, lambda: shared.state.set_keep_searches(LOCAL_USER, wanted))

    st.session_state[key] = shared.state.keeps_searches(LOCAL_USER)
    st.toggle(
        "Keep my searches",
        key=key,
        help="On this machine: words, filters and figures of the library, never a picture of yours",
        on_change=keep,
    )
    if searches:
        st.button("Forget them", icon=":material/delete:", type="tertiary", on_click=forget)


def _try(session: Session, work: Callable[[], object]) -> None:
    try:
        work()
    except StateError as error:
        session.troubles = [str(error)]


def told(search: PastSearch) -> str:
    """A search in a few words."""
    said = [*search.words, *(f"not {one}" for one in search.not_words)]
    said += [f"Figure {one}" for one in search.cases]
    said += [f"not Figure {one}" for one in search.not_cases]
    for name, values in past_address(search).items():
        if name == "year":
            said.append(values[0].replace("-", "–"))
        elif name in FIELDS:
            said.append(", ".join(values))
    text = " · ".join(said)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
