"""One space's index, opened: the nearest rows to a vector, and exact cosines between cases."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medclip_search.indexes.vectors import exact, faiss_ivf
from medclip_search.indexes.vectors.ahead import Ahead, scattered
from medclip_search.indexes.vectors.cosine import Doubles, Flags
from medclip_search.indexes.vectors.files import (
    INVERSE_LENGTHS,
    IVF,
    KEYS,
    LISTS,
    ROWS,
    Description,
    damaged,
    read_array,
    read_cosine,
    read_description,
)
from medclip_search.indexes.vectors.half import Floats, Half, Rows

Order = NDArray[np.int32]

MATCHING_VALUES = 1 << 23
"""Matching rows × dimension up to which a filtered search scores them all, exactly: 16,384 × 512
take 3 ms, against 1 ms by FAISS (``python -m benchmarks.vector_index --thresholds``). Not more,
because they lie scattered over a file that may not be in memory."""

_COUNTED = 1 << 17
"""Of matching rows, so many or a few more tell how they lie in the lists."""

SAMPLED = 1024
"""So many rows tell the mean cosine of a query."""


class VectorIndex:
    """The index that ``build_vector_index`` wrote into a folder; safe for several threads.

    Both engines give exact cosines of the raw float16 rows; FAISS may miss a near row, seldom.
    Where FAISS cannot be imported, every search is an exact scan. Keys are case keys.
    """

    def __init__(self, folder: Path, rows: Half, description: Description) -> None:
        count, dimension = description.rows, description.dimension
        if rows.shape != (count, dimension) or rows.dtype != np.float16:
            raise damaged(
                folder, f"it is of {count} × {dimension} rows, and the embeddings are {rows.shape}"
            )
        self._rows = np.asarray(rows)
        self._description = description
        self._cosine = read_cosine(folder, description)
        self._inverse_lengths = read_array(folder, INVERSE_LENGTHS, count)
        self._keys = read_array(folder, KEYS, count)
        self._row_of_key = read_array(folder, ROWS)
        self._ahead = Ahead()
        self._ivf: _Ivf | None = None
        if description.engine == "faiss" and faiss_ivf.present():
            self._ivf = _Ivf(folder, description, self._keys)
            scattered(self._rows)  # which no search reads from end to end

    @classmethod
    def open(cls, folder: Path, rows: NDArray[np.float16]) -> Self:
        """Open an index over exactly the rows that it was built from.

        Reads a few kilobytes (and FAISS's centres); the rest is mapped now and read when needed,
        so that the index stays whatever becomes of its files. Raises ``LibraryDamagedError``.
        """
        return cls(folder, rows, read_description(folder))

    @property
    def size(self) -> int:
        """How many live rows there are."""
        return self._description.live

    def describe(self) -> dict[str, Any]:
        """What the index is (plain JSON)."""
        found = self._description
        using_faiss = self._ivf is not None
        about: dict[str, Any] = {
            "engine": "faiss" if using_faiss else "exact",
            "live": found.live,
            "rows": found.rows,
            "dimension": found.dimension,
            "centred": found.centred,
        }
        if found.axes:
            about |= {"stretched_along": found.axes, "taught_by_captions": found.taught}
        if found.engine == "faiss":
            about |= {
                "kind": f"RR{found.dimension},IVF{found.lists},RaBitQ",
                "lists": found.lists,
                "probes": min(found.probes or faiss_ivf.PROBES, found.lists),
            }
            if found.recall:
                about["recall@10"] = round(found.recall, 4)
        if found.engine == "faiss" and not using_faiss:
            about["note"] = "FAISS cannot be imported; every search scans all rows"
        return about

    def search(
        self,
        vector: ArrayLike,
        k: int,
        allowed: Flags | None = None,
        order: Order | None = None,
    ) -> tuple[Rows, Floats]:
        """The ``k`` best cases: keys, (m,) int64, and exact cosines, (m,) float32, best first.

        ``vector`` is raw encoder output, (d,). ``allowed`` says by case key which may be found,
        and must reach to the greatest key; ``m`` is ``k`` or the number that match. Equal
        scores go by ``order[key]``, the rank of the case's id, or else by key. A vector without
        a direction scores 0 with everything; one that is not finite finds nothing.
        """
        query = self._query(vector)
        if query is None or self.size == 0 or k < 1:
            return _nothing()
        mask = None
        if allowed is not None:
            mask = np.take(allowed, self._keys, mode="clip")  # half the time of indexing
            mask &= self._keys >= 0
        where = None if mask is None else np.flatnonzero(mask)
        matching = self.size if where is None else len(where)
        if matching == 0:
            return _nothing()
        direction = self._cosine.directions(query)
        if not direction.any():
            found = self._keys[self._keys >= 0] if where is None else self._keys[where]
            return _best(found, np.zeros(len(found), dtype=np.float32), k, order)
        proposed = self._propose(query, k, mask, where, matching)
        scanned = where if proposed is None else proposed
        with nullcontext() if scanned is None else self._reading(scanned):
            candidates = exact.nearest(
                self._rows, self._inverse_lengths, self._cosine, direction, k, scanned
            )
            scores = self._scores(candidates, direction)
        return _best(self._keys[candidates], scores, k, order)

    def score(self, vector: ArrayLike, keys: ArrayLike) -> Floats:
        """Exact cosines of cases with a vector, (m,) float32; NaN where a case has no row."""
        rows = self._rows_of(keys)
        found = np.full(len(rows), np.nan, dtype=np.float32)
        query = self._query(vector)
        if query is not None:
            known = rows >= 0
            direction = self._cosine.directions(query)
            with self._reading(rows[known]):
                found[known] = self._scores(rows[known], direction)
        return found

    def typical(self, vector: ArrayLike) -> float:
        """The mean cosine of a vector with the rows: what likeness says nothing.

        0 in a centred space; elsewhere over up to ``SAMPLED`` rows, spread evenly.
        """
        query = self._query(vector)
        if query is None or self._description.centred:
            return 0.0
        return float(self._cosine.directions(query) @ self._mean_direction)

    @cached_property
    def _mean_direction(self) -> Doubles:
        live = np.flatnonzero(self._keys >= 0)
        some = live[:: max(1, -(-len(live) // SAMPLED))]
        with self._reading(some):
            total = sum(
                (block.sum(axis=0) for block in self._cosine.row_directions(self._rows, some)),
                np.zeros(self._description.dimension),
            )
        return np.asarray(total / max(1, len(some)))

    def pairwise(self, keys_a: ArrayLike, keys_b: ArrayLike) -> Floats:
        """Exact cosines between cases, (a, b) float32; NaN where a case has no row."""
        a, b = self._rows_of(keys_a), self._rows_of(keys_b)
        found = np.full((len(a), len(b)), np.nan, dtype=np.float32)
        rows, columns = np.flatnonzero(a >= 0), np.flatnonzero(b >= 0)
        found[np.ix_(rows, columns)] = self._cosine.pairs(
            self._rows, self._inverse_lengths, a[rows], b[columns]
        )
        return found

    def vector(self, key: int) -> Floats | None:
        """The raw row of a case, (d,) float32, such as ``search`` takes."""
        (row,) = self._rows_of([key])
        return self._rows[row].astype(np.float32) if row >= 0 else None

    def _reading(self, rows: Rows) -> AbstractContextManager[None]:
        return self._ahead.reading(rows, self._rows, self._inverse_lengths)

    def _scores(self, rows: Rows, direction: Doubles) -> Floats:
        return self._cosine.scores(self._rows, self._inverse_lengths, rows, direction)

    def _rows_of(self, keys: ArrayLike) -> Rows:
        wanted = np.asarray(keys, dtype=np.int64).reshape(-1)
        known = (wanted >= 0) & (wanted < len(self._row_of_key))
        found = np.full(len(wanted), -1, dtype=np.int64)
        found[known] = self._row_of_key[wanted[known]]
        return found

    def _query(self, vector: ArrayLike) -> Doubles | None:
        query = np.asarray(vector, dtype=np.float64)
        if query.shape != (self._description.dimension,):
            raise ValueError(
                f"a vector of space {self._description.space} has "
                f"{self._description.dimension} numbers, not shape {query.shape}"
            )
        return query if np.isfinite(query).all() else None

    def _propose(
        self, query: Doubles, k: int, mask: Flags | None, where: Rows | None, matching: int
    ) -> Rows | None:
        """Rows that FAISS holds for the best; ``None`` where all should be scored instead."""
        few = mask is not None and matching * self._description.dimension <= MATCHING_VALUES
        count = faiss_ivf.proposed(k, filtered=mask is not None)
        ivf = self._ivf
        if few or count >= matching or ivf is None:
            return None
        per_list = None
        if where is not None:
            step = max(1, len(where) // _COUNTED)
            per_list = np.bincount(ivf.list_of_row[where[::step]], minlength=ivf.index.lists) * step
        else:
            mask = ivf.live
        direction = ivf.coded.directions(query).astype(np.float32)
        found = ivf.index.propose(direction, count, mask, per_list, self.size)
        return np.sort(found) if len(found) >= k else None


class _Ivf:
    """The FAISS part, and what is needed to ask it."""

    def __init__(self, folder: Path, description: Description, keys: Rows) -> None:
        try:
            self.index = faiss_ivf.IvfIndex.read(
                folder / IVF, mapped=True, probes=description.probes
            )
        except RuntimeError as error:
            raise damaged(folder / IVF, error) from error
        self.coded = read_cosine(folder, description, coded=True)
        self.list_of_row = read_array(folder, LISTS, description.rows)
        self._keys = keys

    @cached_property
    def live(self) -> Flags | None:
        """The live rows, (n,); ``None`` where the lists hold no others."""
        live: Flags = self._keys >= 0
        return live if np.any((self.list_of_row >= 0) & ~live) else None


def _best(keys: Rows, scores: Floats, k: int, order: Order | None) -> tuple[Rows, Floats]:
    ties = keys if order is None else order[keys]
    best = np.lexsort((ties, -scores))[:k]
    return keys[best], scores[best]


def _nothing() -> tuple[Rows, Floats]:
    return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
