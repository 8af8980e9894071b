"""Collections in SMART's form become cases under the numbers that their judgements name."""

from __future__ import annotations

import gzip
import math
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search import Library, Query, build
from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, Skipped, open_corpus, reasons
from medclip_search.corpora import trec as trec_module
from medclip_search.corpora.trec import TrecCorpus
from medclip_search.errors import CorpusError
from tests.corpora.reading import read_corpus

CISI = """.I 1
.T
18 Editions of the Dewey Decimal
Classifications
.A
Comaromi, J.P.
.A
Dewey, M.
.W
   The present study is a history of the DEWEY
Decimal Classification.
.X
1\t5\t1
92\t1\t1
.I 2
.T
Use Made of Technical Libraries
.A
Slater, M.
.B
(Lib. J. 25, 1958,
324.)
.W
This report is an analysis.
"""

OHSUMED = """.I 54711
.U
88000001
.S
Alcohol Alcohol 8801; 22(2):103-12
.M
Acetaldehyde/*ME; Heart Failure, Congestive/*DT; Male.
.T
The binding of acetaldehyde.
.P
JOURNAL ARTICLE.
.W
Ribonuclease A was reacted.
.A
Mauch TJ; Tuma DJ.
.Z
new
"""


def collection(folder: Path, data: str | bytes, name: str = "MED.ALL") -> Path:
    """A folder in the published layout, with these documents."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    (folder / "MED.QRY").write_text(".I 1\n.W\n the crystalline lens in vertebrates.\n")
    (folder / "MED.REL").write_text("1 0 13 1\n1 0 14 1\n")
    return folder


def read(folder: Path) -> tuple[list[Case], list[Skipped]]:
    return read_corpus("trec", folder)


def told(skipped: list[Skipped]) -> list[tuple[str, str, bool]]:
    return [(item.what, item.reason, item.dropped) for item in skipped]


def test_sections_become_captions_and_metadata(tmp_path: Path) -> None:
    (first, second), skipped = read(collection(tmp_path, CISI, "CISI.ALL"))
    assert skipped == []
    assert (first.id, first.corpus) == ("1", "trec")
    assert first.caption == (
        "18 Editions of the Dewey Decimal Classifications "
        "The present study is a history of the DEWEY Decimal Classification."
    )
    assert first.metadata == {
        "author": "Comaromi, J.P.; Dewey, M.",
        "cross references": "1 5 1; 92 1 1",
    }
    assert second.caption == "Use Made of Technical Libraries This report is an analysis."
    assert second.metadata == {
        "author": "Slater, M.",
        "bibliography": "(Lib. J. 25, 1958, 324.)",
    }


def test_medline_records_of_ohsumed(tmp_path: Path) -> None:
    (case,), skipped = read(collection(tmp_path, OHSUMED, "ohsumed.87"))
    assert skipped == []
    assert case.id == "54711"
    assert case.caption == "The binding of acetaldehyde. Ribonuclease A was reacted."
    assert case.keywords == ("Acetaldehyde/*ME", "Heart Failure, Congestive/*DT", "Male")
    assert case.metadata == {
        "medline": "88000001",
        "source": "Alcohol Alcohol 8801; 22(2):103-12",
        "publication type": "JOURNAL ARTICLE.",
        "author": "Mauch TJ; Tuma DJ.",
        "Z": "new",
    }


def test_short_documents_are_kept_since_they_may_be_judged(tmp_path: Path) -> None:
    texts = ["N/A", "Figure 1.", "x", "42", "pending"]
    data = "".join(f".I {i}\n.W\n{text}\n" for i, text in enumerate(texts))
    cases, skipped = read(collection(tmp_path, data))
    assert [case.caption for case in cases] == texts
    assert skipped == []


def test_what_is_wrong_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    data = (
        b"\xef\xbb\xbfCollection of 1965\r\nby somebody\r\n"
        b".I 1\r\n.W\r\nfirst\r\n"
        b".I\r\n.W\r\nwithout a number\r\n"
        b".I two words\r\n.W\r\nno number\r\n"
        b".I 3\r\n.T\r\n.W\r\n\r\n"
        b".I 1\r\n.W\r\nagain\r\n"
        b".I 4\r\n.W\r\nGr\xf6\xdfe\r\nna\xefve\r\nf\xc3\xb6tal\r\n"
        b".I 5\r\nno section\r\n"
    )
    cases, skipped = read(collection(tmp_path, data))
    assert [(case.id, case.caption) for case in cases] == [
        ("1", "first"),
        ("4", "Größe naïve fötal"),
        ("5", "no section"),
    ]
    assert told(skipped) == [
        ("MED.ALL:1", reasons.OUTSIDE_DOCUMENT, True),
        ("MED.ALL:6", reasons.NO_ID, True),
        ("MED.ALL:9", reasons.NO_ID, True),
        ("MED.ALL:12 (3)", reasons.EMPTY_CAPTION, True),
        ("MED.ALL:16 (1)", reasons.DUPLICATE_ID, True),
        ("MED.ALL:21", reasons.NOT_UTF8, False),
    ]


def test_blank_lines_are_nothing_to_tell_of(tmp_path: Path) -> None:
    cases, skipped = read(collection(tmp_path, "\n  \r\n.I 1\n\n.W\n\na\n\nb\n\n"))
    assert [(case.id, case.caption) for case in cases] == [("1", "a b")]
    assert skipped == []


def test_a_packed_file_cut_short_hides_cases(tmp_path: Path) -> None:
    # Hardly compressible, so that a cut file still holds whole documents.
    data = "".join(f".I {i}\n.W\n{i * 7919 % 104729} {i**5}\n" for i in range(1, 3000))
    packed = gzip.compress(data.encode())
    cases, skipped = read(collection(tmp_path, packed[: len(packed) // 2], "MED.ALL.gz"))
    assert len(cases) > 100
    assert [(item.reason, item.incomplete) for item in skipped] == [(reasons.UNREADABLE, True)]


def test_a_document_without_end_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trec_module, "MAX_LINE", 1000)
    text = "a line of text\n" * 100
    data = f".I 1\n.W\n{text}.I 2\n.W\nshort\n"
    cases, skipped = read(collection(tmp_path, data))
    assert [case.id for case in cases] == ["2"]
    assert told(skipped) == [("MED.ALL:1 (1)", reasons.LONG_DOCUMENT, True)]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(documents: int) -> int:
        folder = collection(
            tmp_path / str(documents),
            "".join(f".I {i}\n.W\n{'words of a text ' * 40}\n" for i in range(documents)),
        )
        corpus = open_corpus(CorpusSpec("trec", folder, "trec"))
        tracemalloc.start()
        try:
            assert sum(isinstance(item, Case) for item in corpus) == documents
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(8000) - peak(400) < 8000 * 300  # the ids alone; a document has 640 bytes


# ------------------------------------------------------------------------ which file is what


@pytest.mark.parametrize(
    ("documents", "queries", "judgements"),
    [
        ("MED.ALL", "MED.QRY", "MED.REL"),
        ("cran.all.1400", "cran.qry", "cranqrel"),
        ("cacm.all", "query.text", "qrels.text"),
        ("ohsumed.87", "query.ohsu.1-63", "qrels.ohsu.batch.87"),
        ("a.txt", "topics.txt", "relevance.txt"),
    ],
)
def test_files_are_told_apart(
    tmp_path: Path, documents: str, queries: str, judgements: str
) -> None:
    (tmp_path / documents).write_text(CISI)
    (tmp_path / queries).write_text(".I 1\n.W\nlens\n")
    (tmp_path / judgements).write_text("     1    28\t0\t0.000\n")
    (tmp_path / "cranqrel.readme").write_text("The file cranqrel holds judgements.\n")
    (tmp_path / "common_words").write_text("a\nthe\n")
    (tmp_path / "CISI.BLN").write_text("#q1= #and ('titles', 'articles');\n")
    corpus = open_corpus(CorpusSpec("trec", tmp_path, "trec"))
    assert isinstance(corpus, TrecCorpus)
    assert corpus.documents == tmp_path / documents
    assert corpus.queries == tmp_path / queries
    expected = None if judgements == "relevance.txt" else tmp_path / judgements
    assert corpus.judgements == expected


def test_of_several_files_the_one_called_all_holds_the_documents(tmp_path: Path) -> None:
    collection(tmp_path, CISI, "MED.ALL")
    (tmp_path / "part.1").write_text(CISI)
    corpus = open_corpus(CorpusSpec("trec", tmp_path, "trec"))
    assert isinstance(corpus, TrecCorpus)
    assert corpus.documents.name == "MED.ALL"


def test_folders_without_a_collection_say_what_was_looked_for(tmp_path: Path) -> None:
    def refusal(folder: Path) -> str:
        with pytest.raises(CorpusError) as error:
            open_corpus(CorpusSpec("trec", folder, "trec"))
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "no such folder" in refusal(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    assert "'.I NUMBER', as MED.ALL" in refusal(tmp_path / "empty")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "MED.ALL").write_text("nothing of the kind\n")
    assert "looked for a file of documents" in refusal(tmp_path / "notes")
    (collection(tmp_path / "queries", CISI) / "MED.ALL").unlink()
    assert "beside the queries MED.QRY" in refusal(tmp_path / "queries")
    (collection(tmp_path / "several", CISI, "a") / "b").write_text(CISI)
    assert "a, b could each be the documents" in refusal(tmp_path / "several")
    collection(tmp_path / "damaged", b"\x1f\x8b", "MED.ALL.gz")
    assert "MED.ALL.gz: file damaged or cut short); copy" in refusal(tmp_path / "damaged")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "MED.ALL").symlink_to("gone")
    assert "MED.ALL: link to nothing" in refusal(tmp_path / "linked")


# ------------------------------------------------------------------------------ properties

words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
texts = st.lists(words.filter(lambda word: not word.startswith(".")), min_size=1, max_size=6)
ends = st.sampled_from(["\n", "\r\n"])


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=6), st.data())
def test_documents_are_read_as_they_were_written(
    given_texts: list[list[str]], data: st.DataObject
) -> None:
    end = data.draw(ends)
    blank = data.draw(st.sampled_from(["", end, "  " + end]))
    title = data.draw(st.booleans())
    written = ""
    for number, one in enumerate(given_texts):
        head, rest = (one[:1], one[1:]) if title else ([], one)
        written += f".I {number}{end}"
        written += f".T{end}{' '.join(head)}{end}{blank}" if head else ""
        written += f".W  {end}" + end.join(rest) + end + blank
    with TemporaryDirectory() as folder:
        cases, skipped = read(collection(Path(folder), written))
    assert [(case.id, case.caption) for case in cases] == [
        (str(number), " ".join(one)) for number, one in enumerate(given_texts)
    ]
    assert skipped == []


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b".I ", b".W\n", b"\n.I 7\n", b".I\n"]))
def test_any_bytes_do_no_harm(data: bytes, mark: bytes) -> None:
    whole = b".I first\n.W\ntext\n" + data.replace(b"\0", mark) + b"\n.I last\n.W\ntext\n"
    with TemporaryDirectory() as folder:
        cases, _ = read(collection(Path(folder), whole))
    assert cases[0].id == "first"
    assert cases[-1].id == "last"
    assert len({case.id for case in cases}) == len(cases)


# -------------------------------------------------------------------------------- real data


def test_med_as_published(test_data: Path) -> None:
    corpus = open_corpus(CorpusSpec("trec", test_data / "med", "med"))
    items = list(corpus)
    cases = [item for item in items if isinstance(item, Case)]
    assert [case.id for case in cases] == [str(number) for number in range(1, 1034)]
    assert len(items) == 1033  # no report
    assert corpus.count() == pytest.approx(1033, rel=0.15)
    assert cases[0].caption.startswith(
        "correlation between maternal and fetal plasma levels of glucose and free fatty acids ."
    )


def test_a_library_of_med_answers_as_well_as_its_text_index(
    tmp_path: Path, test_data: Path
) -> None:
    folder = test_data / "med"
    build(tmp_path / "library", [f"trec:med={folder}"])
    relevant: dict[str, set[str]] = {}
    for line in (folder / "MED.REL").read_text().splitlines():
        query, _, document, _ = line.split()
        relevant.setdefault(query, set()).add(document)
    corpus = open_corpus(CorpusSpec("trec", folder, "med"))
    assert isinstance(corpus, TrecCorpus)
    assert corpus.queries is not None
    gains, precisions = [], []
    with Library.open(tmp_path / "library") as library:
        for entry in trec_module.read_documents(corpus.queries):
            assert isinstance(entry, trec_module.Document)
            text = " ".join(" ".join(entry.sections["W"]).split())
            hits = library.search(Query(text=text), 1033)
            found = [hit.case.id in relevant[entry.number] for hit in hits]
            wanted = len(relevant[entry.number])
            at_rank = [sum(found[: i + 1]) / (i + 1) for i, good in enumerate(found) if good]
            precisions.append(sum(at_rank) / wanted)
            ideal = sum(1 / math.log2(i + 2) for i in range(min(wanted, 10)))
            gains.append(sum(g / math.log2(i + 2) for i, g in enumerate(found[:10])) / ideal)
    assert len(gains) == 30
    assert sum(precisions) / 30 > 0.525
    assert sum(gains) / 30 > 0.71
