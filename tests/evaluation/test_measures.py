"""Measures against their definitions, written out; intervals and tests against what is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search import UsageError
from medclip_search.evaluation import Scores, difference, score
from medclip_search.evaluation.intervals import bootstrap
from medclip_search.evaluation.measures import check_measures

DOCUMENTS = [f"d{n}" for n in range(9)]
JUDGED = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(-1, 3), min_size=1)
ANSWERS = st.lists(st.sampled_from(DOCUMENTS), unique=True)


def by_definition(ranked: list[str], judged: dict[str, int], k: int) -> dict[str, float]:
    """The measures of one query, as textbooks define them."""
    relevant = {d for d, grade in judged.items() if grade > 0}
    hits = [d in relevant for d in ranked]
    gains = [max(judged.get(d, 0), 0) for d in ranked[:k]]
    ideal = sorted((max(grade, 0) for grade in judged.values()), reverse=True)[:k]

    def discounted(each: list[int]) -> float:
        return sum(gain / math.log2(at + 2) for at, gain in enumerate(each))

    first = hits.index(True) + 1 if True in hits else math.inf
    return {
        f"P@{k}": sum(hits[:k]) / k,
        f"R@{k}": sum(hits[:k]) / len(relevant),
        "AP": sum(sum(hits[: at + 1]) / (at + 1) for at, hit in enumerate(hits) if hit)
        / len(relevant),
        f"nDCG@{k}": discounted(gains) / discounted(ideal),
        "RR": 1 / first,
        f"RR@{k}": 1 / first if first <= k else 0,
        f"Success@{k}": float(first <= k),
        f"Judged@{k}": sum(d in judged for d in ranked[:k]) / min(k, len(ranked) or 1),
        "MedR": first,
    }


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from("abc"), st.tuples(ANSWERS, JUDGED)), st.integers(1, 6))
def test_measures_are_their_definitions(
    queries: dict[str, tuple[list[str], dict[str, int]]], k: int
) -> None:
    # Scores a float32 cannot tell apart, and yet the order counts that they stand in.
    run = {q: {d: 1.0 - n / 4 for n, d in enumerate(ranked)} for q, (ranked, _) in queries.items()}
    qrels = {q: judged for q, (_, judged) in queries.items()}
    wanted = {
        q: by_definition(ranked, judged, k)
        for q, (ranked, judged) in queries.items()
        if max(judged.values()) > 0
    }
    found = score(
        run, qrels, [f"P@{k} R@{k}", "AP", f"nDCG@{k},RR", "MedR", f"RR@{k} Success@{k} Judged@{k}"]
    )
    assert found.queries == tuple(wanted)
    for name, values in found.values.items():
        assert values == pytest.approx([each[name] for each in wanted.values()])


def test_one_measure_under_two_names_is_given_under_both() -> None:
    found = score({"a": {"x": 2.0, "d": 1.0}}, {"a": {"d": 1}}, ["AP", "MAP"])
    assert found.means() == {"AP": 0.5, "MAP": 0.5}


def test_an_unanswered_query_counts_as_nothing_found() -> None:
    found = score({"a": {"d": 1.0}}, {"a": {"d": 1}, "b": {"d": 1}}, ["AP", "MedR"])
    assert found.means()["AP"] == 0.5
    assert found.values["MedR"].tolist() == [1, math.inf]


def test_the_median_is_taken_of_ranks() -> None:
    run = {q: {f"x{n}": 9.0 - n for n in range(rank - 1)} | {"d": 0.0} for q, rank in
           {"a": 1, "b": 2, "c": 8}.items()}  # fmt: skip
    assert score(run, {q: {"d": 1} for q in run}, ["MedR"]).means() == {"MedR": 2}


@pytest.mark.parametrize("name", ["nDCG@0", "P@-1", "P", "foo", "nDCG@ten", "", "R@1e3", "ERR@10("])
def test_an_unknown_measure_is_a_wrong_call(name: str) -> None:
    with pytest.raises(UsageError, match="nDCG@10, AP"):
        check_measures([name])


def test_measures_by_commas_or_spaces() -> None:
    assert check_measures(["AP,nDCG@10", "P@5 medr", "AP"]) == ["AP", "nDCG@10", "P@5", "MedR"]


def test_an_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        low, high = bootstrap(rng.exponential(size=60), [str(n) for n in range(60)])
        held += low <= 1 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_an_interval_of_groups_is_as_wide_as_that_of_their_means() -> None:
    rng = np.random.default_rng(2)
    means = rng.normal(size=50)
    grouped = bootstrap(np.repeat(means, 8), [str(n) for n in range(50) for _ in range(8)])
    alone = bootstrap(means, [str(n) for n in range(50)])
    naive = bootstrap(np.repeat(means, 8), [str(n) for n in range(400)])
    assert grouped == pytest.approx(alone, abs=0.02)
    assert naive.high - naive.low < 0.5 * (alone.high - alone.low)


def test_one_group_says_nothing_of_others() -> None:
    assert bootstrap(np.array([0.1, 0.9]), ["a", "a"]) == (-math.inf, math.inf)


def scores(values: list[float], groups: list[str] | None = None) -> Scores:
    names = tuple(f"q{n}" for n in range(len(values)))
    return Scores(names, tuple(groups or names), {"AP": np.array(values)})


def test_the_test_is_the_share_of_all_exchanges_as_extreme() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random(8), rng.random(8)
    found = difference(scores(list(a)), scores(list(b)), "AP")
    change = a - b
    sums = [abs(np.dot(signs, change)) for signs in itertools.product((1, -1), repeat=8)]
    extreme = np.mean([each >= abs(change.sum()) - 1e-12 for each in sums])
    assert found.p == pytest.approx(extreme, abs=2 / 2**8)
    assert found.mean == pytest.approx(change.mean())
    assert (found.better, found.worse) == ((change > 0).sum(), (change < 0).sum())


def test_a_group_is_exchanged_whole() -> None:
    values, groups = [0.6] * 12, ["a"] * 6 + ["b"] * 6
    alone = difference(scores(values), scores([0.5] * 12), "AP")
    together = difference(scores(values, groups), scores([0.5] * 12, groups), "AP")
    assert alone.p < 0.01
    assert together.p == pytest.approx(0.5)  # of four exchanges of two groups, two are as extreme


def test_queries_are_paired_by_name() -> None:
    ours, theirs = scores([1.0, 0.0, 0.5]), scores([0.0, 1.0])
    found = difference(ours, theirs, "AP")
    assert (found.queries, found.mean, found.p) == (2, 0, 1)
    assert difference(ours, ours, "AP").p == 1
