"""BEIR's folders become cases under the ids that their judgements name."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclip_search.cases import Case
from medclip_search.corpora import CorpusSpec, Skipped, open_corpus, reasons
from medclip_search.corpora.beir import BeirCorpus
from medclip_search.errors import CorpusError
from tests.corpora.reading import read_corpus


def collection(folder: Path, *documents: object, lines: bytes = b"") -> Path:
    """A folder in the published layout; ``lines`` come after the documents as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = "".join(json.dumps(document) + "\n" for document in documents)
    (folder / "corpus.jsonl").write_bytes(whole.encode() + lines)
    query = {"_id": "PLAIN-1", "text": "statins", "metadata": {}}
    (folder / "queries.jsonl").write_text(json.dumps(query))
    (folder / "qrels").mkdir(exist_ok=True)
    for split in ("train", "dev", "test"):
        (folder / "qrels" / f"{split}.tsv").write_text(
            "query-id\tcorpus-id\tscore\nPLAIN-1\tMED-10\t2\n"
        )
    return folder


def read(folder: Path) -> tuple[list[Case], list[Skipped]]:
    return read_corpus("beir", folder)


def test_documents_with_title_text_and_metadata(tmp_path: Path) -> None:
    folder = collection(
        tmp_path,
        {
            "_id": "MED-10",
            "title": "Statins and survival",
            "text": "Recent studies have suggested …",
            "metadata": {"url": "https://pubmed.ncbi.nlm.nih.gov/25329299", "more": {"n": 3}},
            "lang": "en",
        },
        {"_id": "MED-11", "title": "", "text": "No title.", "metadata": {}},
        {"_id": "MED-12", "text": "No title column.", "metadata": "a text"},
        {"_id": 13, "title": "Only a title", "text": ""},
        {"_id": 0, "title": None, "text": "0"},
    )
    cases, skipped = read(folder)
    assert skipped == []
    assert [(case.id, case.caption) for case in cases] == [
        ("MED-10", "Statins and survival Recent studies have suggested …"),
        ("MED-11", "No title."),
        ("MED-12", "No title column."),
        ("13", "Only a title"),
        ("0", "0"),
    ]
    assert cases[0].metadata == {
        "lang": "en",
        "url": "https://pubmed.ncbi.nlm.nih.gov/25329299",
        "more.n": 3,
    }
    assert cases[2].metadata == {"metadata": "a text"}
    assert {case.corpus for case in cases} == {"beir"}
    assert {case.image for case in cases} == {None}


def test_queries_and_judgements_belong_to_the_layout(tmp_path: Path) -> None:
    corpus = open_corpus(CorpusSpec("beir", collection(tmp_path, {"_id": "1", "text": "a b"}), "n"))
    assert isinstance(corpus, BeirCorpus)
    assert corpus.queries == tmp_path / "queries.jsonl"
    assert corpus.qrels == {s: tmp_path / "qrels" / f"{s}.tsv" for s in ("dev", "test", "train")}
    assert corpus.count() == 1


def test_documents_alone_and_gzipped(tmp_path: Path) -> None:
    data = b'{"_id": "1", "title": "A", "text": "B"}\n'
    (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(data))
    corpus = open_corpus(CorpusSpec("beir", tmp_path, "beir"))
    assert isinstance(corpus, BeirCorpus)
    assert (corpus.queries, corpus.qrels) == (None, {})
    (case,), skipped = read(tmp_path)
    assert (case.id, case.caption, skipped) == ("1", "A B", [])


def test_short_documents_are_kept_since_they_may_be_judged(tmp_path: Path) -> None:
    texts = ["N/A", "Figure 1.", "x", "42", "pending", "-"]
    documents = [{"_id": f"d{i}", "title": "", "text": text} for i, text in enumerate(texts)]
    cases, skipped = read(collection(tmp_path, *documents))
    assert [case.caption for case in cases] == texts
    assert skipped == []


def test_what_is_wrong_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = '{"_id": "%s", "text": "Größe"}\r\n'
    data = (
        b"\xef\xbb\xbf"
        + (good % "a").encode()
        + b'{"_id": "b", "text": \r\n\r\n'
        + b'["no object"]\r\n'
        + b'{"title": "no id", "text": "x y"}\r\n'
        + b'{"_id": "c", "title": "", "text": " "}\r\n'
        + (good % "a").encode()
        + (good % "d").encode("cp1252")
        + (good % "e").encode()
    )
    cases, skipped = read(collection(tmp_path, lines=data))
    assert [(case.id, case.caption) for case in cases] == [(i, "Größe") for i in "ade"]
    assert [(item.what, item.reason, item.dropped) for item in skipped] == [
        ("corpus.jsonl:2", reasons.BAD_JSON, True),
        ("corpus.jsonl:4", reasons.NOT_AN_OBJECT, True),
        ("corpus.jsonl:5", reasons.NO_ID, True),
        ("corpus.jsonl:6 (c)", reasons.EMPTY_CAPTION, True),
        ("corpus.jsonl:7 (a)", reasons.DUPLICATE_ID, True),
        ("corpus.jsonl:8", reasons.NOT_UTF8, False),
    ]


def test_a_file_cut_short_hides_cases(tmp_path: Path) -> None:
    cases, skipped = read(collection(tmp_path, {"_id": "1", "text": "a b"}, lines=b'{"_id": "2"'))
    assert [case.id for case in cases] == ["1"]
    assert [item.incomplete for item in skipped] == [True]


def test_folders_without_a_collection_say_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no such folder"):
        open_corpus(CorpusSpec("beir", tmp_path / "absent", "beir"))
    with pytest.raises(CorpusError, match=r"looked for corpus\.jsonl.*unpacked"):
        open_corpus(CorpusSpec("beir", tmp_path, "beir"))
    collection(tmp_path / "nfcorpus", {"_id": "1", "text": "a b"})
    with pytest.raises(CorpusError, match=r"give one collection, as .*nfcorpus$"):
        open_corpus(CorpusSpec("beir", tmp_path, "beir"))
    (tmp_path / "corpus.jsonl").symlink_to("gone.jsonl")
    with pytest.raises(CorpusError, match=r"corpus\.jsonl: link to nothing; mount"):
        open_corpus(CorpusSpec("beir", tmp_path, "beir"))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
documents = st.dictionaries(
    st.sampled_from(["_id", "title", "text", "metadata", "url"]),
    scalars | st.dictionaries(st.text(max_size=4), scalars, max_size=2),
)


@settings(deadline=None)
@given(st.lists(documents | scalars, max_size=8))
def test_every_document_is_a_case_or_a_report(given_documents: list[object]) -> None:
    with TemporaryDirectory() as folder:
        cases, skipped = read(collection(Path(folder), *given_documents))
    assert len(cases) + len(skipped) == max(1, len(given_documents))  # nothing at all is told
    assert all(case.id and case.caption for case in cases)
    assert len({case.id for case in cases}) == len(cases)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_do_no_harm(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        cases, _ = read(collection(Path(folder), {"_id": "1", "text": "a b"}, lines=data))
    assert cases[0].id == "1"
