"""The exact scan: every row's cosine, by NumPy, straight from the float16 rows."""

from __future__ import annotations

import numpy as np

from medclip_search.indexes.vectors.cosine import Cosine, Doubles
from medclip_search.indexes.vectors.half import Half, Rows, blocks

_ERROR = 1e-5
"""Bound on a float32 dot product's error, relative to the lengths (about 1e-6 is usual). A
stretched length, by which it is divided, is at least the length itself."""


def nearest(
    rows: Half,
    inverse_lengths: Doubles,
    cosine: Cosine,
    direction: Doubles,
    k: int,
    where: Rows | None,
) -> Rows:
    """Numbers of rows among which the best ``k`` are, ties included, in no particular order.

    The scan is in float32: with probe p and mean m, the cosine is (x·p - m·p) / |x - m|. Each score
    is thus known to lie within an error; a row is kept where it may be better than the k-th surely
    is. ``inverse_lengths`` is NaN for a row that must not be found.
    """
    probe = cosine.probes(direction)
    single = probe.astype(np.float32)
    inverse = (inverse_lengths if where is None else inverse_lengths[where]).astype(np.float32)
    scores = np.empty(len(inverse), dtype=np.float32)
    for part, wide in blocks(rows, where):
        np.matmul(wide, single, out=scores[part])
    scores -= np.float32(cosine.mean.astype(np.float64) @ probe)
    scores *= inverse
    errors = _ERROR * (1 + np.float32(np.linalg.norm(cosine.mean)) * inverse)
    errors *= np.float32(np.linalg.norm(probe))
    dead = np.isnan(inverse)
    scores[dead] = -np.inf
    errors[dead] = 0
    if k < len(scores):
        surely = np.partition(scores - errors, -k)[-k]
        kept = np.flatnonzero((scores + errors >= surely) & ~dead)
    else:
        kept = np.flatnonzero(~dead)
    return kept if where is None else where[kept]
