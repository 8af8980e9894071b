"""How well two runtimes of one model agree: cosines of their vectors of the same inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from medclip_search.encoders.base import Floats

TEXTS: tuple[str, ...] = (
    "",
    "CT",
    "chest X-ray showing a right-sided pleural effusion",
    "Axial T2-weighted MRI of the brain (arrow) &amp; contrast-enhanced; 3.5 × 2 cm, p < 0.05",
    "It's naïve – “Ménière’s” disease, μm, 100 %, \u5fc3\u81d3 \U0001f9e0 <b>x</b>",
    "haematoxylin and eosin staining of an adenocarcinoma, original magnification " * 4,
    "computed tomography of the upper abdomen with intravenous contrast medium " * 60,
)
"""Of no token up to more than any context holds."""

Vectors = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Cosines between vectors of two runtimes, over all layers, images and texts tried."""

    minimum: float
    mean: float


UNMEASURED = Agreement(-1.0, -1.0)


def agreement(ours: Vectors, reference: Vectors) -> Agreement:
    """Of (n, d) vectors by the same keys. A vector that is not finite agrees with nothing."""
    each = []
    for key, expected in reference.items():
        found = ours[key].astype(np.float64)
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            each.append((found * expected).sum(axis=1) / lengths)
    cosines = np.nan_to_num(np.concatenate(each), nan=-1.0)
    return Agreement(float(cosines.min()), float(cosines.mean()))


def pictures() -> list[Image.Image]:
    """Noise, bare grounds and shapes on them, in grey and in colour; always the same."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:300, 0:400] / 300
    disc = (rows - 0.5) ** 2 + (columns - 0.6) ** 2 < 0.1
    stripes = np.sin(columns * 60) > rows
    levels = [
        np.zeros_like(rows),
        np.ones_like(rows),
        rows * 0.7,
        disc * 0.8 + 0.1,
        stripes * disc * columns,
        np.clip(disc * 0.5 + rng.normal(0.2, 0.1, rows.shape), 0, 1),
    ]
    grey = [Image.fromarray((level * 255).astype(np.uint8)) for level in levels]
    noise = Image.fromarray(rng.integers(0, 256, (256, 300, 3), dtype=np.uint8))
    stained = Image.merge("RGB", [grey[2], grey[3], grey[4].resize(grey[2].size)])
    return [*grey, noise, stained]
