"""How long work tells how far it is: a callable that opens one bar a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], object]


class Progress(Protocol):
    """``with progress("embedding", total, "image") as advance: advance(1)``."""

    def __call__(
        self, stage: str, total: int | None, unit: str
    ) -> AbstractContextManager[Advance]: ...


@contextmanager
def _silent(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
    yield lambda _: None


SILENT: Progress = _silent
"""Says nothing."""
