"""Simulated feedback: who is judged, what is left, and what a round is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from medclip_search.evaluation.simulate import MEASURE, Ids, Task, judge, library_rank, simulate
from medclip_search.search.engine import search
from medclip_search.search.hits import Hits
from medclip_search.search.query import Query
from tests.search.small_library import CASES, SmallLibrary, build_small_library

IDS = [f"d{at:02}" for at in range(60)]
GROUPS = {one: f"g{at // 2}" for at, one in enumerate(IDS)}  # two by two
RELEVANT = frozenset(IDS[1::4])
TASK = Task("q", Query(text="x"), RELEVANT, "none")


def test_the_first_three_of_each_among_thirty_are_judged() -> None:
    liked, disliked = judge(TASK, IDS, [], [])
    assert (liked, disliked) == (["d01", "d05", "d09"], ["d00", "d02", "d03"])
    liked, disliked = judge(TASK, IDS, liked, disliked)
    assert liked == ["d01", "d05", "d09", "d13", "d17", "d21"]
    assert disliked == ["d00", "d02", "d03", "d04", "d06", "d07"]
    assert judge(TASK, [*IDS[:1], *IDS[2:5]], [], []) == ([], ["d00", "d02", "d03"])


def test_groups_of_what_was_judged_leave_the_list() -> None:
    asked: list[tuple[Ids, Ids]] = []

    def rank(task: Task, likes: Ids, dislikes: Ids, depth: int) -> Sequence[str]:
        asked.append((likes, dislikes))
        return sorted(IDS, key=lambda one: one not in task.relevant)  # all relevant first

    (one,) = simulate([TASK], {"q": IDS}, rank, GROUPS)
    assert asked == [(("d01", "d05", "d09"), ("d00", "d02", "d03"))]
    assert one.after.means()[MEASURE] == 1
    # Left are d06, d07, d10 … (d04 and d08 share a group with a like): relevant are d13, d17, ….
    left = [at for at in range(60) if at // 2 not in {0, 1, 2, 4}][:10]
    hits = sum(1 / math.log2(place + 2) for place, at in enumerate(left) if IDS[at] in RELEVANT)
    ideal = sum(1 / math.log2(place + 2) for place in range(10))
    assert one.before.means()[MEASURE] == pytest.approx(hits / ideal)
    assert one.hurt == 0


def test_rounds_are_compared_on_what_is_left_after_the_last() -> None:
    """A user who is answered at once, and one who is answered after the second round alone."""

    def best(task: Task, likes: Ids, dislikes: Ids, depth: int) -> Sequence[str]:
        return sorted(IDS, key=lambda one: one not in task.relevant)

    def late(task: Task, likes: Ids, dislikes: Ids, depth: int) -> Sequence[str]:
        return best(task, likes, dislikes, depth) if len(likes) > 3 else IDS

    at_once, at_last = (
        simulate([TASK], {"q": IDS}, rank, GROUPS, rounds=2) for rank in (best, late)
    )
    assert [one.on_last.means()[MEASURE] for one in at_once] == [1, 1]
    first, last = at_last
    assert first.on_last.means() == last.before.means()  # it was the first ranking still
    assert last.on_last.means() == last.after.means()
    assert first.on_last.means()[MEASURE] < last.on_last.means()[MEASURE] == 1


def test_a_worse_ranking_hurts() -> None:
    def reverse(task: Task, likes: Ids, dislikes: Ids, depth: int) -> Sequence[str]:
        return sorted(IDS, key=lambda one: one in task.relevant)

    first = {"q": sorted(IDS, key=lambda one: one not in RELEVANT)}
    (one,) = simulate([TASK], first, reverse, GROUPS)
    assert one.before.means()[MEASURE] == 1
    assert one.hurt == 1


def test_a_task_with_nothing_left_is_not_counted() -> None:
    few = Task("few", Query(text="x"), frozenset(IDS[:2]), "none")
    (one,) = simulate([few, TASK], {"few": IDS, "q": IDS}, lambda *_: IDS, GROUPS)
    assert one.after.queries == ("q",)
    assert one.only({"few"}).after.queries == ()


def test_a_library_is_asked_with_what_was_judged(tmp_path_factory: pytest.TempPathFactory) -> None:
    small: SmallLibrary = build_small_library(tmp_path_factory.mktemp("library"), CASES)

    class Searched:
        def search(self, query: Query, k: int = 10) -> Hits:
            return search(small, query, k)

    task = Task("q", Query(text="lung OR liver"), frozenset({"b1", "b2", "b3"}), "none")
    rank = library_rank(Searched())
    first = list(rank(task, (), (), 20))
    after = list(rank(task, ("b1",), ("a3",), 20))
    assert sorted(after) == sorted(first)
    assert after.index("b2") < after.index("a2")
    assert after.index("a3") > first.index("a3")
