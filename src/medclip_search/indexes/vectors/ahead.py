"""Rows scattered over mapped files are asked of the disk together, before they are read.

Read one after another, each missing page is waited for, and the system reads as many others with it
as the disk is set for: 31, or 2,047. 330 rows of a file that is not in memory take 0.4 to 4 s, and
5 to 40 ms when they are asked for first (a virtual disk, two busy cores). What is in memory would
be asked for in vain, 0.4 ms; so it is done as long as the reading before went to the disk.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclip_search.indexes.vectors.half import Rows

_RANDOM, _WILL_NEED = 1, 3  # MADV_RANDOM and MADV_WILLNEED of Linux
_MOST = 1 << 15  # rows: of more, a good part of the file is read anyway


def scattered(array: NDArray[Any]) -> None:
    """Rows of a mapped array will be read here and there, and the system is to read no others."""
    advise = _advise()
    if advise is not None and array.nbytes:
        start = array.ctypes.data & -mmap.PAGESIZE
        advise(start, array.ctypes.data + array.nbytes - start, _RANDOM)


class Ahead:
    """Whether rows have to be asked for; of one index. Threads may share it."""

    def __init__(self) -> None:
        self._from_disk = True

    @contextmanager
    def reading(self, where: Rows, *arrays: NDArray[Any]) -> Iterator[None]:
        """Rows numbered ``where`` of each array, (n, …), are about to be read, by this thread."""
        advise = _advise()
        if advise is None:
            yield
            return
        before = _blocks_read()
        if self._from_disk and len(where) <= _MOST:
            for array in arrays:
                for start, length in _pages(array, np.sort(where)):
                    advise(start, length, _WILL_NEED)
        yield
        self._from_disk = _blocks_read() != before


def _pages(array: NDArray[Any], where: Rows) -> list[list[int]]:
    """Addresses and lengths of the pages that hold these rows, which ascend; none twice."""
    if not len(where):
        return []
    width = array.strides[0]
    first = (array.ctypes.data + where * width) & -mmap.PAGESIZE
    end = (array.ctypes.data + where * width + width - 1) // mmap.PAGESIZE * mmap.PAGESIZE
    end += mmap.PAGESIZE
    apart = np.flatnonzero(first[1:] > end[:-1])
    first = first[np.append(0, apart + 1)]
    end = end[np.append(apart, len(end) - 1)]
    return np.stack((first, end - first), axis=1).tolist()  # type: ignore[no-any-return]


@functools.cache
def _advise() -> Callable[[int, int, int], int] | None:
    """Linux's ``madvise``; ``None`` elsewhere."""
    if sys.platform != "linux":
        return None
    found: Any = ctypes.CDLL(None).madvise
    found.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return found  # type: ignore[no-any-return]


def _blocks_read() -> int:
    """Those that this thread has had read from a disk."""
    import resource  # of Unix alone

    return resource.getrusage(resource.RUSAGE_THREAD).ru_inblock
