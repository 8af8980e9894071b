"""Expansion: what joins a query, what may not, and that it is told and can be switched off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.errors import QueryError
from medclip_search.indexes.text.analyser import terms
from medclip_search.search.engine import search
from medclip_search.search.expand import TERMS, WEIGHT, as_written, feedback_terms, misspelt
from medclip_search.search.query import EXPANSIONS, Query
from tests.search.small_library import SmallLibrary, a_case

FLUID = [
    "Pleural effusion on the left, blunting of the costophrenic angle",
    "Right pleural effusion with blunting of the costophrenic angle, 3 cm",
    "Bilateral effusion and blunting at T1",
    "Blunting of both costophrenic angles, no effusion",
]
MEANT = "Costophrenic blunting in a supine patient"
OTHERS = [f"Fracture of the femur, patient {at}" for at in range(80)]


@pytest.fixture(scope="module")
def library(build: Callable[..., SmallLibrary]) -> SmallLibrary:
    """Effusions, one of which does not say so, among many fractures."""
    captions = [*FLUID, MEANT, *OTHERS]
    return build([a_case(f"c{at:02}", caption)[0] for at, caption in enumerate(captions)])


def ids(library: SmallLibrary, text: str, expand: str = "all") -> list[str]:
    return [hit.id for hit in search(library, Query(text=text, expand=expand), 20)]


def test_what_the_best_captions_share_finds_more_and_is_told(library: SmallLibrary) -> None:
    typed = search(library, Query(text="effusion", expand="none"), 20)
    assert [hit.id for hit in typed] == ["c02", "c03", "c00", "c01"]
    assert typed.notes == ()
    hits = search(library, Query(text="effusion"), 20)
    assert {hit.id for hit in hits} == {"c00", "c01", "c02", "c03", "c04"}
    assert hits[-1].id == "c04"
    assert "none of yours, but costophrenic, blunting" in hits[-1].why
    (note,) = hits.notes
    assert note.startswith("Also searched for, from the best captions: ")
    assert "costophrenic" in note  # as it is written, not as it is stemmed


def test_switched_off_the_words_are_ranked_as_the_index_ranks_them(library: SmallLibrary) -> None:
    keys, _ = library.text.search("left fracture patient", 20, None, library.columns.order)
    assert ids(library, "left fracture patient", "none") == [
        library.all_cases[key].id for key in keys.tolist()
    ]


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ('"pleural effusion"', {"c00", "c01"}),
        ("effusion AND costophrenic", {"c00", "c01", "c03"}),
        ("+effusion -left", {"c01", "c02", "c03"}),
        ("effusion NOT costophrenic", {"c02"}),
        ("c01", {"c01"}),
    ],
)
def test_what_is_required_stays_required(library: SmallLibrary, text: str, held: set[str]) -> None:
    assert set(ids(library, text)) == held


def test_a_whole_caption_finds_its_case_first(library: SmallLibrary) -> None:
    for case in library.all_cases.values():
        assert ids(library, case.caption)[0] == case.id


def test_what_may_not_answer_is_no_evidence(
    library: SmallLibrary, build: Callable[..., SmallLibrary]
) -> None:
    cases = [a_case(f"m{at}", f"nodule alpha beta {at}", modality="MR")[0] for at in range(30)]
    cases += [a_case(f"t{at}", f"nodule gamma delta {at}")[0] for at in range(30)]
    (note,) = search(build(cases), Query(text="nodule", where="modality=MR"), 5).notes
    assert "alpha" in note
    assert "gamma" not in note


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(QueryError, match="'stems' is no way to expand"):
        Query(text="lung", expand="stems")
    assert Query(text="lung", expand="all").expand == EXPANSIONS
    assert set(Query(text="lung").expand) < set(EXPANSIONS)
    assert Query(text="lung", expand="synonyms, abbreviations").expand == EXPANSIONS[1::-1]
    assert Query(text="lung", expand="none").expand == ()


def test_sides_numbers_and_negation_never_join() -> None:
    captions = [frozenset(["no", "left", "right", "t1", "3", "effus", "pleural"])] * 3
    weights = feedback_terms(frozenset({"effus"}), captions, [9, 9, 9], lambda _: 5, 1000)
    assert weights == {"effus": pytest.approx(WEIGHT), "pleural": pytest.approx(WEIGHT)}


TERM = st.sampled_from([f"w{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"])
CAPTIONS = st.lists(st.frozensets(TERM, max_size=26), max_size=10)


@given(CAPTIONS, st.frozensets(TERM, max_size=4), st.data())
def test_weights_are_few_positive_and_no_more_than_a_typed_word(
    captions: list[frozenset[str]], asked: frozenset[str], data: st.DataObject
) -> None:
    score = st.floats(0.01, 50)
    scores = [data.draw(score) for _ in captions]
    weights = feedback_terms(asked, captions, scores, lambda term: ord(term[1]) % 7, 40)
    assert len(weights) <= TERMS
    assert all(0 < weight <= WEIGHT for weight in weights.values())
    assert list(weights.values()) == sorted(weights.values(), reverse=True)
    assert set(weights) <= set().union(*captions)
    # The order in which captions of equal score come says nothing.
    assert feedback_terms(
        asked, captions[::-1], scores[::-1], lambda term: ord(term[1]) % 7, 40
    ) == pytest.approx(weights)


def test_words_are_shown_as_they_are_written() -> None:
    captions = ["MRI of Opacities", "opacities, " + "x" * 90 + " naïve MRI"]
    written = {"opac": "opacities", "mri": "MRI", "naiv": "naïve"}
    analysed = [(one, terms(one)) for one in captions]
    assert as_written(["opac", "mri", "naiv", "absent"], analysed) == written


def test_a_slip_of_the_captions_is_not_told_as_a_word(build: Callable[..., SmallLibrary]) -> None:
    captions = [f"Nodule demonstates demonstrates spiculation {at}" for at in range(3)]
    captions += [f"Fracture of the femur demonstrates {at}" for at in range(80)]
    cases = [a_case(f"c{at}", caption)[0] for at, caption in enumerate(captions)]
    (note,) = search(build(cases), Query(text="nodule"), 5).notes
    assert "spiculation" in note
    assert "demonstates" not in note


@pytest.mark.parametrize(
    ("term", "other", "expected"),
    [
        ("demonst", "demonstr", True),  # missing
        ("sagittal", "sagital", True),  # added
        ("fracturo", "fracture", True),  # another
        ("pnuemonia", "pneumonia", True),  # exchanged
        ("pneumonia", "pneumonia", False),
        ("assymetr", "asymmetr", False),  # two letters
        ("mri", "mr", False),  # short
        ("fluid", "flu", False),
        ("bright", "right", False),  # the first
    ],
)
def test_a_slip_is_a_letter_away_from_what_is_far_more_frequent(
    term: str, other: str, expected: bool
) -> None:
    known = {term, other, "chest"}
    assert misspelt(term, known, {term: 5, other: 50}.get) is expected  # type: ignore[arg-type]
    assert not misspelt(term, known, lambda one: 5)
