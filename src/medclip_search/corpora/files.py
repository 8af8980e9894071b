"""Regular files and folders that may be opened, and why the rest of what lies there may not.

Opening a pipe would wait for its writer for ever, a device may do anything, and a link may lead
nowhere: only regular files are opened, and everything else is named in the report.
"""

# Paths are strings in here, since there may be millions of them.
# ruff: noqa: PTH114, PTH116, PTH118

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from medclip_search.corpora import reasons
from medclip_search.corpora.base import Skipped
from medclip_search.errors import CorpusError

IGNORED = (".", "__MACOSX", "lost+found")
"""Beginnings of names that hold no figures: hidden ones, and what systems leave behind."""


class Listing(NamedTuple):
    """A folder: its regular files and its subfolders, sorted, and what else cannot be read.

    ``faults`` maps names to reasons; under ``""`` stands why the folder itself could not be
    listed (to its end).
    """

    here: str
    files: list[str]
    folders: list[str]
    faults: dict[str, str]


def fault_of(error: OSError) -> str:
    """The reason for which a path could not be opened."""
    if isinstance(error, PermissionError):
        return reasons.NO_PERMISSION
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return reasons.ABSENT
    if error.errno == errno.ENAMETOOLONG:
        return reasons.ABSENT
    return reasons.BROKEN_LINK if error.errno == errno.ELOOP else reasons.UNREADABLE


def file_fault(path: str | Path) -> str:
    """Why a path is not a regular file that could be opened: a reason, or ``""`` if it is one."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        fault = fault_of(error)
        return reasons.BROKEN_LINK if fault == reasons.ABSENT and os.path.islink(path) else fault
    if stat.S_ISREG(mode):
        return ""
    return reasons.A_FOLDER if stat.S_ISDIR(mode) else reasons.NOT_REGULAR


def folder_fault(path: str | Path) -> str:
    """Why a path is not a folder that could be listed and entered: a reason, or ``""``."""
    fault = file_fault(path)
    if fault != reasons.A_FOLDER:
        return fault or reasons.NOT_A_FOLDER
    try:
        _enter(path)
        os.scandir(path).close()
    except OSError as error:
        return fault_of(error)
    return ""


def _enter(path: str | Path) -> os.stat_result:
    """A folder's status, if its files may be opened: some may be listed, but not entered."""
    return os.stat(os.path.join(path, "."))


def check_folder(path: Path | None, remedy: str) -> Path:
    """A folder that can be listed; raises ``CorpusError``."""
    fault = folder_fault(path) if path is not None else reasons.ABSENT
    if path is not None and not fault:
        return path
    fault = "no such folder" if fault == reasons.ABSENT else fault
    raise CorpusError(f"{path}: {fault}; {reasons.REMEDIES.get(fault, remedy)}")


def check_file(path: Path | None, remedy: str) -> Path:
    """A regular file; raises ``CorpusError``."""
    fault = file_fault(path) if path is not None else reasons.ABSENT
    if path is not None and not fault:
        return path
    fault = "no such file" if fault == reasons.ABSENT else fault
    raise CorpusError(f"{path}: {fault}; {reasons.REMEDIES.get(fault, remedy)}")


def unread(what: str, reason: str, *, dropped: bool = True) -> Skipped:
    """The report of something that could not be read."""
    remedy = reasons.REMEDIES.get(reason, "")
    return Skipped(what, reason, remedy, dropped, dropped and reason in reasons.CONCEALING)


def list_folder(folder: str | Path) -> Listing:
    """What lies in one folder, without what is ``IGNORED``; never raises ``OSError``."""
    listing = Listing(str(folder), [], [], {})
    try:
        _enter(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(IGNORED):
                    _sort_in(entry, listing)
    except OSError as error:
        listing.faults[""] = fault_of(error)
    listing.files.sort()
    listing.folders.sort()
    return listing


def _sort_in(entry: os.DirEntry[str], listing: Listing) -> None:
    try:
        if entry.is_dir():
            listing.folders.append(entry.name)
            return
        if entry.is_file():
            listing.files.append(entry.name)
            return
    except OSError:  # a link whose end cannot be seen
        pass
    if fault := file_fault(entry.path):
        listing.faults[entry.name] = fault


def walk(folder: Path) -> Iterator[Listing]:
    """The folders below (and with) this one, sorted, a folder before its subfolders.

    Links to folders are followed once.
    """
    seen: set[tuple[int, int]] = set()
    stack = [str(folder)]
    while stack:
        here = stack.pop()
        try:
            status = os.stat(here)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        except OSError:  # the listing says why
            pass
        listing = list_folder(here)
        yield listing
        stack.extend(os.path.join(here, name) for name in reversed(listing.folders))
