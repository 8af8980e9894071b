"""Regions of images: a box of a query image is searched for as if it were the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from medclip_search.errors import QueryError
from medclip_search.search.engine import search
from medclip_search.search.query import Query
from medclip_search.search.regions import LEAST, Region, crop, with_regions
from tests.search.small_library import PICTURES, SmallLibrary

PIXELS = np.random.default_rng(4).integers(0, 256, (60, 100, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


def beside() -> Image.Image:
    """Two pictures of other hues in one figure, as in a figure of several panels."""
    whole = Image.new("RGB", (64, 32))
    whole.paste(PICTURES["a1"].resize((32, 32), 0), (0, 0))
    whole.paste(PICTURES["b1"].resize((32, 32), 0), (32, 0))
    return whole


@pytest.mark.parametrize(
    ("box", "first"),
    [((0, 0, 32, 32), "a1"), ((32, 0, 32, 32), "b1"), ((0.5, 0, 0.5, 1), "b1")],
)
def test_a_region_finds_what_its_part_alone_finds(
    small: SmallLibrary, box: tuple[float, float, float, float], first: str
) -> None:
    hits = search(small, Query(image=Region(beside(), box)), 5)
    assert hits[0].id == first
    alone = search(small, Query(image=PICTURES[first].resize((32, 32), 0)), 5)
    assert [(hit.id, hit.score) for hit in hits] == [(hit.id, hit.score) for hit in alone]


def test_regions_are_unwanted_and_weighed_as_images_are(small: SmallLibrary) -> None:
    left, right = Region(beside(), (0, 0, 32, 32)), Region(beside(), (32, 0, 32, 32))
    hits = search(small, Query(image=[left, right], weights={"image": [1, 3]}), 3)
    assert hits[0].id.startswith("b")
    unlike = search(small, Query(text="lung OR liver", not_image=left), 11)
    assert unlike[0].id.startswith("b")


@settings(deadline=None)
@given(st.tuples(*(st.integers(0, 100),) * 4).filter(lambda box: max(box) > 1))
def test_a_box_in_pixels_is_cut_as_arrays_are(box: tuple[int, int, int, int]) -> None:
    x, y, width, height = box
    fits = LEAST <= width <= 100 - x and LEAST <= height <= 60 - y
    if not fits:
        with pytest.raises(QueryError, match=r"^region: ") as caught:
            crop(PICTURE, Region(PICTURE, box).box, "query image 1")
        assert "\n" not in str(caught.value)
        return
    cut = crop(PICTURE, Region(PICTURE, box).box, "query image 1")
    assert np.array_equal(np.asarray(cut), PIXELS[y : y + height, x : x + width])


@settings(deadline=None)
@given(st.tuples(*(st.floats(0, 1),) * 4))
def test_fractions_of_the_picture_never_reach_beyond_it(
    box: tuple[float, float, float, float],
) -> None:
    x, y, width, height = box
    width, height = min(width, 1 - x), min(height, 1 - y)
    columns = round((x + width) * 100) - round(x * 100)
    rows = round((y + height) * 60) - round(y * 60)
    assume(min(columns, rows) >= LEAST)
    region = Region(PICTURE, (x, y, width, height))
    assert crop(PICTURE, region.box, "query image 1").size == (columns, rows)


@pytest.mark.parametrize(
    "box",
    [(1, 2, 3), (0, 0, 0, 9), (-1, 0, 9, 9), (0, 0, float("nan"), 9), ("a", 0, 9, 9), None, "1,2"],
)
def test_what_is_no_box_is_refused_at_once(box: Any) -> None:
    with pytest.raises(QueryError, match=r"^region: ") as caught:
        Region(PICTURE, box)
    assert "\n" not in str(caught.value)


def test_a_box_beyond_the_picture_tells_its_size(small: SmallLibrary) -> None:
    with pytest.raises(
        QueryError, match=r"90,0,20,20 reaches .* query image 1, which has 100 × 60"
    ):
        search(small, Query(image=Region(PICTURE, (90, 0, 20, 20))), 3)


def test_texts_go_with_images_in_their_order() -> None:
    images = [PICTURE, PICTURE, PICTURE]
    first, second, third = with_regions(images, ["whole", " 1, 2,30 ,40"])
    assert first is PICTURE
    assert third is PICTURE
    assert isinstance(second, Region)
    assert second.box == (1, 2, 30, 40)
    with pytest.raises(QueryError, match=r"--region: 2 for 1 images"):
        with_regions([PICTURE], ["whole", "whole"], "--region")
    for text in ("", "1,2,3", "1,2,3,x", "1 2 3 4"):
        with pytest.raises(QueryError, match=r"^--region: .* is no box; give X,Y,WIDTH,HEIGHT"):
            with_regions([PICTURE], [text], "--region")
