"""A region of an image: a box of it to search by, for what matters may be a small part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medclip_search.errors import QueryError


@dataclass(frozen=True, slots=True)
class CaseFigure:
    """The figure of a case of the library, by its id: full size, or its thumbnail."""

    id: str

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise QueryError("case: an id is blank; give the id of a case")
        object.__setattr__(self, "id", self.id.strip())


ImageInput = str | Path | bytes | Image.Image | NDArray[np.uint8] | CaseFigure
"""A file's path, a file's bytes, a picture, an array (H, W) or (H, W, 3) of uint8, or the figure
of a case."""

Box = tuple[float, float, float, float]
"""x, y, width, height, from the upper left corner of the upright picture: in pixels, or, where
none is above 1, in fractions of its width and height."""

LEAST = 8
"""Pixels that a region has at least on either side; fewer show nothing."""

WHOLE = "whole"
"""What is written for an image of which no region is meant."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A ``Box`` of an image. Raises ``QueryError`` where it is none."""

    image: ImageInput
    box: Box

    def __post_init__(self) -> None:
        try:
            x, y, width, height = (float(one) for one in self.box)
        except (TypeError, ValueError):
            raise _no_box(self.box) from None
        if not all(map(math.isfinite, (x, y, width, height))) or min(x, y) < 0:
            raise _no_box(self.box)
        if min(width, height) <= 0:
            raise QueryError(f"region: {written(self.box)} has no area; give a width and a height")
        object.__setattr__(self, "box", (x, y, width, height))


def images_of(
    given: ImageInput | Region | Sequence[ImageInput | Region],
) -> tuple[ImageInput | Region, ...]:
    """One image, or several, as a tuple."""
    if isinstance(given, str | Path | bytes | Image.Image | np.ndarray | CaseFigure | Region):
        return (given,)
    return tuple(given)


def crop(picture: Image.Image, box: Box, name: str) -> Image.Image:
    """What lies in a box. Raises ``QueryError`` where that reaches beyond the picture."""
    width, height = picture.size
    scale = (width, height) if max(box) <= 1 else (1, 1)
    left, top = round(box[0] * scale[0]), round(box[1] * scale[1])
    right, bottom = round((box[0] + box[2]) * scale[0]), round((box[1] + box[3]) * scale[1])
    size = f"{width} × {height} pixels"
    if right > width or bottom > height:
        raise QueryError(f"region: {written(box)} reaches beyond {name}, which has {size}")
    if right - left < LEAST or bottom - top < LEAST:
        raise QueryError(
            f"region: {written(box)} of {name} ({size}) has less than {LEAST} × {LEAST} pixels; "
            "take more of it"
        )
    return picture.crop((left, top, right, bottom))


def with_regions(
    images: Sequence[ImageInput], boxes: Sequence[str], name: str = "region"
) -> tuple[ImageInput | Region, ...]:
    """Images with their regions, as texts in the same order; for the rest, the whole image.

    ``name`` is what errors call the option. Raises ``QueryError``.
    """
    if len(boxes) > len(images):
        raise QueryError(
            f"{name}: {len(boxes)} for {len(images)} images; give one an image, in their order, or "
            f"{WHOLE}"
        )
    read = [_read(text, name) for text in boxes]
    read += [None] * (len(images) - len(boxes))
    return tuple(
        image if box is None else Region(image, box)
        for image, box in zip(images, read, strict=True)
    )


def written(box: object) -> str:
    """A box as a person writes it: ``120,40,200,180``."""
    several = box if isinstance(box, Sequence) and not isinstance(box, str) else (box,)
    return ",".join(f"{one:g}" if isinstance(one, int | float) else str(one) for one in several)


def _read(text: str, name: str) -> Box | None:
    if text.strip().casefold() == WHOLE:
        return None
    try:
        x, y, width, height = (float(one) for one in text.split(","))
    except ValueError:
        raise _no_box(text, name) from None
    return x, y, width, height


def _no_box(given: object, name: str = "region") -> QueryError:
    return QueryError(
        f"{name}: {written(given)} is no box; give X,Y,WIDTH,HEIGHT in pixels, or in fractions "
        "from 0 to 1"
    )
