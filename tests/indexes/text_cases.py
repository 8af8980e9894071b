"""What the tests of the text index share: a few captions, and an index of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medclip_search.indexes.text import (
    TextDocument,
    TextIndex,
    build_text_index,
)

CAPTIONS = [
    "Chest X-ray showing right-sided pneumothorax",
    "Axial CT of the chest with ground-glass opacities in both lungs",
    "T2-weighted MRI of the brain, a 3 cm cystic lesion",
    "No pneumothorax is seen after removal of the drain",
    "Ultrasound of the liver. Glass ground into the plate is not an opacity",
    "Pneumonia of the left lower lobe",
    "Négative control with naïve cells",
    'Liver biopsy NOT shown -see the "liver" AND text (arrow* at 5+ cm~',
]


def documents(captions: Sequence[str], first: int = 0) -> list[TextDocument]:
    return [TextDocument(k, f"CASE_{k:04}", c) for k, c in enumerate(captions, first)]


def opened(folder: Path, docs: Sequence[TextDocument]) -> TextIndex:
    folder.mkdir(parents=True)
    build_text_index(docs, folder)
    return TextIndex.open(folder)


def found(index: TextIndex, words: str, k: int = 20) -> list[int]:
    keys, scores = index.search(words, k)
    assert (np.diff(scores) <= 0).all()
    return [int(key) for key in keys]
