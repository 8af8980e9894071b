"""What an image of MedPix is called, told by its neighbours' captions: `Library.suggest`.

    python -m benchmarks.medpix_called [--library DIR]

Each image asks by its vector for eight phrases a library that its own fold of cases was removed
from (`benchmarks/medpix_folds.py`).
Judged by the words of its case's title and diagnosis, which are not in the library, and by those
of its own caption, which is left out. A phrase is right where all its words are there (stemmed;
words about figures and patients aside); the case is touched where any phrase has a word of its
title or diagnosis. The region is told by the weightiest word at least 60 % of whose captions, of 5
or more in the library, are of one `Location Category`; right where that is the image's. Beside it:
the eight most frequent words of all captions, and of the same neighbours'. Intervals draw whole
cases.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.medpix import Figure, data_folder, read_figures
from benchmarks.medpix_composed import Vectors, embed
from benchmarks.medpix_folds import crossfit
from benchmarks.medpix_library import build_medpix
from medclip_search import Library, Query
from medclip_search.evaluation.intervals import bootstrap
from medclip_search.indexes.text.analyser import terms
from medclip_search.search.suggest import NEIGHBOURS, phrases

PHRASES = 8
LEAST_CAPTIONS = 5
OF_ONE_REGION = 0.6

Stems = tuple[str, ...]
Call = Callable[[Figure], Sequence[Stems]]


Row = tuple[float, float, float, float]
MEASURES = ("phrases right", "title or diagnosis touched", "a region told", "the right region told")


def content(text: str) -> set[str]:
    """The stems of a text's words that say something of a subject."""
    return {stem for stems, _ in phrases(text) for stem in stems}


def titles(data: Path) -> dict[str, str]:
    """Each case's title and diagnosis."""
    found = {}
    for split in ("train", "dev"):
        for line in (data / f"data_{split}.jsonl").read_text("utf-8").splitlines():
            case = json.loads(line)
            texts = (case["Case"]["Title"], case["Case"]["Case Diagnosis"])
            found[case["U_id"]] = " . ".join(text or "" for text in texts)
    return found


class Regions:
    """Which words tell of which region, from the captions of some figures."""

    def __init__(self, figures: Sequence[Figure], captions: Mapping[str, str]) -> None:
        self._of_word: dict[str, Counter[str]] = defaultdict(Counter)
        for figure in figures:
            for stem in content(captions[figure.id]):
                self._of_word[stem][figure.labels["Location Category"]] += 1

    def told_by(self, called: Sequence[Stems]) -> str:
        """The region of the first word that tells one, or ""."""
        for stem in (stem for stems in called for stem in stems):
            counts = self._of_word[stem]
            if (total := counts.total()) >= LEAST_CAPTIONS:
                region, count = counts.most_common(1)[0]
                if count >= OF_ONE_REGION * total:
                    return region
        return ""


def judge(
    asking: Sequence[Figure],
    others: Sequence[Figure],
    captions: Mapping[str, str],
    title: Mapping[str, str],
    call: Call,
) -> list[Row]:
    """What a system tells of the figures of one fold."""
    regions, rows = Regions(others, captions), []
    for figure in asking:
        called = call(figure)
        own, case = content(captions[figure.id]), content(title[figure.case])
        region = regions.told_by(called)
        rows.append(
            (
                sum((own | case).issuperset(stems) for stems in called) / PHRASES,
                float(any(case.intersection(stems) for stems in called)),
                float(bool(region)),
                float(region == figure.labels["Location Category"]),
            )
        )
    return rows


def systems(library: Library, captions: Sequence[str], vectors: Vectors) -> dict[str, Call]:
    """The suggestions, and two ways to do without them."""

    def most_frequent(texts: Sequence[str]) -> list[Stems]:
        counts = Counter(stem for text in dict.fromkeys(texts) for stem in content(text))
        best = sorted(counts, key=lambda stem: (-counts[stem], stem))[:PHRASES]
        return [(stem,) for stem in best]

    def asked(figure: Figure) -> Query:
        return Query(vector=vectors[figure.id], space="compact", fold=False)

    def suggested(figure: Figure) -> list[Stems]:
        return [tuple(terms(one.text)) for one in library.suggest(asked(figure), PHRASES)]

    def of_neighbours(figure: Figure) -> list[Stems]:
        hits = library.search(asked(figure), NEIGHBOURS)
        return most_frequent([hit.case.caption for hit in hits])

    everywhere = most_frequent(captions)
    return {
        "most frequent words": lambda _: everywhere,
        "neighbours' most frequent": of_neighbours,
        "suggested": suggested,
    }


def main() -> None:
    """Build or reuse, ask, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, help="where to build it; kept")
    arguments = parser.parse_args()
    data = data_folder()
    figures, vectors, title = read_figures(data), embed(data), titles(data)
    rows: dict[str, list[Row]] = defaultdict(list)
    groups: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        path = arguments.library or Path(scratch) / "medpix"
        build_medpix(path, data)
        with Library.open(path) as library:
            captions = {figure.id: library.case(figure.id).caption for figure in figures}
        for asking, others, opened in crossfit(path, figures, Path(scratch)):
            known = [captions[one.id] for one in others]
            for name, call in systems(opened, known, vectors).items():
                rows[name] += judge(asking, others, captions, title, call)
            groups += [one.case for one in asking]
    print(f"{len(groups)} images of {len(set(groups))} cases, {PHRASES} phrases each")
    tables = {name: np.array(each) for name, each in rows.items()}
    for at, measure in enumerate(MEASURES):
        print(f"  {measure}")
        first = next(iter(tables.values()))[:, at]
        for name, table in tables.items():
            values = table[:, at]
            low, high = bootstrap(values, groups)
            line = f"    {name:28} {values.mean():.3f} [{low:.3f}, {high:.3f}]"
            if values is not first:
                low, high = bootstrap(values - first, groups)
                line += f"   {(values - first).mean():+.3f} [{low:+.3f}, {high:+.3f}]"
            print(line)


if __name__ == "__main__":
    main()
