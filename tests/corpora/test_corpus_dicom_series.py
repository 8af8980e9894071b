"""Series of DICOM: how files are grouped and ordered, and which slices are shown."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.corpora.dicom import A_COPY, Slice, choose, spaced
from medclip_search.images import read_image
from medclip_search.images.dicom_series import Place
from tests.corpora.dicom_files import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    named,
    picture,
    read,
    shown,
    write,
    write_series,
)


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
        ([{"ImagePositionPatient": [0, 0, z], "ImageOrientationPatient": [1, 0, 0, 1, 0.001, 0],
           "InstanceNumber": 3 - z} for z in (0, 1, 2)], "cba"),
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
    (here,), several = read(tmp_path)[0], read(tmp_path, 3)[0]
    (tmp_path / "a").rename(tmp_path / "elsewhere")
    assert read(tmp_path)[0][0].id == here.id == named("1.2.840.99")
    assert [case.id for case in read(tmp_path, 3)[0]] == [case.id for case in several]
    assert [case.id for case in several] == [
        f"{here.id}-{named(f'1.2.840.99.{n}', '')[1:]}" for n in (1, 2, 3)
    ]


def pictures(folder: Path, frames: int) -> dict[str, bytes]:
    """The pixels that each id stands for."""
    return {
        case.id: read_image(case.image.path, frame=case.image.frame).tobytes()
        for case in read(folder, frames)[0]
        if case.image is not None
    }


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True),
    st.lists(st.integers(31, 60) | st.integers(-30, -1), max_size=8, unique=True),
    st.integers(2, 9),
    st.integers(2, 9),
    st.sampled_from(["UIDs", "one UID", "no UID"]),
)
@settings(max_examples=25, deadline=None)
def test_an_id_means_one_picture_whatever_joins_its_series(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[int],
    later: list[int],
    before: int,
    after: int,
    kind: str,
) -> None:
    folder = tmp_path_factory.mktemp("series")

    def put(position: int) -> None:
        place = {"ImageOrientationPatient": AXIAL, "ImagePositionPatient": [0, 0, position]}
        made = picture("1.2", f"1.2.{position + 99}", **place)
        if kind == "one UID":
            made.SOPInstanceUID = "1.2.1"
        elif kind == "no UID":
            del made.SOPInstanceUID
        write(folder / f"{position}", made)

    if kind == "one UID":
        put(99)  # that several slices bear the UID is known from the start
    for position in first:
        put(position)
    old = pictures(folder, before)
    for position in later:
        put(position)
    new = pictures(folder, after)
    total = len(first) + len(later) + (kind == "one UID")
    assert len(new) == min(after, total)
    assert len(set(new.values())) == len(new)
    for case_id in old.keys() & new.keys():
        assert old[case_id] == new[case_id]
    for case_id, pixels in new.items():
        if pixels in old.values():
            assert case_id in old


def test_ids_of_frames_name_their_file_and_frame(tmp_path: Path) -> None:
    write(tmp_path / "clip", picture("1.2", "1.2.1", NumberOfFrames=3))
    write(tmp_path / "alone", picture(None, "1.3.1", NumberOfFrames=2))
    assert [case.id for case in read(tmp_path)[0]] == [named("1.3.1", "image"), named("1.2")]
    digits = named("1.2.1", "")[1:]
    assert [case.id for case in read(tmp_path, 3)[0]] == [
        *(f"{named('1.3.1', 'image')}-{n}" for n in (1, 2)),
        *(f"{named('1.2')}-{digits}-{n}" for n in (1, 2, 3)),
    ]


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
