"""The small library, as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.search.small_library import CASES, PICTURES, SmallLibrary, build_small_library


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., SmallLibrary]:
    """Builds a library of cases, with pictures or without."""
    return lambda *args, **options: build_small_library(
        tmp_path_factory.mktemp("library"), *args, **options
    )


@pytest.fixture(scope="session")
def small(build: Callable[..., SmallLibrary]) -> SmallLibrary:
    """Eleven cases; the encoder embeds images only."""
    return build(CASES, PICTURES)


@pytest.fixture(scope="session")
def joint(build: Callable[..., SmallLibrary]) -> SmallLibrary:
    """The same cases; words and images share a space."""
    return build(CASES, PICTURES, embeds_words=True)


@pytest.fixture(scope="session")
def pictures() -> dict[str, Image.Image]:
    return PICTURES


@pytest.fixture(scope="session")
def picture_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for name, one in PICTURES.items():
        one.save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in PICTURES}
