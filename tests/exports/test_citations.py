"""Citations: what is known and no more, read back by the programs that others read them with."""

from __future__ import annotations

import pytest
import rispy
from bibtexparser.entrypoint import parse_string
from hypothesis import given
from hypothesis import strategies as st
from pylatexenc.latex2text import LatexNodes2Text

from medclip_search import NOT_FOR_DIAGNOSIS
from medclip_search.cases import Case, Value
from medclip_search.exports import cite, references
from medclip_search.exports.citations import authors, line

FIGURE = Case(
    "ROCO_00020",
    "roco",
    "Axial CT",
    article="PMC3970251",
    licence="CC BY",
    licence_class="commercial",
    metadata={"figure": "CRIONM2014-931546.003.jpg"},
)
SIBLING = Case("ROCO_00021", "roco", "Axial CT", article="PMC3970251", licence="CC BY-NC")
PAPER = Case(
    "own/é {1}",
    "table",
    "MRI",
    year=2015,
    metadata={
        "Article.Title": "A & B: 50 % of {x}, α_1",
        "AUTHORS": "Müñoz JA, Doe B and van der Berg C",
        "journal": "J. Röntgen",
        "DOI": "https://doi.org/10.1000/ab_c(1)",
        "volume": 12.0,
        "pages": "3–9",
        "pmid": 24716024.0,
    },
)
BARE = Case("CT_small", "sample", "CT")


def bib(cases: list[Case], notes: dict[str, str] | None = None) -> dict[str, dict[str, str]]:
    """The entries that an independent parser finds, by key; none may fail."""
    library = parse_string(cite(cases, "bibtex", notes))
    assert library.failed_blocks == []
    return {one.key: {f.key: f.value for f in one.fields} for one in library.entries}


def plain(latex: str) -> str:
    # LaTeX has these two commands, the converter does not.
    known = latex.replace(r"{\textbraceleft}", r"\{").replace(r"{\textbraceright}", r"\}")
    return str(LatexNodes2Text().latex_to_text(known))


def test_an_article_known_by_its_id_alone_gets_no_title_and_no_authors() -> None:
    assert cite([FIGURE]) == (
        "PMCID: PMC3970251. https://pmc.ncbi.nlm.nih.gov/articles/PMC3970251/ "
        "Figure CRIONM2014-931546.003.jpg (ROCO_00020, roco). Licence: CC BY.\n"
    )
    (entry,) = bib([FIGURE]).values()
    assert entry.keys() == {"title", "pmcid", "url", "note"}
    assert entry["title"] == "{[Article PMC3970251]}"
    (record,) = rispy.loads(cite([FIGURE], "ris"))
    assert record["type_of_reference"] == "JOUR"
    assert record["title"] == "[Article PMC3970251]"
    assert record["custom2"] == "PMC3970251"
    assert record["urls"] == ["https://pmc.ncbi.nlm.nih.gov/articles/PMC3970251/"]
    assert "authors" not in record


def test_columns_tell_the_article_whatever_the_case_of_their_names() -> None:
    assert cite([PAPER]) == (
        "Müñoz JA, Doe B, van der Berg C. A & B: 50 % of {x}, α_1. J. Röntgen. 2015;12:3–9. "
        "doi:10.1000/ab_c(1). Figure own/é {1} (table). Licence: not known.\n"
    )
    (entry,) = bib([PAPER]).values()
    assert entry["author"] == r"M{\"u}{\~n}oz, JA and Doe, B and van der Berg, C"
    assert plain(entry["title"]) == "A & B: 50 % of {x}, α_1"
    assert (entry["doi"], entry["pages"], entry["volume"]) == ("10.1000/ab_c(1)", "3--9", "12")
    (record,) = rispy.loads(cite([PAPER], "ris"))
    assert record["authors"] == ["Müñoz, JA", "Doe, B", "van der Berg, C"]
    assert record["secondary_title"] == "J. Röntgen"
    assert (record["start_page"], record["end_page"]) == ("3", "9")
    assert (record["doi"], record["accession_number"]) == ("10.1000/ab_c(1)", "24716024")


def test_figures_of_one_article_are_one_reference_each_with_its_licence() -> None:
    works = references([FIGURE, BARE, SIBLING])
    assert [[figure.id for figure in work.figures] for work in works] == [
        ["ROCO_00020", "ROCO_00021"],
        ["CT_small"],
    ]
    (article, _) = rispy.loads(cite([FIGURE, BARE, SIBLING], "ris"))
    assert article["notes"] == [
        "Figure CRIONM2014-931546.003.jpg (ROCO_00020, roco). Licence: CC BY.",
        "Figure ROCO_00021 (roco). Licence: CC BY-NC.",
        NOT_FOR_DIAGNOSIS,
    ]


def test_the_attribution_that_rocov2_asks_for_is_told_whole() -> None:
    case = Case("1", licence="CC BY", metadata={"attribution": "CC BY [Muacevic et al. (2020)]"})
    assert cite([case]) == "Figure 1. Licence: CC BY [Muacevic et al. (2020)].\n"


def test_a_citation_in_a_column_stands_for_parts_that_nobody_told() -> None:
    case = Case("1", article="PMC1", metadata={"Article Citation": "Breast Cancer Res. 2001; 3:55"})
    assert cite([case]).startswith("Breast Cancer Res. 2001; 3:55. PMCID: PMC1. https://")


def test_notes_go_along() -> None:
    notes = {FIGURE.id: "show {first} & compare"}
    (entry,) = bib([FIGURE], notes).values()
    assert plain(entry["annote"]) == "show {first} & compare"
    (record,) = rispy.loads(cite([FIGURE], "ris", notes))
    assert record["notes"][0].endswith("Licence: CC BY. show {first} & compare")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Smith, John A; van der Berg, C", ("Smith, John A", "van der Berg, C")),
        ("Smith JA, Doe B", ("Smith, JA", "Doe, B")),
        ("Smith J.A., Doe B.", ("Smith, J.A.", "Doe, B.")),
        ("John Smith, Jane Doe", ("John Smith", "Jane Doe")),
        ("Smith, John and Doe, Jane", ("Smith, John", "Doe, Jane")),
        ("Smith JA, Doe B, and Roe C", ("Smith, JA", "Doe, B", "Roe, C")),
        ("Smith, J., Doe, A.", ("Smith, J., Doe, A.",)),  # nobody can tell: left whole
        ("WHO", ("WHO",)),
        ("", ()),
    ],
)
def test_authors_are_parted_where_that_is_sure(text: str, names: tuple[str, ...]) -> None:
    assert authors(text) == names


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "{",
        "}",
        "\\",
        "@article{x,",
        "% ",
        '"',
        "a\r\nER  - \r\nTY  - JOUR",
        "~^_#$&",
        "é",
        "10.1000/}",
    ]
)
known: st.SearchStrategy[dict[str, Value]] = st.dictionaries(
    st.sampled_from(["title", "authors", "journal", "doi", "pages", "figure", "citation"]), texts
)
cases = st.builds(
    Case,
    id=texts.map(lambda text: text or "x"),
    corpus=texts,
    article=st.sampled_from([None, "PMC1", "PMC22"]),
    licence=texts | st.none(),
    year=st.none() | st.integers(1800, 2100),
    metadata=known,
)


@given(st.lists(cases, max_size=4, unique_by=lambda case: case.id), texts)
def test_whatever_stands_in_them_other_programs_read_every_reference(
    some: list[Case], note: str
) -> None:
    works = references(some, {case.id: note for case in some})
    entries = bib(some, {case.id: note for case in some})
    assert list(entries) == [work.key for work in works]
    assert len({key.lower() for key in entries}) == len(entries)
    records = rispy.loads(cite(some, "ris", {case.id: note for case in some}))
    assert [record["id"] for record in records] == list(entries)
    for work, record, entry in zip(works, records, entries.values(), strict=True):
        assert record["title"] == work.named.strip()
        assert tuple(record.get("authors", ())) == work.authors
        assert len(record["notes"]) == len(work.figures) + 1
        assert entry["title"].isascii() or not line(work.named).isascii()
    assert len(cite(some).splitlines()) == len(works)
