"""Small figures made from a seed: smooth shapes, each with a caption of its own."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from PIL import Image

_MODALITIES = ("CT", "MRI", "Radiograph", "Ultrasound")
_REGIONS = ("chest", "abdomen", "brain", "knee", "pelvis")
_FINDINGS = ("nodule", "fracture", "effusion", "cyst", "stone", "abscess", "haematoma")


def draw(seed: int, side: int = 96) -> Image.Image:
    """A greyscale picture of a few soft ellipses: the same for the same seed."""
    random_ = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    picture = np.full((side, side), 20.0)
    for _ in range(5):
        cx, cy, rx, ry = random_.uniform(0.1, 0.9, 4)
        distance = ((x - cx) / (0.05 + rx / 4)) ** 2 + ((y - cy) / (0.05 + ry / 4)) ** 2
        picture += random_.uniform(40, 200) * np.exp(-distance)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def draw_textured(seed: int, texture: int | None = None) -> Image.Image:
    """``draw`` at 200 px with a texture as fine as that of tissue, of the seed or another."""
    random_ = np.random.default_rng(seed if texture is None else texture)
    noise = Image.fromarray(random_.integers(0, 256, (32, 32), dtype=np.uint8))
    fine = np.asarray(noise.resize((200, 200), Image.Resampling.BICUBIC), np.float64)
    shapes = np.asarray(draw(seed, 200), np.float64)
    return Image.fromarray((0.7 * shapes + 0.3 * fine).astype(np.uint8))


def caption(seed: int) -> str:
    """A caption with the seed's number in it, so that it is the only one of its kind."""
    chosen = random.Random(seed)
    modality, region = chosen.choice(_MODALITIES), chosen.choice(_REGIONS)
    finding = chosen.choice(_FINDINGS)
    return f"{modality} of the {region} showing a {finding} of {seed + 3} mm, patient number {seed}"


def write_folder(folder: Path, seeds: range) -> Path:
    """A ``folder`` corpus: ``fig-007.png`` with ``fig-007.txt`` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        draw(seed).save(folder / f"fig-{seed:03d}.png")
        (folder / f"fig-{seed:03d}.txt").write_text(caption(seed), encoding="utf-8")
    return folder
