"""Files that are whole or absent: writing, flushing and hashing.

The rule everywhere in a library: a file is written under a temporary name, flushed to the disk,
and only then given its name; the folder is flushed after it, so that the name survives too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

_CHUNK = 1 << 20

Digest: TypeAlias = hashlib.blake2b


def flush_file(path: Path) -> None:
    """Ask the system to bring a file's bytes to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(path: Path) -> None:
    """Ask the system to bring a folder's names to the disk (a no-op where that is unknown)."""
    try:
        flush_file(path)
    except OSError:  # some network and Windows file systems cannot open or flush a folder
        return


def flush_tree(folder: Path) -> None:
    """Flush every file and folder below ``folder``, and its own name."""
    for path in sorted(folder.rglob("*")):
        (flush_folder if path.is_dir() else flush_file)(path)
    flush_folder(folder)
    flush_folder(folder.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Replace ``path`` by a file that holds ``data``, atomically and durably."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    flush_folder(path.parent)


def link_or_copy(source: Path, target: Path) -> None:
    """Give ``source`` a second name, or copy it durably where links are not supported."""
    try:
        os.link(source, target)
    except OSError:
        part = target.with_name(target.name + ".part")
        shutil.copyfile(source, part)
        flush_file(part)
        part.replace(target)
    flush_folder(target.parent)


def digest(data: bytes | memoryview) -> bytes:
    """The checksum of a block of bytes: BLAKE2b (RFC 7693), 16 bytes long."""
    return begin_digest(data).digest()


def begin_digest(data: bytes | memoryview) -> Digest:
    """``digest`` to be gone on with: more bytes may follow."""
    return hashlib.blake2b(data, digest_size=16)


def copy_hashed(source: Path, target: Path) -> str:
    """Copy a file in one pass; the SHA-256 of what was copied, in hexadecimal.

    A thread hashes each chunk while it is written.
    """
    state = hashlib.sha256()
    with (
        source.open("rb", buffering=0) as file,
        target.open("wb", buffering=0) as copy,
        ThreadPoolExecutor(1, "hash") as hashing,
    ):
        while chunk := file.read(_CHUNK):
            hashed = hashing.submit(state.update, chunk)
            view = memoryview(chunk)
            while view:
                view = view[copy.write(view) :]
            hashed.result()
    return state.hexdigest()


def sha256_of(path: Path, advance: Callable[[int], object] | None = None) -> str:
    """The SHA-256 of a file, in hexadecimal; ``advance`` hears of each chunk's bytes."""
    state = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
            if advance is not None:
                advance(len(chunk))
    return state.hexdigest()
