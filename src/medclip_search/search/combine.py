"""A learned combiner: how much each kind of list counts, learnt from a library's judgements.

Convex fusion adds up what each list says of a case, its share (``fuse``). A combiner multiplies the
lists by factors; equal ones are convex fusion itself. ``evaluation.train_combiner`` learns them by
logistic regression, so that the sum of shares is a log-odds of relevance up to scale, and each
share of a hit still says what its list adds.

It is kept as JSON, with what it was learnt from and how it did on groups of queries held out. One
that did not beat fusion there is not used, nor one of another library, nor for queries that lists
answer which it was not learnt on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medclip_search.errors import UsageError
from medclip_search.search.fuse import RankedList

FORMAT = 1
KIND = "medclip-search combiner"
"""Of ``FORMAT`` goes up when lists are placed on other scales: factors are of one scale."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How a combiner did on groups of queries that it was not learnt on, beside fusion.

    ``interval`` is that of the difference, of 95 %, groups drawn whole.
    """

    measure: str
    fusion: float
    combiner: float
    interval: tuple[float, float]
    queries: int
    groups: int

    @property
    def better(self) -> bool:
        """Whether it beat fusion: the whole interval lies above 0."""
        return self.interval[0] > 0


@dataclass(frozen=True, slots=True)
class Combiner:
    """``factors`` by the lists' names, 1 on average; ``library`` is the id of the library;
    ``trained`` says when, by which version, and from what."""

    factors: Mapping[str, float]
    library: str
    held_out: HeldOut
    trained: Mapping[str, Any] = field(default_factory=lambda: dict[str, Any]())

    def weighed(self, lists: Sequence[RankedList]) -> list[RankedList]:
        """The lists with their factors; as they are where other lists answer a query too."""
        if not {one.name for one in lists if not one.unwanted} <= self.factors.keys():
            return list(lists)
        return [replace(one, weight=one.weight * self.factors.get(one.name, 1)) for one in lists]

    def to_json(self) -> dict[str, Any]:
        held = self.held_out
        return {
            "kind": KIND,
            "format": FORMAT,
            "library": self.library,
            "factors": dict(self.factors),
            "held_out": {
                "measure": held.measure,
                "fusion": held.fusion,
                "combiner": held.combiner,
                "interval": list(held.interval),
                "queries": held.queries,
                "groups": held.groups,
            },
            "trained": dict(self.trained),
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Combiner:
        """What ``to_json`` gave. Raises what Python does where a part is missing or wrong."""
        factors = {str(name): float(value) for name, value in given["factors"].items()}
        held = given["held_out"]
        low, high = map(float, held["interval"])
        numbers = (*factors.values(), low, high)
        if not all(map(math.isfinite, numbers)) or min(factors.values()) < 0:
            raise ValueError("a factor or an interval is no number, or below 0")
        measured = HeldOut(
            str(held["measure"]),
            float(held["fusion"]),
            float(held["combiner"]),
            (low, high),
            int(held["queries"]),
            int(held["groups"]),
        )
        return cls(factors, str(given["library"]), measured, dict(given["trained"]))

    def write(self, path: Path) -> None:
        """Raises ``OSError``."""
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")


def read_combiner(path: str | Path, library: str) -> Combiner:
    """A combiner of the library with this id. Raises ``UsageError`` where it may not be used."""
    path = Path(path).expanduser()
    train = "'medclip-search combiner train' makes one"
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--combiner {path}: cannot be read ({error.strerror}); {train}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"--combiner {path}: is no combiner (it is no JSON); {train}") from None
    if not isinstance(given, dict) or given.get("kind") != KIND:
        raise UsageError(f"--combiner {path}: is no combiner (it is something else); {train}")
    if given.get("format") != FORMAT:
        raise UsageError(f"--combiner {path}: is of another version; train it again")
    try:
        combiner = Combiner.from_json(given)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise UsageError(
            f"--combiner {path}: is no combiner (a part is missing, or no such value); {train}"
        ) from None
    if combiner.library != library:
        raise UsageError(
            f"--combiner {path}: was learnt on another library, and proven there only; {train}"
        )
    if not combiner.held_out.better:
        raise UsageError(
            f"--combiner {path}: did not beat fusion on held-out queries, and is not used; leave "
            "it out"
        )
    return combiner
