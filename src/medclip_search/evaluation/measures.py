"""Measures of a run by judgements, query by query (ir-measures over trec_eval), and their means.

S. MacAvaney, C. Macdonald, I. Ounis: Streamlining Evaluation with ir-measures. ECIR 2022.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclip_search.errors import UsageError
from medclip_search.evaluation.intervals import Interval, bootstrap
from medclip_search.evaluation.qrels import Qrels
from medclip_search.evaluation.runs import Run, ranked

Values = NDArray[np.float64]

MEDIAN_RANK = "MedR"
"""The rank of the first relevant answer (inf where there is none), of which the median is taken."""

DEFAULT = ("nDCG@10", "AP", "P@10", "R@100", "RR", MEDIAN_RANK)
UNBOUNDED = 1000
_KNOWN = "for example nDCG@10, AP, P@10, R@100, RR, RR@10, Rprec, Success@5, Bpref, Judged@10, MedR"


@dataclass(frozen=True, slots=True)
class Scores:
    """The value of each measure for each query.

    ``queries`` are those that have a relevant document, in the order of the judgements;
    ``groups`` is what each belongs to (itself, where nothing was said), ``values`` an array (n,)
    for each measure.
    """

    queries: tuple[str, ...]
    groups: tuple[str, ...]
    values: Mapping[str, Values]

    def means(self) -> dict[str, float]:
        """Each measure over all queries: its mean, or the median of ``MedR``."""
        return {name: float(average(name)(each)) for name, each in self.values.items()}

    def intervals(self, level: float = 0.95) -> dict[str, Interval]:
        """A bootstrap interval of each, groups drawn whole (``intervals.bootstrap``)."""
        return {
            name: bootstrap(each, self.groups, average(name), level)
            for name, each in self.values.items()
        }


def average(name: str) -> Any:
    """How a measure is taken over queries."""
    return np.median if name == MEDIAN_RANK else np.mean


def score(
    run: Run,
    qrels: Qrels,
    measures: Sequence[str] = DEFAULT,
    groups: Mapping[str, str] | None = None,
    *,
    every: bool = False,
) -> Scores:
    """Judge a run: a query that it does not answer counts as answered by nothing.

    Queries without a relevant document are left out, or with ``every`` count as 0. Raises
    ``UsageError`` for a measure that is not known.
    """
    import ir_measures

    measures = [name for text in measures for name in measure_names(text)]
    parsed = {name: _parse(name) for name in measures if name != MEDIAN_RANK}
    answerable = {q for q, known in qrels.items() if max(known.values(), default=0) > 0}
    judged = {q: dict(known) for q, known in qrels.items() if every or q in answerable}
    # Both as the ranks they stand for, so that single precision makes no ties.
    answers = {q: [one for one, _ in ranked(run.get(q, {}))] for q in judged}
    place = {q: at for at, q in enumerate(judged)}
    values = {name: np.zeros(len(judged)) for name in measures}
    if parsed and answerable:
        minus_rank = {
            q: {d: -float(rank) for rank, d in enumerate(each)}
            for q, each in answers.items()
            if each
        }
        names: dict[str, list[str]] = {}  # MAP and AP are one
        for name, one in parsed.items():
            names.setdefault(str(one), []).append(name)
        known = {q: judged[q] for q in judged if q in answerable}
        evaluator = ir_measures.evaluator(list(parsed.values()), known)
        for found in evaluator.iter_calc(minus_rank):
            for name in names[str(found.measure)]:
                values[name][place[found.query_id]] = found.value
    if MEDIAN_RANK in values:
        values[MEDIAN_RANK][:] = [
            next((at for at, d in enumerate(answers[q], 1) if judged[q].get(d, 0) > 0), np.inf)
            for q in judged
        ]
    grouped = groups or {}
    return Scores(tuple(judged), tuple(grouped.get(q) or q for q in judged), values)


def measure_names(text: str) -> list[str]:
    """The names in a list by commas or spaces."""
    names = [one for one in re.split(r"[,\s]+(?![^()]*\))", text) if one]
    return [
        MEDIAN_RANK if re.fullmatch(r"med-?r|median-?rank", one, re.IGNORECASE) else one
        for one in names
    ]


def check_measures(measures: Sequence[str]) -> list[str]:
    """The measures' names, one by one; raises ``UsageError`` for one that is not known."""
    names = list(dict.fromkeys(name for text in measures for name in measure_names(text)))
    if not names:
        raise UsageError(f"--measures: no measure named; {_KNOWN}")
    for name in names:
        if name != MEDIAN_RANK:
            _parse(name)
    return names


def depth(measures: Sequence[str]) -> int:
    """How many answers the measures look at: 1,000 where one sets no bound."""
    bounds = [re.search(r"@(\d+)$", name) for name in measures]
    return max((int(one[1]) if one else UNBOUNDED for one in bounds), default=UNBOUNDED)


def _parse(name: str) -> Any:
    import ir_measures

    cutoff = re.search(r"@(.*)$", name)
    # trec_eval ends the whole process where a cutoff is no positive number.
    if cutoff is None or re.fullmatch(r"[1-9]\d{0,8}", cutoff[1]):
        try:
            parsed = ir_measures.parse_measure(name)
            # Other providers start programs of their own, or ask for packages that are not here.
            providers = (ir_measures.pytrec_eval, ir_measures.msmarco, ir_measures.judged)
            if any(one.supports(parsed) for one in providers):
                return parsed
        except (NameError, ValueError, AssertionError, TypeError, KeyError, SyntaxError):
            pass
    raise UsageError(f"--measures: {name} is no measure that is known here; {_KNOWN}")
