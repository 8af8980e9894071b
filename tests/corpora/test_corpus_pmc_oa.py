"""PMC-OA as it is published: lines or CSV, images in their zip or unpacked, whole and damaged."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, Skipped, open_corpus, reasons
from medclip_search.describe import describe
from medclip_search.errors import CorpusError
from medclip_search.images.sources import source_mark
from tests.corpora.reading import contents, read_corpus, told

FOLDER = "caption_T060_filtered_top4_sep_v0_subfigures"
ROWS = [
    {
        "image": "PMC212319_Fig3_4.jpg",
        "caption": "A. Real time image of the translocation.",
        "alignment_type": "subfigure",
        "alignment_score": 0.75,
    },
    {
        "image": "PMC1166547_Fig1_1.jpg",
        "caption": "Chest CT, é.",
        "alignment_type": "whole",
        "alignment_score": 1,
    },
    {
        "image": "PMC3970251_Fig2_3.jpg",
        "caption": "Axial MRI of the brain.",
        "alignment_type": "subfigure",
        "alignment_score": 0.5,
    },
]
NAMES = [str(row["image"]) for row in ROWS]
IDS = [name.removesuffix(".jpg") for name in NAMES]


def put_lines(path: Path, rows: Sequence[object], end: str = "\n") -> Path:
    path.write_text("".join(json.dumps(row) + end for row in rows), encoding="utf-8")
    return path


def put_zip(path: Path, names: Sequence[str], folder: str = f"{FOLDER}/") -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(folder + name, f"jpeg of {name}")
    return path


def put_files(folder: Path, names: Sequence[str]) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(f"jpeg of {name}")
    return folder


def read(path: Path) -> tuple[list[Case], list[Skipped]]:
    return read_corpus("pmc-oa", path)


def test_lines_and_the_zip(tmp_path: Path) -> None:
    put_lines(tmp_path / "pmc_oa.jsonl", ROWS)
    put_lines(tmp_path / "pmc_oa_beta.jsonl", [{"image": "PMC1_x.jpg", "caption": "Other."}])
    put_zip(tmp_path / "images.zip", NAMES)
    cases, skipped = read(tmp_path)
    assert skipped == []
    assert [case.id for case in cases] == IDS
    assert contents(cases) == [f"jpeg of {name}" for name in NAMES]
    case = cases[0]
    assert case.image is not None
    assert case.image.path == tmp_path / "images.zip"
    assert case.image.member == f"{FOLDER}/PMC212319_Fig3_4.jpg"
    assert source_mark(case.image).startswith("28:")
    assert (case.article, case.origins) == ("PMC212319", {"article": "image"})
    assert case.caption == "A. Real time image of the translocation."
    assert case.metadata == {"alignment_type": "subfigure", "alignment_score": 0.75}
    assert describe(cases[1]).modality == "CT"
    assert open_corpus(CorpusSpec("pmc-oa", tmp_path, "pmc-oa")).count() == 3


@pytest.mark.parametrize(
    "place", [FOLDER, f"images/{FOLDER}", "images", f"data/ProcessedImages/{FOLDER}", "."]
)
def test_images_unpacked_wherever(tmp_path: Path, place: str) -> None:
    root = tmp_path / "pmc_oa"
    put_files(root / place, NAMES)
    put_lines(root / "pmc_oa.jsonl", ROWS)
    put_zip(root / "images.zip", NAMES)
    cases, skipped = read(root)
    assert skipped == []
    assert [case.image.path for case in cases if case.image] == [
        (root / place / name).resolve() for name in NAMES
    ]


@pytest.mark.parametrize("folder", ["", "images/", f"a/b/{FOLDER}/"])
def test_a_zip_of_any_folder_and_name(tmp_path: Path, folder: str) -> None:
    put_lines(tmp_path / "pmc_oa.jsonl", ROWS)
    (tmp_path / "download").mkdir()
    put_zip(tmp_path / "download" / "part1.ZIP", NAMES[:1], folder)
    put_zip(tmp_path / "download" / "part2.zip", ["readme.txt"], folder)
    put_zip(tmp_path / "part3.zip", NAMES[1:], folder)
    cases, skipped = read(tmp_path)
    assert skipped == []
    assert contents(cases) == [f"jpeg of {name}" for name in NAMES]


def test_beta_first_edition_and_csv(tmp_path: Path) -> None:
    beta, first, table = tmp_path / "beta", tmp_path / "first", tmp_path / "table"
    for folder in (beta, first, table):
        put_files(folder / FOLDER, NAMES)
    put_lines(
        beta / "pmc_oa_beta.jsonl", [{k: row[k] for k in ("image", "caption")} for row in ROWS]
    )
    for split, row in zip(("train", "valid", "test"), ROWS, strict=True):
        own = {"image": row["image"], "caption": row["caption"]}
        extra = {"pmcid": str(row["image"]).partition("_")[0], "url_name": "g-3.jpg"}
        put_lines(first / f"{split}.jsonl", [own | extra])
        line = f'"{row["caption"]}",{row["image"]}'
        (table / f"{split}.csv").write_bytes(f"\ufeffCaption,image\r\n{line}\r\n".encode())
    splits = ["train", "validation", "test"]
    for folder, metadata in (
        (beta, [{}, {}, {}]),
        (first, [{"split": split, "url_name": "g-3.jpg"} for split in splits]),
        (table, [{"split": split} for split in splits]),
    ):
        cases, skipped = read(folder)
        assert skipped == []
        assert [case.id for case in cases] == IDS
        assert [case.caption for case in cases] == [row["caption"] for row in ROWS]
        assert [case.article for case in cases] == ["PMC212319", "PMC1166547", "PMC3970251"]
        assert [case.metadata for case in cases] == metadata
        assert contents(cases) == [f"jpeg of {name}" for name in NAMES]


def test_a_file_of_captions_may_be_named(tmp_path: Path) -> None:
    put_lines(tmp_path / "pmc_oa.jsonl", ROWS)
    with gzip.open(tmp_path / "pmc_oa_beta.jsonl.gz", "wt") as made:
        made.write(json.dumps({"image": NAMES[1], "caption": "Whole."}))
    put_zip(tmp_path / "images.zip", NAMES)
    cases, skipped = read(tmp_path / "pmc_oa_beta.jsonl.gz")
    assert skipped == []
    assert [(case.id, case.caption) for case in cases] == [(IDS[1], "Whole.")]
    assert contents(cases) == [f"jpeg of {NAMES[1]}"]


def test_every_failure_is_one_line(tmp_path: Path) -> None:
    lines = [
        json.dumps({"image": NAMES[0], "caption": "Latin é."}, ensure_ascii=False).encode("cp1252"),
        b'{"image": "PMC1_a.jpg", "caption": ',
        b"[]",
        json.dumps({"image": "PMC2_lost.jpg", "caption": "A cyst."}).encode(),
        json.dumps({"image": "PMC3_lost.jpg", "caption": "Figure 1."}).encode(),
        json.dumps({"image": NAMES[1], "caption": "N/A"}).encode(),
        json.dumps({"image": NAMES[0], "caption": "Again."}).encode(),
        json.dumps({"caption": "No image."}).encode(),
    ]
    (tmp_path / "pmc_oa.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines) + b"\r\n")
    put_zip(tmp_path / "images.zip", NAMES)
    cases, skipped = read(tmp_path)
    assert [(case.id, case.caption, case.image is not None) for case in cases] == [
        (IDS[0], "Latin é.", True),
        ("PMC2_lost", "A cyst.", False),
        (IDS[1], "", True),
        ("pmc_oa-8", "No image.", False),
    ]
    assert told(skipped) == [
        ("pmc_oa.jsonl:1", reasons.NOT_UTF8, False, False),
        ("pmc_oa.jsonl:2", reasons.BAD_JSON, True, False),
        ("pmc_oa.jsonl:3", reasons.NOT_AN_OBJECT, True, False),
        ("pmc_oa.jsonl:4", reasons.MISSING_IMAGE, False, False),
        ("pmc_oa.jsonl:5", reasons.MISSING_IMAGE, False, False),
        ("pmc_oa.jsonl:5", reasons.PLACEHOLDER_CAPTION, True, False),
        ("pmc_oa.jsonl:6", reasons.PLACEHOLDER_CAPTION, False, False),
        (f"pmc_oa.jsonl:7 ({IDS[0]})", reasons.DUPLICATE_ID, True, False),
        ("pmc_oa.jsonl:8", reasons.NO_IMAGE, False, False),
    ]


def test_a_zip_cut_short_is_one_line_and_captions_go_on(tmp_path: Path) -> None:
    put_lines(tmp_path / "pmc_oa.jsonl", ROWS)
    path = put_zip(tmp_path / "images.zip", NAMES)
    path.write_bytes(path.read_bytes()[:-30])
    cases, skipped = read(tmp_path)
    assert [case.id for case in cases] == IDS
    assert told(skipped) == [("images.zip", reasons.UNREADABLE, True, True)]
    assert skipped[0].remedy == "download or copy it again"


@pytest.mark.skipif(os.name != "posix", reason="POSIX files")
def test_a_zip_that_is_no_file(tmp_path: Path) -> None:
    put_lines(tmp_path / "pmc_oa.jsonl", ROWS)
    os.mkfifo(tmp_path / "a.zip")
    (tmp_path / "b.zip").symlink_to("gone.zip")
    put_zip(tmp_path / "c.zip", NAMES[:1])
    cases, skipped = read(tmp_path)
    assert contents(cases) == [f"jpeg of {NAMES[0]}"]
    assert [case.id for case in cases] == IDS
    assert told(skipped) == [
        ("a.zip", reasons.NOT_REGULAR, True, False),
        ("b.zip", reasons.BROKEN_LINK, True, True),
    ]


def test_no_images_at_all(tmp_path: Path) -> None:
    root = tmp_path / "pmc_oa"
    root.mkdir()
    put_lines(root / "pmc_oa.jsonl", ROWS)
    cases, skipped = read(root)
    assert [case.id for case in cases] == IDS
    assert told(skipped) == [("pmc_oa/images.zip", reasons.NO_IMAGES_FOLDER, False, False)]


def test_no_pmc_oa(tmp_path: Path) -> None:
    put_zip(tmp_path / "images.zip", NAMES)
    with pytest.raises(CorpusError, match=r"no PMC-OA in it; looked for pmc_oa\.jsonl"):
        read(tmp_path)
    with pytest.raises(CorpusError, match="no such folder"):
        read(tmp_path / "gone")
    with pytest.raises(CorpusError, match="not a table by its name"):
        read(tmp_path / "images.zip")


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_text("secret")
    put_files(tmp_path / "pmc_oa" / FOLDER, ["b.jpg"])
    names = ["../secret.jpg", "../../secret.jpg", str(tmp_path / "secret.jpg")]
    put_lines(
        tmp_path / "pmc_oa" / "pmc_oa.jsonl", [{"image": n, "caption": "A cyst."} for n in names]
    )
    cases, _ = read(tmp_path / "pmc_oa")
    assert [(case.id, case.image) for case in cases] == [("secret", None)]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.binary(max_size=30)
        | st.dictionaries(
            st.sampled_from(["image", "caption", "pmcid", "alignment_score", "x"]),
            st.none() | st.text(max_size=9) | st.integers() | st.lists(st.text(max_size=3)),
        ).map(lambda row: json.dumps(row).encode()),
        max_size=8,
    ),
    st.binary(max_size=100),
)
def test_nothing_breaks_the_reader(tmp_path: Path, lines: list[bytes], noise: bytes) -> None:
    """Sound lines between damaged ones become cases, whatever is in the zip."""
    sound = [json.dumps(row).encode() for row in ROWS]
    mixed = b"\n".join([sound[0], *lines, sound[1], *lines, sound[2]])
    (tmp_path / "pmc_oa.jsonl").write_bytes(mixed)
    whole = put_zip(tmp_path / "images.zip", NAMES).read_bytes()
    (tmp_path / "images.zip").write_bytes(whole[: len(whole) - len(noise)] + noise)
    cases, _ = read(tmp_path)
    assert {case.id for case in cases} >= set(IDS)
    assert len({case.id for case in cases}) == len(cases)


def test_streaming_holds_little(tmp_path: Path) -> None:
    """Per line 16 bytes for the zip's index and at most 24 for the id."""
    count = 20_000
    rows = [{"image": f"PMC{n}_Fig1.jpg", "caption": f"Cyst {n}."} for n in range(count)]
    put_lines(tmp_path / "pmc_oa.jsonl", rows)
    put_zip(tmp_path / "images.zip", [str(row["image"]) for row in rows])
    read_some = iter(open_corpus(CorpusSpec("pmc-oa", tmp_path, "pmc-oa")))
    tracemalloc.start()
    assert sum(isinstance(item, Case) for item in read_some) == count
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 20 * count
    assert peak < (2 << 20) + 100 * count
