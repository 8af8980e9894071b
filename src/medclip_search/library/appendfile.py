"""An append-only file: bytes are counted only when the catalogue commits them.

Bytes past the count are leftovers of a writer that was stopped: the next one overwrites them.
Readers map the counted bytes only, so a file may grow under them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from medclip_search.library.durable import digest, flush_folder


@dataclass(frozen=True, slots=True)
class Block:
    """A run of bytes written and flushed at once, with its checksum."""

    start: int
    length: int
    checksum: bytes


class AppendFile:
    """A writer at the counted end of a file (made, with its folder, where it is absent)."""

    def __init__(self, path: Path, counted: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        self._file = path.open("ab" if new else "r+b", buffering=0)
        if new:
            flush_folder(path.parent)
        size = os.fstat(self._file.fileno()).st_size
        if size < counted:
            self._file.close()
            raise EOFError(f"{path}: {size} bytes, {counted} were counted")
        self._file.truncate(counted)
        self._file.seek(counted)
        self._end = counted

    def append(self, data: bytes) -> Block:
        """Write and flush ``data``; the block counts once the catalogue has committed it."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        os.fsync(self._file.fileno())
        block = Block(self._end, len(data), digest(data))
        self._end += len(data)
        return block

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def damaged_blocks(path: Path, blocks: Iterator[Block], counted: int) -> Iterator[Block]:
    """The blocks whose bytes are not what was written, and gaps between them up to ``counted``."""
    end = 0
    with path.open("rb", buffering=0) as file:
        for block in blocks:
            if block.start != end:
                yield Block(end, block.start - end, b"")
            file.seek(block.start)
            if digest(_read(file.fileno(), block.length)) != block.checksum:
                yield block
            end = block.start + block.length
    if end != counted:
        yield Block(end, counted - end, b"")


def _read(descriptor: int, length: int) -> bytes:
    parts = []
    while length and (part := os.read(descriptor, length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
