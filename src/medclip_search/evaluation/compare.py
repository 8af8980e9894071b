"""Two systems on the same queries: the difference, its interval, and a randomisation test.

M. D. Smucker, J. Allan, B. Carterette: A Comparison of Statistical Significance Tests for
Information Retrieval Evaluation. CIKM 2007: Fisher's randomisation test and the bootstrap agree,
Wilcoxon's and the sign test do not suit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medclip_search.evaluation.intervals import SEED, Interval, bootstrap
from medclip_search.evaluation.measures import MEDIAN_RANK, Scores

PERMUTATIONS = 9999
AT_ONCE = 4_000_000
"""So many numbers are held at a time."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What one system's mean has over another's, over the ``queries`` that both were judged on.

    ``p`` is the chance of a mean difference at least as large (either way) if it were chance which
    system gave which answer; ``interval`` is the bootstrap's, of 95 %. ``better`` and ``worse``
    count queries.
    """

    mean: float
    interval: Interval
    p: float
    queries: int
    better: int
    worse: int

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.mean:+.4f} [{low:+.4f}, {high:+.4f}], p = {self.p:.4f}"


def difference(ours: Scores, theirs: Scores, measure: str) -> Difference:
    """``ours`` less ``theirs`` by a measure, paired by query, groups kept whole.

    Ranks (``MedR``) are compared as their reciprocals, for a rank may be infinite.
    """
    place = {q: at for at, q in enumerate(theirs.queries)}
    shared = [at for at, q in enumerate(ours.queries) if q in place]
    other = [place[ours.queries[at]] for at in shared]
    a, b = ours.values[measure][shared], theirs.values[measure][other]
    if measure == MEDIAN_RANK:
        a, b = 1 / a, 1 / b
    groups = [ours.groups[at] for at in shared]
    change = a - b
    return Difference(
        float(change.mean()) if len(change) else 0.0,
        bootstrap(change, groups),
        _p(change, groups),
        len(change),
        int((change > 0).sum()),
        int((change < 0).sum()),
    )


def _p(change: NDArray[np.float64], groups: Sequence[str]) -> float:
    """Two-sided, by exchanging the two systems in whole groups at random."""
    from scipy.stats import permutation_test

    names = {group: at for at, group in enumerate(dict.fromkeys(groups))}
    sums = np.zeros(len(names))
    np.add.at(sums, [names[one] for one in groups], change)
    if len(sums) < 2 or not sums.any():
        return 1.0
    found = permutation_test(
        (sums,),
        lambda x, axis: x.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        batch=max(1, AT_ONCE // len(sums)),
        rng=np.random.default_rng(SEED),
    )
    return float(found.pvalue)
