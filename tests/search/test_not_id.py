"""Cases that must not answer: the others answer as if these had never been in the library."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image

from medclip_search.cases import Case
from medclip_search.errors import QueryError
from medclip_search.search.engine import search
from medclip_search.search.hits import Hits
from medclip_search.search.query import Query
from tests.search.small_library import CASES, PICTURES, SmallLibrary

Build = Callable[..., SmallLibrary]


def ids(hits: Hits) -> list[str]:
    return [hit.id for hit in hits]


@pytest.mark.parametrize(
    "query",
    [
        Query(text="lung cavitation"),
        Query(image=PICTURES["a1"]),
        Query(text="liver", image=PICTURES["b1"]),
        Query(like="a2"),
        Query(where="modality=CT"),
    ],
)
def test_they_do_not_answer(small: SmallLibrary, query: Query) -> None:
    out = ids(search(small, query, 3))
    kept = Query(
        text=query.text, image=query.image, like=query.like, where=query.where, not_id=out[0]
    )
    assert out[0] not in ids(search(small, kept, 50))
    assert out[1] in ids(search(small, kept, 50))


def test_by_words_as_typed_the_rest_keeps_its_order(small: SmallLibrary) -> None:
    every = ids(search(small, Query(text="lung nodule liver", expand="none"), 50))
    left = ids(search(small, Query(text="lung nodule liver", expand="none", not_id=every[:2]), 50))
    assert left == [one for one in every if one not in every[:2]]


def test_its_words_do_not_tell_the_search_what_to_look_for(build: Build) -> None:
    # The best caption for "zebra" says "quagga" too, and so leads to the second.
    cases = [Case("first", "few", "zebra quagga"), Case("second", "few", "quagga")]
    cases += [Case(f"m{n}", "few", f"other words number {n}") for n in range(100)]
    cases += [Case("third", "few", "a zebra among cows")]
    library = build(cases)
    assert "second" in ids(search(library, Query(text="zebra"), 50))
    assert ids(search(library, Query(text="zebra", not_id="first"), 50)) == ["third"]


def test_an_id_that_nobody_has_is_told(small: SmallLibrary) -> None:
    with pytest.raises(QueryError, match="nobody: no case"):
        search(small, Query(text="lung", not_id=["a1", "nobody"]), 5)
    with pytest.raises(QueryError, match="not_id: an id is blank"):
        Query(text="lung", not_id=" ")


def test_all_may_be_left_out(small: SmallLibrary) -> None:
    hits = search(small, Query(image=Image.new("L", (9, 9)), not_id=[c.id for c in CASES]), 5)
    assert ids(hits) == []
