"""Folding, groups and diversity at the command line, over a library that is really built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medclip_search.cli import main
from tests.figures import draw_textured


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures, one of them twice, as another program would save it again."""
    folder = tmp_path_factory.mktemp("twins")
    for name, modality in {"a": "CT", "b": "MRI", "c": "CT", "d": "MRI"}.items():
        draw_textured(ord(name)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"{modality} of the chest, case {name}")
    draw_textured(ord("a")).resize((220, 220)).save(folder / "twin.jpg", quality=85)
    (folder / "twin.txt").write_text("CT of the chest, case a once more")
    with pytest.raises(SystemExit) as ended:
        main(["build", str(folder / "lib"), "--corpus", f"folder={folder}"])
    assert ended.value.code == 0
    return folder / "lib"


def asked(capsys: pytest.CaptureFixture[str], library: Path, *words: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["search", str(library), *words])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_same_picture_is_one_hit(capsys: pytest.CaptureFixture[str], library: Path) -> None:
    out = asked(capsys, library, "chest case", "--json")
    hits = {one["id"]: one for one in map(json.loads, out.splitlines())}
    assert hits.keys() == {"a", "b", "c", "d"}
    assert hits["a"]["duplicates"] == ["twin"]
    assert hits["b"]["duplicates"] == []
    table = asked(capsys, library, "chest case")
    (line,) = (line for line in table.splitlines() if "same picture" in line)
    assert line.split()[1] == "a"
    assert line.endswith("+1 of the same picture")
    assert len(asked(capsys, library, "chest case", "--no-fold", "--json").splitlines()) == 5


def test_one_hit_a_group(capsys: pytest.CaptureFixture[str], library: Path) -> None:
    out = asked(capsys, library, "chest case", "--group", "modality", "--no-fold", "--json")
    hits = [json.loads(line) for line in out.splitlines()]
    assert sorted(hit["modality"] for hit in hits) == ["CT", "MR"]
    assert sorted(len(hit["siblings"]) for hit in hits) == [1, 2]
    assert "+1 of its group" in asked(capsys, library, "chest case", "--group", "modality")


def test_diversity_keeps_the_first(capsys: pytest.CaptureFixture[str], library: Path) -> None:
    plain = asked(capsys, library, "chest case a", "--no-fold", "-k", "2", "--json")
    assert [json.loads(line)["id"] for line in plain.splitlines()] == ["a", "twin"]
    diverse = ("--no-fold", "--diversity", "0.9", "-k", "2", "--json")
    found = asked(capsys, library, "chest case a", *diverse)
    first, second = (json.loads(line)["id"] for line in found.splitlines())
    assert first == "a"
    assert second != "twin"


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--group", "pages"], "no field is called 'pages'"), (["--diversity", "2"], "from 0 to 1")],
)
def test_wrong_calls(
    capsys: pytest.CaptureFixture[str], library: Path, words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["search", str(library), "chest", *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_answers_are_counted_and_paged(capsys: pytest.CaptureFixture[str], library: Path) -> None:
    words = ("search", str(library), "chest case", "--no-fold")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main([*words, "--facets", "modality", "--where", "modality=MR", "--sort", "newest"])
    told = capsys.readouterr()
    assert "Counted: all 2 cases that match the words." in told.err
    assert "  modality: CT 3, MR 2" in told.err
    assert "knows no years" in told.err
    ids = [
        json.loads(line)["id"]
        for start in range(0, 5, 2)
        for line in asked(
            capsys, library, *words[2:], "--start", str(start), "-k", "2", "--json"
        ).splitlines()
    ]
    assert sorted(ids) == ["a", "b", "c", "d", "twin"]


def test_the_places_of_the_words_are_told(
    capsys: pytest.CaptureFixture[str], library: Path
) -> None:
    for line in asked(capsys, library, "cases", "--json").splitlines():
        hit = json.loads(line)
        typed = [one for one in hit["highlights"] if one["typed"]]
        assert [hit["caption"][one["start"] : one["end"]] for one in typed] == ["case"]
