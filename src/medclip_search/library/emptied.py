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
    """A corpus that has nothing more to tell; the library keeps what it told before."""

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        self.root = check_folder(spec.path, "give the folder of the images")

    def count(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Case | Skipped]:
        return iter(())


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
        if there and _was_emptied(library, spec):
            return EmptiedCorpus(spec)
        raise


def _was_emptied(library: Path, spec: CorpusSpec) -> bool:
    try:
        catalogue = Catalogue.open_snapshot(library / layout.read_current(library).catalogue)
    except LibraryError:
        return False
    try:
        return catalogue.is_emptied(spec.name)
    finally:
        catalogue.close()
