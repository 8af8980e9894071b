"""Pages of answers fit together, and years put the relevant ones in order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.errors import QueryError
from medclip_search.search.engine import DEEPEST, search
from medclip_search.search.query import Query
from tests.figures import draw_textured
from tests.search.small_library import SmallLibrary

Build = Callable[..., SmallLibrary]


def a_case(at: int) -> Case:
    rng = np.random.default_rng(at)
    words = rng.choice(["nodule", "chest", "left", "lung", "small", "cyst"], rng.integers(1, 6))
    return Case(
        f"c{at:03}",
        "small",
        " ".join(words),
        article=f"PMC{at % 40}" if at % 5 else None,
        year=None if at % 7 == 0 else 2000 + at * 31 % 20,
    )


CASES = [a_case(at) for at in range(150)]


@pytest.fixture(scope="module")
def library(build: Build) -> SmallLibrary:
    pictures = {case.id: draw_textured(at % 90) for at, case in enumerate(CASES) if at < 140}
    return build(CASES, pictures)


queries = st.builds(
    Query,
    text=st.sampled_from(["nodule chest", "cyst", "small left lung"]),
    group=st.sampled_from(["", "article"]),
    diversity=st.sampled_from([0.0, 0.5]),
    sort=st.sampled_from(["relevance", "newest", "oldest"]),
    like=st.sampled_from([(), ("c003",)]),
)


@settings(deadline=None, max_examples=30)
@given(query=queries, size=st.sampled_from([3, 7, 20]))
def test_pages_one_after_another_are_the_answer_cut(
    library: SmallLibrary, query: Query, size: int
) -> None:
    whole = search(library, query, DEEPEST, start=0)
    assert whole.ranked == len(whole)
    pages = [search(library, query, size, start=at) for at in range(0, len(whole), size)]
    assert {page.ranked for page in pages} == {len(whole)}
    assert [hit for page in pages for hit in page] == list(whole)
    assert [hit.rank for page in pages for hit in page] == list(range(1, len(whole) + 1))
    ids = [hit.id for page in pages for hit in page]
    assert len(set(ids)) == len(ids)
    assert not search(library, query, size, start=len(whole))


@pytest.mark.parametrize(("k", "start"), [(10, DEEPEST - 9), (10, -1), (DEEPEST + 1, 0)])
def test_pages_end_and_say_so(library: SmallLibrary, k: int, start: int) -> None:
    with pytest.raises(QueryError, match="start"):
        search(library, Query(text="nodule"), k, start=start)


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_years_order_what_has_the_words(library: SmallLibrary, sort: str) -> None:
    query = Query(text="the nodule", sort=sort, fold=False)  # type: ignore[arg-type]
    hits = search(library, query, 200, start=0)
    expected = [case for case in CASES if "nodule" in case.caption.split()]
    assert {hit.id for hit in hits} == {case.id for case in expected}
    years = [hit.case.year for hit in hits]
    known = [year for year in years if year is not None]
    assert known == sorted(known, reverse=sort == "newest")
    assert years[len(known) :] == [None] * (len(years) - len(known))
    (note,) = (note for note in hits.notes if note.lower().startswith(sort))
    assert f"{len(hits)} best figures" in note


def test_years_prefer_all_of_the_words_where_there_are_enough(library: SmallLibrary) -> None:
    def asked(words: str) -> set[str]:
        query = Query(text=words, sort="newest", fold=False)
        return {hit.id for hit in search(library, query, 200, start=0)}

    both = [c.id for c in CASES if {"nodule", "chest"} <= set(c.caption.split())]
    assert len(both) >= 24
    assert asked("nodule chest") == set(both)
    rare = "nodule chest left lung small"
    every = [c.id for c in CASES if set(rare.split()) <= set(c.caption.split())]
    assert len(every) < 24
    assert asked(rare) == {c.id for c in CASES if set(rare.split()) & set(c.caption.split())}


def test_years_order_the_best_that_look_alike(library: SmallLibrary) -> None:
    query = Query(image=draw_textured(3), sort="oldest", fold=False)
    hits = search(library, query, 200, start=0)
    plain = search(library, Query(image=draw_textured(3), fold=False), 100, start=0)
    assert {hit.id for hit in hits} == {hit.id for hit in plain}
    assert any("100 best" in note for note in hits.notes)


def test_filters_alone_are_all_in_order(library: SmallLibrary) -> None:
    hits = search(library, Query(where="has_caption=yes", sort="newest"), 200, start=0)
    expected = sorted(CASES, key=lambda case: (-(case.year or -9999), case.id))
    assert [hit.id for hit in hits] == [case.id for case in expected]


def test_no_years_no_order(small: SmallLibrary) -> None:
    plain = search(small, Query(text="liver cyst"), 10, start=0)
    hits = search(small, Query(text="liver cyst", sort="newest"), 10, start=0)
    assert [hit.id for hit in hits] == [hit.id for hit in plain]
    assert any("knows no years" in note for note in hits.notes)
