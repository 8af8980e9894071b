"""Seeded synthetic embeddings that look like an image encoder's, of any number and dimension.

Three things that real embeddings have and Gaussian noise has not, all of which matter to an
index: a spectrum that falls as a power law (standard deviation of the i-th direction ∝ i^-0.5,
along the axes, as in networks with a few loud channels), clusters of very uneven size (weights
∝ rank^-0.8, spread 0.8 of the whole's), and a common offset as long as the spread, for which
raw cosines are all high.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CLUSTERS = 500
_BLOCK = 8192


class Synthetic:
    """One seeded distribution to draw rows and queries from."""

    def __init__(self, dimension: int, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, dimension])
        self.dimension = dimension
        self.seed = seed
        spectrum = np.arange(1, dimension + 1) ** -0.5
        self.spectrum = (spectrum / np.linalg.norm(spectrum)).astype(np.float32)
        offset = rng.standard_normal(dimension)
        self.offset = (offset / np.linalg.norm(offset)).astype(np.float32)
        centres = rng.standard_normal((CLUSTERS, dimension), dtype=np.float32)
        self.centres = centres * self.spectrum
        weights = np.arange(1, CLUSTERS + 1) ** -0.8
        self.weights = weights / weights.sum()

    def draw(self, count: int, stream: int) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        """``count`` vectors, (count, d), and their clusters; other streams, other vectors."""
        rng = np.random.default_rng([self.seed, self.dimension, stream])
        cluster = rng.choice(CLUSTERS, size=count, p=self.weights)
        noise = rng.standard_normal((count, self.dimension), dtype=np.float32) * self.spectrum
        vectors = self.offset + 0.6 * self.centres[cluster] + 0.8 * noise
        return vectors.astype(np.float16), cluster

    def blocks(self, count: int) -> Iterator[tuple[NDArray[np.float16], NDArray[np.int64]]]:
        """Rows in blocks, so that millions can be written without holding them."""
        for stream, start in enumerate(range(0, count, _BLOCK), start=1):
            yield self.draw(min(_BLOCK, count - start), stream)
