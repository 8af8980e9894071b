"""The ways from one page to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import streamlit as st

_KEY = "pages"


def navigate(pages: Sequence[Any]) -> Any:
    """Draw the ways to the pages (of ``st.Page``); gives the chosen one."""
    chosen = st.navigation(list(pages), position="top")
    st.session_state[_KEY] = {page.title: page for page in pages} | {"": chosen}
    return chosen


def link_to(title: str, label: str, icon: str) -> None:
    """Draw a way to a page, by its title."""
    st.page_link(st.session_state[_KEY][title], label=label, icon=icon)


def go_to(title: str) -> NoReturn:
    """Draw a page anew, another or the one that is shown."""
    pages = st.session_state[_KEY]
    if pages[""].title == title:
        st.rerun()
    st.switch_page(pages[title])
