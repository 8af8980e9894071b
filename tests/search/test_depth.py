"""How deep lists are never shows: a page is full, and has what deeper lists would give it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medclip_search.cases import Case
from medclip_search.indexes.text import compiling
from medclip_search.search.asked import Asked
from medclip_search.search.depth import LEAST, STEERED, depth_of
from medclip_search.search.encoding import Encoded
from medclip_search.search.engine import search
from medclip_search.search.query import Query
from tests.figures import draw_textured
from tests.search.small_library import SmallLibrary

Build = Callable[..., SmallLibrary]


@pytest.fixture(scope="module")
def captions(build: Build) -> SmallLibrary:
    """500 captions of few words, so that many score equally; no pictures."""
    rng = np.random.default_rng(3)
    said = ["nodule", "chest", "left", "lung", "small", "cyst", "of", "the"]
    texts = [" ".join(rng.choice(said, rng.integers(1, 8))) for _ in range(500)]
    years = rng.integers(1990, 2020, 500).tolist()
    return build(
        [Case(f"c{at:03}", "small", text, year=years[at]) for at, text in enumerate(texts)]
    )


@pytest.mark.parametrize("words", ["nodule", "small cyst of the lung", "left chest nodule"])
@pytest.mark.parametrize("k", [1, 10, 70])
def test_words_alone_find_the_beginning_of_the_whole_ranking(
    captions: SmallLibrary, words: str, k: int
) -> None:
    hits = search(captions, Query(words), k)
    everything = search(captions, Query(words), STEERED)
    assert len(hits) == k
    assert len(everything) > 100
    assert [(hit.id, hit.score) for hit in hits] == [(h.id, h.score) for h in everything[:k]]


@pytest.mark.parametrize("words", [["nodule", "small"], ["cyst", "left lung"]])
def test_fused_answers_are_the_same_however_common_what_joins_the_words(
    captions: SmallLibrary, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = search(captions, Query(words), 50)
    monkeypatch.setattr(compiling, "COMMON", 250)
    monkeypatch.setattr(compiling, "COMMON_BESIDE", 100)
    hits = search(captions, Query(words), 50)
    assert [(hit.id, hit.score) for hit in hits] == [(hit.id, hit.score) for hit in expected]


@pytest.mark.parametrize(
    "query",
    [
        Query(["lung", "cyst"]),
        Query("lung", not_image=draw_textured(1)),
        Query("lung", vector=[1.0, 2.0]),
        Query("lung", diversity=0.5),
        Query("lung", sort="newest"),
    ],
    ids=["two texts", "an unwanted image", "a vector", "diversity", "years"],
)
def test_lists_are_deep_where_more_than_one_list_makes_the_page(
    captions: SmallLibrary, query: Query
) -> None:
    asked = Asked(captions, query, Encoded([{} for _ in query.text], [], []), [], [])
    assert depth_of(asked, 10, None, steered=False) == LEAST


def test_lists_are_deep_where_words_reach_pictures(build: Build, captions: SmallLibrary) -> None:
    query = Query("lung")
    meant = Encoded([{"hues": np.ones(12, np.float32)}], [], [])
    assert depth_of(Asked(captions, query, meant, [], []), 10, None, steered=False) == LEAST
    cases = [Case("c1", "small", "lung"), Case("c2", "small", "")]
    some = build(cases, {case.id: draw_textured(at) for at, case in enumerate(cases)})
    asked = Asked(some, query, Encoded([{}], [], []), [], [])
    assert depth_of(asked, 10, None, steered=False) == LEAST


def test_the_newest_are_of_as_many_for_a_short_page(captions: SmallLibrary) -> None:
    short, long = (search(captions, Query("nodule", sort="newest"), k) for k in (5, 50))
    assert [hit.id for hit in short] == [hit.id for hit in long[:5]]
    assert short.notes == long.notes


def test_a_page_is_full_though_the_best_are_one_picture(build: Build) -> None:
    cases = [Case(f"c{at:03}", "small", "lung nodule") for at in range(120)]
    pictures = {case.id: draw_textured(max(0, at - 70)) for at, case in enumerate(cases)}
    hits = search(build(cases, pictures), Query("nodule"), 50)
    assert len(hits) == 50
    assert len(hits[0].duplicates) > 20
