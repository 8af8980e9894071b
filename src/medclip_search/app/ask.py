"""The search bar: words and dropped or pasted images together."""

from __future__ import annotations

from typing import Any

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.chips import chips
from medclip_search.app.query_images import figure_of, read_uploads
from medclip_search.app.session import QueryImage, Session
from medclip_search.errors import MedClipError
from medclip_search.search.regions import Box
from medclip_search.server.shared import Shared

_BAR, _HEARD = "bar", "bar-heard"
_PLACEHOLDER = "Type words, drop or paste a figure (DICOM too), or both"  # fits a tablet


def search_bar(
    shared: Shared, library: Library, session: Session, where: tuple[str, ...], *, pictures: bool
) -> None:
    """The bar and, under it, what is being searched; ``pictures``: whether images can be asked."""

    def submitted() -> None:
        st.session_state[_HEARD] = True
        hear(st.session_state[_BAR])

    def hear(value: Any) -> None:
        text, files = (value.text, value.files) if pictures else (value, ())
        images, troubles = read_uploads(files, shared.secret)
        # New words take the place of those before, as in any search bar; new pictures join those
        # before, which their chips take back. All else stays; so it does where no file is read.
        if text.strip():
            session.ask(words=text)
        if images:
            session.add_images(images)
        session.troubles = troubles

    # Outside a container, Streamlit puts the bar at the page's foot.
    with st.container(key="searchbar"):
        value = st.chat_input(
            _PLACEHOLDER if pictures else "Type words",
            key=_BAR,
            accept_file="multiple" if pictures else False,
            on_submit=submitted,
        )
    if value is not None and not st.session_state.pop(_HEARD, False):
        # The first gesture after the server was restarted: it knows of no callback yet.
        hear(value)
        st.rerun()
    for trouble in session.troubles:
        st.error(trouble, icon=":material/error:")
    if session.notice:
        st.info(session.notice, icon=":material/info:")
    if session.asks() or session.area or where:
        chips(shared, library, session)


def search_with_figure(
    library: Library, session: Session, case_id: str, box: Box | None = None
) -> None:
    """Make a case's figure the query: full size, or its thumbnail where that is gone.

    With a box, in fractions, by that part of it.
    """
    try:
        image = figure_of(library, case_id)
        image = image if box is None else image.by_region(box)
    except MedClipError as error:
        session.troubles = [str(error)]
        return
    session.texts = []
    session.ask(images=[image])


def search_by_region(session: Session, image: QueryImage, box: Box | None) -> None:
    """Search by a box of a query image, in fractions; ``None``: by the whole image."""
    try:
        changed = image.by_region(box)
    except MedClipError as error:
        session.troubles = [str(error)]
        return
    session.ask(images=[changed if one is image else one for one in session.images])
