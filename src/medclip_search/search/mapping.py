"""The map as it is read: which figures stand where, and where a query stands among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from medclip_search.encoders.base import Floats
from medclip_search.errors import QueryError
from medclip_search.indexes.map.projecting import NEIGHBOURS
from medclip_search.search import filters
from medclip_search.search.areas import no_map
from medclip_search.search.encoding import encoded
from medclip_search.search.facets import MOST_VALUES
from medclip_search.search.query import Query
from medclip_search.search.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Points:
    """Figures on the map of ``space``: their ids, and ``positions`` (n, 2) from 0 to 1.

    ``cases`` stand on it in all (that pass the filters, where there are any). ``fields`` tells for
    each field that was asked for its values, the most frequent first, and for each point which of
    them it has, -1 for none or a rarer one than the ``MOST_VALUES``.
    """

    space: str
    cases: int
    ids: tuple[str, ...]
    positions: NDArray[np.float32]
    fields: Mapping[str, tuple[tuple[str, ...], NDArray[np.int64]]]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a part of a query stands: ``words``, ``image`` or ``vector``, the ``at``-th from 0."""

    part: str
    at: int
    x: float
    y: float


def points(
    generation: Snapshot,
    most: int | None = None,
    where: Sequence[str] = (),
    fields: Sequence[str] = (),
) -> Points:
    """All figures on the map that pass the filters, or ``most`` of them, as if at random.

    Raises ``QueryError`` where there is no map, and ``FilterError``.
    """
    index = generation.map
    if index is None:
        raise QueryError(f"map: {no_map(generation)}")
    if most is not None and (isinstance(most, bool) or most < 1):
        raise QueryError(f"map: {most}: how many must be a whole number of at least 1")
    columns = generation.columns
    stored = {name: filters.stored_field(name, columns) for name in fields}
    for name, one in stored.items():
        if columns.several(one):
            raise QueryError(f"map: {name}: a case may have several; choose another field")
    parsed = [filters.parse_filter(one, columns.fields()) for one in where]
    allowed = filters.mask(parsed, columns) if parsed else None
    keys = index.some(most, allowed)
    every = len(index) if allowed is None else len(index.some(None, allowed))
    told: dict[str, tuple[tuple[str, ...], NDArray[np.int64]]] = {}
    for name, one in stored.items():
        values = [str(value) for value in columns.counts(one, keys, MOST_VALUES)]
        rank = {value: at for at, value in enumerate(values)}
        codes = columns.codes(one)[keys].astype(np.int64)
        ranks = np.full(len(keys), -1, dtype=np.int64)
        for code in np.unique(codes[codes >= 0]).tolist():
            ranks[codes == code] = rank.get(str(columns.decode(one, code)), -1)
        told[name] = (tuple(values), ranks)
    ids = generation.ids_of(keys.tolist())
    return Points(
        index.space, every, tuple(ids[key] for key in keys.tolist()), index.positions(keys), told
    )


def places(generation: Snapshot, keys: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Where cases stand on the map, in fractions of it; those that do not are left out."""
    if generation.map is None:
        return {}
    found = generation.map.positions(keys).astype(np.float64)
    told = zip(keys, found.tolist(), strict=True)
    return {key: (x, y) for key, (x, y) in told if not np.isnan(x)}


def place(generation: Snapshot, query: Query) -> tuple[tuple[Placed, ...], tuple[str, ...]]:
    """Where the words, images and vectors of a query stand on the map, and notes on those left out.

    Each stands at the median of the places of the figures nearest to it. Raises ``QueryError``
    where there is no map, ``ImageError`` and ``EncoderError``.
    """
    index = generation.map
    if index is None:
        raise QueryError(f"map: {no_map(generation)}")
    notes: list[str] = []
    space = generation.spaces[index.space]
    asked = encoded(generation, query, notes)
    parts: list[tuple[str, int, Floats]] = [
        (part, at, vectors[space.name])
        for part, several in (("words", asked.words), ("image", asked.images))
        for at, vectors in enumerate(several)
        if space.name in vectors
    ]
    if query.space == space.name or (query.vector and len(generation.spaces) == 1):
        parts += [
            ("vector", at, one) for at, one in enumerate(cast("tuple[Floats, ...]", query.vector))
        ]
    if query.text and not space.embeds_words:
        notes.append(f"Words have no place on the map: {space.name} reads pictures only.")
    found: list[Placed] = []
    for part, at, vector in parts:
        if vector.shape != (space.dimension,):
            raise QueryError(
                f"vector: it has {len(vector)} numbers, and {space.name} takes {space.dimension}"
            )
        nearest, _ = generation.vectors[space.name].search(vector, NEIGHBOURS)
        x, y = np.median(index.positions(nearest), axis=0).tolist()
        found.append(Placed(part, at, x, y))
    return tuple(found), tuple(notes)
