"""Evaluation: queries, judgements and runs in the field's forms; measures, intervals, protocols.

It calls the public API of the library alone, so that what it measures is what users get:

    from medclip_search import Library, Query, evaluation

    topics = evaluation.read_topics("med/MED.QRY")
    qrels = evaluation.read_qrels("med/MED.REL")
    with Library.open("my-library") as library:
        run = evaluation.answer(library, ((t.id, Query(text=t.text)) for t in topics), k=1000)
    scores = evaluation.score(run, qrels, ["nDCG@10", "AP"])
    print(scores.means(), scores.intervals())
"""

from __future__ import annotations

from medclip_search.evaluation.answer import answer
from medclip_search.evaluation.compare import Difference, difference
from medclip_search.evaluation.measures import Scores, score
from medclip_search.evaluation.qrels import Qrels, read_qrels, write_qrels
from medclip_search.evaluation.runs import Run, read_run, write_run
from medclip_search.evaluation.topics import Topic, read_topics, write_topics

__all__ = [
    "Difference",
    "Qrels",
    "Run",
    "Scores",
    "Topic",
    "answer",
    "difference",
    "read_qrels",
    "read_run",
    "read_topics",
    "score",
    "write_qrels",
    "write_run",
    "write_topics",
]
