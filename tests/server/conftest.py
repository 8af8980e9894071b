"""A real library of a dozen pictures, and the API over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from medclip_search.api import Library
from medclip_search.corpora.base import CorpusSpec
from medclip_search.library.build import build
from medclip_search.search.query import Query
from medclip_search.server.rest import create_api

CAPTIONS = {
    "chest ct 1": "Axial CT of the chest showing a nodule in the right upper lobe",
    "chest ct 2": "Axial CT of the chest showing emphysema",
    "head mr 1": "Sagittal MRI of the head showing the corpus callosum",
    "head mr 2": "Sagittal MRI of the head showing the pituitary gland",
    "deep/er/größe é": "Radiograph of the knee showing the patella",
    "no picture": "Ultrasound of the abdomen showing the gallbladder",
}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, each with its caption beside it."""
    folder = tmp_path_factory.mktemp("corpus")
    for number, (name, caption) in enumerate(CAPTIONS.items()):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".txt").write_text(caption, "utf-8")
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8))
        coarse.resize((300, 260), Image.Resampling.BICUBIC).save(path)
    return folder


@pytest.fixture(scope="session")
def library(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The library built of it, opened; one source picture is gone afterwards."""
    path = tmp_path_factory.mktemp("built") / "library"
    build(path, [CorpusSpec("folder", corpus, "folder")])
    (corpus / "head mr 2.png").unlink()
    with Library.open(path) as opened:
        yield opened


@pytest.fixture(scope="session")
def client(library: Library) -> Iterator[TestClient]:
    def current() -> Library:
        return library

    with TestClient(create_api(current), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="session")
def ids(library: Library) -> dict[str, str]:
    """The id of each picture's case, by the picture's name."""
    hits = library.search(Query(where="corpus=folder"), k=100)
    return {n: h.id for n, c in CAPTIONS.items() for h in hits if h.case.caption == c}
