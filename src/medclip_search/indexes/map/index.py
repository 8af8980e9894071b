"""A map, opened: where cases stand, and which stand in an area."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medclip_search.indexes.map.files import (
    KEYS,
    POSITIONS,
    Description,
    read_array,
    read_description,
)

Area: TypeAlias = tuple[float, float, float, float]
"""A rectangle of the map: x, y, width, height, from its upper left corner, as of an image."""

Floats = NDArray[np.float32]
Keys = NDArray[np.int64]
Mask = NDArray[np.bool_]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hash, by the golden ratio


class MapIndex:
    """The map that ``build_map`` wrote into a folder; immutable, safe for several threads."""

    def __init__(self, folder: Path, description: Description) -> None:
        self.space = description.space
        self._description = description
        self._positions = read_array(folder, POSITIONS, description.rows, 2)
        self._keys = read_array(folder, KEYS, description.rows)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open it; the arrays are mapped. Raises ``LibraryDamagedError``."""
        return cls(folder, read_description(folder))

    def __len__(self) -> int:
        """How many cases stand on it."""
        return self._description.live

    def describe(self) -> dict[str, Any]:
        """What the map is (plain JSON)."""
        found = self._description
        return {"space": found.space, "cases": found.live, "projected": found.sampled}

    def positions(self, keys: ArrayLike) -> Floats:
        """Where cases stand, (m, 2) float32; NaN for one that is not on the map."""
        wanted = np.asarray(keys, dtype=np.int64).reshape(-1)
        rows = np.full(len(wanted), -1, dtype=np.int64)
        known = (wanted >= 0) & (wanted < len(self._row_of_key))
        rows[known] = self._row_of_key[wanted[known]]
        found = np.full((len(wanted), 2), np.nan, dtype=np.float32)
        found[rows >= 0] = self._positions[rows[rows >= 0]]
        return found

    def within(self, area: Area, size: int) -> Mask:
        """The cases that stand in an area, its bounds included, (size,) bool by case key."""
        x, y, width, height = area
        low, high = np.array([x, y]), np.array([x + width, y + height])
        inside = (self._keys >= 0) & ((self._positions >= low) & (self._positions <= high)).all(1)
        found = np.zeros(size, dtype=np.bool_)
        found[self._keys[inside]] = True
        return found

    def some(self, most: int | None = None, allowed: Mask | None = None) -> Keys:
        """Keys of cases on the map, ascending: all (of those allowed), or ``most`` of them.

        Which ones does not depend on the others: more of the same library show the same again.
        """
        keys = self._keys[self._keys >= 0]
        if allowed is not None:
            keys = keys[np.asarray(allowed)[keys]]
        if most is not None and len(keys) > most:
            hashed = keys.astype(np.uint64) * _SPREAD  # modulo 2⁶⁴
            keys = keys[np.argpartition(hashed, most)[:most]]
        return np.sort(keys)

    @cached_property
    def _row_of_key(self) -> NDArray[np.int32]:
        live = np.flatnonzero(self._keys >= 0)
        found = np.full(int(self._keys.max(initial=-1)) + 1, -1, dtype=np.int32)
        found[self._keys[live]] = live
        return found
