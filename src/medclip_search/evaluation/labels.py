"""Without judgements: an answer is relevant where it has the query's value in a column.

Cases of the library ask, each by its own picture, caption or both, and are left out of their own
answers, with all that share their value in the column to leave out. A query without a value in a
column is left out of that column's measures, but one whose value no other case has counts (as 0);
where a column holds several values a case, one in
common is enough.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medclip_search.api import Library
from medclip_search.errors import EvaluationError, FilterError, UsageError
from medclip_search.evaluation.answer import answer
from medclip_search.evaluation.asked import LeftOut, Mode, check_mode, check_settings, made_of
from medclip_search.evaluation.draw import draw
from medclip_search.evaluation.evaluate import check_depth
from medclip_search.evaluation.measures import Scores, check_measures, score
from medclip_search.evaluation.notes import Notes
from medclip_search.evaluation.outcome import Evaluation
from medclip_search.evaluation.runs import Run
from medclip_search.progress import SILENT, Progress

DEFAULT = ("P@1", "P@5", "P@10", "nDCG@10")
BATCH = 2_000_000
"""So many judgements are scored at a time: a query may have as many as there are cases."""
WITH_IMAGE = "has_image=yes"


def evaluate_labels(
    library: Library,
    columns: Sequence[str],
    *,
    leave_out: str = "",
    mode: Mode = "image",
    measures: Sequence[str] = DEFAULT,
    k: int | None = None,
    where: Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """One set of measures a column, by its name as given.

    ``columns`` are names as filters take them; ``where`` are filters on what may ask and answer;
    ``sample`` asks only so many cases, drawn by ``seed``. Images are answered by cases that have
    one, words by all. Intervals draw the groups that ``leave_out`` makes.

    Raises ``FilterError`` for an unknown column, ``EvaluationError`` where nothing can be asked.
    """
    check_mode(mode)
    check_settings(settings := settings or {})
    names = check_measures(measures)
    k = check_depth(k, names)
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
    able = [
        case
        for case in cases
        if (mode == "words" or case.image)
        and (mode == "image" or case.caption)
        and any(case.id in known for known in labels.values())
    ]
    if not able:
        raise EvaluationError(
            f"no case has both a value in {', '.join(columns)} and what --mode {mode} asks by; "
            "see 'medclip-search info'"
        )
    queries = [made_of(case, mode) for case in draw(able, sample, seed, "--sample")]
    without = LeftOut(library, queries, leave_out)
    notes = Notes()
    run = answer(
        library,
        ((one.id, one.query(library, {**settings, "where": where})) for one in queries),
        k,
        left_out=without.ids,
        heard=lambda _, __, hits: notes.hear(hits),
        progress=progress,
        total=len(queries),
    )
    scores = {column: _score(run, known, without, names) for column, known in labels.items()}
    for column, each in scores.items():
        if lost := len(queries) - len(each.queries):
            notes.add(f"{column}: {lost} of {len(queries)} queries have no value")
    return Evaluation(scores, run, notes=notes.lines(), facts={"mode": mode, "k": k})


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


def _score(
    run: Run, labels: Mapping[str, frozenset[str]], without: LeftOut, measures: Sequence[str]
) -> Scores:
    """The scores of one column, a few queries at a time."""
    parts = [
        score(run, batch, measures, {qid: without.group(qid) for qid in batch}, every=True)
        for batch in _batches(run, labels, without)
    ]
    return Scores(
        tuple(qid for part in parts for qid in part.queries),
        tuple(group for part in parts for group in part.groups),
        {
            name: np.concatenate([np.zeros(0), *(part.values[name] for part in parts)])
            for name in measures
        },
    )


def _batches(
    run: Run, labels: Mapping[str, frozenset[str]], without: LeftOut
) -> Iterator[dict[str, dict[str, int]]]:
    """The judgements of the queries that have a value."""
    bearing: dict[str, set[str]] = defaultdict(set)
    for case_id, known in labels.items():
        for label in known:
            bearing[label].add(case_id)
    batch: dict[str, dict[str, int]] = {}
    size = 0
    for qid in run:
        if qid in labels:
            alike = set().union(*(bearing[label] for label in labels[qid]))
            batch[qid] = dict.fromkeys(alike - without.ids(qid), 1)
            size += len(batch[qid])
            if size > BATCH:
                yield batch
                batch, size = {}, 0
    yield batch
