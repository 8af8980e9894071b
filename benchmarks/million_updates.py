"""Changing a large library: 1,000 cases more, 1,000 fewer, and both indexes built anew.

    python -m benchmarks.million_updates DIR/library      (benchmarks.large_library makes one)

A copy is changed, beside the library and gone in the end: what is never written again is linked,
what is appended to is copied. Each change is timed until a library that is opened afterwards
answers by it; above stand the stages of the build or removal. The indexes are built from the stored
rows and captions into an empty folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.large_library import SPACE, build_tables, telling_sentences, write_table
from benchmarks.library_argument import library_at
from benchmarks.machine import machine
from benchmarks.million_vectors import Opened
from benchmarks.stages import Stages
from benchmarks.targets import beside
from medclip_search import Library, Query, remove
from medclip_search.indexes.text import TextDocument, build_text_index
from medclip_search.indexes.vectors import build_vector_index
from medclip_search.library.durable import flush_file
from medclip_search.library.layout import CURRENT, manifest_path, read_current

COUNT = 1000
_FIRST = 1 << 21  # stream of vectors: no row of the library is drawn from it, or from those after


def copy(library: Path, to: Path) -> Path:
    """The published generation in an empty folder; to change it leaves the library as it is."""
    manifest = read_current(library)
    known = manifest_path(library, manifest.number).relative_to(library)
    for name in (*manifest.files, str(known), CURRENT):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        record = manifest.files.get(name)
        if record is not None and record.sha256 is not None:
            os.link(library / name, target)
        else:
            shutil.copyfile(library / name, target)
            flush_file(target)  # a library at rest: no update pays for the copy
    return to


def add(library: Path, folder: Path) -> tuple[float, list[str]]:
    """The seconds until new cases answer, and their ids."""
    write_table(folder, "new", COUNT, _FIRST, telling_sentences())
    began = time.perf_counter()
    with Stages() as stages:
        build_tables(library, folder, ["new"], stages)
    with Library.open(library) as opened:
        new = list(opened.cases(where=["corpus=new"]))
        found = opened.search(Query(text=new[0].caption, where="corpus=new"), 1)
        seconds = time.perf_counter() - began
        vector = opened.vectors(SPACE, [new[-1].id])[0]
        nearest = opened.search(Query(vector=vector, space=SPACE), 1)[0].id
    if len(new) != COUNT or not len(found) or nearest != new[-1].id:
        raise SystemExit("what was added is not found")
    return seconds, [case.id for case in new]


def take(library: Path, ids: list[str]) -> float:
    """The seconds until removed cases answer no more."""
    with Library.open(library) as opened:
        vector = opened.vectors(SPACE, ids[:1])[0]
    began = time.perf_counter()
    with Stages() as stages:
        remove(library, ids=ids, progress=stages)
    with Library.open(library) as opened:
        left = opened.search(Query(vector=vector, space=SPACE), 1)[0].id
        seconds = time.perf_counter() - began
        if left in ids or list(opened.cases(ids)):
            raise SystemExit("what was removed is found all the same")
    return seconds


def build_anew(library: Path, folder: Path) -> tuple[float, float]:
    """The seconds for the text index, and for the vectors' index."""
    opened = Opened.of(library)
    for name in ("text", "vectors"):
        (folder / name).mkdir()
    began = time.perf_counter()
    cases = opened.generation.catalogue.all_cases()
    documents = (TextDocument(key, one.id, one.caption, one.keywords) for key, one in cases)
    build_text_index(documents, folder / "text")
    middle = time.perf_counter()
    space = opened.generation.spaces[SPACE]
    build_vector_index(opened.rows, opened.keys, folder / "vectors", space=space)
    opened.generation.close()
    return middle - began, time.perf_counter() - middle


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library", type=library_at)
    given = parser.parse_args()
    print(machine())
    with Library.open(given.library) as opened:
        print(f"{len(opened):,} cases; changed is a copy, whose files were just written: warm")
    with tempfile.TemporaryDirectory(dir=given.library.parent) as folder:
        changed = copy(given.library, Path(folder) / "library")
        added, ids = add(changed, Path(folder))
        print(f"{COUNT:,} cases added and searchable: {beside(added, 's', most=5)}")
        removed = take(changed, ids)
        print(f"{COUNT:,} cases removed: {beside(removed, 's', most=5)}")
    with tempfile.TemporaryDirectory(dir=given.library.parent) as folder:
        text, vectors = build_anew(given.library, Path(folder))
        both = beside(text + vectors, "s", most=240)
        print(f"both indexes built anew: {both}, text {text:.1f} s, vectors {vectors:.1f} s")


if __name__ == "__main__":
    main()
