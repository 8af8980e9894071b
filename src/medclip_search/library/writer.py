"""The one writer of a library: its lock, its working catalogue, and publishing.

A writing session copies the published catalogue into ``work/`` and changes that copy; nothing a
reader sees is touched. ``publish`` derives what changed, gives the catalogue its final name, and
replaces ``CURRENT``. Whatever moment a session is killed at, ``CURRENT`` names a whole
generation, and the next session goes on with the ``work/`` it finds.
"""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import filelock

import medclip_search
from medclip_search.errors import (
    LibraryBusyError,
    LibraryDamagedError,
    LibraryError,
    NotALibraryError,
)
from medclip_search.library import layout
from medclip_search.library.appendfile import AppendFile
from medclip_search.library.catalogue import Catalogue, WorkCatalogue
from medclip_search.library.derive import Derived, derive
from medclip_search.library.durable import (
    flush_file,
    flush_folder,
    link_or_copy,
    sha256_of,
    write_whole,
)
from medclip_search.library.generations import (
    collect,
    discard_unpublished,
    highest_number,
    newest_intact,
)
from medclip_search.library.layout import FileRecord, Manifest
from medclip_search.progress import SILENT, Progress

GRACE_SECONDS = 3600.0
"""How long a superseded generation stays, for readers that are about to open it."""

Prepare = Callable[[WorkCatalogue], None]


class Writer:
    """A writing session. Use ``writing(path)``; it holds the library's lock."""

    def __init__(self, library: Path, base: Manifest | None, prepare: Prepare) -> None:
        self.library = library
        self.base = base
        self.work = library / layout.WORK
        self.rebuild = False  # derive every index anew
        # Files of a lost generation may be open in readers: they are left, and never written to.
        self.fell_back = discard_unpublished(library, base.number if base is not None else 0)
        self.resumed = _resume_or_begin(library, base, prepare)
        self.catalogue = WorkCatalogue.open_work(self.work / "catalogue.sqlite")

    def append_file(self, name: str, folder: str, suffix: str) -> AppendFile:
        """A writer at the counted end of an append-only file, which is begun if there is none."""
        files = self.catalogue.append_files()
        if name not in files:
            self.catalogue.put_append_file(
                name, new_append_path(self.library, name, folder, suffix)
            )
            files = self.catalogue.append_files()
        path, counted = files[name]
        return AppendFile(self.library / path, counted)

    def has_changes(self) -> bool:
        """Whether publishing would make a different generation."""
        if self.base is None or self.rebuild or self.catalogue.changed():
            return True
        published = Catalogue.open_snapshot(self.library / self.base.catalogue)
        try:
            return published.settings() != self.catalogue.settings()
        finally:
            published.close()

    def publish(self, *, grace: float = GRACE_SECONDS, progress: Progress = SILENT) -> Manifest:
        """Make the work catalogue the published generation, and end the session."""
        number = highest_number(self.library) + 1
        base = None if self.rebuild else self.base
        derived = derive(self.library, number, self.catalogue, base, progress)
        manifest = self._publish(number, derived, progress)
        self._end()
        collect(self.library, manifest, grace)
        return manifest

    def abandon(self) -> None:
        """End the session without publishing; nothing of it remains."""
        self._end()

    def _end(self) -> None:
        self.catalogue.close()
        # Renamed first, so that a kill in the middle leaves no half of a work folder.
        gone = self.library / (layout.WORK + ".done")
        shutil.rmtree(gone, ignore_errors=True)
        self.work.rename(gone)
        shutil.rmtree(gone)

    def _publish(self, number: int, derived: Derived, progress: Progress) -> Manifest:
        library, catalogue = self.library, self.catalogue
        files: dict[str, FileRecord] = {}
        appended = catalogue.append_files()
        for path, size in appended.values():
            files[path] = FileRecord(size, None)
        facts = {
            "library": catalogue.fact("library") or "",
            "encoder": catalogue.fact("encoder"),
            "cases": catalogue.count(),
        }
        catalogue.into_one_file()
        catalogue.close()
        name = f"catalogue/{number:06d}.sqlite"
        source, target = self.work / "catalogue.sqlite", library / name
        flush_file(source)
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        link_or_copy(source, target)
        old = self.base.files if self.base is not None else {}
        names = [name, *(p for folder in derived.folders() for p in _files_below(library, folder))]
        with progress("checksums", sum((library / p).stat().st_size for p in names), "B") as bar:
            for path in names:
                if (kept := old.get(path)) is not None:
                    files[path] = kept
                    bar(kept.size)
                else:
                    size = (library / path).stat().st_size
                    files[path] = FileRecord(size, sha256_of(library / path, bar))
        manifest = Manifest(
            number=number,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            program=medclip_search.__version__,
            catalogue=name,
            text=derived.text,
            columns=derived.columns,
            vectors=derived.vectors,
            embeddings={n: p for n, (p, _) in appended.items() if n != "thumbnails"},
            thumbnails=appended["thumbnails"][0] if "thumbnails" in appended else None,
            files=files,
            **facts,  # type: ignore[arg-type]
        )
        data = manifest.to_bytes()
        listing = layout.manifest_path(library, number)
        listing.parent.mkdir(exist_ok=True)
        write_whole(listing, data)
        flush_folder(library)
        layout.point_to(library, number, data)
        return manifest


@contextmanager
def writing(
    library: Path,
    *,
    create: bool = False,
    repair: bool = False,
    prepare: Prepare = lambda _: None,
) -> Iterator[Writer]:
    """Hold the library's lock and open a session on it.

    Raises ``LibraryBusyError`` where another process writes, ``NotALibraryError`` where there is
    no library and ``create`` is false, ``LibraryError`` where the folder holds something
    else. ``repair`` starts from the newest intact generation, whatever ``CURRENT`` says.
    ``prepare`` puts into a new session what must be there to resume it.
    """
    _check_folder(library, create)
    lock = filelock.FileLock(library / layout.LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise LibraryBusyError(
            f"{library}: another build or removal is writing to it; wait for it to end"
        ) from None
    except OSError as error:
        raise LibraryError(
            f"{library}: cannot be written to ({error.strerror}); build into a folder of your own"
        ) from None
    try:
        try:
            base = layout.read_current(library) if (library / layout.CURRENT).exists() else None
        except LibraryDamagedError:
            if not repair:
                raise
        if repair:
            base = newest_intact(library)
        writer = Writer(library, base, prepare)
        try:
            yield writer
        finally:
            writer.catalogue.close()
    finally:
        lock.release()


def new_append_path(library: Path, name: str, folder: str, suffix: str) -> str:
    """A path for an append-only file that no generation has used."""
    numbers = [
        int(path.stem.rpartition("-")[2]) for path in (library / folder).glob(f"{name}-*{suffix}")
    ]
    return f"{folder}/{name}-{max(numbers, default=0) + 1}{suffix}"


def _check_folder(library: Path, create: bool) -> None:
    if (library / layout.CURRENT).exists() or layout.is_under_construction(library):
        return
    if not create:
        layout.read_current(library)  # raises, and says why
    try:
        library.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in library.iterdir() if path.name not in _OURS]
    except OSError as error:
        raise NotALibraryError(
            f"{library}: cannot be made ({error.strerror}); choose another folder"
        ) from None
    if others:
        raise NotALibraryError(
            f"{library}: is not a library and is not empty ({others[0]}); choose a new folder"
        )


_OURS = {layout.LOCK, layout.WORK + ".part", layout.WORK + ".done", *layout.FOLDERS}


def _resume_or_begin(library: Path, base: Manifest | None, prepare: Prepare) -> bool:
    """Make ``work/`` ready; tells whether it was left by a session that was stopped."""
    work, part = library / layout.WORK, library / (layout.WORK + ".part")
    number = base.number if base is not None else 0
    shutil.rmtree(library / (layout.WORK + ".done"), ignore_errors=True)
    if work.is_dir():
        begun = json.loads((work / "base.json").read_bytes())
        if begun["generation"] == number:
            return True
        shutil.rmtree(work)  # it was published; only its end was cut off
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    write_whole(part / "base.json", json.dumps({"generation": number}).encode())
    target = part / "catalogue.sqlite"
    if base is not None:
        shutil.copyfile(library / base.catalogue, target)
    catalogue = WorkCatalogue.open_work(target)
    if base is None:
        catalogue.set_fact("library", uuid4().hex)
    catalogue.begin_changes()
    prepare(catalogue)
    catalogue.into_one_file()
    catalogue.close()
    flush_file(target)
    part.replace(work)
    flush_folder(library)
    return False


def _files_below(library: Path, folder: str) -> list[str]:
    return sorted(
        path.relative_to(library).as_posix()
        for path in (library / folder).rglob("*")
        if path.is_file()
    )
