"""Which raw images a library can spare, and which stay."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

import medclip_search
from medclip_search import Library
from medclip_search.api import remove
from medclip_search.corpora.base import CorpusSpec, Skipped
from medclip_search.library import spared_images
from medclip_search.library.build import build
from medclip_search.library.delete_images import delete_images
from medclip_search.library.spared_images import deletable
from tests.figures import draw, write_folder
from tests.library.deleting import delete, found_by_image, kept, names, spec, write_table


@pytest.fixture
def library(figures: Path, tmp_path: Path) -> Path:
    """A library whose images belong to this test alone."""
    build(tmp_path / "library", [spec(figures)])
    return tmp_path / "library"


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
