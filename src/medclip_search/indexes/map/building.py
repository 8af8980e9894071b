"""Build the map of one space, or bring the previous generation's up to date."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medclip_search.errors import LibraryDamagedError
from medclip_search.indexes.map.files import (
    ANCHOR_PLACES,
    ANCHORS,
    AXES,
    COMPONENTS,
    GAINS,
    KEYS,
    MEAN,
    POSITIONS,
    Description,
    read_array,
    read_description,
    write_description,
)
from medclip_search.indexes.map.projecting import components, place_beside, project
from medclip_search.indexes.vectors.cosine import Cosine
from medclip_search.indexes.vectors.stretch import Stretch
from medclip_search.progress import SILENT, Progress

LEAST = 20
"""Fewer cases are seen at a glance, and say nothing of what is near what."""
SAMPLE = 10_000
"""So many are projected at most, chosen as if at random; the others stand beside them."""

_CHANGED = 0.2
"""A map is projected anew when more than this share of its cases came or went since. Until then
what is known stays where it was: a map that moves with every build cannot be learnt."""
_BLOCK = 4096
_SEED = 0

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def build_map(
    rows: NDArray[np.float16],
    keys: Rows,
    folder: Path,
    *,
    space: str,
    embeddings: str,
    cosine: Cosine,
    previous: Path | None = None,
    sample: int = SAMPLE,
    progress: Progress = SILENT,
) -> None:
    """Write the map of ``rows`` into the existing, empty ``folder``.

    ``rows`` are raw, (n, d); ``keys`` (n,) the case key of each, -1 for one without; ``cosine``
    makes directions of them. ``embeddings`` names the file that they lie in: rows of a file do
    not change, so that ``previous``, a map of the same file when it was shorter, is gone on with.
    Without it, the same arguments give the same bytes on one machine.

    Memory: 28 bytes a row, and the sample's directions (d × 4 bytes each).
    """
    live = np.flatnonzero(keys >= 0)
    positions = np.full((len(rows), 2), np.nan, dtype=np.float32)
    kept = None if previous is None else _still_good(previous, space, embeddings, keys)
    if previous is not None and kept is not None:
        old = read_array(previous, POSITIONS, kept.rows, 2)
        positions[: kept.rows] = old
        cosine = _read_cosine(previous, kept)
        axes = read_array(previous, COMPONENTS)
        anchors = read_array(previous, ANCHORS, kept.sampled, axes.shape[1])
        places = read_array(previous, ANCHOR_PLACES, kept.sampled, 2)
        description = replace(kept, rows=len(rows), live=len(live))
    else:
        chosen = _sample(live, sample)
        with progress("map", None, "case"):
            directions = np.concatenate(
                [block.astype(np.float32) for block in cosine.row_directions(rows, chosen)]
            )
            axes = components(directions)
            anchors = directions @ axes
            del directions
            places = project(anchors)
        positions[chosen] = places
        description = Description(
            space=space,
            embeddings=embeddings,
            rows=len(rows),
            live=len(live),
            sampled=len(chosen),
            projected_rows=len(rows),
            projected_live=len(live),
            stretched=cosine.stretch is not None,
        )
    _place(
        rows, live[np.isnan(positions[live, 0])], cosine, axes, anchors, places, positions, progress
    )
    np.save(folder / POSITIONS, positions)
    np.save(folder / KEYS, np.asarray(keys, dtype=np.int64))
    np.save(folder / COMPONENTS, axes)
    np.save(folder / ANCHORS, anchors)
    np.save(folder / ANCHOR_PLACES, places)
    np.save(folder / MEAN, cosine.mean)
    if cosine.stretch is not None:
        np.save(folder / AXES, cosine.stretch.axes)
        np.save(folder / GAINS, cosine.stretch.gains)
    write_description(folder, description)


def is_of(folder: Path, space: str, embeddings: str, keys: Rows) -> bool:
    """Whether a map is one of just these rows, so that it can be shared as it is."""
    try:
        known = read_description(folder)
        return (known.space, known.embeddings, known.rows) == (
            space,
            embeddings,
            len(keys),
        ) and np.array_equal(read_array(folder, KEYS, known.rows), keys)
    except LibraryDamagedError:
        return False


def _still_good(folder: Path, space: str, embeddings: str, keys: Rows) -> Description | None:
    """The previous map's description where it may be gone on with, else ``None``."""
    try:
        known = read_description(folder)
    except LibraryDamagedError:
        return None
    if (known.space, known.embeddings) != (space, embeddings) or known.rows > len(keys):
        return None
    there = np.flatnonzero(keys >= 0) < known.projected_rows
    stayed = int(np.count_nonzero(there))
    changed = len(there) - stayed + known.projected_live - stayed
    return known if changed <= _CHANGED * known.projected_live else None


def _sample(live: Rows, size: int) -> Rows:
    if len(live) <= size:
        return live
    chosen = np.random.default_rng(_SEED).choice(len(live), size, replace=False)
    return live[np.sort(chosen)]


def _place(
    rows: NDArray[np.float16],
    where: Rows,
    cosine: Cosine,
    axes: Floats,
    anchors: Floats,
    places: Floats,
    positions: Floats,
    progress: Progress,
) -> None:
    """Place the rows numbered ``where`` beside the anchors, into ``positions``."""
    if not len(where):
        return
    with progress("places on the map", len(where), "case") as advance:
        for start in range(0, len(where), _BLOCK):
            some = where[start : start + _BLOCK]
            blocks = [
                block.astype(np.float32) @ axes for block in cosine.row_directions(rows, some)
            ]
            positions[some] = place_beside(anchors, places, np.concatenate(blocks))
            advance(len(some))


def _read_cosine(folder: Path, description: Description) -> Cosine:
    stretch = None
    if description.stretched:
        stretch = Stretch(read_array(folder, AXES), read_array(folder, GAINS))
    return Cosine(read_array(folder, MEAN), stretch)
