"""Figures of the library's own cases as query images, by the cases' ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from PIL import Image

from medclip_search.search.query import Query
from medclip_search.search.regions import CaseFigure, ImageInput, Region


def with_figures(query: Query, figure: Callable[[str], Image.Image]) -> Query:
    """The query with each ``CaseFigure`` as the picture that ``figure`` gives for its id."""

    def picture(image: ImageInput) -> ImageInput:
        return figure(image.id) if isinstance(image, CaseFigure) else image

    def pictures(images: object) -> tuple[ImageInput | Region, ...]:
        # A query holds tuples, whatever it was made from.
        several = cast("tuple[ImageInput | Region, ...]", images)
        return tuple(
            Region(picture(one.image), one.box) if isinstance(one, Region) else picture(one)
            for one in several
        )

    return replace(query, image=pictures(query.image), not_image=pictures(query.not_image))
