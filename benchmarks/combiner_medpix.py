"""A learned combiner on MedPix: images composed with words, beside convex fusion.

    python -m benchmarks.combiner_medpix [--library DIR]

Each figure asks by its picture together with its case's title, or with its case's history (never
its caption). Relevant are the figures of other cases that have its body region (``Location
Category``) and whose case has its topic category; all figures of its own case are left out. What
each list counts is learnt on four fifths of the cases and tried on the fifth, five times; intervals
draw cases whole. Nothing that is learnt here is kept.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.medpix import Figure, data_folder, read_figures
from benchmarks.medpix_library import build_medpix
from medclip_search import Library
from medclip_search.evaluation import Topic, train_combiner

CASE = "U_id"


def read_cases(data: Path) -> dict[str, dict[str, str]]:
    """Title, history and topic category of each case, "" where MedPix says nothing."""
    cases = {}
    for split in ("train", "dev"):
        with (data / f"data_{split}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                cases[entry[CASE]] = {
                    "title": entry["Case"].get("Title") or "",
                    "history": entry["Case"].get("History") or "",
                    "category": (entry.get("Topic") or {}).get("Category") or "",
                }
    return cases


def judgements(
    figures: list[Figure], cases: dict[str, dict[str, str]]
) -> dict[str, dict[str, int]]:
    """For each figure those of other cases that have its region and topic category."""
    of_kind: dict[tuple[str, str], list[Figure]] = defaultdict(list)
    for one in figures:
        kind = (one.labels["Location Category"], cases[one.case]["category"])
        if all(kind):
            of_kind[kind].append(one)
    return {
        one.id: relevant
        for each in of_kind.values()
        for one in each
        if (relevant := {other.id: 1 for other in each if other.case != one.case})
    }


def main() -> None:
    """Build, ask, learn, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, help="where to build it; kept")
    given = parser.parse_args()
    data = data_folder()
    figures, cases = read_figures(data), read_cases(data)
    qrels = judgements(figures, cases)
    with tempfile.TemporaryDirectory() as folder:
        path = given.library or Path(folder) / "medpix"
        build_medpix(path, data)
        with Library.open(path) as library:
            for words in ("title", "history"):
                topics = [
                    Topic(one.id, text, (one.id,), one.case)
                    for one in figures
                    if one.id in qrels and (text := cases[one.case][words])
                ]
                found = train_combiner(library, topics, qrels, leave_out=CASE)
                print(f"picture and {words}: {'' if found.better else 'not '}surely better")
                print("\n".join(found.lines()))


if __name__ == "__main__":
    main()
