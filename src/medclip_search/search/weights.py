"""Weights: how much each part of a query counts, from a mapping or from texts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medclip_search.errors import QueryError

Weights = tuple[tuple[str, tuple[float, ...]], ...]
"""For each part that was given any, one weight for each of its texts, images or vectors."""

WeightsInput = Mapping[str, float | Sequence[float]] | str | Sequence[str] | Weights
"""``{"words": 0.5, "image": [2, 1]}``, or the same as text: ``["words=0.5", "image=2,1"]``."""

PARTS = {"words": "text", "image": "image", "vector": "vector", "not-image": "not_image"}
"""The parts that can be weighted, and what a query calls them. Unwanted words leave cases out."""

_EXAMPLE = "write PART=NUMBER, for example image=2"


def part_weights(given: WeightsInput, counts: Mapping[str, int]) -> Weights:
    """The weights of a query that has so many of each part. Raises ``QueryError``.

    One number holds for all texts, images or vectors of a part; several are one for each.
    """
    found: dict[str, tuple[float, ...]] = {}
    for name, value in _pairs(given):
        part = _part(name)
        if part in found:
            raise QueryError(f"weights: {part} is given twice")
        if not (count := counts[part]):
            raise QueryError(f"weights: {part} has a weight, but the query has no {part}")
        numbers = _numbers(part, value)
        if len(numbers) not in (1, count):
            raise QueryError(f"weights: {part} has {len(numbers)} weights; give 1 or {count}")
        found[part] = numbers if len(numbers) == count else numbers * count
    wanted = [part for part, count in counts.items() if count and part != "not-image"]
    if wanted and all(part in found and not any(found[part]) for part in wanted):
        raise QueryError("weights: all that is wanted weighs 0; give a part more")
    return tuple(sorted(found.items()))


def _pairs(given: WeightsInput) -> Iterator[tuple[str, object]]:
    if isinstance(given, Mapping):
        yield from given.items()
        return
    for one in (given,) if isinstance(given, str) else given:
        if isinstance(one, str):
            name, sign, numbers = one.partition("=")
            if not sign:
                raise QueryError(f"weights: {one[:40]}: {_EXAMPLE}")
            yield name, numbers.split(",")
        else:
            yield one


def _part(name: str) -> str:
    known = {field: part for part, field in PARTS.items()} | {part: part for part in PARTS}
    if (part := known.get(name.strip().lower())) is None:
        raise QueryError(f"weights: {name[:40]}: no such part; there are {', '.join(PARTS)}")
    return part


def _numbers(part: str, value: object) -> tuple[float, ...]:
    several: Sequence[Any] = value if isinstance(value, list | tuple) else (value,)
    try:
        if any(isinstance(one, bool) for one in several):
            raise ValueError(value)
        numbers = tuple(float(one) for one in several)
    except (TypeError, ValueError):
        raise QueryError(f"weights: {part} is no number; {_EXAMPLE}") from None
    if not all(math.isfinite(one) and one >= 0 for one in numbers):
        raise QueryError(f"weights: {part} must be 0 or more, and finite")
    return numbers
