"""What a search spends its time on: the engine's own steps, timed one by one while it searches.

BM25 and the nearest vectors are looked for together: the steps add up to more than the whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from medclip_search.search import asked, engine, retrieve

_STEPS: dict[str, tuple[Any, str]] = {
    "reading the words": (engine, "read_texts"),
    "expansion": (engine, "expansion"),
    "filters": (engine, "_allowed"),
    "BM25": (retrieve, "_words"),
    "nearest vectors": (retrieve, "_nearest"),
    "scores of all candidates": (asked, "completed"),
    "fusion": (asked, "fuse"),
    "arranging, folding": (engine, "arrange"),
    "cards": (engine, "_hits"),
    "counting": (engine, "_counted"),
}


class Steps:
    """Milliseconds of each step, added up over the searches made so far."""

    def __init__(self) -> None:
        self.milliseconds = dict.fromkeys(_STEPS, 0.0)

    def timed(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return step(*given, **named)
            finally:
                self.milliseconds[name] += 1000 * (time.perf_counter() - began)

        return run


@contextmanager
def watched() -> Iterator[Steps]:
    """Time the steps of every search of this process, one at a time, until the end."""
    steps = Steps()
    before = {name: getattr(*place) for name, place in _STEPS.items()}
    for name, (owner, attribute) in _STEPS.items():
        setattr(owner, attribute, steps.timed(name, before[name]))
    try:
        yield steps
    finally:
        for name, (owner, attribute) in _STEPS.items():
            setattr(owner, attribute, before[name])


def print_steps(each: list[dict[str, float]], whole: list[float]) -> None:
    """Median and mean of each step and of what no step accounts for, in milliseconds."""
    table = {name: np.array([one[name] for one in each]) for name in _STEPS}
    table["all else"] = np.array(whole) - sum(table.values())
    for name, spent in table.items():
        print(f"    {name:26} p50 {np.median(spent):7.2f} ms, mean {spent.mean():7.2f} ms")
