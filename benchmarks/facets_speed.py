"""How long counting answers by five fields takes at a given size, and that the counts are true.

    python -m benchmarks.facets_speed [--cases 1600000]

Captions are put together from ROCO's sentences; modality, region, year, licence class and corpus
are drawn by chance. Queries are 2 to 5 words of one caption. Timed: a page of 24 without counts,
with them, and with a filter on a counted field, each cold (a word's first time in the process) and
warm (every word asked for before). One query in ten is counted again by a full scan.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.composed_captions import composed, sentences
from medclip_search.cases import Case
from medclip_search.encoders.base import Encoder, Space
from medclip_search.indexes.columns import Columns, build_columns
from medclip_search.indexes.text import TextDocument, TextIndex, build_text_index
from medclip_search.indexes.vectors import VectorIndex
from medclip_search.search.engine import search
from medclip_search.search.function_words import silent
from medclip_search.search.query import Query

FIELDS = ("modality", "region", "year", "licence_class", "corpus")
MODALITIES = ("CT", "CT", "CT", "MR", "MR", "XR", "XR", "US", "PET", None)
REGIONS = ("head", "thorax", "thorax", "abdomen", "abdomen", "pelvis", "spine", None)
LICENCES = ("commercial", "commercial", "noncommercial", "other", None)


@dataclass
class Made:
    """A generation of words alone; cases are made again from their keys."""

    columns: Columns
    text: TextIndex
    sentences: Sequence[str]
    number: int = 1
    map: None = None
    vectors: Mapping[str, VectorIndex] = field(default_factory=dict)
    spaces: Mapping[str, Space] = field(default_factory=dict)

    def encoder(self) -> Encoder:
        raise NotImplementedError

    def keys_of(self, ids: Sequence[str]) -> list[int | None]:
        return [int(one[1:]) for one in ids]

    def ids_of(self, keys: Sequence[int]) -> dict[int, str]:
        return {key: f"c{key:07}" for key in keys}

    def thumbnail(self, key: int) -> bytes | None:
        return None

    def captions_of(self, keys: Sequence[int]) -> dict[int, str]:
        return {key: case.caption for key, case in self.cases(keys).items()}

    def cases(self, keys: Sequence[int]) -> dict[int, Case]:
        return {key: make_case(key, self.sentences) for key in keys}


def make_case(key: int, said: Sequence[str]) -> Case:
    chance = random.Random(key)
    return Case(
        f"c{key:07}",
        "pmc-oa" if chance.random() < 0.9 else "own",
        composed(said, chance),
        modality=chance.choice(MODALITIES),
        region=chance.choice(REGIONS),
        year=chance.randrange(1998, 2026) if chance.random() < 0.95 else None,
        licence_class=chance.choice(LICENCES),
    )


def make(count: int, folder: Path) -> Made:
    said = sentences()
    for name in ("text", "columns"):
        (folder / name).mkdir()

    def cases() -> Iterator[tuple[int, Case]]:
        return ((key, make_case(key, said)) for key in range(count))

    documents = (TextDocument(key, case.id, case.caption) for key, case in cases())
    build_text_index(documents, folder / "text")
    build_columns(cases(), folder / "columns")
    return Made(Columns.open(folder / "columns"), TextIndex.open(folder / "text"), said)


def questions(made: Made, count: int) -> list[str]:
    """Two to five words of one caption each, some of them telling."""
    chance = random.Random(7)
    asked: list[str] = []
    while len(asked) < count:
        caption = make_case(chance.randrange(made.columns.size), made.sentences).caption
        words = re.findall(r"[a-z]{3,}", caption.lower())
        some = chance.sample(words, min(len(words), chance.randrange(2, 6)))
        if set(made.text.terms(" ".join(some))) - silent():
            asked.append(" ".join(some))
    return asked


def timed(made: Made, queries: Sequence[Query]) -> list[tuple[float, float]]:
    """Milliseconds of the clock and of the processor, which others' work changes less."""
    taken = []
    for query in queries:
        clock, processor = time.perf_counter(), time.process_time()
        search(made, query, 24, start=0)
        taken.append((time.perf_counter() - clock, time.process_time() - processor))
    return [(clock * 1000, processor * 1000) for clock, processor in taken]


def scanned(
    made: Made, captions: Sequence[frozenset[str]], words: str
) -> tuple[int, Counter[object]]:
    """How many cases match, and how many of each modality, by looking at every one."""
    asked = set(made.text.terms(words)) - silent()
    keys = [key for key, held in enumerate(captions) if held & asked]
    codes = made.columns.codes("modality")[keys]
    known = [made.columns.decode("modality", int(code)) for code in codes if code >= 0]
    return len(keys), Counter(known)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=1_600_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--scans", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        made = make(given.cases, Path(folder))
        print(f"{given.cases:,} cases made in {time.perf_counter() - began:.0f} s")
        asked = questions(made, given.queries)
        plain = [Query(text=words) for words in asked]
        counted = [Query(text=words, facets=FIELDS) for words in asked]
        narrowed = [Query(text=words, facets=FIELDS, where="modality=CT") for words in asked]
        timed(made, plain)
        rows = {
            "a page without counts": timed(made, plain),
            "with counts, words cold": timed(made, counted),
            "with counts, words warm": timed(made, counted),
            "with counts and a filter": timed(made, narrowed),
        }
        for name, taken in rows.items():
            (p50, own50), (p95, own95) = np.quantile(taken, [0.5, 0.95], axis=0)
            print(
                f"{name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms; of the processor {own50:.1f} and "
                f"{own95:.1f} ms"
            )
        sizes = [found.cases for one in counted if (found := search(made, one, 1).facets)]
        print(f"cases that match: median {np.median(sizes):,.0f}, most {max(sizes):,}")
        if given.scans:
            captions = [
                frozenset(made.text.terms(make_case(key, made.sentences).caption))
                for key in range(given.cases)
            ]
        for words in asked[: given.scans]:
            found = search(made, Query(text=words, facets="modality"), 1).facets
            assert found is not None
            assert (found.cases, found.fields["modality"]) == scanned(made, captions, words), words
        print(f"{given.scans} counted again by a full scan: equal")


if __name__ == "__main__":
    main()
