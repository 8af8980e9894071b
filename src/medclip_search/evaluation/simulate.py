"""Simulated feedback: a user who judges what is shown, round by round, and what that is worth.

In each round the first ``LIKES`` relevant and the first ``DISLIKES`` other answers among the best
``SHOWN`` that are not yet judged get a like or a dislike. Then the collection is what is left
without the groups (cases, articles) of anything judged, since figures of one group share captions:
the *residual collection* (Salton and Buckley, Improving Retrieval Performance by Relevance
Feedback, 1990). The ranking after feedback and the one before it are measured on the same residual.
Rounds are compared with one another on what is left after the last.

A ranking after feedback may be the library's own or any other, so that they can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medclip_search.evaluation.answer import Searched
from medclip_search.evaluation.measures import Scores, score
from medclip_search.evaluation.runs import ranking
from medclip_search.search.query import Query

SHOWN = 30
LIKES = DISLIKES = 3
MEASURE = "nDCG@10"
HURT = 0.05
"""A query is hurt where its measure falls by more than this."""

Ids = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One simulated user: a query, which cases are relevant to it, and the group it is of.

    The query itself must keep its own group out of the answers, by a filter. ``tray`` are cases
    that the user keeps: their groups leave the residual too, whether they are used or not.
    """

    id: str
    query: Query
    relevant: frozenset[str]
    group: str
    tray: Ids = ()


Rank = Callable[[Task, Ids, Ids, int], Sequence[str]]
"""From a task, likes and dislikes (all so far) and a depth to at least so many ids, best first."""


@dataclass(frozen=True, slots=True)
class Round:
    """What the rankings of all tasks score after one round, with feedback and without it.

    ``likes`` and ``dislikes`` are how many were given for each task, by then; ``on_last`` is what
    the ranking after this round scores on what is left after the last.
    """

    after: Scores
    before: Scores
    on_last: Scores
    likes: Mapping[str, int]
    dislikes: Mapping[str, int]

    def only(self, tasks: set[str]) -> Round:
        """The same, of some tasks alone."""
        after, before, on_last = (
            _only(one, tasks) for one in (self.after, self.before, self.on_last)
        )
        return replace(self, after=after, before=before, on_last=on_last)

    @property
    def hurt(self) -> float:
        """The share of queries that are worse by more than ``HURT``."""
        change = self.after.values[MEASURE] - self.before.values[MEASURE]
        return float(np.mean(change < -HURT)) if len(change) else 0.0


def library_rank(library: Searched, *, tray: bool = False) -> Rank:
    """The ranking of a library, with feedback by weight of evidence; ``tray``: and the tray."""

    def rank(task: Task, likes: Ids, dislikes: Ids, depth: int) -> list[str]:
        kept = task.tray if tray else ()
        asked = replace(task.query, like=likes, dislike=dislikes, tray=kept)
        return [hit.id for hit in library.search(asked, depth)]

    return rank


def simulate(
    tasks: Sequence[Task],
    first: Mapping[str, Sequence[str]],
    rank: Rank,
    group_of: Mapping[str, str],
    rounds: int = 1,
) -> list[Round]:
    """The rounds of all tasks. ``first`` is each task's ranking without feedback, deep enough.

    Tasks that nothing can be judged for, or that have no relevant case left, are not counted in
    that round.
    """
    members: dict[str, set[str]] = {}
    for one, group in group_of.items():
        members.setdefault(group, set()).add(one)
    shown = {task.id: list(first[task.id]) for task in tasks}
    likes: dict[str, list[str]] = {task.id: [] for task in tasks}
    dislikes: dict[str, list[str]] = {task.id: [] for task in tasks}
    of = {task.id: task.group for task in tasks}
    found: list[Round] = []
    rankings: list[dict[str, list[str]]] = []
    for still in reversed(range(rounds)):
        after: dict[str, dict[str, float]] = {}
        before: dict[str, dict[str, float]] = {}
        qrels: dict[str, dict[str, int]] = {}
        left_out: dict[str, set[str]] = {}
        for task in tasks:
            liked, disliked = judge(task, shown[task.id], likes[task.id], dislikes[task.id])
            likes[task.id], dislikes[task.id] = liked, disliked
            if not (liked or disliked):
                continue
            groups = {task.group, *(group_of[one] for one in (*liked, *disliked, *task.tray))}
            gone = set().union(*(members.get(group, ()) for group in groups))
            depth = SHOWN * (1 + still) + len(gone)
            shown[task.id] = list(rank(task, tuple(liked), tuple(disliked), depth))
            left_out[task.id] = gone
            qrels[task.id] = dict.fromkeys(sorted(task.relevant - gone), 1)
            after[task.id] = _run(shown[task.id], gone)
            before[task.id] = _run(first[task.id], gone)
        counts = ({one: len(each) for one, each in side.items()} for side in (likes, dislikes))
        then, without = (score(run, qrels, [MEASURE], of) for run in (after, before))
        found.append(Round(then, without, then, *counts))
        rankings.append({one: shown[one] for one in after})
    for number, ids in enumerate(rankings):
        last = {one: _run(ids[one], gone) for one, gone in left_out.items()}
        found[number] = replace(found[number], on_last=score(last, qrels, [MEASURE], of))
    return found


def judge(
    task: Task, shown: Sequence[str], liked: Sequence[str], disliked: Sequence[str]
) -> tuple[list[str], list[str]]:
    """All likes and dislikes after one more round on what is shown."""
    judged = {*liked, *disliked}
    looked = [one for one in shown if one not in judged][:SHOWN]
    right = [one for one in looked if one in task.relevant][:LIKES]
    wrong = [one for one in looked if one not in task.relevant][:DISLIKES]
    return [*liked, *right], [*disliked, *wrong]


def _run(ids: Sequence[str], gone: set[str]) -> dict[str, float]:
    kept = [one for one in ids if one not in gone]
    return ranking((one, -float(at)) for at, one in enumerate(kept))


def _only(scores: Scores, tasks: set[str]) -> Scores:
    at = [place for place, one in enumerate(scores.queries) if one in tasks]
    return Scores(
        tuple(scores.queries[place] for place in at),
        tuple(scores.groups[place] for place in at),
        {name: values[at] for name, values in scores.values.items()},
    )
