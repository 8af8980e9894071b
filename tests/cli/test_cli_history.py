"""Recent searches at the command line."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from medclip_search.api import Library, build
from medclip_search.state import LOCAL_USER, PastSearch, State
from tests.cli.conftest import Cli
from tests.figures import draw_textured


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of which three things were asked."""
    monkeypatch.setenv("MEDCLIP_STATE", str(tmp_path / "state"))
    (tmp_path / "cases.csv").write_text(
        "id,caption,image\na,Nodule of the left lung,a.png\nb,Cyst,b.png\nc,Lung,c.png\n"
    )
    for name in "abc":
        draw_textured(ord(name)).save(tmp_path / f"{name}.png")
    build(tmp_path / "lib", [f"table={tmp_path / 'cases.csv'}"])
    with Library.open(tmp_path / "lib") as opened, State.open() as state:
        for one in (
            PastSearch(cases=("a",), not_cases=("b",)),
            PastSearch(
                ("lung",), cases=("c",), not_cases=("a",), weights={"words": [2], "image": [0.5]}
            ),
            PastSearch(words=("left lung's",), not_words=("cyst",), where=('corpus="table"',)),
        ):
            state.keep_search(LOCAL_USER, opened.id, one)
    return tmp_path / "lib"


def test_searches_are_commands_that_run(cli: Cli, library: Path) -> None:
    status, out, _ = cli("history", library)
    first, second, third = out.splitlines()
    assert status == 0
    for line, found in ((first, ["a"]), (second, ["c"]), (third, ["a"])):
        _, command, *rest = shlex.split(line)
        status, out, _ = cli(command, "--json", "-k", len(found), *rest)
        assert (status, [json.loads(hit)["id"] for hit in out.splitlines()]) == (0, found)
    assert "--weight=words=2" in second
    status, out, _ = cli("history", library, "--json")
    assert [json.loads(line)["cases"] for line in out.splitlines()] == [[], ["c"], ["a"]]


def test_weights_of_several_texts_are_told_beside_the_command(cli: Cli, library: Path) -> None:
    with Library.open(library) as opened, State.open() as state:
        past = PastSearch(("lung", "cyst"), weights={"words": [2, 1]})
        state.keep_search(LOCAL_USER, opened.id, past)
    line = cli("history", library)[1].splitlines()[0]
    assert line.endswith("-- lung cyst  # words weigh 2,1")
    assert cli(*shlex.split(line, comments=True)[1:])[0] == 0


def test_searches_are_forgotten_and_no_longer_kept(cli: Cli, library: Path) -> None:
    assert cli("history", library, "--forget") == (0, "", "3 searches forgotten\n")
    status, out, said = cli("history", library)
    assert (status, out) == (0, "")
    assert (
        said == f"No searches of {library} yet: ask something in the app (medclip-search serve)\n"
    )
    assert cli("history", library, "--json") == (0, "", "")
    assert cli("history", library, "--keep-none")[0] == 0
    said = "No searches are kept, as you asked; --keep keeps them from now on\n"
    assert cli("history", library) == (0, "", said)
    with State.open() as state:
        assert not state.keeps_searches(LOCAL_USER)
    assert cli("history", library, "--keep")[0] == 0
    with State.open() as state:
        assert state.keeps_searches(LOCAL_USER)
    assert cli("history", library / "nowhere")[0] == 1
