"""The writer's catalogue, in the library's work folder: what a build and a removal change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """Whether something was learnt of image files that changes no index: worth remembering."""

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
            "SELECT key, signature, image_stat, embedded_stat, image_deleted, image_path, "
            "image_frame, image_member FROM cases WHERE source = ? AND source_id = ?",
            (source, case.id),
        ).fetchone()
        came_back = known is not None and case.image is not None and known[4]
        if known is not None and case.image is None and known[3] is not None:
            # The raw image was deleted after it was embedded: the case keeps what it had.
            case = replace(case, image=ImageSource(Path(root) / known[5], known[6], known[7]))
            stat = known[2]
        values = _columns(case, root)
        # A column that came later counts only where it says something: no case looks changed.
        signature = digest(
            _json(values if values[3] is not None else values[:3] + values[4:]).encode()
        )
        if known is not None:
            key, old, old_stat, _, _, *shown = known
            self._run(
                "UPDATE cases SET seen = ?, image_stat = ?, source_row = ? WHERE key = ?",
                (seen, stat, case.row, key),
            )
            if came_back:
                self._run("UPDATE cases SET image_deleted = 0 WHERE key = ?", (key,))
            if old == signature:
                return "same" if old_stat == stat and not came_back else "touched"
            self._run(
                f"UPDATE cases SET ({_GIVEN}) = ({_marks(len(values))}), signature = ? "
                "WHERE key = ?",
                (*values, signature, key),
            )
            if shown != list(values[1:4]):  # another file or frame, be it of equal size and time
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
            "INSERT INTO cases (id, source, source_id, image_stat, signature, seen, source_row, "
            f"{_GIVEN}) VALUES ({_marks(7 + len(values))})",
            (free, source, case.id, stat, signature, seen, case.row, *values),
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

    def unseen(self, source: int, seen: int, *, of_files: bool) -> list[int]:
        """Keys of the cases that a build did not meet in their source.

        ``of_files``: the source knows its cases by their image files.
        """
        rows = self._run(
            "SELECT key FROM cases c WHERE source = ? AND seen < ? AND NOT " + _UNTOLD,
            (source, seen, of_files),
        )
        return [int(row[0]) for row in rows]

    def untold_images(self, source: int, *, of_files: bool) -> Iterator[Path]:
        """Where the images lay of cases that their source cannot tell of any more."""
        rows = self._run(
            f"SELECT s.root, c.image_path {CASES} WHERE c.source = ? AND " + _UNTOLD,
            (source, of_files),
        )
        return (Path(root) / path for root, path in rows)

    def has_deleted_image(self, source: int, case_id: str) -> bool:
        """Whether the image of a case of this (source's own) id was deleted on request."""
        found = self._run(
            "SELECT image_deleted FROM cases WHERE source = ? AND source_id = ?",
            (source, case_id),
        ).fetchone()
        return found is not None and bool(found[0])

    def mark_images_deleted(self, keys: Iterable[int]) -> int:
        """The user asked for these cases' images to be deleted; tells how many were not marked."""
        statement = "UPDATE cases SET image_deleted = 1 WHERE key = ? AND NOT image_deleted"
        count = sum(self._run(statement, (key,)).rowcount for key in keys)
        self.restated = self.restated or count > 0
        return count

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
                "INSERT INTO spaces (name, encoder, fingerprint, dimension, embeds_words, centred, "
                "holds, joint) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    space.name,
                    encoder,
                    fingerprint,
                    space.dimension,
                    int(space.embeds_words),
                    int(space.centred),
                    space.holds,
                    space.joint,
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
            # The plus keeps SQLite from sorting the whole source anew for each page.
            "WHERE +c.source = ? AND c.key > ? AND c.seen >= ? ORDER BY c.key LIMIT ?",
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
            "((c.caption <> '' AND r.row IS NULL) OR c.key IN (SELECT key FROM changed))"
        )

    def drop_row(self, space: SpaceRecord, key: int) -> None:
        """A case has no row in a space any more."""
        self._run(f"UPDATE rows_{space.number} SET key = NULL WHERE key = ?", (key,))
        self._touch(key)

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
    "caption, image_path, image_frame, image_member, article, licence, licence_class, "
    "year, modality, region, keywords, cuis, metadata, origins"
)


# Its image was deleted on request, and without it the source does not tell of the case.
_UNTOLD = "(c.image_deleted AND (? OR c.caption = ''))"


def _marks(count: int) -> str:
    return ",".join("?" * count)


def _columns(case: Case, root: str) -> tuple[object, ...]:
    path = frame = member = None
    if case.image is not None:
        path, frame = _relative(case.image.path, root), case.image.frame
        member = _text(case.image.member)
    return (
        _text(case.caption),
        path,
        frame,
        member,
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
