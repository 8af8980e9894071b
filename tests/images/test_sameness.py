"""The same picture, re-encoded or marked, is told from one that is only alike."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from medclip_search.images.sameness import SAME, Look, sameness
from medclip_search.images.thumbnails import make_thumbnail
from tests.figures import draw_textured


def look(picture: Image.Image) -> Look:
    return Look.of_bytes(make_thumbnail(picture))


def jpeg(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=50)
    return Image.open(buffer)


def arrow(picture: Image.Image) -> Image.Image:
    marked = picture.copy()
    pen = ImageDraw.Draw(marked)
    pen.line((90, 80, 110, 100), 255, 3)
    pen.rectangle((0, 0, 20, 20), 255)
    return marked


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "again as JPEG": jpeg,
    "smaller": lambda one: one.resize((110, 110)),
    "larger": lambda one: one.resize((300, 300), Image.Resampling.BICUBIC),
    "less contrast": lambda one: one.point([round(40 + 0.6 * level) for level in range(256)]),
    "marked": arrow,
    "in a frame": lambda one: ImageOps.expand(one, 6, 255),
    "cropped": lambda one: one.crop((3, 4, 194, 195)),
    "marked, smaller, as JPEG": lambda one: jpeg(arrow(one).resize((140, 140))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_the_same_picture(change: str) -> None:
    for seed in range(5):
        picture = draw_textured(seed)
        copy = CHANGES[change](picture)
        assert sameness(look(picture), look(copy)) >= SAME
        assert sameness(look(copy), look(picture)) >= SAME


def test_another_texture_in_the_same_shape_is_not_the_same() -> None:
    for seed in range(5):
        one, other = look(draw_textured(seed)), look(draw_textured(seed, texture=99))
        assert sameness(one, other) < 0.6
        assert sameness(one, look(draw_textured(seed + 50))) < 0.6


def test_a_quarter_exchanged_is_another_picture() -> None:
    """As where one panel of a figure is another."""
    picture = draw_textured(1)
    changed = picture.copy()
    changed.paste(draw_textured(2).crop((0, 0, 100, 100)), (100, 0))
    assert sameness(look(picture), look(changed)) < SAME


def chart(height: int) -> Image.Image:
    """One bar between two axes."""
    picture = Image.new("L", (400, 300), 255)
    pen = ImageDraw.Draw(picture)
    pen.line((50, 20, 50, 250, 380, 250), 0, 2)
    for at in range(6):
        pen.text((20, 240 - at * 40), str(at * 10), 0)
        pen.text((60 + at * 55, 258), f"t{at}", 0)
    pen.text((120, 2), "Survival of patients by group (n = 120)", 0)
    pen.rectangle((150, 250 - height, 200, 250), 90, 0)
    return picture


def test_charts_that_differ_in_one_bar_are_not_the_same() -> None:
    assert sameness(look(chart(100)), look(jpeg(chart(100)))) >= SAME
    assert sameness(look(chart(100)), look(chart(100).resize((300, 225)))) >= SAME
    for height in (30, 90, 110, 180):
        assert sameness(look(chart(100)), look(chart(height))) < SAME


def test_a_negative_is_another_picture() -> None:
    picture = draw_textured(3)
    assert sameness(look(picture), look(ImageOps.invert(picture))) < SAME


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (320, 2), (16, 16)])
def test_pictures_that_show_nothing_are_never_the_same(size: tuple[int, int]) -> None:
    blank = look(Image.new("L", size, 80))
    assert sameness(blank, blank) < SAME
    assert sameness(blank, look(draw_textured(1))) < SAME


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("MPX2094_synpic31715", "MPX2094_synpic31716", True),  # published twice
        ("MPX1202_synpic34354", "MPX1202_synpic34376", True),
        ("MPX2501_synpic43625", "MPX2501_synpic43626", True),  # cropped
        ("MPX2501_synpic43627", "MPX2501_synpic43628", True),
        ("MPX2601_synpic47406", "MPX2601_synpic47407", False),  # neighbouring slices
        ("MPX2601_synpic47404", "MPX2601_synpic47405", False),
        ("MPX2094_synpic31719", "MPX2094_synpic31720", False),
        ("MPX1582_synpic39375", "MPX1582_synpic39376", False),
        ("MPX1387_synpic17042", "MPX1387_synpic17043", False),  # a slice by two sequences
    ],
)
def test_real_pairs(test_data: Path, one: str, other: str, same: bool) -> None:
    looks = []
    for name in (one, other):
        (path,) = (test_data / "medpix" / "images").glob(f"{name}.*")
        with Image.open(path) as picture:
            looks.append(look(picture.convert("RGB")))
    assert (sameness(*looks) >= SAME) == same


def test_the_answer_is_a_correlation() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        size = random.integers(1, 200, 2)
        pictures = [
            Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)) for _ in range(2)
        ]
        assert -1 <= sameness(*[look(one) for one in pictures]) < SAME
