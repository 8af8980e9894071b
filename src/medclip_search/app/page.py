"""What Streamlit runs for every tab and every gesture: the frame, and the page chosen in it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.app.help_page import help_page
from medclip_search.app.library_page import library_page
from medclip_search.app.pages import navigate
from medclip_search.app.search_page import search_page
from medclip_search.app.session import Session
from medclip_search.app.theme import PAGE_STYLE
from medclip_search.app.trays_page import trays_page
from medclip_search.server.uploads import LIMIT_MB

_LOST = (
    "The server does not answer. Start it again with <code>medclip-search serve LIBRARY</code>, at "
    "the same address: this page then goes on by itself, with the search that its address holds."
)
_LARGE = (
    f"The file was not taken: it is larger than {LIMIT_MB} MB. Save the picture, frame or slice "
    "that matters to a file of its own (PNG, JPEG, TIFF or DICOM), and drop that."
)


def main() -> None:
    """Draw the notice, the ways to the pages, and the page that was chosen."""
    # An icon of our own: Streamlit would fetch a named one from a server on the internet.
    icon = Path(__file__).with_name("icon.svg")
    st.set_page_config(page_title="MedClip Search", page_icon=str(icon), layout="wide")
    st.html(
        f'{PAGE_STYLE}<div class="medclip-lost" role="alert">{_LOST}</div>'
        f'<div class="medclip-large" role="alert">{_LARGE}</div>'
        f'<div class="medclip-notice" role="note">{NOT_FOR_DIAGNOSIS}</div>'
    )
    pages = [
        st.Page(search_page, title="Search", url_path="search", default=True),
        st.Page(trays_page, title="Trays", url_path="trays"),
        st.Page(library_page, title="Library", url_path="library"),
        st.Page(help_page, title="Help", url_path="help"),
    ]
    page = navigate(pages)
    if page is not pages[0]:
        Session.current().address = None  # the address that the search page left is gone
    page.run()


main()
