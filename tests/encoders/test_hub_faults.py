"""A hub that refuses, fails or hangs up: one line with what to do, and another try goes on.

The hub is a small one on this machine (``hub_server.py``), asked by a program of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.encoders.hub_client import FILES, REPOSITORY, encoder
from tests.encoders.hub_server import CLOSED, Fault, small_hub
from tests.encoders.tiny_pmc_clip import CONFIG, PUBLISHED, make_tiny_pmc_clip

pytestmark = pytest.mark.usefixtures("biomedclip_extra")

LISTING = f"/api/models/{REPOSITORY}"
WEIGHTS = "open_clip_pytorch_model.bin"
PUBMEDBERT = "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext"
REFUSED = "the hub refuses it to this machine: ask its owner for access, run 'hf auth login' or"
LATER = "the hub is overloaded or out of order: try again later"


@pytest.fixture
def faults() -> dict[str, Fault]:
    return {}


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def hub(
    tiny_biomedclip: Path, tmp_path: Path, asked: list[str], faults: dict[str, Fault]
) -> Iterator[str]:
    """The address of a hub that has BiomedCLIP and PubMedBERT, of the tiny one's files."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in FILES:
        os.link(tiny_biomedclip / name, folder / name)
    with small_hub(folder, (REPOSITORY, PUBMEDBERT), asked, faults) as address:
        yield address


def refusal(home: Path, hub: str) -> str:
    said, noise = encoder(home, hub)
    assert noise == ""
    assert "\n" not in said
    assert said.startswith(f"EncoderUnavailableError: hf-hub:{REPOSITORY}: ")
    return said


@pytest.mark.parametrize(
    ("path", "fault", "remedy"),
    [
        (LISTING, Fault(401, {"X-Error-Code": "RepoNotFound"}), "or it is private; check the name"),
        (
            LISTING,  # a token that nobody knows
            Fault(401, {"X-Error-Message": "Invalid credentials in Authorization header"}),
            REFUSED,
        ),
        (WEIGHTS, Fault(403, {"X-Error-Code": "GatedRepo"}), "its owner asks for consent; give it"),
        (WEIGHTS, Fault(403, {"X-Error-Message": "not for you"}), REFUSED),
        (WEIGHTS, Fault(404, {"X-Error-Code": "EntryNotFound"}), "check the name and try again"),
        (LISTING, Fault(429), LATER),
        (LISTING, Fault(503), LATER),
    ],
    ids=["private", "token", "gated", "forbidden", "gone", "too many", "out of order"],
)
def test_an_answer_that_is_none(
    tmp_path: Path, hub: str, faults: dict[str, Fault], path: str, fault: Fault, remedy: str
) -> None:
    faults[path] = fault
    assert remedy in refusal(tmp_path, hub)
    faults.clear()
    assert encoder(tmp_path, hub)[0].endswith(" biomedclip")


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    tmp_path: Path, hub: str, asked: list[str], faults: dict[str, Fault]
) -> None:
    faults[WEIGHTS] = Fault(cut=15_000_000, times=1)
    said, noise = encoder(tmp_path, hub)
    assert (said.endswith(" biomedclip"), noise) == (True, "")
    parts = [line.split()[2] for line in asked if line.startswith("GET") and WEIGHTS in line]
    assert parts[0] == "None"
    (again,) = parts[1:]
    assert 10_000_000 < int(again.removeprefix("bytes=").rstrip("-")) <= 15_000_000


def test_a_connection_that_breaks_for_good(
    tmp_path: Path, hub: str, asked: list[str], faults: dict[str, Fault]
) -> None:
    """What came whole before is not loaded again."""
    faults[WEIGHTS] = Fault(cut=0)
    assert refusal(tmp_path, hub).endswith("; try again (files that came whole are kept)")
    faults.clear()
    asked.clear()
    assert encoder(tmp_path, hub)[0].endswith(" biomedclip")
    loaded = [line.split()[1] for line in asked if line.startswith("GET") and "/resolve/" in line]
    assert [path.rpartition("/")[2] for path in loaded] == [WEIGHTS]


def test_a_disk_without_room(tmp_path: Path, hub: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    small = f'mount -t tmpfs -o size=8m none "{home}" && exec "$@"'
    within = ("unshare", "--user", "--map-root-user", "--mount", "bash", "-c", small, "bash")
    if not shutil.which("unshare") or subprocess.run([*within, "true"], check=False).returncode:
        pytest.skip("no small disk can be made here (unshare, tmpfs)")
    said, noise = encoder(home, hub, within=within)
    assert noise == ""
    assert said.endswith(
        "download failed: the disk is full; make room, or set HF_HOME to a folder on another disk"
    )


def test_the_tokenizer_that_a_folder_names(tmp_path: Path, hub: str) -> None:
    """Downloaded where there is a network; else the line tells what belongs into the folder."""
    model = make_tiny_pmc_clip(tmp_path / "pmc-clip")
    for name in ("tokenizer.json", "vocab.txt"):
        (model / name).unlink()
    (model / CONFIG).write_text(PUBLISHED, encoding="utf-8")
    said, noise = encoder(tmp_path, CLOSED, "open_clip", str(model), "pmc-clip")
    assert noise == ""
    assert said == (
        f"EncoderUnavailableError: {model}: its tokenizer ({PUBMEDBERT}) is missing; put "
        "tokenizer.json or vocab.txt beside the weights, or try again with a network"
    )
    said, _ = encoder(tmp_path, hub, "open_clip", str(model), "pmc-clip")
    assert said.endswith(" pmc-clip")
    assert encoder(tmp_path, CLOSED, "open_clip", str(model), "pmc-clip")[0] == said
