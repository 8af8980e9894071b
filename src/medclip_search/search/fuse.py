"""Reciprocal rank fusion: several ranked lists to one.

A case scores the sum of ``weight / (60 + rank)`` over the lists that hold it (Cormack, Clarke and
Büttcher, Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods, SIGIR
2009). Ranks of lists of different kinds can be compared; their scores cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medclip_search.search.hits import ListEvidence

RRF_K = 60
_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class RankedList:
    """Cases in order, best first: keys (n,) int64 without repeats, scores (n,) float32.

    ``name`` is as in ``ListEvidence``. An ``unwanted`` list takes its share away, and brings no
    case of its own.
    """

    name: str
    keys: NDArray[np.int64]
    scores: NDArray[np.float32]
    weight: float = 1.0
    unwanted: bool = False

    def shares(self) -> NDArray[np.float64]:
        """What the list adds to the score of each of its cases, (n,)."""
        weight = -self.weight if self.unwanted else self.weight
        return weight / (RRF_K + np.arange(1, len(self.keys) + 1))


def fuse(
    lists: Sequence[RankedList], order: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Keys and fused scores, best first; equal scores by ``order[key]``, the rank of the id."""
    wanted = [one.keys for one in lists if not one.unwanted]
    keys = np.unique(np.concatenate(wanted)) if wanted else np.empty(0, np.int64)
    scores = np.zeros(len(keys))
    for one in lists:
        at = np.searchsorted(keys, one.keys)
        known = at < len(keys)
        known[known] = keys[at[known]] == one.keys[known]
        scores[at[known]] += one.shares()[known]
    # Sums in another order differ in their last bits, and must still tie.
    scores = np.round(scores, _DECIMALS)
    best = np.lexsort((order[keys], -scores))
    return keys[best], scores[best]


def evidence(lists: Sequence[RankedList], key: int) -> tuple[ListEvidence, ...]:
    """Which lists brought a case, the weightiest first."""
    found = []
    for one in lists:
        places = np.flatnonzero(one.keys == key)
        if len(places):
            at = int(places[0])
            share = float(one.shares()[at])
            found.append(ListEvidence(one.name, at + 1, float(one.scores[at]), share))
    return tuple(sorted(found, key=lambda e: (-e.share, e.name, e.rank)))
