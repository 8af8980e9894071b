"""What the tests of the vector index share: seeded rows, building, and a brute-force oracle."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medclip_search.encoders.base import Space
from medclip_search.indexes.vectors import Engine, VectorIndex, build_vector_index

Half = NDArray[np.float16]
Keys = NDArray[np.int64]
Flags = NDArray[np.bool_]


def clustered(count: int, dimension: int, seed: int = 0) -> Half:
    """Rows in uneven clusters, some dimensions loud, all far from the origin."""
    rng = np.random.default_rng(seed)
    loudness = np.arange(1, dimension + 1) ** -0.5
    centres = np.random.default_rng(99).standard_normal((40, dimension))
    cluster = np.minimum(rng.geometric(0.08, size=count), 40) - 1
    noise = rng.standard_normal((count, dimension))
    rows: Half = (0.5 + loudness * (centres[cluster] + 0.8 * noise)).astype(np.float16)
    return rows


def space(rows: Half, centred: bool) -> Space:
    return Space("synthetic", rows.shape[1], centred=centred)


def build(
    folder: Path,
    rows: Half,
    keys: Keys | None = None,
    *,
    engine: Engine = "exact",
    centred: bool = True,
    previous: Path | None = None,
    captions: Iterable[tuple[int, str]] = (),
) -> VectorIndex:
    folder.mkdir(parents=True)
    keys = np.arange(len(rows), dtype=np.int64) if keys is None else keys
    build_vector_index(
        rows,
        keys,
        folder,
        space=space(rows, centred),
        previous=previous,
        engine=engine,
        captions=captions,
    )
    return VectorIndex.open(folder, rows)


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(lengths > 1e-9, vectors / np.where(lengths > 1e-9, lengths, 1), 0)


def oracle(
    rows: Half,
    keys: Keys,
    query: NDArray[np.float32],
    k: int,
    allowed: Flags | None = None,
    *,
    centred: bool = True,
) -> tuple[list[int], NDArray[np.float64]]:
    """Keys and cosines of the best ``k``, in double precision from the same rows."""
    live = np.flatnonzero((keys >= 0) & np.isfinite(rows.astype(np.float64)).all(axis=1))
    kept = rows[live].astype(np.float64)
    mean = kept.mean(axis=0) if centred and len(live) else np.zeros(rows.shape[1])
    scores = unit(kept - mean) @ unit(query.astype(np.float64) - mean)
    found = [
        (-float(score), int(key))
        for score, key in zip(scores, keys[live], strict=True)
        if allowed is None or allowed[key]
    ]
    found.sort()
    return [key for _, key in found[:k]], np.array([-score for score, _ in found[:k]])


def recall(found: Keys, truth: list[int]) -> float:
    return len(set(found.tolist()) & set(truth)) / len(truth)
