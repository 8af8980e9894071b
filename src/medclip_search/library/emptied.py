"""Folders that hold no image any more, because the user had the library's images deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medclip_search.cases import Case
from medclip_search.corpora import open_corpus
from medclip_search.corpora.base import Corpus, CorpusSpec, Skipped
from medclip_search.corpora.files import check_folder, folder_fault
from medclip_search.errors import CorpusError, LibraryError
from medclip_search.library import layout
from medclip_search.library.catalogue import Catalogue


class EmptiedCorpus:
    """A corpus that has nothing more to tell; the library keeps what it told before.

    ``unexplained`` images are gone, too, that nobody asked to have deleted: the folder may only
    not be mounted.
    """

    def __init__(self, spec: CorpusSpec, unexplained: int) -> None:
        self.spec = spec
        self._unexplained = unexplained
        self.root = check_folder(spec.path, "give the folder of the images")

    def count(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Case | Skipped]:
        if self._unexplained:
            several = "s" if self._unexplained > 1 else ""
            what = f"{self.root}: {self._unexplained:,} image{several} not deleted on request"
            yield Skipped(what, "gone, as are all others; their cases are kept", incomplete=True)


def knows_by_files(spec: CorpusSpec) -> bool:
    """Whether a corpus knows its cases by their image files alone: no list names them."""
    return spec.kind in ("folder", "dicom")


def open_source(library: Path, spec: CorpusSpec) -> Corpus:
    """The reader of a corpus, be it one that the library emptied.

    Raises ``CorpusError`` where nothing of its kind is there, and never was.
    """
    try:
        return open_corpus(spec)
    except CorpusError:
        there = knows_by_files(spec) and not folder_fault(spec.path or "")
        images, deleted = _images_of(library, spec) if there else (0, 0)
        if deleted:
            return EmptiedCorpus(spec, images - deleted)
        raise


def _images_of(library: Path, spec: CorpusSpec) -> tuple[int, int]:
    try:
        catalogue = Catalogue.open_snapshot(library / layout.read_current(library).catalogue)
    except LibraryError:
        return 0, 0
    try:
        return catalogue.count_images_of(spec.name)
    finally:
        catalogue.close()
