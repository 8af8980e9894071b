"""The writer's catalogue, in the library's work folder: what a build and a removal change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from medclip_search.cases import Case, ImageSource
from medclip_search.encoders.base import Space
from medclip_search.library import schema
from medclip_search.library.appendfile import Block
from medclip_search.library.catalogue import CASES, Catalogue, SpaceRecord
from medclip_search.library.durable import digest


@dataclass(frozen=True, slots=True)
class Pending:
    """A case whose image must be looked at: it is new, its file changed, or a space lacks it.

    ``digest`` is that of the content it was embedded from, ``None`` where something is lacking.
    """

    key: int
    source: int
    id: str
    image: ImageSource
    stat: str
    digest: bytes | None


class WorkCatalogue(Catalogue):
    """The writer's catalogue. Statements outside ``transaction`` commit by themselves."""

    @classmethod
    def open_work(cls, path: Path) -> Self:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -65536")
            connection.execute("PRAGMA secure_delete = ON")  # a removed caption leaves no bytes
            schema.migrate(connection, str(path))
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    restated = False
    """Whether image files were found touched but unchanged: worth remembering."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # A full disk has rolled back already; its error is the one to tell.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def into_one_file(self) -> None:
        """Leave write-ahead logging, so that the catalogue is one file, ready to publish."""
        self._run("PRAGMA wal_checkpoint(TRUNCATE)")
        self._run("PRAGMA journal_mode = DELETE")

    # -- facts and sources ---------------------------------------------------------------------

    def set_fact(self, name: str, value: str | None) -> None:
        if value == self.fact(name):
            return
        if value is None:
            self._run("DELETE FROM facts WHERE name = ?", (name,))
        else:
            self._run("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def put_source(self, name: str, spec: str, root: str) -> int:
        """Remember a corpus under its name; one that was known keeps its number."""
        self._run(
            "INSERT INTO sources (name, spec, root) VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, root = excluded.root",
            (name, spec, root),
        )
        found = self._run("SELECT source FROM sources WHERE name = ?", (name,)).fetchone()
        return int(found[0])

    # -- cases ---------------------------------------------------------------------------------

    def put_case(self, source: int, root: str, case: Case, stat: str | None, seen: int) -> str:
        """Add or update one case, and tell what that was.

        ``added``, ``changed``, ``same``; ``touched``: only its image file's size or time differ;
        ``removed``: the user took it out before, and it stays out; ``taken``: another source has
        this id, and its prefixed form too.
        """
        known = self._run(
            "SELECT key, signature, image_stat, embedded_stat, image_path, image_frame FROM cases "
            "WHERE source = ? AND source_id = ?",
            (source, case.id),
        ).fetchone()
        if known is not None and case.image is None and known[3] is not None:
            # The raw image was deleted after it was embedded: the case keeps what it had.
            case = replace(case, image=ImageSource(Path(root) / known[4], known[5]))
            stat = known[2]
        values = _columns(case, root)
        signature = digest(_json(values).encode())
        if known is not None:
            key, old, old_stat, _, *shown = known
            self._run("UPDATE cases SET seen = ?, image_stat = ? WHERE key = ?", (seen, stat, key))
            if old == signature:
                return "same" if old_stat == stat else "touched"
            self._run(
                f"UPDATE cases SET ({_GIVEN}) = ({_marks(len(values))}), signature = ? "
                "WHERE key = ?",
                (*values, signature, key),
            )
            if shown != list(values[1:3]):  # another file or frame, be it of equal size and time
                self._run("UPDATE cases SET embedded_stat = NULL WHERE key = ?", (key,))
            self._touch(key)
            return "changed"
        out = self._run(
            "SELECT 1 FROM removed WHERE source = ? AND source_id = ?", (source, case.id)
        )
        if out.fetchone():
            return "removed"
        for free in (case.id, f"{case.corpus}:{case.id}"):
            if not self._run("SELECT 1 FROM cases WHERE id = ?", (free,)).fetchone():
                break
        else:
            return "taken"
        cursor = self._run(
            f"INSERT INTO cases (id, source, source_id, image_stat, signature, seen, {_GIVEN}) "
            f"VALUES ({_marks(6 + len(values))})",
            (free, source, case.id, stat, signature, seen, *values),
        )
        self._touch(int(cursor.lastrowid or 0))
        return "added"

    def _touch(self, key: int) -> None:
        self._run("INSERT OR IGNORE INTO changed VALUES (?)", (key,))

    def changed(self) -> list[int]:
        return [int(row[0]) for row in self._run("SELECT key FROM changed ORDER BY key")]

    def begin_changes(self) -> None:
        """From here on, ``changed`` tells what differs from the published generation."""
        self._run("DELETE FROM changed")
        self._run(
            "INSERT OR REPLACE INTO facts SELECT 'last_published_key', coalesce(max(key), 0) "
            "FROM cases"
        )

    def begin_build(self) -> int:
        """A number larger than that of any build before."""
        self._run(
            "INSERT INTO facts VALUES ('builds', '1') "
            "ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
        )
        return int(self.fact("builds") or 0)

    def unseen(self, source: int, seen: int) -> list[int]:
        """Keys of the cases that a build did not meet in their source."""
        rows = self._run("SELECT key FROM cases WHERE source = ? AND seen < ?", (source, seen))
        return [int(row[0]) for row in rows]

    def empty_cases(self) -> list[int]:
        """Keys of cases that have neither a caption nor a decoded image."""
        rows = self._run(
            "SELECT key FROM cases WHERE caption = '' AND key NOT IN (SELECT key FROM thumbnails)"
        )
        return [int(row[0]) for row in rows]

    def delete_cases(self, keys: Iterable[int], *, remember: bool) -> int:
        """Take cases out; ``remember`` keeps later builds from bringing them back."""
        count = 0
        tables = [f"rows_{space.number}" for space in self.spaces()]
        published = int(self.fact("last_published_key") or 0)
        for key in keys:
            if remember:
                self._run(
                    "INSERT OR IGNORE INTO removed SELECT source, source_id FROM cases "
                    "WHERE key = ?",
                    (key,),
                )
            for table in tables:
                self._run(f"UPDATE {table} SET key = NULL WHERE key = ?", (key,))
            self._run("DELETE FROM thumbnails WHERE key = ?", (key,))
            count += self._run("DELETE FROM cases WHERE key = ?", (key,)).rowcount
            if key > published:
                self._run("DELETE FROM changed WHERE key = ?", (key,))  # no reader ever saw it
            else:
                self._touch(key)
        return count

    def was_removed(self, case_id: str) -> bool:
        """Whether the user took a case of this (source's own) id out before."""
        found = self._run("SELECT 1 FROM removed WHERE source_id = ?", (case_id,))
        return found.fetchone() is not None

    def restore_removed(self) -> int:
        """Let cases that the user took out come back with the next build."""
        return self._run("DELETE FROM removed").rowcount

    # -- embeddings and thumbnails -------------------------------------------------------------

    def put_space(self, space: Space, encoder: str, fingerprint: str) -> None:
        """A new space with its empty row table, both or neither."""
        with self.transaction():
            cursor = self._run(
                "INSERT INTO spaces (name, encoder, fingerprint, dimension, embeds_words, centred) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    space.name,
                    encoder,
                    fingerprint,
                    space.dimension,
                    int(space.embeds_words),
                    int(space.centred),
                ),
            )
            for statement in schema.row_table(int(cursor.lastrowid or 0)).split(";"):
                if statement:
                    self._run(statement)

    def put_append_file(self, name: str, path: str, size: int = 0) -> None:
        """Start (or start anew) the append-only file of a name; its old blocks are forgotten."""
        self._run("DELETE FROM blocks WHERE name = ?", (name,))
        self._run("INSERT OR REPLACE INTO append_files VALUES (?, ?, ?)", (name, path, size))

    def count_block(self, name: str, block: Block) -> None:
        """From the commit on, the block's bytes belong to the library."""
        self._run(
            "INSERT INTO blocks VALUES (?, ?, ?, ?)",
            (name, block.start, block.length, block.checksum),
        )
        self._run(
            "UPDATE append_files SET bytes = ? WHERE name = ?", (block.start + block.length, name)
        )

    def pending(self, after: int = -1, limit: int = 1000) -> list[Pending]:
        """Cases whose image must be looked at, in the order of the keys."""
        rows = self._run(
            "SELECT c.key, c.source, c.id, s.root, c.image_path, c.image_frame, c.image_stat "
            f"{CASES} WHERE c.key > ? AND {self._is_pending()} ORDER BY c.key LIMIT ?",
            (after, limit),
        )
        spaces = self.spaces()
        return [
            Pending(
                key,
                source,
                name,
                ImageSource(Path(root) / path, frame),
                stat,
                self._embedded_digest(spaces, key),
            )
            for key, source, name, root, path, frame, stat in rows.fetchall()
        ]

    def _embedded_digest(self, spaces: list[SpaceRecord], key: int) -> bytes | None:
        found = {
            row[0]
            for space in spaces
            for row in self._run(f"SELECT digest FROM rows_{space.number} WHERE key = ?", (key,))
        }
        whole = self.thumbnail(key) is not None and all(
            self._run(f"SELECT 1 FROM rows_{space.number} WHERE key = ?", (key,)).fetchone()
            for space in spaces
        )
        return bytes(found.pop()) if whole and len(found) == 1 else None

    def count_pending(self) -> int:
        """How many cases ``pending`` gives in all."""
        found = self._run(f"SELECT count(*) {CASES} WHERE {self._is_pending()}").fetchone()
        return int(found[0])

    def count_lost(self) -> int:
        """How many cases were embedded once and lack a vector or a thumbnail now."""
        found = self._run(
            f"SELECT count(*) {CASES} WHERE c.embedded_stat IS NOT NULL AND {self._lacks_part()}"
        )
        return int(found.fetchone()[0])

    def _lacks_part(self) -> str:
        tables = ["thumbnails", *(f"rows_{space.number}" for space in self.spaces())]
        lacks = (f"NOT EXISTS (SELECT 1 FROM {t} r WHERE r.key = c.key)" for t in tables)
        return f"({' OR '.join(lacks)})"

    def _is_pending(self) -> str:
        return (
            "c.image_path IS NOT NULL AND c.image_stat IS NOT NULL "
            f"AND (c.embedded_stat IS NOT c.image_stat OR {self._lacks_part()})"
        )

    def put_row(self, space: SpaceRecord, row: int, key: int, content: bytes) -> None:
        """A case's new row; the one it had before dies."""
        table = f"rows_{space.number}"
        self._run(f"UPDATE {table} SET key = NULL WHERE key = ?", (key,))
        self._run(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", (row, key, content))

    def kill_rows(self, space: SpaceRecord, first: int, stop: int) -> None:
        """Rows that must not be used again: their cases become pending."""
        self._run(
            f"UPDATE rows_{space.number} SET key = NULL WHERE row >= ? AND row < ?", (first, stop)
        )

    def put_thumbnail(self, key: int, start: int, length: int) -> None:
        self._run("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?)", (key, start, length))

    def forget_thumbnails(self, start: int, stop: int) -> None:
        """Thumbnails that touch these bytes must be made again."""
        self._run("DELETE FROM thumbnails WHERE start < ? AND start + length > ?", (stop, start))

    def mark_embedded(self, key: int, stat: str) -> None:
        self._run("UPDATE cases SET embedded_stat = ? WHERE key = ?", (stat, key))
        self._touch(key)

    def mark_unchanged(self, key: int, stat: str) -> None:
        """The file was touched, but its content is what was embedded."""
        self.restated = True
        self._run("UPDATE cases SET embedded_stat = ? WHERE key = ?", (stat, key))

    def live_rows(self, space: SpaceRecord) -> list[tuple[int, int, bytes]]:
        """Row, key and digest of each live row, in the order of the rows."""
        return list(
            self._run(
                f"SELECT row, key, digest FROM rows_{space.number} "
                "WHERE key IS NOT NULL ORDER BY row"
            )
        )

    def replace_rows(self, space: SpaceRecord, rows: Iterable[tuple[int, int, bytes]]) -> None:
        self._run(f"DELETE FROM rows_{space.number}")
        self._connection.executemany(f"INSERT INTO rows_{space.number} VALUES (?, ?, ?)", rows)

    def live_thumbnails(self) -> list[tuple[int, int, int]]:
        """Key, start and length of each thumbnail, in the order of the file."""
        return list(self._run("SELECT key, start, length FROM thumbnails ORDER BY start"))


_GIVEN = (
    "caption, image_path, image_frame, article, licence, licence_class, year, modality, region, "
    "keywords, cuis, metadata, origins"
)


def _marks(count: int) -> str:
    return ",".join("?" * count)


def _columns(case: Case, root: str) -> tuple[object, ...]:
    path = frame = None
    if case.image is not None:
        path, frame = _relative(case.image.path, root), case.image.frame
    return (
        _text(case.caption),
        path,
        frame,
        _text(case.article),
        _text(case.licence),
        case.licence_class,
        case.year,
        _text(case.modality),
        _text(case.region),
        _json(case.keywords),
        _json(case.cuis),
        _json(dict(case.metadata)),
        _json(dict(case.origins)),
    )


def _text(value: str | None) -> str | None:
    """Text as UTF-8 can hold it: half a surrogate pair (from a broken JSON file) becomes ``?``."""
    return value if value is None else value.encode("utf-8", "replace").decode()


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def _relative(path: Path, root: str) -> str:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return str(path)
