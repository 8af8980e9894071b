"""Diversity on demand: maximal marginal relevance.

Each next hit is the one with the greatest (1 - d) · relevance - d · likeness to the most like of
those chosen already (Carbonell and Goldstein, The Use of MMR, Diversity-Based Reranking for
Reordering Documents and Producing Summaries, SIGIR 1998; their λ is 1 - d). Relevance is the
score, likeness the cosine of the pictures, or the share of common words of the captions where
either has no picture; each is stretched to run from 0 to 1 over the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medclip_search.search.retrieve import image_spaces
from medclip_search.search.snapshot import Snapshot

Keys = NDArray[np.int64]
Doubles = NDArray[np.float64]


def mmr(relevance: Doubles, likeness: Doubles, diversity: float, k: int) -> NDArray[np.int64]:
    """Places in a new order, (n,): the first ``k`` by MMR, the others as they were.

    ``relevance`` (n,) falls, ``likeness`` (n, n) is symmetrical, both between 0 and 1.
    """
    chosen: list[int] = []
    left = np.ones(len(relevance), np.bool_)
    nearest = np.zeros(len(relevance))
    for _ in range(min(k, len(relevance))):
        gain = (1 - diversity) * relevance - diversity * nearest
        best = int(np.argmax(np.where(left, gain, -np.inf)))  # of equals the first
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, likeness[best])
    return np.concatenate((np.array(chosen, np.int64), np.flatnonzero(left)))


def likeness(snapshot: Snapshot, keys: Keys) -> Doubles:
    """How alike cases are, (n, n), from 0 to 1: the mean over the spaces of pictures."""
    found = [
        _stretched(snapshot.vectors[name].pairwise(keys, keys)) for name in image_spaces(snapshot)
    ]
    total = np.zeros((len(keys), len(keys)))
    known = np.zeros((len(keys), len(keys)))
    for one in found:
        known += np.isfinite(one)
        total += np.nan_to_num(one, nan=0.0)
    if (known > 0).all():
        return np.asarray(total / known)
    by_words = common_words(_terms(snapshot, keys))
    return np.where(known > 0, total / np.maximum(known, 1), by_words)


def common_words(terms: Sequence[frozenset[str]]) -> Doubles:
    """(n, n): the words two have in common, of all that they have (Jaccard); 0 where none."""
    vocabulary = {term: at for at, term in enumerate(sorted(frozenset().union(*terms)))}
    held = np.zeros((len(terms), len(vocabulary)))
    for row, one in enumerate(terms):
        held[row, [vocabulary[term] for term in one]] = 1
    common = held @ held.T
    sizes = held.sum(axis=1)
    either = sizes[:, None] + sizes - common
    return np.asarray(np.divide(common, either, out=np.zeros_like(common), where=either > 0))


def stretched(scores: Doubles) -> Doubles:
    """Scores from 0 to 1; all 1 where they are equal."""
    low, high = scores.min(initial=np.inf), scores.max(initial=-np.inf)
    return np.asarray((scores - low) / (high - low)) if high > low else np.ones(len(scores))


def _stretched(cosines: NDArray[np.float32]) -> Doubles:
    """Cosines from 0, of the least like pair, to 1; NaN stays."""
    wide = np.asarray(cosines, np.float64)
    low = np.nanmin(wide) if np.isfinite(wide).any() else 0.0
    return np.asarray(np.clip((wide - low) / max(1 - low, 1e-9), 0, 1))


def _terms(snapshot: Snapshot, keys: Keys) -> list[frozenset[str]]:
    cases = snapshot.cases(keys.tolist())
    return [frozenset(snapshot.text.terms(cases[key].caption)) for key in keys.tolist()]
