"""ROCO's captions as queries in words, judged by the UMLS concepts that two figures share.

    python -m benchmarks.roco_cuis [--library DIR] [--half test] [--queries 500]

CUIs are mined from the captions, so that the judgement is one of words too; to ask for more than
common words, a CUI counts only where 5 to 1 % of all articles have it. The grade of a figure is how
many such CUIs it shares with the query's; figures of the query's own article are left out. Queries
are figures with at least 2 such CUIs and 5 relevant figures, one an article, drawn with a fixed
seed. They ask with the whole caption, and with its 4 rarest words in their order. The own article
is left out by a filter, not afterwards: as one of the best captions for its own rarest words, it
would lend the query the words that were left off.

``--export DIR`` writes collection and judgements as BEIR lays them out, for any other system, and

    medclip-search evaluate LIBRARY --queries DIR --qrels DIR --leave-out article

Settings are chosen on the half ``development`` of the articles and reported on the half ``test``;
intervals draw articles. From Python, ``compare({"mine": lambda text: Query(text=text, …)})``
measures other settings.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.bm25 import PlainBM25, words
from benchmarks.settings import data_folder, print_settings
from medclip_search import Case, Library, Query, build
from medclip_search.corpora import CorpusSpec
from medclip_search.corpora.roco import RocoCorpus
from medclip_search.evaluation import Scores, Topic, answer, score, write_beir

MEASURES = ("nDCG@10", "AP@100", "P@10", "R@100")
BASELINE = "plain BM25"
DEFAULT = "default"
DEPTH = 100
LEAST_ARTICLES = 5
MOST_ARTICLES = 0.01
SHORT = 4
SEED = 20260101

MakeQuery = Callable[[str], Query]


@dataclass(frozen=True, slots=True)
class Judged:
    """Figures by their ids, and which of them count as queries and as relevant."""

    figures: Mapping[str, Case]
    topics: tuple[Topic, ...]
    short: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]

    def own(self, qid: str) -> set[str]:
        """The figures of the query's own article."""
        article = self.figures[qid].article
        return {one for one, case in self.figures.items() if case.article == article}

    def elsewhere(self, qid: str, query: Query) -> Query:
        """The query, of other articles alone."""
        return replace(query, where=(*query.where, f"article!={self.figures[qid].article}"))


def roco() -> CorpusSpec:
    """ROCO's texts among the test data."""
    return CorpusSpec("roco", data_folder("roco"), "roco")


def read_figures() -> list[Case]:
    """All its figures."""
    return [case for case in RocoCorpus(roco()) if isinstance(case, Case)]


def half(article: str) -> str:
    """``development`` or ``test``: by a digest of the article, the same everywhere."""
    return ("development", "test")[hashlib.sha256(article.encode()).digest()[0] % 2]


def judge(figures: Sequence[Case], which: str, queries: int, seed: int = SEED) -> Judged:
    """The queries of one half of the articles, and the judgements of all figures for them."""
    by_id = {case.id: case for case in figures if case.article and case.caption}
    articles = {case.article for case in by_id.values()}
    having: dict[str, set[str]] = defaultdict(set)
    for case in by_id.values():
        for cui in case.cuis:
            having[cui].add(str(case.article))
    kept = {
        cui
        for cui, each in having.items()
        if LEAST_ARTICLES <= len(each) <= MOST_ARTICLES * len(articles)
    }
    bearing: dict[str, list[str]] = defaultdict(list)
    for case in by_id.values():
        for cui in kept.intersection(case.cuis):
            bearing[cui].append(case.id)
    ids = sorted(by_id)
    random.Random(seed).shuffle(ids)
    chosen: dict[str, Case] = {}
    qrels: dict[str, dict[str, int]] = {}
    for one in ids:
        case = by_id[one]
        if len(chosen) == queries or case.article in chosen or half(str(case.article)) != which:
            continue
        cuis = kept.intersection(case.cuis)
        shared = Counter(other for cui in cuis for other in bearing[cui])
        grades = {d: n for d, n in shared.items() if by_id[d].article != case.article}
        if len(cuis) >= 2 and len(grades) >= 5:
            chosen[str(case.article)] = case
            qrels[one] = dict(sorted(grades.items()))
    topics = tuple(Topic(c.id, c.caption, (c.id,), str(c.article)) for c in chosen.values())
    frequency = Counter(word for c in by_id.values() for word in set(words(c.caption)))
    short = {topic.id: rarest(topic.text, frequency) for topic in topics}
    return Judged(by_id, topics, short, qrels)


def rarest(caption: str, frequency: Mapping[str, int]) -> str:
    """The ``SHORT`` words of a caption that fewest captions have, in its order."""
    known = list(dict.fromkeys(word for word in words(caption) if not word.isdigit()))
    best = set(sorted(known, key=lambda word: (frequency[word], word))[:SHORT])
    return " ".join(word for word in known if word in best)


def compare(
    settings: Mapping[str, MakeQuery],
    library: Path | None = None,
    which: str = "development",
    queries: int = 500,
    *,
    show: bool = True,
) -> dict[str, dict[str, Scores]]:
    """For ``short`` and ``caption``: scores of plain BM25, of the default, of each setting."""
    judged = judge(read_figures(), which, queries)
    groups = {topic.id: topic.group for topic in judged.topics}
    plain = PlainBM25({one: case.caption for one, case in judged.figures.items()})
    found: dict[str, dict[str, Scores]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = library or Path(scratch) / "roco"
        build(place, [roco()])
        with Library.open(place) as opened:
            for form in ("short", "caption"):
                texts = {
                    t.id: judged.short[t.id] if form == "short" else t.text for t in judged.topics
                }
                run = {}
                for qid, text in texts.items():
                    own = judged.own(qid)
                    ranked = plain.search(text, DEPTH + len(own))
                    run[qid] = {d: ranked[d] for d in [d for d in ranked if d not in own][:DEPTH]}
                scores = {BASELINE: score(run, judged.qrels, MEASURES, groups)}
                for name, make in {DEFAULT: lambda text: Query(text=text), **settings}.items():
                    asked = [
                        (qid, judged.elsewhere(qid, make(text))) for qid, text in texts.items()
                    ]
                    run = answer(opened, asked, DEPTH)
                    scores[name] = score(run, judged.qrels, MEASURES, groups)
                if show:
                    print_settings(f"ROCO by CUIs, {which} half, {form}", scores, MEASURES)
                found[form] = scores
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, help="where to keep the library")
    parser.add_argument("--half", choices=("development", "test"), default="test")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--export", type=Path, metavar="DIR", help="only write the collection")
    given = parser.parse_args()
    if given.export:
        judged = judge(read_figures(), given.half, given.queries)
        write_beir(given.export, judged.figures.values(), judged.topics, judged.qrels)
        return
    compare({}, given.library, given.half, given.queries)


if __name__ == "__main__":
    main()
