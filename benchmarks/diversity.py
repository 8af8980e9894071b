"""What diversity buys and costs on MedPix: ten answers to an image, and to a case's title.

    python -m benchmarks.diversity [--library DIR]

300 images, and the titles of 300 cases, each ask for ten answers from other teaching cases. The
baseline is the ranking itself; ``group`` takes one hit a case (``--group U_id``). Reported are the
number of distinct cases, the mean cosine between the answers' pictures (intra-list similarity; by
``compact``, which is also what diversity goes by), and the cost in P@10 and nDCG@10 for the same
region. Intervals draw cases.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.medpix import Figure, data_folder, read_figures
from benchmarks.medpix_library import build_medpix
from medclip_search import Library, Query
from medclip_search.evaluation.intervals import bootstrap

QUERIES = 300
LABEL = "Location Category"
SETTINGS: Mapping[str, dict[str, Any]] = {
    "no diversity": {},
    "0.3": {"diversity": 0.3},
    "0.5": {"diversity": 0.5},
    "0.7": {"diversity": 0.7},
    "group": {"group": "U_id"},
}
MEASURES = ("cases", "cosine", "P@10", "nDCG@10")


def titles(data: Path) -> dict[str, str]:
    """The title of each teaching case."""
    found = {}
    for split in ("train", "dev"):
        with (data / f"data_{split}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                found[entry["U_id"]] = entry["Case"]["Title"] or ""
    return found


def measure(
    library: Library, by_id: Mapping[str, Figure], query: Query, wanted: str
) -> list[float]:
    """The four measures of one query's ten answers."""
    hits = library.search(query, 10)
    if not hits:
        return [0.0, 0.0, 0.0, 0.0]
    generation = library._generation
    keys = [key for key in generation.keys_of([hit.id for hit in hits]) if key is not None]
    cosines = generation.vectors["compact"].pairwise(keys, keys)
    pairs = [cosines[a, b] for a, b in itertools.combinations(range(len(hits)), 2)]
    good = np.array([by_id[hit.id].labels[LABEL] == wanted for hit in hits], np.float64)
    gain = 1 / np.log2(np.arange(2, 12))
    return [
        len({by_id[hit.id].case for hit in hits}),
        float(np.mean(pairs)) if pairs else 1.0,
        float(good.sum() / 10),
        float(good @ gain[: len(good)] / gain.sum()),
    ]


def report(name: str, values: Mapping[str, NDArray[np.float64]], groups: Sequence[str]) -> None:
    """A line a setting: the means, and the differences to the first with their intervals."""
    print(f"\n{name}, {len(groups)} queries")
    print(f"{'':14}" + "".join(f"{one:>32}" for one in MEASURES))
    baseline = values["no diversity"]
    for setting, found in values.items():
        cells = []
        for at in range(len(MEASURES)):
            cell = f"{found[:, at].mean():.3f}"
            if setting != "no diversity":
                change = found[:, at] - baseline[:, at]
                low, high = bootstrap(change, groups)
                cell += f" ({change.mean():+.3f} [{low:+.3f}, {high:+.3f}])"
            cells.append(f"{cell:>32}")
        print(f"{setting:14}" + "".join(cells))


def main() -> None:
    """Build, ask, measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, help="where to build it; kept")
    arguments = parser.parse_args()
    data = data_folder()
    figures = [one for one in read_figures(data) if one.labels[LABEL]]
    by_id = {one.id: one for one in read_figures(data)}
    asking = np.random.default_rng(6).permutation(len(figures))
    by_image = [figures[at] for at in asking[:QUERIES]]
    named = titles(data)
    of_case = {one.case: one for one in (figures[at] for at in asking) if named.get(one.case)}
    by_title = list(of_case.values())[:QUERIES]
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.library or Path(folder) / "medpix"
        build_medpix(path, data)
        with Library.open(path) as library:
            for name, asked in (("images", by_image), ("titles", by_title)):
                values = {
                    setting: np.array(
                        [
                            measure(
                                library,
                                by_id,
                                Query(
                                    image=one.image if name == "images" else (),
                                    text="" if name == "images" else named[one.case],
                                    where=f"U_id!={one.case}",
                                    **fields,
                                ),
                                one.labels[LABEL],
                            )
                            for one in asked
                        ]
                    )
                    for setting, fields in SETTINGS.items()
                }
                report(name, values, [one.case for one in asked])


if __name__ == "__main__":
    main()
