"""The generations in a library's folder: which are there, which are whole, which may go."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from medclip_search.errors import LibraryDamagedError
from medclip_search.library.durable import sha256_of
from medclip_search.library.layout import CURRENT, FOLDERS, Manifest, manifest_path


def manifest_numbers(library: Path) -> list[int]:
    """Numbers of the generations whose manifests lie in the library, ascending."""
    return sorted(
        int(path.stem) for path in (library / "generations").glob("*.json") if path.stem.isdecimal()
    )


def newest_intact(library: Path) -> Manifest | None:
    """The newest generation whose catalogue is what was published.

    ``None`` where none was ever published; raises ``LibraryDamagedError`` where none is intact.
    """
    numbers = manifest_numbers(library)
    for number in reversed(numbers):
        try:
            manifest = Manifest.from_bytes(manifest_path(library, number).read_bytes())
            record = manifest.files[manifest.catalogue]
            if sha256_of(library / manifest.catalogue) == record.sha256:
                return manifest
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    if not numbers and not (library / CURRENT).exists():
        return None
    raise LibraryDamagedError(
        f"{library}: no generation of it is intact; delete the folder and build it again"
    )


def highest_number(library: Path) -> int:
    """The highest number that any generation had, published or not, as far as files tell."""
    stems = [path.stem for path in (library / "catalogue").glob("*.sqlite")]
    return max([0, *manifest_numbers(library), *(int(stem) for stem in stems if stem.isdecimal())])


def discard_unpublished(library: Path, published: int) -> bool:
    """Drop manifests later than the published one; tells whether there were any.

    A killed writer left them, or (while repairing) they are damaged.
    """
    later = [number for number in manifest_numbers(library) if number > published]
    for number in later:
        manifest_path(library, number).unlink()
    return bool(later)


def collect(library: Path, current: Manifest, grace: float) -> None:
    """Drop generations superseded more than ``grace`` seconds ago, and files that none names.

    Called by the one writer, after publishing ``current``. A reader that has an old generation
    open keeps its files until it closes them.
    """
    kept = set(current.files) | {_name(library, manifest_path(library, current.number))}
    now = time.time()
    numbers = manifest_numbers(library)
    for number, successor in itertools.pairwise(numbers):
        path = manifest_path(library, number)
        if now - manifest_path(library, successor).stat().st_mtime < grace:
            try:
                kept |= set(Manifest.from_bytes(path.read_bytes()).files)
            except (ValueError, KeyError, TypeError):
                continue  # damaged: it keeps nothing, and goes
            kept.add(_name(library, path))
    for folder in FOLDERS:
        for path in sorted((library / folder).rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif _name(library, path) not in kept:
                path.unlink()


def _name(library: Path, path: Path) -> str:
    return path.relative_to(library).as_posix()
