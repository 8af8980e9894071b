"""Cosine, exactly, and where asked for after the library's own mean is subtracted.

Averaged features of a CNN are all positive and share a large common part; without it their
cosines tell pictures apart better (a standard step, as in J. Mu and P. Viswanath, "All-but-the-
Top", ICLR 2018). A vector that is zero (or the mean itself) has no direction: its cosine with
anything is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medclip_search.indexes.vectors.half import BEYOND, Floats, Half, Rows, blocks

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

_ROUNDING = 1e-6  # of the mean's length: what is shorter is rounding error


@dataclass(frozen=True)
class Cosine:
    """Directions seen from ``mean``, (d,) float32: zero where the space is not centred."""

    mean: Floats
    nothing: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nothing", _ROUNDING * float(np.linalg.norm(self.mean)))

    def directions(self, vectors: ArrayLike) -> Doubles:
        """Raw vectors, (…, d), to unit vectors, or zeros for those without a direction."""
        apart = np.asarray(vectors, dtype=np.float64) - self.mean
        lengths = np.sqrt(np.einsum("...i,...i->...", apart, apart))[..., None]
        found: Doubles = np.zeros_like(apart)
        np.divide(apart, lengths, out=found, where=lengths > self.nothing)
        return found

    def row_directions(self, rows: Half, where: Rows | None = None) -> Iterator[Doubles]:
        """Directions of rows, block by block."""
        for _, wide in blocks(rows, where):
            yield self.directions(wide)

    def scores(self, rows: Half, where: Rows, direction: Doubles) -> Floats:
        """Cosines of the rows numbered ``where`` with a direction, (m,) float32.

        Each is summed on its own, in double precision, so that equal rows score equally
        whatever stands beside them.
        """
        found = np.empty(len(where), dtype=np.float32)
        start = 0
        for block in self.row_directions(rows, where):
            found[start : start + len(block)] = np.einsum("ij,j->i", block, direction)
            start += len(block)
        return found

    def inverse_lengths(self, rows: Half) -> Floats:
        """One over each row's distance from the mean, (n,) float32; 0 for no direction."""
        found = np.empty(len(rows), dtype=np.float32)
        for part, wide in blocks(rows):
            np.subtract(wide, self.mean, out=wide)
            lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
            zeros = np.zeros_like(lengths)
            found[part] = np.divide(1, lengths, out=zeros, where=lengths > self.nothing)
        return found


def finite(rows: Half) -> Flags:
    """Which rows hold numbers only, (n,)."""
    found = np.empty(len(rows), dtype=np.bool_)
    for part, wide in blocks(rows):
        found[part] = (wide.max(axis=1) < BEYOND) & (wide.min(axis=1) > -BEYOND)
    return found


def mean(rows: Half, counted: Flags) -> Floats:
    """The mean of the counted rows, (d,) float32.

    Sums of float16 are exact in float64 up to 5·10⁸, so that the mean does not depend on the
    order in which rows were added.
    """
    total = np.zeros(rows.shape[1], dtype=np.float64)
    for part, wide in blocks(rows):
        wide[~counted[part]] = 0
        total += wide.sum(axis=0, dtype=np.float64)
    middle: Floats = (total / max(1, int(np.count_nonzero(counted)))).astype(np.float32)
    return middle
