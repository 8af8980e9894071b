"""How many lists a search scans: as few as find nearly all, measured when the lists are filled.

Seeded rows of the library's own are asked for their nearest others, which an exact scan tells too.
More lists take more time, and how many it takes depends on how the vectors lie.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medclip_search.indexes.vectors.cosine import Cosine, Doubles
from medclip_search.indexes.vectors.faiss_ivf import IvfIndex, proposed
from medclip_search.indexes.vectors.half import Floats, Half, Rows, blocks

K = 10
ENOUGH = 0.993
"""The share of the true ten to be found: so much above 0.99 that other queries find that too."""
TRIED = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
QUERIES = 400

_SEED = 1
_BLOCK = 32_768


def tune(
    index: IvfIndex, rows: Half, live: Rows, inverse_lengths: Doubles, cosine: Cosine
) -> tuple[int, float]:
    """The fewest of ``TRIED`` lists that find enough, and the recall@10 measured with them.

    ``live`` are the rows in the index. Where none finds enough, the most.
    """
    if len(live) <= K:
        return index.lists, 1.0
    count = min(QUERIES, len(live))
    asked = np.sort(np.random.default_rng(_SEED).choice(live, count, replace=False))
    directions = np.concatenate([*cosine.row_directions(rows, asked)])
    truth = _nearest_others(rows, live, inverse_lengths, cosine, asked, directions)
    probes, recall = 0, 0.0
    for tried in sorted({min(one, index.lists) for one in TRIED}):
        found = [
            np.isin(true, index.propose(one, proposed(K), probes=tried)).mean()
            for true, one in zip(truth, directions.astype(np.float32), strict=True)
        ]
        probes, recall = tried, float(np.mean(found))
        if recall >= ENOUGH:
            break
    return probes, recall


def _nearest_others(
    rows: Half,
    live: Rows,
    inverse_lengths: Doubles,
    cosine: Cosine,
    asked: Rows,
    directions: Doubles,
) -> NDArray[np.int64]:
    """The numbers of the ``K`` nearest others of each row ``asked``, (q, K), in any order."""
    import faiss  # there is an index to tune

    probes = cosine.probes(directions).astype(np.float32)
    scores = np.full((len(asked), 0), -np.inf, dtype=np.float32)
    numbers = np.full((len(asked), 0), -1, dtype=np.int64)
    room = np.empty((min(_BLOCK, len(live)), rows.shape[1]), dtype=np.float32)
    for start in range(0, len(live), _BLOCK):
        some = live[start : start + _BLOCK]
        block: Floats = room[: len(some)]
        for part, wide in blocks(rows, some):
            np.subtract(wide, cosine.mean, out=block[part])
        block *= inverse_lengths[some, None].astype(np.float32)
        found, places = faiss.knn(
            probes, block, min(K + 1, len(some)), metric=faiss.METRIC_INNER_PRODUCT
        )
        scores = np.concatenate((scores, found), axis=1)
        numbers = np.concatenate((numbers, some[places]), axis=1)
        scores[numbers == asked[:, None]] = -np.inf
        best = np.argsort(-scores, axis=1)[:, :K]
        scores = np.take_along_axis(scores, best, axis=1)
        numbers = np.take_along_axis(numbers, best, axis=1)
    return numbers
