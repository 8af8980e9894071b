"""How a library's costs grow with its cases: each stage of the build, memory, disk, and searches.

    python -m benchmarks.growth DIR [--rows 100000 400000 1600000]

Libraries are made by ``large_library`` in DIR/100000 and so on, or are there already (the stages of
one that was stopped while it was made are not known). Searches are asked one at a time, page cache
warm: a vector and words in one process, words and a vector over HTTP of a server in another, whose
memory is told after searches of all kinds. The last column is the exponent between the least and
the most cases: 1 is in proportion to them, 0.5 to their root. ``--draw FILE.svg`` draws it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.apart import apart
from benchmarks.chart import draw
from benchmarks.clip_like import ClipLike
from benchmarks.large_library import SPENT, disk, library_of
from benchmarks.machine import machine
from benchmarks.million_search import Asking, ids_by_words, mixed, questions, timed, whole
from benchmarks.million_vectors import Opened, ask
from benchmarks.page_cache import held
from benchmarks.served import Client, served
from benchmarks.stages import memory
from medclip_search import Library, Query

BUILD = "all stages"
SEARCHES = ("by vector, p50", "by words, p50", "both over HTTP, p50")
SIZES = ("disk", "build, private memory", "server, private memory")
_WARM_UP = 20


@dataclass
class Figures:
    """What one size took, by name: seconds, MB and milliseconds."""

    seconds: dict[str, float] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)


def measured(folder: Path, rows: int, queries: int, searches: int) -> Figures:
    """Make the library where it is not there yet, and measure it."""
    library = apart(made, folder, rows)
    told = Figures()
    spent = json.loads((folder / SPENT).read_text()) if (folder / SPENT).exists() else {}
    built = {name: one for name, one in spent.items() if not name.startswith("making")}
    if built:
        told.seconds = {name: one["seconds"] for name, one in built.items()}
        told.seconds[BUILD] = sum(told.seconds.values())
        told.megabytes["build, private memory"] = max(one["peak"] for one in built.values())
    told.megabytes["disk"] = sum(disk(library).values())
    with held(library) as warm:
        print(f"{rows:,} cases: {warm}", flush=True)
        by_vector, by_words, asked, kinds = apart(in_process, library, queries, searches)
        with served(library) as (address, pid):
            client = Client(address)
            over_http = []
            for one in asked:
                began = time.perf_counter()
                client.search(one)
                over_http.append(1000 * (time.perf_counter() - began))
            for one in kinds:
                client.search(one)
            server = memory(pid)
            client.close()
    told.megabytes["server, private memory"] = server["RssAnon"]
    told.megabytes["server, mapped pages"] = server["RssFile"]
    middles = (by_vector, by_words, float(np.median(over_http[_WARM_UP:])))
    told.milliseconds = dict(zip(SEARCHES, middles, strict=True))
    return told


def made(folder: Path, rows: int) -> Path:
    """The library, whose stages are shown while they pass, but are not among the figures."""
    with redirect_stdout(sys.stderr):
        return library_of(folder, rows)


def in_process(
    library: Path, queries: int, searches: int
) -> tuple[float, float, list[Asking], list[Asking]]:
    """Median milliseconds by vector and by words, and what is to be asked over HTTP."""
    opened = Opened.of(library)
    vectors = ClipLike().images(queries + _WARM_UP, 0)[0].astype(np.float32)
    _, by_vector = ask(opened, opened.index, vectors[_WARM_UP:], None, _WARM_UP)
    words = questions(library, queries + _WARM_UP)
    by_words = [timed(lambda said=said: ids_by_words(opened.generation, said)) for said in words]
    opened.generation.close()
    both = [whole(*pair) for pair in zip(words, vectors.tolist(), strict=True)]
    with Library.open(library) as one:
        liked = [hit.id for said in words[:50] for hit in one.search(Query(text=said), 1)]
    middles = float(np.median(by_vector)), float(np.median(by_words[_WARM_UP:]))
    return *middles, both, mixed(both, liked, searches)


def table(told: dict[int, Figures]) -> str:
    """All figures, a column a size."""
    lines = [f"| | {' | '.join(f'{rows:,}' for rows in told)} | exponent |"]
    lines.append(f"|---|{'---|' * (len(told) + 1)}")
    for kind, unit, digits in (
        ("seconds", "s", 1),
        ("megabytes", "MB", 0),
        ("milliseconds", "ms", 2),
    ):
        names = {name: None for one in told.values() for name in getattr(one, kind)}
        for name in names:
            values = [getattr(one, kind).get(name, math.nan) for one in told.values()]
            shown = ["" if math.isnan(one) else f"{one:,.{digits}f} {unit}" for one in values]
            lines.append(f"| {name} | {' | '.join(shown)} | {exponent(list(told), values)} |")
    return "\n".join(lines)


def exponent(rows: list[int], values: list[float]) -> str:
    """Of the power of the rows that joins the first value and the last; nothing where unknown."""
    if len(rows) < 2 or not values[0] > 0 or not values[-1] > 0:
        return ""
    return f"{math.log(values[-1] / values[0]) / math.log(rows[-1] / rows[0]):.2f}"


def panels(told: dict[int, Figures]) -> dict[str, dict[str, list[float]]]:
    """What is drawn: searches, the longest stages of the build, and the sizes."""
    sizes = list(told.values())
    last = sizes[-1].seconds
    longest = sorted(last, key=lambda name: -last[name])[:5]
    drawn = {
        "p50 of a search, ms": [(name, [one.milliseconds for one in sizes]) for name in SEARCHES],
        "stages of the build, s": [(name, [one.seconds for one in sizes]) for name in longest],
        "disk and private memory, MB": [(name, [one.megabytes for one in sizes]) for name in SIZES],
    }
    whole_lines = {
        title: {
            name.split(",")[0]: [one[name] for one in values]
            for name, values in lines
            if all(one.get(name, 0) > 0 for one in values)
        }
        for title, lines in drawn.items()
    }
    return {title: lines for title, lines in whole_lines.items() if lines}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 400_000, 1_600_000])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--mixed", type=int, default=2000, help="searches before memory is told")
    parser.add_argument("--draw", type=Path, help="an SVG file")
    given = parser.parse_args()
    print(machine("uvicorn"))
    told = {
        rows: measured(given.folder / f"{rows}", rows, given.queries, given.mixed)
        for rows in sorted(given.rows)
    }
    print(f"\n{table(told)}")
    if given.draw:
        draw(given.draw, list(told), panels(told))
        print(f"\n![Growth with the number of cases]({given.draw.name})")


if __name__ == "__main__":
    main()
