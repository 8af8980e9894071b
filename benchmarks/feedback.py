"""What likes and dislikes are worth: systems beside one another, round by round."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from medclip_search import Library
from medclip_search.evaluation import difference
from medclip_search.evaluation.simulate import (
    HURT,
    MEASURE,
    Rank,
    Round,
    Task,
    library_rank,
    simulate,
)

OURS = "weight of evidence"


def compare(
    tasks: Sequence[Task],
    first: Mapping[str, Sequence[str]],
    systems: Mapping[str, Rank],
    group_of: Mapping[str, str],
    rounds: int,
) -> dict[str, list[Round]]:
    """The rounds of each system; ``OURS`` alone goes on after the first."""
    return {
        name: simulate(tasks, first, rank, group_of, rounds if name == OURS else 1)
        for name, rank in systems.items()
    }


def with_trays(tasks: Sequence[Task], group_of: Mapping[str, str], seed: int = 1) -> list[Task]:
    """Each task with a tray of 2 relevant cases and 6 of any kind, none of the query's group."""
    chance = random.Random(seed)
    everything = sorted(group_of)
    found = []
    for task in tasks:
        kept = [*chance.sample(sorted(task.relevant), 2), *chance.sample(everything, 6)]
        tray = tuple(dict.fromkeys(one for one in kept if group_of[one] != task.group))
        found.append(replace(task, tray=tray))
    return found


def print_trays(
    tasks: Sequence[Task],
    first: Mapping[str, Sequence[str]],
    library: Library,
    group_of: Mapping[str, str],
) -> None:
    """One round with the tray and without it, on the same residual."""
    kept = with_trays(tasks, group_of)
    (without,), (with_tray,) = (
        simulate(kept, first, library_rank(library, tray=used), group_of) for used in (False, True)
    )
    gain = difference(with_tray.after, without.after, MEASURE)
    change = with_tray.after.values[MEASURE] - without.after.values[MEASURE]
    print(f"with a tray of 2 relevant cases and 6 others: {without.after.means()[MEASURE]:.4f} to")
    print(f"  {with_tray.after.means()[MEASURE]:.4f}, {gain}; hurt {np.mean(change < -HURT):.1%}")


def print_table(title: str, found: Mapping[str, Sequence[Round]]) -> None:
    """Round 1 of all systems on the same residual, each with its gain; then ours by rounds."""
    ours = found[OURS][0]
    queries = len(ours.after.queries)
    print(f"\n{title}: {queries} queries of {len(set(ours.after.groups))} groups, {MEASURE}")
    print(f"  {'no feedback':32} {ours.before.means()[MEASURE]:.4f}")
    for name, each in found.items():
        print(f"  {name:32} {line(each[0])}")
    for name, each in found.items():
        if name != OURS:
            gain = difference(ours.after, each[0].after, MEASURE)
            print(f"  {OURS} less {name}: {gain}")
    for number, one in enumerate(found[OURS], 1):
        given = f"{mean(one.likes):.1f} likes, {mean(one.dislikes):.1f} dislikes"
        before = one.before.means()[MEASURE]
        print(f"  round {number} ({given}): from {before:.4f} to {line(one)}")
    last = found[OURS][-1]
    print(f"  on what is left after the last round: {last.before.means()[MEASURE]:.4f} at first;")
    for number, one in enumerate(found[OURS], 1):
        gain = difference(one.on_last, last.before, MEASURE)
        print(f"    {one.on_last.means()[MEASURE]:.4f} after round {number}, gain {gain}")


def line(one: Round) -> str:
    """A mean after feedback, its gain with its interval, and how many queries were hurt."""
    gain = difference(one.after, one.before, MEASURE)
    change = one.after.values[MEASURE] - one.before.values[MEASURE]
    helped = float(np.mean(change > HURT))
    return (
        f"{one.after.means()[MEASURE]:.4f}, gain {gain}; "
        f"hurt {one.hurt:.1%}, helped {helped:.1%} of {len(change)}"
    )


def mean(counts: Mapping[str, int]) -> float:
    return float(np.mean(list(counts.values()))) if counts else 0.0
