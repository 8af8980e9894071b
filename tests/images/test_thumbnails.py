"""Thumbnails are small, faithful, and never enlarged."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFilter

from medclip_search.images import THUMBNAIL_SIDE, make_thumbnail, read_image


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1000, 500), (320, 160)),
        ((500, 1000), (160, 320)),
        ((320, 320), (320, 320)),
        ((30, 20), (30, 20)),
        ((9000, 3), (320, 1)),
    ],
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_size(size: tuple[int, int], expected: tuple[int, int], mode: str) -> None:
    thumbnail = make_thumbnail(Image.new(mode, size, 128))
    with Image.open(BytesIO(thumbnail)) as image:
        assert image.format == "WEBP"
        assert image.size == expected
        assert max(image.size) <= THUMBNAIL_SIDE


def test_a_textured_greyscale_picture_is_kept_well_in_few_bytes() -> None:
    noise = np.random.default_rng(3).normal(0, 40, (640, 640)) + np.linspace(20, 220, 640)
    picture = Image.fromarray(noise.clip(0, 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(3)
    )
    thumbnail = make_thumbnail(picture)
    expected = np.asarray(picture.resize((320, 320), Image.Resampling.LANCZOS), np.float64)
    kept = np.asarray(read_image(thumbnail).convert("L"), np.float64)
    noise_power = ((kept - expected) ** 2).mean()
    assert 10 * np.log10(255**2 / noise_power) > 36  # dB; 30 is where loss begins to be seen
    assert len(thumbnail) < 20_000


def test_metadata_does_not_travel() -> None:
    picture = Image.new("RGB", (50, 50))
    exif = Image.Exif()
    exif[0x010E] = "Jane Roe 1970"
    picture.info["exif"] = exif.tobytes()
    picture.info["xmp"] = b"<x>Jane Roe 1970</x>"
    assert b"Jane" not in make_thumbnail(picture)
