"""Models of the hub: from the cache without a word to the network, else downloaded, once.

The hub is a small one on this machine (``hub_server.py``); each encoder is made in a program of its
own, for the hub's library reads its settings when it is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.encoders.hub_client import FILES, REPOSITORY, encoder
from tests.encoders.hub_server import CLOSED, small_hub

pytestmark = pytest.mark.usefixtures("biomedclip_extra")

LISTED = "timm/vit_base_patch32_clip_224.openai"
OPENAI = ("ViT-B-32", "ViT-B-32-quickgelu")


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def hub(tiny_biomedclip: Path, tmp_path: Path, asked: list[str]) -> Iterator[str]:
    """The address of a hub that has BiomedCLIP, of the tiny one's weights."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in FILES:
        os.link(tiny_biomedclip / name, folder / name)
    with small_hub(folder, (REPOSITORY, LISTED), asked) as address:
        yield address


def test_downloaded_once_then_offline(
    tiny_biomedclip: Path, tmp_path: Path, hub: str, asked: list[str]
) -> None:
    first, noise = encoder(tmp_path, hub)
    fingerprint, space = first.split()
    assert (len(fingerprint), space) == (64, "biomedclip")
    assert noise == ""  # the bar is for a terminal
    assert "telemetry" not in "".join(asked)
    assert asked
    assert not any("torch/" in one for one in asked)  # what is installed here is not told
    asked.clear()
    for settings in ({}, {"HF_HUB_OFFLINE": "1"}):
        assert encoder(tmp_path, CLOSED, **settings) == (first, "")
    assert encoder(tmp_path, hub) == (first, "")
    assert asked == []
    # A copy of the folder is the same model.
    assert encoder(tmp_path, CLOSED, model=str(tiny_biomedclip))[0] == first


def test_any_repository_by_name(tmp_path: Path, hub: str) -> None:
    said, _ = encoder(tmp_path, hub, "open_clip", f"hf-hub:{REPOSITORY}", REPOSITORY[10:])
    assert said.split()[1:] == ["BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"]


def test_a_model_on_open_clips_list(tmp_path: Path, hub: str) -> None:
    """Its configuration comes with open_clip, its weights (here, no real ones) from the hub."""
    (tmp_path / "repository" / "open_clip_model.safetensors").write_bytes(b"weights")
    made = [encoder(tmp_path, hub, "open_clip", f"{name}/openai", "")[0] for name in OPENAI]
    assert [line.split()[1:] for line in made] == [
        ["ViT-B-32-openai"],
        ["ViT-B-32-quickgelu-openai"],
    ]
    # OpenAI's weights are given the activation they were trained with, under either name.
    assert made[0].split()[0] == made[1].split()[0]


def test_a_checkpoint_without_its_configuration(tmp_path: Path) -> None:
    """As BMC-CLIP is published: its architecture is known here."""
    folder, name = tmp_path / "bare", "BIOMEDICA/BMC_CLIP_CF"
    folder.mkdir()
    (folder / "BMC_CLIP_CF.pt").write_bytes(b"weights")
    with small_hub(folder, (name,), []) as hub:
        said, noise = encoder(tmp_path, hub, "open_clip", f"hf-hub:{name}", "")
    assert (said.split()[1:], noise) == (["BMC_CLIP_CF"], "")
    assert encoder(tmp_path, CLOSED, "open_clip", f"hf-hub:{name}", "")[0] == said
    # The same file beside nothing at all.
    model = f"ViT-L-14={folder / 'BMC_CLIP_CF.pt'}"
    assert encoder(tmp_path, CLOSED, "open_clip", model, "")[0] == said
    # And its folder, as 'hf download' leaves it.
    assert encoder(tmp_path, CLOSED, "open_clip", str(folder), "")[0] == said


def test_without_a_network(tmp_path: Path) -> None:
    said, noise = encoder(tmp_path, CLOSED)
    assert noise == ""
    assert said == (
        f"EncoderUnavailableError: hf-hub:{REPOSITORY}: not in the cache, and no network here; on "
        f"a machine that has one run 'hf download {REPOSITORY} --local-dir DIR' and copy the "
        "folder, then give --model DIR, or set HF_HOME to a cache that has it"
    )


def test_where_the_network_is_forbidden(tmp_path: Path) -> None:
    said, noise = encoder(tmp_path, CLOSED, HF_HUB_OFFLINE="1")
    assert noise == ""
    assert "not in the cache, and HF_HUB_OFFLINE forbids the network; unset it, or" in said
    assert "\n" not in said


def test_a_name_that_nobody_has(tmp_path: Path, hub: str) -> None:
    said, noise = encoder(tmp_path, hub, "open_clip", "hf-hub:nobody/nothing", "")
    assert noise == ""
    assert said.startswith(
        "EncoderUnavailableError: hf-hub:nobody/nothing: there is no such model, or it is private; "
        "check the name"
    )


def test_a_name_that_can_be_none(tmp_path: Path) -> None:
    said, _ = encoder(tmp_path, CLOSED, "open_clip", "hf-hub:a/b/c", "")
    assert said.endswith("hf-hub:a/b/c: is not a name of the form ORGANISATION/MODEL")


def test_a_repository_of_something_else(tmp_path: Path, hub: str) -> None:
    (tmp_path / "repository" / "open_clip_config.json").unlink()
    said, _ = encoder(tmp_path, hub)
    assert f"hf-hub:{REPOSITORY}: has no open_clip_config.json; it is not a model of" in said


def test_the_list_tells_what_is_cached(tmp_path: Path, hub: str) -> None:
    code = "from medclip_search import encoders; print(encoders.available()[1].note)"
    environment = os.environ | {"HF_HOME": str(tmp_path)}

    def note() -> str:
        command = [sys.executable, "-c", code]
        return subprocess.check_output(command, env=environment, text=True).strip()

    assert note().endswith(
        "its weights (0.8 GB) are downloaded at first use, or give --model with its folder"
    )
    encoder(tmp_path, hub)
    assert note().endswith("its weights are in the cache")
