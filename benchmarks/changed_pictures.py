"""Seeded changes that pictures undergo between two publications."""

from __future__ import annotations

import io
import math
import zlib

import numpy as np
from PIL import Image, ImageDraw

CHANGES = ("jpeg", "resize", "crop", "contrast", "arrow", "label", "border", "several")
_FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def changed(picture: Image.Image, change: str, seed: str) -> Image.Image:
    """A picture in mode ``RGB``, changed; the same for the same seed.

    ``jpeg``: quality 30 to 90. ``resize``: to 0.5 to 1.5 of each side. ``crop``: up to 5 % of
    each side. ``contrast``: gamma, gain and offset. ``arrow`` and ``label``: drawn on it.
    ``border``: a frame of up to 5 %, black or white. ``several``: two of crop, contrast, arrow and
    label, then resized, then JPEG.
    """
    random = np.random.default_rng([zlib.crc32(seed.encode()), CHANGES.index(change)])
    return _change(picture, change, random)


def _change(picture: Image.Image, change: str, random: np.random.Generator) -> Image.Image:
    width, height = picture.size
    longest = max(width, height)
    if change == "jpeg":
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=int(random.integers(30, 91)))
        return Image.open(buffer).convert("RGB")
    if change == "resize":
        scale = random.uniform(0.5, 1.5)
        size = max(8, round(width * scale)), max(8, round(height * scale))
        return picture.resize(size, _FILTERS[random.integers(3)])
    if change == "crop":
        left, top, right, bottom = random.uniform(0, 0.05, 4)
        return picture.crop(
            (
                round(left * width),
                round(top * height),
                round(width - right * width),
                round(height - bottom * height),
            )
        )
    if change == "contrast":
        grey = (np.asarray(picture, np.float64) / 255) ** random.uniform(0.7, 1.4)
        grey = (grey - 0.5) * random.uniform(0.7, 1.3) + 0.5 + random.uniform(-0.12, 0.12)
        return Image.fromarray((np.clip(grey, 0, 1) * 255).round().astype(np.uint8))
    if change == "border":
        wide = max(2, round(random.uniform(0.01, 0.05) * longest))
        shade = int(random.choice([0, 255]))
        framed = Image.new("RGB", (width + 2 * wide, height + 2 * wide), (shade,) * 3)
        framed.paste(picture, (wide, wide))
        return framed
    if change == "several":
        for one in random.permutation(["crop", "contrast", "arrow", "label"])[:2]:
            picture = _change(picture, one, random)
        return _change(_change(picture, "resize", random), "jpeg", random)
    picture = picture.copy()
    pen = ImageDraw.Draw(picture)
    if change == "label":
        side = round(0.1 * longest)
        x = 0 if random.random() < 0.5 else width - side
        y = 0 if random.random() < 0.5 else height - side
        pen.rectangle((x, y, x + side, y + side), (255, 255, 255))
        letter = "ABCD"[random.integers(4)]
        pen.text((x + side // 4, y), letter, (0, 0, 0), font_size=round(0.8 * side))
        return picture
    colour = (255, 255, 255) if random.random() < 0.5 else (255, 220, 0)
    tip_x, tip_y = random.uniform(0.25, 0.75) * width, random.uniform(0.25, 0.75) * height
    angle, length = random.uniform(0, 2 * math.pi), random.uniform(0.08, 0.16) * longest
    end = (tip_x + length * math.cos(angle), tip_y + length * math.sin(angle))
    pen.line((tip_x, tip_y, *end), colour, max(2, round(0.012 * longest)))
    head = [(tip_x - 0.1 * length * math.cos(angle), tip_y - 0.1 * length * math.sin(angle))]
    head += [
        (
            tip_x + 0.35 * length * math.cos(angle + turn),
            tip_y + 0.35 * length * math.sin(angle + turn),
        )
        for turn in (0.5, -0.5)
    ]
    pen.polygon(head, colour)
    return picture
