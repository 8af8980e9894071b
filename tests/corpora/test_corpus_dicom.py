"""Folders of DICOM: what is found, how it is grouped and ordered, what is shown of a series."""

from __future__ import annotations

import hashlib
import random
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

from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, Skipped, open_corpus, reasons
from medclip_search.corpora.dicom import A_COPY, NOT_DICOM, DicomCorpus, Slice, choose, spaced
from medclip_search.errors import CorpusError
from medclip_search.images import read_image
from medclip_search.images.dicom_series import PIXELS_MISSING, Place
from medclip_search.progress import Advance
from tests.corpora.apart import read_apart, refused
from tests.corpora.dicom_files import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    item,
    picture,
    write,
    write_series,
)

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def read(folder: Path, frames: int = 1) -> tuple[list[Case], list[Skipped]]:
    items = list(open_corpus(CorpusSpec("dicom", folder, "mine", frames=frames)))
    assert all("\n" not in str(one) for one in items if isinstance(one, Skipped))
    return (
        [one for one in items if isinstance(one, Case)],
        [one for one in items if isinstance(one, Skipped)],
    )


def shown(folder: Path, frames: int = 1) -> list[str]:
    """The files that are shown, with their frames, from the folder."""
    return [
        str(case.image).removeprefix(f"{folder}/") for case in read(folder, frames)[0] if case.image
    ]


def named(uid: str, kind: str = "series") -> str:
    return f"{kind}-{hashlib.sha256(uid.encode()).hexdigest()[:16]}"


# ----------------------------------------------------------------------------- what is found


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


# ------------------------------------------------------------------- how series are made of it


def test_series_over_folders_and_folders_of_series(tmp_path: Path) -> None:
    write_series(tmp_path / "a", "1.1", [0, 1])
    for i, position in enumerate([2, 3, 4]):
        place = {"ImageOrientationPatient": AXIAL, "ImagePositionPatient": [0, 0, position]}
        write(tmp_path / "b" / f"x{i}", picture("1.1", f"1.1.9.{i}", **place))
    write(tmp_path / "b" / "other", picture("1.2", "1.2.1"))
    cases, skipped = read(tmp_path)
    assert shown(tmp_path) == ["b/x0", "b/other"]
    assert [case.id for case in cases] == [named("1.1"), named("1.2")]
    assert cases[0].metadata["slices"] == 5
    assert "slices" not in cases[1].metadata
    assert skipped == []


def test_positions_go_before_numbers(tmp_path: Path) -> None:
    for i in range(9):
        place = {"ImageOrientationPatient": AXIAL, "ImagePositionPatient": [0, 0, 10 * (i % 3) + i]}
        write(tmp_path / f"{i}", picture("1.2", f"1.{i}", InstanceNumber=9 - i, **place))
    # positions 0 11 22 3 14 25 6 17 28: in order 0 3 6 1 4 7 2 5 8
    assert shown(tmp_path, 9) == ["0", "3", "6", "1", "4", "7", "2", "5", "8"]
    assert shown(tmp_path) == ["4"]


def test_oblique_slices_are_projected_on_their_normal(tmp_path: Path) -> None:
    half = 0.5**0.5
    oblique = [1, 0, 0, 0, half, half]  # normal (0, -half, half)
    for name, (along, drift) in {"a": (2, 90), "b": (0, 50), "c": (1, -70)}.items():
        corner = [drift, drift * half - along * half, drift * half + along * half]
        place = {"ImageOrientationPatient": oblique, "ImagePositionPatient": corner}
        write(tmp_path / name, picture("1.2", f"1.{ord(name)}", **place))
    # Of the two main axes the first counts, so the normal points to the back: (0, half, -half).
    assert shown(tmp_path, 3) == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([{"SliceLocation": 5}, {"SliceLocation": -1}, {"SliceLocation": 2}], "bca"),
        ([{"InstanceNumber": 10}, {"InstanceNumber": 9}, {"InstanceNumber": 8}], "cba"),
        ([{"SliceLocation": 5, "InstanceNumber": 1}, {"InstanceNumber": 2}, {"InstanceNumber": 0}],
         "cab"),
        ([{"InstanceNumber": 1}, {}, {"InstanceNumber": 0}], "abc"),
        ([{"ImagePositionPatient": [0, 0, 9], "ImageOrientationPatient": [0] * 6,
           "InstanceNumber": 3}, {"InstanceNumber": 2}, {"InstanceNumber": 1}], "cba"),
    ],
)  # fmt: skip
def test_fallbacks_where_positions_are_missing(
    tmp_path: Path, elements: list[dict[str, object]], expected: str
) -> None:
    for name, some in zip("abc", elements, strict=True):
        write(tmp_path / name, picture("1.2", f"1.{ord(name)}", **some))
    assert "".join(shown(tmp_path, 3)) == expected


def test_repeated_positions_follow_by_number(tmp_path: Path) -> None:
    place = {"ImageOrientationPatient": AXIAL, "ImagePositionPatient": [0, 0, 1]}
    for name, number in (("a", 3), ("b", 1), ("c", 2)):
        write(tmp_path / name, picture("1", f"1.{number}", InstanceNumber=number, **place))
    assert shown(tmp_path, 3) == ["b", "c", "a"]


def test_a_localiser_within_a_series_is_not_its_middle(tmp_path: Path) -> None:
    write_series(tmp_path / "z", "1.2", [1, 2, 3, 4, 5])
    for i, plane in enumerate([CORONAL, CORONAL, SAGITTAL]):
        place = {"ImageOrientationPatient": plane, "ImagePositionPatient": [0, i, 0]}
        write(tmp_path / "a" / f"{i}", picture("1.2", f"9.{i}", size=16, **place))
    assert shown(tmp_path) == ["z/002"]
    assert shown(tmp_path, 5) == [f"z/00{i}" for i in range(5)]
    assert len(shown(tmp_path, 99)) == 8


def test_copies_count_once(tmp_path: Path) -> None:
    write_series(tmp_path / "a", "1.2", [0, 1, 2])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    cases, skipped = read(tmp_path, 99)
    assert shown(tmp_path, 99) == ["a/000", "a/001", "a/002"]
    assert cases[0].metadata["slices"] == 3
    assert [(one.what, one.reason, one.dropped) for one in skipped] == [
        (f"b/00{i}", A_COPY, False) for i in range(3)
    ]


def test_one_uid_given_to_all_slices_by_an_anonymiser(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / f"{i}", picture("1.2", "1.2.3", InstanceNumber=i))
    assert shown(tmp_path, 3) == ["0", "1", "2"]


def test_frames_of_clips(tmp_path: Path) -> None:
    clip = picture("1.2", "1.2.1", NumberOfFrames=30, SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1")
    write(tmp_path / "clip", clip)
    assert shown(tmp_path) == ["clip#15"]
    assert shown(tmp_path, 3) == ["clip#5", "clip#15", "clip#25"]
    write(tmp_path / "still", picture("1.2", "1.2.2", InstanceNumber=1))
    assert read(tmp_path, 31)[0][-1].metadata["slices"] == 31


def test_files_without_series_stand_alone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, picture(None, f"1.{ord(name)}", PatientID="same"))
    for size in (8, 9):
        write(tmp_path / f"nothing{size}", picture(None, None, size=size))
    cases, _ = read(tmp_path, 3)
    assert [case.id for case in cases[:2]] == [named("1.97", "image"), named("1.98", "image")]
    content = hashlib.sha256((tmp_path / "nothing8").read_bytes()).hexdigest()[:16]
    assert cases[2].id == f"image-{content}"
    assert len({case.id for case in cases}) == 4


def test_ids_stay_where_files_move(tmp_path: Path) -> None:
    write_series(tmp_path / "a", "1.2.840.99", [0, 1, 2])
    (here,), (first, second, third) = read(tmp_path)[0], read(tmp_path, 3)[0]
    (tmp_path / "a").rename(tmp_path / "elsewhere")
    assert read(tmp_path)[0][0].id == here.id == named("1.2.840.99")
    assert [first.id, second.id, third.id] == [f"{here.id}-{n}" for n in (1, 2, 3)]
    assert "840" not in here.id.removeprefix("series-") or "1.2.840" not in here.id


def test_what_is_shown_decodes(tmp_path: Path) -> None:
    write_series(tmp_path / "a", "1.2", [0, 1, 2])
    write(tmp_path / "clip", picture("1.3", "1.3.1", NumberOfFrames=4))
    for case in read(tmp_path, 2)[0]:
        assert case.image is not None
        assert read_image(case.image.path, frame=case.image.frame).size == (8, 8)


# ---------------------------------------------------------------------------------- properties


@given(st.integers(1, 500), st.integers(1, 60))
def test_spaced_slices_are_the_middles_of_equal_parts(total: int, count: int) -> None:
    at = spaced(total, count)
    assert len(at) == min(total, count)
    assert at == sorted(set(at))
    for part, index in enumerate(at):  # the slice over whose extent the part's middle lies
        middle = (part + 0.5) * total / len(at)
        assert index <= middle < index + 1 + 1e-9
    if count == 1:
        assert at == [total // 2]


places = st.builds(
    Place,
    series=st.just("series-0"),
    stack=st.sampled_from(["8 x 8 axial", "8 x 8 coronal", "512 x 512 axial"]),
    frames=st.integers(1, 3),
    position=st.one_of(st.none(), st.sampled_from([-1.5, 0.0, 2.0]), st.floats(-500, 500)),
    location=st.one_of(st.none(), st.floats(-500, 500)),
    number=st.one_of(st.none(), st.integers(0, 30)),
    instance=st.integers(0, 2**64),
)
numbered = places.filter(lambda place: place.number is not None)


@given(
    st.lists(numbered, min_size=1, max_size=20, unique_by=lambda place: place.instance),
    st.integers(1, 30),
    st.randoms(use_true_random=False),
)
def test_names_and_their_order_do_not_matter(
    series: list[Place], count: int, chance: random.Random
) -> None:
    one = [Slice("/a", f"{i:03}", place) for i, place in enumerate(series)]
    shuffled = list(series)
    chance.shuffle(shuffled)
    other = [Slice("/b", f"{chance.random()}", place) for place in shuffled]
    first, second = choose(one, count), choose(other, count)
    assert [(c.number, c.slice.place, c.frame) for c in first] == [
        (c.number, c.slice.place, c.frame) for c in second
    ]
    assert len(first) == min(count, sum(place.frames for place in series))
    assert [c.number for c in first] == sorted({c.number for c in first})


@given(st.lists(st.floats(-300, 300), min_size=1, max_size=25, unique_by=lambda x: round(x, 3)))
def test_as_many_slices_lie_before_the_middle_as_behind(positions: list[float]) -> None:
    slices = [
        Slice("/", str(i), Place("s", "axial", 1, position, None, None, i))
        for i, position in enumerate(positions)
    ]
    (chosen,) = choose(slices, 1)
    middle = chosen.slice.place.position
    assert middle is not None
    before = sum(position < middle for position in positions)
    assert before - (len(positions) - 1 - before) in (0, 1)


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
