"""Fusion: several ranked lists to one ranking.

Each list has an exact score for every candidate (``completed``), so that no score is compared
with an absence. Two ways to fuse:

``convex``: the mean of the lists' scores, each placed between what says nothing (0) and what is
certain (1) by theory, not by judgements (``Scale``); weighted, with BM25, which lies on one side
of nothing, counted double a cosine, which lies on both. After Bruch, Gai and Ingber, An Analysis
of Fusion Functions for Hybrid Retrieval, TOIS 2023, arXiv:2210.11934; there the greatest score
found is taken for certain, here what the query itself would score, so that a long text of which
no case has more than a little says little.

``rrf``: the sum of ``weight / (60 + rank)`` (Cormack, Clarke and Büttcher, Reciprocal Rank Fusion
Outperforms Condorcet and Individual Rank Learning Methods, SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medclip_search.search.hits import ListEvidence
from medclip_search.search.together import together

Keys = NDArray[np.int64]
Doubles = NDArray[np.float64]
Fusion = Literal["convex", "rrf"]

FUSIONS: tuple[Fusion, ...] = ("convex", "rrf")
RRF_K = 60
_DECIMALS = 9
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a list's scores lie: ``nothing`` is the score of a case that has nothing to do with
    the query, ``certain`` that of the query itself; ``range`` is how far scores reach, in units of
    the way between them (a cosine reaches as far below nothing: 2).
    """

    nothing: float = 0.0
    certain: float = 1.0
    range: float = 1.0

    def place(self, scores: NDArray[np.float32]) -> Doubles:
        """Scores as shares of the way from nothing to certain; 0 for an unknown one (NaN)."""
        way = max(self.certain - self.nothing, _LEAST_SPREAD)
        return np.asarray(np.nan_to_num((scores.astype(np.float64) - self.nothing) / way))


@dataclass(frozen=True, slots=True)
class RankedList:
    """Cases in order, best first: keys (n,) int64 without repeats, scores (n,) float32.

    ``name`` is as in ``ListEvidence``. ``score`` gives the exact scores of any cases, NaN for one
    that the list cannot score; those of what another list brought are ``at_hand`` where it is
    ``knowing`` them. ``listed`` tells which cases the list brought itself; ``None`` for all.
    ``among`` are the candidates that it was ``completed`` with, their keys rising, and where each
    of its cases stands there, -1 for one that does not. An ``unwanted`` list takes its share away,
    and brings no case of its own.
    """

    name: str
    keys: Keys
    scores: NDArray[np.float32]
    weight: float = 1.0
    unwanted: bool = False
    scale: Scale = Scale()
    score: Callable[[Keys], NDArray[np.float32]] | None = field(default=None, compare=False)
    at_hand: bool = False
    listed: NDArray[np.bool_] | None = None
    among: tuple[Keys, Keys] | None = field(default=None, compare=False)

    def exactly(self, keys: Keys) -> NDArray[np.float32]:
        """The exact scores of any cases, (m,), NaN where the list cannot tell."""
        if self.score is None:
            return np.full(len(keys), np.nan, np.float32)
        return self.score(keys)

    def knowing(self, keys: Keys, scores: NDArray[np.float32]) -> RankedList:
        """The same list, with the exact scores of some cases, their keys rising, known already."""

        def score(wanted: Keys) -> NDArray[np.float32]:
            at, known = _places(keys, wanted)
            found = np.full(len(wanted), np.nan, np.float32)
            found[known] = scores[at[known]]
            if self.score is not None and not known.all():
                found[~known] = self.score(wanted[~known])
            return found

        return replace(self, score=score, at_hand=True)

    def shares(self, fusion: Fusion, total: float) -> Doubles:
        """What the list adds to the score of each of its cases, (n,).

        ``total`` is the sum of the wanted lists' weights (``total_weight``).
        """
        sign = -1.0 if self.unwanted else 1.0
        if fusion == "rrf":
            # To have none of the words, or no picture, is no place in a ranking.
            none = (self.scores <= self.scale.nothing) & (self.scale.range == 1)
            placed = np.isfinite(self.scores) & (~none | (self.ranks() > 0))
            ranks = np.arange(1, len(self.keys) + 1)
            return np.asarray(sign * self.weight * placed / (RRF_K + ranks))
        place = self.scale.place(self.scores)
        if self.unwanted:  # to be unlike what is unwanted speaks for nothing: most cases are
            place = np.maximum(place, 0)
        return sign * self._convex_weight() * place / total

    def _convex_weight(self) -> float:
        return self.weight / self.scale.range

    def ranks(self) -> Keys:
        """The rank of each case among those that the list brought itself, from 1; 0 for others."""
        if self.listed is None:
            return np.arange(1, len(self.keys) + 1)
        return np.asarray(np.where(self.listed, np.cumsum(self.listed), 0))


def completed(lists: Sequence[RankedList], order: NDArray[np.int32]) -> list[RankedList]:
    """The lists, each with every candidate of any wanted list at its exact score.

    A list that found nothing at all stays empty.
    """
    if len(lists) < 2:  # it has its own
        return list(lists)
    every = candidates(lists)
    parts = [partial(_complete, one, every, order) for one in lists]
    # Two that know each other's need no thread; of three none knows all.
    if len(lists) == 2 and all(one.at_hand for one in lists):
        return [part() for part in parts]
    return together(parts)


def weighted(lists: Sequence[RankedList], weight: float) -> list[RankedList]:
    """The lists of one part of a query, which counts so much; none where that is nothing."""
    return [replace(one, weight=one.weight * weight) for one in lists if weight]


def total_weight(lists: Sequence[RankedList]) -> float:
    """The sum of the wanted lists' weights, by which a convex fusion divides."""
    return sum(one._convex_weight() for one in lists if not one.unwanted) or 1.0


def fuse(
    lists: Sequence[RankedList], order: NDArray[np.int32], fusion: Fusion = "convex"
) -> tuple[Keys, Doubles]:
    """Keys and fused scores, best first; equal scores by ``order[key]``, the rank of the id.

    A single list keeps its own order.
    """
    total = total_weight(lists)
    if len(lists) == 1 and not lists[0].unwanted:
        return lists[0].keys, np.round(lists[0].shares(fusion, total), _DECIMALS)
    among = next((one.among for one in lists if one.among is not None), None)
    keys = candidates(lists) if among is None else among[0]
    scores = np.zeros(len(keys))
    for one in lists:
        if one.among is not None and one.among[0] is keys:
            at, known = one.among[1], one.among[1] >= 0
        else:
            at, known = _places(keys, one.keys)
        scores[at[known]] += one.shares(fusion, total)[known]
    # Sums in another order differ in their last bits, and must still tie.
    scores = np.round(scores, _DECIMALS)
    best = np.lexsort((order[keys], -scores))
    return keys[best], scores[best]


def evidence(
    lists: Sequence[RankedList], keys: Sequence[int], fusion: Fusion = "convex"
) -> list[tuple[ListEvidence, ...]]:
    """What each list says of each case, the weightiest first."""
    found: dict[int, list[ListEvidence]] = {key: [] for key in keys}
    total = total_weight(lists)
    rising = np.sort(np.array(keys, np.int64))
    for one in lists:
        _, here = _places(rising, one.keys)
        wanted = np.flatnonzero(here & np.isfinite(one.scores))
        told = (one.keys, one.ranks(), one.scores, one.shares(fusion, total))
        for key, rank, score, share in zip(*(each[wanted].tolist() for each in told), strict=True):
            found[key].append(ListEvidence(one.name, rank or None, score, share))
    return [tuple(sorted(found[key], key=_weightiest)) for key in keys]


def _weightiest(one: ListEvidence) -> tuple[float, str, float]:
    return (-one.share, one.name, one.rank or np.inf)


def candidates(lists: Sequence[RankedList]) -> Keys:
    """The keys, rising, of all cases that a wanted list brings."""
    wanted = [one.keys for one in lists if not one.unwanted]
    if not wanted:
        return np.empty(0, np.int64)
    every = np.sort(np.concatenate(wanted))  # np.unique takes three times as long
    return every[np.flatnonzero(np.diff(every, prepend=-1))]


def _complete(one: RankedList, candidates: Keys, order: NDArray[np.int32]) -> RankedList:
    at, known = _places(candidates, one.keys)
    absent = np.ones(len(candidates), np.bool_)
    absent[at[known]] = False
    absent_at = np.flatnonzero(absent)
    others = candidates[absent_at]
    silent = not len(one.keys) and not one.unwanted
    if one.score is None or silent or not len(others):
        return one
    keys = np.concatenate((one.keys, others))
    scores = np.concatenate((one.scores, one.score(others).astype(np.float32)))
    # Behind one another where equal: what the list itself ranked comes first, in its own order.
    ties = np.concatenate((np.arange(len(one.keys)) - len(keys), order[others].astype(np.int64)))
    best = np.lexsort((ties, -np.nan_to_num(scores, nan=-np.inf)))
    listed = None if one.unwanted else best < len(one.keys)
    places = np.concatenate((np.where(known, at, -1), absent_at))[best]
    among = (candidates, places)
    return replace(one, keys=keys[best], scores=scores[best], listed=listed, among=among)


def _places(keys: Keys, some: Keys) -> tuple[Keys, NDArray[np.bool_]]:
    """Where each of ``some`` lies among rising ``keys``, and whether it is there."""
    at = np.searchsorted(keys, some)
    known = at < len(keys)
    known[known] = keys[at[known]] == some[known]
    return at, known
