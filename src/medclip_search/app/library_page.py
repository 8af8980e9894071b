"""The library page: how much there is, the map of its pictures, what is known, how it was made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from medclip_search.api import Library
from medclip_search.app.case_view import open_case
from medclip_search.app.coverage import counts, coverage
from medclip_search.app.map_section import map_section
from medclip_search.app.pages import go_to
from medclip_search.app.session import Session
from medclip_search.errors import MedClipError
from medclip_search.server.shared import Shared, current
from medclip_search.terminal import counted, meaning, size


def library_page() -> None:
    """Draw it; where the library cannot be read, a sentence says so."""
    shared, session = current(), Session.current()
    if session.waits:  # an opened case was searched with
        go_to("Search")
    try:
        library = shared.library()
        info: dict[str, Any] = shared.remember("info", library.info)
        _facts(shared, library, info)
        if not info["cases"]:
            st.info("This library is empty. Add a corpus to it with `medclip-search build`.")
            return
        map_section(shared, library, session, info)
        st.subheader("What it covers", anchor=False)
        coverage(shared, library)
        _making(info)
    except MedClipError as error:
        st.error(str(error))
        return
    if session.opened is not None:
        opened, session.opened = session.opened, None
        open_case(shared, library, session, opened)


def _facts(shared: Shared, library: Library, info: dict[str, Any]) -> None:
    captions = counts(shared, library, "has_caption").get("True", 0)
    years = [int(year) for year in counts(shared, library, "year")]
    facts = [
        counted(info["cases"], "case"),
        f"{info['images']:,} with a picture",
        f"{captions:,} with a caption",
        *([f"{min(years)} to {max(years)}"] if years else []),
        size(info["bytes"]["total"]),
        f"published {_day(info['created'])}",
    ]
    told = " · ".join(facts)
    st.html(f'<div class="medclip-brand"><h1>The library</h1><span>{told}</span></div>')


def _day(when: str) -> str:
    """``27 Nov 2026``, of an ISO date."""
    found = datetime.fromisoformat(when)
    return f"{found.day} {found:%b %Y}"


def _making(info: dict[str, Any]) -> None:
    """Sources and embedding spaces: for who wants to know what answers, and why."""
    st.markdown("##### Sources")
    sources = [
        {"Source": one["name"], "Kind": one["kind"], "Cases": f"{one['cases']:,}"}
        for one in info["sources"]
    ]
    st.table(pd.DataFrame(sources).set_index("Source"))
    st.markdown("##### How pictures and words are compared")
    spaces = [
        {
            "Embedding space": one["name"],
            "Holds": meaning(one),
            "Dimensions": str(one["dimension"]),
            "Vectors": f"{one['live']:,}",
            "Search": "FAISS" if one["index"]["engine"] == "faiss" else "exact",
        }
        for one in info["spaces"]
    ]
    if spaces:
        st.table(pd.DataFrame(spaces).set_index("Embedding space"))
    words = "Words are ranked over captions, keywords and ids by BM25."
    made = f"Encoder: {info['encoder']}. " if info["encoder"] else ""
    rooms = ", ".join(f"{room} {size(n)}" for room, n in info["bytes"].items() if room != "total")
    when = f"{_day(info['created'])}, {datetime.fromisoformat(info['created']):%H:%M %Z}"
    st.caption(
        f"{made}{words} Generation {info['generation']}, published "
        f"{when}, by MedClip Search "
        f"{info['program']}. On disk: {rooms}."
    )
