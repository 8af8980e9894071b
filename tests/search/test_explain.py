"""The sentence that says why a hit is a hit."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from medclip_search.cases import Case
from medclip_search.search.explain import _remembered, matched_words, ordinal, why
from medclip_search.search.feedback import TermWeight, term_weights
from medclip_search.search.hits import FeedbackEvidence, ListEvidence
from medclip_search.search.weighing import Given, lines, term_says
from tests.search.small_library import SmallLibrary

CASE = Case("x", caption="Cavitations of the right lung", keywords=("tuberculosis",))


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (112, "112th"), (121, "121st")],
)
def test_ordinals(number: int, text: str) -> None:
    assert ordinal(number) == text


def test_words_as_typed_the_rarest_first(small: SmallLibrary) -> None:
    wanted = ["LUNG cavitation", 'the "tuberculosis" heart']
    found = matched_words(CASE, wanted, small.text)
    assert found == ["tuberculosis", "cavitation", "LUNG"]
    assert matched_words(CASE, ["of the"], small.text) == ["of", "the"]
    assert matched_words(CASE, ["Lungs lung, of_the_lung"], small.text) == ["of_the_lung", "Lungs"]


def test_long_texts_are_not_kept(small: SmallLibrary) -> None:
    _remembered.cache_clear()
    long = " ".join(["of the lung"] * 1000)
    assert matched_words(CASE, [long], small.text) == ["lung"]
    assert _remembered.cache_info().currsize == 0
    assert matched_words(CASE, ["lung"], small.text) == ["lung"]
    assert _remembered.cache_info().currsize == 1


def test_lists_in_plain_words(small: SmallLibrary) -> None:
    lists = [
        ListEvidence("image:biomedclip", 1, 0.9, 1 / 61),
        ListEvidence("image:compact", 4, 0.7, 1 / 64),
        ListEvidence("words", 3, 9.1, 1 / 63),
        ListEvidence("not-image:compact", 12, 0.5, -1 / 72),
    ]
    assert why(lists, CASE, ["lung"], small.text) == (
        "1st by image likeness (0.90), 3rd by words (lung), 12th in likeness to the unwanted image"
    )


def test_feedback_in_plain_words(small: SmallLibrary) -> None:
    weights = [TermWeight("cavit", 3.0, 2, 0), TermWeight("modality=CT", -2.0, 0, 1)]
    liked = FeedbackEvidence(0.0, (("cavit", 1.2),), 0.4, 1.6)
    lists = [ListEvidence("words", 3, 9.1, 1 / 63)]
    given = Given(3, 1, asked=frozenset({"lung"}))
    assert why(lists, CASE, [], small.text, liked, weights, given) == (
        "3rd by words, also mentions “cavitations”, as 2 of your 3 likes do, "
        "looks like what you like"
    )
    against = FeedbackEvidence(0.0, (("modality=CT", -1.0),), -0.3, -1.3)
    assert why([], CASE, [], small.text, against, weights, Given(1, 1)) == (
        "Has modality “CT”, as your dislike does, "
        "looks too little like what you like, or too much like what you dislike"
    )
    assert why([], CASE, [], small.text, against, weights, Given(0, 1)) == (
        "Has modality “CT”, as your dislike does, looks like what you dislike"
    )
    judged = FeedbackEvidence(0.0, (("judged=disliked", -4.0), ("modality=CT", -1.0)), 0.0, -5.0)
    assert why([], CASE, [], small.text, judged, weights, Given(1, 1)) == "Disliked by you"


def test_a_label_is_called_by_the_last_part_of_its_column() -> None:
    plane = TermWeight("Description.Plane=Axial", 1.0, 1, 0)
    assert term_says(plane, 1.0, {}, Given(1, 0)) == "has Plane “Axial”, as your like does"


def test_the_sum_in_decibans_adds_up(small: SmallLibrary) -> None:
    weights = [TermWeight("cavit", 3.0, 2, 0), TermWeight("lung", 1.0, 0, 0, 1)]
    weights += [TermWeight(f"w{at}", 0.1, 1, 0) for at in range(9)]
    terms = (("cavit", math.log(10)), ("lung", 0.9), *((f"w{at}", 0.1) for at in range(9)))
    told = FeedbackEvidence(-math.log(100), terms, -0.2, math.log(0.1) + 1.6, rank=12)
    found = lines(told, CASE, small.text, weights, Given(3, 0))
    assert sum(one.decibans for one in found) == pytest.approx(10 * told.total / math.log(10))
    assert [str(one) for one in found][:3] == [
        "−20.0: number 12 before you judged",
        "+10.0: mentions “cavitations”, as 2 of your 3 likes do",
        "+3.9: mentions “lung”, as a case of your tray does",
    ]
    assert [str(one) for one in found][-1] == "+1.3: 3 more, weaker"
    assert "−0.9: looks too little like what you like" in map(str, found)


def test_what_a_label_says_is_true_to_the_counts() -> None:
    """Over all ways in which likes, dislikes and a tray can have a label or lack it."""
    sizes = ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (12, 1), (12, 11), (12, 12))
    seen = set()
    for (n, r), (m, s), (kept, t) in itertools.product(sizes, repeat=3):
        sides = [[{"sex=F"}] * has + [set[str]()] * (of - has)
                 for of, has in ((n, r), (m, s), (kept, t))]  # fmt: skip
        for frequency in (50, 500, 950):
            known = {"sex=F": frequency}
            for one in term_weights(sides[0], sides[1], known, 1000, sides[2], mass=2.0):
                if abs(one.weight) < 1e-9:
                    continue
                says = term_says(one, one.weight, {}, Given(n, m)).removeprefix("has sex “F”, ")
                seen.add((says, one.weight > 0))
                assert says in {
                    *true_of(r, n, "like"),
                    *true_of(s, m, "dislike"),
                    *true_of_tray(t, kept),
                    *(["which your dislikes have less often than other cases"]
                      if m and s / m < frequency / 1000 else []),
                }  # fmt: skip
                if one.weight < 0:  # what lowers it: dislikes have it, or few others do
                    assert says in true_of(s, m, "dislike") or re.search("only|as no", says)
                else:
                    assert not re.search("as your dislike|only|as no", says)
    assert ("as only 1 of your 12 likes does", False) in seen
    assert ("as no like of yours does", False) in seen
    assert ("which your dislikes have less often than other cases", True) in seen


def true_of(some: int, of: int, noun: str) -> list[str]:
    if not of:
        return []
    if not some:
        return [f"as no {noun} of yours does"]
    if of == 1:
        return [f"as your {noun} does"]
    said = f"{some} of your {of} {noun}s {'does' if some == 1 else 'do'}"
    return [f"as {said}", *([f"as only {said}"] if some < of else [])]


def true_of_tray(some: int, of: int) -> list[str]:
    if not of:
        return []
    if not some:
        return ["as no case of your tray does"]
    if some == 1:
        return ["as a case of your tray does", *(["as only one case of your tray does"] * (of > 1))]
    said = f"{some} cases of your tray do"
    return [f"as {said}", *([f"as only {said}"] if some < of else [])]
