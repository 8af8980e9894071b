"""Trays at the command line: what the app keeps is listed, changed, exported and imported."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest

from medclip_search.api import build
from tests.cli.conftest import Cli
from tests.figures import draw_textured


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    for name in "abc":
        draw_textured(ord(name)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"CT of the chest, case {name}")
    build(folder / "lib", [f"folder={folder}"])
    return folder / "lib"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDCLIP_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def test_a_tray_is_filled_ordered_and_shown(cli: Cli, library: Path) -> None:
    assert cli("tray", "list", library) == (0, "", "")
    assert cli("tray", "use", library, "Teaching day") == (0, "", "")
    assert cli("tray", "add", library, "a", "b") == (0, "", "")
    assert cli("tray", "add", library, "c", "--note", "first\nof all", "--place", "1")[0] == 0
    assert cli("tray", "show", library)[1] == (
        "  1  c  CT of the chest, case c\n"
        "     | first\n"
        "     | of all\n"
        "  2  a  CT of the chest, case a\n"
        "  3  b  CT of the chest, case b\n"
    )
    assert cli("tray", "move", library, "c", "--to", "Other")[0] == 0
    assert cli("tray", "move", library, "a", "--to", "Other", "--copy")[0] == 0
    assert cli("tray", "remove", library, "b")[0] == 0
    assert cli("tray", "rename", library, "Other", "Second")[0] == 0
    assert cli("tray", "list", library)[1] == "*     1  Teaching day\n      2  Second\n"
    assert cli("tray", "delete", library, "Second", "--yes")[0] == 0
    assert cli("tray", "list", library)[1] == "*     1  Teaching day\n"


def test_exports_are_written_and_json_comes_back(cli: Cli, library: Path, tmp_path: Path) -> None:
    cli("tray", "add", library, "b", "a", "--tray", "Größe 1", "--note", "=1+1")
    for form, name in (("csv", "medclip-Gr-e-1.csv"), ("quiz", "medclip-Gr-e-1-quiz.html")):
        status, out, err = cli("tray", "export", library, "--tray", "Größe 1", "--format", form)
        assert (status, out) == (0, "")
        assert err.splitlines() == [
            f"Größe 1: 2 cases written to {name}",
            "2 figures are under no licence known to allow passing on: ask the owner first.",
        ]
        assert (tmp_path / name).stat().st_size
    with (tmp_path / "medclip-Gr-e-1.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [(row["id"], row["note"]) for row in csv.DictReader(file)] == [
            ("b", "'=1+1"),
            ("a", "'=1+1"),
        ]
    cli("tray", "export", library, "--format", "zip", "--output", tmp_path / "t.zip")
    with zipfile.ZipFile(tmp_path / "t.zip") as archive:
        assert "figures/001-b.png" in archive.namelist()
    status, out, _ = cli("tray", "export", library, "--format", "json", "--output", "-")
    assert [one["note"] for one in json.loads(out)["cases"]] == ["=1+1", "=1+1"]
    (tmp_path / "t.json").write_text(out, "utf-8")
    assert cli("tray", "import", library, "t.json")[2] == "Größe 1 (2): 2 cases imported\n"
    assert cli("tray", "import", library, "t.json", "--tray", "x", "--replace")[0] == 0
    shown = [cli("tray", "show", library, "--tray", name)[1] for name in ("Größe 1 (2)", "x")]
    assert shown[0] == shown[1] == cli("tray", "show", library)[1]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["add", "LIB", "nobody"], 1),
        (["add", "LIB", "a", "--tray", "a/b"], 2),
        (["add", "LIB", "a", "--place", "0"], 2),
        (["add", "LIB", "a", "--note", "x" * 2001], 2),
        (["show", "LIB", "--tray", "nobody"], 1),
        (["remove", "LIB", "a"], 2),
        (["move", "LIB", "a"], 2),
        (["move", "LIB", "a", "--to", "x"], 2),
        (["rename", "LIB", "nobody", "x"], 1),
        (["delete", "LIB", "nobody"], 1),
        (["use", "LIB", ""], 2),
        (["export", "LIB", "--format", "word"], 2),
        (["export", "LIB", "--format", "csv", "--output", "no/such/folder"], 1),
        (["import", "LIB", "no-such-file"], 1),
        (["list", "no-such-library"], 1),
    ],
)
def test_what_cannot_be_done_is_one_line(
    cli: Cli, library: Path, words: list[str], status: int
) -> None:
    given = [library if word == "LIB" else word for word in words]
    ended, out, err = cli("tray", *given)
    assert (ended, out, err.count("\n")) == (status, "", 1), err
    assert cli("tray", "list", library)[1] == ""


def test_a_file_that_is_no_tray_is_named_in_one_line(cli: Cli, library: Path) -> None:
    for content in ("", "no json", "[]", "[" * 5000, '{"cases": 1}', '{"cases": [{}]}'):
        Path("bad.json").write_text(content)
        status, out, err = cli("tray", "import", library, "bad.json")
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert "bad.json: " in err


def test_deleting_asks_first(cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("tray", "add", library, "a")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert cli("tray", "delete", library, "Favourites")[0] == 130
    assert cli("tray", "list", library)[1] == "*     1  Favourites\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert cli("tray", "delete", library, "Favourites")[0] == 0
    assert cli("tray", "list", library)[1] == ""
