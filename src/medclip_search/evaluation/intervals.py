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
    names, group_of = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    if len(names) < 2:
        return Interval(-np.inf, np.inf)
    rng = np.random.default_rng(SEED)
    sizes = np.bincount(group_of)
    sums = np.bincount(group_of, values)
    averages = np.zeros(RESAMPLES)
    for turn in range(RESAMPLES):
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        if average is np.mean:
            averages[turn] = (times @ sums) / (times @ sizes)
        else:
            averages[turn] = average(np.repeat(values, times[group_of]))
    # Ranks may be infinite: no value is interpolated between two.
    low, high = np.quantile(averages, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return Interval(float(low), float(high))
