"""Weights of evidence: their signs, their bounds, and what two clicks may do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.search import feedback
from medclip_search.search.feedback import bent, bound, image_ratio, prior, term_weights

TERMS = [f"t{number}" for number in range(12)]
SETS = st.lists(st.frozensets(st.sampled_from(TERMS)), max_size=6)
FREQUENCIES = st.fixed_dictionaries({term: st.integers(1, 1000) for term in TERMS})


def test_the_prior_falls_with_the_rank_and_is_even_at_ten() -> None:
    odds = prior(np.arange(1, 1001))
    assert (np.diff(odds) < 0).all()
    assert odds[9] == 0.0
    assert odds[0] == pytest.approx(math.log(10))


@given(SETS, SETS, FREQUENCIES)
def test_swapping_likes_and_dislikes_turns_every_weight(
    liked: list[frozenset[str]], disliked: list[frozenset[str]], frequencies: dict[str, int]
) -> None:
    one = {w.term: w.weight for w in term_weights(liked, disliked, frequencies, 1000)}
    other = {w.term: w.weight for w in term_weights(disliked, liked, frequencies, 1000)}
    assert one.keys() == other.keys()
    for term, weight in one.items():
        assert weight == pytest.approx(-other[term])


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


def test_a_rare_word_says_more_than_a_common_one() -> None:
    liked = [frozenset({"of", "cavitation"}), frozenset({"of", "cavitation"})]
    rare, common = term_weights(liked, [], {"of": 900, "cavitation": 20}, 1000)
    assert (rare.term, common.term) == ("cavitation", "of")
    assert rare.weight > 3
    assert 0 < common.weight < rare.weight
    assert (rare.liked, rare.disliked) == (2, 0)


def test_a_word_of_likes_and_dislikes_alike_says_nothing() -> None:
    (one,) = term_weights([frozenset({"a"})], [frozenset({"a"})], {"a": 20}, 1000)
    assert one.weight == pytest.approx(0.0)


def test_a_word_that_no_other_case_has_is_left_out() -> None:
    assert term_weights([frozenset({"a"})], [], {"a": 1}, 1000) == []


def test_only_the_strongest_terms_are_weighed() -> None:
    many = frozenset(f"w{number}" for number in range(50))
    found = term_weights([many], [], {word: 2 + int(word[1:]) for word in many}, 10_000)
    assert [one.term for one in found] == [f"w{number}" for number in range(feedback.TERMS)]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.integers(0, 50))
def test_evidence_is_bounded_and_keeps_its_order(raw: list[float], judgements: int) -> None:
    values = np.array(raw)
    said = bent(values, judgements)
    assert (np.abs(said) <= bound(judgements)).all()
    assert (np.diff(said[np.argsort(values)]) >= 0).all()
    assert (np.sign(said) * np.sign(values) >= 0).all()


def test_two_clicks_do_not_rule() -> None:
    """What lies at rank 100 does not pass what lies first, whatever two likes say for it."""
    first, hundredth = prior(np.array([1, 100]))
    assert hundredth + 2 * bound(2) < first
    assert bound(1) < bound(2) < bound(20) < feedback.MOST
    assert bound(0) == 0


def test_likeness_counts_in_deviations_of_the_candidates() -> None:
    generator = np.random.default_rng(5)
    background = generator.normal(0.6, 0.05, (500, 1))
    near, middle, far, unseen = image_ratio(np.array([[0.8], [0.625], [0.5], [np.nan]]), background)
    assert near > 2 > middle > -2 > far
    assert unseen == 0.0


def test_the_nearest_judged_image_speaks() -> None:
    background = np.random.default_rng(5).normal(0.0, 0.1, (500, 2))
    one, both = image_ratio(np.array([[0.3, -0.3], [0.3, 0.3]]), background)
    assert one == both


def test_images_all_alike_say_nothing() -> None:
    assert image_ratio(np.full((3, 1), 0.5), np.full((9, 1), 0.5)).tolist() == [0, 0, 0]
    assert image_ratio(np.empty((3, 0)), np.empty((9, 0))).tolist() == [0, 0, 0]
