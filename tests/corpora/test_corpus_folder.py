"""A folder of images, with what lies beside them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.corpora import Skipped, reasons
from medclip_search.errors import CorpusError
from tests.corpora.reading import read_corpus


def read(folder: Path) -> tuple[list[Case], list[Skipped]]:
    return read_corpus("folder", folder, "mine")


def put(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_images_in_order_with_what_lies_beside_them(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "b.png": "",
            "b.txt": "\ufeffA nodule.\r\n",
            "a/c.JPG": "",
            "a/c.json": json.dumps(
                {"caption": "A cyst.", "age": 7, "study": {"year": 2012}, "x": [1, 2], "none": None}
            ),
            "a/d.tif": "",
            "a/d.tif.txt": "of the tif",
            "a/d.txt": "not of the tif",
            "a/readme.txt": "no image of this name",
            "z.webp": "",
            ".hidden/x.png": "",
            ".x.png": "",
            "notes.pdf": "",
        },
    )
    cases, skipped = read(tmp_path)
    assert [(case.id, case.caption) for case in cases] == [
        ("b", "A nodule."),
        ("z", ""),
        ("a/c", "A cyst."),
        ("a/d", "of the tif"),
    ]
    assert cases[2].metadata == {"age": 7, "study.year": 2012, "x": "1; 2"}
    assert all(case.image and case.image.path.is_absolute() for case in cases)
    assert {case.corpus for case in cases} == {"mine"}
    assert skipped == []


def test_text_goes_before_json(tmp_path: Path) -> None:
    put(
        tmp_path,
        {"a.png": "", "a.txt": "of text", "a.json": '{"caption": "of JSON", "sex": "f"}'},
    )
    (case,), _ = read(tmp_path)
    assert (case.caption, case.metadata) == ("of text", {"sex": "f"})


def test_ids_differ_where_stems_do_not(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": "", "a.jpg": "", "a.b.png": "", "s/a.png": ""})
    cases, _ = read(tmp_path)
    assert [case.id for case in cases] == ["a.b", "a.jpg", "a.png", "s/a"]


def test_dicom_without_a_suffix(tmp_path: Path) -> None:
    dicom = bytes(128) + b"DICM" + bytes(20)
    put(
        tmp_path,
        {
            "IM000001": dicom,
            "1.2.840.10008.5": dicom,
            "scan.dcm": b"",
            "DICOMDIR": dicom,
            "README": b"not " * 50,
            "report.doc": dicom,
        },
    )
    cases, _ = read(tmp_path)
    assert [case.id for case in cases] == ["1.2.840.10008.5", "IM000001", "scan"]


def test_what_is_wrong_beside_an_image_leaves_the_image(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "a.png": "",
            "a.txt": "  \n",
            "b.png": "",
            "b.txt": "Figure 1.",
            "c.png": "",
            "c.txt": "Größe".encode("cp1252"),
            "d.png": "",
            "d.json": "{oops",
            "e.png": "",
            "e.json": "[1]",
            "f.png": "",
            "f.txt": "weit".encode("utf-16"),
            "g.png": "",
            "g.txt/x": "a folder in a caption's place",
        },
    )
    cases, skipped = read(tmp_path)
    assert [case.caption for case in cases] == ["", "", "Größe", "", "", "weit", ""]
    assert [(item.what, item.reason) for item in skipped] == [
        ("a.txt", reasons.EMPTY_CAPTION),
        ("b.txt", reasons.PLACEHOLDER_CAPTION),
        ("c.txt", reasons.NOT_UTF8),
        ("d.json", reasons.BAD_JSON),
        ("e.json", reasons.NOT_AN_OBJECT),
    ]
    assert not any(item.dropped for item in skipped)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows such file names")
def test_names_that_cannot_be_written_down(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    (tmp_path / "two\nlines.png").write_bytes(b"")
    (case,), (skipped,) = read(tmp_path)
    assert case.id == "two lines"
    assert case.image is not None
    assert case.image.path.is_file()
    assert skipped.reason == reasons.BAD_FILE_NAME
    str(skipped).encode()


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    put(tmp_path, {"a/x.png": ""})
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert [case.id for case in read(tmp_path)[0]] == ["a/x"]


def test_no_image_at_all(tmp_path: Path) -> None:
    put(tmp_path, {"a.txt": "x", "b/c.pdf": "y"})
    with pytest.raises(CorpusError, match="no image") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["x.txt", "x.json", "x.png.txt"]))
def test_no_bytes_beside_an_image_break_it(tmp_path: Path, data: bytes, name: str) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    put(tmp_path, {"x.png": "", name: data})
    cases, _ = read(tmp_path)
    assert [case.id for case in cases] == ["x"]
    cases[0].caption.encode()


def test_medpix_images(test_data: Path) -> None:
    cases, skipped = read(test_data / "medpix")
    assert len(cases) == 1850
    assert cases[0].id.startswith("images/MPX")
    assert skipped == []
