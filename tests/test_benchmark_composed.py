"""What the composed benchmark takes for relevant, and that a query's own case is no part of it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.compact_medpix import folds_of
from benchmarks.medpix import read_figures
from benchmarks.medpix_composed import WORDS, judge


def test_relevant_is_what_shows_the_same_and_lies_in_another_fold(test_data: Path) -> None:
    data = test_data / "medpix"
    figures, judged = read_figures(data), judge(data)
    folds = folds_of(figures)
    fold = {one.id: int(own) for one, own in zip(figures, folds, strict=True)}
    case = {one.id: one.case for one in figures}
    assert len({(one.case, fold[one.id]) for one in figures}) == len(set(case.values()))
    asked = 0
    for number in range(max(folds) + 1):
        asking = [one for one in figures if fold[one.id] == number]
        others = [one for one in figures if fold[one.id] != number]
        for field in WORDS:
            qrels = judged.qrels(asking, others, field)
            asked += len(qrels)
            for query, relevant in qrels.items():
                assert judged.texts[field][query]
                assert relevant
                assert all(fold[one] != number and case[one] != case[query] for one in relevant)
                assert {judged.kinds[one] for one in relevant} == {judged.kinds[query]}
                same = [one for one in others if judged.kinds[one.id] == judged.kinds[query]]
                assert len(relevant) == len(same)
    assert asked > 3000
