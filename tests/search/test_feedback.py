"""Weights of evidence: their signs, their bounds, and what two clicks may do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from medclip_search.search import feedback
from medclip_search.search.feedback import (
    bent,
    image_evidence,
    image_ratio,
    prior,
    steepness,
    term_weights,
)

TERMS = [f"t{number}" for number in range(12)]
SETS = st.lists(st.frozensets(st.sampled_from(TERMS)), max_size=6)
FREQUENCIES = st.fixed_dictionaries({term: st.integers(20, 1000) for term in TERMS})
RANKS = st.lists(st.integers(1, 60), max_size=6, unique=True)


def test_the_prior_falls_with_the_rank_and_is_even_at_ten() -> None:
    odds = prior(np.arange(1, 1001))
    assert (np.diff(odds) < 0).all()
    assert odds[9] == 0.0
    assert odds[0] == pytest.approx(math.log(10))


@given(RANKS, RANKS)
def test_a_first_ranking_is_trusted_by_what_was_right_of_what_was_seen(
    liked: list[int], disliked: list[int]
) -> None:
    steep = steepness(liked, disliked)
    assert 0 < steep <= feedback.STEEPEST
    for rank in set(range(1, feedback.HEAD + 1)).difference(liked, disliked):
        if rank < max(_looked(liked), default=0):
            assert steepness([*liked, rank], disliked) >= steep
        if rank < max(_looked(disliked), default=0):
            assert steepness(liked, [*disliked, rank]) <= steep


def _looked(ranks: list[int]) -> list[int]:
    return [one for one in ranks[: feedback.LOOK] if one <= feedback.HEAD]


def test_what_was_passed_over_counts_by_what_came_after_it() -> None:
    assert steepness([1, 2, 3], [4, 5, 6]) == 1
    assert steepness([5, 12, 26], [1, 2, 3]) == pytest.approx(3.5 / (0.5 + 3 + 20))
    assert steepness([1, 2, 3], [6, 9, 16]) == feedback.STEEPEST  # ten more were not minded
    assert steepness([2], [5]) == pytest.approx(3.5 / 1.5)
    assert steepness([5], [2]) == pytest.approx(1.5 / 3.5)
    assert steepness([], [1, 2, 3]) < steepness([2], [1, 3])
    assert steepness([], []) == steepness([400], [700]) == 1  # nothing is known of it


def test_judgements_of_later_lists_tell_nothing_of_what_was_passed_over() -> None:
    """The fourth like was given to a list that three likes had made."""
    assert steepness([1, 2, 3, 29], [4, 5, 6]) == pytest.approx(4.5 / 3.5)
    assert steepness([1, 2, 3], [4, 5, 6, 29]) == pytest.approx(3.5 / 4.5)


@given(SETS, SETS, FREQUENCIES)
def test_a_dislike_speaks_against_as_a_like_speaks_for_but_less(
    liked: list[frozenset[str]], disliked: list[frozenset[str]], frequencies: dict[str, int]
) -> None:
    def weights(likes: list[frozenset[str]], dislikes: list[frozenset[str]]) -> dict[str, float]:
        found = term_weights(likes, dislikes, frequencies, 1000, most=99)
        return {one.term: one.weight for one in found}

    likes, dislikes = weights(liked, []), weights([], liked)
    assert likes.keys() == dislikes.keys()
    for term, weight in likes.items():
        assert dislikes[term] == pytest.approx(-feedback.AGAINST * weight)
    both = weights(liked, disliked)
    against = weights([], disliked)
    for term in likes.keys() & against.keys():
        assert both[term] == pytest.approx(likes[term] + against[term])


@given(SETS, SETS, FREQUENCIES)
def test_more_likes_with_a_term_never_lower_its_weight(
    liked: list[frozenset[str]], disliked: list[frozenset[str]], frequencies: dict[str, int]
) -> None:
    frequencies["t0"] = 1000
    disliked = [*disliked, frozenset({"t0"})]
    more = [one | {"t0"} for one in liked]

    def weight(likes: list[frozenset[str]]) -> float:
        found = term_weights(likes, disliked, frequencies, 2000, most=99)
        return next(one.weight for one in found if one.term == "t0")

    assert weight(more) >= weight(liked)


@given(SETS, FREQUENCIES)
def test_a_kept_case_is_a_weaker_like(
    cases: list[frozenset[str]], frequencies: dict[str, int]
) -> None:
    def weights(likes: list[frozenset[str]], tray: list[frozenset[str]]) -> dict[str, float]:
        found = term_weights(likes, [], frequencies, 1000, tray, most=99)
        return {one.term: one.weight for one in found if one.weight > 0}

    likes, kept = weights(cases, []), weights([], cases)
    assert kept.keys() <= likes.keys()
    assert all(kept[term] < likes[term] for term in kept)


def test_the_weight_is_that_of_robertson_and_sparck_jones() -> None:
    (one,) = term_weights([frozenset("a"), frozenset("b"), frozenset("b")], [], {"a": 49}, 999)
    share = 49.5 / 1000
    p = (1 + 20 * share) / 23
    assert one.weight == pytest.approx(math.log(p * (1 - share) / (share * (1 - p))))
    assert (one.term, one.liked, one.disliked) == ("a", 1, 0)


def test_a_rare_word_says_more_than_a_common_one() -> None:
    liked = [frozenset({"of", "cavitation"}), frozenset({"of", "cavitation"})]
    rare, common = term_weights(liked, [], {"of": 900, "cavitation": 20}, 1000)
    assert (rare.term, common.term) == ("cavitation", "of")
    assert rare.weight > 1
    assert 0 < common.weight < rare.weight
    assert (rare.liked, rare.disliked) == (2, 0)


def test_a_word_that_no_other_case_has_is_left_out() -> None:
    assert term_weights([frozenset({"a"})], [], {"a": 1}, 1000) == []


def test_only_the_strongest_terms_are_weighed() -> None:
    many = frozenset(f"w{number:02}" for number in range(60))
    frequencies = dict.fromkeys(sorted(many), 100) | {"w59": 3, "w58": 5}
    found = [one.term for one in term_weights([many], [], frequencies, 10_000)]
    assert len(found) == feedback.TERMS
    assert found[:2] == ["w59", "w58"]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20))
def test_evidence_is_bounded_and_keeps_its_order(raw: list[float]) -> None:
    values = np.array(raw)
    said = bent(values)
    assert (np.abs(said) <= feedback.MOST).all()
    assert (np.diff(said[np.argsort(values)]) >= 0).all()
    assert (np.sign(said) * np.sign(values) >= 0).all()


def of_candidates(*likeness: float) -> NDArray[np.float64]:
    """The ratios of some candidates beside 500 of a ranking that knows nothing of it."""
    others = np.random.default_rng(5).normal(0.6, 0.05, 500)
    values = np.append(others, likeness)[:, None]
    ranks = np.append(np.arange(1, 501), np.full(len(likeness), 501))
    return image_ratio(values, ranks, ranks <= 500)[500:]


def test_likeness_counts_in_deviations_of_the_candidates() -> None:
    near, middle, far, unseen = of_candidates(0.8, 0.625, 0.5, np.nan)
    assert near > 1.5 > middle > -1 > far
    assert unseen == 0.0


def test_likeness_that_the_first_ranking_explains_is_no_news() -> None:
    """Where what is liked is like whatever stands high, standing high says nothing again."""
    ranks = np.arange(1, 1001)
    noise = np.random.default_rng(5).normal(0, 0.05, 1000)
    explained = (0.9 - 0.1 * np.log(ranks) + noise)[:, None]
    ratio = image_ratio(explained, ranks, ranks > 0)
    assert abs(ratio[:50].mean() - ratio[-500:].mean()) < 0.2
    surprising = explained.copy()
    surprising[700] = explained[5]
    assert image_ratio(surprising, ranks, ranks > 0)[700] > ratio[5] + 2


def test_the_nearest_judged_image_speaks() -> None:
    ranks = np.arange(1, 501)
    likeness = np.random.default_rng(5).normal(0.0, 0.1, (500, 2))
    likeness[7] = 0.3, -0.3
    one = image_ratio(likeness, ranks, ranks > 0)[7]
    likeness[7] = 0.3, 0.3
    assert image_ratio(likeness, ranks, ranks > 0)[7] == one


def test_images_all_alike_say_nothing() -> None:
    ranks = np.arange(1, 10)
    assert image_ratio(np.full((9, 1), 0.5), ranks, ranks > 0).tolist() == [0] * 9
    assert image_ratio(np.empty((9, 0)), ranks, ranks > 0).tolist() == [0] * 9
    assert image_ratio(np.full((9, 1), np.nan), ranks, ranks > 0).tolist() == [0] * 9


def test_a_picture_near_a_dislike_is_held_against_it_and_one_far_off_is_no_merit() -> None:
    none = np.zeros(3)
    near, neutral, far = image_evidence(none, np.array([2.0, 0.0, -2.0]), none)
    assert near < neutral == far == 0
    (like,) = image_evidence(np.array([2.0]), none[:1], none[:1])
    assert abs(near) < like
    (kept,) = image_evidence(none[:1], none[:1], np.array([2.0]))
    assert 0 < kept < like
    (unlike,) = image_evidence(np.array([-2.0]), none[:1], none[:1])
    assert unlike < 0
