"""MedPix cross-fitted: images ask a library that their own fold of cases was removed from.

The captions of a library teach its likeness of pictures, and pseudo-feedback learns from them: of
neither may a query's own case be part. Cases are dealt into five folds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.compact_medpix import folds_of
from benchmarks.medpix import Figure
from medclip_search import Library, remove


def crossfit(
    library: Path, figures: Sequence[Figure], scratch: Path
) -> Iterator[tuple[list[Figure], list[Figure], Library]]:
    """For each fold its figures, the others, and a library of the others alone."""
    folds = folds_of(list(figures))
    for fold in sorted(set(folds.tolist())):
        asking = [one for one, own in zip(figures, folds, strict=True) if own == fold]
        others = [one for one, own in zip(figures, folds, strict=True) if own != fold]
        path = scratch / f"fold-{fold}"
        shutil.copytree(library, path)
        remove(path, ids=[one.id for one in asking])
        with Library.open(path) as opened:
            yield asking, others, opened
        shutil.rmtree(path)
