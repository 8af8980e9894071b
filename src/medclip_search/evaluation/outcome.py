"""What an evaluation found: the one form for Python, the command line and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medclip_search.evaluation.compare import Difference, difference
from medclip_search.evaluation.measures import Scores
from medclip_search.evaluation.runs import Run


@dataclass(frozen=True, slots=True)
class Comparison:
    """One other run, judged in the same way: its own scores, and what ours have over them."""

    scores: Scores
    differences: Mapping[str, Difference]


def compared(ours: Scores, theirs: Scores) -> Comparison:
    """Theirs, and what ours have over them by each measure."""
    return Comparison(theirs, {one: difference(ours, theirs, one) for one in ours.values})


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of one run, by judgements (under ``""``), or once for each set of judgements.

    The sets are the columns that say what is relevant, or the directions of a cross-modal
    search; ``comparisons`` hold as many for each other run, by its name. ``notes`` are plain
    sentences about what was left out. ``facts`` say what was measured.
    """

    scores: Mapping[str, Scores]
    run: Run = field(default_factory=lambda: dict[str, dict[str, float]]())
    comparisons: Mapping[str, Mapping[str, Comparison]] = field(
        default_factory=lambda: dict[str, Mapping[str, Comparison]]()
    )
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=lambda: dict[str, Any]())

    def to_json(self) -> dict[str, Any]:
        """``measures``, ``intervals`` and ``queries``; by set where there are several.

        A number that is none (the median rank where most queries found nothing) is ``null``.
        """
        sets = {
            name: {
                "measures": _numbers(each.means()),
                "intervals": {one: _pair(ends) for one, ends in each.intervals().items()},
                "queries": len(each.queries),
            }
            for name, each in self.scores.items()
        }
        keys = ("measures", "intervals", "queries")
        answer: dict[str, Any] = (
            sets[""]
            if list(sets) == [""]
            else {k: {n: s[k] for n, s in sets.items()} for k in keys}
        )
        if self.comparisons:
            answer["comparisons"] = {
                run: _comparison(each[""])
                if list(each) == [""]
                else {name: _comparison(one) for name, one in each.items()}
                for run, each in self.comparisons.items()
            }
        return {**answer, **self.facts, "notes": list(self.notes)}


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "measures": _numbers(one.scores.means()),
        "differences": {name: _difference(each) for name, each in one.differences.items()},
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "mean": _number(found.mean),
        "interval": _pair(found.interval),
        "p": found.p,
        "queries": found.queries,
        "better": found.better,
        "worse": found.worse,
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in values.items()}


def _pair(ends: tuple[float, float]) -> list[float | None]:
    return [_number(end) for end in ends]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
