"""What of a folder's files is in memory: the system's page cache, filled, held, emptied (Linux)."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

_CHUNK = 1 << 24


def remember(folder: Path) -> None:
    """Read all files below a folder once, so that they are in memory as far as it reaches."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(_CHUNK):
                    pass


@contextmanager
def held(folder: Path) -> Iterator[str]:
    """Keep all files below a folder in memory meanwhile; gives a line that says whether it can.

    Some systems (DAMON of Linux) take pages out of memory that nobody has read for a while, though
    there is room: a cache that is warm at the beginning is not at the end.
    """
    remember(folder)
    libc = ctypes.CDLL(None, use_errno=True)
    mapped = []
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size:
            pages = np.memmap(path, np.uint8, "r")
            mapped.append(pages)
            if libc.mlock(ctypes.c_void_p(pages.ctypes.data), ctypes.c_size_t(len(pages))):
                reason = os.strerror(ctypes.get_errno())
                mapped.clear()
                yield f"the files were read, and cannot be held in memory ({reason}: ulimit -l)"
                return
    yield f"the files are held in memory: {sum(map(len, mapped)) / 1e6:,.0f} MB"
    mapped.clear()


def forget(folder: Path) -> float:
    """Drop the cached pages of all files below a folder; the MB that others have mapped stay."""
    left = 0
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size:
            file = os.open(path, os.O_RDONLY)
            try:
                os.fsync(file)  # a page that is not on disk yet cannot be dropped
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(file)
            left += cached(path)
    return left / 1e6


def cached(path: Path) -> int:
    """Bytes of a file that are in the page cache (``mincore``)."""
    mapped = np.memmap(path, np.uint8, "r")
    pages = np.zeros(-(-len(mapped) // mmap.PAGESIZE), np.uint8)
    address, flags = (ctypes.c_void_p(one.ctypes.data) for one in (mapped, pages))
    if ctypes.CDLL(None, use_errno=True).mincore(address, ctypes.c_size_t(len(mapped)), flags):
        raise OSError(ctypes.get_errno(), "mincore", str(path))
    return int((pages & 1).sum()) * mmap.PAGESIZE
