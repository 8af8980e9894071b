"""An area of the map, as a query names it: a rectangle, written ``0.1,0.2,0.3,0.3``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from medclip_search.errors import QueryError
from medclip_search.indexes.map import LEAST, Area
from medclip_search.search.snapshot import Snapshot

AreaInput: TypeAlias = str | Sequence[float]
"""x, y, width and height, from the upper left corner of the map, in fractions of it; as text with
commas between them."""

_FORM = "give x,y,width,height in fractions of the map, for example 0.1,0.2,0.3,0.3"


def read_area(given: AreaInput) -> Area | tuple[()]:
    """The area that is meant; nothing where nothing is given. Raises ``QueryError``."""
    parts = (given.split(",") if given.strip() else []) if isinstance(given, str) else list(given)
    if not parts:
        return ()
    try:
        x, y, width, height = (float(one) for one in parts)
    except (TypeError, ValueError):
        raise QueryError(f"area: not four numbers; {_FORM}") from None
    if not all(map(math.isfinite, (x, y, width, height))):
        raise QueryError(f"area: not four numbers; {_FORM}")
    if width < 0 or height < 0:
        raise QueryError(f"area: its width or height is below 0; {_FORM}")
    return (x, y, width, height)


def written(area: Area) -> str:
    """The text that ``read_area`` reads."""
    return ",".join(f"{one:g}" for one in area)


def within(generation: Snapshot, area: Area) -> NDArray[np.bool_]:
    """The cases that stand in an area, (size,) bool. Raises ``QueryError`` without a map."""
    if generation.map is None:
        raise QueryError(f"area: {no_map(generation)}")
    return generation.map.within(area, generation.columns.size)


def no_map(generation: Snapshot) -> str:
    """Why a library has no map, as part of a sentence."""
    pictures = max(
        (
            index.size
            for name, index in generation.vectors.items()
            if generation.spaces[name].holds == "images"
        ),
        default=0,
    )
    if pictures >= LEAST:
        return "the library was built before there were maps; build it again to get one"
    held = (
        "no picture" if not pictures else "1 picture" if pictures == 1 else f"{pictures} pictures"
    )
    return f"the library has no map, for it holds {held}, and a map takes {LEAST}"
