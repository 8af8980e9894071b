"""What of a folder's files is in memory: the system's page cache, filled and emptied (Linux)."""

from __future__ import annotations

import ctypes
import mmap
import os
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
