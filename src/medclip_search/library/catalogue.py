"""The catalogue: the SQLite database that is the truth about a library's cases.

``Catalogue`` reads a published snapshot, which never changes; ``library.workcatalogue`` is the
writer's own.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from medclip_search.cases import Case, ImageSource
from medclip_search.encoders.base import Space
from medclip_search.errors import LibraryDamagedError
from medclip_search.library import schema
from medclip_search.library.appendfile import Block

_CASE = (
    "c.key, c.id, s.name, s.root, c.caption, c.image_path, c.image_frame, c.image_member, "
    "c.article, c.licence, c.licence_class, c.year, c.modality, c.region, c.keywords, c.cuis, "
    "c.metadata, o.json"
)
CASES = "FROM cases c JOIN sources s ON s.source = c.source"
_WHOLE_CASES = f"{CASES} JOIN origins o ON o.number = c.origins"
UNTOLD = "(c.image_deleted AND (? OR c.caption = ''))"
"""Cases that their source cannot tell of any more; the parameter says whether it knows them by
their image files alone."""

_SETTINGS = ("encoder", "encoder_settings", "embed_captions", "limit")
_T = TypeVar("_T")
_MANY = 500  # below SQLite's smallest limit on variables in one statement


@dataclass(frozen=True, slots=True)
class SpaceRecord:
    """A space as the catalogue knows it: which encoder made it, and where its rows lie.

    ``encoder`` and ``fingerprint`` are empty where the vectors came ready-made from nobody knows
    which model.
    """

    number: int
    space: Space
    encoder: str
    fingerprint: str
    path: str
    bytes: int

    @property
    def rows(self) -> int:
        return self.bytes // (2 * self.space.dimension)


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A corpus as the catalogue knows it."""

    number: int
    name: str
    spec: str
    root: str


@dataclass(frozen=True, slots=True)
class ImageCase:
    """A case's image, and the mark of its file where all that is made of it is there.

    ``mark`` is ``None`` where a vector or the thumbnail is wanting, or the image was seen to
    change since. ``id`` is the source's own, ``metadata`` JSON.
    """

    key: int
    source: int
    id: str
    image: ImageSource
    mark: str | None
    metadata: str


class Catalogue:
    """Reads of one catalogue. Safe for use by several threads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open_snapshot(cls, path: Path) -> Self:
        """Open a published snapshot: ``immutable``, so that a read-only folder will do."""
        uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
        try:
            connection = sqlite3.connect(
                uri, uri=True, check_same_thread=False, isolation_level=None
            )
            schema.refuse_newer(connection, str(path))
            schema.show_as_newest(connection)
            # Not mapped: a card's pages lie scattered, and of a mapped file the system reads as
            # much around each as the disk is set for, which may be megabytes.
            return cls(connection)
        except sqlite3.Error as error:
            raise LibraryDamagedError(
                f"{path}: the catalogue cannot be read ({error}); "
                "run 'medclip-search build --repair' on the library"
            ) from None

    def close(self) -> None:
        self._connection.close()

    def _all(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def is_older(self) -> bool:
        """Whether a program of today would write it in another form."""
        return schema.version_of(self._connection) < len(schema.STEPS)

    def fact(self, name: str) -> str | None:
        found = self._all("SELECT value FROM facts WHERE name = ?", (name,))
        return str(found[0][0]) if found else None

    def settings(self) -> tuple[object, ...]:
        """All but the cases that makes one generation differ from another."""
        facts = self._all(f"SELECT name, value FROM facts WHERE name IN {_SETTINGS}")
        removed = self._all("SELECT count(*) FROM removed")
        return sorted(facts), self.sources(), self.append_files(), removed

    def sources(self) -> list[SourceRecord]:
        return [
            SourceRecord(*row)
            for row in self._all("SELECT source, name, spec, root FROM sources ORDER BY source")
        ]

    def spaces(self) -> list[SpaceRecord]:
        rows = self._all(
            "SELECT p.number, p.name, p.dimension, p.embeds_words, p.centred, p.encoder, "
            "p.holds, p.joint, p.fingerprint, f.path, f.bytes "
            "FROM spaces p JOIN append_files f ON f.name = p.name ORDER BY p.number"
        )
        return [
            SpaceRecord(
                n,
                Space(name, d, bool(w), bool(c), holds, joint, not maker),
                maker,
                mark,
                path,
                size,
            )
            for n, name, d, w, c, maker, holds, joint, mark, path, size in rows
        ]

    def encoded_spaces(self) -> list[SpaceRecord]:
        """The spaces whose rows an encoder makes of images."""
        return [
            record
            for record in self.spaces()
            if record.space.holds == "images" and not record.space.ready_made
        ]

    def _lacks_part(self) -> str:
        lacks = ["NOT EXISTS (SELECT 1 FROM thumbnails t WHERE t.key = c.key)"]
        lacks += [
            f"(NOT EXISTS (SELECT 1 FROM rows_{record.number} r WHERE r.key = c.key) AND NOT "
            "EXISTS (SELECT 1 FROM given g JOIN spaces p ON p.name = g.space "
            f"WHERE g.source = c.source AND p.number = {record.number}))"
            for record in self.encoded_spaces()
        ]
        return f"({' OR '.join(lacks)})"

    def image_cases(self) -> Iterator[ImageCase]:
        """Every case that has, or had, an image, in the order of the keys, streamed."""
        last = -1
        statement = (
            "SELECT c.key, c.source, coalesce(c.source_id, c.id), s.root, c.image_path, "
            "c.image_frame, "
            "c.image_member, CASE WHEN c.image_stat IS c.embedded_stat AND NOT "
            f"{self._lacks_part()} THEN c.embedded_stat END, c.metadata {CASES} "
            "WHERE c.image_path IS NOT NULL AND c.key > ? ORDER BY c.key LIMIT 2000"
        )
        while rows := self._all(statement, (last,)):
            for key, source, name, root, path, frame, member, mark, metadata in rows:
                image = ImageSource(Path(root) / path, frame, member)
                yield ImageCase(key, source, name, image, mark, metadata)
                last = key

    def image_was_deleted(self, key: int) -> bool:
        """Whether a case's image file was deleted on the user's request."""
        return self._all("SELECT image_deleted FROM cases WHERE key = ?", (key,)) == [(1,)]

    def count_deleted_images(self) -> int:
        """How many cases have no image file any more, on the user's request."""
        return int(self._all("SELECT count(*) FROM cases WHERE image_deleted")[0][0])

    def count_images_of(self, name: str) -> tuple[int, int]:
        """How many images a source has, or had, and how many were deleted on request."""
        statement = f"SELECT count(*), total(c.image_deleted) {CASES} WHERE s.name = ? AND "
        found = self._all(statement + "c.image_path IS NOT NULL", (name,))
        return int(found[0][0]), int(found[0][1])

    def count_told_of(self, name: str, *, of_files: bool) -> int:
        """How many cases a source should still tell of, whatever images were deleted on request.

        ``of_files``: it knows its cases by their image files.
        """
        statement = f"SELECT count(*) {CASES} WHERE s.name = ? AND NOT {UNTOLD}"
        return int(self._all(statement, (name, of_files))[0][0])

    def append_files(self) -> dict[str, tuple[str, int]]:
        """Path and counted bytes of each append-only file by its name."""
        return {
            str(name): (str(path), int(size))
            for name, path, size in self._all("SELECT name, path, bytes FROM append_files")
        }

    def blocks(self, name: str) -> list[Block]:
        rows = self._all(
            "SELECT start, length, checksum FROM blocks WHERE name = ? ORDER BY start", (name,)
        )
        return [Block(*row) for row in rows]

    def keys_of_rows(
        self, space: SpaceRecord, before: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """The case key of each row of a space, (rows,), -1 where the row is dead.

        ``before`` are those of an earlier state of the same file: since then rows have died, and
        others were appended.
        """
        known = 0 if before is None else len(before)
        keys = np.full(space.rows, -1, dtype=np.int64)
        table = f"rows_{space.number}"
        with self._lock:
            if before is not None:
                keys[:known] = before
                dead = self._connection.execute(
                    f"SELECT row FROM {table} WHERE key IS NULL AND row < ?", (known,)
                )
                keys[np.fromiter((row for (row,) in dead), np.int64)] = -1
            live = self._connection.execute(
                f"SELECT row, key FROM {table} WHERE key IS NOT NULL AND row >= ?", (known,)
            )
            pairs = np.fromiter(live, np.dtype("i8, i8"))
        keys[pairs["f0"]] = pairs["f1"]
        return keys

    def count(self) -> int:
        return int(self._all("SELECT count(*) FROM cases")[0][0])

    def count_images(self) -> int:
        return int(self._all("SELECT count(*) FROM thumbnails")[0][0])

    def count_of(self, source: int) -> int:
        """How many cases a source has."""
        return int(self._all("SELECT count(*) FROM cases WHERE source = ?", (source,))[0][0])

    def counts_by_source(self) -> dict[str, int]:
        rows = self._all(
            "SELECT s.name, count(c.key) FROM sources s LEFT JOIN cases c ON c.source = s.source "
            "GROUP BY s.source ORDER BY s.source"
        )
        return {str(name): int(n) for name, n in rows}

    def id_of(self, key: int) -> str:
        """The id of a case. Raises ``KeyError``."""
        for (found,) in self._all("SELECT id FROM cases WHERE key = ?", (key,)):
            return str(found)
        raise KeyError(key)

    def keys_of(self, ids: Sequence[str]) -> list[int | None]:
        """The case key of each id, ``None`` where no case has it."""
        found: dict[str, int] = {}
        for some in _chunks(ids):
            marks = ",".join("?" * len(some))
            rows = self._all(f"SELECT id, key FROM cases WHERE id IN ({marks})", some)
            found.update((str(i), int(k)) for i, k in rows)
        return [found.get(one) for one in ids]

    def ids_of(self, keys: Sequence[int]) -> dict[int, str]:
        """The ids of these keys; keys that no case has are left out."""
        return self._told("id", keys)

    def captions_of(self, keys: Sequence[int]) -> dict[int, str]:
        """The captions of these keys; keys that no case has are left out."""
        return self._told("caption", keys)

    def _told(self, column: str, keys: Sequence[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for some in _chunks([int(key) for key in keys]):
            marks = ",".join("?" * len(some))
            found |= self._all(f"SELECT key, {column} FROM cases WHERE key IN ({marks})", some)
        return found

    def cases(self, keys: Sequence[int]) -> dict[int, Case]:
        """The cases of these keys; keys that no case has are left out."""
        found: dict[int, Case] = {}
        for some in _chunks([int(key) for key in keys]):
            marks = ",".join("?" * len(some))
            for row in self._all(f"SELECT {_CASE} {_WHOLE_CASES} WHERE c.key IN ({marks})", some):
                key, case = _case(row)
                found[key] = case
        return found

    def all_cases(self, keys: Iterable[int] | None = None) -> Iterator[tuple[int, Case]]:
        """Every case (or those of ``keys``) in the order of the keys, streamed."""
        if keys is not None:
            for some in _chunks(sorted(keys)):
                yield from sorted(self.cases(some).items())
            return
        last = -1
        while rows := self._all(
            f"SELECT {_CASE} {_WHOLE_CASES} WHERE c.key > ? ORDER BY c.key LIMIT 2000", (last,)
        ):
            for row in rows:
                last, case = _case(row)
                yield last, case

    def captions(self) -> Iterator[tuple[int, str]]:
        """Every case's key and caption, in the order of the keys, streamed."""
        last = -1
        while rows := self._all(
            "SELECT key, caption FROM cases WHERE key > ? ORDER BY key LIMIT 10000", (last,)
        ):
            yield from rows
            last = rows[-1][0]

    def thumbnail(self, key: int) -> tuple[int, int] | None:
        """Where the thumbnail lies in its file: start and length."""
        found = self._all("SELECT start, length FROM thumbnails WHERE key = ?", (key,))
        return (int(found[0][0]), int(found[0][1])) if found else None


def _chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _MANY):
        yield values[start : start + _MANY]


def _decoded(text: str) -> Any:
    if text == "[]":  # as most are, of every card
        return []
    return {} if text == "{}" else json.loads(text)


def _case(row: tuple[Any, ...]) -> tuple[int, Case]:
    (key, name, corpus, root, caption, path, frame, member, *rest) = row
    article, licence, licence_class, year, modality, region, keywords, cuis, data, origins = rest
    image = None
    if path is not None:
        image = ImageSource(Path(str(root)) / str(path), frame, member)
    case = Case(
        id=str(name),
        corpus=str(corpus),
        caption=str(caption),
        image=image,
        article=article,
        licence=licence,
        licence_class=licence_class,
        year=year,
        modality=modality,
        region=region,
        keywords=tuple(_decoded(keywords)),
        cuis=tuple(_decoded(cuis)),
        metadata=_decoded(data),
        origins=_decoded(origins),
    )
    return int(key), case
