"""A learned combiner: it learns which list is noise, is tried on groups held out, and only then
used, for the library it was learnt on."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medclip_search import Library, Query
from medclip_search.cli import main
from medclip_search.errors import EvaluationError, UsageError
from medclip_search.evaluation import Topic, train_combiner, train_from_feedback
from medclip_search.evaluation.combiner import Answers, fit
from medclip_search.search.combine import read_combiner
from medclip_search.state import Feedback, State

pytest.importorskip("sklearn")

KINDS = 4
EACH = 12
COUNT = KINDS * EACH


def picture(kind: int, rng: np.random.Generator) -> Image.Image:
    """Stripes, bars, a disc or a chequer, with noise."""
    y, x = np.mgrid[0:64, 0:64] / 64
    shape = (np.sin(x * 40), np.sin(y * 40), (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1,
             (x * 4).astype(int) + (y * 4).astype(int) & 1)[kind]  # fmt: skip
    return Image.fromarray((120 + 60 * (shape > 0) + rng.integers(0, 60, (64, 64))).astype("uint8"))


def words(chance: random.Random) -> str:
    """Words that say nothing of the picture."""
    return " ".join(f"finding{chance.randrange(12):02}" for _ in range(3))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library whose pictures tell what is relevant, and whose captions do not."""
    folder = tmp_path_factory.mktemp("combiner")
    rng, chance = np.random.default_rng(0), random.Random(0)
    rows = ["id,image,caption"]
    for at in range(COUNT):
        picture(at % KINDS, rng).save(folder / f"c{at:02}.png")
        rows.append(f"c{at:02},c{at:02}.png,{words(chance)}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    for name in ("lib", "other"):
        made = ["build", str(folder / name), "--corpus", f"table={folder / 'cases.csv'}"]
        with pytest.raises(SystemExit) as ended:
            main([*made, "--images", str(folder), *(["--limit", "9"] if name == "other" else [])])
        assert ended.value.code == 0
    asked = [f"q{at:02}\t{words(chance)}\tc{at:02}" for at in range(COUNT)]
    (folder / "topics.tsv").write_text("\n".join(asked) + "\n")
    by_picture = [range(at % KINDS, COUNT, KINDS) for at in range(COUNT)]
    at_random = [chance.sample(range(COUNT), EACH) for _ in range(COUNT)]
    for name, judged in (("qrels", by_picture), ("random", at_random)):
        lines = [f"q{a:02} 0 c{b:02} 1" for a, each in enumerate(judged) for b in each]
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(place: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*given: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(one).format(place) for one in given])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


TRAIN = ("combiner", "train", "{}/lib", "--queries", "{}/topics.tsv", "--qrels")


@pytest.fixture(scope="module")
def learnt(place: Path) -> Path:
    """A combiner that the command line wrote."""
    given = [one.format(place) for one in (*TRAIN, "{}/qrels", "--output", "{}/combiner.json")]
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert not ended.value.code
    return place / "combiner.json"


def test_factors_follow_what_lists_tell() -> None:
    """The first list tells most, the second half as much; the third speaks against its own."""
    rng = np.random.default_rng(1)
    answers = []
    for _ in range(60):
        relevant = rng.random(50) < 0.2
        shares = rng.normal(0, 0.1, (50, 3)) + 0.1 * relevant[:, None] * [1.0, 0.5, 0.0]
        shares[:, 2] -= 0.05 * relevant
        answers.append(Answers([str(one) for one in range(50)], shares, relevant))
    strong, weak, none = fit(answers)
    assert strong > 1.5 * weak > 0
    assert none == 0
    assert np.mean([strong, weak, none]) == pytest.approx(1)
    nothing = [Answers(one.names, one.shares, np.zeros(50, bool)) for one in answers]
    assert fit(nothing).tolist() == [1, 1, 1]


def test_it_is_better_where_a_list_is_noise(place: Path, cli: Cli, learnt: Path) -> None:
    told = json.loads(learnt.read_text())
    factors, held = told["factors"], told["held_out"]
    assert factors["image:compact"] > 3 * factors["words"]
    assert held["interval"][0] > 0
    assert held["combiner"] > held["fusion"]
    assert (held["queries"], held["groups"], held["measure"]) == (COUNT, COUNT, "nDCG@10")
    assert told["trained"]["queries"] == COUNT
    evaluate = ("evaluate", "{}/lib", "--queries", "{}/topics.tsv", "--qrels", "{}/qrels",
                "--mode", "both", "--measures", "nDCG@10", "--json")  # fmt: skip
    without, with_it = (
        json.loads(cli(*evaluate, *more)[1])["measures"]["nDCG@10"]
        for more in ((), ("--combiner", learnt))
    )
    assert without == pytest.approx(held["fusion"], abs=1e-6)
    assert with_it > without


def test_hits_add_up_to_their_scores(place: Path, learnt: Path) -> None:
    with Library.open(place / "lib", combiner=learnt) as library:
        asked = Query("finding01 finding05", image=place / "c01.png")
        hits = library.search(asked)
        for hit in hits:
            assert sum(one.share for one in hit.lists) == pytest.approx(hit.score)
        assert [hit.score for hit in hits] == sorted((h.score for h in hits), reverse=True)
        assert {int(hit.id[1:]) % KINDS for hit in hits} == {1}
        by_ranks = library.search(Query("finding01", image=place / "c01.png", fusion="rrf"))
    with Library.open(place / "lib") as plain:
        same = plain.search(Query("finding01", image=place / "c01.png", fusion="rrf"))
        assert [hit.id for hit in by_ranks] == [hit.id for hit in same]


def test_it_is_not_written_where_it_is_not_better(cli: Cli, tmp_path: Path) -> None:
    status, out, err = cli(*TRAIN, "{}/random", "--output", tmp_path / "combiner.json")
    assert status == 1
    assert "difference" in out
    assert err.splitlines()[-1].endswith("more judgements may tell")
    assert not (tmp_path / "combiner.json").exists()


def test_one_that_may_not_be_used_is_refused(cli: Cli, learnt: Path, tmp_path: Path) -> None:
    def changed(**parts: object) -> Path:
        path = tmp_path / "changed.json"
        path.write_text(json.dumps(json.loads(learnt.read_text()) | parts))
        return path

    held = json.loads(learnt.read_text())["held_out"]
    (tmp_path / "noise").write_text("not JSON")
    for library, file, said in (
        ("{}/other", learnt, "another library"),
        ("{}/lib", changed(held_out=held | {"interval": [-0.01, 0.3]}), "did not beat fusion"),
        ("{}/lib", tmp_path / "noise", "is no combiner"),
        ("{}/lib", tmp_path / "gone", "cannot be read"),
    ):
        status, out, err = cli("search", library, "finding01", "--combiner", file)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert said in err
    for text in ("[" * 200_000, "[]", "3", "null", '{"format": 1}', '"kind"'):
        (tmp_path / "noise").write_text(text)
        status, out, err = cli("search", "{}/lib", "finding01", "--combiner", tmp_path / "noise")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert re.search(r"is no combiner \(it is (no JSON|something else)\); ", err)
    for parts, said in (
        ({"format": 99}, "train it again"),
        ({"kind": "recipe"}, "is no combiner"),
        ({"factors": {"words": -1}}, "is no combiner"),
        ({"factors": {}}, "is no combiner"),
        ({"factors": {"words": "NaN"}}, "is no combiner"),
        ({"factors": []}, r"\(a part is missing, or no such value\)"),
        ({"held_out": {}}, r"\(a part is missing, or no such value\)"),
        ({"held_out": [1]}, r"\(a part is missing, or no such value\)"),
        ({"held_out": held | {"queries": float("inf")}}, r"\(a part is missing, or no such"),
        ({"trained": 3}, r"\(a part is missing, or no such value\)"),
    ):
        with pytest.raises(UsageError, match=said):
            read_combiner(changed(**parts), json.loads(learnt.read_text())["library"])


def test_too_little_to_learn_from_is_told(place: Path, cli: Cli, tmp_path: Path) -> None:
    write = ("--output", tmp_path / "x.json")
    for given, status, said in (
        ((*TRAIN, "{}/qrels", "--mode", "words", *write), 2, "one list answers"),
        (("combiner", "train", "{}/lib", *write), 2, "say what to learn from"),
        ((*TRAIN, "{}/qrels", "--from-feedback", *write), 2, "takes the place"),
        ((*TRAIN, "{}/qrels", "--measure", "luck", *write), 2, "luck"),
        ((*TRAIN, "{}/qrels", "--output", tmp_path), 1, "cannot be written"),
    ):
        code, _, err = cli(*given)
        assert code == status, err
        assert said in err.splitlines()[-1]
    with Library.open(place / "lib") as library:
        few = [Topic(f"q{at}", "finding01", (f"c{at:02}",), f"g{at % 5}") for at in range(10, 30)]
        qrels = {one.id: {"c01": 1, "c02": 0} for one in few}
        with pytest.raises(EvaluationError, match="of 5 groups are too few"):
            train_combiner(library, few, qrels)


def test_feedback_teaches_without_the_words_that_were_asked(
    place: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDCLIP_STATE", str(tmp_path / "state"))
    train = ("combiner", "train", "{}/lib", "--from-feedback", "--output", tmp_path / "made.json")
    status, _, err = cli(*train)
    assert status == 1
    assert "no search has two likes" in err
    chance = random.Random(3)
    with Library.open(place / "lib") as library, State.open() as state:
        for search in range(30):
            kind = search % KINDS
            likes = chance.sample([at for at in range(COUNT) if at % KINDS == kind], 3)
            others = chance.sample([at for at in range(COUNT) if at % KINDS != kind], 4)
            for at in (*likes, *others):
                case = f"c{at:02}"
                state.give_feedback("local", library.id, f"key{search}", case, at in likes)
        given = state.all_feedback(library.id)
        assert len(given) == 30
        assert {len(one.likes) for one in given.values()} == {3}
        assert state.all_feedback("another library") == {}
        found = train_from_feedback(library, given | {"local:one": Feedback(("c01",), ("c02",))})
    assert found.better
    assert found.combiner.factors["image:compact"] > found.combiner.factors["words"]
    assert found.combiner.held_out.groups == 30
    status, out, _ = cli(*train)
    assert status == 0
    assert "30 groups" in out
    assert "finding" not in (tmp_path / "made.json").read_text()
    asking = ("search", "{}/lib", "--image", place / "c02.png", "finding01", "--json")
    _, out, _ = cli(*asking, "--combiner", tmp_path / "made.json")
    assert {int(json.loads(line)["id"][1:]) % KINDS for line in out.splitlines()} == {2}
