"""The map of a library: how many neighbours it keeps, and what it costs.

    python -m benchmarks.map LIBRARY     neighbours and their labels, on the map and in the space
    python -m benchmarks.map --times     vectors of clip_like: projecting, and placing the rest

Neighbours: trustworthiness (J. Venna and S. Kaski, 2001; scikit-learn) at 15 neighbours, of the
map, of the first two principal components, and of the map's places dealt out at random. Labels: the
share of the 10 nearest with the same modality or region, with 95 % intervals by bootstrap over the
figures; those of the same patient are not left out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from benchmarks.clip_like import ClipLike
from benchmarks.library_argument import library_at
from medclip_search.api import Library
from medclip_search.indexes.map import SAMPLE, build_map
from medclip_search.indexes.vectors.cosine import Cosine

NEIGHBOURS = 15
LABELLED = 10
RESAMPLES = 1000


def neighbours(library: Library) -> None:
    """Print what the map of a library keeps."""
    points = library.map(10_000, fields=["modality", "region"])
    raw = library.vectors(points.space, points.ids).astype(np.float64)
    centred = raw - raw.mean(axis=0)
    directions = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    planes = {
        "the map": points.positions,
        "two components": PCA(2).fit_transform(directions),
        "at random": np.random.default_rng(0).permutation(points.positions),
    }
    print(f"{len(points.ids):,} figures of {points.space}, trustworthiness at {NEIGHBOURS}")
    for name, plane in planes.items():
        print(f"  {name:16} {trustworthiness(directions, plane, n_neighbors=NEIGHBOURS):.3f}")
    for field, (_, labels) in points.fields.items():
        print(f"of the {LABELLED} nearest, those of the same {field}")
        for name, plane in (("in the space", directions), *planes.items()):
            mean, low, high = same_label(plane, labels)
            print(f"  {name:16} {mean:.3f} [{low:.3f}, {high:.3f}]")


def same_label(
    plane: NDArray[np.floating], labels: NDArray[np.int64]
) -> tuple[float, float, float]:
    """The mean share of neighbours with a figure's own label, and its interval."""
    nearest = (
        NearestNeighbors(n_neighbors=LABELLED + 1)
        .fit(plane)
        .kneighbors(plane, return_distance=False)
    )
    known = labels >= 0
    shares = (labels[nearest[:, 1:]] == labels[:, None]).mean(axis=1)[known]
    rng = np.random.default_rng(0)
    means = [shares[rng.integers(0, len(shares), len(shares))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(shares.mean()), float(low), float(high)


def times(more: int) -> None:
    """Print what a map of ``SAMPLE`` costs, and what ``more`` cases beside them do."""
    made = ClipLike(512)
    cosine = Cosine(np.zeros(512, dtype=np.float32))
    for count in (SAMPLE, SAMPLE + more):
        rows = np.concatenate([block for block, _ in made.blocks(count)])
        with tempfile.TemporaryDirectory() as folder:
            began, cpu = time.perf_counter(), time.process_time()
            build_map(
                rows, np.arange(count), Path(folder), space="s", embeddings="e", cosine=cosine
            )
            spent, worked = time.perf_counter() - began, time.process_time() - cpu
        print(f"{count:,} × 512: {spent:.0f} s, of processor {worked:.0f} s")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library", type=library_at, nargs="?")
    parser.add_argument("--times", action="store_true")
    parser.add_argument("--more", type=int, default=50_000)
    given = parser.parse_args()
    if given.library is not None:
        with Library.open(given.library) as library:
            neighbours(library)
    if given.times:
        times(given.more)


if __name__ == "__main__":
    main()
