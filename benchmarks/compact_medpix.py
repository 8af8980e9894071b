"""How well `compact` finds like images: P@10 on MedPix by modality, region and plane.

    python -m benchmarks.compact_medpix

Encodes the 1,850 images, subtracts their mean, ranks by cosine, and leaves out each query's own
case; see ``benchmarks/medpix.py`` for the judgement. Exits 1 where a figure is below its least.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.medpix import Figure, data_folder, depth, precision, read_figures, report
from medclip_search import encoders
from medclip_search.encoders import Encoder
from medclip_search.images import read_image


def encode(encoder: Encoder, figures: list[Figure]) -> NDArray[np.float32]:
    """Raw vectors of all images, (n, 1280), read, preprocessed and encoded in one thread."""
    vectors = []
    for start in range(0, len(figures), encoder.batch_size):
        part = figures[start : start + encoder.batch_size]
        pixels = np.stack([encoder.preprocess(read_image(figure.image)) for figure in part])
        vectors.append(encoder.encode_images(pixels)[encoder.spaces[0].name])
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


def main() -> None:
    """Encode, rank, judge."""
    figures = read_figures(data_folder())
    encoder = encoders.load("compact")
    started = time.perf_counter()
    vectors = encode(encoder, figures)
    seconds = time.perf_counter() - started
    print(f"{len(figures)} images, {len(figures) / seconds:.0f} images/s from file to vector")
    sys.exit(0 if report(precision(figures, rank(figures, vectors))) else 1)


if __name__ == "__main__":
    main()
