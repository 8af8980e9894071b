"""Where a data set's images lie: in folders, or still in the zips they came in."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Protocol

from medclip_search.cases import ImageSource
from medclip_search.corpora import reasons
from medclip_search.corpora.base import Skipped
from medclip_search.corpora.captions import one_line
from medclip_search.corpora.files import IGNORED, fault_of, file_fault, list_folder, unread
from medclip_search.corpora.pictures import SPELLINGS, ImageFinder, split_suffix
from medclip_search.errors import ImageError
from medclip_search.images.zips import DAMAGED, UNZIP, ZipIndex, open_zip

DEEPEST = 3
"""Levels of folders below the data set's own in which images are looked for."""

MOST_BELOW = 1000
"""Folders in one folder that are looked into: each is then searched for every image."""


class Shelf(Protocol):
    """One folder or one zip; ``where`` names it in reports, from the data set's folder."""

    where: str

    def find(self, name: str) -> tuple[ImageSource | None, str]:
        """The image of a bare name, with or without suffix, or the reason why there is none."""
        ...

    def images(self) -> Iterator[tuple[str, ImageSource]]:
        """Each image with its name, without folder and suffix, in the same order every time."""
        ...


class FolderShelf:
    """The images right in one folder."""

    def __init__(self, folder: Path, where: str) -> None:
        self.where = where
        self._folder = folder
        self._finder = ImageFinder(folder, below=False)

    def find(self, name: str) -> tuple[ImageSource | None, str]:
        tried = (name,) if split_suffix(name)[1] else (f"{name}.jpg", name)
        lost = reasons.MISSING_IMAGE
        for one in tried:
            path, reason = self._finder.find(one)
            if path is not None:
                return ImageSource(path), ""
            lost = reason if lost == reasons.MISSING_IMAGE else lost
        return None, lost

    def images(self) -> Iterator[tuple[str, ImageSource]]:
        for name in list_folder(self._folder).files:
            stem, suffix = split_suffix(name)
            if suffix:
                yield stem, ImageSource(self._folder / name)


class ZipShelf:
    """The images in one zip, in whatever folders of it."""

    def __init__(self, index: ZipIndex, where: str) -> None:
        self.where = where
        self._index = index
        self._folders = [folder for folder in index.folders if not _is_ignored(folder)]
        self.searches_part = index.folders_left_out
        """Whether there are folders in which no image is found by its bare name."""

    def find(self, name: str) -> tuple[ImageSource | None, str]:
        endings = ("",) if split_suffix(name)[1] else ("", *SPELLINGS)
        for ending in endings:
            for folder in self._folders:
                if (member := f"{folder}{name}{ending}") in self._index:
                    return ImageSource(self._index.path, None, member), ""
        return None, reasons.MISSING_IMAGE

    def images(self) -> Iterator[tuple[str, ImageSource]]:
        for member in self._index.names():
            stem, suffix = split_suffix(member.rpartition("/")[2])
            if suffix and not _is_ignored(member):
                yield stem, ImageSource(self._index.path, None, member)


class Shelves:
    """The folders and zips of images under a folder, whatever they are called.

    Made, it only looks for their names, down to ``DEEPEST``; ``open`` reads the directories of
    the zips and reports what cannot be opened. Folders come before zips, so that what was
    unpacked is read from where it is.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: list[Path] = []
        self._zips: list[Path] = []
        self._problems: list[Skipped] = []
        self._look(root, 0)
        self.shelves: list[Shelf] = []
        self._closed: list[str] = []

    @property
    def incomplete(self) -> bool:
        """Whether some folder or zip could not be opened: an image not found may be in it."""
        return bool(self._closed)

    def open(self) -> Iterator[Skipped]:
        self.shelves = [FolderShelf(folder, self._where(folder)) for folder in self._folders]
        self._closed = [one.what for one in self._problems]
        yield from self._problems
        for path in self._zips:
            where = self._where(path)
            try:
                if fault := file_fault(path):
                    raise OSError(fault)
                shelf = ZipShelf(open_zip(path), where)
                if next(shelf.images(), None) is not None:
                    self.shelves.append(shelf)
                    if shelf.searches_part:
                        self._closed.append(where)
                        yield _many_folders(where, UNZIP)
            except ImageError as error:
                self._closed.append(where)
                damaged = error.reason == DAMAGED
                reason = reasons.UNREADABLE if damaged else error.reason.removeprefix("is ")
                yield Skipped(where, reason, error.remedy, incomplete=True)
            except OSError as error:
                self._closed.append(where)
                yield unread(where, file_fault(path) or fault_of(error))

    def only(self, wanted: Collection[str], split_of: Callable[[str], str]) -> Shelves:
        """Those of wanted splits, told by their places; what is not open of them stays in mind."""
        some = object.__new__(Shelves)
        some.__dict__.update(self.__dict__)
        some.shelves = [shelf for shelf in self.shelves if split_of(shelf.where) in wanted]
        some._closed = [where for where in self._closed if split_of(where) in wanted]
        return some

    def find(self, name: str) -> tuple[ImageSource | None, str]:
        """The image of a bare name, with or without suffix, or the reason why there is none.

        There is no reason either where it may be in what could not be opened.
        """
        lost = reasons.MISSING_IMAGE
        for shelf in self.shelves:
            source, reason = shelf.find(name)
            if source is not None:
                return source, ""
            lost = reason if lost == reasons.MISSING_IMAGE else lost
        return None, "" if self.incomplete and lost == reasons.MISSING_IMAGE else lost

    def images(self) -> Iterator[tuple[str, ImageSource]]:
        for shelf in self.shelves:
            yield from shelf.images()

    def _look(self, folder: Path, depth: int) -> None:
        below: list[Path] = []
        zips: list[Path] = []
        holds = False
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(IGNORED):
                        continue
                    if _is_folder(entry):
                        below.append(folder / entry.name)
                    elif entry.name.lower().endswith(".zip"):
                        zips.append(folder / entry.name)
                    else:
                        holds = holds or bool(split_suffix(entry.name)[1])
        except OSError as error:
            self._problems.append(unread(self._where(folder), fault_of(error)))
        if holds:
            self._folders.append(folder)
        self._zips.extend(sorted(zips))
        if depth == DEEPEST:
            return
        if len(below) > MOST_BELOW:
            self._problems.append(_many_folders(self._where(folder), "put them into fewer"))
        for path in sorted(below)[:MOST_BELOW]:
            self._look(path, depth + 1)

    def _where(self, path: Path) -> str:
        return one_line(path.relative_to(self._root).as_posix())


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link whose end cannot be seen
        return False


def _many_folders(where: str, remedy: str) -> Skipped:
    return Skipped(where, reasons.MANY_FOLDERS, remedy, dropped=False, incomplete=True)


def _is_ignored(member: str) -> bool:
    return any(part.startswith(IGNORED) for part in member.split("/"))
