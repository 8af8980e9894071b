"""ROCOv2 as on Zenodo (tables, zips or folders) and on Hugging Face (Parquet)."""

from __future__ import annotations

import csv
import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, Skipped, open_corpus, reasons, shelves
from medclip_search.describe import describe
from medclip_search.errors import CorpusError
from medclip_search.images import zips
from tests.corpora.reading import contents, read_corpus, told

IDS = {
    split: [f"ROCOv2_2023_{split}_{n:06d}" for n in (1, 2)] for split in ("train", "valid", "test")
}
ALL = [case_id for ids in IDS.values() for case_id in ids]
FIRST = IDS["train"][0]
CAPTIONS = {
    FIRST: 'Chest radiograph, "portable", compared with CT.',
    **{case_id: f"Axial MRI of patient {case_id[-1]}\nwith a cyst." for case_id in ALL[1:]},
}
MANUAL = {FIRST: "C1306645;C0817096;C1999039", ALL[1]: "C0024485"}
CONCEPTS = {FIRST: "C0040405;C1306645;C0018787", ALL[1]: "C0024485;C0010709"}
FOLDERS = ("{}", "{}_images", "{}_images/{}", "images/{}", "images", ".", "data/{}/images")
BESIDE = (
    "train_concepts.csv",
    "train_concepts_manual.csv",
    "cui_mapping.csv",
    "license_information.csv",
)
LICENCES = {
    FIRST: ("PMC8762516", "CC BY-NC Al Mulhim et al. (2022)", "https://x/PMC8762516"),
    ALL[1]: ("", "CC BY Trowbridge et al. (2020)", "https://www.ncbi.nlm.nih.gov/pmc/PMC9198419"),
}


def as_csv(rows: Sequence[Sequence[str]], end: str = "\n", mark: str = "") -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=end).writerows(rows)
    return (mark + stream.getvalue()).encode()


def put_tables(root: Path, end: str = "\n", mark: str = "") -> Path:
    root.mkdir(parents=True, exist_ok=True)

    def put(name: str, *rows: Sequence[str]) -> None:
        (root / name).write_bytes(as_csv(rows, end, mark))

    for split, ids in IDS.items():
        put(f"{split}_captions.csv", ("ID", "Caption"), *((one, CAPTIONS[one]) for one in ids))
        for name, cuis in (("concepts", CONCEPTS), ("concepts_manual", MANUAL)):
            rows = [(one, cuis[one]) for one in ids if one in cuis]
            put(f"{split}_{name}.csv", ("ID", "CUIs"), *rows)
    put(
        "cui_mapping.csv",
        ("CUI", "Canonical name"),
        ("C1306645", "Plain x-ray"),
        ("C0817096", "Chest"),
        ("C0040405", "X-Ray Computed Tomography"),
        ("C0024485", "Magnetic Resonance Imaging"),
    )
    licences = [(one, *LICENCES[one]) for one in reversed(LICENCES)]
    put("license_information.csv", ("ID", "PMCID", "Attribution", "Link"), *licences)
    return root


def put_images(root: Path, form: str) -> None:
    """The images in one of the forms in which people have them."""
    for split, ids in IDS.items():
        names = [f"{case_id}.jpg" for case_id in ids]
        if form.endswith(".zip"):
            with zipfile.ZipFile(root / form.format(split), "a") as made:
                for name in names:
                    made.writestr(f"{split}/{name}", f"jpeg of {name}")
            continue
        folder = root / form.format(split)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_text(f"jpeg of {name}")


def put_parquet(root: Path, ids: Mapping[str, Sequence[str]] = IDS) -> None:
    (root / "data").mkdir(parents=True, exist_ok=True)
    for split, some in ids.items():
        image = [{"bytes": f"jpeg of {one}".encode(), "path": f"{one}.jpg"} for one in some]
        table = pyarrow.table(
            {
                "image": image,
                "image_id": some,
                "caption": [CAPTIONS[one] for one in some],
                "cui": [CONCEPTS.get(one, "").split(";") for one in some],
            }
        )
        called = "validation" if split == "valid" else split
        path = root / "data" / f"{called}-00000-of-00001-0123456789abcdef.parquet"
        pyarrow.parquet.write_table(table, path)


def read(root: Path) -> tuple[list[Case], list[Skipped]]:
    return read_corpus("rocov2", root)


def test_all_that_is_known_of_a_figure(tmp_path: Path) -> None:
    put_images(put_tables(tmp_path), "{}_images.zip")
    cases, skipped = read(tmp_path)
    assert skipped == []
    assert [case.id for case in cases] == ALL
    assert [case.metadata["split"] for case in cases] == [
        split for split in ("train", "validation", "test") for _ in range(2)
    ]
    case = cases[0]
    assert case.caption == CAPTIONS[FIRST]
    assert case.image is not None
    assert case.image.path == tmp_path / "train_images.zip"
    assert case.image.member == f"train/{FIRST}.jpg"
    assert case.article == "PMC8762516"
    assert (case.licence, case.year) == ("CC BY-NC", 2022)
    assert case.metadata["attribution"] == "CC BY-NC Al Mulhim et al. (2022)"
    assert case.cuis == ("C1306645", "C0817096", "C1999039", "C0040405", "C0018787")
    assert (case.modality, case.region) == ("XR", "thorax")
    assert case.keywords == ("Plain x-ray", "Chest")
    assert case.origins == {
        "modality": "umls:C1306645",
        "region": "umls:C0817096",
        "licence": "license_information.csv",
        "article": "license_information.csv",
        "year": "license_information.csv",
    }
    assert cases[1].article == "PMC9198419"
    assert (cases[5].article, cases[5].licence, cases[5].cuis) == (None, None, ())
    assert "\n" in cases[5].caption
    assert open_corpus(CorpusSpec("rocov2", tmp_path, "rocov2")).count() in range(5, 14)


def test_curated_concepts_win_over_found_ones_and_words(tmp_path: Path) -> None:
    """The caption and a concept found in it say CT too; the curators say X-ray."""
    put_images(put_tables(tmp_path), "{}")
    assert describe(read(tmp_path)[0][0]).modality == "XR"
    (tmp_path / "train_concepts_manual.csv").unlink()
    case = describe(read(tmp_path)[0][0])
    assert case.origins["modality"].startswith("umls:")
    assert case.keywords == ()
    put_tables(tmp_path)
    (tmp_path / "train_concepts_manual.csv").write_text(f"ID,CUIs\n{FIRST},C1699633;C1140618\n")
    case = describe(read(tmp_path)[0][0])
    assert (case.modality, case.region) == ("PET", "upper limb")


@pytest.mark.parametrize(
    "form",
    [*FOLDERS, "{}.zip", "images.zip", "everything.zip"],
)
def test_images_in_any_form(tmp_path: Path, form: str) -> None:
    put_images(put_tables(tmp_path), form.replace("{}", "{0}"))
    cases, skipped = read(tmp_path)
    assert skipped == []
    assert contents(cases) == [f"jpeg of {case_id}.jpg" for case_id in ALL]


def test_tables_in_data_and_of_windows(tmp_path: Path) -> None:
    put_tables(tmp_path / "data", end="\r\n", mark="\ufeff")
    put_images(tmp_path, "{}_images.zip")
    cases, skipped = read(tmp_path)
    assert skipped == []
    assert [case.caption for case in cases] == list(CAPTIONS.values())
    assert (cases[0].modality, cases[0].licence) == ("XR", "CC BY-NC")
    assert len(contents(cases)) == 6


def test_parquet(tmp_path: Path) -> None:
    put_parquet(tmp_path)
    cases, skipped = read(tmp_path)
    assert skipped == []
    assert [case.id for case in cases] == ALL
    assert contents(cases) == [f"jpeg of {case_id}" for case_id in ALL]
    assert [case.caption for case in cases] == list(CAPTIONS.values())
    assert cases[1].image is not None
    assert cases[1].image.member == "image/1"
    assert cases[0].cuis == ("C0040405", "C1306645", "C0018787")
    assert [case.metadata for case in cases] == [
        {"split": split} for split in ("train", "validation", "test") for _ in range(2)
    ]
    assert open_corpus(CorpusSpec("rocov2", tmp_path, "rocov2")).count() == 6


def test_parquet_with_the_tables_of_zenodo_beside_it(tmp_path: Path) -> None:
    put_tables(tmp_path)
    for path in tmp_path.glob("*_captions.csv"):
        path.unlink()
    put_parquet(tmp_path)
    case = read(tmp_path)[0][0]
    assert (case.modality, case.licence, case.article) == ("XR", "CC BY-NC", "PMC8762516")
    assert contents([case]) == [f"jpeg of {FIRST}"]


def test_damaged_parquet_is_one_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    put_parquet(tmp_path)
    path = next((tmp_path / "data").glob("validation-*"))
    path.write_bytes(path.read_bytes()[:-9])
    no_pictures = pyarrow.table({"image_id": ["a", None], "caption": ["A cyst.", "N/A"]})
    pyarrow.parquet.write_table(no_pictures, tmp_path / "data" / "test-2.parquet")
    cases, skipped = read(tmp_path)
    assert [case.id for case in cases] == [*IDS["train"], *IDS["test"], "a"]
    assert told(skipped) == [
        (path.name, reasons.UNREADABLE, True, True),
        ("test-2.parquet", reasons.NO_IMAGE, False, False),
        ("test-2.parquet, row 2", reasons.NO_ID, False, False),
        ("test-2.parquet, row 2", reasons.PLACEHOLDER_CAPTION, True, False),
    ]


@pytest.mark.parametrize(
    "absent",
    BESIDE,
)
def test_any_table_may_be_absent(tmp_path: Path, absent: str) -> None:
    put_images(put_tables(tmp_path), "{}_images.zip")
    (tmp_path / absent).unlink()
    cases, skipped = read(tmp_path)
    assert skipped == []
    assert [case.id for case in cases] == ALL


def test_images_without_captions(tmp_path: Path) -> None:
    root = put_tables(tmp_path / "rocov2")
    put_images(root, "{}_images.zip")
    (root / "train_captions.csv").unlink()
    (root / "test_captions.csv").write_text(f"ID,Caption\n{IDS['test'][0]},A cyst.\n")
    (root / "train").mkdir()
    (root / "train" / "logo.png").write_text("none of its figures")
    cases, skipped = read(root)
    assert [(case.id, case.caption) for case in cases] == [
        (IDS["valid"][0], CAPTIONS[IDS["valid"][0]]),
        (IDS["valid"][1], CAPTIONS[IDS["valid"][1]]),
        (IDS["test"][0], "A cyst."),
        (IDS["test"][1], ""),
        (IDS["train"][0], ""),
        (IDS["train"][1], ""),
    ]
    assert told(skipped) == [
        ("rocov2/train_captions.csv", reasons.NO_CAPTIONS_FILE, False, False),
        (f"test_images.zip/test/{IDS['test'][1]}.jpg", reasons.EMPTY_CAPTION, False, False),
    ]
    case = next(case for case in cases if case.id == FIRST)
    assert (case.modality, case.metadata["split"], case.year) == ("XR", "train", 2022)
    for path in root.glob("*.csv"):
        path.unlink()
    assert {case.id for case in read(root)[0]} == set(ALL)


def test_missing_images(tmp_path: Path) -> None:
    root = put_tables(tmp_path / "rocov2")
    cases, skipped = read(root)
    assert [case.id for case in cases] == ALL
    assert told(skipped) == [
        ("rocov2/train_images.zip", reasons.NO_IMAGES_FOLDER, False, False),
    ]
    put_images(root, "{}_images")
    for path in (root / "valid_images").iterdir():
        path.unlink()
    (root / "test_images" / f"{IDS['test'][1]}.jpg").unlink()
    cases, skipped = read(root)
    assert [case.id for case in cases] == ALL
    assert told(skipped) == [
        ("rocov2/valid_images.zip", reasons.NO_IMAGES_FOLDER, False, False),
        (f"test_captions.csv:4 ({IDS['test'][1]})", reasons.MISSING_IMAGE, False, False),
    ]


@pytest.mark.parametrize(
    ("cui", "field", "value"),
    [
        ("C0002978", "modality", "XA"),
        ("C0040405", "modality", "CT"),
        ("C0024485", "modality", "MR"),
        ("C0032743", "modality", "PET"),
        ("C0041618", "modality", "US"),
        ("C1306645", "modality", "XR"),
        ("C0920367", "modality", "OCT"),
        ("C1140618", "region", "upper limb"),
        ("C0037949", "region", "spine"),
        ("C0030797", "region", "pelvis"),
        ("C0023216", "region", "lower limb"),
        ("C0037303", "region", "head"),
        ("C0817096", "region", "thorax"),
        ("C0006141", "region", "breast"),
        ("C0000726", "region", "abdomen"),
    ],
)
def test_every_concept_that_curators_give(tmp_path: Path, cui: str, field: str, value: str) -> None:
    """Those that ImageCLEF 2025 Caption scores as manual ones; the caption says nothing of them."""
    put_images(put_tables(tmp_path), "{}")
    (tmp_path / "train_captions.csv").write_text(f"ID,Caption\n{FIRST},A large lesion (arrow).\n")
    (tmp_path / "train_concepts.csv").unlink()
    (tmp_path / "train_concepts_manual.csv").write_text(f"ID,CUIs\n{FIRST},{cui}\n")
    case = describe(read(tmp_path)[0][0])
    assert getattr(case, field) == value
    assert case.origins[field] == f"umls:{cui}"


@pytest.mark.parametrize(
    ("name", "header", "missing"),
    [
        ("train_concepts.csv", "ID", "CUIs"),
        ("train_concepts_manual.csv", "ID", "CUIs"),
        ("cui_mapping.csv", "CUI", "Canonical name"),
        ("license_information.csv", "ID,PMCID", "Attribution"),
        ("license_information.csv", "ID,Attribution", "PMCID"),
    ],
)
def test_a_table_without_what_it_is_for_is_one_line(
    tmp_path: Path, name: str, header: str, missing: str
) -> None:
    put_images(put_tables(tmp_path), "{}")
    lines = [header, *(",".join([one] * len(header.split(","))) for one in IDS["train"])]
    (tmp_path / name).write_text("\n".join(lines))
    cases, skipped = read(tmp_path)
    assert [case.id for case in cases] == ALL
    assert told(skipped) == [(name, reasons.NO_COLUMN, False, False)]
    assert skipped[0].remedy == f"it needs a column {missing}"


def test_what_macos_puts_beside_the_images_is_none(tmp_path: Path) -> None:
    """Resource forks bear the images' names in ``__MACOSX``; others begin with a dot."""
    for case_id in IDS["train"]:
        with zipfile.ZipFile(tmp_path / "train_images.zip", "a") as made:
            made.writestr(f"__MACOSX/train/{case_id}.jpg", "fork")
            made.writestr(f"train/.hidden/{case_id}.jpg", "hidden")
            made.writestr(f"train/{case_id}.jpg", f"jpeg of {case_id}.jpg")
    for _ in ("without captions", "with them"):
        cases, _skipped = read(tmp_path)
        assert [case.id for case in cases[:2]] == IDS["train"]
        assert contents(cases) == [f"jpeg of {case_id}.jpg" for case_id in IDS["train"]]
        put_tables(tmp_path)


def test_a_zip_of_too_many_folders_says_so(tmp_path: Path) -> None:
    put_tables(tmp_path)
    with zipfile.ZipFile(tmp_path / "train_images.zip", "w") as made:
        for number in range(zips.MOST_FOLDERS - 1):
            made.writestr(f"{number}/other.png", "")
        for case_id in IDS["train"]:
            made.writestr(f"{case_id}/{case_id}.jpg", f"jpeg of {case_id}.jpg")
    for split in ("valid", "test"):
        (tmp_path / f"{split}_captions.csv").unlink()
    cases, skipped = read(tmp_path)
    assert contents(cases) == [f"jpeg of {IDS['train'][0]}.jpg"]
    assert [str(one) for one in skipped] == [
        "train_images.zip: too many folders to look into all of them (unzip it and give the folder)"
    ]
    assert skipped[0].incomplete


def test_images_behind_many_other_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for number in range(3000):
        (tmp_path / "train" / f"{number}.txt").touch()
    put_images(put_tables(tmp_path), "{}")
    cases, skipped = read(tmp_path)
    assert skipped == []
    assert len(contents(cases)) == len(ALL)


def test_folders_beyond_those_looked_into_are_told(tmp_path: Path) -> None:
    put_images(put_tables(tmp_path), "0/{}")
    for number in range(shelves.MOST_BELOW):
        (tmp_path / f"x{number}").mkdir()
    cases, skipped = read(tmp_path)
    assert len(contents(cases)) == len(ALL)
    assert told(skipped) == [(".", reasons.MANY_FOLDERS, False, True)]


def test_one_part_of_a_split_zip_is_called_so(tmp_path: Path) -> None:
    put_images(put_tables(tmp_path), "{}_images.zip")
    path = tmp_path / "train_images.zip"
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, data.index(b"PK\5\6") + 4, 2, 2)
    path.write_bytes(data)
    _, skipped = read(tmp_path)
    assert [str(one) for one in skipped] == [
        "train_images.zip: one part of a split zip (unzip it and give the folder)"
    ]
    assert skipped[0].incomplete


def test_a_zip_cut_short_is_one_line_and_captions_go_on(tmp_path: Path) -> None:
    put_images(put_tables(tmp_path), "{}_images.zip")
    path = tmp_path / "train_images.zip"
    path.write_bytes(path.read_bytes()[:-40])
    cases, skipped = read(tmp_path)
    assert [case.id for case in cases] == ALL
    assert told(skipped) == [("train_images.zip", reasons.UNREADABLE, True, True)]
    assert skipped[0].remedy == "download or copy it again"
    assert len(contents(cases)) == 4


def test_a_damaged_zip_hides_nothing_of_other_splits(tmp_path: Path) -> None:
    put_images(put_tables(tmp_path), "{}_images.zip")
    path = tmp_path / "train_images.zip"
    path.write_bytes(path.read_bytes()[:-40])
    (tmp_path / "test_images.zip").unlink()
    with (tmp_path / "valid_captions.csv").open("a") as table:
        table.write("ROCOv2_2023_valid_000099,A nodule.\n")
    _, skipped = read(tmp_path)
    assert {(one.what.partition(":")[0], one.reason) for one in skipped} == {
        ("train_images.zip", reasons.UNREADABLE),
        (f"{tmp_path.name}/test_images.zip", reasons.NO_IMAGES_FOLDER),
        ("valid_captions.csv", reasons.MISSING_IMAGE),
    }


@pytest.mark.parametrize(
    ("name", "incomplete"),
    [
        ("train_captions.csv", True),
        ("train_concepts.csv", False),
        ("cui_mapping.csv", False),
        ("license_information.csv", False),
    ],
)
@pytest.mark.parametrize("content", ["", "\ufeff\r\n"])
def test_an_empty_table_is_told(tmp_path: Path, name: str, incomplete: bool, content: str) -> None:
    """Nothing is left of a download that broke off; what it would have held must not be pruned."""
    put_images(put_tables(tmp_path), "{}_images.zip")
    (tmp_path / name).write_text(content)
    _, skipped = read(tmp_path)
    (said,) = [one for one in skipped if one.what == name]
    assert (said.reason, said.dropped, said.incomplete) == (reasons.EMPTY_FILE, False, incomplete)


def test_every_failure_is_one_line(tmp_path: Path) -> None:
    put_images(put_tables(tmp_path), "{}")
    one, two = IDS["train"]
    lines = [
        b"\xef\xbb\xbfID,Caption",
        f"{one},Latin \xe9".encode("cp1252"),
        f"{two},Figure 1.".encode(),
        f"{two},Again.".encode(),
        b"too,many,fields",
        b",An id is missing.",
        b"ROCOv2_2023_train_000009,",
        b'"ROCOv2_2023_train_000010,A quote left open',
    ]
    (tmp_path / "train_captions.csv").write_bytes(b"\r\n".join(lines))
    (tmp_path / "train_concepts.csv").write_text(f"ID,CUIs\n{one},C0040405\n{one},C1306645\nbad\n")
    (tmp_path / "cui_mapping.csv").write_text("Code,Name\nC0040405,CT\n")
    cases, skipped = read(tmp_path)
    assert [(case.id, case.caption) for case in cases[:2]] == [(one, "Latin é"), (two, "")]
    assert [case.id for case in cases] == ALL
    name = "train_captions.csv"
    lost = "ROCOv2_2023_train_000009"
    assert told(skipped) == [
        (f"train_concepts.csv:3 ({one})", reasons.DUPLICATE_ID, False, False),
        ("train_concepts.csv:4", reasons.BAD_ROW, False, False),
        ("cui_mapping.csv", reasons.NO_ID, False, False),
        (f"{name}:2", reasons.NOT_UTF8, False, False),
        (f"{name}:3 ({two})", reasons.PLACEHOLDER_CAPTION, False, False),
        (f"{name}:4 ({two})", reasons.DUPLICATE_ID, True, False),
        (f"{name}:5", reasons.BAD_ROW, True, False),
        (f"{name}:6", reasons.NO_ID, True, False),
        (f"{name}:7 ({lost})", reasons.EMPTY_CAPTION, False, False),
        (f"{name}:7 ({lost})", reasons.MISSING_IMAGE, True, False),
        (f"{name}:8", reasons.BAD_ROW, True, True),
    ]


def test_captions_without_their_columns_are_one_line(tmp_path: Path) -> None:
    put_images(put_tables(tmp_path), "{}")
    (tmp_path / "train_captions.csv").write_text("a,b\n1,2\n3,4\n")
    cases, skipped = read(tmp_path)
    assert len(cases) == 6
    assert told(skipped)[0] == ("train_captions.csv", reasons.NO_ID, True, True)
    assert skipped[0].remedy == "it needs a column ID"


def test_no_rocov2(tmp_path: Path) -> None:
    (tmp_path / "other.png").write_text("some picture")
    with pytest.raises(CorpusError, match=r"no ROCOv2 in it; looked for train_captions\.csv"):
        read(tmp_path)
    (tmp_path / "train_images.zip").write_bytes(b"PK")
    with pytest.raises(CorpusError, match=r"\(train_images\.zip: file damaged .*download"):
        read(tmp_path)
    with pytest.raises(CorpusError, match="no such folder"):
        read(tmp_path / "gone")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.sampled_from([*BESIDE, "train_captions.csv", "train_images.zip"]),
        st.tuples(st.floats(0, 1), st.binary(max_size=12), st.booleans()),
    )
)
def test_damage_in_one_split_leaves_the_others(
    tmp_path: Path, damage: Mapping[str, tuple[float, bytes, bool]]
) -> None:
    for path in tmp_path.iterdir():
        path.unlink()
    put_images(put_tables(tmp_path), "{}_images.zip")
    for name, (where, noise, cut) in damage.items():
        data = (tmp_path / name).read_bytes()
        at = int(where * len(data))
        rest = b"" if cut else data[at + len(noise) :]
        (tmp_path / name).write_bytes(data[:at] + noise + rest)
    cases, _ = read(tmp_path)
    ids = [case.id for case in cases]
    assert len(set(ids)) == len(ids)
    assert set(ids) >= {*IDS["valid"], *IDS["test"]}
    others = [case for case in cases if case.metadata.get("split") in ("validation", "test")]
    assert {f"jpeg of {one}.jpg" for one in (*IDS["valid"], *IDS["test"])} <= set(contents(others))
