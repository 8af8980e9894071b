"""Evaluation: queries, judgements and runs in the field's forms; measures, intervals, protocols.

It calls the public API of the library alone, so that what it measures is what users get:

    from medclip_search import Library, evaluation

    with Library.open("my-library") as library:
        found = evaluation.evaluate(library, "med/MED.QRY", "med/MED.REL")
    print(found.to_json())

``answer``, ``score`` and ``difference`` are the steps of it, for other queries than topics give.
"""

from __future__ import annotations

from medclip_search.evaluation.answer import answer
from medclip_search.evaluation.beir import write_beir
from medclip_search.evaluation.combiner import Trained, train_combiner, train_from_feedback
from medclip_search.evaluation.compare import Difference, difference
from medclip_search.evaluation.cross_modal import evaluate_cross_modal
from medclip_search.evaluation.evaluate import evaluate
from medclip_search.evaluation.known_items import evaluate_known_items
from medclip_search.evaluation.labels import columns_of, evaluate_labels
from medclip_search.evaluation.measures import Scores, score
from medclip_search.evaluation.outcome import Evaluation
from medclip_search.evaluation.qrels import Qrels, read_qrels, write_qrels
from medclip_search.evaluation.runs import Run, read_run, write_run
from medclip_search.evaluation.topics import Topic, read_topics, write_topics

__all__ = [
    "Difference",
    "Evaluation",
    "Qrels",
    "Run",
    "Scores",
    "Topic",
    "Trained",
    "answer",
    "columns_of",
    "difference",
    "evaluate",
    "evaluate_cross_modal",
    "evaluate_known_items",
    "evaluate_labels",
    "read_qrels",
    "read_run",
    "read_topics",
    "score",
    "train_combiner",
    "train_from_feedback",
    "write_beir",
    "write_qrels",
    "write_run",
    "write_topics",
]
