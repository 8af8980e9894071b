"""Learning how much each kind of list counts (``search.combine``), and whether that is better.

The best answers of fusion are described by what each list says of them (their shares), and logistic
regression tells the relevant from the others: within a query, each query counting once, its
relevant answers as much as the rest together. Factors are learnt without a fifth of the groups and
tried on that fifth, five times, so that no group of queries is judged by what was learnt on it;
those returned are learnt on all. A list that speaks against its own answers gets the factor 0.

From feedback there are no queries to ask again, for none is kept: a liked case asks, by its picture
and caption, for the other cases liked in the same search, and only judged cases are ranked (T.
Sakai, Alternatives to Bpref, SIGIR 2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medclip_search.api import Library
from medclip_search.errors import EvaluationError, UsageError
from medclip_search.evaluation.answer import answer
from medclip_search.evaluation.asked import LeftOut, Mode, ask, topics_of
from medclip_search.evaluation.compare import Difference, difference
from medclip_search.evaluation.measures import Scores, check_measures, score
from medclip_search.evaluation.names import Names
from medclip_search.evaluation.qrels import Qrels, match_topics, read_qrels
from medclip_search.evaluation.runs import ranking
from medclip_search.evaluation.topics import Topic
from medclip_search.progress import SILENT, Progress
from medclip_search.search.combine import Combiner, HeldOut
from medclip_search.search.hits import Hit, Hits, ListEvidence
from medclip_search.search.known_item import NAME as KNOWN_ITEM

Doubles = NDArray[np.float64]

DEPTH = 200
"""So many of the best answers are learnt from, and ordered anew on held-out queries."""
FOLDS = 5
LEAST_GROUPS = 20
"""With fewer groups of queries an interval would say nothing."""
SEED = 0


class Judged(Protocol):
    """What a user said of the answers to one search (``state.Feedback``)."""

    @property
    def likes(self) -> Sequence[str]: ...
    @property
    def dislikes(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Answers:
    """The best answers to one query: their names, shares (n, lists), and which are relevant."""

    names: list[str]
    shares: Doubles
    relevant: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Trained:
    """A combiner, and how it did beside fusion on held-out groups, query by query."""

    combiner: Combiner
    fusion: Scores
    combined: Scores
    difference: Difference

    @property
    def better(self) -> bool:
        """Whether it may be used."""
        return self.combiner.held_out.better

    def lines(self) -> list[str]:
        """For people to read."""
        held = self.combiner.held_out
        factors = ", ".join(f"{name} {one:.2f}" for name, one in self.combiner.factors.items())
        return [
            f"{held.queries} queries in {held.groups} groups; {held.measure} on held-out groups:",
            f"  fusion {held.fusion:.4f}, combiner {held.combiner:.4f}, difference "
            f"{self.difference}",
            f"  factors: {factors}",
        ]


def train_combiner(
    library: Library,
    queries: str | Path | Sequence[Topic],
    qrels: str | Path | Qrels,
    *,
    mode: Mode = "both",
    measure: str = "nDCG@10",
    corpus: str = "",
    leave_out: str = "",
    judged_only: bool = False,
    progress: Progress = SILENT,
) -> Trained:
    """Learn a combiner from judged queries (as ``evaluate`` takes them), cross-fitted by group.

    ``judged_only`` ranks only cases that have a judgement. Raises ``UsageError`` where a single
    list answers the queries, ``EvaluationError`` where there
    is too little to learn from, and what a search raises.
    """
    (measure,) = check_measures([measure])
    topics, folder = topics_of(queries)
    judged = read_qrels(qrels) if isinstance(qrels, str | Path) else qrels
    judged = match_topics(judged, [topic.id for topic in topics])
    asked = ask(library, [one for one in topics if one.id in judged], mode, folder, corpus)
    judged = {one.id: judged[one.id] for one in asked}
    names = Names(library, (d for known in judged.values() for d in known), corpus)
    without = LeftOut(library, asked, leave_out)
    ids = {name: case.id for name, case in names.cases.items()}
    own = {qid: without.ids(qid) for qid in judged}
    judged = {
        qid: {d: grade for d, grade in known.items() if ids.get(d, d) not in own[qid]}
        for qid, known in judged.items()
    }
    heard: dict[str, list[tuple[str, Hit]]] = {}

    def hear(qid: str, kept: list[Hit], _: Hits) -> None:
        found = [(names.of(hit), hit) for hit in kept]
        heard[qid] = [one for one in found if not judged_only or one[0] in judged[qid]]

    answer(
        library,
        ((one.id, one.query(library, {"rerank": False})) for one in asked),
        DEPTH,
        left_out=without.ids,
        heard=hear,
        progress=progress,
        total=len(asked),
    )
    lists = _lists(heard)
    answers = {qid: _answers(found, lists, judged[qid]) for qid, found in heard.items()}
    groups = {one.id: one.group or without.group(one.id) or one.id for one in asked}
    return _trained(library, answers, lists, judged, groups, measure)


def train_from_feedback(
    library: Library, feedback: Mapping[str, Judged], *, progress: Progress = SILENT
) -> Trained:
    """Learn a combiner from likes and dislikes, given by the key of their search.

    Raises as ``train_combiner`` does.
    """
    topics: list[Topic] = []
    qrels: dict[str, dict[str, int]] = {}
    likes = dict.fromkeys(one for said in feedback.values() for one in said.likes)
    there = {case.id: case for case in library.cases(list(likes))}
    for key, said in feedback.items():
        if len(said.likes) < 2 or not said.dislikes:
            continue
        for liked in said.likes:
            case = there.get(liked)
            if case is not None and case.caption.strip() and library.has_image(liked):
                qid = f"{key}:{liked}"
                topics.append(Topic(qid, case.caption, (liked,), key))
                others = dict.fromkeys(said.likes, 1) | dict.fromkeys(said.dislikes, 0)
                qrels[qid] = {one: grade for one, grade in others.items() if one != liked}
    if not topics:
        raise EvaluationError(
            "feedback: no search has two likes with picture and caption and a dislike; judge more "
            "answers, or give --queries and --qrels"
        )
    return train_combiner(library, topics, qrels, judged_only=True, progress=progress)


def _lists(heard: Mapping[str, Sequence[tuple[str, Hit]]]) -> list[str]:
    """The names of the lists that answer the queries."""
    hits = (hit for found in heard.values() for _, hit in found)
    lists = sorted({one.name for hit in hits for one in _fused(hit)})
    if len(lists) < 2:
        raise UsageError(
            f"combiner: one list answers these queries ({', '.join(lists) or 'none'}), so there "
            "is nothing to combine; ask by words and images (--mode both)"
        )
    return lists


def _fused(hit: Hit) -> Iterator[ListEvidence]:
    """What fusion adds up: to be the known item is no list's doing."""
    return (one for one in hit.lists if one.name != KNOWN_ITEM)


def _answers(
    found: Sequence[tuple[str, Hit]], lists: Sequence[str], judged: Mapping[str, int]
) -> Answers:
    shares = np.zeros((len(found), len(lists)))
    for at, (_, hit) in enumerate(found):
        for one in _fused(hit):
            shares[at, lists.index(one.name)] += one.share
    names = [name for name, _ in found]
    return Answers(names, shares, np.array([judged.get(name, 0) > 0 for name in names], bool))


def _trained(
    library: Library,
    answers: Mapping[str, Answers],
    lists: Sequence[str],
    judged: Qrels,
    groups: Mapping[str, str],
    measure: str,
) -> Trained:
    from sklearn.model_selection import GroupKFold

    qids = list(answers)
    of_group = [groups[qid] for qid in qids]
    if (count := len(set(of_group))) < LEAST_GROUPS:
        raise EvaluationError(
            f"combiner: judged queries of {count} groups are too few to tell whether it is better; "
            f"at least {LEAST_GROUPS} are needed"
        )
    run: dict[str, dict[str, float]] = {}
    folds = GroupKFold(FOLDS, shuffle=True, random_state=SEED)
    for learnt, held in folds.split(qids, groups=of_group):
        factors = fit([answers[qids[at]] for at in learnt])
        for at in held:
            run[qids[at]] = _ordered(answers[qids[at]], factors)
    equal = np.ones(len(lists))
    first = {qid: _ordered(answers[qid], equal) for qid in qids}
    fusion, combined = (score(one, judged, [measure], groups) for one in (first, run))
    found = difference(combined, fusion, measure)
    held_out = HeldOut(
        measure,
        fusion.means()[measure],
        combined.means()[measure],
        found.interval,
        len(fusion.queries),
        len(set(fusion.groups)),
    )
    trained: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "version": version("medclip-search"),
        "generation": library.info()["generation"],
        "queries": len(qids),
        "judgements": sum(len(known) for known in judged.values()),
        "folds": FOLDS,
    }
    factors = fit(list(answers.values()))
    named = dict(zip(lists, factors.tolist(), strict=True))
    return Trained(Combiner(named, library.id, held_out, trained), fusion, combined, found)


def fit(answers: Sequence[Answers]) -> Doubles:
    """Factors (lists,), 1 on average, none below 0; all 1 where there is nothing to learn from."""
    from sklearn.linear_model import LogisticRegression

    telling = [one for one in answers if one.relevant.any() and not one.relevant.all()]
    equal = np.ones(answers[0].shares.shape[1])
    if not telling:
        return equal
    shares = np.vstack([one.shares - one.shares.mean(axis=0) for one in telling])
    relevant = np.concatenate([one.relevant for one in telling])
    weights = np.concatenate(
        [
            np.where(one.relevant, 1 / one.relevant.sum(), 1 / (~one.relevant).sum())
            for one in telling
        ]
    )
    spread = shares.std(axis=0)
    used = np.flatnonzero(spread > 1e-9)
    factors = np.zeros(len(equal))
    while len(used):
        model = LogisticRegression(fit_intercept=False, max_iter=1000)
        model.fit(shares[:, used] / spread[used], relevant, sample_weight=weights)
        found = model.coef_[0]
        if (found > 0).all():
            factors[used] = found / spread[used]
            return np.asarray(factors / factors.mean())
        used = used[found > 0]
    return equal


def _ordered(one: Answers, factors: Doubles) -> dict[str, float]:
    """A query's answers in the order of their sums; equal ones stay as they were."""
    totals = one.shares @ factors
    order = np.argsort(-totals, kind="stable")
    return ranking((one.names[at], float(totals[at])) for at in order)
