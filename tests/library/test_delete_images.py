"""Raw images deleted on request: which can be spared, and how the library lives on without them."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

import medclip_search
from medclip_search import Library, Query
from medclip_search.api import remove
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.errors import CorpusError, ImageError, LibraryBusyError, LibraryDamagedError
from medclip_search.library import spared_images
from medclip_search.library.build import build
from medclip_search.library.delete_images import CHANGED, DeletionSummary, delete_images
from medclip_search.library.layout import read_current
from medclip_search.library.spared_images import deletable
from medclip_search.library.verify import verify
from medclip_search.progress import Advance
from tests.figures import caption, draw, write_folder


@pytest.fixture
def library(figures: Path, tmp_path: Path) -> Path:
    """A library whose images belong to this test alone."""
    build(tmp_path / "library", [spec(figures)])
    return tmp_path / "library"


def spec(folder: Path, name: str = "figures", kind: str = "folder") -> CorpusSpec:
    return CorpusSpec(kind, folder, name)


def names(library: Path) -> list[str]:
    return [Path(image.path).name for image in deletable(library).files]


def kept(library: Path) -> dict[str, int]:
    return dict(deletable(library).kept)


def delete(library: Path) -> DeletionSummary:
    return delete_images(library, deletable(library))


def write_table(table: Path, rows: list[str]) -> CorpusSpec:
    table.write_text("\n".join(["image,caption,id", *rows]) + "\n", encoding="utf-8")
    return CorpusSpec("table", table, "table", images=table.parent / "images")


def found_by_image(library: Path, seed: int) -> str:
    with Library.open(library) as opened:
        return opened.search(Query(image=draw(seed)), k=1)[0].id


def test_images_go_and_everything_but_the_full_view_stays(library: Path, figures: Path) -> None:
    plan = deletable(library)
    paths = sorted(str(path.resolve()) for path in figures.glob("*.png"))
    assert [image.path for image in plan.files] == paths
    assert plan.bytes == sum(Path(path).stat().st_size for path in paths)
    assert plan.kept == {}
    before = read_current(library)
    summary = delete_images(library, plan)
    assert (summary.files, summary.bytes, summary.skipped) == (24, plan.bytes, {})
    assert not list(figures.glob("*.png"))
    assert len(list(figures.glob("*.txt"))) == 24
    after = read_current(library)
    assert after.number == summary.generation == before.number + 1
    assert (after.text, after.columns, after.vectors) == (
        before.text,
        before.columns,
        before.vectors,
    )  # nothing was derived anew
    assert found_by_image(library, 7) == "fig-007"
    with Library.open(library) as opened:
        assert opened.search(Query(text=caption(3)), k=1)[0].id == "fig-003"
        thumbnail = opened.thumbnail("fig-007")
        assert thumbnail is not None
        assert thumbnail[8:12] == b"WEBP"
        with pytest.raises(ImageError, match="deleted on request"):
            opened.image("fig-007")
    assert not list(verify(library))
    again = delete(library)
    assert (again.files, again.generation) == (0, summary.generation)


@pytest.mark.parametrize("given", [True, False])
def test_later_builds_report_no_loss_and_prune_nothing(
    library: Path, figures: Path, given: bool
) -> None:
    delete(library)
    specs = [spec(figures)] if given else []
    report: list[Skipped] = []
    for prune in (False, True):
        summary = build(library, specs, prune=prune, report=report.append)
        assert (summary.cases, summary.images, summary.without_image) == (24, 24, 24)
        assert (summary.vanished, summary.pruned, summary.lost) == (0, 0, 0)
        assert not summary.published
    assert report == []
    write_folder(figures, range(30, 32))
    summary = build(library, specs, prune=True, report=report.append)
    assert (summary.cases, summary.added, summary.pruned) == (26, 2, 0)
    assert names(library) == ["fig-030.png", "fig-031.png"]
    assert found_by_image(library, 7) == "fig-007"
    assert report == []


def test_a_data_set_of_images_alone_lives_on_without_them(tmp_path: Path) -> None:
    """ROCOv2 without its captions: nothing is left by which it could be known."""
    folder = tmp_path / "rocov2"
    (folder / "train").mkdir(parents=True)
    for seed in range(3):
        draw(seed).save(folder / "train" / f"ROCOv2_2023_train_{seed:06d}.png")
    library = tmp_path / "library"
    given = spec(folder, "rocov2", "rocov2")
    build(library, [given])
    assert delete(library).files == 3
    for specs in ([given], []):
        report: list[Skipped] = []
        summary = build(library, specs, prune=True, report=report.append)
        assert (summary.cases, summary.pruned, summary.without_image, report) == (3, 0, 3, [])
    with pytest.raises(CorpusError, match="no PMC-OA in it"):  # of another there was nothing
        build(library, [spec(folder, "pmc", "pmc-oa")])


def test_captions_that_are_gone_as_well_are_not_pruned(tmp_path: Path) -> None:
    """They may only not be mounted; the images' deletion does not explain it."""
    folder = tmp_path / "rocov2"
    (folder / "train").mkdir(parents=True)
    figures = [f"ROCOv2_2023_train_{seed:06d}" for seed in range(2)]
    lines = ["ID,Caption", *(f"{figure},A cyst of the kidney." for figure in figures)]
    (folder / "train_captions.csv").write_text("\n".join(lines), encoding="utf-8")
    for seed, figure in enumerate(figures):
        draw(seed).save(folder / "train" / f"{figure}.png")
    library = tmp_path / "library"
    build(library, [spec(folder, "rocov2", "rocov2")])
    assert delete(library).files == 2
    (folder / "train_captions.csv").unlink()
    report: list[Skipped] = []
    summary = build(library, prune=True, report=report.append)
    assert (summary.cases, summary.pruned) == (2, 0)
    assert str(report[0]).startswith(
        f"{folder}: 2 cases besides those of images deleted on request: gone, as are all others; "
        "all are kept (no ROCOv2 in it; looked for train_captions.csv"
    )


def test_what_vanished_by_itself_is_still_pruned(library: Path, figures: Path) -> None:
    (figures / "fig-003.png").unlink()
    delete(library)
    report: list[Skipped] = []
    for prune in (False, True):  # the folder is empty: it may only not be mounted
        summary = build(library, prune=prune, report=report.append)
        assert (summary.cases, summary.pruned) == (24, 0)
    assert [line.what.rpartition(": ")[2] for line in report[:1]] == [
        "1 case besides those of images deleted on request"
    ]
    write_folder(figures, range(40, 41))
    assert build(library).vanished == 1
    assert build(library, prune=True).pruned == 1
    with Library.open(library) as opened:
        assert len(opened) == 24


def test_an_image_that_comes_back_is_met_again(library: Path, figures: Path) -> None:
    delete(library)
    draw(5).save(figures / "fig-005.png")
    summary = build(library)
    assert (summary.without_image, summary.published, summary.embedded) == (23, True, 0)
    with Library.open(library) as opened:
        assert opened.image("fig-005").size == (96, 96)
    draw(905).save(figures / "fig-005.png")
    assert build(library).embedded == 1
    assert found_by_image(library, 905) == "fig-005"
    (figures / "fig-005.png").unlink()
    shutil.copy(figures / "fig-006.txt", figures / "more.txt")
    draw(6).save(figures / "more.png")
    assert build(library).vanished == 1  # this time nobody asked for it


def test_images_that_are_not_embedded_as_they_are_stay(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(5))
    (figures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    (figures / "broken.txt").write_text("Ultrasound of the gallbladder", encoding="utf-8")
    library = tmp_path / "library"
    build(library, [spec(figures)])
    draw(77).save(figures / "fig-001.png")
    os.utime(figures / "fig-002.png", (1, 1))
    assert names(library) == ["fig-000.png", "fig-003.png", "fig-004.png"]
    assert kept(library) == {spared_images.WANTING: 3}
    build(library)
    assert kept(library) == {spared_images.WANTING: 1}  # only what cannot be decoded
    assert delete(library).files == 5
    assert [path.name for path in figures.glob("*.png")] == ["broken.png"]


def test_links_and_files_outside_the_folder_stay(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(2))
    outside = write_folder(tmp_path / "outside", range(2, 5))
    inside = write_folder(figures / "inside", range(5, 6))
    (figures / "link.png").symlink_to(outside / "fig-002.png")
    (figures / "folder").symlink_to(outside)
    (figures / "near.png").symlink_to(inside / "fig-005.png")
    library = tmp_path / "library"
    build(library, [spec(figures)])
    assert names(library) == ["fig-000.png", "fig-001.png"]
    assert kept(library) == {
        spared_images.LINK: 2,
        spared_images.OUTSIDE: 3,
        spared_images.SHARED: 1,  # what a link leads to
    }
    delete(library)
    assert {path.name for path in figures.rglob("*.png")} == {"link.png", "near.png", "fig-005.png"}
    assert len(list(outside.glob("*.png"))) == 3


def test_a_folder_that_is_itself_a_link_is_the_corpuss_own(tmp_path: Path) -> None:
    real = write_folder(tmp_path / "real", range(2))
    (tmp_path / "alias").symlink_to(real)
    library = tmp_path / "library"
    build(library, [spec(tmp_path / "alias")])
    assert [image.path for image in deletable(library).files] == [
        str(real.resolve() / f"fig-00{seed}.png") for seed in range(2)
    ]


def test_images_of_a_table_outside_its_folder_stay(tmp_path: Path) -> None:
    write_folder(tmp_path / "data" / "images", range(2))
    elsewhere = write_folder(tmp_path / "elsewhere", range(2, 3))
    table = write_table(
        tmp_path / "data" / "table.csv",
        ["fig-000.png,One chest,a", "fig-001.png,Two,b", f"{elsewhere / 'fig-002.png'},Three,c"],
    )
    library = tmp_path / "library"
    build(library, [table])
    assert names(library) == ["fig-000.png", "fig-001.png"]
    assert kept(library) == {spared_images.OUTSIDE: 1}
    # The folder of the picture is another corpus's own: that one's word is enough.
    build(library, [spec(elsewhere, "elsewhere")])
    assert names(library) == ["fig-000.png", "fig-001.png", "fig-002.png"]


def test_a_table_goes_on_without_its_images_and_loses_rows_that_are_taken_out(
    tmp_path: Path,
) -> None:
    write_folder(tmp_path / "images", range(3))
    rows = [f"fig-{seed:03d}.png,Finding number {seed},case-{seed}" for seed in range(3)]
    rows += ["absent.png,No picture,case-3"]
    table = write_table(tmp_path / "table.csv", ["neither.png,,case-4", *rows])
    library = tmp_path / "library"
    build(library, [table])
    delete(library)
    report: list[Skipped] = []
    summary = build(library, report=report.append)
    assert (summary.cases, summary.without_image, summary.published) == (4, 3, False)
    assert [(line.what.rpartition(":")[2], line.dropped) for line in report] == [
        ("2", False),  # of this one there is neither image nor caption
        ("2", True),
        ("6", False),
    ]
    write_table(tmp_path / "table.csv", rows[:2])
    assert build(library, prune=True).pruned == 2
    assert found_by_image(library, 1) == "case-1"


def test_a_file_shared_by_cases_goes_only_if_none_needs_it(tmp_path: Path) -> None:
    images = write_folder(tmp_path / "images", range(2))
    library = tmp_path / "library"
    table = write_table(tmp_path / "table.csv", ["fig-000.png,A chest,a", "fig-001.png,A knee,b"])
    build(library, [spec(images), table])
    assert names(library) == ["fig-000.png", "fig-001.png"]
    draw(50).save(images / "fig-001.png")
    os.link(images / "fig-000.png", images / "twin.png")

    def unread(_: Skipped) -> None:
        raise AssertionError

    build(library, [spec(images)], report=unread)  # the table's case is not looked at again
    assert names(library) == ["fig-000.png", "twin.png"]
    assert kept(library) == {spared_images.WANTING: 1}
    plan = deletable(library)
    assert plan.bytes == (images / "twin.png").stat().st_size  # two names of one file
    deleted = delete_images(library, plan)
    assert (deleted.files, deleted.bytes) == (2, plan.bytes)
    summary = build(library, prune=True)
    assert (summary.cases, summary.pruned, summary.without_image) == (5, 0, 3)


def test_two_corpora_of_one_folder_agree(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(3))
    library = tmp_path / "library"
    build(library, [spec(figures, "one"), spec(figures, "two")])
    assert delete(library).files == 3
    summary = build(library, prune=True)
    assert (summary.cases, summary.without_image, summary.pruned) == (6, 6, 0)


def test_the_sample_and_the_programs_own_files_are_never_touched(tmp_path: Path) -> None:
    library = tmp_path / "library"
    build(library, [CorpusSpec("sample", None, "sample")])
    plan = deletable(library)
    assert plan.files == ()
    assert set(plan.kept) == {spared_images.SAMPLE}
    assert delete_images(library, plan).files == 0


def test_images_inside_the_librarys_folder_and_in_containers_stay(tmp_path: Path) -> None:
    library = tmp_path / "library"
    figures = write_folder(tmp_path / "figures", range(2))
    build(library, [spec(figures)])
    write_folder(library / "mine", range(2, 4))
    build(library, [spec(library / "mine", "mine")])
    assert names(library) == ["fig-000.png", "fig-001.png"]
    assert kept(library) == {spared_images.IN_LIBRARY: 2}


def test_tables_pipes_and_the_programs_own_folder_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = write_folder(tmp_path / "images", range(2))
    place = tmp_path / "table.csv"
    table = write_table(place, ["fig-000.png,Chest,a", "fig-001.png,Knee,b", f"{place},Brain,c"])
    library = tmp_path / "library"
    build(library, [table])
    (images / "fig-001.png").unlink()
    os.mkfifo(images / "fig-001.png")
    assert names(library) == ["fig-000.png"]
    assert kept(library) == {spared_images.TABLE: 1, spared_images.NOT_A_FILE: 1}
    monkeypatch.setattr(medclip_search, "__file__", str(images / "__init__.py"))
    assert names(library) == []
    assert kept(library)[spared_images.PROGRAM] == 1


def test_names_that_differ_in_their_suffix_go_together_or_stay(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(2))
    for seed in range(2):
        draw(seed + 10).save(figures / f"fig-{seed:03d}.jpg")
    (figures / "fig-001.jpg").write_bytes(b"\xff\xd8\xff nothing")
    library = tmp_path / "library"
    build(library, [spec(figures)])
    assert names(library) == ["fig-000.jpg", "fig-000.png"]
    assert kept(library) == {spared_images.WANTING: 1, spared_images.NAMESAKE: 1}
    delete(library)
    summary = build(library, prune=True)
    assert (summary.cases, summary.added, summary.pruned) == (4, 0, 0)  # no id changed


def test_slices_of_a_series_stay_and_whole_series_go(tmp_path: Path) -> None:
    import pydicom

    folder = tmp_path / "dicom"
    folder.mkdir()
    source = str(get_testdata_file("CT_small.dcm"))
    for number in range(3):
        slice_ = pydicom.dcmread(source)
        slice_.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.{number + 1}"
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
        slice_.InstanceNumber = number + 1
        slice_.ImagePositionPatient = [0, 0, float(number)]
        slice_.save_as(folder / f"slice-{number}.dcm")
    shutil.copy(str(get_testdata_file("MR_small.dcm")), folder / "single.dcm")
    shutil.copy(str(get_testdata_file("emri_small.dcm")), folder / "clip.dcm")
    for half in range(2):  # a series of two clips
        clip = pydicom.dcmread(str(get_testdata_file("emri_small.dcm")))
        clip.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.9"
        clip.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.9.{half}"
        clip.file_meta.MediaStorageSOPInstanceUID = clip.SOPInstanceUID
        clip.InstanceNumber = half + 1
        clip.save_as(folder / f"half-{half}.dcm")
    library = tmp_path / "library"
    build(library, [CorpusSpec("dicom", folder, "dicom", frames=2)])
    with Library.open(library) as opened:
        assert len(opened) == 2 + 1 + 2 + 2  # of each clip, whole or halved, two frames
    assert names(library) == ["clip.dcm", "single.dcm"]
    assert kept(library) == {spared_images.SERIES: 2 + 2}
    delete(library)
    summary = build(library, prune=True)
    assert (summary.cases, summary.added, summary.pruned) == (7, 0, 0)
    assert (summary.changed, summary.without_image) == (0, 3)


def test_a_limit_takes_no_further_cases_in_their_place(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(6))
    library = tmp_path / "library"
    build(library, [spec(figures)], limit=4)
    plan = deletable(library)
    assert len(plan.files) == 4
    delete_images(library, plan)
    summary = build(library)
    assert (summary.cases, summary.added, summary.published) == (4, 0, False)
    assert build(library, limit=5).cases == 5
    assert build(library, limit=0).cases == 6
    assert len(list(figures.glob("*.png"))) == 2


def test_images_that_rows_beyond_a_limit_may_share_stay(tmp_path: Path) -> None:
    write_folder(tmp_path / "images", range(2))
    table = write_table(
        tmp_path / "table.csv", ["fig-000.png,A chest,a", "fig-001.png,B,b", "fig-000.png,C,c"]
    )
    library = tmp_path / "library"
    build(library, [table], limit=2)
    assert names(library) == []
    assert kept(library) == {spared_images.LIMITED: 2}
    build(library, limit=0)
    assert names(library) == ["fig-000.png", "fig-001.png"]


def test_a_removed_case_keeps_its_image_and_can_be_restored(library: Path) -> None:
    remove(library, ids=["fig-009"])
    assert delete(library).files == 23
    assert build(library, restore=True).cases == 24
    with Library.open(library) as opened:
        assert opened.image("fig-009").size == (96, 96)


def test_files_that_changed_since_the_listing_stay(library: Path, figures: Path) -> None:
    plan = deletable(library)
    draw(300).save(figures / "fig-000.png")
    (figures / "fig-001.png").unlink()
    (figures / "fig-002.png").rename(figures / "moved")
    (figures / "fig-002.png").symlink_to(figures / "moved")
    shutil.copy2(figures / "fig-003.png", figures / "copy")
    (figures / "copy").replace(figures / "fig-003.png")  # equal, but not the file that was listed
    report: list[Skipped] = []
    summary = delete_images(library, plan, report=report.append)
    assert summary.files == 20
    assert summary.skipped == {CHANGED: 3}
    assert [Path(line.what).name for line in report] == [f"fig-00{n}.png" for n in (0, 2, 3)]
    assert {path.name for path in figures.glob("*.png")} == {f"fig-00{n}.png" for n in (0, 2, 3)}
    assert (figures / "moved").exists()
    assert build(library).without_image == 20


def test_files_that_change_while_others_are_deleted_stay(library: Path, figures: Path) -> None:
    @contextmanager
    def meddle(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
        def advance(_: int) -> None:
            if stage == "deleting images" and (figures / "fig-003.png").exists():
                draw(300).save(figures / "fig-020.png")
                (figures / "fig-021.png").unlink(missing_ok=True)
                shutil.copy2(figures / "fig-022.png", figures / "copy")
                (figures / "copy").replace(figures / "fig-022.png")  # equal, but another file
                if not (figures / "sub").is_symlink():
                    (figures / "sub").rename(figures.with_name("elsewhere"))
                    (figures / "sub").symlink_to(figures.with_name("elsewhere"))

        yield advance

    write_folder(figures / "sub", range(50, 51))
    build(library)
    deleted = delete_images(library, deletable(library), progress=meddle)
    assert (deleted.files, deleted.skipped) == (21, {CHANGED: 3})
    assert {path.name for path in figures.glob("*.png")} == {"fig-020.png", "fig-022.png"}
    assert (figures / "sub" / "fig-050.png").exists()
    summary = build(library)
    assert (summary.embedded, summary.without_image) == (1, 22)
    assert found_by_image(library, 300) == "fig-020"


def test_a_file_that_cannot_be_deleted_is_one_line(
    library: Path, figures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = os.unlink

    def refuse(path: str, **options: int) -> None:  # as a folder without write permission does
        if Path(path).name == "fig-004.png":
            raise PermissionError(13, "Permission denied")
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    report: list[Skipped] = []
    summary = delete_images(library, deletable(library), report=report.append)
    monkeypatch.undo()
    assert summary.files == 23
    assert [str(line) for line in report] == [
        f"{figures.resolve() / 'fig-004.png'}: cannot be deleted (Permission denied) "
        "(delete it yourself)"
    ]
    assert build(library).without_image == 23
    assert delete(library).files == 1


def test_a_stopped_deletion_is_finished_by_saying_it_again(library: Path, figures: Path) -> None:
    @contextmanager
    def stop(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
        if stage == "deleting images":
            raise KeyboardInterrupt
        yield lambda _: None

    with pytest.raises(KeyboardInterrupt):
        delete_images(library, deletable(library), progress=stop)
    marked = read_current(library).number
    assert len(list(figures.glob("*.png"))) == 24
    (figures / "fig-000.png").unlink()
    summary = delete(library)
    assert (summary.files, summary.generation) == (23, marked)
    assert build(library, prune=True).without_image == 24


def test_a_build_between_a_stopped_deletion_and_the_next_takes_the_images_as_there(
    library: Path, figures: Path
) -> None:
    @contextmanager
    def half(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
        done = 0

        def advance(_: int) -> None:
            nonlocal done
            done += 1
            if stage == "deleting images" and done == 10:
                raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        delete_images(library, deletable(library), progress=half)
    assert len(list(figures.glob("*.png"))) == 14
    summary = build(library, prune=True)
    assert (summary.cases, summary.without_image, summary.embedded) == (24, 10, 0)
    assert summary.published  # the catalogue tells the truth about each
    assert not build(library).published
    assert delete(library).files == 14


def test_a_deletion_stopped_before_it_is_published_deletes_nothing(
    library: Path, figures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medclip_search.library.layout.point_to", fail)
    before = (library / "CURRENT").read_bytes()
    with pytest.raises(OSError, match="No space left"):
        delete(library)
    assert len(list(figures.glob("*.png"))) == 24
    assert (library / "CURRENT").read_bytes() == before
    monkeypatch.undo()
    assert build(library).without_image == 0
    assert delete(library).files == 24


def test_a_damaged_library_deletes_nothing(library: Path, figures: Path) -> None:
    flip(library / read_current(library).embeddings["compact"])
    with pytest.raises(LibraryDamagedError, match="no image was deleted"):
        delete(library)
    assert len(list(figures.glob("*.png"))) == 24
    build(library, repair=True)
    assert delete(library).files == 24


def test_vectors_damaged_after_the_images_went_are_reported_as_lost(
    library: Path, figures: Path
) -> None:
    draw(6).save(figures / "no-caption.png")
    build(library)
    delete(library)
    flip(library / read_current(library).embeddings["compact"])
    report: list[Skipped] = []
    summary = build(library, repair=True, report=report.append)
    assert summary.lost == 25
    assert report == []
    with Library.open(library) as opened:
        assert opened.search(Query(text=caption(3)), k=1)[0].id == "fig-003"
    write_folder(figures, range(24))
    summary = build(library)
    assert (summary.lost, summary.embedded, summary.without_image) == (1, 24, 1)
    assert found_by_image(library, 7) == "fig-007"


def test_a_case_of_which_nothing_is_left_is_reported_as_lost(tmp_path: Path) -> None:
    figures = write_folder(tmp_path / "figures", range(2))
    (figures / "fig-001.txt").unlink()
    library = tmp_path / "library"
    build(library, [spec(figures)])
    delete(library)
    thumbnails = read_current(library).thumbnails
    assert thumbnails is not None
    flip(library / thumbnails)
    assert build(library, repair=True).lost == 2


def test_images_wait_for_a_stopped_build(library: Path, tmp_path: Path, figures: Path) -> None:
    more = write_folder(tmp_path / "more", range(30, 33))
    (more / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    def stop(_: Skipped) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(library, [spec(more, "more")], report=stop)
    with pytest.raises(LibraryBusyError, match="finish it first"):
        delete(library)
    assert len(list(figures.glob("*.png"))) == 24


def test_a_source_that_is_away_is_no_emptied_one(library: Path, figures: Path) -> None:
    delete(library)
    figures.rename(figures.with_name("away"))
    other = write_folder(figures.with_name("other"), range(30, 31))
    report: list[Skipped] = []
    build(library, [spec(other, "other")])
    assert build(library, report=report.append).without_image == 24
    assert [str(figures) in line.what for line in report] == [True]


def test_roco_goes_on_without_its_images(tmp_path: Path) -> None:
    folder = tmp_path / "roco" / "data" / "test" / "radiology"
    (folder / "images").mkdir(parents=True)
    lines = []
    for seed in range(3):
        draw(seed).save(folder / "images" / f"ROCO_0000{seed}.jpg")
        lines.append(f"ROCO_0000{seed}\t {caption(seed)}")
    draw(3).save(folder / "images" / "ROCO_00003.jpg")  # no caption names it
    lines.append("ROCO_00004\t Its image was never there")
    (folder / "captions.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    library = tmp_path / "library"
    build(library, [spec(tmp_path / "roco", "roco", "roco")], limit=9)
    assert delete(library).files == 4
    report: list[Skipped] = []
    summary = build(library, prune=True, report=report.append)
    assert (summary.cases, summary.without_image, summary.pruned) == (5, 4, 0)
    assert [line.what.rpartition("/")[2] for line in report] == ["ROCO_00004.jpg"]
    assert found_by_image(library, 3) == "ROCO_00003"
    with Library.open(library) as opened:
        assert json.loads(json.dumps(opened.info()))["images"] == 4


def test_pictures_in_zips_stay_and_stand_in_for_what_was_unpacked(tmp_path: Path) -> None:
    folder = tmp_path / "pmc_oa"
    images = folder / "images"
    images.mkdir(parents=True)
    lines = []
    for seed in range(3):
        name = f"PMC100000{seed}_Fig1_1.jpg"
        draw(seed).save(images / name)
        lines.append(json.dumps({"image": name, "caption": caption(seed)}))
    (folder / "pmc_oa.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    library = tmp_path / "library"
    build(library, [spec(folder, "pmc-oa", "pmc-oa")])
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in sorted(images.iterdir()):
            archive.write(path, f"images/{path.name}")
    assert delete(library).files == 3
    report: list[Skipped] = []
    summary = build(library, report=report.append)
    assert (summary.cases, summary.without_image, summary.vanished) == (3, 3, 0)
    assert report == []
    (tmp_path / "images.zip").rename(folder / "images.zip")
    summary = build(library, report=report.append)
    assert (summary.without_image, summary.embedded) == (0, 0)  # the very same pictures
    with Library.open(library) as opened:
        assert opened.image("PMC1000001_Fig1_1").size == (96, 96)
    assert names(library) == []
    assert kept(library) == {spared_images.CONTAINER: 1}
    assert report == []


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), 500):
        data[at] ^= 0xFF
    path.write_bytes(bytes(data))
