"""Small facts that take long to find, kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs

_WORTH_IT = 64 << 20  # bytes; a smaller file is read in a tenth of a second


def remembered(question: str, find: Callable[[], str]) -> str:
    """What was answered to this question before, else what ``find`` gives.

    The question itself is not written down, only its SHA-256. A cache that cannot be read or
    written costs time and nothing else.
    """
    folder = Path(platformdirs.user_cache_dir("medclip-search", appauthor=False)) / "facts"
    place = folder / hashlib.sha256(question.encode()).hexdigest()
    with contextlib.suppress(OSError, ValueError):
        if answer := place.read_text(encoding="ascii"):
            return answer
    answer = find()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
            file.write(answer)
        Path(file.name).replace(place)
    return answer


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file; that of a large one is remembered until it changes.

    Raises ``OSError``.
    """
    path = path.resolve()
    status = path.stat()

    def digest() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    if status.st_size < _WORTH_IT:
        return digest()
    # A copy can take over the time of change (mtime) of what it replaces, but no ctime.
    times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
    return remembered(f"sha256 {path} {status.st_size} {times}", digest)
