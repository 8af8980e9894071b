"""Checksums of files, made by a thread beside whatever else a session does."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from medclip_search.library.durable import flush_file, flush_tree, sha256_of


class Checksums:
    """The SHA-256 of files, one after another; to be closed."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "checksums")
        self._found: dict[Path, Future[str]] = {}

    def begin(self, path: Path) -> None:
        """Hash a file that nobody writes to any more."""
        self._found[path] = self._pool.submit(sha256_of, path)

    def begin_flushed(self, path: Path) -> None:
        """Bring a file, or all of a folder, to the disk, and hash it."""
        flushed = self._pool.submit(flush_tree if path.is_dir() else flush_file, path)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                self._found[file] = self._pool.submit(_sha256_after, flushed, file)

    def of(self, path: Path) -> str:
        """The checksum, in hexadecimal, of a file that was begun or is begun now.

        Raises ``OSError`` where the file cannot be read or flushed.
        """
        if path not in self._found:
            self.begin(path)
        return self._found[path].result()

    def close(self) -> None:
        """Wait for the file at hand; the rest is dropped."""
        self._pool.shutdown(cancel_futures=True)


def _sha256_after(flushed: Future[None], path: Path) -> str:
    flushed.result()
    return sha256_of(path)
