"""A space stretched along some of its directions, so that what they tell counts for more.

Lengths along the orthonormal ``axes`` u₁ … u_r grow: |Sx|² = |x|² + Σ gᵢ (uᵢ·x)², with gains
gᵢ ≥ 0. S is symmetric, S = I + Σ (√(1 + gᵢ) − 1) uᵢ uᵢᵀ, so that the cosine of two stretched
vectors, Sx·Sy / |Sx| |Sy|, is x·(S Sy) / |Sx| |Sy|: rows stay as they are, and only the query is
stretched (twice) while the search runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medclip_search.indexes.vectors.half import Floats

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Stretch:
    """``axes``, (d, r) float32, orthonormal columns, and their ``gains``, (r,) float32."""

    axes: Floats
    gains: Floats
    _axes: Doubles = field(init=False, repr=False)
    _factors: Doubles = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_axes", np.asarray(self.axes, dtype=np.float64))
        factors = np.sqrt(1 + np.asarray(self.gains, dtype=np.float64)) - 1
        object.__setattr__(self, "_factors", factors)

    def apply(self, vectors: Doubles) -> Doubles:
        """Vectors, (…, d), stretched."""
        return vectors + ((vectors @ self._axes) * self._factors) @ self._axes.T

    def gains_of(self, ones: Doubles, others: Doubles) -> Doubles:
        """What the products of vectors, (a, d), with others, (b, d), gain by it: (a, b)."""
        gains = np.asarray(self.gains, dtype=np.float64)
        found: Doubles = (ones @ self._axes * gains) @ (others @ self._axes).T
        return found

    def gained(self, vectors: Doubles) -> Doubles:
        """What the squared lengths of vectors, (n, d), gain by it, (n,)."""
        found: Doubles = (vectors @ self._axes) ** 2 @ np.asarray(self.gains, dtype=np.float64)
        return found
