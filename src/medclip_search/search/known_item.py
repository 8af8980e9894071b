"""The case that is meant: a text that is the id or the whole caption of a case finds it first.

BM25 puts it first already; likeness of meaning or of pictures, fused with it, is not to take a
known item away from who remembers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medclip_search.search.fuse import RankedList
from medclip_search.search.hits import ListEvidence
from medclip_search.search.query import Query
from medclip_search.search.snapshot import Snapshot

NAME = "known-item"
Keys = NDArray[np.int64]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Keys and scores, best first, and what being the known item adds, by key."""

    keys: Keys
    scores: Doubles
    evidence: Mapping[int, ListEvidence] = field(default_factory=dict)


def known_item_first(
    snapshot: Snapshot,
    query: Query,
    lists: Sequence[RankedList],
    keys: Keys,
    scores: Doubles,
) -> Ranking:
    """A fused ranking with the cases that a lone text names before the others, in BM25's order.

    Their score is then that of the best. Where pictures or vectors ask too, nothing is changed.
    """
    if len(query.text) != 1 or query.image or query.vector or query.not_image:
        return Ranking(keys, scores)
    named = snapshot.text.whole(query.text[0])
    words = next((one.keys for one in lists if one.name == "words"), None)
    if not len(named) or words is None:
        return Ranking(keys, scores)
    first = words[np.isin(words, named)]
    others = ~np.isin(keys, first)
    best = float(scores.max(initial=0.0))
    own = dict(zip(keys.tolist(), scores.tolist(), strict=True))
    evidence = {
        key: ListEvidence(NAME, rank, 1.0, best - own[key])
        for rank, key in enumerate(first.tolist(), 1)
    }
    return Ranking(
        np.concatenate((first, keys[others])),
        np.concatenate((np.full(len(first), best), scores[others])),
        evidence,
    )
