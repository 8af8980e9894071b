"""What a build keeps, changes, drops and reports."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from medclip_search import Library, Query
from medclip_search.api import remove
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.encoders.base import EncoderSpec
from medclip_search.errors import (
    CaseNotFoundError,
    CorpusError,
    EncoderError,
    ImageError,
    LibraryBusyError,
    NotALibraryError,
    UsageError,
)
from medclip_search.library.build import build
from medclip_search.library.catalogue import Catalogue
from medclip_search.library.layout import read_current
from medclip_search.library.verify import verify
from medclip_search.library.writer import writing
from medclip_search.terminal import info_lines
from tests.figures import caption, draw, write_folder


def spec(folder: Path, name: str = "figures") -> CorpusSpec:
    return CorpusSpec("folder", folder, name)


def first(library: Path, query: Query) -> str:
    with Library.open(library) as opened:
        return opened.search(query, k=1)[0].id


def test_own_caption_and_own_picture_come_first(library: Path) -> None:
    with Library.open(library) as opened:
        assert len(opened) == 24
        for seed in range(0, 24, 5):
            name = f"fig-{seed:03d}"
            assert opened.search(Query(text=caption(seed)), k=3)[0].id == name
            hit = opened.search(Query(image=draw(seed)), k=3)[0]
            assert hit.id == name
            assert hit.lists[0].score == pytest.approx(1.0, abs=2e-3)


def test_second_build_with_the_library_alone_changes_nothing(library: Path) -> None:
    before = (library / "CURRENT").read_bytes()
    summary = build(library)
    assert not summary.published
    assert (summary.added, summary.changed, summary.embedded) == (0, 0, 0)
    assert (library / "CURRENT").read_bytes() == before


def test_new_and_changed_figures_are_taken_in(library: Path, figures: Path) -> None:
    write_folder(figures, range(24, 27))
    draw(900).save(figures / "fig-003.png")
    (figures / "fig-004.txt").write_text("Mammogram with a spiculated mass", encoding="utf-8")
    summary = build(library)
    assert (summary.added, summary.embedded) == (3, 4)
    assert first(library, Query(image=draw(900))) == "fig-003"
    assert first(library, Query(image=draw(25))) == "fig-025"
    assert first(library, Query(text="spiculated mass")) == "fig-004"
    with Library.open(library) as opened:
        assert not [h for h in opened.search(Query(text=caption(4)), 24) if h.id == "fig-004"][1:]
        hit = opened.search(Query(image=draw(3)), k=1)[0]
        assert hit.lists[0].score < 0.999  # its old picture is searched no more
    assert not list(verify(library))


def test_touched_file_with_the_same_content_is_not_embedded_again(
    library: Path, figures: Path
) -> None:
    os.utime(figures / "fig-005.png", (1, 1))
    touched = build(library)
    assert (touched.embedded, touched.changed, touched.published) == (0, 0, True)
    assert build(library).published is False  # it is remembered, and not read again


def test_vanished_cases_stay_until_pruned(library: Path, figures: Path) -> None:
    for name in ("fig-001", "fig-002"):
        (figures / f"{name}.png").unlink()
        (figures / f"{name}.txt").unlink()
    assert build(library).vanished == 2
    assert first(library, Query(image=draw(1))) == "fig-001"  # it needs the raw image no more
    summary = build(library, prune=True)
    assert (summary.pruned, summary.cases) == (2, 22)
    assert first(library, Query(image=draw(1))) != "fig-001"
    with Library.open(library) as opened, pytest.raises(CaseNotFoundError):
        opened.case("fig-001")


def test_everything_but_the_full_view_works_without_the_raw_images(
    library: Path, figures: Path
) -> None:
    for path in figures.glob("*.png"):
        path.unlink()
    with Library.open(library) as opened:
        assert opened.search(Query(image=draw(7)), k=1)[0].id == "fig-007"
        assert opened.case("fig-007").image is not None
        with pytest.raises(ImageError):
            opened.image("fig-007")
        thumbnail = opened.thumbnail("fig-007")
        assert thumbnail is not None
        assert thumbnail[8:12] == b"WEBP"


def test_bad_images_cost_only_themselves(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(4))
    (figures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    (figures / "broken.txt").write_text("Ultrasound of the gallbladder", encoding="utf-8")
    (figures / "empty.jpg").write_bytes(b"")
    report: list[Skipped] = []
    summary = build(tmp_path / "library", [spec(figures)], report=report.append)
    assert (summary.cases, summary.images) == (5, 4)  # one has its caption, one has nothing
    assert summary.added == 5
    assert {Path(one.what.split(":")[0]).name for one in report} == {"broken.png", "empty.jpg"}
    assert all(one.reason for one in report)
    assert first(tmp_path / "library", Query(text="gallbladder")) == "broken"
    again = build(tmp_path / "library")  # they are tried again, to no effect
    assert (again.added, again.published) == (0, False)


def test_ids_are_prefixed_only_where_two_corpora_collide(tmp_path: Path) -> None:
    one = write_folder(tmp_path / "one", range(3))
    two = write_folder(tmp_path / "two", range(2, 5))
    build(tmp_path / "library", [spec(one, "one"), spec(two, "two")])
    with Library.open(tmp_path / "library") as opened:
        for name in ("fig-000", "fig-001", "fig-002", "two:fig-002", "fig-003", "fig-004"):
            assert opened.case(name).caption == caption(int(name[-3:]))
        assert len(opened) == 6


def test_limit_is_remembered_and_lifted(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(6))
    library = tmp_path / "library"
    assert build(library, [spec(figures)], limit=4).cases == 4
    assert build(library).cases == 4
    assert build(library, limit=0).cases == 6
    with pytest.raises(UsageError, match="--limit -1"):
        build(library, limit=-1)


def test_removed_cases_are_gone_at_once_and_stay_out(library: Path) -> None:
    with Library.open(library) as reader:
        assert remove(library, ids=["fig-006"]) == 1
        assert reader.case("fig-006").id == "fig-006"  # an opened generation never changes
        assert reader.refresh()
        with pytest.raises(CaseNotFoundError):
            reader.case("fig-006")
        ids = [hit.id for hit in reader.search(Query(text=caption(6), image=draw(6)), 24)]
        assert "fig-006" not in ids
        assert len(ids) == 23
    assert build(library).kept_out == 1
    with Library.open(library) as reader:
        assert len(reader) == 23
    assert build(library, restore=True).cases == 24
    assert first(library, Query(image=draw(6))) == "fig-006"
    assert not list(verify(library))


def test_removal_by_filter(library: Path) -> None:
    with Library.open(library) as opened:
        ultrasounds = opened.facets("modality")["US"]
    assert remove(library, where=["modality=US"]) == ultrasounds > 0
    with Library.open(library) as opened:
        assert "US" not in opened.facets("modality")
        assert len(opened) == 24 - ultrasounds


def test_removal_of_an_unknown_id_removes_nothing(library: Path) -> None:
    before = (library / "CURRENT").read_bytes()
    with pytest.raises(CaseNotFoundError, match="no-such"):
        remove(library, ids=["fig-001", "no-such"])
    with pytest.raises(UsageError):
        remove(library)
    assert (library / "CURRENT").read_bytes() == before


def test_cases_of_a_table_keep_what_they_had_when_the_raw_images_go(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(3))
    table = tmp_path / "table.csv"
    rows = [f"fig-{seed:03d}.png,{caption(seed).replace(',', '')}" for seed in range(3)]
    table.write_text("\n".join(["image,caption", *rows]), encoding="utf-8")
    library = tmp_path / "library"
    build(library, [CorpusSpec("table", table, "table", images=figures)])
    (figures / "fig-001.png").unlink()
    assert build(library).cases == 3
    with Library.open(library) as opened:
        assert opened.search(Query(image=draw(1)), k=1)[0].id == "fig-001"
        assert opened.case("fig-001").image is not None
        assert opened.thumbnail("fig-001")


def test_purge_leaves_no_byte_of_a_removed_case(library: Path) -> None:
    with Library.open(library) as opened:
        thumbnail = opened.thumbnail("fig-002")
        assert not [n for n in opened.search(Query(text="patient 2")).notes if "“2”" in n]
    assert thumbnail is not None
    words = re.compile(rb"patient number 2(?!\d)")
    assert any(words.search(path.read_bytes()) for path in library.rglob("*.sqlite"))
    remove(library, ids=["fig-002"], purge=True)
    for path in library.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert thumbnail not in data, path
        assert not words.search(data), path
    assert len(list((library / "generations").iterdir())) == 1
    with Library.open(library) as opened:
        notes = opened.search(Query(text="patient 2")).notes
        assert [n for n in notes if "“2”" in n]  # no caption's word is in the index any more
    assert first(library, Query(image=draw(10))) == "fig-010"
    assert not list(verify(library))


def test_purge_forgets_origins_that_only_removed_cases_had(library: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "more", range(30, 31))
    (folder / "fig-030.txt").write_text("Ultrasound", encoding="utf-8")
    build(library, [spec(folder, "more")])
    with Library.open(library) as opened:
        origins = json.dumps(dict(opened.case("fig-030").origins), separators=(",", ":")).encode()
        assert dict(opened.case("fig-001").origins) != dict(opened.case("fig-030").origins)
    assert any(origins in path.read_bytes() for path in library.rglob("*.sqlite"))
    remove(library, ids=["fig-030"], purge=True)
    assert not any(origins in path.read_bytes() for path in library.rglob("*.sqlite"))


def test_words_of_removed_cases_are_forgotten_once_many_are_gone(library: Path) -> None:
    remove(library, ids=[f"fig-{seed:03d}" for seed in range(2, 8)])
    with Library.open(library) as opened:
        assert [n for n in opened.search(Query(text="patient 2")).notes if "“2”" in n]


def test_a_purge_that_was_cut_short_is_finished_by_saying_it_again(library: Path) -> None:
    remove(library, ids=["fig-009"])
    assert len(list((library / "generations").iterdir())) == 2
    assert remove(library, ids=["fig-009"], purge=True) == 0
    assert len(list((library / "generations").iterdir())) == 1


def test_limit_and_prune_together_drop_nothing_beyond_the_limit(
    library: Path, figures: Path
) -> None:
    assert build(library, limit=10, prune=True).cases == 24


def test_a_library_updated_in_steps_answers_as_one_built_at_once(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(30))
    steps = tmp_path / "steps"
    build(steps, [spec(figures)], limit=12)
    build(steps, limit=0)
    draw(901).save(figures / "fig-007.png")
    (figures / "fig-008.txt").write_text("Mammogram with a spiculated mass", encoding="utf-8")
    shutil.copy(figures / "fig-020.png", figures / "a-twin.png")  # equal pictures: a tie
    build(steps)
    remove(steps, ids=["fig-011"])
    build(steps, purge=True)
    (figures / "fig-011.png").unlink()
    (figures / "fig-011.txt").unlink()
    build(tmp_path / "once", [spec(figures)])
    queries = [Query(image=draw(seed)) for seed in (901, 8, 20)]
    queries += [Query(text="CT of the chest"), Query(text="spiculated", image=draw(3))]
    with Library.open(steps) as one, Library.open(tmp_path / "once") as other:
        for query in queries:
            answers = [
                [(hit.id, round(hit.score, 4)) for hit in opened.search(query, 40)]
                for opened in (one, other)
            ]
            assert answers[0] == answers[1]


def test_dead_rows_are_squeezed_out_when_they_are_many(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medclip_search.library.compact._DEAD_BYTES", 1000)
    before = read_current(library).embeddings["compact"]
    remove(library, ids=["fig-000"])
    assert read_current(library).embeddings["compact"] == before
    remove(library, ids=[f"fig-{seed:03d}" for seed in range(1, 10)])
    after = read_current(library).embeddings["compact"]
    assert after != before
    assert (library / after).stat().st_size == 14 * 1280 * 2
    assert first(library, Query(image=draw(15))) == "fig-015"
    assert not list(verify(library))


def test_a_source_that_is_gone_is_reported_and_its_cases_are_kept(tmp_path: Path) -> None:
    one = write_folder(tmp_path / "one", range(3))
    two = write_folder(tmp_path / "two", range(3, 5))
    library = tmp_path / "library"
    build(library, [spec(one, "one"), spec(two, "two")])
    shutil.rmtree(one)
    write_folder(two, range(5, 6))
    report: list[Skipped] = []
    assert build(library, report=report.append).cases == 6
    assert [str(tmp_path / "one") in line.what for line in report] == [True]
    assert build(library, repair=True).cases == 6
    shutil.rmtree(two)
    with pytest.raises(CorpusError):
        build(library)
    three = write_folder(tmp_path / "three", range(6, 7))
    assert build(library, [spec(three, "three")]).cases == 7
    assert not (library / "work").exists()


def test_another_source_under_a_known_name_is_refused(library: Path, tmp_path: Path) -> None:
    other = write_folder(tmp_path / "other", range(3))
    with pytest.raises(UsageError, match="folder:NAME="):
        build(library, [spec(other)])
    with Library.open(library) as opened:
        assert len(opened) == 24
    assert not list(verify(library))


def test_a_source_that_moved_is_followed(library: Path, figures: Path, tmp_path: Path) -> None:
    moved = figures.rename(tmp_path / "moved")
    summary = build(library, [spec(moved)])
    assert (summary.added, summary.embedded, summary.cases) == (0, 0, 24)
    with Library.open(library) as opened:
        assert opened.image("fig-001").size == (96, 96)


def test_calls_that_fail_leave_no_trace(library: Path) -> None:
    def listing() -> list[str]:
        return sorted(path.name for path in library.rglob("*"))

    before = listing()
    with pytest.raises(CaseNotFoundError):
        remove(library, ids=["nobody"])
    with pytest.raises(EncoderError):
        build(library, encoder=EncoderSpec("no-such-encoder"))
    assert listing() == before


def test_a_removal_does_not_publish_half_of_a_stopped_build(library: Path, tmp_path: Path) -> None:
    more = write_folder(tmp_path / "more", range(30, 40))

    def stop(_: Skipped) -> None:
        raise KeyboardInterrupt

    (more / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(KeyboardInterrupt):
        build(library, [spec(more, "more")], report=stop)
    with pytest.raises(LibraryBusyError, match="finish it first"):
        remove(library, ids=["fig-001"])
    with Library.open(library) as opened:
        assert len(opened) == 24
    assert build(library).cases == 34
    assert remove(library, ids=["fig-001"]) == 1


def test_a_build_that_is_stopped_leaves_no_thread_at_work(library: Path, tmp_path: Path) -> None:
    more = write_folder(tmp_path / "more", range(30, 34))
    (more / "a-torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    def stop(_: Skipped) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        build(library, [spec(more, "more")], report=stop)
    assert caught.tb  # while a debugger, or whoever caught it, looks at where it was stopped
    at_work = [one.name for one in threading.enumerate() if one.name.startswith(_WORKERS)]
    assert at_work == []


_WORKERS = ("decode", "encode", "hash", "checksums")


def test_rows_hold_the_encoders_raw_output(library: Path) -> None:
    from medclip_search import encoders

    manifest = read_current(library)
    catalogue = Catalogue.open_snapshot(library / manifest.catalogue)
    [space] = catalogue.spaces()
    rows = np.fromfile(library / space.path, dtype=np.float16).reshape(-1, space.space.dimension)
    keys = catalogue.keys_of_rows(space)
    case = catalogue.cases([int(keys[5])])[int(keys[5])]
    assert catalogue.captions_of([int(keys[5]), 10**9]) == {int(keys[5]): case.caption}
    catalogue.close()
    encoder = encoders.load("compact")
    seed = int(case.id[-3:])
    vector = encoder.encode_images(encoder.preprocess(draw(seed))[None])["compact"][0]
    np.testing.assert_allclose(rows[5].astype(np.float32), vector, atol=2e-3)


def test_one_writer_at_a_time(library: Path) -> None:
    with writing(library), pytest.raises(LibraryBusyError, match="another build"):
        build(library)


def test_captions_are_embedded_only_where_words_can_be(library: Path) -> None:
    with pytest.raises(UsageError, match="--embed-captions: the encoder compact embeds no words"):
        build(library, captions=True)
    assert not build(library).published


def test_another_model_is_refused(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medclip_search.encoders.compact import CompactEncoder

    original = CompactEncoder.__init__

    def other(self: CompactEncoder) -> None:
        original(self)
        self.fingerprint = "0" * 64

    monkeypatch.setattr(CompactEncoder, "__init__", other)
    with pytest.raises(EncoderError, match="another model"):
        build(library)
    with Library.open(library) as opened:
        assert opened.search(Query(text=caption(3)), k=1)[0].id == "fig-003"
        with pytest.raises(EncoderError, match="another model"):
            opened.search(Query(image=draw(3)))


def test_a_library_of_compacts_first_version_is_asked_and_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medclip_search.encoders.compact import FIRST, CompactEncoder

    library, figures = tmp_path / "library", write_folder(tmp_path / "figures", range(6))
    with monkeypatch.context() as then:
        then.setattr(CompactEncoder, "that_made", lambda _: CompactEncoder(version=FIRST))
        build(library, [spec(figures)])
    write_folder(figures, range(6, 8))
    assert build(library).embedded == 2
    with Library.open(library) as opened:
        [space] = opened.info()["spaces"]
        assert space["fingerprint"] == CompactEncoder(version=FIRST).fingerprint
        assert "a library built anew" in space["note"]
        assert any("a library built anew" in line for line in info_lines(opened.info()))
        for seed in (2, 7):
            hit = opened.search(Query(image=draw(seed)), k=1)[0]
            assert hit.id == f"fig-{seed:03d}"
            assert hit.lists[0].score == pytest.approx(1.0, abs=2e-3)


def test_wrong_folders_are_named_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(NotALibraryError, match="no such library"):
        Library.open(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(NotALibraryError, match="is not a library"):
        Library.open(tmp_path)
    figures = write_folder(tmp_path / "figures", range(1))
    with pytest.raises(NotALibraryError, match=r"is not empty"):
        build(tmp_path, [spec(figures)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures", "notes.txt"]
    (tmp_path / "void").mkdir()
    with pytest.raises(CorpusError):
        build(tmp_path / "new", [spec(tmp_path / "void")])
    assert not (tmp_path / "new").exists()


def test_a_library_without_pictures_moves_on_to_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medclip_search.encoders.compact import CompactEncoder

    (tmp_path / "cases.csv").write_text("id,caption\na,a small cyst\n", "utf-8")
    table = CorpusSpec("table", tmp_path / "cases.csv", "table")
    with monkeypatch.context() as then:
        known = CompactEncoder.__init__

        def other(self: CompactEncoder, *given: object, **named: object) -> None:
            known(self, *given, **named)  # type: ignore[arg-type]
            self.fingerprint = "0" * 64

        then.setattr(CompactEncoder, "__init__", other)
        build(tmp_path / "library", [table])
    assert build(tmp_path / "library").published
    assert first(tmp_path / "library", Query(text="cyst")) == "a"
    assert not list(verify(tmp_path / "library"))
