"""The command line as scripts and people meet it: output, exit statuses, errors in one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from medclip_search.cli import main
from tests.figures import caption, draw, write_folder

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with figures and a library made by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    write_folder(folder / "figures", range(12))
    draw(3).save(folder / "query.png")
    (folder / "not-an-image.png").write_bytes(b"not a picture")
    with pytest.raises(SystemExit) as ended:
        main(["build", str(folder / "lib"), "--corpus", f"folder:mine={folder / 'figures'}"])
    assert ended.value.code == 0
    return folder


def test_search_prints_a_table(cli: Cli, place: Path) -> None:
    status, out, err = cli("search", place / "lib", *caption(5).split(), "-k", 3)
    assert status == 0
    assert out.splitlines()[0].split()[:2] == ["1", "fig-005"]
    assert "words" in out
    assert "Not for diagnosis" in err


def test_search_as_json_is_one_object_a_line_and_nothing_else(cli: Cli, place: Path) -> None:
    status, out, _ = cli("search", place / "lib", "--image", place / "query.png", "-k", 4, "--json")
    hits = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4]
    assert hits[0]["id"] == "fig-003"
    wanted = {"rank", "id", "score", "corpus", "caption", "image", "modality", "article"}
    assert wanted | {"metadata", "evidence"} <= hits[0].keys()
    assert hits[0]["corpus"] == "mine"
    assert Path(hits[0]["image"]).name == "fig-003.png"
    [evidence] = hits[0]["evidence"]["lists"]
    assert (evidence["list"], evidence["rank"]) == ("image:compact", 1)


def test_fusion_and_weights(cli: Cli, place: Path) -> None:
    asked = ("search", place / "lib", *caption(5).split(), "--image", place / "query.png", "--json")
    for fusion in ("convex", "rrf"):
        first = {}
        for weight in ("words=9", "image=9"):
            _, out, _ = cli(*asked, "--fusion", fusion, "--weight", weight, "-k", 1)
            first[weight] = json.loads(out)
        assert [hit["id"] for hit in first.values()] == ["fig-005", "fig-003"]
    shares = [one["share"] for one in first["image=9"]["evidence"]["lists"]]
    assert shares[0] == pytest.approx(9 / 61)


def test_what_hits_are_called_is_told_below_them(cli: Cli, place: Path) -> None:
    asked = ("search", place / "lib", "--image", place / "query.png", "-k", 2)
    status, out, err = cli(*asked, "--suggest", 3)
    (line,) = (line for line in err.splitlines() if line.startswith("called: "))
    assert status == 0
    assert 1 <= len(line.removeprefix("called: ").split("; ")) <= 3
    assert "called" not in out
    assert "called" not in cli(*asked)[2]


def test_no_hits_is_an_answer(cli: Cli, place: Path) -> None:
    status, out, _ = cli("search", place / "lib", "zzzyqx", "--json")
    assert (status, out) == (0, "")
    status, out, _ = cli("search", place / "lib", "zzzyqx")
    assert status == 0
    assert "no case" in out


def test_the_sum_of_likes_and_dislikes_is_shown_on_request(cli: Cli, place: Path) -> None:
    words = ("search", place / "lib", "patient number", "-k", 3, "--like", "fig-007")
    _, plain, said = cli(*words)
    assert "by likes and dislikes" not in said
    _, told, said = cli(*words, "--explain", "--tray", "gone")
    assert re.search("^by likes and dislikes: .*(moved up|came in|moved down)", said, re.MULTILINE)
    assert "note: 1 case of the tray is not in this library, and left out." in said
    _, _, said = cli(*words, "--dislike", "fig-007", "--explain")
    assert "note: Liked and disliked, and so counted as neither: fig-007." in said
    assert "before you judged" not in plain
    assert told.count("before you judged") + told.count("brought in by what you like") == 3
    assert told.count(": in all") == 3
    assert "+17.4: liked by you" in told


def test_filters_unwanted_words_and_feedback(cli: Cli, place: Path) -> None:
    _, out, _ = cli("search", place / "lib", "--where", "modality=US", "-k", 50, "--json")
    hits = [json.loads(line) for line in out.splitlines()]
    assert hits
    assert {hit["modality"] for hit in hits} == {"US"}
    _, out, _ = cli("search", place / "lib", "showing", "--not-words", "CT", "-k", 50, "--json")
    assert not [line for line in out.splitlines() if "CT of" in json.loads(line)["caption"]]
    words = ("search", place / "lib", "patient number", "-k", 12, "--json", "--dislike", "fig-004")
    _, out, _ = cli(*words, "--like", "fig-007")
    hits = [json.loads(line) for line in out.splitlines()]
    assert hits[0]["id"] == "fig-007"
    _, out, _ = cli("search", place / "lib", *caption(5).split(), "--not-id", "fig-005", "--json")
    assert "fig-005" not in [json.loads(line)["id"] for line in out.splitlines()]
    assert hits[0]["evidence"]["feedback"]["total"] > hits[-1]["evidence"]["feedback"]["total"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["search", "{}/nowhere", "x"], 1, "no such library"),
        (["search", "{}/figures", "x"], 1, "is not a library"),
        (["search", "{}/lib"], 2, "asks for nothing"),
        (["search", "{}/lib", "x", "-k", "-1"], 2, "-1"),
        (["search", "{}/lib", "x", "-k", "0"], 2, "0"),
        (["search", "{}/lib", "x", "-k", "many"], 2, "many"),
        (["search", "{}/lib", "x", "--where", "modality"], 2, "modality"),
        (["search", "{}/lib", "x", "--where", "modalty=CT"], 2, "modalty"),
        (["search", "{}/lib", "x", "--where", "year=soon..later"], 2, "year"),
        (["search", "{}/lib", "--image", "{}/not-an-image.png"], 1, "not-an-image.png"),
        (["search", "{}/lib", "--image", "{}/gone.png"], 1, "gone.png"),
        (["search", "{}/lib", "--image", "{}"], 1, "lder"),
        (["search", "{}/lib", "x", "--like", "no-such-id"], 2, "no-such-id"),
        (["search", "{}/lib", "x", "--fusion", "sum"], 2, "sum"),
        (["search", "{}/lib", "x", "--suggest", "-1"], 2, "suggest: -1: ask for 0 to 50"),
        (["search", "{}/lib", "x", "--weight", "words=-1"], 2, "weights: words must be 0 or more"),
        (["search", "{}/lib", "x", "--not-id", "no-such-id"], 2, "no-such-id"),
        (["search", "{}/lib", "x", "--frobnicate"], 2, "--frobnicate"),
        (["search"], 2, "LIBRARY"),
        (["frobnicate"], 2, "frobnicate"),
        (["build", "{}/new", "--corpus", "{}/figures"], 2, "KIND"),
        (["build", "{}/new", "--corpus", "zip=x"], 2, "roco"),
        (["build", "{}/new"], 1, "no such library"),
        (["build", "{}/new", "--corpus", "folder={}/gone"], 1, "gone"),
        (["build", "{}/new", "--corpus", "roco={}/figures"], 1, "captions.txt"),
        (["build", "{}/new", "--corpus", "table={}/query.png"], 1, "query.png"),
        (["build", "{}/new", "--corpus", "folder={}/figures", "--encoder", "x"], 1, "compact"),
        (["build", "{}/lib", "--limit", "-3"], 2, "--limit"),
        (["info", "{}/nowhere"], 1, "no such library"),
        (["verify", "{}/figures"], 1, "is not a library"),
        (["remove", "{}/lib"], 2, "--id"),
        (["remove", "{}/lib", "--id", "nobody"], 1, "nobody"),
        (["remove", "{}/nowhere", "--id", "x"], 1, "no such library"),
        (["serve", "{}/nowhere"], 1, "no such library"),
        (["serve", "{}/lib", "--port", "99999999"], 2, "99999999"),
    ],
)
def test_errors_are_one_line(
    cli: Cli, place: Path, words: list[str], status: int, said: str
) -> None:
    got, out, err = cli(*(word.format(place) for word in words))
    assert (got, out) == (status, ""), err
    assert len(err.strip().splitlines()) == 1, err
    assert said in err
    assert "Traceback" not in err
    assert not (place / "new").exists()


def test_debug_shows_where_an_error_came_from(place: Path) -> None:
    from medclip_search.errors import NotALibraryError

    with pytest.raises(NotALibraryError):
        main(["search", str(place / "nowhere"), "x", "--debug"])


def test_info_and_encoder_list(cli: Cli, place: Path) -> None:
    status, out, _ = cli("info", place / "lib", "--json")
    info = json.loads(out)
    assert status == 0
    assert (info["cases"], info["images"], info["encoder"]) == (12, 12, "compact")
    assert [space["name"] for space in info["spaces"]] == ["compact"]
    assert info["spaces"][0]["embeds_words"] is False
    assert info["sources"][0]["name"] == "mine"
    assert sum(n for room, n in info["bytes"].items() if room != "total") == info["bytes"]["total"]
    assert info["fields"]["has_caption"]["cases"] == 12
    assert info["fields"]["licence"] == {"cases": 0, "values": 0}
    status, out, _ = cli("info", place / "lib")
    assert "12 cases" in out
    assert "has_caption of 100 %" in out
    assert "licence of" not in out
    status, out, _ = cli("encoder", "list")
    assert status == 0
    assert "compact" in out
    assert "images only" in out


def test_verify_tells_damage_by_its_exit_status(cli: Cli, place: Path, tmp_path: Path) -> None:
    import shutil

    library = tmp_path / "lib"
    shutil.copytree(place / "lib", library)
    status, out, _ = cli("verify", library)
    assert status == 0
    assert "no damage" in out
    [path] = (library / "embeddings").iterdir()
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    status, out, _ = cli("verify", library)
    assert status == 1
    assert path.name in out
    assert "--repair" in out
    status, _, err = cli("build", library, "--repair")
    assert status == 0, err
    assert cli("verify", library)[0] == 0


def test_build_reports_what_it_skipped_and_goes_on(cli: Cli, tmp_path: Path) -> None:
    write_folder(tmp_path / "figures", range(2))
    (tmp_path / "figures" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    status, _, err = cli("build", tmp_path / "lib", "--corpus", f"folder={tmp_path / 'figures'}")
    assert status == 0
    assert [line for line in err.splitlines() if "torn.png" in line and "skipped" in line]
    assert "2 cases" in err


def test_a_reader_that_goes_away_leaves_no_traceback(place: Path) -> None:
    command = f"'{sys.executable}' -m medclip_search search '{place / 'lib'}' showing --json | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys; from medclip_search.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "known = {'numpy', 'scipy', 'streamlit', 'faiss', 'onnxruntime', 'tantivy', 'PIL'}\n"
        "heavy = {*known, 'ir_measures'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Not for diagnosis" in done.stdout
