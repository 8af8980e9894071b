"""A library by judgements: ask it the queries of a collection, and measure what it answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from medclip_search.api import Library
from medclip_search.errors import EvaluationError, UsageError
from medclip_search.evaluation.answer import answer
from medclip_search.evaluation.asked import (
    LeftOut,
    Mode,
    ask,
    check_mode,
    check_settings,
    topics_of,
)
from medclip_search.evaluation.measures import DEFAULT, check_measures, depth, score
from medclip_search.evaluation.names import Names
from medclip_search.evaluation.notes import Notes
from medclip_search.evaluation.outcome import Evaluation, compared
from medclip_search.evaluation.qrels import Qrels, match_topics, read_qrels
from medclip_search.evaluation.runs import Run, first, read_run
from medclip_search.evaluation.topics import Topic
from medclip_search.progress import SILENT, Progress
from medclip_search.search.hits import Hit, Hits

_SHOWN = 3


def evaluate(
    library: Library,
    queries: str | Path | Sequence[Topic],
    qrels: str | Path | Qrels,
    *,
    mode: Mode = "words",
    measures: Sequence[str] = DEFAULT,
    k: int | None = None,
    where: Sequence[str] = (),
    corpus: str = "",
    leave_out: str = "",
    compare: Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """Ask all judged queries, judge the answers, and compare them with other runs.

    ``queries`` and ``qrels`` are files in any form that ``topics`` and ``qrels`` read, or what was
    read; judgements name cases by their source's ids, of the corpus ``corpus`` where several have
    them. ``k`` is how many answers are judged: as many as the measures look at, 1,000 where they
    set no bound. ``where`` are filters, ``settings`` further fields of every ``Query`` (``fold`` is
    off unless they say otherwise, for judgements are of cases, each by itself);
    ``leave_out`` is the column whose value the answers must not share with a query that is a case.
    ``compare`` are runs of other systems.

    Raises ``EvaluationError`` where nothing can be judged, and what a search raises.
    """
    check_mode(mode)
    check_settings(settings := settings or {})
    measures = check_measures(measures)
    k = check_depth(k, measures)
    others = {str(path): read_run(path) for path in compare}
    topics, folder = topics_of(queries)
    judged = read_qrels(qrels) if isinstance(qrels, str | Path) else qrels
    judged = match_topics(judged, [topic.id for topic in topics])
    notes = Notes()
    topics = _judged_topics(topics, judged, notes)
    library.cases((), where)  # says what is wrong with a filter before the first query
    check_others(others, [topic.id for topic in topics])
    asked = ask(library, topics, mode, folder, corpus)
    judged = {one.id: judged[one.id] for one in asked}
    names = Names(library, (d for known in judged.values() for d in known), corpus)
    _tell_unknown(judged, names, notes)
    without = LeftOut(library, asked, leave_out)

    def out_of(qid: str) -> Callable[[str], bool]:
        """Whether a document, as judgements call it, must not answer a query."""
        out = without.ids(qid)
        return lambda d: (names.cases[d].id if d in names.cases else d) in out

    judged = {
        qid: {d: grade for d, grade in known.items() if not out(d)}
        for qid, known, out in ((qid, known, out_of(qid)) for qid, known in judged.items())
    }
    seen = [0, 0]  # of the first ten answers: judged, all

    def heard(qid: str, found: list[Hit], hits: Hits) -> None:
        notes.hear(hits)
        page = [names.of(hit) in judged[qid] for hit in found[:10]]
        seen[0] += sum(page)
        seen[1] += len(page)

    run = answer(
        library,
        ((one.id, one.query(library, {**settings, "where": where})) for one in asked),
        k,
        named=names.of,
        left_out=without.ids,
        heard=heard,
        progress=progress,
        total=len(asked),
    )
    groups = {one.id: one.group or without.group(one.id) for one in asked}
    scores = score(run, judged, measures, groups)
    if not scores.queries:
        raise EvaluationError("no judged query has a relevant document that may answer it")
    if (irrelevant := len(asked) - len(scores.queries)) > 0:
        notes.add(f"{irrelevant} judged queries have no relevant document and are left out")
    # Where only what is relevant is listed, this would be the precision over again.
    if seen[0] < seen[1] and min(min(known.values()) for known in judged.values() if known) < 1:
        share = f"{seen[0] / seen[1]:.0%}"
        notes.add(f"{share} of the first ten answers are judged; others count as irrelevant")
    tell_unanswered(others, scores.queries, notes)
    comparisons = {}
    for name, other in others.items():
        theirs = {qid: first(known, k, out_of(qid)) for qid, known in other.items()}
        comparisons[name] = {"": compared(scores, score(theirs, judged, measures, groups))}
    facts = {"mode": mode, "k": k}
    return Evaluation({"": scores}, run, comparisons, notes.lines(), facts)


def check_depth(k: int | None, measures: Sequence[str]) -> int:
    """How many answers to judge: ``k``, or as many as the measures look at.

    Fewer than a measure looks at are a shorter look: what lies below them counts as not found.
    Raises ``UsageError`` where ``k`` is below 1.
    """
    if k is None:
        return depth(measures)
    if isinstance(k, bool) or k < 1:
        raise UsageError(f"-k {k}: how many answers are judged must be at least 1")
    return k


def check_others(others: Mapping[str, Run], judged: Collection[str]) -> None:
    """Raises ``EvaluationError`` for a run, by its name, that is of other queries."""
    for name, other in others.items():
        if other.keys().isdisjoint(judged):
            raise EvaluationError(f"{name}: answers none of the judged queries; give another run")


def tell_unanswered(others: Mapping[str, Run], judged: Collection[str], notes: Notes) -> None:
    """A note for each run that lacks some of the judged queries."""
    for name, other in others.items():
        if lacks := sum(qid not in other for qid in judged):
            notes.add(f"{name}: lacks {lacks} of {len(judged)} judged queries, which count as 0")


def _judged_topics(topics: list[Topic], judged: Qrels, notes: Notes) -> list[Topic]:
    both = [topic for topic in topics if topic.id in judged]
    if not both:
        raise EvaluationError(
            f"no query is judged: the queries are {_some(t.id for t in topics)}, the judgements "
            f"are of {_some(judged)}; give the two files of one collection"
        )
    if more := len(topics) - len(both):
        notes.add(f"{more} of {len(topics)} queries are not judged, and were not asked")
    if more := len(judged.keys() - {topic.id for topic in both}):
        notes.add(f"{more} judged queries are not among the queries, and were not asked")
    return both


def _tell_unknown(judged: Qrels, names: Names, notes: Notes) -> None:
    every = len(names.cases) + len(names.unknown)
    if not names.cases:
        raise EvaluationError(
            f"none of the {every} judged documents ({_some(names.unknown)}) is in the library; "
            "judgements name cases by the ids of their source: is it the library of this "
            "collection?"
        )
    if names.unknown:
        notes.add(
            f"{len(names.unknown)} of {every} judged documents are not in the library "
            f"({_some(names.unknown)}): a relevant one counts as not found"
        )


def _some(ids: Any) -> str:
    """A few of some ids, for a message."""
    ids = list(ids)
    return ", ".join(str(one)[:40] for one in ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
