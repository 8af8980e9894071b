"""Independent parts of one search, done at the same time.

tantivy, FAISS and NumPy leave Python's lock while they work, so that the words of a query and its
vectors take two cores as long as the slower of them takes one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Lock
from typing import Generic, TypeVar

_T = TypeVar("_T")


def together(parts: Sequence[Callable[[], _T]]) -> list[_T]:
    """What each part gives, in their order. The first is done by the calling thread.

    Where one fails, no other is at work any more when that is raised: whoever asked may close what
    they read. Parts must not call this themselves, lest they wait for one another's threads; what
    several of them need is to be a ``Once``.
    """
    if len(parts) < 2:
        return [part() for part in parts]
    others = [_threads().submit(part) for part in parts[1:]]
    try:
        return [parts[0](), *(other.result() for other in others)]
    except BaseException:
        wait([other for other in others if not other.cancel()])
        raise


class Once(Generic[_T]):
    """What is found out once, by the first part that asks; others who ask meanwhile wait for it."""

    __slots__ = ("_find", "_found", "_lock")

    def __init__(self, find: Callable[[], _T]) -> None:
        self._find = find
        self._found: list[_T] = []
        self._lock = Lock()

    def __call__(self) -> _T:
        with self._lock:
            if not self._found:
                self._found.append(self._find())
            return self._found[0]


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="search")


if hasattr(os, "register_at_fork"):  # a process that was forked off has none of the threads
    os.register_at_fork(after_in_child=_threads.cache_clear)
