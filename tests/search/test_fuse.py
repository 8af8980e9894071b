"""Fusion against dictionaries, and what must hold of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.search.fuse import (
    FUSIONS,
    Fusion,
    RankedList,
    Scale,
    completed,
    evidence,
    fuse,
    weighted,
)

SIZE = 12
ORDER = np.random.default_rng(3).permutation(SIZE).astype(np.int32)
SCALES = [Scale(0, 12, 1), Scale(0, 1, 2), Scale(0.3, 0.9, 2)]


@st.composite
def ranked_lists(draw: st.DrawFn, *, unwanted: bool | None = None) -> RankedList:
    """A list that knows a score for some cases, and found the best of them by itself."""
    scale = draw(st.sampled_from(SCALES))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    table = (random.integers(-4 if scale.nothing else 0, 9, SIZE) / 8).astype(np.float32)
    table[random.random(SIZE) < draw(st.sampled_from([0.0, 0.3]))] = np.nan
    found = np.flatnonzero(np.isfinite(table) & (table != 0))
    found = found[np.lexsort((ORDER[found], -table[found]))]
    unwanted = draw(st.booleans()) if unwanted is None else unwanted
    found = found[: 0 if unwanted else draw(st.integers(1, SIZE))]
    return RankedList(
        draw(st.sampled_from(["words", "image:compact"])),
        found,
        table[found],
        draw(st.sampled_from([0.5, 1.0, 1 / 3])),
        unwanted,
        scale,
        lambda keys: table[keys],
    )


LISTS = st.lists(ranked_lists(), max_size=6)
WANTED = st.lists(ranked_lists(unwanted=False), min_size=1, max_size=5)
EITHER = st.sampled_from(FUSIONS)


def score_of(one: RankedList, key: int) -> float:
    assert one.score is not None
    return float(one.score(np.array([key]))[0])


def by_dictionary(lists: list[RankedList], fusion: Fusion) -> list[int]:
    """From the scores alone, as the module's head has it."""
    keys = {int(key) for one in lists if not one.unwanted for key in one.keys}
    totals = dict.fromkeys(keys, 0.0)
    for one in lists:
        own = set(one.keys.tolist())
        scores = {key: score_of(one, key) for key in keys}
        # An unwanted list ranks all candidates; one of words none that has none of them.
        held = [k for k in keys if scores[k] or k in own or one.unwanted or one.scale.range == 2]
        held = [k for k in held if np.isfinite(scores[k])]
        held.sort(key=lambda k: (-scores[k], k not in own, ORDER[k]))
        for rank, key in enumerate(held, 1):
            place = (scores[key] - one.scale.nothing) / (one.scale.certain - one.scale.nothing)
            share = 1 / (60 + rank) if fusion == "rrf" else place / one.scale.range
            if one.unwanted:
                share = -max(share, 0)
            totals[key] += one.weight * share
    return sorted(keys, key=lambda key: (-round(totals[key], 9), ORDER[key]))


@given(LISTS.filter(lambda lists: len(lists) != 1), EITHER)
def test_equals_the_dictionary(lists: list[RankedList], fusion: Fusion) -> None:
    keys, scores = fuse(completed(lists, ORDER), ORDER, fusion)
    expected = by_dictionary(lists, fusion)
    assert set(keys.tolist()) == set(expected)
    assert (np.diff(scores) <= 0).all()
    if fusion == "rrf":
        assert keys.tolist() == expected


@given(LISTS)
def test_convex_scores_equal_the_sum(lists: list[RankedList]) -> None:
    total = sum(one.weight / one.scale.range for one in lists if not one.unwanted)
    fused = fuse(completed(lists, ORDER), ORDER)
    for key, score in zip(*(array.tolist() for array in fused), strict=True):
        expected = 0.0
        for one in lists:
            if np.isnan(value := score_of(one, key)):
                continue
            place = (value - one.scale.nothing) / (one.scale.certain - one.scale.nothing)
            sign = -(place > 0) if one.unwanted else 1
            expected += sign * one.weight / one.scale.range * place / total
        assert score == pytest.approx(expected, abs=1e-6)


@given(LISTS, st.randoms(), EITHER)
def test_the_order_of_the_lists_does_not_matter(
    lists: list[RankedList], random: object, fusion: Fusion
) -> None:
    shuffled = lists[::-1]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (fuse(completed(each, ORDER), ORDER, fusion) for each in (shuffled, lists))
    assert one[0].tolist() == other[0].tolist()


@given(WANTED, st.data(), EITHER)
def test_a_better_score_never_lowers_a_case(
    lists: list[RankedList], data: st.DataObject, fusion: Fusion
) -> None:
    filled = completed(lists, ORDER)
    before = fuse(filled, ORDER, fusion)[0].tolist()
    if not before:
        return
    key = data.draw(st.sampled_from(before))
    at = data.draw(st.integers(0, len(lists) - 1))
    raised = filled[at]
    scores = np.where(raised.keys == key, np.float32(2.5), raised.scores)
    best = np.lexsort((ORDER[raised.keys], -np.nan_to_num(scores, nan=-np.inf)))
    listed = None if raised.listed is None else raised.listed[best]
    filled[at] = replace(
        raised, keys=raised.keys[best], scores=scores[best], listed=listed, among=None
    )
    assert fuse(filled, ORDER, fusion)[0].tolist().index(key) <= before.index(key)


@given(LISTS, st.sampled_from([0.25, 3.0, 100.0]), EITHER)
def test_only_the_ratio_of_the_weights_counts(
    lists: list[RankedList], by: float, fusion: Fusion
) -> None:
    once = fuse(completed(lists, ORDER), ORDER, fusion)
    again = fuse(completed(weighted(lists, by), ORDER), ORDER, fusion)
    if fusion == "convex":
        assert again[0].tolist() == once[0].tolist()
        assert again[1] == pytest.approx(once[1], abs=1e-8)
    else:  # sums of ranks grow with the weights
        assert sorted(again[1]) == pytest.approx(sorted(once[1] * by), abs=1e-6 * by)


def test_a_part_that_weighs_nothing_brings_nothing() -> None:
    assert weighted([RankedList("words", np.array([4]), np.ones(1, np.float32))], 0) == []


@given(ranked_lists(unwanted=False), EITHER)
def test_one_list_keeps_its_order(one: RankedList, fusion: Fusion) -> None:
    # Equal scores stand as the list has them: a case whose id was typed comes first.
    turned = replace(one, keys=one.keys[::-1], scores=np.sort(one.scores)[::-1])
    for each in (one, turned):
        assert fuse(completed([each], ORDER), ORDER, fusion)[0].tolist() == each.keys.tolist()


@given(WANTED)
def test_equal_scores_go_by_id(lists: list[RankedList]) -> None:
    level = [replace(one, scores=np.full(len(one.keys), 0.5, np.float32)) for one in lists]
    alike = [*level, *level]  # never a single list
    keys, scores = fuse(alike, ORDER)
    for start in np.unique(scores):
        ranks = ORDER[keys[scores == start]]
        assert (np.diff(ranks) > 0).all()


@given(LISTS, EITHER)
def test_evidence_adds_up_to_the_score(lists: list[RankedList], fusion: Fusion) -> None:
    filled = completed(lists, ORDER)
    keys, scores = fuse(filled, ORDER, fusion)
    for key, score, found in zip(
        keys.tolist(), scores, evidence(filled, keys.tolist(), fusion), strict=True
    ):
        assert sum(one.share for one in found) == pytest.approx(score, abs=1e-8)
        assert [one.share for one in found] == sorted((o.share for o in found), reverse=True)
        heard = [one for one in lists if one.unwanted or len(one.keys)]
        known = [one for one in heard if np.isfinite(score_of(one, key))]
        assert sorted(one.score for one in found) == sorted(score_of(one, key) for one in known)


@given(WANTED)
def test_ranks_are_those_of_the_list_itself(lists: list[RankedList]) -> None:
    for before, after in zip(lists, completed(lists, ORDER), strict=True):
        places = dict(zip(after.keys.tolist(), after.ranks().tolist(), strict=True))
        own = before.keys.tolist()
        assert [places[key] for key in own] == list(range(1, len(own) + 1))
        assert not any(rank for key, rank in places.items() if key not in own)


def test_an_unwanted_list_takes_nothing_for_a_case_that_only_it_brings() -> None:
    def one(name: str, key: int, score: float, others: float) -> RankedList:
        found = np.array([key]), np.array([score], np.float32)
        return RankedList(name, *found, score=lambda keys: np.full(len(keys), others, np.float32))

    unwanted = replace(one("not-image:compact", 2, 0.125, 0.25), unwanted=True)
    lists = [one("words", 4, 1, 0), one("image:compact", 7, 1, 0), unwanted]
    keys, scores = fuse(completed(lists, ORDER), ORDER)
    assert sorted(keys.tolist()) == [4, 7]
    assert scores == pytest.approx([0.375, 0.375])


def test_the_formula_of_the_paper() -> None:
    words = RankedList("words", np.array([4, 7]), np.array([2.0, 1.0], np.float32))
    image = RankedList("image:compact", np.array([7]), np.array([0.9], np.float32))
    keys, scores = fuse([words, image], ORDER, "rrf")
    assert keys.tolist() == [7, 4]
    assert np.allclose(scores, [1 / 62 + 1 / 61, 1 / 61])


def test_words_that_cover_little_say_little() -> None:
    """Of a long text no case has much: its best hit does not outdo a likeness that is plain."""
    image = RankedList(
        "image:compact", np.array([7, 4]), np.array([0.8, 0.2], np.float32), scale=Scale(0, 1, 2)
    )
    words = RankedList("words", np.array([4, 7]), np.array([6.0, 0.0], np.float32))
    short, long = (replace(words, scale=Scale(0, full)) for full in (8, 60))
    assert fuse([image, short], ORDER)[0].tolist() == [4, 7]
    assert fuse([image, long], ORDER)[0].tolist() == [7, 4]
    assert fuse([image, long], ORDER)[1] == pytest.approx([0.8 / 3, (2 * 0.1 + 0.2) / 3])
