"""Cosine, exactly, and where asked for after the library's own mean is subtracted.

Averaged features of a CNN are all positive and share a large common part; without it their
cosines tell pictures apart better (a standard step, as in J. Mu and P. Viswanath, "All-but-the-
Top", ICLR 2018). A space may also be stretched (``stretch.py``). A vector that is zero (or the
mean itself) has no direction: its cosine with anything is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medclip_search.indexes.vectors.half import BEYOND, Floats, Half, Rows, block_rows, blocks
from medclip_search.indexes.vectors.stretch import Stretch

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

_ROUNDING = 1e-6  # of the mean's length: what is shorter is rounding error


@dataclass(frozen=True)
class Cosine:
    """Directions seen from ``mean``, (d,) float32: zero where the space is not centred.

    Where there is a ``stretch``, they are those of the vectors once stretched.
    """

    mean: Floats
    stretch: Stretch | None = None
    nothing: float = field(init=False)
    _centre: Doubles | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        centre = self.mean.astype(np.float64) if self.mean.any() else None
        object.__setattr__(self, "_centre", centre)
        object.__setattr__(self, "nothing", _ROUNDING * float(np.linalg.norm(self.mean)))

    def directions(self, vectors: ArrayLike) -> Doubles:
        """Raw vectors, (…, d), to unit vectors, or zeros for those without a direction."""
        apart = self._apart(vectors)
        some = _lengths(apart) > self.nothing
        if self.stretch is not None:
            apart = self.stretch.apply(apart)
        found: Doubles = np.zeros_like(apart)
        np.divide(apart, _lengths(apart), out=found, where=some)
        return found

    def _apart(self, vectors: ArrayLike) -> Doubles:
        # In place: to subtract float32 from float64 into a new array takes ten times as long.
        apart: Doubles = np.array(vectors, dtype=np.float64)
        if self._centre is not None:
            apart -= self._centre
        return apart

    def _apart_into(self, room: Doubles, vectors: Floats) -> Doubles:
        """As ``_apart``, into the room of another block: new pages take longer than the sums."""
        apart = room[: len(vectors)]
        if self._centre is None:
            np.copyto(apart, vectors)
        else:
            np.subtract(vectors, self._centre, out=apart)
        return apart

    def row_directions(self, rows: Half, where: Rows | None = None) -> Iterator[Doubles]:
        """Directions of rows, block by block."""
        for _, wide in blocks(rows, where):
            yield self.directions(wide)

    def probes(self, directions: Doubles) -> Doubles:
        """What rows less the mean, not stretched, are multiplied with instead, (…, d).

        The product over the row's stretched length is the cosine.
        """
        return directions if self.stretch is None else self.stretch.apply(directions)

    def scores(
        self, rows: Half, inverse_lengths: Doubles, where: Rows, direction: Doubles
    ) -> Floats:
        """Cosines of the rows numbered ``where`` with a direction, (m,) float32.

        Each is summed on its own, in double precision, so that equal rows score equally
        whatever stands beside them. ``inverse_lengths`` are those of all rows, (n,).
        """
        found = np.empty(len(where), dtype=np.float32)
        probe = self.probes(direction)
        dimension = rows.shape[1]
        room = np.empty((min(block_rows(dimension), len(where)), dimension), dtype=np.float64)
        for part, wide in blocks(rows, where):
            apart = self._apart_into(room, wide)
            found[part] = np.vecdot(apart, probe) * inverse_lengths[where[part]]
        return np.clip(found, -1, 1, out=found)

    def pairs(self, rows: Half, inverse_lengths: Doubles, ones: Rows, others: Rows) -> Floats:
        """Cosines of the rows numbered ``ones``, (a,), with ``others``, (b,): (a, b)."""
        found = np.empty((len(ones), len(others)), dtype=np.float32)
        theirs = self._apart(rows[ones])
        for part, wide in blocks(rows, others):
            apart = self._apart(wide)
            products = theirs @ apart.T
            if self.stretch is not None:
                products += self.stretch.gains_of(theirs, apart)
            found[:, part] = products * inverse_lengths[others[part]]
        found *= inverse_lengths[ones, None]
        return np.clip(found, -1, 1, out=found)

    def inverse_lengths(self, rows: Half, where: Rows | None = None) -> Doubles:
        """One over the distance from the mean, stretched, of rows or of those numbered ``where``.

        0 for one that has no direction.
        """
        found = np.empty(len(rows if where is None else where), dtype=np.float64)
        for part, wide in blocks(rows, where):
            apart = self._apart(wide)
            squares = np.einsum("ij,ij->i", apart, apart)
            some = squares > self.nothing**2
            if self.stretch is not None:
                squares += self.stretch.gained(apart)
            found[part] = np.divide(1, np.sqrt(squares), out=np.zeros_like(squares), where=some)
        return found


def _lengths(vectors: Doubles) -> Doubles:
    """(…, d) to (…, 1)."""
    found: Doubles = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return found


def finite(rows: Half, where: Rows | None = None) -> Flags:
    """Which of the rows, or of those numbered ``where``, hold numbers only."""
    found = np.empty(len(rows if where is None else where), dtype=np.bool_)
    for part, wide in blocks(rows, where):
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
