"""The page of the trays: notes and order, exports and imports."""

from __future__ import annotations

import html
from urllib.parse import quote

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.case_view import open_case
from medclip_search.app.session import Session
from medclip_search.app.theme import plain
from medclip_search.app.tray import (
    Undo,
    chooser,
    forget_undo,
    remember_undo,
    telling_troubles,
    undo_bar,
)
from medclip_search.app.tray_list import ADDRESS, Change, tray_list
from medclip_search.errors import MedClipError
from medclip_search.exports.importing import MOST_FILE, import_tray
from medclip_search.exports.tray import Tray, read_tray
from medclip_search.server.shared import Shared, current
from medclip_search.state import LOCAL_USER
from medclip_search.state.trays import MOST_NAME

_WIDTH = 1100  # pixels: a caption and a note side by side

_EXPORTS = {
    "html": ("Teaching page", "For print: figures, captions, notes, citations and licences"),
    "quiz": ("Quiz", "For print: the figures alone, and at the end what they show"),
    "zip": ("Figures (ZIP)", "Figures full-size, with captions, licences and citations"),
    "csv": ("CSV", "A table for a spreadsheet"),
    "json": ("JSON", "To import the tray again, here or elsewhere"),
    "bibtex": ("BibTeX", "Citations for LaTeX and reference managers"),
    "ris": ("RIS", "Citations for EndNote, Zotero, Mendeley"),
}

_STYLE = """
<style>
  .medclip-exports { display: flex; flex-wrap: wrap; gap: .5rem; align-items: baseline; }
  .medclip-exports a { padding: .3rem .8rem; border-radius: .5rem; text-decoration: none;
    color: inherit; border: 1px solid color-mix(in srgb, currentColor 30%, transparent); }
  .medclip-exports a:hover { border-color: currentColor; }
  /* As high with its button as without. */
  .st-key-tray-said { min-height: 2.5rem; }
</style>
"""


def trays_page() -> None:
    """Draw the current tray, in which everything can be changed."""
    shared, session = current(), Session.current()
    with st.container(width=_WIDTH):
        st.header("Trays", anchor=False)
        try:
            library = shared.library()
            _head(shared, library)
            kept = read_tray(shared.state, library) if _any(shared, library) else None
        except MedClipError as error:
            st.error(plain(str(error)))
            return
        if kept is not None:
            _exports(kept)
            _list(shared, library, session, kept)
        _import(shared, library)
    if session.opened is not None:
        opened, session.opened = session.opened, None
        open_case(shared, library, session, opened)


def _any(shared: Shared, library: Library) -> bool:
    return bool(shared.state.trays(LOCAL_USER, library.id))


def _head(shared: Shared, library: Library) -> None:
    """Which tray; what it is called; whether it stays."""
    state = shared.state
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = chooser(
            shared, library, label="Choose a tray, or type the name of a new one", key="tray-here"
        )
        there = _any(shared, library)

        new_name = f"new-name-of-{name}"

        def rename() -> None:
            with telling_troubles():
                state.rename_tray(LOCAL_USER, library.id, name, st.session_state[new_name])
                forget_undo()
            st.session_state["renaming"] = False

        with (
            st.popover(
                "Rename",
                icon=":material/edit:",
                disabled=not there,
                key="renaming",
                on_change="rerun",
            ),
            st.form("rename", border=False),
        ):
            st.text_input("New name", value=name, key=new_name, max_chars=MOST_NAME)
            st.form_submit_button("Rename", on_click=rename)

        def delete() -> None:
            with telling_troubles():
                if taken := state.delete_tray(LOCAL_USER, library.id, name):
                    remember_undo(Undo(f"{name} is deleted", taken))

        st.button("Delete", icon=":material/delete:", disabled=not there, on_click=delete)
    with st.container(key="tray-said"):
        undo_bar(shared, library, lambda: st.caption(_HINT if there else _EMPTY))


_HINT = (
    "Notes are saved as you type. Drag a figure by its handle, or press Alt with an arrow key, to "
    "put it elsewhere."
)
_EMPTY = "Stars on cards put figures into this tray. They stay when you close the page."


def _list(shared: Shared, library: Library, session: Session, kept: Tray) -> None:
    state, where = shared.state, (LOCAL_USER, library.id)

    def heard(change: Change) -> None:
        with telling_troubles():
            # Of a tray that was just renamed the browser may not have heard.
            name = change.tray if change.tray in state.trays(*where) else kept.name
            if change.act == "open":
                session.opened, session.from_tray = change.id, True
            elif change.act == "place":
                state.place_in_tray(*where, change.id, change.place, name)
            elif change.act == "step":
                state.step_in_tray(*where, change.id, change.by, name)
            else:
                forget_undo()
                if change.act == "remove":
                    if taken := state.remove_from_tray(*where, change.id, name):
                        remember_undo(Undo("Taken out", taken))
                elif change.act == "copy":
                    state.copy_to_tray(*where, change.id, change.to, name)
                elif taken := state.move_to_tray(*where, change.id, change.to, name):
                    remember_undo(Undo(f"Moved to {change.to}; undo puts it back", taken))

    others = [one for one in state.trays(*where) if one != kept.name]
    tray_list(kept, others, heard)
    if not kept.kept:
        st.info("This tray is empty. Stars on cards put figures into it.")


def _exports(kept: Tray) -> None:
    if not kept.kept:
        return
    links = []
    for form, (label, says) in _EXPORTS.items():
        address = f"{ADDRESS}/{quote(kept.name, safe='')}/export?format={form}"
        links.append(f'<a href="{html.escape(address)}" title="{says}" download>{label}</a>')
    row = f'<div class="medclip-exports"><span>Save as</span>{"".join(links)}</div>'
    st.html(f"{_STYLE}{row}")
    for warning in kept.warnings():
        st.caption(f":material/warning: {plain(warning)}")


def _import(shared: Shared, library: Library) -> None:
    """Take in a tray that was exported as JSON or ZIP; the upload is dropped at once."""
    turn = st.session_state.setdefault("import-turn", 0)
    key = f"import-{turn}"

    def taken() -> None:
        file = st.session_state[key]
        if file is None:
            return
        st.session_state["import-turn"] = turn + 1  # a new, empty uploader takes its place
        st.session_state["imported"] = []
        try:
            made = import_tray(shared.state, library, file.getvalue())
            shared.state.choose_tray(LOCAL_USER, library.id, made.name)
            forget_undo()
            cases = "1 case" if made.cases == 1 else f"{made.cases:,} cases"
            said = [f"{made.name}: {cases} imported", *made.notes]
            st.session_state["imported"] = [(True, one) for one in said]
        except MedClipError as error:
            st.session_state["imported"] = [(False, f"{file.name}: {error}")]

    with st.expander("Import a tray", icon=":material/upload:"):
        st.file_uploader(
            "A tray exported as JSON or as ZIP",
            type=["json", "zip"],
            key=key,
            on_change=taken,
            max_upload_size=MOST_FILE >> 20,
        )
    for good, said in st.session_state.pop("imported", []):
        (st.success if good else st.error)(plain(said))
