"""Without judgements: an answer is relevant where it has the query's value in a column.

Cases of the library ask, each by its own picture, caption or both (or topics do that name the case
they were written about, such as its history). They are left out of their own answers, with all that
share their value in the column to leave out. A query without a value in a column is left out of
that column's measures, but one whose value no other case has counts (as 0); where a column holds
several values a case, one in common is enough.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from medclip_search.api import Library
from medclip_search.cases import Case
from medclip_search.errors import EvaluationError, FilterError, UsageError
from medclip_search.evaluation.answer import answer
from medclip_search.evaluation.asked import (
    Asked,
    LeftOut,
    Mode,
    ask,
    check_mode,
    check_settings,
    made_of,
    topics_of,
)
from medclip_search.evaluation.draw import draw
from medclip_search.evaluation.evaluate import check_depth, check_others, tell_unanswered
from medclip_search.evaluation.measures import Scores, check_measures, score
from medclip_search.evaluation.notes import Notes
from medclip_search.evaluation.outcome import Evaluation, compared
from medclip_search.evaluation.runs import Run, first, read_run
from medclip_search.evaluation.topics import Topic
from medclip_search.progress import SILENT, Progress

DEFAULT = ("P@1", "P@5", "P@10", "nDCG@10")
BATCH = 2_000_000
"""So many judgements are scored at a time: a query may have as many as there are cases."""
WITH_IMAGE = "has_image=yes"


def evaluate_labels(
    library: Library,
    columns: Sequence[str],
    *,
    queries: str | Path | Sequence[Topic] | None = None,
    leave_out: str = "",
    mode: Mode = "image",
    measures: Sequence[str] = DEFAULT,
    k: int | None = None,
    where: Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
    compare: Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """One set of measures a column, by its name as given.

    ``columns`` are names as filters take them; ``where`` are filters on what may ask and answer;
    ``sample`` asks only so many cases, drawn by ``seed``; ``queries`` are topics that ask instead
    of the cases themselves, each with the case it is of as its image. Images are answered by cases
    that have one, words by all. Intervals draw the groups that ``leave_out`` makes. ``compare``
    are other runs on the same queries.

    Raises ``FilterError`` for an unknown column, ``EvaluationError`` where nothing can be asked.
    """
    check_mode(mode)
    check_settings(settings := settings or {})
    measures = check_measures(measures)
    k = check_depth(k, measures)
    others = {str(path): read_run(path) for path in compare}
    fields = {column: library.field(column) for column in columns}
    where = list(where)
    cases = list(library.cases(where=where))
    if mode == "image" and not all(case.image for case in cases):
        where.append(WITH_IMAGE)
        cases = [case for case in cases if case.image]
    labels = {
        column: {case.id: known for case in cases if (known := library.labels(field, case))}
        for column, field in fields.items()
    }
    if queries is not None and sample is not None:
        raise UsageError("--sample: draws cases that ask, not queries; leave one out")
    if queries is None:
        asked = _asking(cases, labels, mode, sample, seed)
    else:
        asked = _of_topics(library, queries, mode)
    without = LeftOut(library, asked, leave_out)
    judgements = {
        column: _Judgements(library, field, asked, labels[column], without)
        for column, field in fields.items()
    }
    judged = set[str]().union(*(one.queries for one in judgements.values()))
    check_others(others, judged)
    notes = Notes()
    tell_unanswered(others, judged, notes)
    run = answer(
        library,
        ((one.id, one.query(library, {**settings, "where": where})) for one in asked),
        k,
        left_out=without.ids,
        heard=lambda _, __, hits: notes.hear(hits),
        progress=progress,
        total=len(asked),
    )
    scores = {column: one.score(run, measures) for column, one in judgements.items()}
    for column, each in scores.items():
        if lost := len(asked) - len(each.queries):
            notes.add(f"{column}: {lost} of {len(asked)} queries have no value")
    comparisons = {}
    for name, other in others.items():
        theirs = {
            one.id: first(other.get(one.id, {}), k, without.ids(one.id).__contains__)
            for one in asked
        }
        comparisons[name] = {
            column: compared(scores[column], one.score(theirs, measures))
            for column, one in judgements.items()
        }
    return Evaluation(scores, run, comparisons, notes.lines(), {"mode": mode, "k": k})


def _asking(
    cases: Sequence[Case],
    labels: Mapping[str, Mapping[str, frozenset[str]]],
    mode: Mode,
    sample: int | None,
    seed: int,
) -> list[Asked]:
    """The cases that can ask in a mode and have a value in any column, as queries."""
    able = [
        case
        for case in cases
        if (mode == "words" or case.image)
        and (mode == "image" or case.caption)
        and any(case.id in known for known in labels.values())
    ]
    if not able:
        raise EvaluationError(
            f"no case has both a value in {', '.join(labels)} and what --mode {mode} asks by; "
            "see 'medclip-search info'"
        )
    return [made_of(case, mode) for case in draw(able, sample, seed, "--sample")]


def _of_topics(library: Library, queries: str | Path | Sequence[Topic], mode: Mode) -> list[Asked]:
    """Topics as queries, each of which names the case whose values make an answer relevant."""
    topics, folder = topics_of(queries)
    asked = ask(library, topics, mode, folder)
    for one in asked:
        if not one.own:
            raise EvaluationError(
                f"query {one.id}: names no case of the library; by --relevant-by a query's image "
                "is the case that it is of"
            )
    return asked


def columns_of(text: str, library: Library) -> list[str]:
    """The columns in a list by commas; a name that has a comma itself stands in quotation marks.

    A text that is the name of one column is that column.
    """
    try:
        library.field(text.strip())
        return [text.strip()]
    except FilterError:
        row = next(csv.reader([text], skipinitialspace=True), [])
    names = [name.strip() for name in row if name.strip()]
    if not names:
        raise UsageError("--relevant-by: name a column, or several by commas")
    return names


class _Judgements:
    """What is relevant to each query by one column."""

    def __init__(
        self,
        library: Library,
        field: str,
        asked: Sequence[Asked],
        labels: Mapping[str, frozenset[str]],
        without: LeftOut,
    ) -> None:
        self._without = without
        self._asked = {
            one.id: known
            for one in asked
            if (known := frozenset[str]().union(*(library.labels(field, c) for c in one.own)))
        }
        self._bearing: dict[str, set[str]] = defaultdict(set)
        for case_id, known in labels.items():
            for label in known:
                self._bearing[label].add(case_id)

    @property
    def queries(self) -> Set[str]:
        """Those that have a value."""
        return self._asked.keys()

    def score(self, run: Run, measures: Sequence[str]) -> Scores:
        """The scores of a run, a few queries at a time."""
        group = self._without.group
        parts = [
            score(run, batch, measures, {qid: group(qid) for qid in batch}, every=True)
            for batch in self._batches()
        ]
        return Scores(
            tuple(qid for part in parts for qid in part.queries),
            tuple(one for part in parts for one in part.groups),
            {
                name: np.concatenate([np.zeros(0), *(part.values[name] for part in parts)])
                for name in measures
            },
        )

    def _batches(self) -> Iterator[dict[str, dict[str, int]]]:
        batch: dict[str, dict[str, int]] = {}
        size = 0
        for qid, labels in self._asked.items():
            alike = set[str]().union(*(self._bearing[label] for label in labels))
            batch[qid] = dict.fromkeys(alike - self._without.ids(qid), 1)
            size += len(batch[qid])
            if size > BATCH:
                yield batch
                batch, size = {}, 0
        yield batch
