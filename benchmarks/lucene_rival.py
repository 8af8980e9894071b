"""Lucene beside our words, by Anserini as Pyserini brings it: the same captions and queries.

BM25 with k1 1.2 and b 0.75 over English stems, alone and with RM3, which like our default query
adds terms of the 10 best (P. Yang, H. Fang and J. Lin: Anserini, JDIQ 2018). It wants Pyserini and
a Java that it can run (``pip install pyserini``), of which its Java classes alone are used.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.apart import apart
from benchmarks.stages import memory
from benchmarks.targets import spread
from medclip_search.library.generation import Generation

ABSENT = "Lucene is not installed (pip install pyserini, and Java): not compared"
_WARM_UP = 20


def compare(library: Path, queries: Sequence[str], k: int) -> str:
    """A line of what it takes, by a process of its own; the first queries warm it up."""
    if not all(importlib.util.find_spec(name) for name in ("pyserini", "jnius")):
        return ABSENT
    return apart(_compared, library, tuple(queries), k)


def _compared(library: Path, queries: Sequence[str], k: int) -> str:
    _quietly()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts, index = folder / "texts", folder / "index"
        _write_captions(library, texts)
        from pyserini.pyclass import autoclass

        began = time.perf_counter()
        build = autoclass("io.anserini.index.IndexCollection")
        kind = ("-collection", "JsonCollection", "-generator", "DefaultLuceneDocumentGenerator")
        places = ("-input", str(texts), "-index", str(index))
        build.main([*kind, *places, "-threads", "2", "-storeDocvectors", "-optimize"])
        built = time.perf_counter() - began
        size = sum(file.stat().st_size for file in index.iterdir())
        searcher = autoclass("io.anserini.search.SimpleSearcher")(str(index))
        searcher.set_bm25(1.2, 0.75)
        told = []
        for way in ("BM25", "with RM3"):
            if way != "BM25":
                searcher.set_rm3()
            told.append(f"{way} {spread([_asked(searcher, one, k) for one in queries][_WARM_UP:])}")
        held = memory()["RssAnon"]
        searcher.close()
        java = autoclass("java.lang.System").getProperty("java.version")
    brought = f"Pyserini {version('pyserini')}, Java {java}"
    return (
        f"Lucene ({brought}): {'; '.join(told)}; built in {built:.0f} s, {size / 1e6:,.0f} MB, "
        f"what RM3 needs among them; {held:,.0f} MB of memory"
    )


def _asked(searcher: object, words: str, k: int) -> float:
    """The milliseconds of one search, down to the ids."""
    began = time.perf_counter()
    for hit in searcher.search(words, k):  # type: ignore[attr-defined]
        assert hit.docid
    return 1000 * (time.perf_counter() - began)


def _write_captions(library: Path, folder: Path) -> None:
    folder.mkdir()
    generation = Generation.open(library)
    with (folder / "captions.jsonl").open("w", encoding="utf-8") as file:
        for _, case in generation.catalogue.all_cases():
            file.write(json.dumps({"id": case.id, "contents": case.caption}) + "\n")
    generation.close()


def _quietly() -> None:
    """Java logs to standard output, where this process has nothing else to say."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
