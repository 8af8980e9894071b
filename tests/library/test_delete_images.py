"""Raw images deleted on request, and how the library lives on without them."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medclip_search import Library, Query
from medclip_search.corpora.base import Skipped
from medclip_search.errors import CorpusError, ImageError, LibraryBusyError, LibraryDamagedError
from medclip_search.library import spared_images
from medclip_search.library.build import build
from medclip_search.library.delete_images import CHANGED, delete_images
from medclip_search.library.layout import read_current
from medclip_search.library.spared_images import deletable
from medclip_search.library.verify import verify
from medclip_search.progress import Advance
from tests.figures import caption, draw, write_folder
from tests.library.deleting import delete, flip, found_by_image, kept, names, spec


@pytest.fixture
def library(figures: Path, tmp_path: Path) -> Path:
    """A library whose images belong to this test alone."""
    build(tmp_path / "library", [spec(figures)])
    return tmp_path / "library"


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
        draw(seed).save(folder / "images" / f"ROCO_0000{seed}.jpg", quality=95)
        lines.append(f"ROCO_0000{seed}\t {caption(seed)}")
    draw(3).save(folder / "images" / "ROCO_00003.jpg", quality=95)  # no caption names it
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
