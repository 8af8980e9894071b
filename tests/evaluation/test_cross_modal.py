"""Cross-modal retrieval with a tiny BiomedCLIP, against a comparison of everything with everything.

Its weights are random, so its recall is that of chance; but what the protocol must do with
vectors, it must do with any.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medclip_search import Library, UsageError, build
from medclip_search.cli import main
from medclip_search.evaluation import evaluate_cross_modal
from tests.figures import write_folder

PAIRS = 30
CUTS = (1, 5, 10)


@pytest.fixture(scope="module")
def joint(tiny_biomedclip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cross-modal")
    write_folder(folder / "figures", range(PAIRS))
    (folder / "figures" / "fig-000.txt").unlink()  # a picture without a caption
    (folder / "figures" / "fig-002.txt").write_text(
        (folder / "figures" / "fig-001.txt").read_text("utf-8"), "utf-8"
    )
    build(
        folder / "lib",
        [f"folder={folder / 'figures'}"],
        encoder="biomedclip",
        model=tiny_biomedclip,
        runtime="torch",
    )
    return folder


def by_comparison(library: Library, ids: list[str]) -> dict[str, dict[str, float]]:
    """The ranks of one's own, each counted one by one, from the encoder's own vectors."""
    images = library.vectors("biomedclip", ids)
    captions = library.embed_words([library.case(one).caption for one in ids])["biomedclip"]
    found = {}
    for name, asking, asked in (
        ("image-to-caption", images, captions),
        ("caption-to-image", captions, images),
    ):
        ranks = []
        for at, query in enumerate(asking.astype(np.float64)):
            cosines = [
                float(query @ one / (np.linalg.norm(query) * np.linalg.norm(one)))
                for one in asked.astype(np.float64)
            ]
            ranks.append(sum(one >= cosines[at] - 1e-6 for one in cosines))
        found[name] = {f"R@{k}": float(np.mean([r <= k for r in ranks])) for k in CUTS} | {
            "MedR": float(np.median(ranks))
        }
    return found


def test_recall_is_that_of_comparing_everything(
    joint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(joint / "lib"), "--protocol", "cross-modal", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert ended.value.code in (0, None)
    assert found["pool"] == PAIRS - 1
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["evaluate", str(joint / "lib"), "--protocol", "cross-modal", "--json", "--measures",
              "R@29"])  # fmt: skip
    assert json.loads(capsys.readouterr().out)["measures"]["caption-to-image"] == {"R@29": 1}
    with Library.open(joint / "lib") as library:
        ids = sorted(case.id for case in library.cases() if case.caption)
        wanted = by_comparison(library, ids)
    for name, measures in wanted.items():
        assert found["measures"][name] == pytest.approx(measures)
        for k in CUTS:
            low, high = found["intervals"][name][f"R@{k}"]
            assert low <= measures[f"R@{k}"] <= high


def test_a_pool_is_drawn_by_its_seed(joint: Path) -> None:
    with Library.open(joint / "lib") as library:
        one = evaluate_cross_modal(library, pool=12, seed=4).scores["image-to-caption"]
        same = evaluate_cross_modal(library, pool=12, seed=4).scores["image-to-caption"]
        other = evaluate_cross_modal(library, pool=12, seed=5).scores["image-to-caption"]
        assert one.queries == same.queries
        assert one.queries != other.queries
        for name, values in by_comparison(library, list(one.queries))["image-to-caption"].items():
            assert one.means()[name] == pytest.approx(values)
        with pytest.raises(UsageError, match="--pool 99: give 1 to 29"):
            evaluate_cross_modal(library, pool=99)
        with pytest.raises(UsageError, match="nDCG@10 is not of --protocol cross-modal"):
            evaluate_cross_modal(library, measures=["R@2,nDCG@10"])
        with pytest.raises(UsageError, match="--space nope: no joint space"):
            evaluate_cross_modal(library, space="nope")


def test_two_captions_that_are_one_find_their_picture_second_at_best(joint: Path) -> None:
    with Library.open(joint / "lib") as library:
        scores = evaluate_cross_modal(library).scores["image-to-caption"]
    same = [scores.queries.index(one) for one in ("fig-001", "fig-002")]
    assert scores.values["MedR"][same].min() >= 2


def test_vectors_of_captions_that_the_library_has_are_used(
    joint: Path, tiny_biomedclip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(
        tmp_path / "lib",
        [f"folder={joint / 'figures'}"],
        encoder="biomedclip",
        model=tiny_biomedclip,
        runtime="torch",
        embed_captions=True,
    )
    with Library.open(joint / "lib") as library:
        made = evaluate_cross_modal(library)
    with Library.open(tmp_path / "lib") as library:
        # Without an encoder only what the library holds is left.
        monkeypatch.setattr(type(library), "embed_words", None)
        held = evaluate_cross_modal(library)
    for name, scores in made.scores.items():
        assert held.scores[name].means() == pytest.approx(scores.means(), abs=0.04)
