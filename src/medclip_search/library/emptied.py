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

    ``unexplained`` cases are gone, too, though no image of theirs was deleted on request: the
    folder may only not be mounted. ``fault`` is why nothing could be opened.
    """

    def __init__(self, spec: CorpusSpec, unexplained: int, fault: str) -> None:
        self.spec = spec
        self._unexplained, self._fault = unexplained, fault
        self.root = check_folder(spec.path, "give the folder of the images")

    def count(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Case | Skipped]:
        if self._unexplained:
            cases = "case" if self._unexplained == 1 else "cases"
            others = f"{self._unexplained:,} {cases} besides those of images deleted on request"
            why = self._fault.removeprefix(f"{self.root}: ")
            what, reason = f"{self.root}: {others}", "gone, as are all others; all are kept"
            yield Skipped(what, reason, why, incomplete=True)


def knows_by_files(spec: CorpusSpec) -> bool:
    """Whether a corpus knows its cases by their image files alone: no list names them."""
    return spec.kind in ("folder", "dicom")


def open_source(library: Path, spec: CorpusSpec) -> Corpus:
    """The reader of a corpus, be it one that the library emptied.

    Raises ``CorpusError`` where nothing of its kind is there, and no image of it was deleted on
    request.
    """
    try:
        return open_corpus(spec)
    except CorpusError as error:
        emptied = None if folder_fault(spec.path or "") else _emptied(library, spec, str(error))
        if emptied is None:
            raise
        return emptied


def _emptied(library: Path, spec: CorpusSpec, fault: str) -> EmptiedCorpus | None:
    """A corpus that the library knows, if images of it were deleted on request."""
    try:
        catalogue = Catalogue.open_snapshot(library / layout.read_current(library).catalogue)
    except LibraryError:
        return None
    try:
        _, deleted = catalogue.count_images_of(spec.name)
        told = catalogue.count_told_of(spec.name, of_files=knows_by_files(spec))
    finally:
        catalogue.close()
    return EmptiedCorpus(spec, told, fault) if deleted else None
