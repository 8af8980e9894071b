"""What each case's vectors and thumbnail were made from: the writer's side of the row tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from medclip_search.cases import ImageSource
from medclip_search.encoders.base import Space
from medclip_search.library import schema
from medclip_search.library.appendfile import Block
from medclip_search.library.catalogue import CASES, Catalogue, SpaceRecord
from medclip_search.library.durable import flush_file


@dataclass(frozen=True, slots=True)
class Pending:
    """A case whose image must be looked at: it is new, its file changed, or a space lacks it.

    ``digests`` are those of the content its rows were made from, by the numbers of the spaces in
    which it is to have one; ``None`` where it has none yet.
    """

    key: int
    source: int
    id: str
    image: ImageSource
    stat: str
    digests: Mapping[int, bytes | None]
    has_thumbnail: bool


class RowCatalogue(Catalogue):
    """Rows and thumbnails as a writer changes them; ``library.workcatalogue`` adds the cases.

    Statements outside ``transaction`` commit by themselves.
    """

    @classmethod
    def open_work(cls, path: Path) -> Self:
        connection = _connect(path)
        try:
            if schema.migrate(connection, str(path)):
                _squeeze(connection, path)
                connection = _connect(path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    restated = False
    """Whether something was learnt of image files that changes no index: worth remembering."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing; one inside another is a part that can fail by itself."""
        inner = self._connection.in_transaction
        self._connection.execute("SAVEPOINT part" if inner else "BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("RELEASE part" if inner else "COMMIT")
        except BaseException:
            # A full disk has rolled back already; its error is the one to tell.
            with suppress(sqlite3.Error):
                if inner:
                    self._connection.execute("ROLLBACK TO part")
                self._connection.execute("RELEASE part" if inner else "ROLLBACK")
            raise

    def _run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def into_one_file(self) -> None:
        """Leave write-ahead logging, so that the catalogue is one file, ready to publish.

        Nothing can be written to it any more.
        """
        self._run("PRAGMA wal_checkpoint(TRUNCATE)")
        self._run("PRAGMA journal_mode = DELETE")
        self._run("PRAGMA query_only = ON")

    def last_published_key(self) -> int:
        """Cases of larger keys came since the last generation: no reader ever saw them."""
        return int(self.fact("last_published_key") or 0)

    def _touch(self, key: int) -> None:
        """A case differs from the published generation; that it is new, its key says."""
        self._run(f"INSERT OR IGNORE INTO changed SELECT ? WHERE ? <= {_PUBLISHED}", (key, key))

    # -- images ------------------------------------------------------------------------------

    def put_space(self, space: Space, encoder: str, fingerprint: str) -> None:
        """A new space with its empty row table, both or neither.

        One that is known and holds no row yet is made anew: the model that was named first may
        have failed before it gave a vector.
        """
        values = (
            encoder,
            fingerprint,
            space.dimension,
            int(space.embeds_words),
            int(space.centred),
            space.holds,
            space.joint,
            space.name,
        )
        columns = "encoder, fingerprint, dimension, embeds_words, centred, holds, joint"
        with self.transaction():
            known = self._run(
                f"UPDATE spaces SET ({columns}) = ({marks(7)}) WHERE name = ?", values
            )
            if known.rowcount:
                return
            cursor = self._run(f"INSERT INTO spaces ({columns}, name) VALUES ({marks(8)})", values)
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
            "SELECT c.key, c.source, c.id, s.root, c.image_path, c.image_frame, "
            f"c.image_member, c.image_stat {CASES} WHERE c.key > ? AND {self._is_pending()} "
            "ORDER BY c.key LIMIT ?",
            (after, limit),
        )
        spaces = self.encoded_spaces()
        given = self.given()
        return [
            Pending(
                key,
                source,
                name,
                ImageSource(Path(root) / path, frame, member),
                stat,
                {
                    space.number: self.row_digest(space, key)
                    for space in spaces
                    if (source, space.space.name) not in given
                },
                self.thumbnail(key) is not None,
            )
            for key, source, name, root, path, frame, member, stat in rows.fetchall()
        ]

    def row_digest(self, space: SpaceRecord, key: int) -> bytes | None:
        """The digest of what a case's row was made from, ``None`` where it has no row."""
        found = self._run(
            f"SELECT digest FROM rows_{space.number} WHERE key = ?", (key,)
        ).fetchone()
        return bytes(found[0]) if found else None

    # -- ready-made vectors --------------------------------------------------------------------

    def given(self) -> dict[tuple[int, str], str]:
        """Sources and spaces whose vectors come ready-made, with the mark of their file."""
        rows = self._run("SELECT source, space, mark FROM given")
        return {(int(source), str(space)): str(mark) for source, space, mark in rows}

    def put_given(self, source: int, space: str, mark: str) -> None:
        """From now on a source brings its own vectors of a space; ``""`` until they are in."""
        self._run("INSERT OR REPLACE INTO given VALUES (?, ?, ?)", (source, space, mark))

    def forget_given(self, source: int, space: str) -> None:
        """A source brings no vectors of a space any more: an encoder makes them."""
        self._run("DELETE FROM given WHERE source = ? AND space = ?", (source, space))

    def numbered_cases(
        self, source: int, space: SpaceRecord, after: int = -1, limit: int = 4096, *, met: int = 0
    ) -> list[tuple[int, str, int | None, bytes | None]]:
        """Key, id, row in the table, and digest in a space, of a source's cases, by key.

        ``met`` leaves out those that the build of this number did not meet: their rows are old.
        """
        return self._run(
            "SELECT c.key, c.id, c.source_row, r.digest FROM cases c "
            f"LEFT JOIN rows_{space.number} r ON r.key = c.key "
            "WHERE c.source = ? AND c.key > ? AND c.seen >= ? ORDER BY c.key LIMIT ?",
            (source, after, met, limit),
        ).fetchall()

    # -- captions' vectors ---------------------------------------------------------------------

    def captioned(
        self, space: SpaceRecord, after: int = -1, limit: int = 1000
    ) -> list[tuple[int, str, bytes | None]]:
        """Key, caption and digest of cases whose row in a space of captions may be wanting.

        Those are the ones that have none, and those that changed since the last generation.
        """
        return self._run(
            f"SELECT c.key, c.caption, r.digest {self._captioned(space)} AND c.key > ? "
            "ORDER BY c.key LIMIT ?",
            (after, limit),
        ).fetchall()

    def count_captioned(self, space: SpaceRecord) -> int:
        """How many cases ``captioned`` gives in all."""
        return int(self._run(f"SELECT count(*) {self._captioned(space)}").fetchone()[0])

    def _captioned(self, space: SpaceRecord) -> str:
        return (
            f"FROM cases c LEFT JOIN rows_{space.number} r ON r.key = c.key WHERE "
            "((c.caption <> '' AND r.row IS NULL) OR c.key IN (SELECT key FROM changed) "
            f"OR c.key > {_PUBLISHED})"
        )

    def drop_row(self, space: SpaceRecord, key: int) -> None:
        """A case has no row in a space any more."""
        self._run(f"UPDATE rows_{space.number} SET key = NULL WHERE key = ?", (key,))
        self._touch(key)

    def count_pending(self) -> int:
        """How many cases ``pending`` gives in all."""
        found = self._run(f"SELECT count(*) FROM cases c WHERE {self._is_pending()}").fetchone()
        return int(found[0])

    def count_given_rows(self) -> int:
        """How many ready-made vectors there are of the sources that bring them."""
        numbers = {record.space.name: record.number for record in self.spaces()}
        return sum(
            int(
                self._run(
                    f"SELECT count(*) FROM rows_{numbers[space]} r JOIN cases c ON c.key = r.key "
                    "WHERE c.source = ?",
                    (source,),
                ).fetchone()[0]
            )
            for source, space in self.given()
        )

    def count_without_vector(self) -> int:
        """How many cases have a picture and no vector of it in any space."""
        lacks = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM rows_{record.number} r WHERE r.key = t.key)"
            for record in self.spaces()
            if record.space.holds == "images"
        )
        where = f"WHERE {lacks}" if lacks else ""
        return int(self._run(f"SELECT count(*) FROM thumbnails t {where}").fetchone()[0])

    def count_lost(self) -> int:
        """How many cases were embedded once and lack a vector or a thumbnail now."""
        found = self._run(
            "SELECT count(*) FROM cases c WHERE c.image_path IS NOT NULL "
            f"AND c.embedded_stat IS NOT NULL AND {self._lacks_part()}"
        )
        return int(found.fetchone()[0])

    def _is_pending(self) -> str:
        return (
            "c.image_path IS NOT NULL AND c.image_stat IS NOT NULL AND NOT c.image_deleted "
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

    def count_live_rows(self, space: SpaceRecord) -> int:
        """How many rows of a space are some case's."""
        found = self._run(f"SELECT count(*) FROM rows_{space.number} WHERE key IS NOT NULL")
        return int(found.fetchone()[0])

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


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA secure_delete = ON")  # a removed caption leaves no bytes
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _squeeze(connection: sqlite3.Connection, path: Path) -> None:
    """Close a catalogue, without what a migration left empty in it.

    It is written anew beside itself: the folder where SQLite's VACUUM works may have no room.
    """
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("VACUUM INTO ?", (str(part),))
    connection.close()
    flush_file(part)
    part.replace(path)


def marks(count: int) -> str:
    """So many placeholders of an SQL statement."""
    return ",".join("?" * count)


_PUBLISHED = "(SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'last_published_key')"
