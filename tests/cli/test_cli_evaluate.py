"""``evaluate`` as people and scripts meet it: measures, runs, columns, and errors in one line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medclip_search import Library, Query
from medclip_search.cli import main
from medclip_search.evaluation import read_run
from medclip_search.evaluation.runs import ranked
from tests.figures import draw

Run = Callable[..., tuple[int, str, str]]

COLOURS = ("red", "green", "blue")
ROWS = [
    {
        "id": f"f{n:02d}",
        "image": f"f{n:02d}.png" if n < 12 else "",
        "caption": f"{COLOURS[n % 3]} nodule {'large' if n % 2 else 'small'} number{n}",
        "Type": "CT" if n % 2 else "MR",
        "Side, seen from here": ("Left", "right", "")[n % 3],
        "patient": f"p{n // 3}",
    }
    for n in range(14)
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of a table, and the files of an evaluation."""
    folder = tmp_path_factory.mktemp("evaluate")
    for row in ROWS[:12]:
        draw(int(row["id"][1:])).save(folder / row["image"])
    draw(2).save(folder / "query.png")
    with (folder / "cases.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ROWS[0].keys())
        writer.writeheader()
        writer.writerows(ROWS)
    (folder / "topics.tsv").write_text("q1\tred nodule\nq2\tgreen large\nq9\tnobody\n", "utf-8")
    (folder / "qrels").write_text(
        "".join(f"q1 0 f{n:02d} {1 + (n == 3)}\n" for n in (0, 3, 6, 9))
        + "q2 0 f01 1\nq2 0 f02 0\nq2 0 gone 1\nq7 0 f01 1\n",
        "utf-8",
    )
    (folder / "images.tsv").write_text("a\tf03\nb\tquery.png\n", "utf-8")
    (folder / "image-qrels").write_text(
        "a 0 f03 1\na 0 f04 1\na 0 f07 1\nb 0 f02 1\nb 0 f05 1\n", "utf-8"
    )
    (folder / "broken").write_text("q1 0 f00 1\nq1 f01\nq1 0 f02 much\n", "utf-8")
    (folder / "empty").write_text("", "utf-8")
    (folder / "others.tsv").write_text("other\tnodule\n", "utf-8")
    (folder / "strange-qrels").write_text("q1 0 nowhere 1\n", "utf-8")
    (folder / "strange-run").write_text("zz Q0 f01 1 1.0 x\n", "utf-8")
    (folder / "no-image.tsv").write_text("a\t\tf99.png\n", "utf-8")
    (folder / "no-image-qrels").write_text("a 0 f01 1\n", "utf-8")
    made = ["build", str(folder / "lib"), "--corpus", f"table={folder / 'cases.csv'}"]
    with pytest.raises(SystemExit) as ended:
        main([*made, "--images", str(folder)])
    assert ended.value.code == 0
    return folder


@pytest.fixture
def run(place: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``evaluate`` on the library; ``{}`` in a word is the folder."""

    def evaluate(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", str(place / "lib"), *(str(one).format(place) for one in words)])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return evaluate


JUDGED = ("--queries", "{}/topics.tsv", "--qrels", "{}/qrels")


def test_judged_queries_give_measures_intervals_and_a_run(
    run: Run, place: Path, tmp_path: Path
) -> None:
    status, out, err = run(*JUDGED, "--json", "--run-out", tmp_path / "run", "--measures",
                           "P@2,R@100 AP,MedR,RR")  # fmt: skip
    found = json.loads(out)
    assert status == 0, err
    assert (found["queries"], found["mode"], found["k"]) == (2, "words", 1000)
    relevant = {"q1": {"f00", "f03", "f06", "f09"}, "q2": {"f01", "gone"}}
    answers = {q: [d for d, _ in ranked(each)] for q, each in read_run(tmp_path / "run").items()}
    with Library.open(place / "lib") as library:
        hits = library.search(Query(text="green large"), k=1000)
        assert answers["q2"] == [hit.id for hit in hits]
    first = [next(r for r, d in enumerate(answers[q], 1) if d in relevant[q]) for q in answers]
    assert (
        found["measures"]
        == pytest.approx(
            {
                "P@2": sum(len(relevant[q].intersection(answers[q][:2])) / 2 for q in answers) / 2,
                "R@100": (1 + 1 / 2) / 2,  # what the library does not have is not found
                "AP": sum(
                    sum(
                        len(relevant[q].intersection(answers[q][: n + 1])) / (n + 1)
                        for n, d in enumerate(answers[q])
                        if d in relevant[q]
                    )
                    / len(relevant[q])
                    for q in answers
                )
                / 2,
                "MedR": sum(first) / 2,
                "RR": sum(1 / one for one in first) / 2,
            }
        )
    )
    assert found["intervals"].keys() == found["measures"].keys()
    for name, (low, high) in found["intervals"].items():
        assert low <= found["measures"][name] <= high
    told = "\n".join(found["notes"])
    assert "1 of 3 queries are not judged" in told
    assert "1 judged queries are not among the queries" in told
    assert "1 of 7 judged documents are not in the library (gone)" in told


def test_the_table_is_for_people(run: Run) -> None:
    status, out, err = run(*JUDGED)
    lines = out.splitlines()
    assert status == 0, err
    assert lines[0] == "2 queries"
    assert [line.split()[0] for line in lines[1:]] == [
        *("nDCG@10", "AP", "P@10", "R@100", "RR", "MedR")
    ]
    assert "note: 1 of 3 queries are not judged" in err


def test_runs_are_compared_by_paired_tests(run: Run, place: Path, tmp_path: Path) -> None:
    assert run(*JUDGED, "--run-out", tmp_path / "ours")[0] == 0
    (tmp_path / "theirs").write_text("q1 Q0 f00 1 2 x\nq1 Q0 f05 2 1 x\nq2 Q0 f01 1 1 x\n")
    words = (*JUDGED, "--measures", "P@2", "-k", 3, "--compare", tmp_path / "ours")
    status, out, err = run(*words, "--compare", tmp_path / "theirs", "--json")
    found = json.loads(out)
    assert status == 0, err
    same = found["comparisons"][str(tmp_path / "ours")]
    assert same["measures"] == found["measures"]
    assert same["differences"]["P@2"]["mean"] == 0
    assert same["differences"]["P@2"]["p"] == 1
    other = found["comparisons"][str(tmp_path / "theirs")]
    assert other["measures"]["P@2"] == 0.5
    change = found["measures"]["P@2"] - 0.5
    assert other["differences"]["P@2"]["mean"] == pytest.approx(change)
    assert "theirs" in run(*words)[1] or "ours" in run(*words)[1]


@pytest.mark.parametrize(
    ("words", "query", "said"),
    [
        (JUDGED, "q1", "lacks 1 of 2 judged queries, which count as 0"),
        (("--relevant-by", "Type"), "f00", "lacks 11 of 12 judged queries, which count as 0"),
    ],
)
def test_what_another_run_lacks_is_told_and_counts_as_0(
    run: Run, tmp_path: Path, words: tuple[str, ...], query: str, said: str
) -> None:
    mode = () if words is JUDGED else ("--mode", "image")
    words = (*words, *mode, "--measures", "Success@1", "--json")
    relevant = "f00" if mode == () else "f02"
    (tmp_path / "part").write_text(f"{query} Q0 {relevant} 1 1.0 x\n")
    status, out, err = run(*words, "--compare", tmp_path / "part")
    assert status == 0, err
    assert f"note: {tmp_path / 'part'}: {said}" in err
    [other] = json.loads(out)["comparisons"].values()
    share = 1 / 2 if mode == () else 1 / 12
    other = other if mode == () else other["Type"]
    assert other["measures"]["Success@1"] == pytest.approx(share)
    assert run(*words, "--run-out", tmp_path / "whole")[0] == 0
    assert "lacks" not in run(*words, "--compare", tmp_path / "whole")[2]


def test_what_fails_leaves_no_empty_run(run: Run, tmp_path: Path) -> None:
    wrong = ("--queries", "{}/others.tsv", "--qrels", "{}/qrels", "--run-out", tmp_path / "run")
    assert run(*wrong)[0] == 1
    assert not (tmp_path / "run").exists()
    for text in ("", "of before"):
        (tmp_path / "run").write_text(text)
        assert run(*wrong)[0] == 1
        assert (tmp_path / "run").read_text() == text


def test_fewer_answers_than_a_measure_looks_at_are_a_shorter_look(run: Run) -> None:
    short, long = (
        json.loads(run(*JUDGED, "--measures", "R@10", "-k", k, "--json")[1]) for k in (1, 10)
    )
    assert short["k"] == 1
    assert short["measures"]["R@10"] < long["measures"]["R@10"]


def test_a_case_that_asks_by_its_picture_does_not_answer(run: Run, tmp_path: Path) -> None:
    words = ("--queries", "{}/images.tsv", "--qrels", "{}/image-qrels", "--mode", "image")
    status, out, err = run(*words, "--run-out", tmp_path / "run", "--json", "--measures", "R@20")
    assert status == 0, err
    answers = read_run(tmp_path / "run")
    assert set(answers["a"]) == {f"f{n:02d}" for n in range(12)} - {"f03"}
    assert ranked(answers["b"])[0][0] == "f02"  # the same picture, from a file
    assert json.loads(out)["measures"] == {"R@20": 1}  # f03 does not count as relevant either
    # f03, f04 and f05 are of one patient.
    status, out, _ = run(*words, "--run-out", tmp_path / "run", "--leave-out", "Patient")
    answers = read_run(tmp_path / "run")
    assert set(answers["a"]) == {f"f{n:02d}" for n in range(12)} - {"f03", "f04", "f05"}
    assert len(answers["b"]) == 12


def test_words_and_picture_ask_together(run: Run, place: Path, tmp_path: Path) -> None:
    (tmp_path / "both.tsv").write_text(f"a\tgreen large\t{place / 'query.png'}\n", "utf-8")
    (tmp_path / "qrels").write_text("a 0 f01 1\n", "utf-8")
    words = ("--queries", tmp_path / "both.tsv", "--qrels", tmp_path / "qrels", "--mode", "both")
    assert run(*words, "--run-out", tmp_path / "run")[0] == 0
    with Library.open(place / "lib") as library:
        hits = library.search(Query(text="green large", image=place / "query.png"), k=1000)
    assert [d for d, _ in ranked(read_run(tmp_path / "run")["a"])] == [hit.id for hit in hits]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ("type", ["type"]),
        ("Side, seen from here", ["Side, seen from here"]),
        ('TYPE, "side, seen from here"', ["TYPE", "side, seen from here"]),
    ],
)
def test_equal_metadata_is_relevance(run: Run, place: Path, columns: str, names: list[str]) -> None:
    words = ("--mode", "image", "--relevant-by", columns, "--leave-out", "patient")
    status, out, err = run(*words, "--measures", "P@2,R@3", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert list(found["measures"]) == names
    rows = {row["id"]: {k.lower(): v.lower() for k, v in row.items()} for row in ROWS[:12]}
    with Library.open(place / "lib") as library:
        answers = {
            one: [
                hit.id
                for hit in library.search(Query(image=place / row["image"], where="has_image=yes"))
                if rows[hit.id]["patient"] != row["patient"]
            ]
            for one, row in rows.items()
        }
    for name in names:
        asked = {one: row for one, row in rows.items() if row[name.lower()]}
        p, r = [], []
        for one, row in asked.items():
            alike = {
                other
                for other, its in rows.items()
                if its[name.lower()] == row[name.lower()] and its["patient"] != row["patient"]
            }
            p.append(len(alike.intersection(answers[one][:2])) / 2)
            r.append(len(alike.intersection(answers[one][:3])) / len(alike))
        assert found["queries"][name] == len(asked)
        assert found["measures"][name] == pytest.approx(
            {"P@2": sum(p) / len(p), "R@3": sum(r) / len(r)}
        )
        assert found["intervals"][name].keys() == {"P@2", "R@3"}


def test_topics_about_cases_are_judged_by_columns_and_settings_compared(
    run: Run, tmp_path: Path
) -> None:
    topics = tmp_path / "topics.tsv"
    topics.write_text("a\tred small\tf00\nb\tblue large\tf05\nc\tnodule\tf02\n", "utf-8")
    words = ("--queries", topics, "--relevant-by", 'Type,"Side, seen from here"', "--leave-out",
             "patient", "--measures", "P@3")  # fmt: skip
    assert run(*words, "--mode", "image", "--run-out", tmp_path / "image")[0] == 0
    out_of_image = read_run(tmp_path / "image")
    assert not {"f00", "f01", "f02"}.intersection(out_of_image["a"])
    status, out, err = run(*words, "--mode", "words", "--compare", tmp_path / "image", "--json",
                           "--run-out", tmp_path / "words")  # fmt: skip
    assert status == 0, err
    found = json.loads(out)
    assert found["queries"] == {"Type": 3, "Side, seen from here": 1}  # f02, f05 have no side
    assert not {"f00", "f01", "f02"}.intersection(read_run(tmp_path / "words")["a"])
    for column in found["measures"]:
        [other] = found["comparisons"].values()
        change = found["measures"][column]["P@3"] - other[column]["measures"]["P@3"]
        assert other[column]["differences"]["P@3"]["mean"] == pytest.approx(change)
    lines = run(*words, "--mode", "words", "--compare", tmp_path / "image")[1].splitlines()
    assert f"less {tmp_path / 'image'}, Type:" in lines


def test_captions_ask_by_columns_too_and_a_sample_is_the_same_each_time(
    run: Run, tmp_path: Path
) -> None:
    words = ("--mode", "words", "--relevant-by", "Type", "--sample", 5, "--seed", 3)
    assert run(*words, "--run-out", tmp_path / "one")[0] == 0
    assert run(*words, "--run-out", tmp_path / "two")[0] == 0
    one, two = read_run(tmp_path / "one"), read_run(tmp_path / "two")
    assert one == two
    assert len(one) == 5
    for case, answers in one.items():
        assert case not in answers
    assert run(*words[:-1], 4, "--run-out", tmp_path / "two")[0] == 0
    assert read_run(tmp_path / "two").keys() != one.keys()


@pytest.mark.parametrize("mode", ["words", "image", "both"])
def test_known_items_find_themselves(run: Run, place: Path, tmp_path: Path, mode: str) -> None:
    words = ("--protocol", "known-items", "--mode", mode, "--run-out", tmp_path / "run", "--json")
    status, out, err = run(*words, "--measures", "RR")
    assert status == 0, err
    answers = {q: [d for d, _ in ranked(each)] for q, each in read_run(tmp_path / "run").items()}
    assert len(answers) == (14 if mode == "words" else 12)  # two have no picture
    rr = [1 / (answers[one].index(one) + 1) for one in answers]
    assert json.loads(out)["measures"]["RR"] == pytest.approx(sum(rr) / len(rr))
    assert sum(rr) / len(rr) > 0.9


def test_a_caption_that_several_cases_have_is_found_with_any_of_them(tmp_path: Path) -> None:
    from medclip_search import build, evaluation

    rows = ["id,caption", "a,small cyst", "b,small cyst", "c,large cyst"]
    (tmp_path / "cases.csv").write_text("\n".join(rows), "utf-8")
    build(tmp_path / "lib", [f"table={tmp_path / 'cases.csv'}"])
    with Library.open(tmp_path / "lib") as library:
        found = evaluation.evaluate_known_items(library, measures=["Success@1"])
    assert found.scores[""].means() == {"Success@1": 1}


def test_of_ids_that_two_corpora_have_one_must_be_chosen(tmp_path: Path) -> None:
    from medclip_search import EvaluationError, build, evaluation

    for name, text in (("old", "cyst"), ("new", "nodule")):
        (tmp_path / f"{name}.csv").write_text(f"id,caption\n1,one {text}\n2,two {text}s\n")
    specs = [f"table:{name}={tmp_path / name}.csv" for name in ("old", "new")]
    build(tmp_path / "lib", specs)
    topics, qrels = [evaluation.Topic("q", "nodule")], {"q": {"1": 1}}
    with Library.open(tmp_path / "lib") as library:
        with pytest.raises(EvaluationError, match=r"several corpora \(old, new\)"):
            evaluation.evaluate(library, topics, qrels)
        old = evaluation.evaluate(library, topics, qrels, corpus="old", measures=["RR"])
        new = evaluation.evaluate(library, topics, qrels, corpus="new", measures=["RR"])
    assert old.scores[""].means() == {"RR": 0}
    assert new.scores[""].means() == {"RR": 1}
    assert "1" in new.run["q"]  # under the id that judgements give
    assert "new:1" not in new.run["q"]


def test_settings_of_the_query_can_be_set(run: Run) -> None:
    words = (*JUDGED, "--measures", "R@100", "--json")
    less = json.loads(run(*words, "--set", "not_text=small")[1])["measures"]
    assert less["R@100"] < json.loads(run(*words)[1])["measures"]["R@100"]


def test_evaluating_writes_nothing_into_the_library(run: Run, place: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (place / "lib").rglob("*")}
    assert run(*JUDGED)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in (place / "lib").rglob("*")} == before


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--protocol", "cross-modal"), 2, "--encoder biomedclip"),
        (("--protocol", "telepathy"), 2, "telepathy"),
        (("--protocol", "known-items", "--pool", 3), 2, "--pool: does not go with"),
        (("--protocol", "known-items", "--sample", 15), 2, "give 1 to 14"),
        ((*JUDGED, "--protocol", "known-items"), 2, "--queries: does not go with"),
        ((), 2, "--relevant-by"),
        (("--queries", "{}/topics.tsv"), 2, "--qrels"),
        ((*JUDGED, "--relevant-by", "Type"), 2, "--qrels: does not go with"),
        ((*JUDGED, "--sample", 3), 2, "--sample"),
        ((*JUDGED, "--measures", "nDCG@0"), 2, "nDCG@0"),
        ((*JUDGED, "--measures", "beauty"), 2, "beauty"),
        ((*JUDGED, "-k", 0), 2, "-k 0"),
        ((*JUDGED, "--mode", "smell"), 2, "smell"),
        ((*JUDGED, "--corpus", "nope"), 2, "--corpus nope"),
        ((*JUDGED, "--where", "nope=1"), 2, "nope"),
        ((*JUDGED, "--set", "colour=1"), 2, "colour"),
        ((*JUDGED, "--set", "text=x"), 2, "text"),
        ((*JUDGED, "--set", "colour"), 2, "NAME=VALUE"),
        ((*JUDGED, "--mode", "image"), 1, "query q1: red nodule is no case"),
        ((*JUDGED, "--mode", "both"), 1, "query q1: has no image"),
        ((*JUDGED, "--run-out", "{}/no/such/run"), 1, "cannot be written"),
        ((*JUDGED, "--run-out", "{}"), 1, "cannot be written"),
        ((*JUDGED, "--compare", "{}/qrels"), 1, "qrels:1: 4 columns"),
        ((*JUDGED, "--compare", "{}/strange-run"), 1, "none of the judged queries"),
        ((*JUDGED, "--compare", "{}/nowhere"), 1, "no such file"),
        (("--queries", "{}/gone", "--qrels", "{}/qrels"), 1, "no such file"),
        (("--queries", "{}/topics.tsv", "--qrels", "{}/broken"), 1, "broken:3: the grade 'much'"),
        (("--queries", "{}/topics.tsv", "--qrels", "{}/empty"), 1, "no judgement in it"),
        (("--queries", "{}/empty", "--qrels", "{}/qrels"), 1, "no query in it"),
        (("--queries", "{}/others.tsv", "--qrels", "{}/qrels"), 1, "no query is judged"),
        (("--queries", "{}/topics.tsv", "--qrels", "{}/strange-qrels"), 1, "none of the 1 judged"),
        (
            ("--queries", "{}/no-image.tsv", "--qrels", "{}/no-image-qrels", "--mode", "image"),
            1,
            "f99.png is no case of the library, and no image",
        ),
        (("--queries", "{}/no-image.tsv", "--qrels", "{}/no-image-qrels"), 1, "has no words"),
        (("--queries", "{}", "--qrels", "{}/qrels"), 1, "no collection of SMART"),
        (
            ("--relevant-by", "Type", "--queries", "{}/topics.tsv", "--mode", "words"),
            1,
            "query q1: names no case",
        ),
        (("--relevant-by", "Type", "--queries", "{}/images.tsv", "--sample", 1), 2, "--sample"),
        (
            ("--relevant-by", "Type", "--compare", "{}/strange-run"),
            1,
            "none of the judged queries",
        ),
        (("--relevant-by", "Colour"), 2, "no field is called 'Colour'"),
        (("--relevant-by", ","), 2, "name a column"),
        (("--relevant-by", "Type", "--leave-out", "doctor"), 2, "no field is called 'doctor'"),
        (("--relevant-by", "Type", "--sample", 0), 2, "--sample 0"),
        (("--relevant-by", "Type", "--where", "Type=PET"), 1, "no case has"),
    ],
)
def test_errors_are_one_line(run: Run, words: tuple[object, ...], status: int, said: str) -> None:
    got, out, err = run(*words)
    assert (got, out) == (status, ""), err
    assert len(err.strip().splitlines()) == 1, err
    assert said in err
    assert "Traceback" not in err


def test_med_by_the_command_is_the_benchmark(
    test_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from benchmarks import med_words

    monkeypatch.setattr(med_words, "DEPTH", 30)  # a quick look
    benchmark = med_words.compare({}, tmp_path / "med", show=False)[med_words.DEFAULT]
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([
            "evaluate", str(tmp_path / "med"), "--queries", str(test_data / "med" / "MED.QRY"),
            "--qrels", str(test_data / "med" / "MED.REL"), "--json", "-k", "30",
        ])  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    for name, value in benchmark.means().items():
        assert found["measures"][name] == pytest.approx(value)
        assert found["intervals"][name] == pytest.approx(list(benchmark.intervals()[name]))


def test_medpix_by_the_command_is_the_benchmark(
    test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import medpix

    folder, images = test_data / "medpix", test_data / "medpix" / "images"
    columns = "image=image,caption=Description.Caption,id=image"
    for words in (
        ["build", str(tmp_path / "lib"), "--corpus", f"table={folder / 'descriptions_dev.jsonl'}",
         "--columns", columns, "--images", str(images), "--limit", "60"],
        ["evaluate", str(tmp_path / "lib"), "--mode", "image", "--leave-out", "u_id", "--json",
         "--relevant-by", "Type,Location Category,Description.Plane"],
    ):  # fmt: skip
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)["measures"]
    with Library.open(tmp_path / "lib") as library:
        ids = {case.id for case in library.cases()}
        figures = [figure for figure in medpix.read_figures(folder) if figure.id in ids]
        depth = medpix.depth(figures)
        answers = {
            figure.id: [hit.id for hit in library.search(Query(image=figure.image), k=depth)]
            for figure in figures
        }
    wanted = medpix.precision(figures, answers)
    assert len(figures) == 60
    for label, scores in wanted.items():
        name = "Description.Plane" if label == "Plane" else label
        assert found[name]["P@10"] == pytest.approx(scores.means()["P@10"])
