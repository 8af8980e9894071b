"""How well `compact` finds like images: P@10 on MedPix by modality, region and plane.

    python -m benchmarks.compact_medpix

Encodes the 1,850 images, indexes them and asks with each, its own case left out of the answers;
see ``benchmarks/medpix.py`` for the judgement. Three systems, each beside the one before:

- the network's features averaged at 224 px,
- generalised means at 288 px, as ``compact`` makes them,
- the same, stretched along what the captions tell. Cases are dealt into five folds, and the images
  of a fold ask an index that was taught by the captions of the other four alone.

Differences are paired by query, their intervals drawn by case. Exits 1 where a figure is below its
least.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.medpix import MEASURE, Figure, data_folder, depth, precision, read_figures, report
from medclip_search.encoders import Encoder
from medclip_search.encoders.compact import FIRST, NOW, SPACE, CompactEncoder
from medclip_search.evaluation import Scores, difference
from medclip_search.images import read_image
from medclip_search.indexes.vectors import VectorIndex, build_vector_index

FOLDS = 5


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


def captions_of(figures: list[Figure], folder: Path) -> list[str]:
    """MedPix's caption of each image, "" where it has none."""
    found = {}
    for split in ("train", "dev"):
        with (folder / f"descriptions_{split}.jsonl").open(encoding="utf-8") as lines:
            for entry in map(json.loads, lines):
                found[entry["image"]] = entry["Description"]["Caption"] or ""
    return [found[figure.id] for figure in figures]


def folds_of(figures: list[Figure]) -> NDArray[np.int64]:
    """The fold of each figure, (n,): that of its case, dealt at random by a fixed seed."""
    cases = sorted({figure.case for figure in figures})
    dealt = np.random.default_rng(0).permutation(len(cases)) % FOLDS
    fold = dict(zip(cases, dealt.tolist(), strict=True))
    return np.array([fold[figure.case] for figure in figures])


def rank(
    figures: list[Figure], vectors: NDArray[np.float32], captions: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Ids by falling likeness, for each figure as a query, from the library's own index.

    ``captions`` teach it; those of the query's own fold are left out.
    """
    rows = vectors.astype(np.float16)
    keys = np.arange(len(rows), dtype=np.int64)
    folds = folds_of(figures) if captions else np.zeros(len(rows), dtype=np.int64)
    answers = {}
    for fold in np.unique(folds):
        taught = [(at, one) for at, one in enumerate(captions) if folds[at] != fold]
        with tempfile.TemporaryDirectory() as scratch:
            build_vector_index(rows, keys, Path(scratch), space=SPACE, captions=taught)
            index = VectorIndex.open(Path(scratch), rows)
            for at in np.flatnonzero(folds == fold).tolist():
                found, _ = index.search(vectors[at], depth(figures))
                answers[figures[at].id] = [figures[key].id for key in found.tolist()]
    return answers


def report_change(ours: Mapping[str, Scores], theirs: Mapping[str, Scores]) -> None:
    """Print one line a label: the paired difference."""
    for label, scores in ours.items():
        print(f"     {label:18} {difference(scores, theirs[label], MEASURE)}")


def main() -> None:
    """Encode, index, ask, judge."""
    folder = data_folder()
    figures = read_figures(folder)
    print("averaged at 224 px")
    first = precision(figures, rank(figures, encode(CompactEncoder(version=FIRST), figures)))
    report(first, least={})
    print("generalised means at 288 px")
    vectors = encode(CompactEncoder(version=NOW), figures)
    plain = precision(figures, rank(figures, vectors))
    report(plain, least={})
    print("less the former")
    report_change(plain, first)
    print("stretched along what captions tell (those of other folds)")
    now = precision(figures, rank(figures, vectors, captions_of(figures, folder)))
    good = report(now)
    print("less the former")
    report_change(now, plain)
    print("less the first")
    report_change(now, first)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
