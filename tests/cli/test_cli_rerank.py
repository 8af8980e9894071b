"""A tiny cross-encoder from end to end: the command line, the API, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from medclip_search import Library, Query
from medclip_search.cli import main
from medclip_search.server.rest import create_api

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

ROWS = {
    "shown": "mri of the brain shows tumor",
    "absent": "chest ct shows no tumor",
    "other": "ultrasound of liver shows cyst",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rerank")
    lines = [f"{one}\t{caption}" for one, caption in ROWS.items()]
    (folder / "cases.tsv").write_text("\n".join(["id\tcaption", *lines]) + "\n")
    with pytest.raises(SystemExit) as ended:
        main(["build", str(folder / "lib"), "--corpus", f"table={folder / 'cases.tsv'}"])
    assert ended.value.code == 0
    return folder / "lib"


def ids(out: str) -> list[str]:
    return [json.loads(line)["id"] for line in out.splitlines()]


def test_what_is_shown_comes_before_what_is_not(
    cli: Cli, library: Path, tiny_cross_encoder: Path
) -> None:
    asking = ("search", library, "tumor", "--json")
    assert ids(cli(*asking)[1]) == ["absent", "shown"]
    reranking = (*asking, "--rerank", tiny_cross_encoder, "--rerank-ms", 60_000)
    status, out, err = cli(*reranking)
    assert (status, ids(out)) == (0, ["shown", "absent"])
    assert "cross-encoder" not in err
    lists = {one["list"]: one for one in json.loads(out.splitlines()[0])["evidence"]["lists"]}
    assert lists["cross-encoder"]["rank"] == 1
    assert "by the cross-encoder" in json.loads(out.splitlines()[0])["evidence"]["why"]


def test_it_is_measured_by_judgements(
    cli: Cli, library: Path, tiny_cross_encoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "topics.tsv").write_text("q\ttumor\n")
    (tmp_path / "qrels").write_text("q 0 shown 1\n")
    judged = ("--queries", tmp_path / "topics.tsv", "--qrels", tmp_path / "qrels")
    evaluate = ("evaluate", library, *judged, "--measures", "RR", "--json")
    reranking = (*evaluate, "--rerank", tiny_cross_encoder, "--set")
    found = [
        json.loads(cli(*words)[1])["measures"]["RR"]
        for words in (evaluate, (*reranking, "rerank_ms=60000"), (*reranking, "rerank=false"))
    ]
    assert found == [0.5, 1, 0.5]
    *_, err = cli(*reranking, "rerank_ms=0")
    assert "note: The cross-encoder was left out, for … ms are too few to read a caption." in err


def test_no_time_is_told(cli: Cli, library: Path, tiny_cross_encoder: Path) -> None:
    status, out, err = cli(
        "search", library, "tumor", "--json", "--rerank", tiny_cross_encoder, "--rerank-ms", 0
    )
    assert (status, ids(out)) == (0, ["absent", "shown"])
    assert "note: The cross-encoder was left out, for 0 ms are too few" in err


def test_an_exported_one_answers_the_same(
    cli: Cli, library: Path, tiny_cross_encoder: Path, tmp_path: Path
) -> None:
    status, _, err = cli("reranker", "export", tiny_cross_encoder, "--output", tmp_path / "onnx")
    assert status == 0
    assert "logits differ from PyTorch's by 0.0000" in err
    reranking = ("search", library, "tumor", "--json", "--rerank-ms", 60_000, "--rerank")
    assert ids(cli(*reranking, tmp_path / "onnx")[1]) == ["shown", "absent"]


def test_wrong_calls_are_one_line(cli: Cli, library: Path, tmp_path: Path) -> None:
    for words, status, said in (
        (["search", library, "x", "--rerank", tmp_path / "gone"], 1, "there is no such folder"),
        (["search", library, "x", "--rerank", library], 1, "has no config.json"),
        (["search", library, "x", "--rerank-ms", 5], 2, "name a cross-encoder too"),
        (["search", library, "x", "--rerank-ms", "soon"], 2, "soon"),
        (["serve", library, "--rerank", tmp_path / "gone"], 1, "there is no such folder"),
        (["reranker", "export", tmp_path / "gone"], 1, "there is no such folder"),
    ):
        code, out, err = cli(*words)
        assert (code, out, err.count("\n")) == (status, "", 1), words
        assert said in err


def test_the_api_uses_the_servers_own(library: Path, tiny_cross_encoder: Path) -> None:
    with Library.open(library, rerank=tiny_cross_encoder) as opened:
        patient = Query("tumor", rerank_ms=60_000)
        assert [hit.id for hit in opened.search(patient)] == ["shown", "absent"]
        client = TestClient(create_api(lambda: opened))

        def found(**body: object) -> list[str]:
            answer = client.post("/search", json={"words": "tumor", "rerank_ms": 60_000} | body)
            assert answer.status_code == 200, answer.text
            return [hit["id"] for hit in answer.json()["hits"]]

        assert found() == ["shown", "absent"]
        assert found(rerank=False) == ["absent", "shown"]
        form = {"words": "tumor", "rerank": "false", "rerank_ms": "60000"}
        answer = client.post("/search", data=form).json()
        assert [hit["id"] for hit in answer["hits"]] == ["absent", "shown"]
        assert client.post("/search", json={"words": "x", "rerank_ms": -1}).status_code == 422
        # A client cannot make the server load what it names.
        named = client.post("/search", json={"words": "x", "rerank": "/etc"})
        assert named.status_code == 422
