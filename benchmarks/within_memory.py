"""A large library served with little memory, and with a cold page cache.

    python -m benchmarks.within_memory DIR/library      (benchmarks.large_library makes one)

The whole server, a process of its own, is put under a limit of 1.5 GB (``memory_limit``), which
holds its private memory and the pages of the library's files that it reads; beside it stands the
same without a limit. Before each the library's files are dropped from the page cache, and what is
read of them is told, so that the first searches are cold; no other process may have the library
open meanwhile, since pages that one has mapped are not dropped, and not charged to the server. (The
programs and Python's modules are not dropped.) Asked over HTTP, one at a time: vectors of images
that are not in the library, whose ten nearest are known; words and a vector as the app asks; and
searches of all kinds in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.apart import apart
from benchmarks.clip_like import ClipLike
from benchmarks.large_library import SPACE
from benchmarks.library_argument import library_at
from benchmarks.machine import machine
from benchmarks.memory_limit import Group, limited
from benchmarks.million_search import Asking, mixed, questions, whole
from benchmarks.million_vectors import K, Opened, truth
from benchmarks.page_cache import forget
from benchmarks.served import Client, served
from benchmarks.stages import memory
from benchmarks.targets import beside, spread
from medclip_search import Library, Query

COLD = 20
P50 = 15  # ms, the target for searches by vector; a whole one may take 20 with all memory


@dataclass(frozen=True)
class Questions:
    """What is asked, and what is to be found."""

    nearest: list[Asking]
    ids: list[list[str]]  # of the true answers to each of ``nearest``
    whole: list[Asking]
    mixed: list[Asking]


@dataclass(frozen=True)
class Work:
    """What a process has done so far."""

    minor: int  # page faults that a page in memory answered
    major: int  # those that read from disk
    read: float  # MB

    @classmethod
    def of(cls, pid: int) -> Work:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
        return cls(int(after_name[7]), int(after_name[9]), int(io["read_bytes"]) / 1e6)

    def __sub__(self, other: Work) -> Work:
        return Work(self.minor - other.minor, self.major - other.major, self.read - other.read)


def prepared(library: Path, count: int, searches: int) -> Questions:
    """Questions with their exact answers; run apart, for it reads the whole library."""
    opened = Opened.of(library)
    vectors = ClipLike().images(count, 0)[0].astype(np.float32)
    keys = truth(opened, vectors, {"": None})[""]
    ids = opened.generation.ids_of(keys[keys >= 0].tolist())
    opened.generation.close()
    words = questions(library, count)
    both = [whole(*pair) for pair in zip(words, vectors.tolist(), strict=True)]
    with Library.open(library) as one:
        liked = [hit.id for said in words[:50] for hit in one.search(Query(text=said), 1)]
    return Questions(
        [{"vector": vector, "space": SPACE, "k": K} for vector in vectors.tolist()],
        [[ids[key] for key in row if key >= 0] for row in keys.tolist()],
        both,
        mixed(both, liked, searches),
    )


def figures(library: Path, asked: Questions, group: Group | None) -> dict[str, str]:
    """What is told of one server, in the order of the table."""
    told: dict[str, str] = {}
    told["library left in the page cache"] = beside(forget(library), "MB")
    began = time.perf_counter()
    with served(library, group) as (address, pid):
        client = Client(address)
        timed(client, asked.nearest[:1])
        told["start to first answer, cold"] = beside(time.perf_counter() - began, "s")
        told[f"next {COLD} by vector, cold"] = spread(timed(client, asked.nearest[1 : COLD + 1])[0])
        told[f"next {COLD} by words and vector, cold"] = spread(
            timed(client, asked.whole[:COLD])[0]
        )
        told["read from disk until then"] = beside(Work.of(pid).read, "MB")
        timed(client, asked.nearest)
        first = Work.of(pid)
        taken, found = timed(client, asked.nearest)
        shares = [
            len({*got} & {*true}) / len(true) for got, true in zip(found, asked.ids, strict=True)
        ]
        told[f"by vector: recall@{K}"] = beside(float(np.mean(shares)))
        told["by vector"] = spread(taken, P50 if group else None)
        told["by vector: faults a search"] = faults(Work.of(pid) - first, len(taken))
        told["words and vector, 24 cards, counts"] = spread(timed(client, asked.whole[COLD:])[0])
        first = Work.of(pid)
        taken, _ = timed(client, asked.mixed)
        told[f"{len(taken):,} of all kinds"] = spread(taken)
        told["of all kinds: faults a search"] = faults(Work.of(pid) - first, len(taken))
        held = memory(pid)
        told["private memory"] = beside(held["RssAnon"], "MB")
        told["mapped pages"] = beside(held["RssFile"], "MB")
        told["most that the group held"] = beside(group.peak, "MB") if group else ""
        client.close()
    return told


def timed(client: Client, asked: Sequence[Asking]) -> tuple[list[float], list[list[str]]]:
    """The milliseconds of each search, and the ids that it found."""
    taken, found = [], []
    for one in asked:
        began = time.perf_counter()
        answer = client.search(one)
        taken.append(1000 * (time.perf_counter() - began))
        found.append([hit["id"] for hit in answer["hits"]])
    return taken, found


def faults(work: Work, searches: int) -> str:
    """Page faults and disk reads, by search."""
    return (
        f"{work.major / searches:,.1f} major, {work.minor / searches:,.0f} minor, "
        f"{work.read / searches:,.2f} MB read"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library", type=library_at)
    parser.add_argument("--limit", type=float, default=1500, help="MB")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--mixed", type=int, default=2000, help="searches of all kinds")
    given = parser.parse_args()
    if given.queries <= COLD:
        raise SystemExit(f"--queries {given.queries}: give more than {COLD}, for so many are cold")
    print(machine("uvicorn"))
    asked = apart(prepared, given.library, given.queries, given.mixed)
    columns: dict[str, dict[str, str]] = {}
    with limited(given.limit) as group:
        if group is None:
            print("no control group can be made here (as root it can): not measured under a limit")
        else:
            columns[f"{given.limit:,.0f} MB"] = figures(given.library, asked, group)
    columns["no limit"] = figures(given.library, asked, None)
    print(f"\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name in columns["no limit"]:
        print(f"| {name} | {' | '.join(column[name] for column in columns.values())} |")


if __name__ == "__main__":
    main()
