"""Likes and dislikes on ROCO, where the query is the four rarest words of a caption.

    python -m benchmarks.feedback_roco [--library DIR] [--half test] [--queries 300] [--rounds 5]

A figure is relevant where it shares at least 2 UMLS concepts that 5 to 1 % of the articles have
(``benchmarks.roco_cuis``, which also says how the queries are drawn). The query's own article is
left out of everything. What the weighing took from ROCO, it took from the half ``development``
(``--calibrate`` and ``--vary DEPENDENCE=0.25,0.5`` print it); the half ``test`` is reported.
Intervals draw articles whole.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.feedback import OURS, compare, line, print_table, print_trays
from benchmarks.feedback_baselines import Vectors, logistic_rank, rocchio_rank
from benchmarks.roco_cuis import Judged, judge
from benchmarks.settings import data_folder
from medclip_search import Case, Library, Query
from medclip_search.corpora import CorpusSpec
from medclip_search.corpora.roco import RocoCorpus
from medclip_search.describe import describe
from medclip_search.evaluation.simulate import Rank, Task, library_rank, simulate
from medclip_search.evaluation.simulate import judge as user
from medclip_search.library.build import build
from medclip_search.search import feedback
from medclip_search.search.steer import steer

LEAST_SHARED = 2
LEAST_RELEVANT = 8
DEPTH = 200


def make_tasks(judged: Judged) -> list[Task]:
    """The queries with enough relevant figures, and answers to judge."""
    tasks = []
    for topic in judged.topics:
        grades = judged.qrels[topic.id]
        relevant = frozenset(one for one, grade in grades.items() if grade >= LEAST_SHARED)
        if len(relevant) >= LEAST_RELEVANT:
            query = Query(text=judged.short[topic.id], where=f"article!={topic.group}", fold=False)
            tasks.append(Task(topic.id, query, relevant, topic.group))
    return tasks


def caption_vectors(judged: Judged, tasks: Sequence[Task]) -> Vectors:
    """TF-IDF of captions and queries, in 300 dimensions (latent semantic analysis)."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    ids = list(judged.figures)
    words = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    text = words.fit_transform([judged.figures[one].caption for one in ids])
    fewer = TruncatedSVD(300, random_state=0).fit(text)

    def unit(rows: object) -> NDArray[np.float32]:
        return np.asarray(normalize(fewer.transform(rows)), np.float32)

    asked = unit(words.transform([judged.short[task.id] for task in tasks]))
    return Vectors(ids, unit(text), {task.id: asked[at] for at, task in enumerate(tasks)})


def print_calibration(judged: Judged, tasks: Sequence[Task]) -> None:
    """How often a word, or a label, of one relevant figure is on another: the prior masses.

    With p this share and c the collection's own, the share of two witnesses is
    ``(1 + mass · c) / (1 + mass)``: the mass is ``(1 - p) / (p - c)``.
    """
    from medclip_search.indexes.text.analyser import terms

    holds = {one: frozenset(terms(case.caption)) for one, case in judged.figures.items()}
    frequency: dict[str, int] = defaultdict(int)
    for words in holds.values():
        for word in words:
            frequency[word] += 1
    random.seed(1)
    shares = {field: _shares(judged, field) for field in ("modality", "region")}
    again: dict[int, list[tuple[bool, float]]] = defaultdict(list)
    labels: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for task in tasks:
        relevant = sorted(task.relevant)
        for _ in range(20):
            one, other = (judged.figures[each] for each in random.sample(relevant, 2))
            if one.article == other.article:
                continue
            for word in holds[one.id]:
                band = int(np.log2(frequency[word]))
                again[band].append((word in holds[other.id], frequency[word] / len(holds)))
            for field, share in shares.items():
                mine, its = getattr(one, field), getattr(other, field)
                if mine and its:
                    labels[field].append((mine == its, share[mine]))
    print("mass of the prior, by how many captions have the word:")
    for band in sorted(again):
        print(f"  {2**band:>6} or more: {_mass(again[band])}")
    for field, found in labels.items():
        print(f"  {field}: {_mass(found)}")


def _shares(judged: Judged, field: str) -> dict[str, float]:
    known = [value for case in judged.figures.values() if (value := getattr(case, field))]
    return {value: count / len(known) for value, count in Counter(known).items()}


def _mass(found: Sequence[tuple[bool, float]]) -> str:
    p, c = np.mean(found, axis=0)
    mass = f"{(1 - p) / (p - c):.0f}" if p > c else "no more often than by chance"
    return f"again {p:.3f}, in the collection {c:.4f}, mass {mass} ({len(found)} words)"


def print_dependence(
    library: Library,
    tasks: Sequence[Task],
    first: Mapping[str, Sequence[str]],
    group_of: Mapping[str, str],
) -> None:
    """What the evidence of words and labels, as it is scaled, is worth beside the prior.

    Logistic regression of relevance on both after one round, over the residual candidates of the
    first ranking, each query with its own intercept: 1 is calibrated, less says too much.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    generation = library._generation
    features, relevant, queries = [], [], []
    for number, task in enumerate(tasks):
        judged = user(task, first[task.id], [], [])
        keys, liked, disliked = (
            [key for key in generation.keys_of(ids) if key is not None]
            for ids in (first[task.id], *judged)
        )
        steered = steer(generation, np.array(keys, np.int64), liked, disliked, None)
        gone = {task.group, *(group_of[one] for side in judged for one in side)}
        cases = generation.cases(steered.keys.tolist())
        ids = [cases[key].id for key in steered.keys.tolist()]
        kept = np.array([group_of[one] not in gone for one in ids], bool) & (steered.ranks > 0)
        said = steered.totals - steered.priors - steered.images - steered.own
        features.append(np.stack([steered.priors, said], axis=1)[kept])
        relevant.append(np.isin(ids, sorted(task.relevant))[kept])
        queries.append(np.full(np.count_nonzero(kept), number))
    query = np.concatenate(queries)
    own = csr_matrix((np.ones(len(query)), (np.arange(len(query)), query)))
    table = hstack([csr_matrix(np.concatenate(features)), own]).tocsr()
    model = LogisticRegression(C=100.0, max_iter=2000).fit(table, np.concatenate(relevant))
    prior, said = model.coef_[0][:2]
    print(f"coefficients: prior {prior:.2f}, words and labels {said:.2f} ({len(query)} candidates)")


def print_varied(
    named: str,
    tasks: Sequence[Task],
    first: Mapping[str, Sequence[str]],
    rank: Rank,
    group_of: Mapping[str, str],
    rounds: int,
) -> None:
    """What another value of a number of ``search.feedback`` would give, ``NAME=VALUE,VALUE``."""
    name, _, values = named.partition("=")
    kind = type(getattr(feedback, name, None))
    if kind not in (int, float):
        raise SystemExit(f"{name}: search.feedback has no such number")
    for value in values.split(","):
        setattr(feedback, name, kind(value))
        for number, one in enumerate(simulate(tasks, first, rank, group_of, rounds), 1):
            print(f"{name} {value}, round {number}: {line(one)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, help="where to keep the library")
    parser.add_argument("--half", choices=("development", "test"), default="test")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calibrate", action="store_true", help="print masses and scale instead")
    parser.add_argument("--tray", action="store_true", help="measure what a tray adds instead")
    parser.add_argument("--vary", metavar="NAME=VALUE,…", help="measure other numbers instead")
    given = parser.parse_args()
    spec = CorpusSpec("roco", data_folder("roco"), "roco")
    figures = [describe(case) for case in RocoCorpus(spec) if isinstance(case, Case)]
    judged = judge(figures, given.half, given.queries)
    tasks = make_tasks(judged)
    print(f"{len(judged.topics)} figures drawn, {len(tasks)} with {LEAST_RELEVANT} relevant ones")
    group_of = {one: str(case.article) for one, case in judged.figures.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = given.library or Path(folder) / "roco"
        build(path, [spec])
        with Library.open(path) as library:
            rank = library_rank(library)
            first = {task.id: rank(task, (), (), DEPTH) for task in tasks}
            if given.calibrate:
                print_calibration(judged, tasks)
                print_dependence(library, tasks, first, group_of)
                return
            if given.tray:
                print_trays(tasks, first, library, group_of)
                return
            if given.vary:
                print_varied(given.vary, tasks, first, rank, group_of, given.rounds)
                return
            vectors = caption_vectors(judged, tasks)
            systems: dict[str, Rank] = {
                "Rocchio, captions": rocchio_rank(vectors, group_of),
                "logistic regression, captions": logistic_rank(vectors, group_of),
                OURS: rank,
            }
            found = compare(tasks, first, systems, group_of, given.rounds)
    print_table("ROCO", found)


if __name__ == "__main__":
    main()
