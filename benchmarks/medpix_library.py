"""MedPix through a library: the same judgement of image search, and captions as known items.

    python -m benchmarks.medpix_library [--library DIR]

Builds a library from the two published tables with ``compact`` (kept and reused with
``--library``), asks it with each of the 1,850 images, and gives back every distinct caption as a
query in words: the first answer must bear that caption. See ``benchmarks/medpix.py`` for what
counts as relevant. Exits 1 where a figure is below its least or a caption is not found.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.medpix import data_folder, depth, precision, read_figures, report
from medclip_search import Library, Query
from medclip_search.corpora import CorpusSpec
from medclip_search.images import THUMBNAIL_SIDE
from medclip_search.library.build import build

_COLUMNS = {"image": "image", "caption": "Description.Caption", "id": "image"}


def build_medpix(library: Path, data: Path) -> None:
    """Build or bring up to date, from both tables."""
    specs = [
        CorpusSpec("table", data / f"descriptions_{split}.jsonl", split, _COLUMNS, data / "images")
        for split in ("train", "dev")
    ]
    started = time.perf_counter()
    summary = build(library, specs)
    seconds = time.perf_counter() - started
    print(f"{summary.cases} cases, {summary.images} images, {summary.embedded} embedded now")
    for reason, count in summary.skipped.most_common():
        print(f"  skipped {count}: {reason}")
    if summary.embedded:
        print(f"  {summary.embedded / seconds:.0f} images/s from files to a published library")


def by_image(library: Library, data: Path) -> bool:
    """P@10 with each image as the query, same case left out."""
    figures = read_figures(data)
    answers, taken = {}, []
    for figure in figures:
        hits = library.search(Query(image=figure.image), k=depth(figures))
        answers[figure.id] = [hit.id for hit in hits]
        taken.append(hits.milliseconds)
    kept = [len(library.thumbnail(figure.id) or b"") for figure in figures]
    print(f"thumbnails of {THUMBNAIL_SIDE} pixels: {statistics.mean(kept):,.0f} bytes each")
    good = report(precision(figures, answers))
    print(f"p50 {statistics.median(taken):.1f} ms a query, decoding and encoding included")
    return good


def by_caption(library: Library, data: Path) -> bool:
    """Every caption, given back, finds a case with that caption first."""
    captions = sorted(
        {case.caption for f in read_figures(data) if (case := library.case(f.id)).caption}
    )
    lost, taken = [], []
    for caption in captions:
        hits = library.search(Query(text=caption), k=1)
        taken.append(hits.milliseconds)
        if not hits or hits[0].case.caption != caption:
            lost.append(caption)
    print(f"{len(captions)} distinct captions given back: {len(lost)} not found first")
    for caption in lost[:10]:
        print(f"  {caption[:100]!r}")
    print(f"p50 {statistics.median(taken):.1f} ms a query")
    return not lost


def main() -> None:
    """Build, ask, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, help="where to build it; kept")
    arguments = parser.parse_args()
    data = data_folder()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.library or Path(folder) / "medpix"
        build_medpix(path, data)
        with Library.open(path) as library:
            good = [by_image(library, data), by_caption(library, data)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
