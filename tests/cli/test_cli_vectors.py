"""Vectors, models and exports on the command line: what is done, and what is said otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medclip_search import Library
from medclip_search.cli import main
from tests.figures import caption, draw, write_folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of figures with ready-made vectors, and the library made of both."""
    folder = tmp_path_factory.mktemp("vectors")
    write_folder(folder / "figures", range(12))
    rows = [f"fig-{seed:03d},fig-{seed:03d}.png,{caption(seed)!r}" for seed in range(12)]
    table = "\n".join(["id,image,caption", *(row.replace("'", '"') for row in rows)])
    (folder / "cases.csv").write_text(table, encoding="utf-8")
    vectors = np.random.default_rng(0).normal(size=(12, 16)).astype(np.float32)
    np.save(folder / "lab.npy", vectors)
    np.save(folder / "query.npy", vectors[7])
    np.save(folder / "short.npy", vectors[:5])
    np.save(folder / "narrow.npy", vectors[0, :3])
    made = run("build", folder / "lib", "--corpus", f"table={folder / 'cases.csv'}", "--images",
               folder / "figures", "--embeddings", f"lab={folder / 'lab.npy'}")  # fmt: skip
    assert made == 0
    return folder


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_a_vector_asks_its_space(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for space in (["--space", "lab"], []):
        asked = ["search", place / "lib", "--vector", place / "query.npy", *space, "--json"]
        assert run(*asked) == 0
        best = json.loads(capsys.readouterr().out.splitlines()[0])
        assert best["id"] == "fig-007"
        assert best["evidence"]["lists"][0]["list"] == "vector:lab"
        assert best["evidence"]["lists"][0]["score"] == pytest.approx(1, abs=1e-3)


def test_info_shows_the_spaces_and_what_can_ask_them(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("info", place / "lib") == 0
    assert "space lab: 16-D, ready-made vectors, asked by vectors, 12 vectors" in (
        capsys.readouterr().out
    )
    with Library.open(place / "lib") as opened:
        assert opened.info()["encoder"] is None
        assert opened.thumbnail("fig-003") is not None  # pictures are there all the same


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["search", "{lib}", "--vector", "{narrow}"], 2, "has 3 numbers; the space lab has 16"),
        (["search", "{lib}", "--vector", "{query}", "--space", "x"], 2, "has no x; there are: lab"),
        (["search", "{lib}", "--space", "lab", "chest"], 2, "is named, but no vector"),
        (["search", "{lib}", "--vector", "{absent}"], 2, "absent.npy: cannot be read"),
        (["search", "{lib}", "--image", "{image}"], 1, "no encoder was named"),
        (["build", "{new}", "--corpus", "table={table}", "--embeddings", "lab={short}"], 1,
         "5 vectors"),
        (["build", "{new}", "--corpus", "sample", "--embeddings", "lab={query}"], 2,
         "no table to belong to"),
        (["build", "{new}", "--corpus", "table={table}", "--embeddings", "lab"], 2,
         "write SPACE=FILE.npy"),
        (["build", "{new}", "--corpus", "sample", "--frames", "3"], 2, "no dicom to belong to"),
        (["build", "{new}", "--corpus", "dicom={figures}", "--frames", "0"], 2,
         "from 1 to 999,999"),
        (["build", "{new}", "--corpus", "sample", "--embed-captions"], 2, "embeds no words"),
        (["build", "{new}", "--corpus", "sample", "--model", "x"], 2, "add --encoder"),
        (["build", "{new}", "--corpus", "sample", "--runtime", "abacus"], 2, "abacus"),
        (["build", "{new}", "--corpus", "sample", "--encoder", "biomedclip", "--model",
          "{figures}"], 1, "has no open_clip_config.json"),
        (["encoder", "export", "--encoder", "compact"], 2, "biomedclip and open_clip"),
        (["encoder", "export", "--model", "{absent}"], 1, "there is no such folder"),
    ],
)  # fmt: skip
def test_wrong_calls_are_one_line(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    told: str,
) -> None:
    draw(1).save(tmp_path / "image.png")
    known = {
        "lib": place / "lib",
        "new": tmp_path / "new",
        "table": place / "cases.csv",
        "figures": place / "figures",
        "image": tmp_path / "image.png",
        "absent": tmp_path / "absent.npy",
        **{name: place / f"{name}.npy" for name in ("query", "short", "narrow", "lab")},
    }
    assert run(*(word.format(**known) for word in words)) == status
    error = capsys.readouterr().err.strip()
    assert told in error
    assert "Traceback" not in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_a_model_is_exported_and_then_runs_by_itself(
    tiny_biomedclip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    figures = write_folder(tmp_path / "figures", range(4))
    library = tmp_path / "lib"
    made = ["--encoder", "biomedclip", "--model", tiny_biomedclip]
    assert run("build", library, "--corpus", f"folder={figures}", *made) == 0
    assert run("encoder", "export", "--model", tiny_biomedclip, "--output", tmp_path / "out") == 0
    error = capsys.readouterr().err
    assert "float32: cosine to PyTorch at least" in error
    asked = ["search", library, "breast mass", "--json"]
    assert run(*asked) == 0
    under_torch = capsys.readouterr().out
    assert run(*asked, "--model", tmp_path / "out") == 0
    ids = [[json.loads(line)["id"] for line in out.splitlines()]
           for out in (under_torch, capsys.readouterr().out)]  # fmt: skip
    assert ids[0] == ids[1]
