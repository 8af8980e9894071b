"""A tray's files: exact in JSON, harmless in a spreadsheet, whole in a ZIP, ready for print."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.api import Library, build
from medclip_search.cases import Case
from medclip_search.errors import TrayFileError, TrayNotFoundError, UsageError
from medclip_search.exports.files import export_tray, file_name
from medclip_search.exports.importing import MOST_BYTES, import_tray
from medclip_search.exports.licences import sharing_sentence
from medclip_search.exports.tables import to_csv, to_json
from medclip_search.exports.tray import Kept, Tray, read_tray
from medclip_search.state import LOCAL_USER, State, TrayEntry
from tests.figures import draw_textured

LICENCES = {"a": "CC BY 4.0", "b": "CC BY-NC-SA", "c": "", "d": "CC0"}


def make_library(folder: Path, captions: dict[str, str]) -> Library:
    rows = ["id,image,caption,license,pmcid"]
    for name, caption in captions.items():
        draw_textured(ord(name[0])).save(folder / f"{name}.png")
        rows.append(f'{name},{name}.png,"{caption}",{LICENCES.get(name, "")},PMC77{ord(name[0])}')
    (folder / "cases.csv").write_text("\n".join(rows))
    build(folder / "lib", [f"table={folder / 'cases.csv'}"])
    return Library.open(folder / "lib")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def library(folder: Path) -> Iterator[Library]:
    """Four figures under four licences; the file of one, ``d``, is gone."""
    captions = {name: f"<b>CT</b> of the chest & case {name}" for name in LICENCES}
    with make_library(folder, captions) as opened:
        (folder / "d.png").unlink()
        yield opened


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def tray(state: State, library: Library) -> Tray:
    """Five cases, of which one is gone, in an order of their own, two with notes."""
    for case_id in ("d", "a", "gone", "c", "b"):
        state.add_to_tray(LOCAL_USER, library.id, case_id, "Lungs: day 1")
    state.note_in_tray(LOCAL_USER, library.id, "a", "=1+1 <i>\nsecond line")
    state.note_in_tray(LOCAL_USER, library.id, "gone", "was good")
    return read_tray(state, library)


def text_of(tray: Tray, form: str, library: Library) -> str:
    return b"".join(export_tray(tray, form, library)).decode()


def test_a_tray_is_read_in_order_with_those_that_are_gone(
    tray: Tray, state: State, library: Library
) -> None:
    assert [(one.id, one.case is None) for one in tray.kept] == [
        ("d", False),
        ("a", False),
        ("gone", True),
        ("c", False),
        ("b", False),
    ]
    assert tray.warnings() == [
        "1 figure is under no licence known to allow passing on: ask the owner first.",
        "1 figure is for non-commercial use only.",
        "1 figure is no longer in this library.",
    ]
    with pytest.raises(TrayNotFoundError, match="nobody"):
        read_tray(state, library, "nobody")


@pytest.mark.parametrize(
    ("licence", "kind", "says"),
    [
        (None, None, "No licence known: do not pass on without asking the owner"),
        ("CC", "other", "Licence CC: do not pass on without asking the owner"),
        ("CC0", "commercial", "May be passed on"),
        ("CC BY 4.0", "commercial", "May be passed on also commercially, naming authors"),
        ("CC BY-ND", "commercial", "naming authors and licence, unchanged"),
        ("CC BY-NC-SA", "noncommercial", "for non-commercial use only, naming authors and"),
    ],
)
def test_a_licence_is_told_on_the_careful_side(
    licence: str | None, kind: str | None, says: str
) -> None:
    assert says in sharing_sentence(Case("1", licence=licence, licence_class=kind))


def test_the_zip_has_every_figure_that_is_there(tray: Tray, library: Library, folder: Path) -> None:
    content = b"".join(export_tray(tray, "zip", library))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        figures = [name for name in archive.namelist() if name.startswith("figures/")]
        assert figures == [
            "figures/001-d-thumbnail.png",
            "figures/002-a.png",
            "figures/004-c.png",
            "figures/005-b.png",
        ]
        with Image.open(archive.open("figures/002-a.png")) as kept:
            with Image.open(folder / "a.png") as own:
                same = ImageChops.difference(kept.convert("RGB"), own.convert("RGB"))
            assert same.getbbox() is None
        text = {
            name: archive.read(name).decode("utf-8-sig")
            for name in archive.namelist()
            if name not in figures
        }
    assert text.keys() == {
        *("README.txt", "licences.txt", "captions.csv", "citations.bib", "tray.json")
    }
    for name, content_of in text.items():
        assert NOT_FOR_DIAGNOSIS in content_of, name
    assert "1 figure is under no licence known" in text["README.txt"]
    assert "004 c\n    No licence known: do not pass on" in text["licences.txt"]
    rows = list(csv.DictReader(io.StringIO(text["captions.csv"], newline="")))
    assert [row["picture"] for row in rows] == [*figures[:2], "", *figures[2:]]
    assert json.loads(text["tray.json"]) == json.loads(text_of(tray, "json", library))


class Reader(HTMLParser):
    """The tags, the texts and the sources of pictures of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.alts: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.sources += [found[name] or "" for name in ("src", "href") if name in found]
        self.alts += [found["alt"] or ""] if "alt" in found else []

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_shows_texts_as_texts(tray: Tray, library: Library) -> None:
    page = Reader(text_of(tray, "html", library))
    assert page.tags.count("img") == 4
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert not {"script", "link", "iframe", "b", "i"} & set(page.tags)
    assert "<b>CT</b> of the chest & case a" in page.text
    assert "=1+1 <i>\nsecond line" in page.text
    assert "PMCID: PMC7797." in page.text
    assert "No licence known: do not pass on without asking the owner" in page.text
    assert "Full-size file gone: a thumbnail" in page.text
    assert "gone: no longer in this library" in page.text
    assert NOT_FOR_DIAGNOSIS in page.text


def test_a_quiz_tells_nothing_before_its_answers(tray: Tray, library: Library) -> None:
    whole = text_of(tray, "quiz", library)
    question, answers = whole.split('<div class="answers">')
    asked = Reader(question)
    assert asked.tags.count("img") == 4
    assert asked.alts == ["Figure 1", "Figure 2", "Figure 4", "Figure 5"]
    for word in ("CT", "PMC", "second line", "case a"):
        assert word not in asked.text
    assert "<b>CT</b> of the chest & case a" in Reader(answers).text


def test_an_unknown_form_is_named(tray: Tray, library: Library) -> None:
    with pytest.raises(UsageError, match="word: no such form"):
        export_tray(tray, "word", library)
    assert file_name(replace(tray, name="中文/.."), "quiz") == "medclip-tray-quiz.html"


def test_json_brings_the_tray_back_into_a_fresh_state(
    tray: Tray, library: Library, tmp_path: Path
) -> None:
    exported = text_of(tray, "json", library)
    with State.open(tmp_path / "fresh") as fresh:
        made = import_tray(fresh, library, exported.encode("utf-8-sig"))
        assert made.name == tray.name
        assert made.notes == ("1 case is not in this library, and kept as gone: gone",)
        assert read_tray(fresh, library, made.name) == tray
        again = import_tray(fresh, library, exported)
        assert again.name == "Lungs: day 1 (2)"
        assert read_tray(fresh, library, again.name).kept == tray.kept
        import_tray(fresh, library, exported, again.name, replace=True)
        assert fresh.trays(LOCAL_USER, library.id) == {"Lungs: day 1": 5, "Lungs: day 1 (2)": 5}


def test_a_zip_brings_the_tray_back_too(tray: Tray, library: Library, tmp_path: Path) -> None:
    exported = b"".join(export_tray(tray, "zip", library))
    with State.open(tmp_path / "fresh") as fresh:
        made = import_tray(fresh, library, exported)
        assert read_tray(fresh, library, made.name) == tray
        other = io.BytesIO()
        with zipfile.ZipFile(other, "w") as archive:
            archive.writestr("captions.csv", "id")
        large = io.BytesIO()
        with zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("tray.json", b" " * (MOST_BYTES + 1))
        for content, reason in (
            (exported[:-40], "damaged"),
            (exported.replace(b"tray.json", b"tray.jsin"), "without a tray.json"),
            (other.getvalue(), "without a tray.json"),
            (large.getvalue(), "larger than 16 MB"),
        ):
            with pytest.raises(TrayFileError, match=reason):
                import_tray(fresh, library, content)
        assert list(fresh.trays(LOCAL_USER, library.id)) == [tray.name]


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"id": "\ud800"}, "case 2 has no id"),
        ({"id": "b", "note": "x" * 2001}, "case 2: a note has at most"),
    ],
)
def test_what_is_wrong_with_a_file_names_the_case(
    library: Library, tmp_path: Path, case: dict[str, str], reason: str
) -> None:
    with State.open(tmp_path / "fresh") as fresh, pytest.raises(TrayFileError, match=reason):
        import_tray(fresh, library, json.dumps({"cases": [{"id": "a"}, case]}))


def test_another_librarys_figure_of_the_same_id_is_left_out(
    tray: Tray, library: Library, tmp_path: Path
) -> None:
    own = "<b>CT</b> of the chest & case a"
    with (
        make_library(tmp_path, {"a": own, "b": "Another figure"}) as other,
        State.open(tmp_path / "fresh") as fresh,
    ):
        made = import_tray(fresh, other, text_of(tray, "json", library))
        assert [one.id for one in read_tray(fresh, other, made.name).kept] == [
            *("d", "a", "gone", "c")
        ]
        assert made.notes == (
            f"exported from another library ({library.id}); cases match by id",
            "1 case is another figure here, and left out: b",
            "3 cases are not in this library, and kept as gone: d, gone, c",
        )


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["cases", "id", "note", "added", "tray", "library", "format", "version"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(junk)
def test_whatever_is_imported_is_taken_or_refused_in_one_line(
    library: Library, whole: object
) -> None:
    with TemporaryDirectory() as folder, State.open(folder) as fresh:
        expected, refusal = {}, ""
        try:
            made = import_tray(fresh, library, json.dumps(whole))
            expected[made.name] = made.cases
        except (TrayFileError, UsageError) as error:
            refusal = str(error)
        assert "\n" not in refusal
        assert bool(expected) != bool(refusal)
        assert fresh.trays(LOCAL_USER, library.id) == expected


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).map(str.strip)
kepts = st.lists(st.tuples(st.sampled_from("abcdefgh"), texts), unique_by=lambda one: one[0])


@settings(max_examples=30, deadline=None)
@given(kepts, texts)
def test_order_notes_and_name_come_back(
    library: Library, cases: list[tuple[str, str]], name: str
) -> None:
    added = datetime(2026, 11, 27, tzinfo=UTC)
    entries = [TrayEntry(case_id, added, note) for case_id, note in cases]
    with TemporaryDirectory() as folder, State.open(folder) as fresh:
        try:
            called = fresh.put_tray(LOCAL_USER, library.id, name, entries)
        except UsageError:
            return  # not every text is a name
        exported = read_tray(fresh, library, called)
        fresh.delete_tray(LOCAL_USER, library.id, called)
        made = import_tray(fresh, library, to_json(exported))
        assert read_tray(fresh, library, made.name) == exported


captions = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(st.lists(st.tuples(captions, captions), max_size=4))
def test_csv_has_one_row_a_case_and_no_formulas(some: list[tuple[str, str]]) -> None:
    kept = [Kept(str(n), Case(str(n), caption=text), note) for n, (text, note) in enumerate(some)]
    content = to_csv(Tray("T", "lib", tuple(kept)))
    assert content.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff"), newline="")))
    assert len(rows) == len(some)
    for row, (text, note) in zip(rows, some, strict=True):
        assert row["notice"] == NOT_FOR_DIAGNOSIS
        assert row["caption"] in (text, f"'{text}")
        assert row["note"] in (note, f"'{note}")
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_formula_in_a_caption_is_text() -> None:
    case = Case("1", caption='=HYPERLINK("http://evil.example")')
    content = to_csv(Tray("T", "lib", (Kept("1", case),)))
    (row,) = csv.DictReader(io.StringIO(content.removeprefix("\ufeff")))
    assert row["caption"] == '\'=HYPERLINK("http://evil.example")'
