"""The indexes of a generation, derived from its catalogue and embeddings.

What did not change since the base generation is shared with it; what changed little is updated
from the base's files; everything can be rebuilt from the catalogue and the rows alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import Case
from medclip_search.errors import LibraryDamagedError
from medclip_search.indexes.columns import build_columns, update_columns
from medclip_search.indexes.text import (
    TextDocument,
    build_text_index,
    deleted_share,
    update_text_index,
)
from medclip_search.indexes.text.mining import DEFINITIONS, Mined
from medclip_search.indexes.vectors import build_vector_index, is_taught_by
from medclip_search.indexes.vectors.files import KEYS, read_array
from medclip_search.library.catalogue import SpaceRecord
from medclip_search.library.checksums import Checksums
from medclip_search.library.derive_map import derive_map
from medclip_search.library.derived import is_intact, is_intact_file, new_folder
from medclip_search.library.generation import map_rows
from medclip_search.library.layout import Manifest
from medclip_search.library.workcatalogue import WorkCatalogue
from medclip_search.progress import Advance, Progress

_UPDATE_BELOW = 0.1
"""Above this share of changed cases, text index and columns are built anew. Deleted captions, which
go on counting in how rare a word is until then, are among them."""


@dataclass(frozen=True, slots=True)
class Derived:
    """Where a generation's indexes lie, relative to the library."""

    text: str
    columns: str
    vectors: Mapping[str, str]
    map: str | None = None

    def folders(self) -> list[str]:
        folders = [self.text, self.columns, *self.vectors.values()]
        return folders if self.map is None else [*folders, self.map]


def derive(
    library: Path,
    number: int,
    catalogue: WorkCatalogue,
    base: Manifest | None,
    checksums: Checksums,
    progress: Progress,
    *,
    fresh_text: bool = False,
) -> Derived:
    """Write the indexes of generation ``number``. ``base`` is what may be shared.

    ``checksums`` flushes and hashes what is written, and knows or makes those of the base's files.
    ``fresh_text`` builds the text index anew, so that it holds no word of what was taken out.
    """
    changed = catalogue.changed()
    text = columns = None
    if base is not None and not changed:
        text, columns = base.text, base.columns
        if fresh_text and deleted_share(library / base.text):
            text = None
    if text is None:
        start = None if fresh_text else base
        text = _derive_text(library, number, catalogue, start, changed, checksums, progress)
    if columns is None:
        columns = _derive_columns(library, number, catalogue, base, changed, checksums, progress)
    vectors = {
        record.space.name: _derive_vectors(
            library, number, catalogue, record, base, checksums, progress, retold=bool(changed)
        )
        for record in catalogue.spaces()
    }
    return Derived(
        text,
        columns,
        vectors,
        derive_map(library, number, catalogue, vectors, base, checksums, progress),
    )


def _derive_text(
    library: Path,
    number: int,
    catalogue: WorkCatalogue,
    base: Manifest | None,
    changed: list[int],
    checksums: Checksums,
    progress: Progress,
) -> str:
    folder = new_folder(library, f"text/{number:06d}")
    total = catalogue.count()
    mined = Mined()
    gone = 1.0 if base is None else deleted_share(library / base.text) + len(changed) / (total + 1)
    if base is None or gone > _UPDATE_BELOW or not _can_go_on(library, base, checksums):
        with progress("words", total, "case") as advance:
            cases = mined.listen(_told(catalogue.all_cases(), advance))
            build_text_index(_documents(cases), library / folder)
    else:
        mined = Mined(library / base.text, changed)
        with progress("words", len(changed), "case") as advance:
            cases = mined.listen(_told(catalogue.all_cases(changed), advance))
            update_text_index(library / base.text, library / folder, changed, _documents(cases))
    mined.write(library / folder)
    checksums.begin_flushed(library / folder)
    return folder


def _can_go_on(library: Path, base: Manifest, checksums: Checksums) -> bool:
    """Whether a text index is what was published, by a program that kept what captions explain."""
    return (library / base.text / DEFINITIONS).exists() and is_intact(
        library, base, base.text, checksums
    )


def _derive_columns(
    library: Path,
    number: int,
    catalogue: WorkCatalogue,
    base: Manifest | None,
    changed: list[int],
    checksums: Checksums,
    progress: Progress,
) -> str:
    folder = new_folder(library, f"columns/{number:06d}")
    few = len(changed) <= _UPDATE_BELOW * catalogue.count()
    if base is not None and few and is_intact(library, base, base.columns, checksums):
        with progress("filters", len(changed), "case") as advance:
            cases = _told(catalogue.all_cases(changed), advance)
            before, now = library / base.columns, library / folder
            update_columns(before, now, changed, cases, catalogue.id_of)
    else:
        with progress("filters", catalogue.count(), "case") as advance:
            build_columns(_told(catalogue.all_cases(), advance), library / folder)
    checksums.begin_flushed(library / folder)
    return folder


def _derive_vectors(
    library: Path,
    number: int,
    catalogue: WorkCatalogue,
    record: SpaceRecord,
    base: Manifest | None,
    checksums: Checksums,
    progress: Progress,
    *,
    retold: bool,
) -> str:
    """``retold`` says that captions may have changed: they teach a centred space."""
    name = record.space.name
    before: NDArray[np.int64] | None = None
    previous: Path | None = None
    same_file = base is not None and base.embeddings.get(name) == record.path
    if base is not None and same_file and name in base.vectors:
        before = _keys_before(library, base, base.vectors[name], checksums)
    keys = catalogue.keys_of_rows(record, before)
    if base is not None and same_file and name in base.vectors:
        if (
            before is not None
            and np.array_equal(before, keys)
            and not (
                retold
                and record.space.centred
                and not is_taught_by(library / base.vectors[name], catalogue.captions())
            )
        ):
            return base.vectors[name]
        if is_intact(library, base, base.vectors[name], checksums):
            previous = library / base.vectors[name]
    folder = new_folder(library, f"vectors/{name}/{number:06d}")
    rows = map_rows(library / record.path, record.rows, record.space.dimension)
    with progress(f"vectors of {name}", None, "row"):
        build_vector_index(
            rows,
            keys,
            library / folder,
            space=record.space,
            previous=previous,
            captions=catalogue.captions(),
        )
    checksums.begin_flushed(library / folder)
    return folder


def _keys_before(
    library: Path, base: Manifest, folder: str, checksums: Checksums
) -> NDArray[np.int64] | None:
    """The case keys of an index's rows, -1 for dead ones; ``None`` where they are damaged."""
    try:
        if is_intact_file(library, base, f"{folder}/{KEYS}", checksums):
            return read_array(library / folder, KEYS)
    except (OSError, LibraryDamagedError):
        pass
    return None


def _documents(cases: Iterator[tuple[int, Case]]) -> Iterator[TextDocument]:
    for key, case in cases:
        yield TextDocument(key, case.id, case.caption, case.keywords)


def _told(cases: Iterator[tuple[int, Case]], advance: Advance) -> Iterator[tuple[int, Case]]:
    for pair in cases:
        yield pair
        advance(1)
