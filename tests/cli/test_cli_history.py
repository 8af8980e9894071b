"""Recent searches at the command line."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from medclip_search.api import Library, build
from medclip_search.state import LOCAL_USER, PastSearch, State
from tests.cli.conftest import Cli


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of which two things were asked."""
    monkeypatch.setenv("MEDCLIP_STATE", str(tmp_path / "state"))
    (tmp_path / "cases.csv").write_text("id,caption\na,Nodule of the left lung\nb,Cyst\n")
    build(tmp_path / "lib", [f"table={tmp_path / 'cases.csv'}"])
    with Library.open(tmp_path / "lib") as opened, State.open() as state:
        for one in (
            PastSearch(cases=("a",), not_cases=("b",)),
            PastSearch(words=("left lung's",), not_words=("cyst",), where=('corpus="table"',)),
        ):
            state.keep_search(LOCAL_USER, opened.id, one)
    return tmp_path / "lib"


def test_searches_are_commands_that_run(cli: Cli, library: Path) -> None:
    status, out, _ = cli("history", library)
    first, second = out.splitlines()
    assert status == 0
    assert second.endswith("# figures: a, not b")
    _, command, *rest = shlex.split(first)
    status, found, _ = cli(command, "--json", *rest)
    assert (status, [json.loads(line)["id"] for line in found.splitlines()]) == (0, ["a"])
    status, out, _ = cli("history", library, "--json")
    assert [json.loads(line)["cases"] for line in out.splitlines()] == [[], ["a"]]


def test_searches_are_forgotten_and_no_longer_kept(cli: Cli, library: Path) -> None:
    assert cli("history", library, "--forget") == (0, "", "2 searches forgotten\n")
    assert cli("history", library) == (0, "", "")
    assert cli("history", library, "--keep-none")[0] == 0
    with State.open() as state:
        assert not state.keeps_searches(LOCAL_USER)
    assert cli("history", library, "--keep")[0] == 0
    with State.open() as state:
        assert state.keeps_searches(LOCAL_USER)
    assert cli("history", library / "nowhere")[0] == 1
