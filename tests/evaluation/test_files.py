"""Queries, judgements and runs: what is written is read again, and the published forms are read."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclip_search import Case, EvaluationError
from medclip_search.corpora import CorpusSpec
from medclip_search.corpora.beir import BeirCorpus
from medclip_search.evaluation import (
    Topic,
    read_qrels,
    read_run,
    read_topics,
    write_beir,
    write_qrels,
    write_run,
    write_topics,
)
from medclip_search.evaluation.qrels import match_topics
from medclip_search.evaluation.runs import ranked, ranking

# Ids as a table or a folder may give them, inner spaces and all.
IDS = (
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
    .flatmap(lambda head: st.sampled_from([head, f"{head} (1).png"]))
    .filter(lambda one: one == one.strip() and not one.startswith(("<", ".I")))
)
# Without the header's name, which begins a table that has one.
QUERY_IDS = IDS.filter(lambda one: one.lower() not in ("qid", "id", "_id", "query-id", "query_id"))
WORDS = st.text(st.characters(exclude_categories=["C"]), max_size=40).map(
    lambda text: " ".join(text.split())
)
GRADES = st.integers(-2, 4)
QRELS = st.dictionaries(
    QUERY_IDS, st.dictionaries(IDS, GRADES, min_size=1, max_size=4), min_size=1, max_size=4
)


@given(
    st.lists(
        st.tuples(QUERY_IDS, WORDS.filter(bool), st.lists(IDS, max_size=2)),
        min_size=1,
        max_size=4,
        unique_by=lambda one: one[0],
    )
)
def test_topics_come_back(rows: list[tuple[str, str, list[str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        topics = [Topic(qid, text, tuple(images)) for qid, text, images in rows]
        write_topics(Path(folder) / "topics.txt", topics)
        assert read_topics(Path(folder) / "topics.txt") == topics
        grouped = [replace(one, group=f"g {one.id}") for one in topics]
        write_topics(Path(folder) / "queries.jsonl", grouped)
        assert read_topics(Path(folder) / "queries.jsonl") == grouped
        plain = [Topic(qid, text, tuple(images[:1])) for qid, text, images in rows]
        write_topics(Path(folder) / "topics.tsv", plain)
        assert read_topics(Path(folder) / "topics.tsv") == plain


@given(QRELS, st.sampled_from(["qrels.txt", "test.tsv"]))
def test_judgements_come_back(qrels: dict[str, dict[str, int]], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Where every grade is 0 and every document is called 0, nobody can tell the columns.
        qrels = {q: {**known, "relevant": 1} for q, known in qrels.items()}
        write_qrels(Path(folder) / name, qrels)
        assert read_qrels(Path(folder) / name) == qrels


@given(
    st.dictionaries(
        QUERY_IDS,
        st.lists(st.tuples(IDS, st.floats(allow_nan=False)), min_size=1, max_size=6),
        min_size=1,
        max_size=3,
    )
)
def test_a_run_comes_back_in_its_order(answers: dict[str, list[tuple[str, float]]]) -> None:
    run = {qid: ranking(each) for qid, each in answers.items()}
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder) / "run", run)
        again = read_run(Path(folder) / "run")
    assert {q: [d for d, _ in ranked(known)] for q, known in again.items()} == {
        q: list(dict.fromkeys(d for d, _ in each)) for q, each in answers.items()
    }


def test_scores_of_a_ranking_fall_in_single_precision() -> None:
    least = [("d", -3.0), ("e", -1e300), ("f", -np.inf)]
    same = ranking([("z", np.inf), ("a", 1.0), ("b", 1.0), ("c", 1.0 + 1e-12), ("a", 0.5), *least])
    assert list(same) == ["z", "a", "b", "c", "d", "e", "f"]
    assert np.all(np.diff(np.array(list(same.values()), np.float32)) < 0)


def test_ties_of_a_run_are_ranked_as_trec_eval_ranks_them(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.write_text("1 Q0 a 1 0.5 x\n1 Q0 c 2 0.5 x\n1 Q0 b 3 0.5 x\n", "utf-8")
    assert [d for d, _ in ranked(read_run(run)["1"])] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "<top>\n<num> Number: 401\n<title> foreign minorities,\nGermany\n\n<desc> Description:"
            "\nWhat?\n<narr> Narrative:\nNo.\n</top>\n<top>\n<num>402</num>\n<title>AT&T &amp; co"
            "</title>\n</top>\n",
            [Topic("401", "foreign minorities, Germany"), Topic("402", "AT&T & co")],
        ),
        (
            '<topics>\n<topic number="1" type="diagnosis">\n<description>A man.</description>\n'
            "<summary>Chest pain</summary></topic></topics>",
            [Topic("1", "Chest pain")],
        ),
        (
            "<top><num>7<title>x ray<image>a b.png<image>case-2</top>",
            [Topic("7", "x ray", ("a b.png", "case-2"))],
        ),
        ("<top><num> 1 <title> p <0.05 & T2>T1 </top>", [Topic("1", "p <0.05 & T2>T1")]),
        ("q1\tpleural effusion\nq2\tnodule\tquery.png\n", [
            Topic("q1", "pleural effusion"), Topic("q2", "nodule", ("query.png",))
        ]),
        ("qid\ttext\n1\tcyst\n", [Topic("1", "cyst")]),
        (".I 1\n.W\n lens in\nvertebrates.\n.I 2\n.T\nfatty\n.W\nacids\n", [
            Topic("1", "lens in vertebrates."), Topic("2", "fatty acids")
        ]),
    ],
)  # fmt: skip
def test_published_forms_of_queries(tmp_path: Path, text: str, found: list[Topic]) -> None:
    (tmp_path / "topics").write_text(text, "utf-8")
    assert read_topics(tmp_path / "topics") == found


def test_queries_of_beir_and_of_tables(tmp_path: Path) -> None:
    lines = tmp_path / "queries.jsonl"
    lines.write_text(
        '{"_id": "a", "text": "cyst of\\nliver", "group": "PMC1"}\n'
        '{"_id": 2, "text": "x", "image": ["i.png", "j.png"]}\n',
        "utf-8",
    )
    wanted = [Topic("a", "cyst of liver", group="PMC1"), Topic("2", "x", ("i.png", "j.png"))]
    assert read_topics(lines) == wanted
    table = tmp_path / "queries.csv"
    table.write_text('id,text,image\na,"cyst, liver",i.png\n', "utf-8")
    assert read_topics(table) == [Topic("a", "cyst, liver", ("i.png",))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 0 13 1\n1 0 14 0\n2 0 13 2\n", {"1": {"13": 1, "14": 0}, "2": {"13": 2}}),
        ("     1     28\t0\t0.000000\n     1     35\t0\t0.000000\n", {"1": {"28": 1, "35": 1}}),
        ("01 1410 0 0\n02 7 0 0\n", {"01": {"1410": 1}, "02": {"7": 1}}),
        ("query-id\tcorpus-id\tscore\nq\tdoc 1\t2\n", {"q": {"doc 1": 2}}),
        ("1 184 2\n1 29 -1\n", {"1": {"184": 2, "29": -1}}),
        ("q a\nq b\n", {"q": {"a": 1, "b": 1}}),
        ("1 0 a 1\n1 1 a 2\n", {"1": {"a": 2}}),
    ],
)
def test_published_forms_of_judgements(
    tmp_path: Path, text: str, found: dict[str, dict[str, int]]
) -> None:
    (tmp_path / "qrels").write_text(text, "utf-8")
    assert read_qrels(tmp_path / "qrels") == found


def test_folders_of_collections(tmp_path: Path) -> None:
    beir = tmp_path / "beir"
    (beir / "qrels").mkdir(parents=True)
    (beir / "corpus.jsonl").write_text('{"_id": "d", "text": "cyst"}\n', "utf-8")
    (beir / "queries.jsonl").write_text('{"_id": "q", "text": "cyst"}\n', "utf-8")
    for split in ("dev", "train"):
        (beir / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    assert read_topics(beir) == [Topic("q", "cyst")]
    with pytest.raises(EvaluationError, match=r"several splits .*dev\.tsv"):
        read_qrels(beir)
    (beir / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\te\t1\n")
    assert read_qrels(beir) == {"q": {"e": 1}}


def test_a_collection_is_written_as_beir_lays_it_out(tmp_path: Path) -> None:
    cases = [Case("d 1", caption="a cyst"), Case("d2", caption="Größe: 3 cm")]
    topics, qrels = [Topic("q", "cyst")], {"q": {"d 1": 2, "d2": 0}}
    write_beir(tmp_path / "made", cases, topics, qrels)
    corpus = BeirCorpus(CorpusSpec("beir", tmp_path / "made", "beir"))
    read = [(one.id, one.caption) for one in corpus if isinstance(one, Case)]
    assert read == [("d 1", "a cyst"), ("d2", "Größe: 3 cm")]
    assert read_topics(tmp_path / "made") == topics
    assert read_qrels(tmp_path / "made") == qrels


def test_leading_zeros_of_numbers_do_not_matter() -> None:
    assert match_topics({"01": {"a": 1}, "2": {"b": 1}}, ["1", "2"]) == {
        "1": {"a": 1},
        "2": {"b": 1},
    }
    # but where both are queries, each has its own
    assert match_topics({"01": {"a": 1}}, ["1", "01"]) == {"01": {"a": 1}}


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("topics", "q1 no tab\n", r"topics:1: not QID<tab>words"),
        ("topics", "q1\tx\n\nq1\ty\n", r"topics:3: a second query q1"),
        ("topics", "", "no query in it"),
        ("topics", "<top>\n<title> x\n</top>", r"topics:1: a topic without a number"),
        ("qrels", "1 0 a 1\n1 0 a b c 1\n", r"qrels:2: 6 columns"),
        ("qrels", "1 0 a yes\n", r"qrels:1: the grade 'yes' is no number"),
        ("qrels", "1 0 a inf\n", r"qrels:1: the grade 'inf' is no number"),
        ("qrels", "\n", "no judgement in it"),
        ("run", "1 Q0 a 1 0.5\n", r"run:1: 5 columns instead of 6"),
        ("run", "1 Q0 a 1 x t\n", r"run:1: the score 'x' is no number"),
        ("run", "1 Q0 a 1 2 t\n1 Q0 a 2 1 t\n", r"run:2: a a second time for 1"),
        ("run", "1 Q0 a 1 nan t\n", r"run:1: the score 'nan' is no number"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(
    tmp_path: Path, kind: str, text: str, said: str
) -> None:
    read = {"topics": read_topics, "qrels": read_qrels, "run": read_run}[kind]
    (tmp_path / kind).write_text(text, "utf-8")
    with pytest.raises(EvaluationError, match=said):
        read(tmp_path / kind)
    with pytest.raises(EvaluationError, match="no such file"):
        read(tmp_path / "nowhere")


def test_med_is_read_whole(test_data: Path) -> None:
    topics, qrels = read_topics(test_data / "med"), read_qrels(test_data / "med")
    assert len(topics) == 30
    assert topics[0].text == "the crystalline lens in vertebrates, including humans."
    assert set(qrels) == {topic.id for topic in topics}
    assert sum(len(known) for known in qrels.values()) == 696
