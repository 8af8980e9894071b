"""Tables of every kind become cases, and what does not is named."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.corpora import Skipped, open_corpus, parse_corpora, reasons
from medclip_search.describe import describe
from medclip_search.errors import CorpusError


def read(
    path: Path, columns: str = "", images: Path | None = None
) -> tuple[list[Case], list[Skipped]]:
    (spec,) = parse_corpora(
        [f"table={path}"], [columns] if columns else [], [str(images)] if images else []
    )
    items = list(open_corpus(spec))
    assert all("\n" not in str(item) for item in items if isinstance(item, Skipped))
    return (
        [item for item in items if isinstance(item, Case)],
        [item for item in items if isinstance(item, Skipped)],
    )


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")


def test_obvious_columns_need_no_options(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("id,file,caption,sex,age\nx1,a.png,A mass.,f,\n")
    (case,), skipped = read(tmp_path / "t.csv")
    assert case.id == "x1"
    assert case.corpus == "table"
    assert case.caption == "A mass."
    assert case.image is not None
    assert case.image.path == tmp_path / "a.png"
    assert case.metadata == {"sex": "f"}
    assert skipped == []


def test_columns_reach_into_nested_json(tmp_path: Path) -> None:
    touch(tmp_path / "img" / "P1.jpg")
    row = {
        "U": 7,
        "file": "P1",
        "Description": {"The Caption": "CT of the chest.", "Plane": "Axial", "Codes": ["8", "9"]},
        "empty": None,
        "deep": {"list": [{"a": 1}], "ok": True},
    }
    (tmp_path / "t.jsonl").write_text(json.dumps(row))
    (case,), skipped = read(
        tmp_path / "t.jsonl", "image=file,caption=Description.The Caption,id=U", tmp_path / "img"
    )
    assert case.id == "7"
    assert case.caption == "CT of the chest."
    assert case.metadata == {
        "Description.Plane": "Axial",
        "Description.Codes": "8; 9",
        "deep.ok": True,
    }
    assert skipped == []


def test_images_by_name_with_and_without_suffix(tmp_path: Path) -> None:
    images = tmp_path / "images"
    touch(
        images / "a.jpg",
        images / "sub" / "b.PNG",
        images / "sub" / "c.v2.tif",
        images / "d.png",
        images / "d.dcm",
        images / "p" / "e.png",
        images / "q" / "e.png",
        images / "1.2.840.5",
        tmp_path / "beside.gif",
        images / "notes" / "g.txt",
    )
    wanted = {
        "a": images / "a.jpg",
        "a.jpg": images / "a.jpg",
        "./a.jpg": images / "a.jpg",
        "b": images / "sub" / "b.PNG",
        "b.PNG": images / "sub" / "b.PNG",
        "sub/b": images / "sub" / "b.PNG",
        "sub\\b.PNG": images / "sub" / "b.PNG",
        "c.v2": images / "sub" / "c.v2.tif",
        "1.2.840.5": images / "1.2.840.5",
        "beside.gif": tmp_path / "beside.gif",
        str(images / "a.jpg"): images / "a.jpg",
    }
    lost = {
        "d": reasons.AMBIGUOUS_IMAGE,
        "e": reasons.AMBIGUOUS_IMAGE,
        "e.png": reasons.AMBIGUOUS_IMAGE,
        "f.jpg": reasons.MISSING_IMAGE,
        "a.png": reasons.MISSING_IMAGE,
        "g": reasons.MISSING_IMAGE,
        "x/a.jpg": reasons.MISSING_IMAGE,
        "https://example.org/a.jpg": reasons.MISSING_IMAGE,
        "n\0ul": reasons.MISSING_IMAGE,
        "x" * 5000: reasons.MISSING_IMAGE,
    }
    rows = [
        {"n": f"n{i}", "image": name, "text": "A mass"} for i, name in enumerate([*wanted, *lost])
    ]
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    cases, skipped = read(path, "image=image,caption=text,id=n", images)
    found = [case.image.path if case.image else None for case in cases]
    assert found == [*wanted.values(), *[None] * len(lost)]
    assert [item.reason for item in skipped] == list(lost.values())
    assert not any(item.dropped for item in skipped)
    assert skipped[0].what == f"t.jsonl:{len(wanted) + 1}"


def test_without_an_images_folder_subfolders_are_looked_through(tmp_path: Path) -> None:
    touch(tmp_path / "images" / "a.jpg", tmp_path / ".cache" / "a.jpg")
    (tmp_path / "t.csv").write_text("image,caption\na,A mass\n")
    (case,), _ = read(tmp_path / "t.csv")
    assert case.image is not None
    assert case.image.path == tmp_path / "images" / "a.jpg"
    assert case.id == "a"


def test_every_failure_is_one_line(tmp_path: Path) -> None:
    touch(*(tmp_path / f"{n}.png" for n in range(1, 9)))
    (tmp_path / "t.csv").write_bytes(
        b"id,image,caption\n"
        b"1,1.png,A mass\n"
        b"1,2.png,The same id\n"
        b"3,missing.png,No image\n"
        b"4,4.png,\n"
        b"5,5.png,[caption not available]\n"
        b"6,6.png,Gr\xf6\xdfe\n"
        b"7,missing.png,N/A\n"
        b"8,,\n"
        b",7.png,No id\n"
        b'9,"open,x\n'
        b"10,,Words alone\n"
    )
    cases, skipped = read(tmp_path / "t.csv", "image=image,caption=caption,id=id")
    assert [case.id for case in cases] == ["1", "3", "4", "5", "6", "7", "10"]
    assert [(item.what, item.reason, item.dropped) for item in skipped] == [
        ("t.csv:3 (1)", reasons.DUPLICATE_ID, True),
        ("t.csv:4", reasons.MISSING_IMAGE, False),
        ("t.csv:5", reasons.EMPTY_CAPTION, False),
        ("t.csv:6", reasons.PLACEHOLDER_CAPTION, False),
        ("t.csv:7", reasons.NOT_UTF8, False),
        ("t.csv:8", reasons.MISSING_IMAGE, False),
        ("t.csv:8", reasons.PLACEHOLDER_CAPTION, True),
        ("t.csv:9", reasons.NO_IMAGE, False),
        ("t.csv:9", reasons.EMPTY_CAPTION, True),
        ("t.csv:10", reasons.NO_ID, False),
        ("t.csv:11", reasons.BAD_ROW, True),
        ("t.csv:12", reasons.NO_IMAGE, False),
    ]
    assert cases[4].caption == "Größe"
    assert cases[5].caption == "No id"


def test_a_later_usable_row_takes_the_id_of_an_unusable_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,caption\n1,N/A\n1,A mass\n")
    (case,), skipped = read(tmp_path / "t.csv")
    assert case.caption == "A mass"
    assert [item.dropped for item in skipped] == [True]


def test_ids_are_made_and_stay(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "x.png", tmp_path / "b" / "x.png")
    rows = [
        {"image": "a/x.png", "caption": "one"},
        {"image": "./b/x.png", "caption": "two"},
        {"image": "a/x.png", "caption": "three"},
        {"caption": "four"},
        {"image": str(tmp_path / "a" / "x.png"), "caption": "five"},
    ]
    path = tmp_path / "figures.v1.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    cases, skipped = read(path)
    assert [case.id for case in cases] == ["a/x", "b/x", "figures-4", "x"]
    assert skipped[0].reason == reasons.DUPLICATE_ID
    assert "give an id column" in skipped[0].remedy
    assert [case.id for case in read(path)[0]] == [case.id for case in cases]


def test_of_several_images_the_first(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "b.png")
    (tmp_path / "t.jsonl").write_text('{"image": ["a.png", "b.png"], "caption": "x-ray"}')
    (case,), skipped = read(tmp_path / "t.jsonl")
    assert case.image is not None
    assert case.image.path.name == "a.png"
    assert [item.reason for item in skipped] == [reasons.SEVERAL_IMAGES]


def test_further_fields(tmp_path: Path) -> None:
    row = {
        "t": "A lesion",
        "pmc": 3970251,
        "lic": "https://creativecommons.org/licenses/by-nc/4.0/",
        "date": "2014-03-12",
        "kind": "MR - T2 weighted",
        "part": "Left knee joint",
        "words": "tear; meniscus",
        "concepts": "C0040405, C0022742",
    }
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(row))
    columns = (
        "caption=t,article=pmc,licence=lic,year=date,modality=kind,region=part,"
        "keywords=words,cuis=concepts"
    )
    case = describe(read(path, columns)[0][0])
    assert case.article == "PMC3970251"
    assert case.article_link == "https://pmc.ncbi.nlm.nih.gov/articles/PMC3970251/"
    assert (case.licence, case.licence_class) == ("CC BY-NC 4.0", "noncommercial")
    assert case.year == 2014
    assert (case.modality, case.region) == ("MR", "lower limb")
    assert case.keywords == ("tear", "meniscus")
    assert case.cuis == ("C0040405", "C0022742")
    assert case.metadata == {}
    assert case.origins["modality"] == "column:kind"
    path.write_text(json.dumps(row | {"kind": "Thermography", "part": "Wing"}))
    case = describe(read(path, columns)[0][0])
    assert (case.modality, case.region) == ("Thermography", "Wing")


@pytest.mark.parametrize(
    ("name", "text", "columns", "says"),
    [
        ("t.xlsx", "x", "", "not a table by its name"),
        ("t.csv", "", "", "no row"),
        ("t.csv", "id,caption\n", "", "no row"),
        ("t.jsonl", "not json\n", "", "no row"),
        ("t.json", '{\n "a": 1\n}', "", "no row"),
        ("t.csv", "a,b\n1,2\n", "", "no obvious column holds images or captions"),
        ("t.csv", "a,b\n1,2\n", "id=a", "no given column holds images or captions"),
        ("t.csv", "a,b\n1,2\n", "image=c", r"no column 'c' for image \(there are: a, b\)"),
        ("t.parquet", "PAR1 not", "", "no row"),
        ("t.csv.gz", "not gzip", "", "no row"),
    ],
)
def test_what_is_no_table(tmp_path: Path, name: str, text: str, columns: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CorpusError, match=says) as caught:
        read(tmp_path / name, columns)
    assert "\n" not in str(caught.value)


def test_missing_images_folder(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,caption\na,b\n")
    with pytest.raises(CorpusError, match="--images"):
        read(tmp_path / "t.csv", images=tmp_path / "nowhere")


@pytest.mark.parametrize("column", ["id=image,", ""])
def test_medpix(test_data: Path, column: str) -> None:
    """1,850 images, found without their suffix; 25 captions say nothing."""
    total: Counter[str] = Counter()
    for part, count in (("train", 1653), ("dev", 197)):
        path = test_data / "medpix" / f"descriptions_{part}.jsonl"
        cases, skipped = read(path, f"{column}image=image,caption=Description.Caption")
        assert len(cases) == count
        assert all(case.image and case.image.path.stem == case.id for case in cases)
        assert all(case.metadata["Type"] in ("CT", "MR") for case in cases)
        total.update(item.reason for item in skipped)
        total["captions"] += sum(bool(case.caption) for case in cases)
    assert total == {reasons.PLACEHOLDER_CAPTION: 25, "captions": 1825}


def test_medpix_by_patient_keeps_the_first_of_each(test_data: Path) -> None:
    path = test_data / "medpix" / "descriptions_dev.jsonl"
    cases, skipped = read(path, "image=image,caption=Description.Caption,id=U_id")
    assert len(cases) == 67
    repeated = [item for item in skipped if item.reason == reasons.DUPLICATE_ID]
    assert len(repeated) == 130
    assert "U_id" in repeated[0].remedy


def test_estimate_is_near(test_data: Path) -> None:
    path = test_data / "medpix" / "descriptions_train.jsonl"
    (spec,) = parse_corpora([f"table={path}"])
    count = open_corpus(spec).count()
    assert count is not None
    assert abs(count - 1653) < 200


cells = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | cells,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(cells, inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(["image", "caption", "id", "pmcid", "year", "licence", "keywords", "a.b"])


@settings(deadline=None)
@given(st.lists(st.dictionaries(NAMES | cells, values, max_size=5), min_size=1, max_size=6))
def test_every_row_of_any_table_is_a_case_or_a_report(rows: list[dict[str, object]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        refusal = ""
        try:
            cases, skipped = read(path, "caption=caption")
        except CorpusError as error:
            refusal = str(error)
    if refusal:
        assert all(row.get("caption") is None for row in rows)
        assert "\n" not in refusal
        return
    ids = [case.id for case in cases]
    assert len(ids) == len(set(ids))
    assert all(ids)
    assert len(cases) + sum(one.dropped for one in skipped) == len(rows)
    # Rows that an array of vectors stands beside are numbered as they lie.
    numbers = [case.row for case in cases]
    assert numbers == sorted({number for number in numbers if number is not None})
