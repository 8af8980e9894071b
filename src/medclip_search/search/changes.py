"""Changes: what likes and dislikes did to a page of answers, and the main reason why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from medclip_search.search.hits import Hit, WeightLine


@dataclass(frozen=True, slots=True)
class Changes:
    """How many hits moved up or down on a page, came onto it, or left it.

    ``gained`` is what speaks most for those that rose or came, ``lost`` most against those that
    fell; each with how many of them it holds for.
    """

    up: int = 0
    down: int = 0
    came: int = 0
    left: int = 0
    gained: tuple[str, int] | None = None
    lost: tuple[str, int] | None = None

    def __bool__(self) -> bool:
        return bool(self.up or self.down or self.came or self.left)

    def __str__(self) -> str:
        """In a sentence or two."""
        if not self:
            return "Nothing on this page moved."
        moves = (("moved up", self.up), ("came in", self.came), ("left the page", self.left))
        told = [f"{count} {move}" for move, count in moves if count]
        if not (self.up or self.came):
            told.insert(0, f"{self.down} moved down")
        sentence = f"{_listed(told)}."
        for reason, which in ((self.gained, "of these"), (self.lost, "that fell")):
            if reason is not None:
                says, count = reason
                sentence += f" {count} {which} {_told(says, count)}."
        return sentence

    def to_json(self) -> dict[str, Any]:
        """The one JSON form."""
        return {
            "up": self.up,
            "down": self.down,
            "came": self.came,
            "left": self.left,
            "says": str(self),
        }


def changes(before: Sequence[Hit], after: Sequence[Hit]) -> Changes:
    """From one page of hits to the same page, judged otherwise."""
    ranks = {hit.id: hit.rank for hit in before}
    came = [hit for hit in after if hit.id not in ranks]
    up = [hit for hit in after if hit.rank < ranks.get(hit.id, hit.rank)]
    down = [hit for hit in after if hit.rank > ranks.get(hit.id, hit.rank)]
    left = len(ranks.keys() - {hit.id for hit in after})
    return Changes(len(up), len(down), len(came), left, _reason([*up, *came], 1), _reason(down, -1))


def _reason(hits: Iterable[Hit], sign: int) -> tuple[str, int] | None:
    """The line that weighs most over all hits, of those for (1) or against (-1) them."""
    weights: dict[str, float] = {}
    counts: dict[str, int] = {}
    for hit in hits:
        for line in _lines(hit):
            if sign * line.decibans >= 0.5:  # less is not felt
                weights[line.says] = weights.get(line.says, 0.0) + sign * line.decibans
                counts[line.says] = counts.get(line.says, 0) + 1
    if not weights:
        return None
    says = max(sorted(weights), key=lambda one: weights[one])
    return says, counts[says]


def _lines(hit: Hit) -> Sequence[WeightLine]:
    """What judgements of other cases say: not the first ranking, nor what it was given itself."""
    if hit.feedback is None:
        return ()
    return [
        line for line in hit.feedback.lines[1:] if not line.says.endswith((" by you", "weaker"))
    ]


def _told(says: str, count: int) -> str:
    """What is said of one hit, of so many: ``mentions`` becomes ``mention``."""
    verbs = (("also mentions ", "also mention "), ("mentions ", "mention "))
    for one, several in (*verbs, ("has ", "have "), ("looks ", "look ")):
        if count > 1 and says.startswith(one):
            return several + says.removeprefix(one)
    return says


def _listed(told: Sequence[str]) -> str:
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
