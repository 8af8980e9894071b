"""The small pictures that a library keeps."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

THUMBNAIL_SIDE = 320
"""Longest side of a thumbnail in pixels; smaller pictures are not enlarged."""

_QUALITY = 80
"""WebP quality; see the thumbnail tests for what is lost at it. Method 2 takes half the time of
method 4 for 4 % more bytes."""


def make_thumbnail(image: Image.Image) -> bytes:
    """A WebP of at most 320 × 320 px of a picture in mode ``L`` or ``RGB``, without metadata."""
    small = image.copy() if max(image.size) <= THUMBNAIL_SIDE else _reduce(image)
    buffer = BytesIO()
    small.convert("RGB").save(buffer, "WEBP", quality=_QUALITY, method=2, exif=b"", icc_profile=b"")
    return buffer.getvalue()


def _reduce(image: Image.Image) -> Image.Image:
    scale = THUMBNAIL_SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
