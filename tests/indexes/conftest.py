"""What several files of tests are given: an index of a few captions."""

from __future__ import annotations

import pytest

from medclip_search.indexes.text import TextDocument, TextIndex
from tests.indexes.text_cases import CAPTIONS, documents, opened


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> TextIndex:
    """Of ``CAPTIONS``, by their places, and of a case without one, 20."""
    docs = documents(CAPTIONS)
    docs.append(TextDocument(20, "roco 77", "", ("hepatic steatosis", "liver")))
    return opened(tmp_path_factory.mktemp("text") / "index", docs)
