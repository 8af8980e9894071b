"""Fixtures shared by all tests."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real test data; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("MEDCLIP_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder} (set MEDCLIP_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def biomedclip_extra() -> None:
    """Tests that need the packages of the extra ``biomedclip`` skip where one is absent."""
    for package in ("ftfy", "onnx", "open_clip", "tokenizers", "torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (pip install '.[biomedclip]')")


@pytest.fixture(scope="session")
def tiny_biomedclip(biomedclip_extra: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny BiomedCLIP of random weights (see ``tests/encoders/tiny_clip.py``)."""
    from tests.encoders.tiny_clip import make_tiny_biomedclip

    return make_tiny_biomedclip(tmp_path_factory.mktemp("models") / "tiny-biomedclip")


@pytest.fixture(scope="session")
def rerank_extra() -> None:
    """Tests that need the packages of the extra ``rerank`` skip where one is absent."""
    for package in ("onnx", "tokenizers", "torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (pip install '.[rerank]')")


@pytest.fixture(scope="session")
def tiny_cross_encoder(rerank_extra: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny cross-encoder that heeds a "no" (``encoders/tiny_cross_encoder.py``)."""
    from tests.encoders.tiny_cross_encoder import make_tiny_cross_encoder

    return make_tiny_cross_encoder(tmp_path_factory.mktemp("models") / "tiny-reranker", steps=80)


@pytest.fixture(scope="session")
def tiny_clip(biomedclip_extra: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny CLIP of open_clip's own towers and random weights."""
    from tests.encoders.tiny_clip import make_tiny_clip

    return make_tiny_clip(tmp_path_factory.mktemp("models") / "tiny-clip")
