"""What a corpus was given with before: what a later call leaves unsaid stays as it was."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from medclip_search.corpora import spec_from_json
from medclip_search.corpora.base import CorpusSpec
from medclip_search.errors import CorpusError, LibraryError
from medclip_search.library import layout


def as_before(library: Path, specs: Sequence[CorpusSpec]) -> list[CorpusSpec]:
    """The specs, each with the columns, images, vectors and frames it was given before.

    Only where it is the same source (name, kind and path) and says nothing of its own.
    """
    known = _known(library)
    return [_filled(spec, known.get(spec.name)) for spec in specs]


def _filled(spec: CorpusSpec, before: CorpusSpec | None) -> CorpusSpec:
    if before is None or (before.kind, before.path) != (spec.kind, spec.path):
        return spec
    return replace(
        spec,
        columns=spec.columns or before.columns,
        images=spec.images or before.images,
        embeddings=spec.embeddings or before.embeddings,
        frames=spec.frames or before.frames,
    )


def _known(library: Path) -> dict[str, CorpusSpec]:
    """The corpora of a stopped build, or else of the published generation; none where neither
    can be read: the build itself says what is wrong."""
    place = library / layout.WORK / "catalogue.sqlite"
    if not place.is_file():
        try:
            place = library / layout.read_current(library).catalogue
        except LibraryError:
            return {}
    try:
        address = f"file:{quote(str(place.resolve()))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            rows = connection.execute("SELECT name, spec FROM sources").fetchall()
        return {str(name): spec_from_json(json.loads(spec)) for name, spec in rows}
    except (sqlite3.Error, ValueError, CorpusError):
        return {}
