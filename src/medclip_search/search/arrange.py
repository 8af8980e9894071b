"""Arrangement: from a ranking to the page. Duplicates folded, groups gathered, diversity; then cut.

Whoever is folded or gathered is carried by the hit that stands for it, and the page is filled with
others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medclip_search.search.diversify import likeness, mmr, stretched
from medclip_search.search.duplicates import duplicates
from medclip_search.search.group import followers, groups
from medclip_search.search.query import Query
from medclip_search.search.snapshot import Snapshot

Keys = NDArray[np.int64]
Doubles = NDArray[np.float64]

FOLDED = 60
"""Duplicates are looked for among no more than this many of the best."""
SPREAD = 300
"""Diversity is sought among no more than this many of the best."""


@dataclass(frozen=True, slots=True)
class Arranged:
    """A page: places in the ranking, in the order shown, and what each of them carries.

    ``ranked`` is how many places there are before the cut. ``duplicates`` and ``siblings`` give
    for a key the keys that it stands for, best first.
    """

    places: NDArray[np.int64]
    ranked: int = 0
    duplicates: Mapping[int, list[int]] = field(default_factory=dict)
    siblings: Mapping[int, list[int]] = field(default_factory=dict)

    def carried(self) -> list[int]:
        """All keys that are carried."""
        lists = (*self.duplicates.values(), *self.siblings.values())
        return [key for one in lists for key in one]


def arrange(
    snapshot: Snapshot,
    query: Query,
    keys: Keys,
    scores: Doubles,
    k: int,
    start: int | None = None,
) -> Arranged:
    """``k`` of a ranking from ``start`` on, as the query wants them shown.

    Where a start is given, be it 0, the pages that follow one another fit together. Raises
    ``QueryError`` for a group that cannot be.
    """
    places = np.arange(len(keys))
    folded: dict[int, list[int]] = {}
    gathered: dict[int, list[int]] = {}
    # Whoever browses by filters alone wants them all.
    asked = bool(query.text or query.image or query.vector or query.like)
    if query.fold and asked:
        spread = bool(query.group or query.diversity or start is not None)
        pool = FOLDED if spread else min(FOLDED, k + 10)
        first = np.arange(len(keys))
        first[:pool] = duplicates(snapshot, keys[:pool])
        folded = _by_key(keys, first)
        places = places[first == places]
    if query.group:
        first = groups(snapshot.columns, query.group, keys[places])
        gathered = _by_key(keys[places], first)
        places = places[first == np.arange(len(places))]
    begin = start or 0
    if query.diversity:
        best = places[:SPREAD]
        alike = likeness(snapshot, keys[best])
        order = mmr(stretched(scores[best]), alike, query.diversity, begin + k)
        places = np.concatenate((best[order], places[SPREAD:]))
    ranked = len(places)
    places = places[begin : begin + k]
    shown = set(keys[places].tolist())
    folded = {key: others for key, others in folded.items() if key in shown}
    gathered = {key: others for key, others in gathered.items() if key in shown}
    return Arranged(places, ranked, folded, gathered)


def _by_key(keys: Keys, first: NDArray[np.int64]) -> dict[int, list[int]]:
    return {int(keys[leader]): keys[others].tolist() for leader, others in followers(first).items()}
