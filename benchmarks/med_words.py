"""MED: words over a judged collection of abstracts, beside plain BM25 in the same run.

    python -m benchmarks.med_words [--library DIR]

1,033 documents, 30 queries, 696 judgements (SMART's MEDLARS collection). From Python,
``compare({"mine": lambda text: Query(text=text, …)})`` measures other settings of a query.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.bm25 import PlainBM25
from benchmarks.settings import data_folder, print_settings
from medclip_search import Library, Query, build
from medclip_search.corpora import CorpusSpec
from medclip_search.corpora.trec import TrecCorpus
from medclip_search.evaluation import Scores, answer, read_qrels, read_topics, score

MEASURES = ("nDCG@10", "AP")
BASELINE = "plain BM25"
DEFAULT = "default"
DEPTH = 1000

MakeQuery = Callable[[str], Query]


def compare(
    settings: Mapping[str, MakeQuery], library: Path | None = None, *, show: bool = True
) -> dict[str, Scores]:
    """Scores of plain BM25, of the default, and of each further setting."""
    folder = data_folder("med")
    corpus = TrecCorpus(CorpusSpec("trec", folder, "med"))
    qrels = read_qrels(folder)
    topics = read_topics(folder)
    documents = {case.id: case.caption for case in corpus if not hasattr(case, "reason")}
    plain = PlainBM25(documents)
    scores = {BASELINE: score({t.id: plain.search(t.text, DEPTH) for t in topics}, qrels, MEASURES)}
    with tempfile.TemporaryDirectory() as scratch:
        place = library or Path(scratch) / "med"
        build(place, [CorpusSpec("trec", folder, "med")])
        with Library.open(place) as opened:
            for name, make in {DEFAULT: lambda text: Query(text=text), **settings}.items():
                run = answer(opened, [(t.id, make(t.text)) for t in topics], DEPTH)
                scores[name] = score(run, qrels, MEASURES)
    if show:
        print_settings("MED", scores, MEASURES)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, help="where to keep the library")
    compare({}, parser.parse_args().library)


if __name__ == "__main__":
    main()
