"""The map on the library page: the dots, the query among them, and the figures of an area."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.filters import FIELDS
from medclip_search.app.gallery import Act, Card, gallery
from medclip_search.app.map import Asked, Found, library_map
from medclip_search.app.pages import go_to
from medclip_search.app.session import Session
from medclip_search.app.theme import plain
from medclip_search.app.tray import star
from medclip_search.errors import MedClipError, QueryError
from medclip_search.indexes.map import Area
from medclip_search.search.hits import Hits
from medclip_search.search.query import Query
from medclip_search.server.maps import MOST
from medclip_search.server.shared import Shared
from medclip_search.state import LOCAL_USER
from medclip_search.terminal import counted

_SHOWN = 12
_COLOURS = {name: FIELDS[name] for name in ("modality", "region", "corpus")}
_AREA = "map-area"


def map_section(shared: Shared, library: Library, session: Session, info: dict[str, Any]) -> None:
    """Draw the map and what was chosen on it, or a sentence why there is none."""
    st.markdown("##### Map of the pictures")
    about = info["map"]
    if about is None:
        try:
            library.map(1)
        except QueryError as error:
            st.info(_sentence(error))
        return
    area: Area | None = st.session_state.get(_AREA)
    inside = None if area is None else _inside(library, area)
    with st.container(horizontal=True, vertical_alignment="center", key="map-within"):
        if area is None or inside is None:
            st.caption(_how(about), width="content")
        else:
            _within(session, area, inside)

    def chose(chosen: Area | None) -> None:
        st.session_state[_AREA] = chosen

    def opened(case_id: str) -> None:
        session.opened = case_id

    hits = session.answers[1] if session.answers else ()
    found = [Found(hit.id, hit.rank, *hit.place) for hit in hits if hit.place is not None]
    asked = _asked(shared, library, session)
    library_map(
        version=info["generation"],
        fields={name: label for name, label in _COLOURS.items() if library.facets(name)},
        hits=found,
        asked=asked,
        area=area,
        label=f"Map of {about['cases']:,} pictures, each near what it is like",
        on_area=chose,
        on_open=opened,
    )
    if found or asked:
        st.caption(_answers(found, asked))
    if inside:
        starred = {entry.case_id for entry in shared.state.tray(LOCAL_USER, library.id)}
        _cards(shared, library, session, inside, starred)


def _how(about: dict[str, Any]) -> str:
    shown = min(about["cases"], MOST)
    drawn = "" if shown == about["cases"] else f" {shown:,} of {about['cases']:,} are drawn."
    return (
        f"Each dot is a figure, close to those that look like it.{drawn} Drag and turn the wheel "
        "to move about; click a dot to open it; draw a box to search in it."
    )


def _sentence(error: QueryError) -> str:
    said = plain(str(error).removeprefix("map: "))
    return f"{said[:1].upper()}{said[1:]}."


def _asked(shared: Shared, library: Library, session: Session) -> list[Asked]:
    """Where what was last searched for stands; encoded once for a question."""
    if not (session.words or session.images):
        return []
    kept = st.session_state.get("map-asked")
    key = (session.key(), shared.version)
    if kept is None or kept[0] != key:
        try:
            query = Query(text=session.words, image=[one.asked for one in session.images])
            placed = library.place(query)[0]
        except MedClipError:
            placed = ()  # the search page says why
        kept = st.session_state["map-asked"] = (key, [Asked(one.x, one.y) for one in placed])
    found: list[Asked] = kept[1]
    return found


def _answers(found: list[Found], asked: list[Asked]) -> str:
    said = []
    if found:
        said.append("The numbers are the answers to your last search, by rank.")
    if asked:
        said.append("The cross-hair is what you searched for, amid the figures nearest to it.")
    return " ".join(said)


def _inside(library: Library, area: Area) -> Hits:
    """The first figures of an area, and how many of what kind there are."""
    fields = [name for name in ("modality", "region") if library.facets(name)]
    return library.search(Query(area=area, facets=fields or ["has_image"]), _SHOWN)


def _within(session: Session, area: Area, inside: Hits) -> None:
    """How many figures an area holds and of what kind, and the way to search in it."""
    assert inside.facets is not None
    number = inside.facets.cases
    if number:
        kinds = [
            f"{plain(str(value))} {count:,}"
            for name, values in inside.facets.fields.items()
            if name != "has_image"
            for value, count in list(values.items())[:4]
        ]
        told = f"**{counted(number, 'figure')} in this area** · {' · '.join(kinds)}"
        st.markdown(told, width="content")
        if st.button(
            f"Search in {'this figure' if number == 1 else f'these {number:,} figures'}",
            icon=":material/search:",
        ):
            session.area = area
            go_to("Search")
    else:
        st.markdown("No figure stands in this area. Draw another box.", width="content")
    st.button("Let go", icon=":material/close:", on_click=st.session_state.pop, args=(_AREA,))


def _cards(
    shared: Shared, library: Library, session: Session, hits: Hits, starred: set[str]
) -> None:
    def heard(act: Act, case_id: str, on: bool) -> None:
        if act == "open":
            session.opened = case_id
        else:
            star(shared, library, session, case_id, on)

    gallery(
        [replace(Card(hit.id, hit.case), star=hit.id in starred) for hit in hits],
        key="map-figures",
        label="Figures in the area",
        on_gesture=heard,
        layout="cards small",
        acts=("star",),
    )
