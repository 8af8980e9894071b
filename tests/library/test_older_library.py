"""A library of an older program: it opens as it lies, and the next change brings it up to date."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from medclip_search import Case, Library, Query, build, remove
from medclip_search.corpora.base import CorpusSpec
from medclip_search.library import layout
from medclip_search.library.durable import sha256_of
from medclip_search.library.schema import STEPS, migrate, row_table
from medclip_search.library.verify import verify
from tests.figures import draw, write_folder

_CASES = (
    "key, id, source, caption, image_path, image_frame, image_stat, embedded_stat, article, "
    "licence, licence_class, year, modality, region, keywords, cuis, metadata, signature, seen, "
    "image_member, source_row, image_deleted"
)


def as_version_2(library: Path) -> None:
    """Publish a library's catalogue as programs wrote it that knew two versions of the schema."""
    manifest = layout.read_current(library)
    path = library / manifest.catalogue
    old = path.with_suffix(".old")
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        migrate(connection, "old", STEPS[:2])
        connection.execute("ATTACH ? AS new", (str(path),))
        for name in ("facts", "sources", "append_files", "blocks", "spaces", "thumbnails", "given"):
            connection.execute(f"INSERT INTO main.{name} SELECT * FROM new.{name}")
        for (number,) in connection.execute("SELECT number FROM main.spaces").fetchall():
            connection.executescript(row_table(number))
            connection.execute(f"INSERT INTO rows_{number} SELECT * FROM new.rows_{number}")
        connection.execute(
            f"INSERT INTO main.cases ({_CASES}, source_id, origins) "
            f"SELECT {_CASES}, coalesce(source_id, id), json FROM new.cases c "
            "JOIN new.origins o ON o.number = c.origins"
        )
        connection.execute("UPDATE main.sqlite_sequence SET seq = 1000 WHERE name = 'cases'")
        connection.execute("INSERT INTO main.changed SELECT key FROM new.cases")
    old.replace(path)
    record = layout.FileRecord(path.stat().st_size, sha256_of(path))
    manifest = replace(manifest, files={**manifest.files, manifest.catalogue: record})
    layout.manifest_path(library, manifest.number).write_bytes(manifest.to_bytes())
    layout.point_to(library, manifest.number, manifest.to_bytes())


def told(library: Path) -> tuple[list[Case], list[tuple[str, float]]]:
    """All cases, and what a query finds."""
    with Library.open(library) as opened:
        hits = opened.search(Query(text="CT of the chest", image=draw(3)), 30)
        return list(opened.cases()), [(hit.id, hit.score) for hit in hits]


@pytest.fixture
def older(library: Path, tmp_path: Path) -> Path:
    """``library`` with a second corpus of the same ids, in the older form."""
    build(library, [CorpusSpec("folder", write_folder(tmp_path / "more", range(22, 26)), "more")])
    as_version_2(library)
    return library


def test_it_opens_as_it_lies(library: Path, tmp_path: Path) -> None:
    build(library, [CorpusSpec("folder", write_folder(tmp_path / "more", range(22, 26)), "more")])
    before = told(library)
    assert any(case.origins for case in before[0])
    as_version_2(library)
    assert told(library) == before
    assert not list(verify(library))


def test_the_next_build_brings_it_up_to_date_once(older: Path) -> None:
    before = told(older)
    summary = build(older)
    assert summary.published
    assert (summary.added, summary.changed, summary.embedded, summary.vanished) == (0, 0, 0, 0)
    assert told(older) == before
    with closing(sqlite3.connect(older / layout.read_current(older).catalogue)) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert not list(verify(older))
    assert not build(older).published


def test_what_is_changed_after_it_is_what_was_meant(older: Path, tmp_path: Path) -> None:
    assert remove(older, ids=["more:fig-023", "fig-001"]) == 2
    # A removal is known by the source's own id, and no key is given twice.
    (tmp_path / "more" / "fig-022.txt").write_text("MRI of the knee, seen again", encoding="utf-8")
    write_folder(tmp_path / "more", range(26, 27))
    summary = build(older, [CorpusSpec("folder", tmp_path / "more", "more")])
    assert (summary.added, summary.changed, summary.kept_out, summary.embedded) == (1, 1, 1, 1)
    cases = {case.id: case for case in told(older)[0]}
    assert cases["more:fig-022"].caption == "MRI of the knee, seen again"
    assert cases["fig-026"].corpus == "more"
    assert len(cases) == 24 + 4 - 2 + 1
    with closing(sqlite3.connect(older / layout.read_current(older).catalogue)) as connection:
        [(key,)] = connection.execute("SELECT key FROM cases WHERE id = 'fig-026'")
        assert key > 1000
    assert not [finding for finding in verify(older) if finding.damage]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files: no disk is filled")
def test_where_it_cannot_be_brought_up_to_date_nothing_is_left_behind(older: Path) -> None:
    import resource

    before = told(older)
    most = (older / layout.read_current(older).catalogue).stat().st_size + 4096
    failed = subprocess.run(
        [sys.executable, "-m", "medclip_search", "build", str(older)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        capture_output=True,
        text=True,
    )
    assert "disk I/O error" in failed.stderr
    assert not list(older.glob("work*"))
    assert told(older) == before
    assert build(older).published
