"""Directions of a space to places in the plane: t-SNE, and between its places by neighbours.

t-SNE (L. van der Maaten and G. Hinton, JMLR 9, 2008) as scikit-learn has it (Barnes and Hut's
approximation), over 50 principal components and begun from the first two, which keeps what is far
apart in the large (D. Kobak and P. Berens, Nature Communications 10, 2019). What was not projected
stands at the median of the places of its nearest neighbours, as P. Poličar et al. place new points
(Machine Learning 112, 2023): their mean would lie in the void between two groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

COMPONENTS = 50
NEIGHBOURS = 5
"""So many neighbours place what was not projected."""

_PERPLEXITY = 30.0
_STEPS = 500  # 1,000 keep no more neighbours (docs/benchmarks.md); 10,000 points take 27 s
_SEED = 0
_BLOCK = 512


def components(directions: Floats) -> Floats:
    """The principal components of unit vectors (n, d), as columns, (d, c) float32."""
    from sklearn.decomposition import PCA  # takes a second to import, and few programs build

    count = min(COMPONENTS, *directions.shape)
    if not np.ptp(directions, axis=0).any():  # all the same: no component tells anything
        return np.eye(directions.shape[1], count, dtype=np.float32)
    found = PCA(count, svd_solver="covariance_eigh").fit(directions)
    return np.ascontiguousarray(found.components_.T, dtype=np.float32)


def project(coordinates: Floats) -> Floats:
    """Places (n, 2) float32 in the unit square of points (n, c); the same for the same points.

    Points that are all the same stand in the middle.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if np.ptp(coordinates, axis=0).max() < 1e-6:
        return np.full((len(coordinates), 2), 0.5, dtype=np.float32)
    if coordinates.shape[1] < 2:
        coordinates = np.pad(coordinates, ((0, 0), (0, 1)))  # t-SNE begins from two components
    perplexity = min(_PERPLEXITY, (len(coordinates) - 1) / 3)
    with threadpool_limits(1):  # several threads add up in another order each time
        found = TSNE(perplexity=perplexity, max_iter=_STEPS, random_state=_SEED, n_jobs=1)
        return _in_unit_square(found.fit_transform(coordinates))


def place_beside(anchors: Floats, places: Floats, coordinates: Floats) -> Floats:
    """Places, (n, 2), for points, (n, c), that were left out, beside anchors, (a, c).

    Each is the median of its nearest anchors' ``places``, (a, 2).
    """
    nearest = _nearest(anchors, coordinates, min(NEIGHBOURS, len(anchors)))
    return np.asarray(np.median(places[nearest], axis=1), dtype=np.float32)


def _nearest(anchors: Floats, coordinates: Floats, count: int) -> NDArray[np.integer[Any]]:
    """The numbers of each point's nearest anchors, (n, count), in any order."""
    try:
        import faiss
    except ImportError:  # NumPy takes five times as long
        halves = np.einsum("ij,ij->i", anchors, anchors) / 2
        parts = [
            np.argpartition(halves - some @ anchors.T, count - 1, axis=1)[:, :count]
            for some in np.array_split(coordinates, -(-len(coordinates) // _BLOCK))
        ]
        return np.concatenate(parts)
    _, found = faiss.knn(np.ascontiguousarray(coordinates), np.ascontiguousarray(anchors), count)
    return np.asarray(found)


def _in_unit_square(places: NDArray[Any]) -> Floats:
    """Moved and scaled, alike in both directions, so that the longer one reaches from 0 to 1."""
    low, high = places.min(axis=0), places.max(axis=0)
    moved = (places - (low + high) / 2) / (high - low).max() + 0.5
    return np.asarray(np.clip(moved, 0, 1), dtype=np.float32)
