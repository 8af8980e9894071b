"""The map of a generation: which space it is of, and when it is made, gone on with or shared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from medclip_search.indexes import map as maps
from medclip_search.indexes.map.building import is_of
from medclip_search.indexes.vectors.files import KEYS, read_array, read_cosine, read_description
from medclip_search.library.catalogue import SpaceRecord
from medclip_search.library.checksums import Checksums
from medclip_search.library.derived import is_intact, new_folder
from medclip_search.library.generation import map_rows
from medclip_search.library.layout import Manifest
from medclip_search.library.workcatalogue import WorkCatalogue
from medclip_search.progress import Progress


def derive_map(
    library: Path,
    number: int,
    catalogue: WorkCatalogue,
    vectors: Mapping[str, str],
    base: Manifest | None,
    checksums: Checksums,
    progress: Progress,
) -> str | None:
    """Write the map of generation ``number``; ``None`` where too little is to be seen.

    ``vectors`` are the folders of its vector indexes, by space.
    """
    record = mapped_space(library, catalogue.spaces(), vectors)
    if record is None:
        return None
    name, index = record.space.name, library / vectors[record.space.name]
    keys = read_array(index, KEYS)
    previous: Path | None = None
    if base is not None and base.map is not None:
        if is_of(library / base.map, name, record.path, keys):
            return base.map
        if is_intact(library, base, base.map, checksums):
            previous = library / base.map
    folder = new_folder(library, f"map/{number:06d}")
    maps.build_map(
        map_rows(library / record.path, record.rows, record.space.dimension),
        keys,
        library / folder,
        space=name,
        embeddings=record.path,
        cosine=read_cosine(index, read_description(index)),
        previous=previous,
        progress=progress,
    )
    checksums.begin_flushed(library / folder)
    return folder


def mapped_space(
    library: Path, spaces: Iterable[SpaceRecord], vectors: Mapping[str, str]
) -> SpaceRecord | None:
    """The space to map: of those with enough pictures one that words share, or else the first."""
    enough = [
        record
        for record in spaces
        if record.space.holds == "images"
        and record.space.name in vectors
        and read_description(library / vectors[record.space.name]).live >= maps.LEAST
    ]
    enough.sort(key=lambda record: (not record.space.embeds_words, record.space.ready_made))
    return enough[0] if enough else None
