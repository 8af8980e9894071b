"""Folders of DICOM: what is found in them, what is reported, and how much is kept of it."""

from __future__ import annotations

import shutil
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medclip_search.corpora import CorpusSpec, reasons
from medclip_search.corpora.dicom import NOT_DICOM, DicomCorpus
from medclip_search.errors import CorpusError
from medclip_search.images import read_image
from medclip_search.images.dicom_series import PIXELS_MISSING
from medclip_search.progress import Advance
from tests.corpora.apart import read_apart, refused
from tests.corpora.dicom_files import item, named, picture, read, shown, write, write_series

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def test_content_and_not_names_tell_what_is_dicom(tmp_path: Path) -> None:
    for i, name in enumerate(["IM1", "b/scan.jpg", "b/1.2.840.5", "c/d/e/notes.txt"]):
        write(tmp_path / name, picture(f"1.{i}", f"2.{i}"))
    Image.new("L", (8, 8)).save(tmp_path / "photo.png")
    Image.new("L", (8, 8)).save(tmp_path / "b" / "photo.tif")
    (tmp_path / "text.dcm").write_text("Dear colleague,\n" * 20)
    (tmp_path / "empty.DCM").write_bytes(b"")
    (tmp_path / ".hidden").write_bytes((tmp_path / "IM1").read_bytes())
    assert shown(tmp_path) == ["IM1", "b/1.2.840.5", "b/scan.jpg", "c/d/e/notes.txt"]
    assert [(one.what, one.reason, one.dropped) for one in read(tmp_path)[1]] == [
        ("empty.DCM", NOT_DICOM, True),
        ("text.dcm", NOT_DICOM, True),
        ("photo.png and 1 more", NOT_DICOM, False),
    ]


def test_files_without_preamble(tmp_path: Path) -> None:
    whole = write(tmp_path / "with", picture("1.2", "1.2.1")).read_bytes()
    begin = whole.index(b"\x08\x00\x16\x00UI")
    (tmp_path / "without").write_bytes(whole[begin:].replace(b"1.2.1\0", b"1.2.2\0"))
    (tmp_path / "with").unlink()
    (tmp_path / "noise").write_bytes(b"\x08\x00" + bytes(range(256)))
    assert shown(tmp_path) == ["without"]
    assert [one.what for one in read(tmp_path)[1]] == ["noise"]


def test_a_directory_of_media_is_no_picture(tmp_path: Path) -> None:
    shutil.copytree(PYDICOM_FILES / "dicomdirtests" / "77654033", tmp_path / "77654033")
    for name in ("DICOMDIR", "DIRECTORY.dcm", "directory"):
        shutil.copy(PYDICOM_FILES / "dicomdirtests" / "DICOMDIR", tmp_path / name)
    cases, skipped = read(tmp_path)
    assert len(cases) == 4
    assert [one.what for one in skipped if one.reason == NOT_DICOM] == [
        "DIRECTORY.dcm",
        "directory",
    ]


def test_objects_without_a_picture_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a", picture("1.1", "2.1"))
    kinds = {
        "SR": "1.2.840.10008.5.1.4.1.1.88.11",
        "KO": "1.2.840.10008.5.1.4.1.1.88.59",
        "PR": "1.2.840.10008.5.1.4.1.1.11.1",
        "DOC": "1.2.840.10008.5.1.4.1.1.104.1",
        "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    }
    for modality, kind in kinds.items():
        document = item(SOPClassUID=kind, SOPInstanceUID=f"{kind}.1", Modality=modality)
        document.EncapsulatedDocument = b"%PDF"
        write(tmp_path / modality, document)
    write(tmp_path / "header", item(SOPClassUID="1.2.840.10008.5.1.4.1.1.4", Modality="MR"))
    cases, skipped = read(tmp_path)
    assert [case.id for case in cases] == [named("1.1")]
    assert {one.what: one.reason for one in skipped} == {
        "DOC": "DICOM without a picture (document)",
        "KO": "DICOM without a picture (key object selection)",
        "PR": "DICOM without a picture (presentation state)",
        "RTSTRUCT": "DICOM without a picture (radiotherapy structure set)",
        "SR": "DICOM without a picture (structured report)",
        "header": PIXELS_MISSING,
    }
    assert [one.what for one in skipped if one.incomplete] == ["header"]


def test_a_damaged_file_costs_only_itself(tmp_path: Path) -> None:
    write_series(tmp_path, "1.2", [0, 1, 2, 3, 4], PatientName="ROE^JANE")
    whole = (tmp_path / "002").read_bytes()
    (tmp_path / "002").write_bytes(whole[:-10])
    (tmp_path / "004").write_bytes(whole[:150])
    assert shown(tmp_path) == ["001"]
    for one in read(tmp_path)[1]:
        assert one.incomplete
        assert "ROE" not in str(one)
    assert [one.what for one in read(tmp_path)[1]] == ["002", "004"]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such folder"):
        read(tmp_path / "absent")
    (tmp_path / "a.txt").write_text("x")
    write(tmp_path / "DICOMDIR", item(SOPClassUID="1.2.840.10008.1.3.10"))
    with pytest.raises(CorpusError, match="no DICOM file in it") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_folders_and_files_that_may_not_be_read(tmp_path: Path) -> None:
    for name in ("a/1", "b/1", "c"):
        write(tmp_path / name, picture(f"1.{name[0].encode()[0]}", f"2.{name[0].encode()[0]}"))
    (tmp_path / "b").chmod(0)
    (tmp_path / "c").chmod(0)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    try:
        ids, skipped = read_apart("dicom", tmp_path)
        assert ids == [named("1.97")]
        assert {(one.what, one.reason, one.incomplete) for one in skipped} == {
            ("b", reasons.NO_PERMISSION, True),
            ("c", reasons.NO_PERMISSION, True),
            ("gone", reasons.BROKEN_LINK, True),
        }
        (tmp_path / "a" / "1").unlink()
        assert "no permission" in refused("dicom", tmp_path)
    finally:
        (tmp_path / "b").chmod(0o700)


@given(st.binary(max_size=300), st.integers(0, 800), st.integers(1, 4))
def test_no_bytes_break_it(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int, times: int
) -> None:
    folder = tmp_path_factory.mktemp("noise")
    whole = write(folder / "good", picture("1.2", "1.2.1")).read_bytes()
    (folder / "bad").write_bytes(whole[:at] + noise * times + whole[at + len(noise) :])
    (folder / "raw").write_bytes(noise)
    cases, _ = read(folder)
    assert named("1.2") in {case.id for case in cases}


# ---------------------------------------------------------------------------- size and progress


def test_what_is_kept_of_each_file_is_small(tmp_path: Path) -> None:
    write_series(tmp_path / "a", "1.2", [float(i) for i in range(300)], size=64)
    corpus = DicomCorpus(CorpusSpec("dicom", tmp_path, "mine"))
    corpus.survey()
    tracemalloc.start()
    corpus.survey()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept / 300 < 600


def test_headers_are_read_once_and_counted(tmp_path: Path) -> None:
    write_series(tmp_path / "a", "1.2", [0, 1, 2])
    write_series(tmp_path / "b", "1.3", [0])
    bars: Counter[str] = Counter()

    @contextmanager
    def bar(stage: str, total: int | None, unit: str) -> Iterator[Advance]:
        yield lambda steps: bars.update({f"{stage} ({unit})": steps})

    corpus = DicomCorpus(CorpusSpec("dicom", tmp_path, "mine", frames=2))
    assert corpus.count() is None
    corpus.survey(bar)
    assert corpus.count() == 3
    assert bars == {"headers of mine (file)": 4}
    first = list(corpus)
    assert len(first) == 3
    assert list(corpus) == first


def test_pydicoms_own_files() -> None:
    cases, skipped = read(PYDICOM_FILES)
    captions = {case.image.name: case.caption for case in cases if case.image}
    assert captions["6154"] == (
        "Radiograph, cervical spine, left lateral view. XR C Spine Comp Min 4 Views. Cervical LAT."
    )
    assert captions["examples_overlay.dcm"].startswith("MRI, abdomen, axial, with contrast.")
    assert captions["examples_ybr_color.dcm"] == "Ultrasound."
    assert any(one.what == "MR_truncated.dcm" and one.incomplete for one in skipped)
    clip = next(case.image for case in cases if case.image and case.image.frame == 15)
    assert read_image(clip.path, frame=clip.frame).size == (320, 240)
