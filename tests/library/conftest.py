"""A small corpus of figures, built once with the real encoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medclip_search.corpora.base import CorpusSpec
from medclip_search.library.build import build
from tests.figures import write_folder


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("built")
    figures = write_folder(folder / "figures", range(24))
    build(folder / "library", [CorpusSpec("folder", figures, "figures")])
    return figures, folder / "library"


@pytest.fixture
def figures(built_once: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the figures that ``library`` was built from."""
    shutil.copytree(built_once[0], tmp_path / "figures")
    return tmp_path / "figures"


@pytest.fixture
def library(built_once: tuple[Path, Path], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A library of 24 cases, to be changed or damaged at will; its source is ``figures``."""
    if "figures" in request.fixturenames:
        figures: Path = request.getfixturevalue("figures")
        build(tmp_path / "library", [CorpusSpec("folder", figures, "figures")])
    else:
        shutil.copytree(built_once[1], tmp_path / "library")
    return tmp_path / "library"
