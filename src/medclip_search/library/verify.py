"""Finding damage: every byte that a generation counts is compared with its checksum."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medclip_search.errors import LibraryDamagedError, LibraryError
from medclip_search.library import layout
from medclip_search.library.appendfile import damaged_blocks
from medclip_search.library.catalogue import Catalogue
from medclip_search.library.durable import sha256_of
from medclip_search.library.generations import manifest_numbers
from medclip_search.library.layout import Manifest
from medclip_search.progress import SILENT, Advance, Progress

REPAIR = "run 'medclip-search build LIBRARY --repair'"
_DERIVED = ("vectors/", "text/", "columns/", "map/")
_PASSING = {layout.WORK, layout.WORK + ".part", layout.WORK + ".done"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was published. ``damage`` is false for a mere remark."""

    path: str
    problem: str
    remedy: str
    damage: bool = True

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


def verify(library: Path, progress: Progress = SILENT) -> Iterator[Finding]:
    """Compare every generation in the library's folder with its checksums.

    Raises ``NotALibraryError`` where there is no library, ``LibraryTooNewError`` where this
    program cannot judge it.
    """
    try:
        layout.read_current(library)
    except LibraryDamagedError:
        yield Finding(layout.CURRENT, "it, or the generation it names, is damaged", REPAIR)
    manifests: list[Manifest] = []
    for number in manifest_numbers(library):
        listing = layout.manifest_path(library, number)
        name = listing.relative_to(library).as_posix()
        try:
            data = listing.read_bytes()
        except FileNotFoundError:
            continue  # collected by a writer in this moment
        try:
            manifest = Manifest.from_bytes(data)
            if manifest.to_bytes() != data or manifest.number != number:
                raise ValueError("not canonical")
            manifests.append(manifest)
        except (ValueError, KeyError, TypeError, AttributeError):
            yield Finding(name, "the generation's list of files is damaged", REPAIR)
    users: dict[tuple[str, int, str | None], list[int]] = {}
    for manifest in manifests:
        for path, record in manifest.files.items():
            users.setdefault((path, record.size, record.sha256), []).append(manifest.number)
    with progress("verify", sum(size for _, size, _ in users), "B") as advance:
        for (path, size, checksum), numbers in sorted(users.items(), key=str):
            if checksum is not None:
                for finding in _verify_file(library, path, size, checksum, advance):
                    if _still_there(library, numbers):
                        yield finding
        seen: set[tuple[str, int]] = set()
        for manifest in reversed(manifests):
            for finding in _verify_append_files(library, manifest, seen, advance):
                if _still_there(library, [manifest.number]):
                    yield finding
    yield from _strays(library, {path for path, _, _ in users})


def _still_there(library: Path, numbers: list[int]) -> bool:
    """Whether any of these generations has not been collected while it was looked at."""
    return any(layout.manifest_path(library, number).exists() for number in numbers)


def _verify_file(
    library: Path, path: str, size: int, checksum: str, advance: Advance
) -> Iterator[Finding]:
    try:
        if (found := (library / path).stat().st_size) != size:
            yield Finding(path, f"has {found} bytes, not {size}", _remedy(path))
        elif sha256_of(library / path, advance) != checksum:
            yield Finding(path, "its bytes are not what was published", _remedy(path))
    except OSError as error:
        yield Finding(path, f"cannot be read ({error.strerror})", _remedy(path))


def _verify_append_files(
    library: Path, manifest: Manifest, seen: set[tuple[str, int]], advance: Advance
) -> Iterator[Finding]:
    try:
        catalogue = Catalogue.open_snapshot(library / manifest.catalogue)
    except LibraryError:
        return  # its checksum has told already
    try:
        for name, (path, counted) in catalogue.append_files().items():
            if (path, counted) in seen:
                continue
            seen.add((path, counted))
            if path not in manifest.files or manifest.files[path].size != counted:
                yield Finding(path, "catalogue and generation count it differently", REPAIR)
                continue
            try:
                blocks = catalogue.blocks(name)
                for block in damaged_blocks(library / path, iter(blocks), counted):
                    stop = block.start + block.length
                    problem = f"bytes {block.start} to {stop} are not what was written"
                    yield Finding(path, problem, REPAIR + " (needs the images)")
                advance(counted)
            except OSError as error:
                yield Finding(path, f"cannot be read ({error.strerror})", REPAIR)
        if catalogue.count() != manifest.cases:
            yield Finding(
                manifest.catalogue, "does not hold the cases it was published with", REPAIR
            )
    except (sqlite3.Error, json.JSONDecodeError):
        yield Finding(manifest.catalogue, "the catalogue cannot be read", REPAIR)
    finally:
        catalogue.close()


def _strays(library: Path, named: set[str]) -> Iterator[Finding]:
    known = {layout.CURRENT, layout.LOCK}
    for path in sorted(library.rglob("*")):
        name = path.relative_to(library).as_posix()
        if path.is_dir() or name in named or name in known:
            continue
        if name.split("/")[0] in _PASSING:
            continue
        if name.startswith("generations/") and name.endswith(".json"):
            continue
        yield Finding(name, "belongs to no generation", "harmless; the next build drops it", False)
    if (library / layout.WORK).is_dir():
        remedy = "run 'medclip-search build' on the library to go on with it"
        yield Finding(layout.WORK, "a build was stopped before it ended", remedy, False)


def _remedy(path: str) -> str:
    return REPAIR if not path.startswith(_DERIVED) else REPAIR + " (no images needed)"
