"""Expansion of words: each way beside the query as typed, on the same queries.

    python -m benchmarks.expansion [--med DIR] [--roco DIR] [--half test] [--queries 500]

MED and ROCO by shared concepts are as in ``benchmarks/med_words.py`` and ``roco_cuis.py``. Known
items: 3 and 6 words drawn from each of 500 captions of ROCO ask for the caption they come from,
the one search that no expansion can help; it tells what expansion costs.

Abbreviations: the short and the long form of each pair that the library mined ask for the captions
of the test half that bear the concept (CUI) which captions of the other half with the long form
mostly bear. Concepts were mined by their names, and know long forms better than short ones.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import med_words, roco_cuis
from benchmarks.settings import data_folder
from medclip_search import Case, Library, Query
from medclip_search.corpora import CorpusSpec
from medclip_search.corpora.roco import RocoCorpus
from medclip_search.evaluation import Scores, answer, difference, score
from medclip_search.indexes.text.analyser import terms
from medclip_search.indexes.text.mining import read
from medclip_search.search.query import ABBREVIATIONS

HURT = 0.05
KNOWN_ITEMS = 500
LEAST_AGREEMENT = 0.3
LEAST_RELEVANT = 3
TYPED = "as typed"

MakeQuery = Callable[[str], Query]


def asking(expand: str) -> MakeQuery:
    return lambda text: Query(text=text, expand=expand)


DEFAULTS: Mapping[str, MakeQuery] = {roco_cuis.DEFAULT: lambda text: Query(text=text)}
WAYS: Mapping[str, MakeQuery] = {
    TYPED: asking("none"),
    ABBREVIATIONS: asking(ABBREVIATIONS),
    "all": asking("all"),
}


def known_items(library: Path, words: int) -> dict[str, Scores]:
    """RR of the captions that so many of their words, in their order, were drawn from."""
    spec = CorpusSpec("roco", data_folder("roco"), "roco")
    cases = [case for case in RocoCorpus(spec) if isinstance(case, Case)]
    drawn = random.Random(roco_cuis.SEED)
    texts: dict[str, str] = {}
    for case in drawn.sample(cases, len(cases)):
        found = list(dict.fromkeys(re.findall(r"[a-z]+", case.caption.lower())))
        if len(found) > words and len(texts) < KNOWN_ITEMS:
            some = sorted(drawn.sample(range(len(found)), words))
            texts[case.id] = " ".join(found[at] for at in some)
    qrels = {one: {one: 1} for one in texts}
    with Library.open(library) as opened:
        runs = {
            name: answer(opened, [(qid, make(text)) for qid, text in texts.items()], 100)
            for name, make in {**DEFAULTS, **WAYS}.items()
        }
    return {name: score(run, qrels, ("RR",)) for name, run in runs.items()}


def abbreviations(library: Path) -> dict[str, Scores]:
    """Short and long forms as queries, judged by the concept of the long one."""
    spec = CorpusSpec("roco", data_folder("roco"), "roco")
    cases = [case for case in RocoCorpus(spec) if isinstance(case, Case)]
    halves = {case.id: roco_cuis.half(str(case.article)) for case in cases}
    stems = {case.id: f" {' '.join(terms(case.caption))} " for case in cases}
    known = [case for case in cases if halves[case.id] == "development"]
    bearing = Counter(cui for case in known for cui in set(case.cuis))
    texts: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for pair in read(next((library / "text").iterdir())):
        long = f" {' '.join(terms(pair.long))} "
        meant = [case for case in known if long in stems[case.id]]
        both = Counter(cui for case in meant for cui in set(case.cuis))
        agreement = {cui: 2 * n / (bearing[cui] + len(meant)) for cui, n in both.items()}
        cui = max(agreement, key=lambda one: (agreement[one], one), default="")
        relevant = [c.id for c in cases if halves[c.id] == "test" and cui in c.cuis]
        if agreement.get(cui, 0) >= LEAST_AGREEMENT and len(relevant) >= LEAST_RELEVANT:
            for form in (pair.short, pair.long):
                texts[f"{pair.short}: {form}"] = form
                qrels[f"{pair.short}: {form}"] = dict.fromkeys(relevant, 1)
    scores = {}
    with Library.open(library) as opened:
        for name, make in {**DEFAULTS, **WAYS}.items():
            run = answer(opened, [(qid, make(text)) for qid, text in texts.items()], 2000)
            run = {
                qid: {one: score for one, score in found.items() if halves[one] == "test"}
                for qid, found in run.items()
            }
            groups = {qid: qid.partition(":")[0] for qid in texts}
            scores[name] = score(run, qrels, ("nDCG@10", "AP", "R@100"), groups)
    return scores


def report(title: str, scores: Mapping[str, Scores], measures: tuple[str, ...]) -> None:
    """Each setting with its difference from the query as typed."""
    typed = scores[TYPED]
    print(f"\n{title} ({len(typed.queries)} queries)")
    for measure in measures:
        print(f"  {measure}")
        for name, each in scores.items():
            line = f"    {name:18} {each.means()[measure]:.4f}"
            if name not in (TYPED, roco_cuis.BASELINE):
                hurt = (each.values[measure] < typed.values[measure] - HURT).mean()
                line += f"   {difference(each, typed, measure)}; {hurt:.0%} worse by over {HURT}"
            print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--med", type=Path, help="where to keep the library of MED")
    parser.add_argument("--roco", type=Path, help="where to keep the library of ROCO")
    parser.add_argument("--half", choices=("development", "test"), default="test")
    parser.add_argument("--queries", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        roco = given.roco or Path(scratch) / "roco"
        report("MED", med_words.compare(WAYS, given.med, show=False), med_words.MEASURES)
        found = roco_cuis.compare(WAYS, roco, given.half, given.queries, show=False)
        for form, scores in found.items():
            title = f"ROCO by CUIs, {given.half} half, {form}"
            report(title, scores, ("nDCG@10", "AP@100", "R@100"))
        for words in (3, 6):
            report(f"Known items, {words} words", known_items(roco, words), ("RR",))
        report("Abbreviations", abbreviations(roco), ("nDCG@10", "AP", "R@100"))


if __name__ == "__main__":
    main()
