"""Independent parts of one search, done at the same time.

tantivy, FAISS and NumPy leave Python's lock while they work, so that the words of a query and its
vectors take two cores as long as the slower of them takes one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

_T = TypeVar("_T")


def together(parts: Sequence[Callable[[], _T]]) -> list[_T]:
    """What each part gives, in their order. The first is done by the calling thread.

    Where one fails, no other is at work any more when that is raised: whoever asked may close what
    they read. Parts must not call this themselves, lest they wait for one another's threads.
    """
    if len(parts) < 2:
        return [part() for part in parts]
    others = [_threads().submit(part) for part in parts[1:]]
    try:
        return [parts[0](), *(other.result() for other in others)]
    except BaseException:
        wait([other for other in others if not other.cancel()])
        raise


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="search")


if hasattr(os, "register_at_fork"):  # a process that was forked off has none of the threads
    os.register_at_fork(after_in_child=_threads.cache_clear)
