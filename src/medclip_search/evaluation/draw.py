"""Cases drawn at random, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from medclip_search.cases import Case
from medclip_search.errors import UsageError


def draw(cases: Sequence[Case], count: int | None, seed: int, option: str) -> list[Case]:
    """All, or ``count`` drawn by ``seed``, in the order of their ids.

    Raises ``UsageError`` (naming the option) for a count below 1, or above what there is.
    """
    ordered = sorted(cases, key=lambda case: case.id)
    if count is None:
        return ordered
    if not 1 <= count <= len(ordered):
        raise UsageError(f"{option} {count}: give 1 to {len(ordered)}, as many cases as can ask")
    return sorted(random.Random(seed).sample(ordered, count), key=lambda case: case.id)
