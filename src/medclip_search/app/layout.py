"""The headline over the answers: how many there are, in which order, and how they are stacked."""

from __future__ import annotations

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.reading import Arrangement
from medclip_search.app.theme import plain
from medclip_search.search.engine import DEEPEST
from medclip_search.search.facets import Facets
from medclip_search.search.hits import Hits
from medclip_search.search.sort import Sort
from medclip_search.server.shared import Shared

_SORT = "sort"
_STACK = "stack-articles"
_ORDERS: dict[Sort, str] = {
    "relevance": "Best first",
    "newest": "Newest first",
    "oldest": "Oldest first",
}


def arrangement(shared: Shared, library: Library) -> Arrangement:
    """How the answers are to lie, as last chosen; figures of one article are stacked at first."""
    sort: Sort = st.session_state.get(_SORT, "relevance")
    stacked = st.session_state.get(_STACK, True) and _has_articles(shared, library)
    return Arrangement(
        sort if _has_years(shared, library) else "relevance", "article" if stacked else ""
    )


def laid_out() -> tuple[Sort, bool]:
    """The order that was chosen, and whether figures of one article are stacked."""
    return st.session_state.get(_SORT, "relevance"), st.session_state.get(_STACK, True)


def lay(sort: Sort, *, stacked: bool) -> None:
    """Choose the order, and whether to stack; before they are drawn."""
    st.session_state[_SORT], st.session_state[_STACK] = sort, stacked


def headline(shared: Shared, library: Library, hits: Hits, facets: Facets | None) -> None:
    """Say how many there are and how they were found; let the order and the stacks be chosen."""
    with st.container(horizontal=True, vertical_alignment="center", key="headline"):
        figures = "1 figure" if hits.ranked == 1 else f"{hits.ranked:,} figures"
        if hits.ranked >= DEEPEST:
            figures = f"The best {DEEPEST:,} figures"
        st.markdown(f"**{figures}** · {hits.milliseconds:.0f} ms", width="content")
        if facets is not None and facets.counted == "matches" and facets.cases < hits.ranked:
            have = "has" if facets.cases == 1 else "have"
            st.caption(f"{facets.cases:,} {have} your words, the others are near", width="content")
        st.space("stretch")
        if _has_articles(shared, library):
            st.session_state.setdefault(_STACK, True)
            st.toggle(
                "Stack articles",
                key=_STACK,
                help="Figures of one article lie in one stack, which opens",
            )
        if _has_years(shared, library):
            st.selectbox(
                "Order",
                list(_ORDERS),
                format_func=_ORDERS.__getitem__,
                key=_SORT,
                label_visibility="collapsed",
                width=150,
            )
    if hits.notes:
        st.caption(" ".join(plain(note) for note in hits.notes))


def _has_articles(shared: Shared, library: Library) -> bool:
    """Whether any article has several figures here."""

    def several() -> bool:
        cases, articles = library.coverage("article")
        return articles < cases

    return shared.remember("articles", several)


def _has_years(shared: Shared, library: Library) -> bool:
    return shared.remember("years", lambda: library.coverage("year")[1] > 1)
