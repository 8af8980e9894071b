"""Pages: duplicates folded, groups gathered, diversity; nobody lost, and the page filled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from medclip_search.cases import Case
from medclip_search.errors import QueryError
from medclip_search.search.diversify import common_words, mmr
from medclip_search.search.engine import search
from medclip_search.search.group import firsts, followers
from medclip_search.search.hits import Hits
from medclip_search.search.query import Query
from tests.figures import draw_textured
from tests.search.small_library import SmallLibrary

Build = Callable[..., SmallLibrary]


def ids(hits: Hits) -> list[str]:
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    return [hit.id for hit in hits]


@pytest.fixture(scope="module")
def twins(build: Build) -> SmallLibrary:
    """Figures of three articles; t2 is t1 in another size and cropped, t3 is t1 exactly."""
    pictures = {f"p{at}": draw_textured(at) for at in range(8)}
    first = draw_textured(20)
    pictures |= {"t1": first, "t2": first.crop((3, 2, 198, 195)).resize((150, 148)), "t3": first}
    articles = {"p0": "PMC1", "p1": "PMC1", "p2": "PMC1", "t1": "PMC2", "t2": "PMC3", "p3": "PMC3"}
    cases = [
        Case(
            name,
            "small",
            # Words rank them by their number: shorter captions come first.
            "a nodule" + " here" * at,
            article=articles.get(name),
            keywords=("chest", name),
            metadata={"sex": "f"} if at % 2 else {},
        )
        for at, name in enumerate(sorted(pictures, key=lambda one: (one[0] == "t", one)))
    ]
    return build(cases, pictures)


def test_the_same_picture_is_shown_once_and_the_page_is_filled(twins: SmallLibrary) -> None:
    open_ = search(twins, Query(text="nodule", fold=False), 11)
    plain = ids(open_)
    assert plain == [*(f"p{at}" for at in range(8)), "t1", "t2", "t3"]
    assert not any(hit.duplicates for hit in open_)
    hits = search(twins, Query(text="nodule"), 11)
    assert ids(hits) == plain[:9]
    assert hits[8].duplicates == ("t2", "t3")
    assert not any(hit.duplicates for hit in hits[:8])
    assert hits[8].to_json()["duplicates"] == ["t2", "t3"]
    assert hits[8].carries() == ["+2 of the same picture"]


def test_those_below_the_page_move_up(twins: SmallLibrary) -> None:
    query = Query(image=draw_textured(20))
    assert ids(search(twins, Query(image=draw_textured(20), fold=False), 3)) == ["t1", "t3", "t2"]
    hits = search(twins, query, 3)
    assert len(hits) == 3
    assert (hits[0].id, hits[0].duplicates) == ("t1", ("t3", "t2"))
    assert ids(search(twins, query, 5))[:3] == ids(hits)


def test_what_is_folded_may_be_liked(twins: SmallLibrary) -> None:
    hits = search(twins, Query(text="nodule", like="t3"), 9)
    assert hits[0].id == "t3"
    assert set(hits[0].duplicates) == {"t1", "t2"}


def test_browsing_shows_all(twins: SmallLibrary) -> None:
    assert len(search(twins, Query(where="has_image=yes"), 20)) == 11


def test_without_thumbnails_nothing_is_folded(twins: SmallLibrary) -> None:
    twins.thumbnails, kept = {}, twins.thumbnails
    try:
        assert len(search(twins, Query(text="nodule"), 20)) == 11
        twins.thumbnails = dict.fromkeys(kept, b"damaged")
        assert len(search(twins, Query(text="nodule"), 20)) == 11
    finally:
        twins.thumbnails = kept


def test_one_hit_an_article(twins: SmallLibrary) -> None:
    hits = search(twins, Query(text="nodule", group="article", fold=False), 20)
    assert ids(hits) == ["p0", "p3", "p4", "p5", "p6", "p7", "t1", "t3"]
    assert {hit.id: hit.siblings for hit in hits if hit.siblings} == {
        "p0": ("p1", "p2"),
        "p3": ("t2",),
    }
    assert hits[0].carries() == ["+2 of its group"]
    assert ids(search(twins, Query(text="nodule", group=" Article ", fold=False), 2)) == [
        "p0",
        "p3",
    ]


def test_groups_by_any_field_after_folding(twins: SmallLibrary) -> None:
    hits = search(twins, Query(text="nodule", group="sex"), 20)
    assert ids(hits) == ["p0", "p1", "p2", "p4", "p6", "t1"]  # those of no sex stand alone
    assert hits[1].siblings == ("p3", "p5", "p7")
    assert hits[5].duplicates == ("t2", "t3")


def test_filters_and_groups_go_together(twins: SmallLibrary) -> None:
    assert ids(search(twins, Query(where="has_image=yes", group="article"), 3)) == [
        "p0",
        "p3",
        "p4",
    ]


def test_diversity_moves_the_alike_down(build: Build) -> None:
    hues = {"r": (200, 30, 30), "g": (30, 200, 30)}
    names = ["r1", "r2", "r3", "g1"]
    pictures = {name: Image.new("RGB", (16, 16), hues[name[0]]) for name in names}
    cases = [Case(name, caption="nodule" + " here" * at) for at, name in enumerate(names)]
    cases.append(Case("w1", caption="nodule, and quite another word" + " here" * 9))
    library = build(cases, pictures)
    assert ids(search(library, Query(text="nodule", diversity=0), 5)) == [*names, "w1"]
    assert ids(search(library, Query(text="nodule", diversity=0.6), 2)) == ["r1", "g1"]
    full = ids(search(library, Query(text="nodule", diversity=1), 5))
    assert full[0] == "r1"
    assert set(full[:3]) == {"r1", "g1", "w1"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"group": "artcle"}, "no field is called 'artcle'; there are: corpus"),
        ({"group": "keyword"}, "several values of keyword"),
        ({"diversity": 1.5}, "1.5 is not a number from 0 to 1"),
        ({"diversity": float("nan")}, "nan is not a number"),
        ({"diversity": True}, "True is not a number"),
        ({"fold": "no"}, "fold: say True or False"),
        ({"group": 3}, "group: give the name of one field"),
    ],
)
def test_what_cannot_be(twins: SmallLibrary, wrong: dict[str, object], said: str) -> None:
    with pytest.raises(QueryError, match=said.replace("(", r"\(")):
        search(twins, Query(text="nodule", **wrong), 3)  # type: ignore[arg-type]


@given(st.lists(st.integers(-1, 4), max_size=40))
def test_groups_keep_the_order_and_lose_nobody(codes: list[int]) -> None:
    first = firsts(np.array(codes, np.int64))
    carried = followers(first)
    leaders = [at for at, one in enumerate(first) if one == at]
    expected = [at for at, code in enumerate(codes) if code < 0 or code not in codes[:at]]
    assert leaders == expected
    assert sorted([*leaders, *itertools.chain(*carried.values())]) == list(range(len(codes)))
    for leader, others in carried.items():
        assert others == sorted(others)
        assert {codes[at] for at in others} == {codes[leader]}


unit = st.floats(0, 1)


@st.composite
def candidates(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    size = draw(st.integers(1, 9))
    relevance = np.sort(draw(arrays.arrays(np.float64, size, elements=unit)))[::-1]
    half = draw(arrays.arrays(np.float64, (size, size), elements=unit))
    return relevance, np.maximum(half, half.T)


@given(candidates(), unit, st.integers(0, 12))
def test_mmr_is_what_the_paper_says(
    pair: tuple[np.ndarray, np.ndarray], diversity: float, k: int
) -> None:
    relevance, likeness = pair
    found = mmr(relevance, likeness, diversity, k).tolist()
    assert sorted(found) == list(range(len(relevance)))
    assert found[0] == 0
    left = list(range(len(relevance)))
    chosen: list[int] = []
    for _ in range(min(k, len(relevance))):
        gains = [
            (1 - diversity) * relevance[one]
            - diversity * max((likeness[one][other] for other in chosen), default=0.0)
            for one in left
        ]
        chosen.append(left.pop(gains.index(max(gains))))
    assert found == chosen + left


@given(candidates(), st.integers(0, 12))
def test_no_diversity_changes_nothing(pair: tuple[np.ndarray, np.ndarray], k: int) -> None:
    assert mmr(*pair, 0.0, k).tolist() == list(range(len(pair[0])))


@given(st.lists(st.frozensets(st.sampled_from("abcdef")), min_size=1, max_size=8))
def test_common_words_are_jaccard(terms: Sequence[frozenset[str]]) -> None:
    found = common_words(terms)
    for a, b in itertools.product(range(len(terms)), repeat=2):
        either = terms[a] | terms[b]
        wanted = len(terms[a] & terms[b]) / len(either) if either else 0
        assert found[a, b] == pytest.approx(wanted)
