"""Which raw images a library can spare: the rules, one by one.

What is deleted cannot be made again, so whatever is in doubt is kept, and counted with its reason.
"""

# Paths are strings in here, since there may be millions of them.
# ruff: noqa: PTH116, PTH118, PTH120

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import medclip_search
from medclip_search.cases import ImageSource
from medclip_search.corpora import spec_from_json
from medclip_search.corpora.base import CorpusSpec
from medclip_search.corpora.pictures import split_suffix
from medclip_search.errors import ImageError
from medclip_search.images import count_frames
from medclip_search.images.sources import source_mark
from medclip_search.library import layout
from medclip_search.library.catalogue import Catalogue, ImageCase
from medclip_search.progress import SILENT, Progress

CONTAINER = "a zip or Parquet file, which holds more than one picture"
SAMPLE = "part of the sample, which belongs to installed packages"
PROGRAM = "part of MedClip Search itself"
IN_LIBRARY = "inside the library's own folder"
TABLE = "a table, or a file of vectors"
LINK = "a symbolic link"
NOT_A_FILE = "not a regular file"
OUTSIDE = "outside its corpus's folder"
WANTING = "not embedded yet, or changed since"
LIMITED = "further cases of it may lie beyond --limit"
SERIES = "one slice of a DICOM series, which would be another without it"
SHARED = "also the image of a case that needs it, or what a link leads to"
NAMESAKE = "named as one that is kept but for the suffix, whose id would change"
UNSEEN = "cannot be looked at"
"""Why an image is kept."""

Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RawImage:
    """A file that the library can spare: where it really lies, and what it was when looked at.

    ``identity`` is its device and number there, ``keys`` are those of all cases made of it.
    """

    path: str
    bytes: int
    mark: str
    identity: Identity
    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Deletable:
    """Raw images that may be deleted, by path, and how many others are kept for which reason."""

    files: tuple[RawImage, ...]
    kept: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """What they take on disk; a file of several names counts once."""
        return sum({image.identity: image.bytes for image in self.files}.values())


def deletable(library: Path, *, progress: Progress = SILENT) -> Deletable:
    """The raw images that the published generation needs no more.

    A file is one if every case of it has its vectors in all spaces and its thumbnail, made of
    the file as it is now; if it is a regular file, no link, and lies under the folder of its
    corpus once links are resolved; and if it is no container, no table, and nothing that belongs
    to the library, the program or the sample. Raises ``LibraryError``.
    """
    catalogue = Catalogue.open_snapshot(library / layout.read_current(library).catalogue)
    try:
        return spared_images(library, catalogue, progress)
    finally:
        catalogue.close()


def spared_images(library: Path, catalogue: Catalogue, progress: Progress) -> Deletable:
    """What ``deletable`` says, of any state of a library's catalogue."""
    judge = _Judge(library, catalogue)
    files: dict[str, RawImage] = {}
    outside: set[str] = set()
    kept: dict[str, str] = {}
    needed: set[Identity] = set()
    namesakes: dict[str, str] = {}  # paths to what they have in common
    with progress("images to spare", catalogue.count_images(), "image") as advance:
        for case in catalogue.image_cases():
            advance(1)
            path = judge.place(case)
            try:
                found = os.lstat(path)
                if stat.S_ISLNK(found.st_mode):
                    end = os.stat(path)
                    needed.add((end.st_dev, end.st_ino))
                mark = source_mark(ImageSource(Path(path))) if stat.S_ISREG(found.st_mode) else ""
            except (FileNotFoundError, NotADirectoryError):
                continue  # deleted before, or gone
            except (OSError, ImageError):
                kept[path] = UNSEEN
                continue
            if judge.stands_by_suffix(case):
                namesakes[path] = split_suffix(path)[0]
            if reason := judge.why_kept(case, path, found, mark):
                kept.setdefault(path, reason)
                needed.add((found.st_dev, found.st_ino))
                continue
            if judge.is_inside(case, path):
                outside.discard(path)
            elif path not in files:
                outside.add(path)
            keys = files[path].keys if path in files else ()
            identity = (found.st_dev, found.st_ino)
            files[path] = RawImage(path, found.st_size, mark, identity, (*keys, case.key))
    for path, image in files.items():
        if path in outside:  # of the folders of all its corpora
            kept.setdefault(path, OUTSIDE)
        elif image.identity in needed:
            kept.setdefault(path, SHARED)
    stems = {namesakes[path] for path in kept if path in namesakes}
    for path, stem in namesakes.items():
        if stem in stems:
            kept.setdefault(path, NAMESAKE)
    spared = (image for path, image in sorted(files.items()) if path not in kept)
    return Deletable(tuple(spared), Counter(kept.values()))


class _Judge:
    """The rules, case by case; what cases must agree upon is ``spared_images``'s."""

    def __init__(self, library: Path, catalogue: Catalogue) -> None:
        sources = catalogue.sources()
        self._specs = {one.number: spec_from_json(json.loads(one.spec)) for one in sources}
        self._roots = {one.number: os.path.realpath(one.root) for one in sources}
        self._tables = {
            os.path.realpath(path)
            for spec in self._specs.values()
            for path in (spec.path, *spec.embeddings.values())
            if path is not None
        }
        self._library = os.path.realpath(library)
        self._program = os.path.realpath(os.path.dirname(medclip_search.__file__))
        self._limited = catalogue.fact("limit") is not None
        self._real_folder = cache(os.path.realpath)
        self._frames = cache(_frames)

    def place(self, case: ImageCase) -> str:
        """A case's file as it lies in a folder that is reached through no link."""
        folder, name = os.path.split(str(case.image.path))
        return os.path.join(self._real_folder(folder), name)

    def is_inside(self, case: ImageCase, path: str) -> bool:
        return _lies_in(path, self._roots[case.source])

    def stands_by_suffix(self, case: ImageCase) -> bool:
        """Whether a folder has several images of this name but for the suffix."""
        return self._specs[case.source].kind == "folder" and case.id.endswith(case.image.path.name)

    def why_kept(self, case: ImageCase, path: str, found: os.stat_result, mark: str) -> str:
        """The reason for which a case needs its file; ``""`` where it can spare it."""
        spec = self._specs[case.source]
        rules: tuple[tuple[str, Callable[[], bool]], ...] = (
            (CONTAINER, lambda: case.image.member is not None),
            (SAMPLE, lambda: spec.kind == "sample"),
            (LINK, lambda: stat.S_ISLNK(found.st_mode)),
            (NOT_A_FILE, lambda: not stat.S_ISREG(found.st_mode)),
            (IN_LIBRARY, lambda: _lies_in(path, self._library)),
            (PROGRAM, lambda: _lies_in(path, self._program)),
            (TABLE, lambda: path in self._tables),
            (WANTING, lambda: case.mark != mark),
            (LIMITED, lambda: self._limited and _may_share(case, spec)),
            (SERIES, lambda: spec.kind == "dicom" and not self._is_whole_series(case, path)),
        )
        return next((reason for reason, holds in rules if holds()), "")

    def _is_whole_series(self, case: ImageCase, path: str) -> bool:
        slices = json.loads(case.metadata).get("slices", 1)  # said where there are several
        return slices == 1 or (case.image.frame is not None and self._frames(path) == slices)


def _may_share(case: ImageCase, spec: CorpusSpec) -> bool:
    """Whether a source may have further cases of the same file."""
    return case.image.frame is not None or spec.kind == "table"


def _frames(path: str) -> int:
    try:
        return count_frames(Path(path))
    except ImageError:
        return 0


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))
