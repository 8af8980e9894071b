"""MedPix 2.0 as a judgement of image search: figures, their labels, precision at ten.

An answer is relevant where its label equals the query's. Figures of the query's own teaching
case (`U_id`), and the query itself, are left out of the answers before ranks are counted, for
they are often slices of one study. A query whose label is empty is left out of that label's
mean; an answer whose label is empty is not relevant; missing answers count as not relevant.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medclip_search.evaluation import Scores

LABELS = ("Type", "Location Category", "Plane")
"""Modality (CT or MR), body region, plane of the cut."""

MEASURE = "P@10"

LEAST = {"Type": 0.92, "Location Category": 0.70, "Plane": 0.77}
"""Precision at ten that `compact` must not fall below."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One image of MedPix. ``labels`` holds "" where MedPix says nothing."""

    id: str
    case: str
    image: Path
    labels: Mapping[str, str]


def data_folder() -> Path:
    """MedPix below ``MEDCLIP_TEST_DATA`` (default: ``../shared/data``); exits where absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MEDCLIP_TEST_DATA", default)) / "medpix"
    if not folder.is_dir():
        raise SystemExit(f"no MedPix data at {folder}; set MEDCLIP_TEST_DATA")
    return folder


def read_figures(folder: Path) -> list[Figure]:
    """All figures of both tables, in the order of the files."""
    files = {path.stem: path for path in (folder / "images").iterdir()}
    figures = []
    for split in ("train", "dev"):
        with (folder / f"descriptions_{split}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                flat = entry | entry["Description"]
                figures.append(
                    Figure(
                        id=entry["image"],
                        case=entry["U_id"],
                        image=files[entry["image"]],
                        labels={label: flat.get(label) or "" for label in LABELS},
                    )
                )
    return figures


def depth(figures: Sequence[Figure], k: int = 10) -> int:
    """How many answers to ask for, so that ``k`` are left after the query's own case."""
    return k + max(Counter(figure.case for figure in figures).values())


def precision(
    figures: Sequence[Figure], answers: Mapping[str, Sequence[str]], k: int = 10
) -> dict[str, Scores]:
    """``P@10`` of each query for each label, with the queries' cases as groups.

    ``answers`` gives for each query's id the ids of its answers, best first, at least
    ``depth(figures, k)`` of them; those of the query's own case may be among them.
    """
    by_id = {figure.id: figure for figure in figures}
    found: dict[str, dict[str, float]] = {label: {} for label in LABELS}
    for query_id, answer_ids in answers.items():
        query = by_id[query_id]
        others = [by_id[one] for one in answer_ids if by_id[one].case != query.case][:k]
        for label in LABELS:
            if wanted := query.labels[label]:
                found[label][query_id] = sum(one.labels[label] == wanted for one in others) / k
    return {
        label: Scores(
            tuple(each),
            tuple(by_id[one].case for one in each),
            {MEASURE: np.array(list(each.values()))},
        )
        for label, each in found.items()
        if each
    }


def report(found: Mapping[str, Scores], least: Mapping[str, float] = LEAST) -> bool:
    """Print one line a label, with its interval; tells whether none is below its ``least``."""
    good = True
    for label, scores in found.items():
        value = scores.means()[MEASURE]
        low, high = scores.intervals()[MEASURE]
        line = f"P@10 {label:18} {value:.4f} [{low:.4f}, {high:.4f}]  {len(scores.queries)} queries"
        if label in least:
            reached = value >= least[label]
            good = good and reached
            line += f", least {least[label]:.2f}{'' if reached else '  BELOW'}"
        print(line)
    return good
