"""Reciprocal rank fusion against a dictionary, and what must hold of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medclip_search.search.fuse import RankedList, evidence, fuse

SIZE = 40
ORDER = np.random.default_rng(3).permutation(SIZE).astype(np.int32)


@st.composite
def ranked_lists(draw: st.DrawFn) -> RankedList:
    keys = draw(st.lists(st.integers(0, SIZE - 1), unique=True, max_size=SIZE))
    scores = np.linspace(1, 0, len(keys), dtype=np.float32)
    weight = draw(st.sampled_from([0.5, 1.0, 1 / 3]))
    name = draw(st.sampled_from(["words", "image:compact"]))
    return RankedList(name, np.array(keys, np.int64), scores, weight, draw(st.booleans()))


LISTS = st.lists(ranked_lists(), max_size=6)


def by_dictionary(lists: list[RankedList]) -> list[int]:
    scores = {int(key): 0.0 for one in lists if not one.unwanted for key in one.keys}
    for one in lists:
        for rank, key in enumerate(one.keys.tolist(), 1):
            if key in scores:
                scores[key] += (-1 if one.unwanted else 1) * one.weight / (60 + rank)
    return sorted(scores, key=lambda key: (-round(scores[key], 12), ORDER[key]))


@given(LISTS)
def test_equals_the_dictionary(lists: list[RankedList]) -> None:
    keys, scores = fuse(lists, ORDER)
    assert keys.tolist() == by_dictionary(lists)
    assert (np.diff(scores) <= 0).all()


@given(LISTS, st.randoms())
def test_the_order_of_the_lists_does_not_matter(lists: list[RankedList], random: object) -> None:
    shuffled = lists[::-1]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fuse(shuffled, ORDER)[0].tolist() == fuse(lists, ORDER)[0].tolist()


@given(LISTS, st.integers(0, SIZE - 1))
def test_one_more_list_led_by_a_case_never_lowers_it(lists: list[RankedList], key: int) -> None:
    before = fuse(lists, ORDER)[0].tolist()
    leading = RankedList("words", np.array([key]), np.ones(1, np.float32))
    after = fuse([*lists, leading], ORDER)[0].tolist()
    assert after.index(key) <= (before.index(key) if key in before else len(before))


@given(LISTS)
def test_evidence_adds_up_to_the_score(lists: list[RankedList]) -> None:
    for key, score in zip(*(array.tolist() for array in fuse(lists, ORDER)), strict=True):
        found = evidence(lists, key)
        assert abs(sum(one.share for one in found) - score) < 1e-9
        assert [one.share for one in found] == sorted((o.share for o in found), reverse=True)


def test_the_formula_of_the_paper() -> None:
    words = RankedList("words", np.array([4, 7]), np.array([2.0, 1.0], np.float32))
    image = RankedList("image:compact", np.array([7]), np.array([0.9], np.float32))
    keys, scores = fuse([words, image], ORDER)
    assert keys.tolist() == [7, 4]
    assert np.allclose(scores, [1 / 62 + 1 / 61, 1 / 61])
