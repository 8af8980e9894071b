"""Images and words composed, on MedPix: do both together find more than either alone?

    python -m benchmarks.medpix_composed [--library DIR]

The query is an image with the words of its teaching case: the title, or in a second table the
history; neither is in the library, which holds the captions of images. An answer is relevant
where its `Location Category` and the topic `Category` of its case are the query's. Everything is
cross-fitted by case (`benchmarks/medpix_folds.py`): a query's own fold of cases is in the library
neither as answers nor as what the search learns from. Queries are all images (`--per-case N`: the
first N of a case) with at least one relevant image in the library and with words.

Words alone are also asked as typed (`Query.expand`). Images are embedded
once and asked by their vector, which is the same list under another name. Measures are nDCG@10,
P@10 and AP over the first 100 answers; intervals draw whole cases.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.medpix import Figure, data_folder, read_figures
from benchmarks.medpix_folds import crossfit
from benchmarks.medpix_library import build_medpix
from medclip_search import Query
from medclip_search.encoders.registry import load
from medclip_search.evaluation import Qrels, Scores, answer, difference, score
from medclip_search.images import read_image

MEASURES = ("nDCG@10", "P@10", "AP")
DEPTH = 100
WORDS = ("Title", "History")

Floats = np.ndarray
Vectors = Mapping[str, Floats]
MakeQuery = Callable[[Floats, str], Query]


Kind = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Judged:
    """Of each image what makes others relevant, and the words of its case, by field."""

    kinds: Mapping[str, Kind]
    texts: Mapping[str, Mapping[str, str]]

    def qrels(self, asking: Sequence[Figure], others: Sequence[Figure], field: str) -> Qrels:
        """The judgements of queries that have the field, where anything is relevant."""
        of_kind: dict[Kind, dict[str, int]] = defaultdict(dict)
        for other in others:
            of_kind[self.kinds[other.id]][other.id] = 1
        return {
            one.id: of_kind[self.kinds[one.id]]
            for one in asking
            if self.texts[field][one.id] and all(self.kinds[one.id]) and of_kind[self.kinds[one.id]]
        }


def judge(data: Path) -> Judged:
    """From the tables of images and of cases."""
    about = {}
    for split in ("train", "dev"):
        for line in (data / f"data_{split}.jsonl").read_text("utf-8").splitlines():
            case = json.loads(line)
            about[case["U_id"]] = case
    figures = read_figures(data)
    kinds = {
        f.id: (f.labels["Location Category"], about[f.case]["Topic"]["Category"] or "")
        for f in figures
    }
    texts = {
        field: {f.id: (about[f.case]["Case"][field] or "").strip() for f in figures}
        for field in WORDS
    }
    return Judged(kinds, texts)


def embed(data: Path) -> dict[str, Floats]:
    """Each image's vector by ``compact``."""
    encoder = load("compact")
    vectors = {}
    for figure in read_figures(data):
        batch = encoder.preprocess(read_image(figure.image))[None]
        vectors[figure.id] = encoder.encode_images(batch)["compact"][0]
    return vectors


def _query(**parts: Any) -> Query:
    # Each image was judged, the same picture twice too.
    space = "compact" if "vector" in parts else ""
    return Query(**parts, space=space, fold=False)


SYSTEMS: dict[str, MakeQuery] = {
    "image alone": lambda vector, _: _query(vector=vector),
    "words alone, as typed": lambda _, text: _query(text=text, expand="none"),
    "words alone": lambda _, text: _query(text=text),
    "both, rrf": lambda vector, text: _query(text=text, vector=vector, fusion="rrf"),
    "both": lambda vector, text: _query(text=text, vector=vector),
}
"""From an image's vector and words to a query."""
DEFAULT = "both"


def compare(
    library: Path, data: Path, scratch: Path, per_case: int | None = None
) -> dict[str, dict[str, Scores]]:
    """For each field of words, each system's scores."""
    figures, judged, vectors = read_figures(data), judge(data), embed(data)
    groups = {one.id: one.case for one in figures}
    runs: dict[str, dict[str, dict[str, dict[str, float]]]]
    runs = {field: {name: {} for name in SYSTEMS} for field in WORDS}
    qrels: dict[str, dict[str, Mapping[str, int]]] = {field: {} for field in WORDS}
    for asking, others, opened in crossfit(library, figures, scratch):
        for field in WORDS:
            known = judged.qrels(_few(asking, per_case), others, field)
            qrels[field] |= known
            for name, make in SYSTEMS.items():
                asked = [(one, make(vectors[one], judged.texts[field][one])) for one in known]
                runs[field][name] |= answer(opened, asked, DEPTH)
    return {
        field: {name: score(run, qrels[field], MEASURES, groups) for name, run in found.items()}
        for field, found in runs.items()
    }


def _few(figures: Sequence[Figure], per_case: int | None) -> list[Figure]:
    by_case: dict[str, list[Figure]] = defaultdict(list)
    for one in figures:
        by_case[one.case].append(one)
    return [one for each in by_case.values() for one in each[:per_case]]


def report(found: Mapping[str, Scores], field: str) -> None:
    """A table, and what the default has over the others."""
    first = next(iter(found.values()))
    print(f"\n{field}: {len(first.queries)} images of {len(set(first.groups))} cases")
    for measure in MEASURES:
        print(f"  {measure}")
        for name, scores in found.items():
            low, high = scores.intervals()[measure]
            print(f"    {name:26} {scores.means()[measure]:.4f} [{low:.4f}, {high:.4f}]")
        for name in found:
            if name != DEFAULT:
                print(
                    f"    {DEFAULT} less {name}: {difference(found[DEFAULT], found[name], measure)}"
                )


def main() -> None:
    """Build or reuse, ask, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, help="where to build it; kept")
    parser.add_argument("--per-case", type=int, help="so many images of a case; by default all")
    arguments = parser.parse_args()
    data = data_folder()
    with tempfile.TemporaryDirectory() as scratch:
        path = arguments.library or Path(scratch) / "medpix"
        build_medpix(path, data)
        found = compare(path, data, Path(scratch), arguments.per_case)
    for field, scores in found.items():
        report(scores, field)


if __name__ == "__main__":
    main()
