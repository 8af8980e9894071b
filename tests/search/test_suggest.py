"""What hits are called: phrases of their captions, weighed against all others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medclip_search.cases import Case
from medclip_search.errors import QueryError
from medclip_search.indexes.text.analyser import terms
from medclip_search.search.engine import search
from medclip_search.search.query import Query
from medclip_search.search.suggest import phrases, weigh
from tests.search.small_library import SmallLibrary

Build = Callable[..., SmallLibrary]

OTHERS = ["chest radiograph", "liver cyst", "normal heart", "femur fracture", "mass of the brain"]
CAPTIONS = [
    "Axial CT shows a renal cyst of the left kidney.",
    "Renal cysts (arrows); 45 year old man with haematuria",
    "A small RENAL CYST beside the spleen, the kidney enlarged",
]


def frequency(captions: list[str]) -> Callable[[tuple[str, ...]], int]:
    """By looking at every caption."""

    def count(stems: tuple[str, ...]) -> int:
        size = len(stems)
        runs = [
            {tuple(found[at : at + size]) for at in range(len(found))}
            for found in map(terms, captions)
        ]
        return sum(stems in one for one in runs)

    return count


def called(captions: list[str], asked: list[str] | None = None, most: int = 8) -> list[str]:
    everything = captions + OTHERS * 10
    found = weigh(captions, asked or [], frequency(everything), len(everything), most)
    return [one.text for one in found]


def test_what_the_captions_share_and_others_have_not() -> None:
    assert called(CAPTIONS) == ["renal cyst", "kidney"]  # spelt as most do, small letters first
    assert called(CAPTIONS, most=1) == ["renal cyst"]


def test_what_was_asked_for_is_not_suggested() -> None:
    assert called(CAPTIONS, ["cysts of the kidney"]) == ["renal cyst"]
    assert called(CAPTIONS, ["renal cysts, kidney"]) == []


def test_figures_of_one_article_are_one_witness() -> None:
    copies = [f"Ovarian teratoma with fat, slice {at}" for at in range(9)]
    others = ["Renal cyst", "One more renal cyst in a second man", "A haematoma of the kidney"]
    assert called([*copies, *others]) == ["renal cyst"]


def test_counts_and_weight() -> None:
    everything = CAPTIONS + OTHERS * 10
    first, second = weigh(CAPTIONS, [], frequency(everything), len(everything), 8)
    assert (first.hits, first.cases) == (3, 3)
    assert (second.hits, second.cases) == (2, 2)
    assert first.weight > second.weight > 0
    assert weigh([], [], frequency([]), 0, 8) == ()


def test_phrases_keep_within_clauses_and_leave_function_words_out() -> None:
    found = {text for _, text in phrases("Post-contrast T1 image of the knee, 3 cm mass")}
    assert {"T1", "knee", "Post-contrast T1", "cm mass", "mass"} <= found
    assert not {"of", "the", "3", "3 cm", "knee cm", "T1 image", "T1 knee"} & found


PIECES = ["renal", "cyst's", "a", "T2-weighted", "3", "İ", ",", "肺"]
TEXTS = st.lists(
    st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join), max_size=6
)


@given(TEXTS, TEXTS, st.integers(0, 5))
def test_any_captions(captions: list[str], asked: list[str], most: int) -> None:
    found = weigh(captions, asked, frequency(captions), len(captions) + 50, most)
    assert len(found) <= most
    told = {stem for text in asked for stem in terms(text)}
    for one in found:
        stems = terms(one.text)
        assert not told.issuperset(stems)
        assert any(one.text in " ".join(caption.split()) for caption in captions)
        assert 0 < one.hits <= one.cases
        told |= set(stems)


def test_an_image_is_called_what_its_neighbours_are(
    small: SmallLibrary, pictures: dict[str, Image.Image], build: Build
) -> None:
    hits = search(small, Query(image=pictures["n1"], suggest=3), 2)
    assert "lung" in [one.text for one in hits.suggestions]
    assert len(hits) == 2
    assert search(small, Query(image=pictures["n1"]), 2).suggestions == ()
    asked = Query("lung", pictures["n1"], suggest=9)
    assert "lung" not in [one.text for one in search(small, asked, 2).suggestions]
    silent = build([Case("n", caption="")], {"n": pictures["n1"]})
    assert search(silent, Query(image=pictures["n1"], suggest=3), 2).suggestions == ()


def test_phrases_are_counted_in_captions(small: SmallLibrary) -> None:
    captions = [case.caption for case in small.all_cases.values()]
    count = frequency(captions)
    for text in ("lung", "left femur", "the lung", "femur left", "two cysts of", "xyzzy"):
        stems = terms(text)
        assert small.text.phrase_frequency(stems) == count(tuple(stems)), text


@pytest.mark.parametrize("number", [-1, 51, 1.5, True, "3"])
def test_how_many_can_be_asked_for(number: object) -> None:
    with pytest.raises(QueryError, match=r"^suggest: "):
        Query("lung", suggest=number)  # type: ignore[arg-type]
