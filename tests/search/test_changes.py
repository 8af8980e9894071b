"""What a judgement changed: counted, and the main reason told."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.search.changes import changes
from medclip_search.search.engine import search
from medclip_search.search.hits import DECIBAN, FeedbackEvidence, Hit, WeightLine
from medclip_search.search.query import Query
from tests.search.small_library import SmallLibrary


def hit(rank: int, name: str, *lines: tuple[float, str]) -> Hit:
    first = WeightLine(1.0, f"number {rank} before you judged")
    told = (first, *(WeightLine(weight, says) for weight, says in lines))
    evidence = FeedbackEvidence(0.0, (), 0.0, DECIBAN, lines=told)
    return Hit(rank, name, 1.0, Case(name), feedback=evidence)


def page(names: str) -> list[Hit]:
    return [hit(rank, name) for rank, name in enumerate(names, 1)]


def test_moves_are_counted_and_the_weightiest_reason_is_told() -> None:
    after = [
        hit(1, "c", (4.0, "also mentions “cyst”, as your like does"), (9.0, "liked by you")),
        hit(2, "e", (3.0, "also mentions “cyst”, as your like does"), (2.0, "looks like it")),
        hit(3, "a", (-2.0, "has modality “MR”, as your dislike does")),
    ]
    found = changes(page("abc"), after)
    assert (found.up, found.down, found.came, found.left) == (1, 1, 1, 1)
    assert str(found) == (
        "1 moved up, 1 came in and 1 left the page. "
        "2 of these also mention “cyst”, as your like does. "
        "1 that fell has modality “MR”, as your dislike does."
    )


def test_a_picture_unlike_what_is_liked_is_told_of_one_and_of_several() -> None:
    against = (-3.0, "looks too little like what you like")
    two = changes(page("abc"), [hit(1, "c"), hit(2, "a", against), hit(3, "b", against)])
    assert str(two).endswith("2 that fell look too little like what you like.")
    one = changes(page("ab"), [hit(1, "b"), hit(2, "a", against)])
    assert str(one).endswith("1 that fell looks too little like what you like.")


def test_nothing_moved_is_said() -> None:
    assert not changes(page("ab"), page("ab"))
    assert str(changes(page("ab"), page("ab"))) == "Nothing on this page moved."


@given(st.permutations("abcdef"), st.permutations("abcdef"), st.integers(1, 6))
def test_every_hit_is_counted_once(one: list[str], other: list[str], size: int) -> None:
    before, after = "".join(one[:size]), "".join(other[:size])
    found = changes(page(before), page(after))
    stay = sum(a == b for a, b in zip(before, after, strict=True))
    assert found.up + found.down + found.came + stay == len(after)
    assert found.left == found.came == len(set(after) - set(before))
    assert bool(found) == (before != after)


def test_a_like_lifts_its_kin_and_says_why(small: SmallLibrary) -> None:
    query = Query(text="lung")
    plain = search(small, query, 10, start=0)
    steered = search(small, replace(query, like=["a2"]), 10, start=0)
    found = changes(plain, steered)
    assert found
    assert found.gained is not None
    assert "like" in str(found)
