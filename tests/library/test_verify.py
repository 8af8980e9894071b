"""Damage of every kind is found, named, and mended."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from medclip_search import Library, Query
from medclip_search.api import remove
from medclip_search.corpora.base import CorpusSpec
from medclip_search.errors import LibraryDamagedError, LibraryTooNewError
from medclip_search.library.build import build
from medclip_search.library.layout import FileRecord, manifest_path, point_to, read_current
from medclip_search.library.verify import verify
from medclip_search.progress import Advance
from tests.figures import caption, draw


def files_of(library: Path) -> list[Path]:
    return sorted(p for p in library.rglob("*") if p.is_file() and p.stat().st_size)


def answers(library: Path) -> list[list[tuple[str, float]]]:
    with Library.open(library) as opened:
        return [
            [(hit.id, round(hit.score, 6)) for hit in opened.search(query, 24)]
            for query in (Query(image=draw(5)), Query(text="CT of the chest"))
        ]


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def test_an_untouched_library_has_no_finding(library: Path) -> None:
    assert list(verify(library)) == []


def test_a_flipped_byte_in_any_file_is_found(library: Path) -> None:
    remove(library, ids=["fig-020"])  # so that there are two generations
    chosen = random.Random(2026)
    files = files_of(library)
    assert len({path.relative_to(library).parts[0] for path in files}) >= 7
    for path in files:
        size = path.stat().st_size
        for position in {0, size - 1, chosen.randrange(size)}:
            flip(path, position)
            found = [finding for finding in verify(library) if finding.damage]
            assert found, f"{path.name}: byte {position} of {size}"
            assert all("build LIBRARY --repair" in finding.remedy for finding in found)
            flip(path, position)
    assert not any(finding.damage for finding in verify(library))


def test_missing_and_shortened_files_are_found(library: Path) -> None:
    for path in files_of(library):
        data = path.read_bytes()
        path.unlink()
        if path.name == "CURRENT":
            path.write_bytes(data)
            continue  # without it the folder is no library at all
        assert any(finding.damage for finding in verify(library)), path.name
        path.write_bytes(data[:-1])
        assert any(finding.damage for finding in verify(library)), path.name
        path.write_bytes(data)
    assert list(verify(library)) == []


def test_repair_mends_every_file(library: Path, built_once: tuple[Path, Path]) -> None:
    expected = answers(library)
    for path in files_of(library):
        name = path.relative_to(library).parts[0]
        if not path.exists() or name in {"catalogue", "generations"}:
            continue  # with one generation, a lost catalogue has nothing to be mended from
        flip(path, path.stat().st_size // 2)
        summary = build(library, repair=True)
        assert summary.published
        assert not any(finding.damage for finding in verify(library)), path.name
        assert answers(library) == expected, path.name


def test_repair_falls_back_to_an_older_generation(library: Path) -> None:
    expected = answers(library)
    remove(library, ids=["fig-020"])
    flip(library / read_current(library).catalogue, 5000)
    build(library, repair=True)
    assert answers(library) == expected  # the removal was lost with its generation, and only that
    assert not any(finding.damage for finding in verify(library))


@pytest.mark.parametrize("kind", ["catalogue", "text", "embeddings", "thumbnails"])
def test_damage_is_not_taken_over_by_the_next_build(
    kind: str, library: Path, figures: Path
) -> None:
    path = max((library / kind).rglob("*.*"), key=lambda path: path.stat().st_size)
    flip(path, path.stat().st_size // 2)
    (figures / "fig-003.txt").write_text("another caption", encoding="utf-8")
    if kind == "text":  # derived: it is built anew, and the damage is gone
        build(library, purge=True)
    else:
        with pytest.raises(LibraryDamagedError, match="--repair"):
            remove(library, ids=["fig-020"], purge=True)
        assert any(finding.damage for finding in verify(library))
        if kind == "catalogue":
            flip(path, path.stat().st_size // 2)
        build(library, repair=True)
    assert not any(finding.damage for finding in verify(library))


def test_an_update_does_not_go_on_from_damaged_keys_of_rows(library: Path, tmp_path: Path) -> None:
    intact = Path(shutil.copytree(library, tmp_path / "intact"))
    (keys,) = library.glob("vectors/*/*/keys.npy")
    flip(keys, keys.stat().st_size - 8)  # the last picture would be another case's
    for one in (library, intact):
        remove(one, ids=["fig-020"])
    assert answers(library) == answers(intact)
    assert not [
        one for one in verify(library) if str(keys.parent.relative_to(library)) not in one.path
    ]


def test_a_wrong_pointer_is_noticed_when_opening(library: Path) -> None:
    remove(library, ids=["fig-020"])
    manifest = next(iter(sorted((library / "generations").iterdir())))
    newest = library / "generations" / "000002.json"
    newest.write_bytes(manifest.read_bytes())
    with pytest.raises(LibraryDamagedError, match="CURRENT"):
        Library.open(library)


def test_a_list_that_counts_otherwise_than_the_catalogue_is_found(library: Path) -> None:
    manifest = read_current(library)
    path = manifest.embeddings["compact"]
    fewer = FileRecord(manifest.files[path].size - 2560, None)
    listed = replace(manifest, files={**manifest.files, path: fewer}).to_bytes()
    manifest_path(library, manifest.number).write_bytes(listed)
    point_to(library, manifest.number, listed)  # sound in itself, but not what was built
    assert [finding.path for finding in verify(library) if finding.damage] == [path]


def test_a_repair_counts_what_it_could_not_make_again(library: Path, figures: Path) -> None:
    [rows] = (library / "embeddings").iterdir()
    flip(rows, 100)
    hidden = figures.rename(figures.with_name("hidden"))
    assert build(library, repair=True).lost == 24  # all of them were written as one block
    hidden.rename(figures)
    mended = build(library)
    assert (mended.lost, mended.embedded) == (0, 24)
    assert not any(finding.damage for finding in verify(library))


def test_a_repair_that_falls_back_says_so(library: Path) -> None:
    remove(library, ids=["fig-020"])
    flip(library / read_current(library).catalogue, 5000)
    assert build(library, repair=True).fell_back
    assert not build(library, repair=True).fell_back


def test_leftovers_of_a_stopped_session_block_nothing(library: Path) -> None:
    work = library / "work"
    work.mkdir()  # half of a work folder that was being dropped
    (work / "catalogue.sqlite").write_bytes(b"rubbish")
    assert build(library).cases == 24
    assert not work.exists()
    work.mkdir()
    (work / "base.json").write_text('{"generation": 1, "command": "build"}')
    (work / "catalogue.sqlite").write_bytes(b"rubbish")
    with pytest.raises(LibraryDamagedError, match="--repair"):
        build(library)
    assert build(library, repair=True).cases == 24
    assert not any(finding.damage for finding in verify(library))


def test_verify_beside_a_writer_raises_no_alarm(library: Path) -> None:
    @contextlib.contextmanager
    def meanwhile(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
        remove(library, ids=["fig-020"], purge=True)  # collects what is being looked at
        yield lambda _: None

    assert not any(finding.damage for finding in verify(library, meanwhile))


def test_a_reader_outlives_a_purge(library: Path) -> None:
    with Library.open(library) as opened:
        remove(library, where=["modality=US"], purge=True)
        build(library, purge=True)
        assert opened.search(Query(image=draw(5)), 1)[0].id == "fig-005"
        assert opened.search(Query(text=caption(6), where="has_image=true"), 1)[0].id == "fig-006"
        assert opened.search(Query(text="pati*", like=["fig-007"]), 1)[0].id == "fig-007"
        assert opened.facets("region")
        assert opened.info()["cases"] == 24
        assert opened.thumbnail("fig-002")


def test_repair_says_when_nothing_is_intact(library: Path) -> None:
    flip(library / read_current(library).catalogue, 5000)
    with pytest.raises(LibraryDamagedError, match="build it again"):
        build(library, repair=True)


def test_a_shortened_file_is_refused_when_opening(library: Path) -> None:
    path = library / next(iter(read_current(library).embeddings.values()))
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(LibraryDamagedError, match="--repair"):
        Library.open(library)


def test_a_newer_library_is_refused_in_words(library: Path, figures: Path) -> None:
    path = library / "CURRENT"
    plain = json.loads(path.read_bytes())
    plain["format"] = 99
    path.write_text(json.dumps(plain), encoding="utf-8")
    for attempt in (
        lambda: Library.open(library),
        lambda: build(library, [CorpusSpec("folder", figures, "figures")]),
        lambda: list(verify(library)),
        lambda: build(library, repair=True),
    ):
        with pytest.raises(LibraryTooNewError, match="format 99"):
            attempt()
