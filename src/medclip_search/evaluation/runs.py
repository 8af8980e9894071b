"""Runs: what a system answered to each query, in TREC's form.

    QUERY Q0 DOCUMENT RANK SCORE TAG

trec_eval ranks by score alone, in single precision, and ranks ties by falling document id; so do
the measures here. What ``write_run`` writes therefore has no ties.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from medclip_search.errors import EvaluationError
from medclip_search.evaluation.lines import fields, malformed, numbered_lines

Run = Mapping[str, Mapping[str, float]]
"""Query to document to score."""

LARGEST = float(np.finfo(np.float32).max)
ROOMY = 1e38
"""Rankings begin and end here, so that there is room for scores to fall."""
_FORM = "write QUERY Q0 DOCUMENT RANK SCORE TAG"


def ranking(answers: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Documents, best first, with scores that fall strictly, in single precision.

    Of a document that comes twice the first counts.
    """
    ranked: dict[str, float] = {}
    last = np.float32(np.inf)
    for document, score in answers:
        if document not in ranked:
            # Where scores are tied, or do not fall at all, the order given is the ranking.
            last = min(_single(score, ROOMY), np.nextafter(last, np.float32(-np.inf)))
            ranked[document] = float(last)
    return ranked


def read_run(path: str | Path) -> dict[str, dict[str, float]]:
    """A run. Raises ``EvaluationError``, naming file and line."""
    path = Path(path).expanduser()
    run: dict[str, dict[str, float]] = {}
    for number, text in numbered_lines(path):
        cells = fields(text)
        if len(cells) != 6:
            raise malformed(path, number, f"{len(cells)} columns instead of 6", _FORM)
        query, _, document, _, score, _ = cells
        try:
            value = float(score)
            if math.isnan(value):
                raise ValueError
        except ValueError:
            raise malformed(path, number, f"the score {score!r} is no number", _FORM) from None
        known = run.setdefault(query, {})
        if document in known:
            raise malformed(path, number, f"{document} a second time for {query}", "name it once")
        known[document] = value
    if not run:
        raise EvaluationError(f"{path}: no answer in it; {_FORM}")
    return run


def write_run(path: str | Path, run: Run, tag: str = "medclip-search") -> None:
    """Write a run, by spaces, or by tabs where an id has a space in it."""
    by = "\t" if any(" " in one for q, known in run.items() for one in (q, *known)) else " "
    with Path(path).open("w", encoding="utf-8") as file:
        for query, known in run.items():
            answers = ranking(ranked(known))
            for rank, (document, score) in enumerate(answers.items(), 1):
                number = np.format_float_positional(_single(score), trim="-")
                file.write(by.join((query, "Q0", document, str(rank), number, tag)) + "\n")


def ranked(known: Mapping[str, float]) -> list[tuple[str, float]]:
    """The answers to one query, best first, ranked as trec_eval does."""
    byted = sorted(known.items(), key=lambda one: one[0].encode(), reverse=True)
    return sorted(byted, key=lambda one: -_single(one[1]))


def first(known: Mapping[str, float], k: int, left_out: Callable[[str], bool]) -> dict[str, float]:
    """The best ``k`` of the answers to one query that are not left out."""
    kept = [(document, score) for document, score in ranked(known) if not left_out(document)]
    return dict(kept[:k])


def _single(score: float, most: float = LARGEST) -> np.float32:
    """A score in single precision, which has no room for some."""
    return np.float32(min(max(score, -most), most))
