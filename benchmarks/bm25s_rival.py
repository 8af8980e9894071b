"""bm25s beside our words: the same captions, the same queries, k1 1.2 and b 0.75.

X. H. Lù: BM25S: Orders of magnitude faster lexical search via eager sparse scoring, 2024,
arXiv:2407.03618. It holds its matrix in memory, and knows no stemming here, phrases or expansion.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterable, Sequence

from benchmarks.stages import memory
from benchmarks.targets import spread

ABSENT = "bm25s is not installed (pip install bm25s): not compared"


def compare(cases: Iterable[tuple[str, str]], queries: Sequence[str], k: int) -> str:
    """A line of what it takes; ``cases`` are ids and captions."""
    if importlib.util.find_spec("bm25s") is None:
        return ABSENT
    import bm25s

    began, held = time.perf_counter(), memory()["RssAnon"]
    ids: list[str] = []
    captions: list[str] = []
    for case_id, caption in cases:
        ids.append(case_id)
        captions.append(caption)
    tokens = bm25s.tokenize(captions, show_progress=False)
    retriever = bm25s.BM25(k1=1.2, b=0.75, corpus=ids)
    retriever.index(tokens, show_progress=False)
    built = time.perf_counter() - began
    del tokens, captions
    taken = []
    for query in queries:
        start = time.perf_counter()
        asked = bm25s.tokenize([query], show_progress=False)
        retriever.retrieve(asked, k=min(k, len(ids)), show_progress=False)
        taken.append(1000 * (time.perf_counter() - start))
    grown = memory()["RssAnon"] - held
    return f"bm25s: {spread(taken)}; built in {built:.0f} s, {grown:,.0f} MB of memory"
