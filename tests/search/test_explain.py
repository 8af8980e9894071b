"""The sentence that says why a hit is a hit."""

from __future__ import annotations

import math

import pytest

from medclip_search.cases import Case
from medclip_search.search.explain import matched_words, ordinal, why
from medclip_search.search.feedback import TermWeight
from medclip_search.search.hits import FeedbackEvidence, ListEvidence
from medclip_search.search.weighing import Given, lines
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
    assert found == ["tuberculosis", "cavitation", "LUNG", "the"]


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
        "Has modality “CT”, as your dislike does, its picture speaks against it"
    )
    judged = FeedbackEvidence(0.0, (("judged=disliked", -4.0), ("modality=CT", -1.0)), 0.0, -5.0)
    assert why([], CASE, [], small.text, judged, weights, Given(1, 1)) == "Disliked by you"


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
    assert "−0.9: its picture speaks against it" in map(str, found)
