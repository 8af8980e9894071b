"""How well `compact` finds like images: P@10 on MedPix by modality, region and plane.

    python -m benchmarks.compact_medpix

Encodes the 1,850 images, subtracts their mean, ranks by cosine, and leaves out each query's own
case; see ``benchmarks/medpix.py`` for the judgement. The baseline in the same run is the same
network with its features averaged at 224 px, and differences are paired by query, their intervals
drawn by case. Exits 1 where a figure is below its least.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.medpix import MEASURE, Figure, data_folder, depth, precision, read_figures, report
from medclip_search.encoders import Encoder
from medclip_search.encoders.compact import FIRST, NOW, CompactEncoder
from medclip_search.evaluation import Scores, difference
from medclip_search.images import read_image


def encode(encoder: Encoder, figures: list[Figure]) -> NDArray[np.float32]:
    """Raw vectors of all images, (n, 1280), read, preprocessed and encoded in one thread."""
    vectors = []
    started = time.perf_counter()
    for start in range(0, len(figures), encoder.batch_size):
        part = figures[start : start + encoder.batch_size]
        pixels = np.stack([encoder.preprocess(read_image(figure.image)) for figure in part])
        vectors.append(encoder.encode_images(pixels)[encoder.spaces[0].name])
    seconds = time.perf_counter() - started
    print(f"{len(figures)} images, {len(figures) / seconds:.0f} images/s from file to vector")
    return np.concatenate(vectors)


def rank(figures: list[Figure], vectors: NDArray[np.float32]) -> dict[str, list[str]]:
    """Ids by falling cosine of the centred vectors, for each figure as a query."""
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    order = np.argsort(-(centred @ centred.T), axis=1, kind="stable")[:, : depth(figures)]
    return {
        figure.id: [figures[place].id for place in places]
        for figure, places in zip(figures, order, strict=True)
    }


def report_change(ours: Mapping[str, Scores], theirs: Mapping[str, Scores]) -> None:
    """Print one line a label: the paired difference."""
    for label, scores in ours.items():
        print(f"     {label:18} {difference(scores, theirs[label], MEASURE)}")


def main() -> None:
    """Encode, rank, judge."""
    figures = read_figures(data_folder())
    print("averaged at 224 px")
    first = precision(figures, rank(figures, encode(CompactEncoder(version=FIRST), figures)))
    report(first, least={})
    print("compact: generalised means at 288 px")
    now = precision(figures, rank(figures, encode(CompactEncoder(version=NOW), figures)))
    good = report(now)
    print("difference")
    report_change(now, first)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
