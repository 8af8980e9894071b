"""The help page: what can be done, how to write words, what leaves the machine (nothing)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_READABLE = 760  # pixels: lines of some 90 letters


def help_page() -> None:
    """Draw ``help.md``, which lies beside this file."""
    with st.container(width=_READABLE):
        st.markdown(Path(__file__).with_name("help.md").read_text("utf-8"))
