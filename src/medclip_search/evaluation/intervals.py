"""How sure a mean over queries is: bootstrap intervals, with groups of queries drawn whole.

B. Efron, R. Tibshirani: An Introduction to the Bootstrap. Chapman & Hall, 1993. T. Sakai:
Evaluating Evaluation Metrics based on the Bootstrap. SIGIR 2006.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 20260101


class Interval(NamedTuple):
    """From ``low`` to ``high``, both included."""

    low: float
    high: float


def bootstrap(
    values: NDArray[np.float64],
    groups: Sequence[str],
    average: Callable[[NDArray[np.float64]], Any] = np.mean,
    level: float = 0.95,
) -> Interval:
    """The percentile interval of an average of values (n,), by drawing groups with replacement.

    Values of one group (queries from one article) are not independent: they are drawn together.
    With fewer than two groups nothing can be said, and the interval is that of all numbers.
    """
    members: dict[str, list[int]] = {}
    for at, group in enumerate(groups):
        members.setdefault(group, []).append(at)
    if len(members) < 2:
        return Interval(-np.inf, np.inf)
    places = [np.array(each) for each in members.values()]
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(len(places), size=(RESAMPLES, len(places)))
    if all(len(each) == 1 for each in places):
        averages = [average(values[row]) for row in drawn]
    else:
        averages = [average(values[np.concatenate([places[one] for one in row])]) for row in drawn]
    # Ranks may be infinite: no value is interpolated between two.
    low, high = np.quantile(averages, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return Interval(float(low), float(high))
