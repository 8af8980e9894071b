"""A limit on the memory of a process and of the files that it reads: Linux's control groups.

A process that joins a group is charged what it allocates from then on, and the pages of files that
it is the first to read (https://docs.kernel.org/admin-guide/cgroup-v2.html#memory; version 1 does
the same). What another process has read already is charged to that one: so it is to be forgotten
first (``page_cache``).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Group:
    """A control group with a limit."""

    folder: Path
    version: int

    @property
    def members(self) -> Path:
        """The file that a process writes its id into, to join."""
        return self.folder / "cgroup.procs"

    @property
    def peak(self) -> float:
        """The most MB that the group held at once; 0 where the kernel does not tell."""
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        file = self.folder / name
        return int(file.read_text()) / 1e6 if file.exists() else 0.0


@contextmanager
def limited(megabytes: float) -> Iterator[Group | None]:
    """A new group that may hold so many MB, gone in the end; ``None`` where none can be made."""
    group = _made(int(megabytes * 1e6))
    try:
        yield group
    finally:
        if group is not None:
            _removed(group.folder)


def _made(limit: int) -> Group | None:
    own = dict(re.findall(r"^\d+:([^:]*):(.*)$", Path("/proc/self/cgroup").read_text(), re.M))
    name = f"medclip-search-{os.getpid()}"
    if "memory" in own:
        folder, version = _ROOT / "memory" / own["memory"].lstrip("/") / name, 1
        limits = {"memory.limit_in_bytes": limit, "memory.memsw.limit_in_bytes": limit}
    else:  # beside the own group: one with processes in it may have no groups below it
        folder, version = (_ROOT / own.get("", "").lstrip("/")).parent / name, 2
        limits = {"memory.max": limit, "memory.swap.max": 0}
    try:
        folder.mkdir()
    except OSError:
        return None
    try:
        for at, (file, value) in enumerate(limits.items()):
            if at == 0 or (folder / file).exists():  # swap is not accounted everywhere
                (folder / file).write_text(str(value))
    except OSError:
        _removed(folder)
        return None
    return Group(folder, version)


def _removed(folder: Path) -> None:
    for _ in range(50):  # the last process may still be on its way out
        with suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.1)
