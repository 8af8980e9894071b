"""Searching by a region of an image at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from medclip_search.api import build
from tests.cli.conftest import Cli
from tests.figures import draw_textured


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures in a library, and a figure of both beside each other."""
    folder = tmp_path_factory.mktemp("panels")
    whole = Image.new("L", (400, 200))
    for at, name in enumerate("ab"):
        picture = draw_textured(ord(name))
        picture.save(folder / f"{name}.png")
        whole.paste(picture, (200 * at, 0))
    build(folder / "library", [f"folder={folder}"])
    whole.save(folder / "panels.png")
    return folder


def test_a_region_finds_its_panel(cli: Cli, folder: Path) -> None:
    search = ("search", folder / "library", "--image", folder / "panels.png", "-k", 1, "--json")
    for region, first in (("0,0,200,200", "a"), ("0.5,0,0.5,1", "b")):
        status, out, _ = cli(*search, "--region", region)
        assert (status, json.loads(out)["id"]) == (0, first)


def test_the_second_image_alone_has_a_region(cli: Cli, folder: Path) -> None:
    images = ("--image", folder / "a.png", "--image", folder / "panels.png")
    regions = ("--region", "whole", "--region", "200,0,200,200")
    status, out, _ = cli(
        "search", folder / "library", *images, *regions, "--weight", "image=1,9", "-k", 1, "--json"
    )
    assert (status, json.loads(out)["id"]) == (0, "b")


def test_a_wrong_region_is_a_wrong_call(cli: Cli, folder: Path) -> None:
    search = ("search", folder / "library", "--image", folder / "panels.png")
    for words, reason in (
        (("--region", "1,2,3"), "--region: 1,2,3 is no box; give X,Y,WIDTH,HEIGHT"),
        (("--region", "390,0,200,200"), "panels.png, which has 400 × 200 pixels"),
        (("--not-region", "0,0,9,9"), "--not-region: 1 for 0 images"),
    ):
        status, _, err = cli(*search, *words)
        assert status == 2
        assert reason in err
        assert len(err.strip().splitlines()) == 1
