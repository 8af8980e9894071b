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
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal
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
from medclip_search.library.catalogue import Catalogue
from medclip_search.library.checksums import Checksums
from medclip_search.library.derive import Derived, derive
from medclip_search.library.derive_map import mapped_space
from medclip_search.library.durable import (
    copy_hashed,
    flush_file,
    flush_folder,
    link_or_copy,
    write_whole,
)
from medclip_search.library.generations import (
    collect,
    discard_unpublished,
    highest_number,
    newest_intact,
)
from medclip_search.library.layout import FileRecord, Manifest
from medclip_search.library.workcatalogue import WorkCatalogue
from medclip_search.progress import SILENT, Progress

GRACE_SECONDS = 3600.0
"""How long a superseded generation stays, for readers that are about to open it."""

Command = Literal["build", "remove"]
Prepare = Callable[[WorkCatalogue], None]


class Writer:
    """A writing session. Use ``writing(path)``; it holds the library's lock.

    ``rebuild`` has every index derived anew, ``purge`` leaves no byte behind of what was taken
    out. Set ``worth_keeping`` once there is something that a stopped session should go on from.
    """

    def __init__(
        self,
        library: Path,
        base: Manifest | None,
        command: Command,
        prepare: Prepare,
        repair: bool,
        checksums: Checksums,
    ) -> None:
        self.library = library
        self._checksums = checksums
        self.base = base
        self.work = library / layout.WORK
        self.rebuild = False
        self.purge = False
        self.ended = False
        # Files of a lost generation may be open in readers: they are left, and never written to.
        self.fell_back = discard_unpublished(library, base.number if base is not None else 0)
        if base is not None and not repair:  # indexes that may be gone on with
            for path, record in base.files.items():
                if record.sha256 is not None and path != base.catalogue:
                    checksums.begin(library / path)
        self.resumed = _find_stopped(library, base, command, repair)
        if not self.resumed:
            _begin(library, base, command, prepare)
        self.worth_keeping = self.resumed
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
        if self.base is None or self.rebuild or self.purge or self.catalogue.restated:
            return True
        if self.catalogue.changed():
            return True
        published = Catalogue.open_snapshot(self.library / self.base.catalogue)
        try:
            if published.is_older():
                return True  # so that it is brought up to date once
            if self.base.map is None and mapped_space(
                self.library, published.spaces(), self.base.vectors
            ):
                return True  # it was published before there were maps
            return published.settings() != self.catalogue.settings()
        finally:
            published.close()

    def publish(self, progress: Progress = SILENT) -> Manifest:
        """Make the work catalogue the published generation, and end the session."""
        number = highest_number(self.library) + 1
        base = None if self.rebuild else self.base
        if self.purge:
            self.catalogue.forget_unused_origins()
        self.catalogue.into_one_file()
        self._checksums.begin_flushed(self.work / "catalogue.sqlite")
        derived = derive(
            self.library,
            number,
            self.catalogue,
            base,
            self._checksums,
            progress,
            fresh_text=self.purge,
        )
        manifest = self._publish(number, derived, progress)
        self._end()
        # A damaged generation is of no use to anybody who has not opened it yet.
        collect(self.library, manifest, 0.0 if self.purge or self.rebuild else GRACE_SECONDS)
        return manifest

    def abandon(self) -> None:
        """End the session without publishing; nothing of it remains."""
        self._end()

    def _end(self) -> None:
        self.catalogue.close()
        _drop_work(self.library)
        self.ended = True

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
        catalogue.close()
        name = f"catalogue/{number:06d}.sqlite"
        source, target = self.work / "catalogue.sqlite", library / name
        checksum = self._checksums.of(source)  # and it is flushed
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        link_or_copy(source, target)
        files[name] = FileRecord(target.stat().st_size, checksum)
        old = self.base.files if self.base is not None else {}
        names = [p for folder in derived.folders() for p in _files_below(library, folder)]
        with progress("checksums", sum((library / p).stat().st_size for p in names), "B") as bar:
            for path in names:
                if (kept := old.get(path)) is not None:
                    files[path] = kept
                    bar(kept.size)
                else:
                    size = (library / path).stat().st_size
                    files[path] = FileRecord(size, self._checksums.of(library / path))
                    bar(size)
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
    command: Command = "build",
    create: bool = False,
    repair: bool = False,
    prepare: Prepare = lambda _: None,
) -> Iterator[Writer]:
    """Hold the library's lock and open a session on it.

    Raises ``LibraryBusyError`` where another process writes, ``NotALibraryError`` where there is
    no library and ``create`` is false, ``LibraryError`` where the folder holds something
    else. ``repair`` starts from the newest intact generation, whatever ``CURRENT`` says.
    ``prepare`` puts into a new session what must be there to resume it. A session that fails
    before it is worth keeping leaves nothing behind.
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
        with closing(Checksums()) as checksums:
            writer = Writer(library, base, command, prepare, repair, checksums)
            try:
                yield writer
            finally:
                writer.catalogue.close()
                if not writer.worth_keeping and not writer.ended:
                    _drop_work(library)
                    if base is None:
                        for folder in layout.FOLDERS:
                            shutil.rmtree(library / folder, ignore_errors=True)
    finally:
        lock.release()
        if not (library / layout.CURRENT).exists() and not (library / layout.WORK).exists():
            (library / layout.LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # it was there before, or is somebody's
                library.rmdir()


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


def _drop_work(library: Path) -> None:
    """Drop ``work/``: renamed first, so that a kill in the middle leaves no half of it."""
    work, gone = library / layout.WORK, library / (layout.WORK + ".done")
    shutil.rmtree(gone, ignore_errors=True)
    if work.is_dir():
        work.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _find_stopped(library: Path, base: Manifest | None, command: Command, repair: bool) -> bool:
    """Whether ``work/`` holds a stopped build to go on with; anything else there is dropped.

    A stopped removal is not gone on with: it is said again. A removal does not publish half of
    a stopped build: it raises ``LibraryBusyError``.
    """
    work = library / layout.WORK
    if not work.is_dir():
        _drop_work(library)
        return False
    try:
        begun = json.loads((work / "base.json").read_bytes())
        here = begun["generation"] == (base.number if base is not None else 0)
        stopped_build = here and begun["command"] == "build"
    except (OSError, ValueError, KeyError, TypeError):
        stopped_build = False
    if not stopped_build:  # it was published, and only its end was cut off; or it was a removal
        _drop_work(library)
        return False
    if not _is_readable(work / "catalogue.sqlite"):
        if not repair:
            raise LibraryDamagedError(
                f"{library}: the catalogue of a stopped build is damaged; drop that build with "
                f"'medclip-search build {library} --repair'"
            )
        _drop_work(library)
        return False
    if command == "remove":
        raise LibraryBusyError(
            f"{library}: a build was stopped before its end; finish it first with "
            f"'medclip-search build {library}'"
        )
    return True


def _is_readable(catalogue: Path) -> bool:
    try:
        connection = sqlite3.connect(catalogue, isolation_level=None)
        try:
            return bool(connection.execute("PRAGMA quick_check").fetchone() == ("ok",))
        finally:
            connection.close()
    except sqlite3.Error:
        return False


def _begin(library: Path, base: Manifest | None, command: Command, prepare: Prepare) -> None:
    """Make ``work/``, whole under another name first."""
    part = library / (layout.WORK + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    begun = {"generation": base.number if base is not None else 0, "command": command}
    write_whole(part / "base.json", json.dumps(begun).encode())
    target = part / "catalogue.sqlite"
    if base is not None:
        copied = copy_hashed(library / base.catalogue, target)
        if copied != base.files[base.catalogue].sha256:
            shutil.rmtree(part)
            raise LibraryDamagedError(
                f"{library}: {base.catalogue} is damaged; run 'medclip-search build {library} "
                "--repair'"
            )
    try:
        catalogue = WorkCatalogue.open_work(target)
        try:
            if base is None:
                catalogue.set_fact("library", uuid4().hex)
            catalogue.begin_changes()
            prepare(catalogue)
            catalogue.into_one_file()
        finally:
            catalogue.close()
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    flush_file(target)
    part.replace(library / layout.WORK)
    flush_folder(library)


def _files_below(library: Path, folder: str) -> list[str]:
    return sorted(
        path.relative_to(library).as_posix()
        for path in (library / folder).rglob("*")
        if path.is_file()
    )
