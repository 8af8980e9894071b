"""ROCO v1 in the folders it is published in, whole, partial and damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, Skipped, open_corpus, reasons
from medclip_search.errors import CorpusError
from tests.corpora.reading import read_corpus

IDS = ("ROCO_00001", "ROCO_00002", "ROCO_00003")
FILES = {
    "captions.txt": [
        "ROCO_00001\t Axial CT of the pelvis.",
        "ROCO_00002\t Chest X-ray, é.",
        "ROCO_00003\t Photograph of a lip.",
    ],
    "keywords.txt": ["ROCO_00001\t\tpelvis\taxial", "ROCO_00002\t\tchest", "ROCO_00003\t"],
    "cuis.txt": ["ROCO_00001\t\tC0040405\tC0030797", "ROCO_00002\t\tC1306645", "ROCO_00003\t"],
    "semtypes.txt": [
        "ROCO_00001\t\tT060\tDiagnostic Procedure\tT023\tBody Part, Organ, or Organ Component",
        "ROCO_00002\t\tT060\tDiagnostic Procedure",
        "ROCO_00003\t",
    ],
    "dlinks.txt": [
        f"{case_id}\twget -r ftp://ftp.ncbi.nlm.nih.gov/pub/pmc/oa_package/1e/ed/PMC397025{n}.tar.gz"
        f" -P /path/to/Dir\tfig,{n}.jpg"
        for n, case_id in enumerate(IDS, start=1)
    ],
    "licences.txt": [
        "ROCO_ID,PMC_ID,CC",
        "ROCO_00001,PMC3970251_fig,1.jpg,CC BY",
        "ROCO_00002,PMC3970252_fig,2.jpg,CC BY-NC-SA",
        "ROCO_00003,PMC3970253_fig,3.jpg,CC0",
    ],
}


NO_SIDES: dict[str, list[str] | bytes | None] = {
    name: [] for name in ("keywords.txt", "cuis.txt", "semtypes.txt", "dlinks.txt", "licences.txt")
}


def make(
    folder: Path,
    changes: Mapping[str, list[str] | bytes | None] | None = None,
    images: tuple[str, ...] = IDS,
) -> Path:
    """A group's folder; a change gives a file other lines or bytes, or (``None``) takes it away."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in {**FILES, **(changes or {})}.items():
        if isinstance(lines, bytes):
            (folder / name).write_bytes(lines)
        elif lines is not None:
            (folder / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
    if images:
        (folder / "images").mkdir(exist_ok=True)
    for image in images:
        (folder / "images" / (image if "." in image else f"{image}.jpg")).write_bytes(b"jpeg")
    return folder


def read(folder: Path) -> tuple[list[Case], list[Skipped]]:
    return read_corpus("roco", folder)


def test_all_that_is_known_of_a_figure(tmp_path: Path) -> None:
    folder = make(tmp_path / "data" / "train" / "radiology")
    cases, skipped = read(tmp_path)
    assert skipped == []
    case = cases[0]
    assert case.id == "ROCO_00001"
    assert case.caption == "Axial CT of the pelvis."
    assert case.image is not None
    assert case.image.path == folder / "images" / "ROCO_00001.jpg"
    assert case.article == "PMC3970251"
    assert case.licence == "CC BY"
    assert case.keywords == ("pelvis", "axial")
    assert case.cuis == ("C0040405", "C0030797")
    assert case.metadata == {
        "split": "train",
        "group": "radiology",
        "figure": "fig,1.jpg",
        "semtypes": "Diagnostic Procedure; Body Part, Organ, or Organ Component",
    }
    assert case.origins == {"article": "dlinks.txt", "licence": "licences.txt"}
    assert cases[1].caption == "Chest X-ray, é."
    assert (cases[2].keywords, cases[2].cuis) == ((), ())


def test_every_level_may_be_given(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        for group in ("radiology", "non-radiology"):
            number = len(list(tmp_path.rglob("captions.txt"))) + 1
            make(
                tmp_path / "data" / split / group,
                NO_SIDES | {"captions.txt": [f"ROCO_{number}\t A mass."]},
                images=(f"ROCO_{number}",),
            )
    for level, count in (
        (".", 6),
        ("data", 6),
        ("data/validation", 2),
        ("data/test/radiology", 1),
    ):
        cases, skipped = read((tmp_path / level).resolve())
        assert len(cases) == count, level
        assert skipped == []
    assert [case.metadata["split"] for case in read(tmp_path)[0]] == [
        split for split in ("train", "validation", "test") for _ in range(2)
    ]
    assert cases[0].metadata == {"split": "test", "group": "radiology"}


def test_side_files_in_any_order(tmp_path: Path) -> None:
    turned = {name: lines[::-1] for name, lines in FILES.items() if name != "captions.txt"}
    make(tmp_path / "a" / "radiology", turned)
    make(tmp_path / "b" / "radiology")
    assert [
        (case.id, case.article, case.licence, case.keywords, case.cuis, case.metadata["figure"])
        for case in read(tmp_path / "a")[0]
    ] == [
        (case.id, case.article, case.licence, case.keywords, case.cuis, case.metadata["figure"])
        for case in read(tmp_path / "b")[0]
    ]


@pytest.mark.parametrize("absent", FILES)
def test_any_file_may_be_absent(tmp_path: Path, absent: str) -> None:
    make(tmp_path, {absent: None})
    cases, skipped = read(tmp_path)
    assert [case.id for case in cases] == list(IDS)
    if absent == "captions.txt":
        assert [case.caption for case in cases] == ["", "", ""]
        assert [item.reason for item in skipped] == [reasons.NO_CAPTIONS_FILE]
        assert cases[0].licence == "CC BY"
    else:
        assert skipped == []
    if absent == "dlinks.txt":
        assert cases[0].article == "PMC3970251"
        assert cases[0].origins["article"] == "licences.txt"
        assert cases[0].metadata["figure"] == "fig,1.jpg"


def test_no_images_folder_is_one_line(tmp_path: Path) -> None:
    make(tmp_path / "train" / "radiology", images=())
    make(tmp_path / "test" / "radiology", {"captions.txt": ["ROCO_9\t A mass."]}, images=())
    cases, skipped = read(tmp_path)
    assert len(cases) == 4
    assert [item.reason for item in skipped if item.reason == reasons.NO_IMAGES_FOLDER] == [
        reasons.NO_IMAGES_FOLDER
    ]
    assert "text only" in skipped[0].remedy


def test_missing_images_are_named_and_found_under_other_suffixes(tmp_path: Path) -> None:
    make(tmp_path, images=("ROCO_00002.PNG", "ROCO_00003.jpeg", "ROCO_00003.jpg", "Thumbs.db"))
    cases, skipped = read(tmp_path)
    assert [case.image.path.name if case.image else None for case in cases] == [
        None,
        "ROCO_00002.PNG",
        "ROCO_00003.jpg",
    ]
    assert [(item.what, item.reason, item.dropped) for item in skipped] == [
        (f"{tmp_path.name}/images/ROCO_00001.jpg", reasons.MISSING_IMAGE, False)
    ]


def test_every_failure_is_one_line(tmp_path: Path) -> None:
    make(
        tmp_path,
        NO_SIDES
        | {
            "captions.txt": (
                b"ROCO_00001\t A mass.\n"
                b"ROCO_00001\t The same id.\n"
                b"ROCO_00002\t \n"
                b"ROCO_00003\t Figure 4\n"
                b"a line that ran over\n"
                b"\n"
                b"ROCO_00004\t Gr\xf6\xdfe\n"
                b"ROCO_00005\n"
                b"ROCO_00006\t \n"
                b"ROCO_00007\t No image."
            ),
            "cuis.txt": ["ROCO_00001\t\tC1", "ROCO_00001\t\tC2", "ROCO_00008\t\tC3", "oops"],
        },
        images=(*IDS, "ROCO_00009", "ROCO_00004", "ROCO_00005"),
    )
    cases, skipped = read(tmp_path)
    assert [case.id[-1] for case in cases] == ["1", "2", "3", "4", "5", "7", "9"]
    assert cases[0].cuis == ("C1",)
    assert cases[3].caption == "Größe"
    at = tmp_path.name
    assert [(item.what.removeprefix(f"{at}/"), item.reason, item.dropped) for item in skipped] == [
        ("captions.txt:2 (ROCO_00001)", reasons.DUPLICATE_ID, True),
        ("captions.txt:3 (ROCO_00002)", reasons.EMPTY_CAPTION, False),
        ("captions.txt:4 (ROCO_00003)", reasons.PLACEHOLDER_CAPTION, False),
        ("captions.txt:5", reasons.BAD_LINE, True),
        ("captions.txt:7", reasons.NOT_UTF8, False),
        ("captions.txt:8 (ROCO_00005)", reasons.EMPTY_CAPTION, False),
        ("captions.txt:9 (ROCO_00006)", reasons.EMPTY_CAPTION, False),
        ("images/ROCO_00006.jpg", reasons.MISSING_IMAGE, True),
        ("images/ROCO_00007.jpg", reasons.MISSING_IMAGE, False),
        ("images/ROCO_00009.jpg", reasons.EMPTY_CAPTION, False),
        ("cuis.txt (ROCO_00001)", reasons.DUPLICATE_ID, False),
        ("cuis.txt (ROCO_00008)", reasons.NOTHING_LEFT, True),
        ("cuis.txt:4", reasons.BAD_LINE, False),
    ]


@pytest.mark.parametrize("names", [[], ["cuis.txt"], ["notes.txt", "images.zip"]])
def test_what_is_no_roco(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("ROCO_00001\t\tC1\n")
    with pytest.raises(CorpusError, match="no ROCO in it") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


lines = st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"").replace(b"ROCO", b""))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(lines, lines), min_size=1, max_size=5))
def test_lines_survive_between_damaged_ones(
    tmp_path: Path, damaged: list[tuple[bytes, bytes]]
) -> None:
    captions, cuis = b"", b""
    for number, (one, other) in enumerate(damaged):
        captions += one + b"\nROCO_%05d\t A mass, %d.\n" % (number, number)
        cuis += b"ROCO_%05d\t\tC%07d\n" % (number, number) + other + b"\n"
    make(tmp_path, {"captions.txt": captions, "cuis.txt": cuis}, images=())
    cases, _ = read(tmp_path)
    assert [(case.id, case.caption, case.cuis) for case in cases] == [
        (f"ROCO_{n:05d}", f"A mass, {n}.", (f"C{n:07d}",)) for n in range(len(damaged))
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(list(FILES)), st.binary(max_size=200))
def test_no_bytes_break_the_reader(tmp_path: Path, name: str, data: bytes) -> None:
    make(tmp_path, {name: data})
    cases, _ = read(tmp_path)
    assert {case.id for case in cases} >= set(IDS)


def test_real_text(test_data: Path) -> None:
    """12,055 captions, of which two are placeholders; no images."""
    cases, skipped = read(test_data / "roco")
    assert len(cases) == 12053
    assert Counter(item.reason for item in skipped) == {
        reasons.NO_IMAGES_FOLDER: 1,
        reasons.PLACEHOLDER_CAPTION: 2,
    }
    assert Counter((case.metadata["split"], case.metadata["group"]) for case in cases) == {
        ("train", "non-radiology"): 4351,
        ("validation", "radiology"): 7164,
        ("validation", "non-radiology"): 538,
    }
    assert all(case.article and case.licence and case.metadata["figure"] for case in cases)
    assert sum(bool(case.cuis) for case in cases) == 11552
    assert [case.id for case in cases] == [case.id for case in read(test_data / "roco")[0]]
    count = open_corpus(CorpusSpec("roco", test_data / "roco", "roco")).count()
    assert count is not None
    assert abs(count - 12055) < 500
