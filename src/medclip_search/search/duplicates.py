"""Near-duplicates: of hits that show the same picture, the first stands for all.

Vectors propose and pixels decide. Of the best hits, pairs whose vectors are very near are looked
at, nearest first, until several were only alike: the thumbnails that the library keeps are compared
by ``images.sameness``. Alike is not the same: neighbouring slices stay apart.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medclip_search.images.sameness import SAME, Look, sameness
from medclip_search.search.retrieve import image_spaces
from medclip_search.search.snapshot import Snapshot

Keys = NDArray[np.int64]

ALIKE = 0.88
"""Vectors of a centred space with this cosine or more may be of the same picture."""
ALIKE_UNCENTRED = 0.95
"""The same where all vectors lean to one side, and all cosines are high."""
MOST = 24
"""So many pairs of pictures are looked at in one search, at most."""
ENOUGH = 3
"""After so many that were only alike, pairs less near are not looked at."""


def duplicates(snapshot: Snapshot, keys: Keys) -> NDArray[np.int64]:
    """For each of the cases, ranked best first, the place of the first of the same picture, (n,).

    A case that no earlier one equals has its own place.
    """
    first = np.arange(len(keys))
    only_alike = 0
    for one, other in _alike(snapshot, keys)[:MOST]:
        a, b = sorted((first[one], first[other]))
        if a == b:
            continue
        if _is_same(snapshot, int(keys[one]), int(keys[other])):
            first[first == b] = a
        elif (only_alike := only_alike + 1) == ENOUGH:
            break
    return first


def _alike(snapshot: Snapshot, keys: Keys) -> list[tuple[int, int]]:
    """Places of pairs that may be of the same picture, the nearest first."""
    found: dict[tuple[int, int], float] = {}
    for name in image_spaces(snapshot):
        if snapshot.spaces[name].ready_made:
            continue  # whatever they are vectors of, it need not be the picture
        least = ALIKE if snapshot.spaces[name].centred else ALIKE_UNCENTRED
        cosines = np.nan_to_num(snapshot.vectors[name].pairwise(keys, keys), nan=-1.0)
        for one, other in np.argwhere(np.triu(cosines, 1) >= least).tolist():
            near = float(cosines[one, other])
            found[one, other] = max(near, found.get((one, other), near))
    return sorted(found, key=lambda pair: (-found[pair], pair))


def _is_same(snapshot: Snapshot, one: int, other: int) -> bool:
    a, b = snapshot.thumbnail(one), snapshot.thumbnail(other)
    if not a or not b:
        return False
    try:
        return sameness(_look(a), _look(b)) >= SAME
    except OSError:  # a damaged thumbnail: 'verify' tells of it
        return False


@lru_cache(maxsize=128)
def _look(thumbnail: bytes) -> Look:
    """Kept for the next page of the same answers."""
    return Look.of_bytes(thumbnail)
