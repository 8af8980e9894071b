"""Weights of the parts of a query: how they are written, what is refused, what they do."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from medclip_search.errors import QueryError
from medclip_search.search.engine import search
from medclip_search.search.query import Query
from tests.search.small_library import SmallLibrary


@pytest.mark.parametrize(
    "given",
    [
        {"words": 0.5, "image": [2, 1]},
        {"text": 0.5, "image": (2, 1)},
        ["words=0.5", "image=2,1"],
        [" Words = .5", "image= 2 , 1.0"],
        (("image", (2.0, 1.0)), ("words", (0.5,))),
    ],
)
def test_ways_to_write_them(pictures: dict[str, Image.Image], given: Any) -> None:
    query = Query("lung", [pictures["a1"], pictures["b1"]], weights=given)
    assert query.weights == (("image", (2.0, 1.0)), ("words", (0.5,)))
    assert [query.weight("image", at) for at in (0, 1)] == [2, 1]
    assert query.weight("words", 0) == 0.5
    assert query.weight("vector", 0) == 1


def test_one_number_holds_for_all_of_a_part() -> None:
    query = Query(["lung", "liver"], weights="words=3")
    assert [query.weight("words", at) for at in (0, 1)] == [3, 3]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("words", r"weights: words: write PART=NUMBER, for example image=2"),
        ("words=", r"weights: words is no number; write"),
        ("words=much", r"weights: words is no number"),
        ({"words": True}, r"weights: words is no number"),
        ({"words": None}, r"weights: words is no number"),
        ({"words": "two"}, r"weights: words is no number"),
        ("words=-1", r"weights: words must be 0 or more"),
        ("words=nan", r"weights: words must be 0 or more, and finite"),
        ("words=inf", r"weights: words must be 0 or more, and finite"),
        ("words=1,2", r"weights: words has 2 weights; give 1"),
        ({"words": []}, r"weights: words has 0 weights; give 1"),
        ("like=2", r"weights: like: no such part; there are words, image, vector, not-image"),
        ("image=2", r"weights: image has a weight, but the query has no image"),
        (["words=1", "text=2"], r"weights: words is given twice"),
        ("words=0", r"weights: all that is wanted weighs 0"),
    ],
)
def test_what_is_refused(given: Any, said: str) -> None:
    with pytest.raises(QueryError, match=said) as caught:
        Query("lung", weights=given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fusion", ["convex", "rrf"])
def test_what_weighs_more_is_heard_more(
    small: SmallLibrary, pictures: dict[str, Image.Image], fusion: Any
) -> None:
    def found(weights: dict[str, float]) -> list[str]:
        query = Query("liver", pictures["c1"], fusion=fusion, weights=weights)
        return [hit.id for hit in search(small, query, 11)]

    words, image = found({"image": 0}), found({"words": 0})
    assert words == [hit.id for hit in search(small, Query("liver", fusion=fusion), 11)]
    assert image == [hit.id for hit in search(small, Query(image=pictures["c1"]), 11)]
    assert found({"words": 50})[:3] == words[:3]
    assert found({"image": 50})[:2] == image[:2] == ["c1", "c2"]
    assert found({"words": 50, "image": 50}) == found({})


def test_each_image_has_its_own_weight(
    small: SmallLibrary, pictures: dict[str, Image.Image]
) -> None:
    both = [pictures["a1"], pictures["c1"]]
    for weights, hue in (([1, 3], {"c1", "c2"}), ([3, 1], {"a1", "a2", "a3", "n1"})):
        assert search(small, Query(image=both, weights={"image": weights}), 1)[0].id in hue


def test_an_unwanted_image_can_weigh_less(
    small: SmallLibrary, pictures: dict[str, Image.Image]
) -> None:
    def place(weight: float) -> int:
        query = Query("liver OR lung", not_image=pictures["a1"], weights={"not-image": weight})
        return [hit.id for hit in search(small, query, 11)].index("a1")

    plain = [hit.id for hit in search(small, Query("liver OR lung"), 11)].index("a1")
    assert place(0) == plain < place(5)
