"""A query image, opened: to look at it closely, and to search by a part of it."""

from __future__ import annotations

import streamlit as st

from medclip_search.app.ask import search_by_region
from medclip_search.app.looking import figure_of_query
from medclip_search.app.session import QueryImage, Session
from medclip_search.app.viewer import Gesture, viewer


@st.dialog("Query image", width="large", on_dismiss="rerun", icon=":material/crop:")
def open_query_image(session: Session, image: QueryImage) -> None:
    """Show it over the page; a box that is drawn on it becomes what is searched by."""

    def heard(gesture: Gesture) -> None:
        if gesture.act == "region":
            search_by_region(session, image, gesture.box)
            st.session_state["query-changed"] = True

    st.caption("Draw a box around what matters, then search by it. The picture stays in memory.")
    viewer(
        figure_of_query(image),
        key="query-figure",
        on_gesture=heard,
        regions=True,
        box=image.region,
        mode="box",
    )
    if st.session_state.pop("query-changed", False):
        st.rerun()
