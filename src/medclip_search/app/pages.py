"""Ways from one page to another."""

from __future__ import annotations

import streamlit as st

from medclip_search.app.search_page import search_page


def search_again() -> None:
    """Go to the search page; a page is known by its function and address."""
    st.switch_page(st.Page(search_page, title="Search", url_path="search", default=True))
