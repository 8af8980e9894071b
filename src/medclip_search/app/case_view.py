"""One case, opened: the figure full size, its caption, where it comes from, why it is here."""

from __future__ import annotations

import html
from urllib.parse import quote

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.ask import search_with_figure
from medclip_search.app.session import Session
from medclip_search.app.tray import toggle
from medclip_search.cases import Case
from medclip_search.errors import MedClipError
from medclip_search.search.hits import Hit
from medclip_search.server.shared import Shared
from medclip_search.state import LOCAL_USER

_STYLE = """
<style>
  .medclip-figure { background:#000; border-radius:6px; display:grid; place-items:center;
    min-height:16rem; }
  .medclip-figure img { width:100%; max-height:68vh; object-fit:contain; display:block; }
  .medclip-figure img.small { width:auto; max-width:100%; }
  .medclip-caption { font-size:1.02rem; line-height:1.5; overflow-wrap:anywhere; }
  .medclip-facts { display:grid; grid-template-columns:max-content 1fr; gap:.2rem .9rem;
    font-size:.9rem; margin:.4rem 0; padding:0; }
  .medclip-facts dt { opacity:.75; } .medclip-facts dd { overflow-wrap:anywhere; }
  .medclip-facts, .medclip-facts * { margin-inline:0 !important; padding-inline:0 !important; }
</style>
"""


@st.dialog("Figure", width="large", on_dismiss="rerun", icon=":material/imagesmode:")
def open_case(shared: Shared, library: Library, session: Session, case_id: str) -> None:
    """Show a case over the page, which is drawn anew when it closes."""
    try:
        case = library.case(case_id)
        starred = any(e.case_id == case_id for e in shared.state.tray(LOCAL_USER, library.id))
    except MedClipError as error:
        st.error(str(error))
        return
    figure, text = st.columns([3, 2], gap="medium")
    with figure:
        st.html(_STYLE + _figure(library, case))
    with text:
        caption = html.escape(case.caption) or "<em>No caption</em>"
        st.html(f'<p class="medclip-caption">{caption}</p>{_facts(case)}')
        hit = _hit(session, case_id)
        if hit is not None and hit.why:
            st.html(f"<p><strong>Why it is here.</strong> {html.escape(hit.why)}</p>{_sum(hit)}")
        with st.container(horizontal=True):
            st.button(
                "In the tray" if starred else "Into the tray",
                key="case-star",  # one button in both states: the keyboard's focus stays on it
                icon=":material/check:" if starred else ":material/star:",
                on_click=toggle,
                args=(shared, library, session, case_id),
            )
            if case.image is not None and st.button(
                "Search with this figure", icon=":material/image_search:"
            ):
                search_with_figure(library, session, case_id)
                st.rerun()


def _hit(session: Session, case_id: str) -> Hit | None:
    hits = session.answers[1] if session.answers else ()
    return next((hit for hit in hits if hit.id == case_id), None)


def _sum(hit: Hit) -> str:
    """What likes and dislikes say of it, line by line; all of it escaped."""
    if hit.feedback is None:
        return ""
    lines = (*hit.feedback.lines, hit.feedback.sum)
    items = "".join(f"<li>{html.escape(str(line))}</li>" for line in lines)
    return (
        f"<details><summary>Its weight of evidence, in decibans</summary><ul>{items}</ul></details>"
    )


def _figure(library: Library, case: Case) -> str:
    if case.image is None:
        return '<div class="medclip-figure" style="color:#9aa7b2">This case has no picture</div>'
    address = html.escape(f"api/v1/images/{quote(case.id)}")
    alt = html.escape(case.caption or case.id)
    if library.has_image(case.id):
        return f'<div class="medclip-figure"><img src="{address}" alt="{alt}"></div>'
    # What comes from the same address is then the thumbnail, at its own size.
    return (
        f'<div class="medclip-figure"><img class="small" src="{address}" alt="{alt}"></div>'
        "<p>The full-size file is gone; this is the thumbnail</p>"
    )


def _facts(case: Case) -> str:
    """What is known of the case, as a list of terms; all of it escaped."""
    facts: list[tuple[str, object]] = [
        ("Modality", case.modality),
        ("Body region", case.region),
        ("Year", case.year),
        ("Licence", case.licence or case.licence_class),
        ("Source", case.corpus),
        ("Keywords", ", ".join(case.keywords)),
        *((_plain(name), value) for name, value in case.metadata.items()),
        ("Id", case.id),
    ]
    rows = [
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>"
        for name, value in facts
        if value not in (None, "")
    ]
    if case.article_link:
        link = html.escape(case.article_link)
        rows.insert(
            0,
            f'<dt>Article</dt><dd><a href="{link}" target="_blank" rel="noopener noreferrer">'
            f"{html.escape(case.article or '')}</a></dd>",
        )
    return f'<dl class="medclip-facts">{"".join(rows)}</dl>'


def _plain(column: str) -> str:
    """A column's name as a person reads it: ``Description.Plane`` is the plane."""
    last = column.rpartition(".")[2].strip() or column
    return last[:1].upper() + last[1:]
