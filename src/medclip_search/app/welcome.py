"""The empty page: examples to click, and how to build a library that holds more."""

from __future__ import annotations

from itertools import zip_longest

import streamlit as st

from medclip_search.api import Library
from medclip_search.app.ask import search_with_figure
from medclip_search.app.filters import any_of
from medclip_search.app.gallery import Act, Card, gallery
from medclip_search.app.recent import recent_on_empty_page
from medclip_search.app.session import Session
from medclip_search.cases import Case
from medclip_search.errors import MedClipError
from medclip_search.search.query import Query
from medclip_search.server.shared import Shared

_FIGURES = 6

_BUILD = """\
# Your own figures, or your DICOM
medclip-search build my-library --corpus folder=DIR
medclip-search build my-library --corpus dicom=DIR
# ROCO, ROCOv2, PMC-OA
medclip-search build my-library --corpus roco=DIR
medclip-search build my-library --corpus rocov2=DIR
medclip-search build my-library --corpus pmc-oa=DIR
# Then
medclip-search serve my-library"""


def welcome(shared: Shared, library: Library, session: Session) -> None:
    """Examples in words and in figures; for the sample library, the way to a real one."""
    try:
        examples = shared.remember("examples", library.examples)
        figures = shared.remember("figures", lambda: _figures(library))
        sample = shared.remember("sample", lambda: is_sample(library))
    except MedClipError as error:
        st.error(str(error))
        return
    if not len(library):
        st.info("This library is empty. Add a corpus to it with `medclip-search build`.")
    if examples:
        st.markdown("##### Try some words")
        with st.container(horizontal=True):
            for number, words in enumerate(examples):
                st.button(
                    words, key=f"example-{number}", on_click=session.ask, kwargs={"words": words}
                )
    recent_on_empty_page(shared, library, session)
    if figures:
        st.markdown("##### Or search with one of these figures")

        def heard(_: Act, case_id: str, __: bool) -> None:
            search_with_figure(library, session, case_id)

        gallery(
            [Card(case.id, case) for case in figures],
            key="examples",
            label="Example figures",
            on_gesture=heard,
            layout="cards small",
            acts=(),
            verb="Search with this figure",
        )
    if sample:
        st.info(
            f"This is the sample library of {len(library)} figures, to try things out. "
            "Build one from your own figures or a published data set:"
        )
        st.code(_BUILD, language="bash")


def is_sample(library: Library) -> bool:
    """Whether the library holds nothing but the sample that comes with the program."""
    return {source["kind"] for source in library.info()["sources"]} == {"sample"}


def _figures(library: Library) -> list[Case]:
    """A few cases with pictures, as unlike each other as modality or region can tell."""
    facets = {name: list(library.facets(name)) for name in ("modality", "region", "corpus")}
    # The one that tells most apart; the first of equals.
    name = max(facets, key=lambda name: min(len(facets[name]), _FIGURES))
    values = facets[name][:_FIGURES]
    if not values:
        return []
    share = -(-_FIGURES // len(values))
    browsed = [library.search(Query(where=any_of(name, [value])), k=4 * share) for value in values]
    picked = [[hit.case for hit in hits if hit.case.image][:share] for hits in browsed]
    # One of each first, then the second of each.
    turns = zip_longest(*picked)
    return [case for turn in turns for case in turn if case is not None][:_FIGURES]
