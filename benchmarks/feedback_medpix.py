"""Likes and dislikes on MedPix, where the query is an image alone.

    python -m benchmarks.feedback_medpix [--library DIR] [--rounds 5] [--one-a-case]

An image is relevant where its body region (``Location Category``) and the topic category of its
case are the query's. A query is every image with at least 8 relevant ones outside its own case,
which is left out of everything; with ``--one-a-case`` the first such image of each case. Those that
find nothing to like among the first 30 are shown apart. The library holds images and captions
alone: region and category are not in it. ``evaluation.simulate`` says who judges what, and on what
is measured. Nothing of the weighing was fitted on MedPix (docs/feedback.md). Intervals draw cases.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.feedback import OURS, compare, print_table, print_trays
from benchmarks.feedback_baselines import Vectors, logistic_rank, rocchio_rank
from benchmarks.medpix import data_folder, read_figures
from medclip_search import Library, Query
from medclip_search.corpora import CorpusSpec
from medclip_search.evaluation.simulate import Rank, Task, library_rank
from medclip_search.library.build import build

LEAST_RELEVANT = 8
DEPTH = 400
"""So many answers are asked for without feedback: what is judged is taken out of them later."""
SPACE = "compact"


@dataclass(frozen=True, slots=True)
class Judged:
    """The figures: their captions, their cases, and what decides whether one is relevant."""

    captions: dict[str, str]
    case_of: dict[str, str]
    kind_of: dict[str, tuple[str, str]]


def read_judged(data: Path) -> Judged:
    captions, kinds, categories = {}, {}, {}
    for split in ("train", "dev"):
        with (data / f"data_{split}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                categories[entry["U_id"]] = (entry.get("Topic") or {}).get("Category") or ""
        with (data / f"descriptions_{split}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                captions[entry["image"]] = entry["Description"]["Caption"] or ""
    case_of = {}
    for figure in read_figures(data):
        case_of[figure.id] = figure.case
        kinds[figure.id] = (figure.labels["Location Category"], categories[figure.case])
    return Judged(captions, case_of, kinds)


def make_library(path: Path, data: Path, judged: Judged) -> None:
    """A library of images and captions; a figure's case is there to be filtered by."""
    table = path.parent / f"{path.name}.jsonl"
    with table.open("w", encoding="utf-8") as lines:
        for one, caption in judged.captions.items():
            print(
                json.dumps({"id": one, "caption": caption, "U_id": judged.case_of[one]}), file=lines
            )
    columns = {"id": "id", "image": "id", "caption": "caption"}
    build(path, [CorpusSpec("table", table, "medpix", columns, data / "images")])


def make_tasks(judged: Judged, library: Library) -> list[Task]:
    """The queries, each by the vector that the library made of its image."""
    generation = library._generation
    tasks = []
    for one, kind in judged.kind_of.items():
        own = judged.case_of[one]
        relevant = frozenset(
            other
            for other, its in judged.kind_of.items()
            if its == kind and all(its) and judged.case_of[other] != own
        )
        if len(relevant) >= LEAST_RELEVANT:
            (key,) = generation.keys_of([one])
            vector = generation.vectors[SPACE].vector(key) if key is not None else None
            if vector is None:
                raise SystemExit(f"{one} has no vector")
            query = Query(vector=vector, space=SPACE, where=f"U_id!={own}", fold=False)
            tasks.append(Task(one, query, relevant, own))
    return tasks


def unseen_queries(tasks: Sequence[Task], judged: Judged) -> set[str]:
    """Queries of the half of the cases that was not looked at when the weighing was designed."""
    cases = sorted(set(judged.case_of.values()))
    place = {case: at for at, case in enumerate(cases)}
    return {task.id for task in tasks if place[task.group] * 2654435761 % 1000003 % 2}


def image_vectors(library: Library, ids: list[str], tasks: list[Task]) -> Vectors:
    """The unit vectors that the library compares images by."""
    generation = library._generation
    index = generation.vectors[SPACE]
    found = (index.vector(key) for key in generation.keys_of(ids) if key is not None)
    raw = np.stack([row for row in found if row is not None])
    rows = index._cosine.directions(raw).astype(np.float32)
    places = {one: at for at, one in enumerate(ids)}
    return Vectors(ids, rows, {task.id: rows[places[task.id]] for task in tasks})


def with_captions(images: Vectors, captions: dict[str, str]) -> Vectors:
    """Beside them the captions' TF-IDF vectors, of the same length; a query has no words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    text = words.fit_transform([captions[one] for one in images.ids]).toarray().astype(np.float32)
    nothing = np.zeros(text.shape[1], np.float32)
    queries = {one: np.concatenate((row, nothing)) for one, row in images.queries.items()}
    return Vectors(images.ids, np.hstack([images.rows, text]), queries)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, help="where to build it; kept")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one-a-case", action="store_true", help="not all images of a case")
    parser.add_argument("--tray", action="store_true", help="measure what a tray adds instead")
    given = parser.parse_args()
    data = data_folder()
    judged = read_judged(data)
    with tempfile.TemporaryDirectory() as folder:
        path = given.library or Path(folder) / "medpix"
        make_library(path, data, judged)
        with Library.open(path) as library:
            tasks = make_tasks(judged, library)
            number = len(tasks)
            if given.one_a_case:
                tasks = list({task.group: task for task in reversed(tasks)}.values())[::-1]
            rank = library_rank(library)
            first = {task.id: rank(task, (), (), DEPTH) for task in tasks}
            if given.tray:
                print_trays(tasks, first, library, judged.case_of)
                return
            images = image_vectors(library, list(judged.captions), tasks)
            both = with_captions(images, judged.captions)
            systems: dict[str, Rank] = {
                "Rocchio, images": rocchio_rank(images, judged.case_of),
                "Rocchio, images and captions": rocchio_rank(both, judged.case_of),
                "logistic regression, images": logistic_rank(images, judged.case_of),
                "logistic regression, both": logistic_rank(both, judged.case_of),
                OURS: rank,
            }
            found = compare(tasks, first, systems, judged.case_of, given.rounds)
    print(f"{len(judged.captions)} figures; {number} could be queries, {len(tasks)} are")
    counts = found[OURS][0].likes
    print(f"likes in the first round: {dict(sorted(Counter(counts.values()).items()))}")
    print_table("MedPix, all queries", found)
    liked = {one for one, count in counts.items() if count}
    unseen = liked.intersection(unseen_queries(tasks, judged))
    for title, those in (("with a like", liked), ("with a like, the half not looked at", unseen)):
        some = {name: [one.only(those) for one in each] for name, each in found.items()}
        print_table(f"MedPix, queries {title}", some)


if __name__ == "__main__":
    main()
