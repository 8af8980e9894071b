"""The writer's catalogue, in the library's work folder: what a build and a removal change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from medclip_search.cases import Case, ImageSource
from medclip_search.library.catalogue import CASES, UNTOLD
from medclip_search.library.durable import digest
from medclip_search.library.rowcatalogue import RowCatalogue, marks


class WorkCatalogue(RowCatalogue):
    """The writer's catalogue, whole."""

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
            f"image_frame, image_member FROM cases WHERE {_NAMED}",
            (source, case.id, source, case.id),
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
                f"UPDATE cases SET ({_GIVEN}) = ({marks(len(values))}), signature = ? "
                "WHERE key = ?",
                (*values[:-1], self._put_origins(values[-1]), signature, key),
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
        own = None if free == case.id else case.id
        origins = self._put_origins(values[-1])
        cursor = self._run(
            "INSERT INTO cases (id, source, source_id, image_stat, signature, seen, source_row, "
            f"{_GIVEN}) VALUES ({marks(7 + len(values))})",
            (free, source, own, stat, signature, seen, case.row, *values[:-1], origins),
        )
        self._touch(int(cursor.lastrowid or 0))
        return "added"

    def _put_origins(self, text: object) -> int:
        """The number of what many cases say alike."""
        self._run("INSERT OR IGNORE INTO origins (json) VALUES (?)", (text,))
        found = self._run("SELECT number FROM origins WHERE json = ?", (text,)).fetchone()
        return int(found[0])

    def forget_unused_origins(self) -> None:
        """Drop what only cases said that are no more."""
        self._run("DELETE FROM origins WHERE number NOT IN (SELECT origins FROM cases)")

    def changed(self) -> list[int]:
        """Keys of the cases that differ from the published generation, ascending."""
        rows = self._run(
            "SELECT key FROM changed UNION SELECT key FROM cases WHERE key > ? ORDER BY key",
            (self.last_published_key(),),
        )
        return [int(row[0]) for row in rows]

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
            "SELECT key FROM cases c WHERE source = ? AND seen < ? AND NOT " + UNTOLD,
            (source, seen, of_files),
        )
        return [int(row[0]) for row in rows]

    def untold_images(self, source: int, *, of_files: bool) -> Iterator[Path]:
        """Where the images lay of cases that their source cannot tell of any more."""
        rows = self._run(
            f"SELECT s.root, c.image_path {CASES} WHERE c.source = ? AND " + UNTOLD,
            (source, of_files),
        )
        return (Path(root) / path for root, path in rows)

    def has_deleted_image(self, source: int, case_id: str) -> bool:
        """Whether the image of a case of this (source's own) id was deleted on request."""
        found = self._run(
            f"SELECT image_deleted FROM cases WHERE {_NAMED}",
            (source, case_id, source, case_id),
        ).fetchone()
        return found is not None and bool(found[0])

    def mark_images_deleted(self, keys: Iterable[int]) -> int:
        """The user asked for these cases' images to be deleted; tells how many were not marked."""
        statement = "UPDATE cases SET image_deleted = 1 WHERE key = ? AND NOT image_deleted"
        count = sum(self._run(statement, (key,)).rowcount for key in keys)
        self.restated = self.restated or count > 0
        return count

    def newest_key(self) -> int:
        """The greatest key that was given away; 0 before the first."""
        found = self._run("SELECT seq FROM sqlite_sequence WHERE name = 'cases'").fetchone()
        return int(found[0]) if found is not None else 0

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
        for key in keys:
            if remember:
                self._run(
                    "INSERT OR IGNORE INTO removed SELECT source, coalesce(source_id, id) "
                    "FROM cases WHERE key = ?",
                    (key,),
                )
            for table in tables:
                self._run(f"UPDATE {table} SET key = NULL WHERE key = ?", (key,))
            self._run("DELETE FROM thumbnails WHERE key = ?", (key,))
            count += self._run("DELETE FROM cases WHERE key = ?", (key,)).rowcount
            self._touch(key)
        return count

    def was_removed(self, case_id: str) -> bool:
        """Whether the user took a case of this (source's own) id out before."""
        found = self._run("SELECT 1 FROM removed WHERE source_id = ?", (case_id,))
        return found.fetchone() is not None

    def restore_removed(self) -> int:
        """Let cases that the user took out come back with the next build."""
        return self._run("DELETE FROM removed").rowcount


_NAMED = "((source = ? AND source_id = ?) OR (source = ? AND source_id IS NULL AND id = ?))"
"""A case by the id that its source knows it by; the parameters are source and id, twice."""

_GIVEN = (
    "caption, image_path, image_frame, image_member, article, licence, licence_class, "
    "year, modality, region, keywords, cuis, metadata, origins"
)


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
