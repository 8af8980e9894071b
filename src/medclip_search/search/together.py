"""Independent parts of one search, done at the same time.

tantivy, FAISS and NumPy leave Python's lock while they work, so that the words of a query and its
vectors take two cores as long as the slower of them takes one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def together(parts: Sequence[Callable[[], _T]]) -> list[_T]:
    """What each part gives, in their order. The first is done by the calling thread.

    Parts must not call this themselves, lest they wait for one another's threads.
    """
    if len(parts) < 2:
        return [part() for part in parts]
    others = [_threads().submit(part) for part in parts[1:]]
    return [parts[0](), *(other.result() for other in others)]


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="search")
