"""One case, opened: its figure in the viewer, what is known of it, how to cite it, and its like."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from medclip_search.api import Library
from medclip_search.app.ask import search_with_figure
from medclip_search.app.case_facts import FACTS_STYLE, caption, facts, why
from medclip_search.app.filters import filters_in_force
from medclip_search.app.gallery import Act, Card, gallery
from medclip_search.app.looking import Looking, figure_of_query
from medclip_search.app.pages import go_to
from medclip_search.app.reading import Reading, pages
from medclip_search.app.results import answers
from medclip_search.app.session import QueryImage, Session
from medclip_search.app.steering import judge
from medclip_search.app.tray import star
from medclip_search.app.viewer import Figure, Gesture, viewer
from medclip_search.cases import Case
from medclip_search.errors import ImageError, MedClipError
from medclip_search.exports import Style, cite
from medclip_search.search.hits import Hit, Hits
from medclip_search.search.query import Query
from medclip_search.server.shared import Shared
from medclip_search.state import LOCAL_USER

_WIDTH = 1800  # pixels: all of a screen that is not larger
_SIMILAR = 8
_STYLES: dict[str, Style] = {"Text": "text", "BibTeX": "bibtex", "RIS": "ris"}


def open_case(shared: Shared, library: Library, session: Session, case_id: str) -> None:
    """Show a case over the page, which is drawn anew when it closes.

    The arrow keys go through the tray where it was opened out of it, or else through the answers,
    page by page.
    """
    from_tray, session.from_tray = session.from_tray, False
    try:
        case = library.case(case_id)
        home, around = (
            "results",
            [hit.case for hit in session.answers[1]] if session.answers else [],
        )
        if from_tray or all(one.id != case_id for one in around):
            home = "tray"
            kept = [entry.case_id for entry in shared.state.tray(LOCAL_USER, library.id)]
            known = {one.id: one for one in library.cases(kept)}
            around = [known[one] for one in kept if one in known]
    except MedClipError as error:
        st.error(str(error))
        return
    Looking.begin(case, around, home)
    Reading.current().entered = 0  # if the dialog before was closed while its page was turned
    _dialog(shared, library, session)


@st.dialog("Figure", width=_WIDTH, on_dismiss="rerun", icon=":material/imagesmode:")
def _dialog(shared: Shared, library: Library, session: Session) -> None:
    reading = Reading.current()
    place = st.empty()  # whether the page is turned or not: what follows stays where it is
    try:
        if reading.entered:
            _turned(shared, library, session, place)
        looking = Looking.current()
        case = library.case(looking.case_id)
        small = case.image is not None and not library.has_image(case.id)
        deep = case.image is not None and not small and _is_deep(library, case.id)
        shown = _marks(shared, library, session, case.id)
    except MedClipError as error:
        st.error(str(error))
        return
    hits = session.answers[1] if session.answers else Hits(())
    hit = next((one for one in hits if one.id == case.id), None)

    def mark(letter: str) -> None:
        # Otherwise than its button shows; of a figure that was gone on to, and not drawn yet, than
        # is kept.
        case_id = looking.case_id
        try:
            marks = shown if case_id == case.id else _marks(shared, library, session, case_id)
        except MedClipError as error:
            session.troubles = [str(error)]
            return
        on = not marks[letter]
        if letter == "s":
            star(shared, library, session, case_id, on)
        else:
            judge(shared, library, session, hits, case_id, letter == "l", on)

    def heard(gesture: Gesture) -> None:
        if gesture.act == "open":
            looking.go(gesture.id)
        elif gesture.act == "turn":
            reading.go_on(gesture.by)
        elif gesture.act in ("s", "l", "d"):
            mark(gesture.act)
        elif gesture.act == "region" and gesture.box is not None:
            st.session_state["region-asked"] = gesture.box

    image, text = st.columns([7, 3], gap="medium")
    with image:
        beside = _compared(session, looking)
        viewer(
            Figure.of(case, deep=deep, small=small),
            key="case-figure",
            on_gesture=heard,
            around=[Figure.of(one) for one in looking.around],
            page=(reading.page, pages(hits)) if looking.home == "results" else (1, 1),
            beside=None if beside is None else figure_of_query(beside),
            regions=case.image is not None,
            letters=("s", "l", "d") if hit is not None else ("s",),
            home=looking.home,
        )
        with st.container(key="case-file"):
            if small:
                st.caption("The full-size file is gone; this is the thumbnail")
    with text:
        st.html(
            FACTS_STYLE + caption(case, hit) + (why(hit) if hit is not None and hit.why else "")
        )
        _acts(library, session, case, shown, mark, judged=hit is not None)
        _citing(case)
        st.html(facts(case))
    if (box := st.session_state.pop("region-asked", None)) is not None:
        search_with_figure(library, session, case.id, box)
        go_to("Search")
    with image:
        _similar(library, looking, case)


def _turned(shared: Shared, library: Library, session: Session, place: DeltaGenerator) -> None:
    """Open the first of the page of answers that was gone on to, or the last of the one before."""
    reading = Reading.current()
    hits = answers(shared, library, session, filters_in_force(), place)
    if hits:
        Looking.begin(
            hits[0 if reading.entered > 0 else -1].case, [hit.case for hit in hits], "results"
        )
    reading.entered = 0


def _is_deep(library: Library, case_id: str) -> bool:
    try:
        return library.has_samples(case_id)
    except ImageError:  # the viewer says that the picture cannot be shown
        return False


def _compared(session: Session, looking: Looking) -> QueryImage | None:
    """The query image that is beside the figure, and the way to choose it."""
    if not session.images:
        return None
    images = {image.token: image for image in session.images}
    if looking.compared not in images:
        looking.compared = None
    # What is pasted has the same name each time.
    names = [image.name for image in session.images]
    labels = {
        token: f"Beside {image.name}{f' ({at + 1})' if names.count(image.name) > 1 else ''}"
        for at, (token, image) in enumerate(images.items())
    }
    chosen = st.pills(
        "Beside it",
        list(images),
        default=looking.compared,
        key="compared",
        format_func=lambda token: labels.get(token, token),
        label_visibility="collapsed",
    )
    looking.compared = chosen
    return images.get(chosen) if chosen is not None else None


def _marks(shared: Shared, library: Library, session: Session, case_id: str) -> dict[str, bool]:
    """Whether a case is in the tray, liked and disliked, by the letters that change it."""
    starred = any(e.case_id == case_id for e in shared.state.tray(LOCAL_USER, library.id))
    feedback = shared.state.feedback(LOCAL_USER, library.id, session.key())
    return {"s": starred, "l": case_id in feedback.likes, "d": case_id in feedback.dislikes}


def _acts(
    library: Library,
    session: Session,
    case: Case,
    shown: dict[str, bool],
    mark: Callable[[str], None],
    *,
    judged: bool,
) -> None:
    """What can be done with it; each button stays itself, so that it keeps the focus."""
    with st.container(horizontal=True, gap="small"):
        st.button(
            "In the tray" if shown["s"] else "Into the tray",
            key="case-star",
            icon=":material/check:" if shown["s"] else ":material/star:",
            help="Key s",
            on_click=mark,
            args=("s",),
        )
        for name, letter, icon in (("Like", "l", "up"), ("Dislike", "d", "down")):
            if judged:
                st.button(
                    f"{name}d" if shown[letter] else name,
                    key=f"case-{name.lower()}",
                    icon=f":material/thumb_{icon}:",
                    type="primary" if shown[letter] else "secondary",
                    help=f"{'More' if letter == 'l' else 'Less'} like this: key {letter}",
                    on_click=mark,
                    args=(letter,),
                )
        if case.image is not None and st.button(
            "Search with this figure", icon=":material/image_search:"
        ):
            search_with_figure(library, session, case.id)
            go_to("Search")


def _citing(case: Case) -> None:
    with st.expander("How to cite", icon=":material/format_quote:"):
        for tab, (name, style) in zip(st.tabs(list(_STYLES)), _STYLES.items(), strict=True):
            with tab:
                st.code(cite([case], style), language=None, wrap_lines=True)
                if style != "text":
                    address = f"api/v1/citations/{quote(case.id)}?format={style}"
                    st.html(f'<a href="{address}" download>Save as {name}</a>')


def _similar(library: Library, looking: Looking, case: Case) -> None:
    """Figures like it, searched for after all else was drawn; and the way back from one."""
    # A place of its own, whether there is a way back or not: what follows stays where it is.
    with st.container(key="case-back"):
        if case.id != looking.last:
            st.button(
                "Back to the figure before",
                icon=":material/arrow_back:",
                on_click=looking.go,
                args=(looking.last,),
            )
    if looking.similar[0] != case.id:
        try:
            found = library.search(Query(like=case.id), _SIMILAR + 1)
        except MedClipError as error:
            st.error(str(error))
            return
        looking.similar = case.id, tuple(hit for hit in found if hit.id != case.id)[:_SIMILAR]
    if not looking.similar[1]:
        return

    def heard(_: Act, case_id: str, __: bool) -> None:
        looking.go(case_id)

    st.markdown("##### Figures like it")
    gallery(
        [_card(hit) for hit in looking.similar[1]],
        key="similar",
        label="Figures like it",
        on_gesture=heard,
        layout="cards small",
        acts=(),
    )


def _card(hit: Hit) -> Card:
    return Card(hit.id, hit.case, why=hit.why)
