"""What is being searched, as chips: each is changed, weighed, unwanted or removed by its own."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from medclip_search.api import Library
from medclip_search.app.address import WEIGHTS, link
from medclip_search.app.filters import clear_filters
from medclip_search.app.recent import recent
from medclip_search.app.session import MOST_PARTS, QueryImage, QueryWords, Session
from medclip_search.app.theme import plain
from medclip_search.server.shared import Shared

_LONGEST = 60


def chips(shared: Shared, library: Library, session: Session) -> None:
    """A chip for each of the words and images, and what else is done with the query."""

    def new_search() -> None:
        session.ask(words="", images=[])
        session.texts, session.area = [], ()
        clear_filters()

    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="asked"):
        for words in session.texts:
            _words(session, words)
        for image in session.images:
            _image(session, image)
        if session.area:
            _area(session)
        if session.joined:
            one = len(session.joined) == 1
            st.button(
                "Only the new picture" if one else "Only the new pictures",
                type="tertiary",
                help="Search without the pictures from before",
                on_click=session.only,
                args=(session.joined,),
            )
        if len(session.texts) < MOST_PARTS:
            _add(session)
        _link(session)
        st.button("New search", icon=":material/restart_alt:", type="tertiary", on_click=new_search)
        recent(shared, library, session)


def _words(session: Session, words: QueryWords) -> None:
    key = f"text-{words.token}"

    def rewritten() -> None:
        session.change(words.token, text=str(st.session_state[key]).strip())

    said = f"“{words.text}”" if len(words.text) <= _LONGEST else f"“{words.text[:_LONGEST]}…”"
    with _chip(words):
        with st.popover(_label(words, said), type="tertiary", key=f"open-{words.token}"):
            st.text_input("Words", words.text, key=key, on_change=rewritten)
            _settings(session, words)
        _remove(words.token, words.text, partial(session.remove, words.token))


def _image(session: Session, image: QueryImage) -> None:
    def look() -> None:
        session.opened_image = image

    with _chip(image):
        name = html.escape(image.name)
        alt, part = name, ""
        if image.region is not None:
            alt, part = f"Region of {name}", "<small>region</small>"
        preview = f'<img src="{html.escape(image.preview)}" alt="{alt}">{part}'
        st.html(f'<div class="medclip-chip" title="{name}">{preview}</div>', width="content")
        with st.popover(_label(image, image.name), type="tertiary", key=f"open-{image.token}"):
            _settings(session, image)
            if len(session.images) > 1:
                st.button(
                    "Search with this picture alone",
                    key=f"only-{image.token}",
                    on_click=session.only,
                    args=([image.token],),
                )
        st.button(
            "Look or draw a box",
            key=f"look-{image.token}",
            icon=":material/crop:",
            help=f"Look at {plain(image.name)}, and draw a box to search by a part of it",
            type="tertiary",
            on_click=look,
        )
        _remove(image.token, image.name, partial(session.remove, image.token))


def _area(session: Session) -> None:
    def everywhere() -> None:
        session.area = ()

    with _frame("area"):
        st.markdown("In an area of the map", width="content")
        _remove("area", "an area of the map", everywhere)


def _chip(part: QueryWords | QueryImage) -> DeltaGenerator:
    return _frame(f"{'unwanted' if part.unwanted else 'wanted'}-{part.token}")


def _frame(key: str) -> DeltaGenerator:
    return st.container(
        horizontal=True,
        vertical_alignment="center",
        width="content",
        gap="xsmall",
        border=True,
        key=f"chip-{key}",
    )


def _label(part: QueryWords | QueryImage, name: str) -> str:
    weight = "" if part.weight == 1 else f" {_times(part.weight)}"
    return f"{'not ' if part.unwanted else ''}{plain(name)}{weight}"


def _settings(session: Session, part: QueryWords | QueryImage) -> None:
    """Whether it is wanted, and how much it counts; unwanted words leave out and weigh nothing."""
    unwanted, weight = f"unwanted-{part.token}", f"weight-{part.token}"

    def turned() -> None:
        session.change(part.token, unwanted=bool(st.session_state[unwanted]))

    def weighed() -> None:
        session.change(part.token, weight=float(st.session_state[weight]))

    words = isinstance(part, QueryWords)
    st.toggle(
        "Unwanted",
        part.unwanted,
        key=unwanted,
        help="Leave out figures with these words" if words else "Find figures less like this one",
        on_change=turned,
    )
    if not (words and part.unwanted):
        st.select_slider(
            "How much it counts",
            WEIGHTS,
            part.weight,
            format_func=_times,
            key=weight,
            on_change=weighed,
        )


def _times(weight: float) -> str:
    return {0.25: "¼ ×", 0.5: "½ ×"}.get(weight, f"{weight:g} ×")


def _remove(key: str, name: str, remove: Callable[[], None]) -> None:
    st.button(
        "Remove",
        key=f"remove-{key}",
        icon=":material/close:",
        help=f"Search without {plain(name)}",
        type="tertiary",
        on_click=remove,
    )


def _add(session: Session) -> None:
    """More words, to look for or to leave out."""

    def added(unwanted: bool) -> None:
        session.add_words(str(st.session_state["more-words"]), unwanted=unwanted)

    with (
        st.popover("Words", icon=":material/add:", type="tertiary", help="More words, or unwanted"),
        st.form("more", clear_on_submit=True, border=False),
    ):
        st.text_input("More words", key="more-words")
        with st.container(horizontal=True):
            st.form_submit_button("Look for", on_click=partial(added, False))
            st.form_submit_button("Leave out", on_click=partial(added, True))


def _link(session: Session) -> None:
    """The page's address, to copy; the browser's own bar has it too."""
    with st.popover("Link", icon=":material/link:", type="tertiary", help="A link to this search"):
        st.code(link(session), language=None, wrap_lines=True)
        if any(one.case_id is None for one in session.images):
            st.caption("Pictures that you dropped or pasted are in no link.")
        else:
            st.caption("It opens this search in this library, wherever this server is reached.")
