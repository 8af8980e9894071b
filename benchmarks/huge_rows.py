"""A file of as many seeded rows as wanted, really on disk: written in a stream, gone on with.

The rows are those of ``clip_like``, float16, block after block. Of a file that is there already,
what was not yet flushed when it was stopped is compared with what it has to be, and a block in
``_FLUSHED`` of the rest: it is gone on with behind the last that is right.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks.clip_like import BLOCK, ClipLike, Half
from medclip_search.progress import Progress

FIRST = 1
"""Stream of the first block; stream 0 is for queries."""

_FLUSHED = 64  # blocks between two flushes: 0.5 GB
_THREADS = 2


def row_bytes(source: ClipLike) -> int:
    """Of one row on disk."""
    return source.dimension * np.dtype(np.float16).itemsize


def known_rows(path: Path, count: int, source: ClipLike, progress: Progress) -> int:
    """How many rows from the start of the file are what they have to be."""
    size = path.stat().st_size if path.exists() else 0
    known = size // row_bytes(source)
    if known > count:
        raise SystemExit(f"{path}: holds {known:,} rows, not {count:,}; name another folder")
    if known < count:
        known -= known % BLOCK
    blocks = -(-known // BLOCK)
    flushed = max(0, blocks - _FLUSHED)
    looked_at: list[int] = [*range(0, flushed, _FLUSHED), *range(flushed, blocks)]
    with progress("checking rows", len(looked_at), "block") as advance:
        for number in looked_at:
            start = number * BLOCK
            wanted = _block(number, known, source)
            found = np.fromfile(
                path, np.float16, wanted.size, offset=start * row_bytes(source)
            ).reshape(wanted.shape)
            if not np.array_equal(found, wanted):
                if number < flushed:
                    raise SystemExit(
                        f"{path}: row {start:,} and those after it are not this benchmark's; "
                        "delete the file, or name another folder"
                    )
                return start
            advance(1)
    return known


def write_rows(path: Path, known: int, count: int, source: ClipLike, progress: Progress) -> None:
    """Write what lacks behind the ``known`` rows, flushed."""
    with path.open("r+b" if path.exists() else "xb") as file:
        file.truncate(known * row_bytes(source))
        file.seek(0, os.SEEK_END)
        with progress("rows", count, "row") as advance:
            advance(known)
            for number, block in enumerate(_blocks(known, count, source), start=1):
                file.write(block.tobytes())
                if number % _FLUSHED == 0:
                    _flush(file)
                advance(len(block))
        _flush(file)


def map_rows(path: Path, count: int, source: ClipLike) -> Half:
    """The rows of a whole file, (count, d), memory-mapped."""
    return np.memmap(path, np.float16, "r", shape=(count, source.dimension))


def _blocks(known: int, count: int, source: ClipLike) -> Iterator[Half]:
    """The blocks behind ``known`` rows, made by threads, a few ahead."""
    ahead: deque[Future[Half]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for number in range(known // BLOCK, -(-count // BLOCK)):
            ahead.append(pool.submit(_block, number, count, source))
            if len(ahead) > 2 * _THREADS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _block(number: int, count: int, source: ClipLike) -> Half:
    return source.images(min(BLOCK, count - number * BLOCK), FIRST + number)[0]


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
